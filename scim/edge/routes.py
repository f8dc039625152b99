"""Which path and method lead to what, as tables."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote

from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType

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
# RFC 7644 §3.4.2.1: a query of the server root is one over all resource types.
_ROOT: Final[Mapping[str, Action]] = {"GET": "list"}
_HEALTH: Final[Mapping[str, Action]] = {"GET": "health"}


@dataclass(frozen=True, slots=True)
class Route:
    """What is at a path: what each method does there, the resource type and the id if the path names them."""

    actions: Mapping[str, Action]
    kind: ResourceType | None = None
    id: str = ""
    template: str = ""
    """The path without what a client put into it; safe to log."""


class Routes:
    """Finds what is at a path. Trailing and doubled slashes don't count, nor does the letter case of our own words."""

    def __init__(self, registry: Registry) -> None:
        self._endpoints = {kind.endpoint.strip("/").lower(): kind for kind in registry.resource_types.values()}
        self._user = registry.resource_types["User"]
        self._base = _segments(BASE_PATH.lower())
        names = [*(kind.endpoint.strip("/") for kind in registry.resource_types.values()), *_SINGLE]
        self._usual = {f"{BASE_PATH}/{name}": self._single(name) for name in names}

    def find(self, path: str) -> Route | None:
        """The route of a percent-encoded path, or `None`."""
        usual = self._usual.get(path)
        if usual is not None:
            return usual
        # The usual spelling of a resource's path, without the long way.
        base, _, id = path.rpartition("/")
        parent = self._usual.get(base)
        if parent is not None and parent.actions is _RESOURCES and parent.kind is not None and _PLAIN.fullmatch(id):
            return Route(_RESOURCE, parent.kind, id, f"{parent.template}/{{id}}")
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
        kind = self._endpoints.get(name.lower())
        if kind is not None:
            return Route(_RESOURCES, kind, template=kind.endpoint)
        known = _NAMES.get(name.lower(), "")
        # RFC 7644 §3.11: `/Me` is a user by another name.
        return (
            Route(_SINGLE[known], self._user if known == "Me" else None, "", f"/{known}") if known in _SINGLE else None
        )

    def _nested(self, name: str, id: str) -> Route | None:
        kind = self._endpoints.get(name.lower())
        if kind is not None and id.lower() == ".search":
            return Route(_SEARCH, kind, template=f"{kind.endpoint}/.search")
        if kind is not None:
            return Route(_RESOURCE, kind, id, f"{kind.endpoint}/{{id}}")
        known = _NAMES.get(name.lower(), "")
        return Route(_BY_ID[known], None, id, f"/{known}/{{id}}") if known in _BY_ID else None


def _segments(path: str) -> list[str]:
    # Decoded one by one, so that an encoded slash stays part of the segment that it is in.
    return [unquote(segment) for segment in path.split("/") if segment]
