"""The triggers of the function app: Azure's request in, the handler's answer out. Nothing else knows Azure's library."""

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

# Entra ID can't send a function key: the door is the handler's own check of the bearer token.
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_ends: Final[list[AsyncGenerator[None]]] = []


@cache
def service_of_this_worker() -> "App":
    """The service, built by the first request; everything in it is shared by those that follow.

    It is built without waiting for anything, so that of several first requests on the worker's loop one builds it.
    """
    from scim.app import from_environment  # noqa: PLC0415 - not for indexing, which needs the routes alone

    return from_environment(os.environ)


async def service() -> "App":
    """The same; it closes its clients when the worker ends."""
    built = service_of_this_worker()
    if not _ends:
        _ends.append(at_the_end())
        await anext(_ends[0])
    return built


async def at_the_end() -> AsyncGenerator[None]:
    """Close the service. The worker has no hook for that, but `asyncio.run`, which it is in, ends generators that have begun.

    It does so once every request has ended. A worker that is killed leaves it to the other side, as always.
    """
    try:
        yield
    finally:
        await service_of_this_worker().close()


async def answer(req: func.HttpRequest, route: str) -> func.HttpResponse:
    """Every trigger: hand the request over, give the answer back."""
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
    """The path, percent-encoded. The route parameters are decoded once; what the URL's path has been through isn't told."""
    for name, value in req.route_params.items():
        route = route.replace(f"{{*{name}}}", quote(value))
    if "{" not in route:
        return f"/{route}"
    # Not by `urlsplit`, which raises an error about a host such as `[::1`; the handler refuses it in the form of SCIM.
    url: str = req.url
    return "/" + url.partition("://")[2].partition("?")[0].partition("/")[2]


def parameters_of(req: func.HttpRequest) -> Mapping[str, str]:
    """The query's parameters, those without a value too: the host leaves them out, but the URL still has them."""
    query = req.url.partition("?")[2]
    blank = {name: "" for name, value in parse_qsl(query, keep_blank_values=True) if not value} if query else {}
    # The host's come last, because a name may be there in two letter cases.
    return {**blank, **req.params} if blank else req.params


def register(name: str, route: str) -> None:
    """One trigger. It names no methods, which is all of them: to others the host would answer 404 with an empty body."""

    async def trigger(req: func.HttpRequest) -> func.HttpResponse:
        return await answer(req, route)

    app.function_name(name)(app.route(route=route)(trigger))


for trigger_name, trigger_route in TRIGGERS.items():
    register(trigger_name, trigger_route)


@app.function_name("sweep")
@app.timer_trigger(schedule="0 */15 * * * *", arg_name="timer", run_on_startup=False, use_monitor=True)
async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - the binding asks for it
    """Every quarter of an hour: delete what deletions have left behind."""
    await (await service()).sweep()
