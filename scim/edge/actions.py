"""The actions of the routes: each reads the message of a request, calls the use case and builds the response.

Does not authenticate, and raises errors instead of turning them into responses: see `handler`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import orjson

from scim.edge.bodies import MEDIA_TYPE, parsed
from scim.edge.http import Request, Response
from scim.protocol import etag
from scim.protocol.errors import Forbidden, NotImplementedHere
from scim.protocol.json import Json
from scim.protocol.limits import Limits
from scim.protocol.messages import SearchRequest, search_parameters, search_request
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.service.bulk import Bulk
from scim.service.discovery import Discovery
from scim.service.me import Me
from scim.service.request_context import RequestContext
from scim.service.resources import Resources, Result
from scim.service.searches import Searches

_SELECTING: Final = frozenset({"attributes", "excludedattributes"})


@dataclass(frozen=True, slots=True)
class UseCases:
    """The use cases of the service, with the schemas and the limits of requests."""

    resources: Resources
    searches: Searches
    bulk: Bulk
    discovery: Discovery
    me: Me
    registry: Registry
    limits: Limits


@dataclass(slots=True)
class Call:
    """An authenticated request, with what its path names."""

    use_cases: UseCases
    request: Request
    context: RequestContext
    resource_type: ResourceType | None = None
    id: str = ""
    bulk_operations: int = 0
    """The number of operations of a bulk request, which the action counts for the log."""
    bulk_failed: int = 0

    @property
    def type(self) -> ResourceType:
        """The resource type of the route. Raises `TypeError` if the route has none."""
        if self.resource_type is None:
            raise TypeError("the route has no resource type")
        return self.resource_type

    def body(self) -> Json:
        """Return the parsed body."""
        return parsed(self.request, self.use_cases.limits.body_bytes)

    def selecting(self) -> RequestContext:
        """Return the context with the parameters `attributes` and `excludedAttributes`. Raises `InvalidValue`."""
        if not self.request.parameters:
            return self.context
        selection = search_parameters(
            {name: value for name, value in self.request.parameters.items() if name.lower() in _SELECTING},
            self.use_cases.limits,
        )
        return replace(self.context, attributes=selection.attributes, excluded=selection.excluded)


type Act = Callable[[Call], Awaitable[Response]]


async def health(_: Call) -> Response:
    """Say that the process is running. Does not say whether the database can be reached."""
    return Response(200, {"Content-Type": "application/json"}, b'{"status":"ok"}')


async def list_resources(call: Call) -> Response:
    """Search with the parameters of a GET."""
    return await _page(call, search_parameters(call.request.parameters, call.use_cases.limits))


async def search(call: Call) -> Response:
    """Search with a SearchRequest message."""
    return await _page(call, search_request(call.body(), call.use_cases.limits))


async def create(call: Call) -> Response:
    """Create a resource."""
    context = call.selecting()
    return _resource(201, await call.use_cases.resources.create(context, call.type, call.body()))


async def get(call: Call) -> Response:
    """Return a resource."""
    result = await call.use_cases.resources.get(call.selecting(), call.type, call.id)
    return _resource(200 if result.resource is not None else 304, result)


async def put(call: Call) -> Response:
    """Replace a resource."""
    context = call.selecting()
    return _resource(200, await call.use_cases.resources.put(context, call.type, call.id, call.body()))


async def patch(call: Call) -> Response:
    """Patch a resource."""
    context = call.selecting()
    result = await call.use_cases.resources.patch(context, call.type, call.id, call.body())
    return _resource(200 if result.resource is not None else 204, result)


async def delete(call: Call) -> Response:
    """Delete a resource."""
    await call.use_cases.resources.delete(call.context, call.type, call.id)
    return Response(204)


def on_me(act: Act) -> Act:
    """Return the same action on the user that `/Me` stands for (RFC 7644 §3.11)."""

    async def act_on_me(call: Call) -> Response:
        call.id = await call.use_cases.me.user_id(call.context)
        return await act(call)

    return act_on_me


async def create_me(_: Call) -> Response:
    """Refuse self-registration."""
    raise NotImplementedHere("POST /Me is not supported. Create users with POST /Users.")


async def bulk(call: Call) -> Response:
    """Run a bulk request."""
    use_cases = call.use_cases
    body = parsed(call.request, use_cases.limits.bulk_bytes, use_cases.bulk.check_number)
    outcome = await use_cases.bulk.run(call.context, body, len(call.request.body))
    call.bulk_operations, call.bulk_failed = outcome.operations, outcome.failed
    return json_response(200, outcome.response)


async def service_provider_config(call: Call) -> Response:
    """Return the ServiceProviderConfig."""
    return json_response(200, _discovery(call).service_provider_config(call.context.base_url))


async def resource_types(call: Call) -> Response:
    """Return all resource types."""
    return json_response(200, _discovery(call).resource_types(call.context.base_url))


async def resource_type(call: Call) -> Response:
    """Return one resource type."""
    return json_response(200, _discovery(call).resource_type(call.id, call.context.base_url))


async def schemas(call: Call) -> Response:
    """Return all schemas."""
    return json_response(200, _discovery(call).schemas(call.context.base_url))


async def schema(call: Call) -> Response:
    """Return one schema."""
    return json_response(200, _discovery(call).schema(call.id, call.context.base_url))


def json_response(status: int, value: Json, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON body."""
    return Response(status, {"Content-Type": MEDIA_TYPE, **(headers or {})}, orjson.dumps(value))


async def _page(call: Call, request: SearchRequest) -> Response:
    types = [call.resource_type] if call.resource_type else list(call.use_cases.registry.resource_types.values())
    return json_response(200, await call.use_cases.searches.search(call.context, types, request))


def _discovery(call: Call) -> Discovery:
    if any(name.lower() == "filter" and value for name, value in call.request.parameters.items()):
        raise Forbidden("Discovery endpoints can't be filtered (RFC 7644 §4).")
    return call.use_cases.discovery


def _resource(status: int, result: Result) -> Response:
    headers = {"ETag": etag.weak(result.version), "Location": result.location}
    return Response(status, headers) if result.resource is None else json_response(status, result.resource, headers)
