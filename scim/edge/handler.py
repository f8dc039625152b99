"""Handles one request: authenticates it, routes it, reads the message, calls the use case and writes the response.

The only module that turns errors into responses. Knows no HTTP server, no Azure Functions and no store adapter.
"""

import logging
import math
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

import orjson

from scim.edge import hosts
from scim.edge.bodies import MEDIA_TYPE, parsed
from scim.edge.headers import completed, request_id
from scim.edge.http import Request, Response
from scim.edge.observation import Observation, known_method
from scim.edge.permissions import allowed
from scim.edge.routes import BASE_PATH, Action, Route, Routes
from scim.protocol import etag, tolerances
from scim.protocol.errors import (
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    NotImplementedHere,
    PayloadTooLarge,
    ScimError,
    TooManyRequests,
    Unavailable,
)
from scim.protocol.json import Json
from scim.protocol.limits import Limits
from scim.protocol.messages import SearchRequest, search_parameters, search_request
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.security.principal import Authenticate
from scim.service.bulk import Bulk
from scim.service.discovery import Discovery
from scim.service.me import Me
from scim.service.request_context import Conditions, RequestContext
from scim.service.resources import Resources, Result
from scim.service.searches import Searches
from scim.storage.errors import StoreUnavailable, Throttled, TooLarge
from scim.telemetry.record import Observe
from scim.telemetry.usage import Usage

_SECONDS: Final = 60.0
"""An error that prevents authentication is logged at most once in this time, because any client can cause it."""
_log: Final = logging.getLogger("scim.request")

type _Act = Callable[[Request, Route, RequestContext], Awaitable[Response]]


