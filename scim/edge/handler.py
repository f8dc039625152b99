"""One request in, one response out: authenticate, route, read the envelope, call the service, write the answer.

The only place that turns errors into responses. Knows no HTTP server and no store.
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
from scim.edge.permissions import allowed
from scim.edge.routes import BASE_PATH, Action, Route, Routes
from scim.edge.seen import Seen, known_method
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
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.security.principal import Authenticate
from scim.service.bulk import Bulk
from scim.service.caller import Asked, Caller, Conditions
from scim.service.discovery import Discovery
from scim.service.me import Me
from scim.service.resources import Answer, Resources
from scim.service.searches import Searches
from scim.storage.interface import StoreUnavailable, Throttled, TooLarge
from scim.telemetry.record import Observe
from scim.telemetry.spending import Spending

_SECONDS: Final = 60.0
"""The log gets an error that prevents authentication at most once in this time, because anybody can cause it."""
_log: Final = logging.getLogger("scim.request")

type _Act = Callable[[Request, Route, Caller], Awaitable[Response]]


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
        spending: Callable[[], Spending],
    ) -> None:
        """`base_url` fixes the address in answers; `timer` gives seconds, `new_id` ids of requests.

        `observe` is told of each request; `spending` begins to count what its database calls cost.
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
        self._spending = spending
        self._routes = Routes(registry)
        self._told: dict[str, float] = {}
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
        """The answer to a request, whatever happens. A `HEAD` is a `GET` without the body."""
        started = self._timer()
        route = self._routes.find(request.path)
        seen = Seen(request, route, request_id(request) or self._new_id())
        finish = self._observe(seen.begun)
        spending, used = self._spending(), tolerances.begin()
        error: ScimError | None = None
        status = _CALLED_OFF
        try:
            answered = await _attempted(
                self._answer(request, route, seen),
                seen.request_id,
                lambda raised: seen.principal is not None or self._may_tell(raised),
            )
            if isinstance(answered, ScimError):
                error = answered
            response = answered if isinstance(answered, Response) else _failed(answered)
            status = response.status
        finally:
            milliseconds = (self._timer() - started) * 1000
            finish(seen.record(status, error, milliseconds, spending, used))
        headers = completed(response.headers, request, seen.request_id)
        return Response(response.status, headers, b"" if request.method == "HEAD" else response.body)

    async def _answer(self, request: Request, route: Route | None, seen: Seen) -> Response:
        if route is not None and route.template == "/healthz":
            _method(request, route)
            return Response(200, {"Content-Type": "application/json"}, b'{"status":"ok"}')
        principal = seen.principal = await self._authenticate(request.headers.get("authorization"))
        self._authenticate.admit(principal)
        if self._base_url is None:
            hosts.check(request.origin)
        if route is None:
            raise NotFound("There is nothing at this address; the SCIM endpoints are below /scim/v2.")
        name = _method(request, route)
        principal.need(allowed(name))
        base_url = self._base_url or request.origin + BASE_PATH
        caller = Caller(principal.tenant, base_url, principal.subjects)
        if request.receive is not None:
            most = self._limits.bulk_bytes if name == "bulk" else self._limits.body_bytes
            # A byte more than the limit is enough to refuse the body.
            request = replace(request, body=await request.receive(most + 1))
        if name == "bulk":
            return await self._many(request, caller, seen)
        return await self._actions[name](request, route, caller)

    # --- one method for each action ---

    async def _list(self, request: Request, route: Route, caller: Caller) -> Response:
        return await self._found(caller, route, search_parameters(request.parameters, self._limits))

    async def _search(self, request: Request, route: Route, caller: Caller) -> Response:
        return await self._found(caller, route, search_request(self._body(request), self._limits))

    async def _found(self, caller: Caller, route: Route, request: SearchRequest) -> Response:
        kinds = [route.kind] if route.kind is not None else list(self._registry.resource_types.values())
        return _json(200, await self._searches.search(caller, kinds, request))

    async def _create(self, request: Request, route: Route, caller: Caller) -> Response:
        answer = await self._resources.create(caller, _kind(route), self._body(request), self._asked(request))
        return _resource(201, answer)

    async def _get(self, request: Request, route: Route, caller: Caller) -> Response:
        answer = await self._resources.get(caller, _kind(route), route.id, self._asked(request), _conditions(request))
        return _resource(200 if answer.resource is not None else 304, answer)

    async def _put(self, request: Request, route: Route, caller: Caller) -> Response:
        answer = await self._resources.put(
            caller, _kind(route), route.id, self._body(request), self._asked(request), _conditions(request)
        )
        return _resource(200, answer)

    async def _patch(self, request: Request, route: Route, caller: Caller) -> Response:
        answer = await self._resources.patch(
            caller, _kind(route), route.id, self._body(request), self._asked(request), _conditions(request)
        )
        return _resource(200 if answer.resource is not None else 204, answer)

    async def _delete(self, request: Request, route: Route, caller: Caller) -> Response:
        await self._resources.delete(caller, _kind(route), route.id, _conditions(request))
        return Response(204)

    def _on_me(self, act: _Act) -> _Act:
        """The same on the user that the token is linked to (RFC 7644 §3.11)."""

        async def on_me(request: Request, route: Route, caller: Caller) -> Response:
            return await act(request, replace(route, id=await self._me.id(caller)), caller)

        return on_me

    async def _create_me(self, request: Request, route: Route, caller: Caller) -> Response:  # noqa: ARG002 - one signature
        raise NotImplementedHere("Nobody registers here; a user is made by POST to /Users.")

    async def _many(self, request: Request, caller: Caller, seen: Seen) -> Response:
        async def attempt[T](work: Awaitable[T]) -> T | ScimError:
            return await _attempted(work, seen.request_id)

        body = parsed(request, self._limits.bulk_bytes, self._bulk.check_number)
        outcome = await self._bulk.run(caller, body, attempt)
        seen.bulk_operations, seen.bulk_failed = outcome.operations, outcome.failed
        return _json(200, outcome.response)

    async def _discover(self, request: Request, route: Route, caller: Caller) -> Response:
        if any(name.lower() == "filter" and value for name, value in request.parameters.items()):
            raise Forbidden("Discovery endpoints can't be filtered (RFC 7644 §4).")
        discovery, base_url = self._discovery, caller.base_url
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

    def _asked(self, request: Request) -> Asked:
        if not request.parameters:
            return Asked()
        asked = search_parameters(
            {name: value for name, value in request.parameters.items() if name.lower() in _PROJECTING}, self._limits
        )
        return Asked(asked.attributes, asked.excluded)

    def _body(self, request: Request) -> Json:
        return parsed(request, self._limits.body_bytes)

    def _may_tell(self, raised: Exception) -> bool:
        now, kind = self._timer(), type(raised).__name__
        if now - self._told.get(kind, -math.inf) < _SECONDS:
            return False
        self._told[kind] = now
        return True


