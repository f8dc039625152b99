"""Reads the pages of a query over one or more resource types: by index (RFC 7644 §3.4.2.4), or by cursor (RFC 9865).

How it works: a page by cursor starts behind the key of the last resource of the page before. The store seeks to that key,
so the last page costs as much as the second; the first one also counts all resources. Resources that are created or deleted
between two requests don't shift the others from page to page.

The size of a response is bounded, and so are the bytes that are read for it. By index, a page is always full while more
resources exist, because clients such as Okta add `count` to `startIndex` whatever they received. A page that would be too
large is therefore refused. By cursor, it is shorter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from scim.protocol.errors import InvalidCount, InvalidValue, TooMany
from scim.protocol.filter.binding import Bound
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import SearchRequest, cursor_response, list_response
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.service.cursors import Cursor, Cursors, fingerprint
from scim.service.list_page import Entry, ListPage
from scim.service.memberships import UNBOUNDED, Memberships, Related
from scim.service.representation import Representations
from scim.service.request_context import RequestContext
from scim.storage.interface import Search, Store

_ENVELOPE_BYTES: Final = 4 * 1024
"""Space for the parts of a ListResponse besides its resources, such as two cursors."""
_MAX_SINGLE_READS: Final = 32
"""On one page, for how many resources the members or groups are read one by one if those of all together don't fit."""


@dataclass(frozen=True, slots=True)
class Query:
    """A bound query. The results are ordered by resource type, in the order of `resource_types`, then by the sort path.

    `filters` and `sorts` are keyed by the name of the resource type.
    """

    resource_types: Sequence[ResourceType]
    filters: Mapping[str, Bound | None]
    sorts: Mapping[str, str | None]
    descending: bool


