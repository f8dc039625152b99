"""The use case of finding resources: lists and `.search`, over one resource type or several."""

from collections.abc import Sequence

from scim.protocol import filter as syntax
from scim.protocol.errors import InvalidFilter, InvalidPath
from scim.protocol.json import JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import SearchRequest, list_response
from scim.protocol.projection import projection
from scim.protocol.query import Bound, bind, locate
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.service.caller import Caller
from scim.service.membership import Memberships
from scim.service.view import View
from scim.storage.interface import Search, Store, Stored


class Searches:
    """Answers queries with a ListResponse."""

    def __init__(self, store: Store, registry: Registry, limits: Limits, memberships: Memberships) -> None:
        self._store = store
        self._registry = registry
        self._limits = limits
        self._memberships = memberships

    async def search(self, caller: Caller, kinds: Sequence[ResourceType], request: SearchRequest) -> JsonObject:
        """One page (RFC 7644 §3.4.2). Raises `InvalidFilter`, `InvalidPath` or `TooMany`.

        Several types follow one another in the order of their names, reversed if the order is descending.
        """
        bounds = self._bound(kinds, request)
        sorts = _sorts(kinds, request)
        resources: list[JsonObject] = []
        total = 0
        room = request.count
        descending = request.descending and request.sort_by is not None
        for kind in sorted(kinds, key=lambda kind: kind.name, reverse=descending):
            bound = bounds[kind.name]
            if bound is not None:
                bound = await self._memberships.resolved(caller.tenant, bound, kind)
            offset = max(0, request.start - 1 - total)
            search = Search(bound, offset, room, sorts[kind.name], descending)
            found = await self._store.search(caller.tenant, kind.name, search)
            shown = await self._shown(caller, kind, found.items, request)
            resources += shown
            total += found.total
            # A page that was cut short ends here: what follows comes with the next one.
            room = room - len(shown) if len(shown) == len(found.items) else 0
        return list_response(resources, total, request.start)

    def _bound(self, kinds: Sequence[ResourceType], request: SearchRequest) -> dict[str, Bound | None]:
        if request.filter is None:
            return dict.fromkeys((kind.name for kind in kinds), None)
        tree = syntax.parse(request.filter, self._limits)
        if len(kinds) == 1:
            return {kinds[0].name: bind(tree, kinds[0])}
        unknown: list[set[str]] = [set() for _ in kinds]
        bounds: dict[str, Bound | None] = {
            kind.name: bind(tree, kind, unknown=names) for kind, names in zip(kinds, unknown, strict=True)
        }
        nowhere = set.intersection(*unknown)
        if nowhere:
            raise InvalidFilter(f"No resource type has an attribute '{min(nowhere)}'.")
        return bounds

    async def _shown(
        self, caller: Caller, kind: ResourceType, items: Sequence[Stored], request: SearchRequest
    ) -> list[JsonObject]:
        """The representations of a page, as many from its beginning as can carry their members or groups."""
        wanted = projection(request.attributes, request.excluded, kind)
        view = View(self._registry, caller.base_url)
        if not kind.relation or not wanted.carries(kind.relation):
            return [wanted.apply(view.resource(item, kind)) for item in items]
        related = await self._memberships.related(caller, kind, [item.id for item in items])
        return [wanted.apply(view.resource(i, kind, related[i.id])) for i in items if i.id in related]


def _sorts(kinds: Sequence[ResourceType], request: SearchRequest) -> dict[str, str | None]:
    """The sort path for each type; one of them must have it."""
    sorts = {kind.name: _sort_path(request.sort_by, kind) for kind in kinds}
    if request.sort_by is not None and not any(sorts.values()):
        possible = sorted({path for kind in kinds for path in kind.sort_paths})
        raise InvalidPath(f"'sortBy' takes one of {', '.join(possible)}.")
    return sorts


def _sort_path(sort_by: str | None, kind: ResourceType) -> str | None:
    path = syntax.attribute_path(sort_by) if sort_by is not None else None
    found = locate(path, kind) if path is not None else None
    if found is None:
        return None
    place, sub = found
    attribute = place.attribute
    # The value of a multi-valued attribute is what it sorts by anyway.
    dotted = sub is not None and not (attribute.multi_valued and sub.name == "value")
    name = f"{attribute.name}.{sub.name}" if dotted and sub is not None else attribute.name
    return name if place.extension is None and name in kind.sortable else None
