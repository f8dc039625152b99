"""The pages of a query over one resource type or several: by index (RFC 7644 §3.4.2.4), or by cursor (RFC 9865).

A page by cursor begins behind the last resource of the page before, wherever that stood: its store seeks there, so that the
last page costs what the second does (with the first one all are counted), and what is created or deleted meanwhile moves
nobody else across a page's end.

The size of an answer is bounded, and so is what is read for one that shows a part of each resource. By index a page is
always full while there is more, because clients such as Okta add `count` to `startIndex` whatever they received; so a page
that would be too large is refused. By cursor it is shorter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from scim.protocol.errors import InvalidCount, InvalidValue, TooMany
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import SearchRequest, cursor_response, list_response
from scim.protocol.query import Bound
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.service.caller import Caller
from scim.service.cursors import Cursor, Cursors, fingerprint
from scim.service.list_page import Entry, ListPage
from scim.service.membership import UNBOUNDED, Memberships, Related
from scim.service.view import View
from scim.storage.interface import Search, Store

_ENVELOPE_BYTES: Final = 4 * 1024
"""Room for what a list answer has besides its resources, two cursors among it."""
_READ_ALONE: Final = 32
"""Resources of one page whose members or groups are read one by one, after those of all together had no room."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which resources of which types, in which order; the types stand in the order in which they follow one another."""

    kinds: Sequence[ResourceType]
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

    async def by_index(self, caller: Caller, query: Query, request: SearchRequest) -> JsonObject:
        """Return the page that begins at `request.start`. Raises `TooMany` if it would be too large."""
        page = self._page(caller, request, self._limits.default_page if request.count is None else request.count)
        total = 0
        for kind in query.kinds:
            offset = max(0, request.start - 1 - total)
            total += await self._read(caller, query, kind, page, offset, page.places, descending=query.descending)
            if page.is_cut:
                raise self._too_large(page.entries)
        resources = await self._resources(caller, page, whole=True)
        if len(resources) < len(page.entries):
            raise self._too_large(page.entries)
        return list_response(resources, total, request.start)

    async def by_cursor(self, caller: Caller, query: Query, request: SearchRequest, text: str) -> JsonObject:
        """Return the page that the cursor leads to, the first if it is empty, with the cursors of its neighbours.

        Raises `InvalidCursor`, `ExpiredCursor` or `InvalidCount`.
        """
        if request.start != 1:
            raise InvalidValue("'startIndex' and 'cursor' are two ways of paging: send one of them.")
        bound_to = fingerprint(caller.tenant, query.filters, query.sorts, descending=query.descending)
        if text:
            opened = await self._cursors.opened(text, bound_to)
            at = _with_count(opened, request.count, min(opened.count, self._limits.page))
            page, _ = await self._at(caller, query, request, at)
        else:
            count = self._limits.default_page if request.count is None else request.count
            at = Cursor(None, forwards=True, count=count, total=0)
            page, total = await self._at(caller, query, request, at, counted=True)
            at = replace(at, total=total)
        resources = await self._resources(caller, page, whole=False)
        shown, more = page.entries[: len(resources)], page.has_more or len(resources) < len(page.entries)
        if not at.forwards:
            resources.reverse()
            shown.reverse()
        onward = [
            None if cursor is None else await self._cursors.sealed(cursor, bound_to)
            for cursor in (_following(at, shown, more=more), _previous(at, shown, more=more))
        ]
        return cursor_response(resources, at.total, following=onward[0], previous=onward[1])

    # --- reading resources ---

    def _page(self, caller: Caller, request: SearchRequest, count: int) -> ListPage:
        room = self._limits.list_bytes - _ENVELOPE_BYTES
        return ListPage(request, View(self._registry, caller.base_url), count=count, room=room)

    async def _at(
        self, caller: Caller, query: Query, request: SearchRequest, at: Cursor, *, counted: bool = False
    ) -> tuple[ListPage, int]:
        """Read the page at a cursor, nearest first; and the number of all resources, if `counted`."""
        page, total = self._page(caller, request, at.count), 0
        kinds = list(query.kinds if at.forwards else reversed(query.kinds))
        if at.place is not None:
            # The types before this one are behind us.
            kinds = kinds[[kind.name for kind in kinds].index(at.place.kind) :]
        for kind in kinds:
            # One more than the page holds tells whether there is a next page.
            limit = 0 if page.has_more or not at.count else page.places + 1
            if not limit and not counted:
                break
            total += await self._read(
                caller,
                query,
                kind,
                page,
                0,
                limit,
                descending=query.descending is at.forwards,  # backwards, the direction is turned round
                after=at.place.key if at.place is not None and at.place.kind == kind.name else None,
                counted=counted,
            )
        return page, total

    async def _read(
        self,
        caller: Caller,
        query: Query,
        kind: ResourceType,
        page: ListPage,
        offset: int,
        limit: int,
        *,
        descending: bool,
        after: str | None = None,
        counted: bool = True,
    ) -> int:
        """Add resources of a type to the page, and return their total number, if `counted`."""
        bound = query.filters[kind.name]
        if bound is not None:
            bound = await self._memberships.resolved(caller.tenant, bound, kind)
        search = Search(bound, offset, limit, query.sorts[kind.name], descending, after, counted)
        return (await self._store.search(caller.tenant, kind.name, search, page.taking(kind))).total

    # --- members and groups ---

    async def _resources(self, caller: Caller, page: ListPage, *, whole: bool) -> list[Json]:
        """Return the resources of the page with their members or groups: as many from the beginning as there is room for.

        The first one is always shown whole. `whole`: if there isn't room for all, how many there are doesn't matter.

        How it works: the members of all groups on the page are read together, in the order of the groups' ids, until the
        room is used up. The groups that were read whole are known then. The page goes through its groups in its own order,
        which may be another one, and reads the members of the others one by one, up to a fixed number of times.
        """
        resources: list[Json] = []
        used = of_values = read_alone = 0
        for _, group in groupby(page.entries, key=lambda entry: entry.wanted.kind.name):
            entries = list(group)
            room = UNBOUNDED if len(page.entries) == 1 else page.room - page.size - of_values
            related = await self._related(caller, entries, room)
            if whole and related.read_before is not None:
                return resources
            of_values += related.size
            if related.read_before is None and related.size <= room:
                resources += [entry.with_values(related.values.get(entry.id)) for entry in entries]
                used += related.size + sum(len(entry.json) + 1 for entry in entries)
                continue
            for entry in entries:
                of_this = related
                if not related.has(entry.id):
                    if read_alone == _READ_ALONE:
                        return resources
                    read_alone += 1
                    room = page.room - used - len(entry.json) - 1 if resources else UNBOUNDED
                    of_this = await self._related(caller, [entry], room)
                    if not of_this.has(entry.id):
                        return resources
                    of_values += of_this.size
                values = of_this.values.get(entry.id)
                size = len(entry.json) + 1 + (0 if values is None else values.size)
                if resources and used + size > page.room:
                    return resources
                used += size
                resources.append(entry.with_values(values))
        return resources

    async def _related(self, caller: Caller, entries: Sequence[Entry], room: int) -> Related:
        """Read the members or groups of some resources of one type, if the answer carries them."""
        if not entries[0].relation:
            return Related()
        return await self._memberships.related(caller, entries[0].wanted, [entry.id for entry in entries], room)

    def _too_large(self, entries: Sequence[Entry]) -> TooMany:
        carried = sorted({entry.relation for entry in entries} - {""})
        without = (
            f", or leave {' and '.join(carried)} out with excludedAttributes={','.join(carried)}" if carried else ""
        )
        return TooMany(
            f"This page would have more than the {self._limits.list_bytes} bytes that a list may have, or more than twice "
            "as many would be read for it. "
            f"Ask for fewer resources with a smaller 'count'{without}."
        )


def _with_count(at: Cursor, asked: int | None, count: int) -> Cursor:
    """The cursor with the count that is in force. RFC 9865 §2.1: it must be that of the initial query."""
    if asked not in {None, count}:
        raise InvalidCount(f"The paging began with a 'count' of {count}; send that, or none.")
    return replace(at, count=count)


def _following(at: Cursor, shown: Sequence[Entry], *, more: bool) -> Cursor | None:
    """Return the cursor of the next page, if there is one."""
    if at.forwards and not more:
        return None
    # Whoever goes backwards has come from a next page. If nobody is left before it, it has become the first.
    return replace(at, place=shown[-1].place if shown else None, forwards=True)


def _previous(at: Cursor, shown: Sequence[Entry], *, more: bool) -> Cursor | None:
    """Return the cursor of the page before, unless this is the first."""
    is_first = at.place is None if at.forwards else not more
    return None if is_first or not shown else replace(at, place=shown[0].place, forwards=False)
