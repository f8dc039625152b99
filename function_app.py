"""The triggers of the function app: Azure's request in, the handler's answer out. Nothing else knows Azure's library."""

import os
from functools import cache
from urllib.parse import parse_qsl, quote, urlsplit

import azure.functions as func

from scim.app import App, from_environment
from scim.edge.http import Request
from scim.edge.routes import TRIGGERS

# Entra ID can't send a function key: the door is the handler's own check of the bearer token.
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@cache
def service_of_this_worker() -> App:
    """The service, built by the first request; everything in it is shared by those that follow."""
    return from_environment(os.environ)


async def answer(req: func.HttpRequest, route: str) -> func.HttpResponse:
    """Every trigger: hand the request over, give the answer back."""
    url = urlsplit(req.url)
    response = await service_of_this_worker().handler.handle(
        Request(
            method=req.method.upper(),
            path=path_of(req, route),
            parameters={**dict(parse_qsl(url.query)), **req.params},
            headers={name.lower(): value for name, value in req.headers.items()},
            body=req.get_body(),
            origin=f"{url.scheme}://{url.netloc}" if url.netloc else "",
        )
    )
    return func.HttpResponse(
        response.body,
        status_code=response.status,
        headers=dict(response.headers),
        mimetype=response.headers.get("Content-Type", "application/scim+json"),
    )


def path_of(req: func.HttpRequest, route: str) -> str:
    """The path, percent-encoded. In the URL the host has decoded it, so that a `?` in an id looks like a query there."""
    for name, value in req.route_params.items():
        route = route.replace(f"{{*{name}}}", quote(value))
    return urlsplit(req.url).path if "{" in route else f"/{route}"


def register(name: str, route: str) -> None:
    """One trigger. It names no methods, which is all of them: to others the host would answer 404 with an empty body."""

    async def trigger(req: func.HttpRequest) -> func.HttpResponse:
        return await answer(req, route)

    app.function_name(name)(app.route(route=route)(trigger))


for trigger_name, trigger_route in TRIGGERS.items():
    register(trigger_name, trigger_route)
