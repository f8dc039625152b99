"""The use case of searching: lists and `.search`, over one or more resource types. `pages` reads the pages."""

import logging
from collections.abc import Sequence
from typing import Final

from scim.protocol.errors import InvalidFilter, InvalidPath
from scim.protocol.filter import syntax
from scim.protocol.filter.binding import Bound, bind, locate
from scim.protocol.json import JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import SearchRequest
from scim.protocol.schema.model import ResourceType, sort_path
from scim.service.pages import Pages, Query
from scim.service.request_context import RequestContext
from scim.storage.errors import QueryRefused

_log: Final = logging.getLogger("scim.request")

_ID: Final = "id"


class Searches:
    """Runs searches. Each result is a ListResponse."""

    def __init__(self, pages: Pages, limits: Limits) -> None:
        self._pages = pages
        self._limits = limits

    async def search(
        self, context: RequestContext, resource_types: Sequence[ResourceType], request: SearchRequest
    ) -> JsonObject:
        """Return one page (RFC 7644 §3.4.2, RFC 9865 §2).

        Resource types follow each other in the order of their names, or in reverse order if the sort is descending. Raises
        `InvalidFilter`, `InvalidPath`, `TooMany`, `Unavailable`, and the errors of `Pages`.
        """
        descending = request.descending and request.sort_by is not None
        query = Query(
            sorted(resource_types, key=lambda resource_type: resource_type.name, reverse=descending),
            self._bound(resource_types, request),
            _sorts(resource_types, request),
            descending,
        )
        try:
            if request.cursor is None:
                return await self._pages.by_index(context, query, request)
            return await self._pages.by_cursor(context, query, request, request.cursor)
        except QueryRefused as refused:
            if request.filter is None:
                raise
            # Not 503, because a client would repeat the request endlessly.
            _log.warning("a filter was refused: %s", refused)
            raise InvalidFilter(
                "The filter is too complex for the database, or it reads too many values. Use fewer comparisons, or 'eq'."
            ) from None

    def _bound(self, resource_types: Sequence[ResourceType], request: SearchRequest) -> dict[str, Bound | None]:
        if request.filter is None:
            return dict.fromkeys((resource_type.name for resource_type in resource_types), None)
        tree = syntax.parse(request.filter, self._limits)
        if len(resource_types) == 1:
            return {resource_types[0].name: bind(tree, resource_types[0])}
        unknown: list[set[str]] = [set() for _ in resource_types]
        bounds: dict[str, Bound | None] = {
            resource_type.name: bind(tree, resource_type, unknown=names)
            for resource_type, names in zip(resource_types, unknown, strict=True)
        }
        unknown_everywhere = set.intersection(*unknown)
        if unknown_everywhere:
            raise InvalidFilter(f"No resource type has an attribute '{min(unknown_everywhere)}'.")
        return bounds


def _sorts(resource_types: Sequence[ResourceType], request: SearchRequest) -> dict[str, str | None]:
    """Return the sort path of each type, by its name; `None` sorts by id, as without `sortBy`.

    Raises `InvalidPath` if no type can be sorted by the path.
    """
    sorts = {resource_type.name: _sort_path(request.sort_by, resource_type) for resource_type in resource_types}
    if request.sort_by is not None and not any(sorts.values()):
        possible = sorted({_ID, *(path for resource_type in resource_types for path in resource_type.sort_paths)})
        raise InvalidPath(f"'sortBy' must be one of {', '.join(possible)}.")
    # Ids are in the order of creation, so stores need no sort key for them.
    return {name: None if path == _ID else path for name, path in sorts.items()}


def _sort_path(sort_by: str | None, resource_type: ResourceType) -> str | None:
    path = syntax.attribute_path(sort_by) if sort_by is not None else None
    located = locate(path, resource_type) if path is not None else None
    if located is None:
        return None
    place, sub = located
    attribute = place.attribute
    # A multi-valued attribute is sorted by its `value` anyway.
    dotted = sub is not None and not (attribute.multi_valued and sub.name == "value")
    name = sort_path(place.extension, attribute.name, sub.name if dotted and sub is not None else None)
    return name if name == _ID or name in resource_type.sort_paths else None