async def _attempted[T](
    work: Awaitable[T], request_id: str, may_tell: Callable[[Exception], bool] = lambda _: True
) -> T | ScimError:
    """Return the result of some work, or the error that explains what went wrong. Cancellation goes through.

    `may_tell` is asked whether the log may have what the client isn't told.
    """
    try:
        return await work
    except Exception as raised:  # noqa: BLE001 - the last line of defence: a client gets a SCIM error, the log the place
        return _explained(raised, request_id, may_tell)


def _explained(raised: Exception, request_id: str, may_tell: Callable[[Exception], bool]) -> ScimError:
    """Return the error that a client gets; log what it isn't told, with the place and without values."""
    match raised:
        case ScimError():
            return raised
        case Throttled():
            return TooManyRequests(raised.retry_after)
        case TooLarge():
            return PayloadTooLarge("The request or the resource is larger than the database takes.")
        case StoreUnavailable():
            if may_tell(raised):
                _log.error("the store is unavailable: %s (request %s)", raised, request_id)
            return Unavailable("The service can't reach its database.", retry_after=raised.retry_after, reason="store")
    if may_tell(raised):
        places = "".join(traceback.format_tb(raised.__traceback__))
        _log.error("unexpected %s (request %s)\n%s", type(raised).__name__, request_id, places)
    return InternalError("The service failed; its log says where.")


class Unconfigured:
    """Stands in for the handler when a setting is wrong: every request is told to come back later."""

    def __init__(self, new_id: Callable[[], str], observe: Observe) -> None:
        """`new_id` gives ids of requests; `observe` is told of each."""
        self._new_id = new_id
        self._observe = observe

    async def handle(self, request: Request) -> Response:
        """503 in SCIM form: an empty 500 would tell neither the client nor the operator anything."""
        seen = Seen(request, None, request_id(request) or self._new_id())
        finish = self._observe(seen.begun)
        error = Unavailable("The service isn't configured; its log says which setting is wrong.", retry_after=60)
        response = _failed(error)
        finish(seen.record(response.status, error, 0.0, Spending(), tolerances.Used()))
        headers = completed(response.headers, request, seen.request_id)
        return Response(response.status, headers, b"" if request.method == "HEAD" else response.body)


_CALLED_OFF: Final = 499
"""The status in the log of a request that was called off before it was answered."""
_PROJECTING: Final = frozenset({"attributes", "excludedattributes"})


def _method(request: Request, route: Route) -> Action:
    action = route.actions.get("GET" if request.method == "HEAD" else request.method)
    if action is None:
        possible = (*route.actions, "HEAD") if "GET" in route.actions else tuple(route.actions)
        raise MethodNotAllowed(known_method(request.method), possible)
    return action


def _kind(route: Route) -> ResourceType:
    if route.kind is None:
        raise TypeError("the route has no resource type")
    return route.kind


def _conditions(request: Request) -> Conditions:
    return Conditions(request.headers.get("if-match"), request.headers.get("if-none-match"))


def _resource(status: int, answer: Answer) -> Response:
    headers = {"ETag": etag.weak(answer.version), "Location": answer.location}
    if answer.resource is None:
        return Response(status, headers)
    return _json(status, answer.resource, headers)


def _json(status: int, value: Json, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {"Content-Type": MEDIA_TYPE, **(headers or {})}, orjson.dumps(value))


def _failed(error: ScimError) -> Response:
    return _json(error.status, error.body(), error.headers)
