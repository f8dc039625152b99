"""Maps paths and methods to actions, as tables. Knows no handler."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry

BASE_PATH: Final = "/scim/v2"

type Action = Literal[
    "list",
    "create",
    "search",
    "get",
    "put",
    "patch",
    "delete",
    "serviceProviderConfig",
    "resourceTypes",
    "resourceType",
    "schemas",
    "schema",
    "bulk",
    "me",
    "createMe",
    "putMe",
    "patchMe",
    "deleteMe",
    "health",
]

_RESOURCES: Final[Mapping[str, Action]] = {"GET": "list", "POST": "create"}
_RESOURCE: Final[Mapping[str, Action]] = {"GET": "get", "PUT": "put", "PATCH": "patch", "DELETE": "delete"}
_SEARCH: Final[Mapping[str, Action]] = {"POST": "search"}
_ME: Final[Mapping[str, Action]] = {
    "GET": "me",
    "POST": "createMe",
    "PUT": "putMe",
    "PATCH": "patchMe",
    "DELETE": "deleteMe",
}
_SINGLE: Final[Mapping[str, Mapping[str, Action]]] = {
    ".search": _SEARCH,
    "ServiceProviderConfig": {"GET": "serviceProviderConfig"},
    "ResourceTypes": {"GET": "resourceTypes"},
    "Schemas": {"GET": "schemas"},
    "Bulk": {"POST": "bulk"},
    "Me": _ME,
}
_BY_ID: Final[Mapping[str, Mapping[str, Action]]] = {
    "ResourceTypes": {"GET": "resourceType"},
    "Schemas": {"GET": "schema"},
}
_NAMES: Final = {name.lower(): name for name in _SINGLE}
_PLAIN: Final = re.compile(r"[0-9A-Za-z-]+", re.ASCII)
# RFC 7644 §3.4.2.1: a query of the server root searches all resource types.
_ROOT: Final[Mapping[str, Action]] = {"GET": "list"}
_HEALTH: Final[Mapping[str, Action]] = {"GET": "health"}


@dataclass(frozen=True, slots=True)
class Route:
    """The actions of a path by method, and the resource type and the id if the path has them."""

    actions: Mapping[str, Action]
    resource_type: ResourceType | None = None
    id: str = ""
    template: str = ""
    """The path with placeholders such as `{id}` in place of values from the client; safe to log."""


class Routes:
    """Finds the route of a path. Ignores trailing and doubled slashes, and upper and lower case of all segments but ids."""

    def __init__(self, registry: Registry) -> None:
        self._endpoints = {
            resource_type.endpoint.strip("/").lower(): resource_type
            for resource_type in registry.resource_types.values()
        }
        self._user = registry.resource_types["User"]
        self._base = _segments(BASE_PATH.lower())
        names = [*(resource_type.endpoint.strip("/") for resource_type in registry.resource_types.values()), *_SINGLE]
        self._usual = {f"{BASE_PATH}/{name}": self._single(name) for name in names}

    def find(self, path: str) -> Route | None:
        """Return the route of a percent-encoded path; `None` if there is none."""
        usual = self._usual.get(path)
        if usual is not None:
            return usual
        # A shortcut for the usual spelling of the path of a resource.
        base, _, id = path.rpartition("/")
        parent = self._usual.get(base)
        if (
            parent is not None
            and parent.actions is _RESOURCES
            and parent.resource_type is not None
            and _PLAIN.fullmatch(id)
        ):
            return Route(_RESOURCE, parent.resource_type, id, f"{parent.template}/{{id}}")
        return self._find(path)

    def _find(self, path: str) -> Route | None:
        segments = _segments(path)
        if [segment.lower() for segment in segments] == ["healthz"]:
            return Route(_HEALTH, template="/healthz")
        base = [segment.lower() for segment in segments[: len(self._base)]]
        rest = segments[len(self._base) :]
        if base != self._base:
            return None
        match rest:
            case []:
                return Route(_ROOT, template="/")
            case [name]:
                return self._single(name)
            case [name, id]:
                return self._nested(name, id)
        return None

    def _single(self, name: str) -> Route | None:
        resource_type = self._endpoints.get(name.lower())
        if resource_type is not None:
            return Route(_RESOURCES, resource_type, template=resource_type.endpoint)
        endpoint = _NAMES.get(name.lower(), "")
        # RFC 7644 §3.11: `/Me` is an alias of a user.
        return (
            Route(_SINGLE[endpoint], self._user if endpoint == "Me" else None, "", f"/{endpoint}")
            if endpoint in _SINGLE
            else None
        )

    def _nested(self, name: str, id: str) -> Route | None:
        resource_type = self._endpoints.get(name.lower())
        if resource_type is not None and id.lower() == ".search":
            return Route(_SEARCH, resource_type, template=f"{resource_type.endpoint}/.search")
        if resource_type is not None:
            return Route(_RESOURCE, resource_type, id, f"{resource_type.endpoint}/{{id}}")
        endpoint = _NAMES.get(name.lower(), "")
        return Route(_BY_ID[endpoint], None, id, f"/{endpoint}/{{id}}") if endpoint in _BY_ID else None


def _segments(path: str) -> list[str]:
    # Decoded one by one, so that an encoded slash stays part of its segment.
    return [unquote(segment) for segment in path.split("/") if segment]