class Handler:
    """The SCIM endpoint."""

    def __init__(
        self,
        resources: Resources,
        searches: Searches,
        bulk: Bulk,
        discovery: Discovery,
        me: Me,
        registry: Registry,
        limits: Limits,
        authenticate: Authenticate,
        *,
        base_url: str | None,
        timer: Callable[[], float],
        new_id: Callable[[], str],
        observe: Observe,
        begin_usage: Callable[[], Usage],
    ) -> None:
        """`base_url` fixes the URLs in responses. `timer` gives seconds, `new_id` a request id.

        `observe` is called at the start of each request; `begin_usage` starts to count its database calls.
        """
        self._resources = resources
        self._searches = searches
        self._bulk = bulk
        self._discovery = discovery
        self._me = me
        self._registry = registry
        self._limits = limits
        self._authenticate = authenticate
        self._base_url = base_url
        self._timer = timer
        self._new_id = new_id
        self._observe = observe
        self._begin_usage = begin_usage
        self._routes = Routes(registry)
        self._logged_at: dict[str, float] = {}
        self._actions: Mapping[Action, _Act] = {
            "list": self._list,
            "create": self._create,
            "search": self._search,
            "get": self._get,
            "put": self._put,
            "patch": self._patch,
            "delete": self._delete,
            "serviceProviderConfig": self._discover,
            "resourceTypes": self._discover,
            "resourceType": self._discover,
            "schemas": self._discover,
            "schema": self._discover,
            "me": self._on_me(self._get),
            "createMe": self._create_me,
            "putMe": self._on_me(self._put),
            "patchMe": self._on_me(self._patch),
            "deleteMe": self._on_me(self._delete),
        }

    async def handle(self, request: Request) -> Response:
        """Return the response to a request; every error becomes one. A `HEAD` is a `GET` without the body."""
        started = self._timer()
        route = self._routes.find(request.path)
        observation = Observation(request, route, request_id(request) or self._new_id())
        finish = self._observe(observation.started)
        usage, used = self._begin_usage(), tolerances.begin()
        error: ScimError | None = None
        status = _CANCELLED
        try:
            answered = await _attempted(
                self._answer(request, route, observation),
                observation.request_id,
                lambda raised: observation.principal is not None or self._may_log(raised),
            )
            if isinstance(answered, ScimError):
                error = answered
            response = answered if isinstance(answered, Response) else _failed(answered)
            status = response.status
        finally:
            milliseconds = (self._timer() - started) * 1000
            finish(observation.record(status, error, milliseconds, usage, used))
        headers = completed(response.headers, request, observation.request_id)
        return Response(response.status, headers, b"" if request.method == "HEAD" else response.body)

    async def _answer(self, request: Request, route: Route | None, observation: Observation) -> Response:
        if route is not None and route.template == "/healthz":
            _method(request, route)
            return Response(200, {"Content-Type": "application/json"}, b'{"status":"ok"}')
        principal = observation.principal = await self._authenticate(request.headers.get("authorization"))
        self._authenticate.count_request(principal)
        if self._base_url is None:
            hosts.check(request.origin)
        if route is None:
            raise NotFound("No endpoint has this path. The SCIM endpoints are under /scim/v2.")
        name = _method(request, route)
        principal.require(allowed(name))
        base_url = self._base_url or request.origin + BASE_PATH
        conditions = Conditions(request.headers.get("if-match"), request.headers.get("if-none-match"))
        context = RequestContext(principal.customer, base_url, principal.subjects, conditions=conditions)
        if request.receive is not None:
            limit = self._limits.bulk_bytes if name == "bulk" else self._limits.body_bytes
            # One byte more than the limit is enough to refuse the body.
            request = replace(request, body=await request.receive(limit + 1))
        if name == "bulk":
            return await self._run_bulk(request, context, observation)
        return await self._actions[name](request, route, context)

    # --- one method for each action ---

    async def _list(self, request: Request, route: Route, context: RequestContext) -> Response:
        return await self._page(context, route, search_parameters(request.parameters, self._limits))

    async def _search(self, request: Request, route: Route, context: RequestContext) -> Response:
        return await self._page(context, route, search_request(self._body(request), self._limits))

    async def _page(self, context: RequestContext, route: Route, request: SearchRequest) -> Response:
        resource_types = [route.resource_type] if route.resource_type else list(self._registry.resource_types.values())
        return _json(200, await self._searches.search(context, resource_types, request))

    async def _create(self, request: Request, route: Route, context: RequestContext) -> Response:
        context = self._with_selection(context, request)
        result = await self._resources.create(context, _resource_type(route), self._body(request))
        return _resource(201, result)

    async def _get(self, request: Request, route: Route, context: RequestContext) -> Response:
        context = self._with_selection(context, request)
        result = await self._resources.get(context, _resource_type(route), route.id)
        return _resource(200 if result.resource is not None else 304, result)

    async def _put(self, request: Request, route: Route, context: RequestContext) -> Response:
        context = self._with_selection(context, request)
        result = await self._resources.put(context, _resource_type(route), route.id, self._body(request))
        return _resource(200, result)

    async def _patch(self, request: Request, route: Route, context: RequestContext) -> Response:
        context = self._with_selection(context, request)
        result = await self._resources.patch(context, _resource_type(route), route.id, self._body(request))
        return _resource(200 if result.resource is not None else 204, result)

    async def _delete(self, request: Request, route: Route, context: RequestContext) -> Response:  # noqa: ARG002 - one signature
        await self._resources.delete(context, _resource_type(route), route.id)
        return Response(204)

    def _on_me(self, act: _Act) -> _Act:
        """Return the same action on the user that `/Me` stands for (RFC 7644 §3.11)."""

        async def on_me(request: Request, route: Route, context: RequestContext) -> Response:
            return await act(request, replace(route, id=await self._me.user_id(context)), context)

        return on_me

    async def _create_me(self, request: Request, route: Route, context: RequestContext) -> Response:  # noqa: ARG002 - one signature
        raise NotImplementedHere("POST /Me is not supported. Create users with POST /Users.")

    async def _run_bulk(self, request: Request, context: RequestContext, observation: Observation) -> Response:
        async def attempt[T](work: Awaitable[T]) -> T | ScimError:
            return await _attempted(work, observation.request_id)

        body = parsed(request, self._limits.bulk_bytes, self._bulk.check_number)
        outcome = await self._bulk.run(context, body, attempt)
        observation.bulk_operations, observation.bulk_failed = outcome.operations, outcome.failed
        return _json(200, outcome.response)

    async def _discover(self, request: Request, route: Route, context: RequestContext) -> Response:
        if any(name.lower() == "filter" and value for name, value in request.parameters.items()):
            raise Forbidden("Discovery endpoints can't be filtered (RFC 7644 §4).")
        discovery, base_url = self._discovery, context.base_url
        match route.actions["GET"]:
            case "serviceProviderConfig":
                return _json(200, discovery.service_provider_config(base_url))
            case "resourceTypes":
                return _json(200, discovery.resource_types(base_url))
            case "resourceType":
                return _json(200, discovery.resource_type(route.id, base_url))
            case "schemas":
                return _json(200, discovery.schemas(base_url))
        return _json(200, discovery.schema(route.id, base_url))

    # --- reading ---

    def _with_selection(self, context: RequestContext, request: Request) -> RequestContext:
        """Return the context with the parameters `attributes` and `excludedAttributes`. Raises `InvalidValue`."""
        if not request.parameters:
            return context
        selection = search_parameters(
            {name: value for name, value in request.parameters.items() if name.lower() in _SELECTING}, self._limits
        )
        return replace(context, attributes=selection.attributes, excluded=selection.excluded)

    def _body(self, request: Request) -> Json:
        return parsed(request, self._limits.body_bytes)

    def _may_log(self, raised: Exception) -> bool:
        now, error_name = self._timer(), type(raised).__name__
        if now - self._logged_at.get(error_name, -math.inf) < _SECONDS:
            return False
        self._logged_at[error_name] = now
        return True


