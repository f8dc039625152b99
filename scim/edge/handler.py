"""Handles one request: authenticates it, finds its route, checks the access, runs the action and completes the response.

The only module that turns errors into responses. Knows no HTTP server, no Azure Functions and no store.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from scim.edge import hosts
from scim.edge.actions import Call, UseCases, json_response
from scim.edge.headers import completed, request_id
from scim.edge.http import METHODS, Request, Response
from scim.edge.observation import Observation
from scim.edge.routes import BASE_PATH, Match, Route, Routes
from scim.protocol import tolerances
from scim.protocol.errors import MethodNotAllowed, NotFound, ScimError, Unavailable
from scim.security.principal import Authenticate
from scim.service.failures import Failures
from scim.service.request_context import Conditions, RequestContext
from scim.telemetry.record import Observe
from scim.telemetry.usage import Usage

_CANCELLED: Final = 499
"""The status in the log of a request that was cancelled before its response."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Observes requests: `observe` is called at the start of each, `begin_usage` starts to count its database calls.

    `timer` gives seconds.
    """

    observe: Observe
    begin_usage: Callable[[], Usage]
    timer: Callable[[], float]


class Handler:
    """The SCIM endpoint."""

    def __init__(
        self,
        use_cases: UseCases,
        authenticate: Authenticate,
        failures: Failures,
        telemetry: Telemetry,
        *,
        base_url: str | None,
        new_id: Callable[[], str],
    ) -> None:
        """`base_url` fixes the URLs in responses; without it they follow the request. `new_id` returns a request id."""
        self._use_cases = use_cases
        self._authenticate = authenticate
        self._failures = failures
        self._telemetry = telemetry
        self._base_url = base_url
        self._new_id = new_id
        self._routes = Routes(use_cases.registry)

    async def handle(self, request: Request) -> Response:
        """Return the response to a request; every error becomes one. A `HEAD` is a `GET` without the body."""
        timer = self._telemetry.timer
        started = timer()
        match = self._routes.find(request.path)
        observation = Observation(request, match, request_id(request) or self._new_id())
        finish = self._telemetry.observe(observation.started)
        usage, used = self._telemetry.begin_usage(), tolerances.begin()
        error: ScimError | None = None
        status = _CANCELLED
        try:
            try:
                response = await self._respond(request, match, observation)
            except Exception as raised:  # noqa: BLE001 - the client gets a SCIM error, the log the place in the code
                is_authenticated = observation.principal is not None
                error = self._failures.error(raised, observation.request_id, is_authenticated=is_authenticated)
                response = _failed(error)
            status = response.status
        finally:
            finish(observation.record(status, error, (timer() - started) * 1000, usage, used))
        headers = completed(response.headers, request, observation.request_id)
        return Response(response.status, headers, b"" if request.method == "HEAD" else response.body)

    async def _respond(self, request: Request, match: Match | None, observation: Observation) -> Response:
        if match is not None and match.target.is_public:
            context = RequestContext("", "")
            return await _route(request, match).act(Call(self._use_cases, request, context))
        principal = observation.principal = await self._authenticate(request.headers.get("authorization"))
        self._authenticate.count_request(principal)
        if self._base_url is None:
            hosts.check(request.origin)
        if match is None:
            raise NotFound("No endpoint has this path. The SCIM endpoints are under /scim/v2.")
        route = _route(request, match)
        principal.require(route.access or ())
        context = RequestContext(
            principal.customer,
            self._base_url or request.origin + BASE_PATH,
            principal.subjects,
            request_id=observation.request_id,
            conditions=Conditions(request.headers.get("if-match"), request.headers.get("if-none-match")),
        )
        if request.receive is not None:
            limits = self._use_cases.limits
            limit = limits.bulk_bytes if route.name == "bulk" else limits.body_bytes
            # One byte more than the limit is enough to refuse the body.
            request = replace(request, body=await request.receive(limit + 1))
        call = Call(self._use_cases, request, context, match.target.resource_type, match.id)
        response = await route.act(call)
        observation.bulk_operations, observation.bulk_failed = call.bulk_operations, call.bulk_failed
        return response


class Unconfigured:
    """Takes the place of the handler when a setting is wrong. Every response is 503 with `Retry-After`."""

    def __init__(self, new_id: Callable[[], str], observe: Observe) -> None:
        """`new_id` returns a request id; `observe` is called at the start of each request."""
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


def _route(request: Request, match: Match) -> Route:
    routes = match.target.routes
    route = routes.get("GET" if request.method == "HEAD" else request.method)
    if route is None:
        allowed = (*routes, "HEAD") if "GET" in routes else tuple(routes)
        raise MethodNotAllowed(request.method if request.method in METHODS else None, allowed)
    return route


def _failed(error: ScimError) -> Response:
    return json_response(error.status, error.body(), error.headers)
