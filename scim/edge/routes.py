"""The route table: for each path and method the required access, the action and its name in the log.

How it works: `ROUTES` has the paths with `{endpoint}` for the endpoint of a resource type and `{id}` for an id. `Routes` fills
in the endpoints of the registry, and finds the routes of a path, which differ by method.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from scim.edge import actions
from scim.edge.actions import Act
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.security.principal import PrincipalAccess

BASE_PATH: Final = "/scim/v2"

type Required = Collection[PrincipalAccess] | None
"""The access values that permit a route; `None` if it needs no token."""

_PUBLIC: Final = None
_ANY: Final[Required] = frozenset({"self", "read", "write"})
_READ: Final[Required] = frozenset({"read", "write"})
# Users may only read: a user who could change their own resource could change their roles, or undo `active: false`.
_WRITE: Final[Required] = frozenset({"write"})


class Route(NamedTuple):
    """One row of the table."""

    path: str
    method: str
    access: Required
    name: str
    """The action in the log."""
    act: Act
    type_name: str | None = None
    """The resource type, if the path doesn't name its endpoint."""


ROUTES: Final[Sequence[Route]] = (
    Route("/healthz", "GET", _PUBLIC, "health", actions.health),
    # RFC 7644 §3.4.2.1: a query of the server root searches all resource types.
    Route("/", "GET", _READ, "list", actions.list_resources),
    Route("/.search", "POST", _READ, "search", actions.search),
    Route("/{endpoint}", "GET", _READ, "list", actions.list_resources),
    Route("/{endpoint}", "POST", _WRITE, "create", actions.create),
    Route("/{endpoint}/.search", "POST", _READ, "search", actions.search),
    Route("/{endpoint}/{id}", "GET", _READ, "get", actions.get),
    Route("/{endpoint}/{id}", "PUT", _WRITE, "put", actions.put),
    Route("/{endpoint}/{id}", "PATCH", _WRITE, "patch", actions.patch),
    Route("/{endpoint}/{id}", "DELETE", _WRITE, "delete", actions.delete),
    # RFC 7644 §3.11: `/Me` is an alias of a user.
    Route("/Me", "GET", _ANY, "me", actions.on_me(actions.get), "User"),
    Route("/Me", "POST", _WRITE, "createMe", actions.create_me, "User"),
    Route("/Me", "PUT", _WRITE, "putMe", actions.on_me(actions.put), "User"),
    Route("/Me", "PATCH", _WRITE, "patchMe", actions.on_me(actions.patch), "User"),
    Route("/Me", "DELETE", _WRITE, "deleteMe", actions.on_me(actions.delete), "User"),
    Route("/Bulk", "POST", _WRITE, "bulk", actions.bulk),
    Route("/ServiceProviderConfig", "GET", _ANY, "serviceProviderConfig", actions.service_provider_config),
    Route("/ResourceTypes", "GET", _ANY, "resourceTypes", actions.resource_types),
    Route("/ResourceTypes/{id}", "GET", _ANY, "resourceType", actions.resource_type),
    Route("/Schemas", "GET", _ANY, "schemas", actions.schemas),
    Route("/Schemas/{id}", "GET", _ANY, "schema", actions.schema),
)

_WITHOUT_BASE: Final = frozenset({"/healthz"})
_ID: Final = "/{id}"
_PLAIN: Final = re.compile(r"[0-9A-Za-z-]+", re.ASCII)


class Target(NamedTuple):
    """The routes of one path by method, and the resource type of the path."""

    template: str
    """The path with `{id}` in place of an id; safe to log."""
    routes: Mapping[str, Route]
    resource_type: ResourceType | None
    is_public: bool
    """Whether its routes need no token."""


class Match(NamedTuple):
    """The target of a request's path, and the id in the path."""

    target: Target
    id: str = ""


class Routes:
    """Finds the target of a path. Ignores trailing and doubled slashes, and upper and lower case of all segments but ids."""

    def __init__(self, registry: Registry, table: Sequence[Route] = ROUTES) -> None:
        self._usual: dict[str, Target] = {}
        """Targets by their path in its usual spelling; with an id, by the path before it."""
        self._usual_by_id: dict[str, Target] = {}
        types = {resource_type.endpoint: resource_type for resource_type in registry.resource_types.values()}
        rows: dict[str, list[tuple[Route, ResourceType | None]]] = {}
        for route in table:
            named = None if route.type_name is None else registry.resource_types[route.type_name]
            if "{endpoint}" not in route.path:
                rows.setdefault(route.path, []).append((route, named))
                continue
            for endpoint, resource_type in types.items():
                rows.setdefault(route.path.replace("/{endpoint}", endpoint), []).append((route, resource_type))
        for path, some in rows.items():
            routes = {route.method: route for route, _ in some}
            target = Target(path, routes, some[0][1], all(route.access is None for route in routes.values()))
            full = path if path in _WITHOUT_BASE else f"{BASE_PATH}{path}".rstrip("/")
            if full.endswith(_ID):
                self._usual_by_id[full.removesuffix(_ID)] = target
            else:
                self._usual[full] = target
        self._any_case = {path.lower(): target for path, target in self._usual.items()}
        self._any_case_by_id = {path.lower(): target for path, target in self._usual_by_id.items()}

    def targets(self) -> Iterable[Target]:
        """Return the targets of all paths."""
        return (*self._usual.values(), *self._usual_by_id.values())

    def find(self, path: str) -> Match | None:
        """Return the target of a percent-encoded path, and the decoded id; `None` if no route has the path."""
        usual = self._usual.get(path)
        if usual is not None:
            return Match(usual)
        # A shortcut for the usual spelling of the path of a resource.
        parent, _, id = path.rpartition("/")
        usual = self._usual_by_id.get(parent)
        if usual is not None and _PLAIN.fullmatch(id):
            return Match(usual, id)
        # Decoded one by one, so that an encoded slash stays part of its segment.
        segments = [unquote(segment) for segment in path.split("/") if segment]
        lower = [segment.lower() for segment in segments]
        if any("/" in segment for segment in segments[:-1]):
            return None
        target = self._any_case.get("/" + "/".join(lower)) if not lower or "/" not in lower[-1] else None
        if target is not None:
            return Match(target)
        target = self._any_case_by_id.get("/" + "/".join(lower[:-1])) if segments else None
        return None if target is None else Match(target, segments[-1])
