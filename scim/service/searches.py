"""The use case of finding resources: lists and `.search`, over one resource type or several. `pages` reads the pages."""

import logging
from collections.abc import Sequence
from typing import Final

from scim.protocol import filter as syntax
from scim.protocol.errors import InvalidFilter, InvalidPath
from scim.protocol.json import JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import SearchRequest
from scim.protocol.query import Bound, bind, locate
from scim.protocol.schema import ResourceType, sort_path
from scim.service.caller import Caller
from scim.service.pages import Pages, Query
from scim.storage.interface import QueryRefused

_log: Final = logging.getLogger("scim.request")

_ID: Final = "id"


class Searches:
    """Answers queries with a ListResponse."""

    def __init__(self, pages: Pages, limits: Limits) -> None:
        self._pages = pages
        self._limits = limits

    async def search(self, caller: Caller, kinds: Sequence[ResourceType], request: SearchRequest) -> JsonObject:
        """One page (RFC 7644 §3.4.2, RFC 9865 §2). Raises `InvalidFilter`, `InvalidPath`, `TooMany`, and what `Pages` does.

        Several types follow one another in the order of their names, reversed if the order is descending.
        """
        descending = request.descending and request.sort_by is not None
        query = Query(
            sorted(kinds, key=lambda kind: kind.name, reverse=descending),
            self._bound(kinds, request),
            _sorts(kinds, request),
            descending,
        )
        try:
            if request.cursor is None:
                return await self._pages.by_index(caller, query, request)
            return await self._pages.by_cursor(caller, query, request, request.cursor)
        except QueryRefused as refused:
            if request.filter is None:
                raise
            # Not 503: the client would repeat it for ever.
            _log.warning("a filter was refused: %s", refused)
            raise InvalidFilter(
                "The filter is too complex for the database, or looks through too many values; use fewer comparisons, or 'eq'."
            ) from None

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


def _sorts(kinds: Sequence[ResourceType], request: SearchRequest) -> dict[str, str | None]:
    """Return the sort path of each type, by its name; one of them must have it. `None`: by id, as without `sortBy`."""
    sorts = {kind.name: _sort_path(request.sort_by, kind) for kind in kinds}
    if request.sort_by is not None and not any(sorts.values()):
        possible = sorted({_ID, *(path for kind in kinds for path in kind.sort_paths)})
        raise InvalidPath(f"'sortBy' takes one of {', '.join(possible)}.")
    # Resources have their order of creation by their ids, so that no store keeps a sort key for it.
    return {name: None if path == _ID else path for name, path in sorts.items()}


def _sort_path(sort_by: str | None, kind: ResourceType) -> str | None:
    path = syntax.attribute_path(sort_by) if sort_by is not None else None
    found = locate(path, kind) if path is not None else None
    if found is None:
        return None
    place, sub = found
    attribute = place.attribute
    # The value of a multi-valued attribute is what it sorts by anyway.
    dotted = sub is not None and not (attribute.multi_valued and sub.name == "value")
    name = sort_path(place.extension, attribute.name, sub.name if dotted and sub is not None else None)
    return name if name == _ID or name in kind.sort_paths else None