async def _attempted[T](
    work: Awaitable[T], request_id: str, may_log: Callable[[Exception], bool] = lambda _: True
) -> T | ScimError:
    """Return the result of the work, or the error for the client. Cancellation isn't caught.

    `may_log` decides whether the details that the client doesn't get are logged.
    """
    try:
        return await work
    except Exception as raised:  # noqa: BLE001 - the client gets a SCIM error, the log the place in the code
        return _explained(raised, request_id, may_log)


def _explained(raised: Exception, request_id: str, may_log: Callable[[Exception], bool]) -> ScimError:
    """Return the error for the client. Log the details that it doesn't get: the place in the code, never values."""
    match raised:
        case ScimError():
            return raised
        case Throttled():
            return TooManyRequests(raised.retry_after)
        case TooLarge():
            return PayloadTooLarge(
                "The request or the resource is larger than the database accepts. Send less at a time."
            )
        case StoreUnavailable():
            if may_log(raised):
                _log.error("the store is unavailable: %s (request %s)", raised, request_id)
            return Unavailable(
                "The service can't reach its database. Repeat the request later.",
                retry_after=raised.retry_after,
                reason="store",
            )
    if may_log(raised):
        trace = "".join(traceback.format_tb(raised.__traceback__))
        _log.error("unexpected %s (request %s)\n%s", type(raised).__name__, request_id, trace)
    return InternalError("The service failed. Its log has the details under the request id.")


class Unconfigured:
    """Takes the place of the handler when a setting is wrong. Every response is 503 with `Retry-After`."""

    def __init__(self, new_id: Callable[[], str], observe: Observe) -> None:
        """`new_id` gives a request id; `observe` is called at the start of each request."""
        self._new_id = new_id
        self._observe = observe

    async def handle(self, request: Request) -> Response:
        """Return 503 as a SCIM error. The host would send an empty 500, which explains nothing."""
        observation = Observation(request, None, request_id(request) or self._new_id())
        finish = self._observe(observation.started)
        error = Unavailable("The service isn't configured. Its log names the wrong setting.", retry_after=60)
        response = _failed(error)
        finish(observation.record(response.status, error, 0.0, Usage(), tolerances.Used()))
        headers = completed(response.headers, request, observation.request_id)
        return Response(response.status, headers, b"" if request.method == "HEAD" else response.body)


_CANCELLED: Final = 499
"""The status in the log of a request that was cancelled before its response."""
_SELECTING: Final = frozenset({"attributes", "excludedattributes"})


def _method(request: Request, route: Route) -> Action:
    action = route.actions.get("GET" if request.method == "HEAD" else request.method)
    if action is None:
        possible = (*route.actions, "HEAD") if "GET" in route.actions else tuple(route.actions)
        raise MethodNotAllowed(known_method(request.method), possible)
    return action


def _resource_type(route: Route) -> ResourceType:
    if route.resource_type is None:
        raise TypeError("the route has no resource type")
    return route.resource_type


def _resource(status: int, result: Result) -> Response:
    headers = {"ETag": etag.weak(result.version), "Location": result.location}
    if result.resource is None:
        return Response(status, headers)
    return _json(status, result.resource, headers)


def _json(status: int, value: Json, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {"Content-Type": MEDIA_TYPE, **(headers or {})}, orjson.dumps(value))


def _failed(error: ScimError) -> Response:
    return _json(error.status, error.body(), error.headers)
