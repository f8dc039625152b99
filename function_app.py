"""The triggers of the function app: pass requests of Azure Functions to the handler. No other module imports
`azure.functions`.
"""

import os
from collections.abc import AsyncGenerator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

import azure.functions as func

from scim.edge.http import Request
from scim.edge.triggers import TRIGGERS

if TYPE_CHECKING:
    from scim.app import App

# Entra ID can't send a function key, so the handler authenticates each request by its bearer token.
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_ends: Final[list[AsyncGenerator[None]]] = []


@cache
def service_of_this_worker() -> "App":
    """Return the service of this process; the first call builds it.

    Building it never awaits, so of several concurrent first requests only one builds it.
    """
    from scim.app import from_environment  # noqa: PLC0415 - indexing the app needs the routes only

    return from_environment(os.environ)


async def service() -> "App":
    """Return the service, and register that it is closed when the worker ends."""
    built = service_of_this_worker()
    if not _ends:
        _ends.append(at_the_end())
        await anext(_ends[0])
    return built


async def at_the_end() -> AsyncGenerator[None]:
    """Close the service when the event loop ends.

    The worker has no shutdown hook. But `asyncio.run`, in which it runs, closes running asynchronous generators after
    the last request. A worker that is killed doesn't close anything.
    """
    try:
        yield
    finally:
        await service_of_this_worker().close()


async def answer(req: func.HttpRequest, route: str) -> func.HttpResponse:
    """Pass a request to the handler and return its response."""
    scheme, _, rest = req.url.partition("://")
    host = rest.partition("/")[0]
    response = await (await service()).handler.handle(
        Request(
            method=req.method.upper(),
            path=path_of(req, route),
            parameters=parameters_of(req),
            headers={name.lower(): value for name, value in req.headers.items()},
            body=req.get_body(),
            origin=f"{scheme}://{host}" if host else "",
        )
    )
    return func.HttpResponse(
        response.body,
        status_code=response.status,
        headers=dict(response.headers),
        mimetype=response.headers.get("Content-Type", "application/scim+json"),
    )


def path_of(req: func.HttpRequest, route: str) -> str:
    """Return the percent-encoded path. The host decodes route parameters once, and normalises the path of the URL."""
    for name, value in req.route_params.items():
        route = route.replace(f"{{*{name}}}", quote(value))
    if "{" not in route:
        return f"/{route}"
    # Not by `urlsplit`, which raises an error for a host such as `[::1`. The handler refuses it with a SCIM error.
    url: str = req.url
    return "/" + url.partition("://")[2].partition("?")[0].partition("/")[2]


def parameters_of(req: func.HttpRequest) -> Mapping[str, str]:
    """Return the query parameters, including those without a value, which the host leaves out."""
    query = req.url.partition("?")[2]
    blank = {name: "" for name, value in parse_qsl(query, keep_blank_values=True) if not value} if query else {}
    # The host's parameters take precedence, because a name can occur in upper and in lower case.
    return {**blank, **req.params} if blank else req.params


def register(name: str, route: str) -> None:
    """Register one trigger. It names no methods and so accepts all: the host answers others with an empty 404."""

    async def trigger(req: func.HttpRequest) -> func.HttpResponse:
        return await answer(req, route)

    app.function_name(name)(app.route(route=route)(trigger))


for trigger_name, trigger_route in TRIGGERS.items():
    register(trigger_name, trigger_route)


@app.function_name("sweep")
@app.timer_trigger(schedule="0 */15 * * * *", arg_name="timer", run_on_startup=False, use_monitor=True)
async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding requires it
    """Delete leftover memberships, unfinished groups and expired records every 15 minutes."""
    await (await service()).sweep()