class Pages:
    """Reads pages as ListResponses."""

    def __init__(
        self, store: Store, registry: Registry, limits: Limits, memberships: Memberships, cursors: Cursors
    ) -> None:
        self._store = store
        self._registry = registry
        self._limits = limits
        self._memberships = memberships
        self._cursors = cursors

    async def by_index(self, context: RequestContext, query: Query, request: SearchRequest) -> JsonObject:
        """Return the page that starts at `request.start`. Raises `TooMany` if it would be too large."""
        page = self._page(context, request, self._limits.default_page if request.count is None else request.count)
        total = 0
        for resource_type in query.resource_types:
            offset = max(0, request.start - 1 - total)
            total += await self._read(
                context, query, resource_type, page, offset, page.free_places, descending=query.descending
            )
            if page.is_cut:
                raise self._too_large(page.entries)
        resources = await self._resources(context, page, whole=True)
        if len(resources) < len(page.entries):
            raise self._too_large(page.entries)
        return list_response(resources, total, request.start)

    async def by_cursor(self, context: RequestContext, query: Query, request: SearchRequest, text: str) -> JsonObject:
        """Return the page of the cursor `text`, or the first page if it is empty, with the next and the previous cursor.

        Raises `InvalidCursor`, `ExpiredCursor`, `InvalidCount`, and `InvalidValue` if the request has a `startIndex` too.
        """
        if request.start != 1:
            raise InvalidValue("A request can have 'startIndex' or 'cursor', not both.")
        query_digest = fingerprint(context.customer, query.filters, query.sorts, descending=query.descending)
        if text:
            received = await self._cursors.decrypt(text, query_digest)
            current = _with_count(received, request.count, min(received.count, self._limits.page))
            page, _ = await self._read_at(context, query, request, current)
        else:
            count = self._limits.default_page if request.count is None else request.count
            current = Cursor(None, forwards=True, count=count, total=0)
            page, total = await self._read_at(context, query, request, current, counted=True)
            current = replace(current, total=total)
        resources = await self._resources(context, page, whole=False)
        entries, more = page.entries[: len(resources)], page.has_more or len(resources) < len(page.entries)
        if not current.forwards:
            resources.reverse()
            entries.reverse()
        onward = [
            None if cursor is None else await self._cursors.encrypt(cursor, query_digest)
            for cursor in (_next_cursor(current, entries, more=more), _previous_cursor(current, entries, more=more))
        ]
        return cursor_response(resources, current.total, following=onward[0], previous=onward[1])

    # --- reading resources ---

    def _page(self, context: RequestContext, request: SearchRequest, count: int) -> ListPage:
        room = self._limits.list_bytes - _ENVELOPE_BYTES
        return ListPage(request, Representations(self._registry, context.base_url), count=count, room=room)

    async def _read_at(
        self, context: RequestContext, query: Query, request: SearchRequest, cursor: Cursor, *, counted: bool = False
    ) -> tuple[ListPage, int]:
        """Return the page at a cursor, nearest resource first, and the total number of resources if `counted`.

        Raises `StoreError`.
        """
        page, total = self._page(context, request, cursor.count), 0
        resource_types = list(query.resource_types if cursor.forwards else reversed(query.resource_types))
        if cursor.position is not None:
            # The types before this one are on earlier pages.
            resource_types = resource_types[
                [resource_type.name for resource_type in resource_types].index(cursor.position.type_name) :
            ]
        for resource_type in resource_types:
            # One resource more than the page holds shows whether there is a next page.
            limit = 0 if page.has_more or not cursor.count else page.free_places + 1
            if not limit and not counted:
                break
            total += await self._read(
                context,
                query,
                resource_type,
                page,
                0,
                limit,
                descending=query.descending is cursor.forwards,  # going backwards reverses the direction
                after=cursor.position.key
                if cursor.position is not None and cursor.position.type_name == resource_type.name
                else None,
                counted=counted,
            )
        return page, total

    async def _read(
        self,
        context: RequestContext,
        query: Query,
        resource_type: ResourceType,
        page: ListPage,
        offset: int,
        limit: int,
        *,
        descending: bool,
        after: str | None = None,
        counted: bool = True,
    ) -> int:
        """Add resources of one type to the page; return their total number if `counted`. Raises `StoreError`."""
        bound = query.filters[resource_type.name]
        if bound is not None:
            bound = await self._memberships.resolve(context.customer, bound, resource_type)
        search = Search(bound, offset, limit, query.sorts[resource_type.name], descending, after, counted)
        return (await self._store.search(context.customer, resource_type.name, search, page.adder(resource_type))).total

    # --- members and groups ---

    async def _resources(self, context: RequestContext, page: ListPage, *, whole: bool) -> list[Json]:
        """Return the resources of the page with their members or groups, as many from its start as fit; at least one.

        With `whole`, the caller only needs to know whether all fit: then the rest may be left out at once.

        How it works: the members of all groups on the page are read together, in the order of the groups' ids, until the
        space is used up. Then the groups with smaller ids are complete. The page adds its groups in its own order, which
        may be another one, and reads the members of incomplete groups one by one, at most `_MAX_SINGLE_READS` times.
        Raises `StoreError`.
        """
        resources: list[Json] = []
        used = value_bytes = single_reads = 0
        for _, group in groupby(page.entries, key=lambda entry: entry.projection.resource_type.name):
            entries = list(group)
            room = UNBOUNDED if len(page.entries) == 1 else page.room - page.size - value_bytes
            related = await self._related(context, entries, room)
            if whole and related.read_before is not None:
                return resources
            value_bytes += related.size
            if related.read_before is None and related.size <= room:
                resources += [entry.with_values(related.values.get(entry.id)) for entry in entries]
                used += related.size + sum(len(entry.json) + 1 for entry in entries)
                continue
            for entry in entries:
                own = related
                if not related.is_complete(entry.id):
                    if single_reads == _MAX_SINGLE_READS:
                        return resources
                    single_reads += 1
                    room = page.room - used - len(entry.json) - 1 if resources else UNBOUNDED
                    own = await self._related(context, [entry], room)
                    if not own.is_complete(entry.id):
                        return resources
                    value_bytes += own.size
                values = own.values.get(entry.id)
                size = len(entry.json) + 1 + (0 if values is None else values.size)
                if resources and used + size > page.room:
                    return resources
                used += size
                resources.append(entry.with_values(values))
        return resources

    async def _related(self, context: RequestContext, entries: Sequence[Entry], room: int) -> Related:
        """Read the members or groups of `entries` (at least one, all of one type), if the representation has them.

        Stops when they need more than `room` bytes of JSON; `Related.read_before` then says where. Raises `StoreError`.
        """
        if not entries[0].relation:
            return Related()
        return await self._memberships.related(context, entries[0].projection, [entry.id for entry in entries], room)

    def _too_large(self, entries: Sequence[Entry]) -> TooMany:
        relations = sorted({entry.relation for entry in entries} - {""})
        without = (
            f", or leave {' and '.join(relations)} out with excludedAttributes={','.join(relations)}"
            if relations
            else ""
        )
        return TooMany(
            f"A list may have at most {self._limits.list_bytes} bytes, and at most twice as many may be read for it; this page needs "
            f"more. Send a smaller 'count'{without}."
        )


def _with_count(cursor: Cursor, requested: int | None, count: int) -> Cursor:
    """Return the cursor with the count of its page. Raises `InvalidCount` unless it is that of the first page.

    RFC 9865 §2.1: the count must be that of the initial query.
    """
    if requested not in {None, count}:
        raise InvalidCount(f"The first page had a 'count' of {count}. Send the same 'count', or none.")
    return replace(cursor, count=count)


def _next_cursor(cursor: Cursor, entries: Sequence[Entry], *, more: bool) -> Cursor | None:
    """Return the cursor of the next page; `None` if this is the last one."""
    if cursor.forwards and not more:
        return None
    # A client that goes backwards has come from a next page. If no resource is left before it, that page is now the first.
    return replace(cursor, position=entries[-1].position if entries else None, forwards=True)


def _previous_cursor(cursor: Cursor, entries: Sequence[Entry], *, more: bool) -> Cursor | None:
    """Return the cursor of the previous page; `None` if this is the first one."""
    is_first = cursor.position is None if cursor.forwards else not more
    return None if is_first or not entries else replace(cursor, position=entries[0].position, forwards=False)
