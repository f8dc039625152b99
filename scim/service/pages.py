"""The pages of a query over one resource type or several: by index (RFC 7644 §3.4.2.4), or by cursor (RFC 9865).

A page by cursor begins behind the last resource of the page before, wherever that stood: its store seeks there, so that the
last page costs what the second does (with the first one all are counted), and what is created or deleted meanwhile moves
nobody else across a page's end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from scim.protocol.errors import InvalidCount, InvalidValue
from scim.protocol.json import JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import SearchRequest, cursor_response, list_response
from scim.protocol.projection import projection
from scim.protocol.query import Bound
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.service.caller import Caller
from scim.service.cursors import Cursor, Cursors, Place, fingerprint
from scim.service.membership import Memberships
from scim.service.view import View
from scim.storage.interface import Found, Search, Store, Stored


@dataclass(frozen=True, slots=True)
class Query:
    """Which resources of which types, in which order; the types stand in the order in which they follow one another."""

    kinds: Sequence[ResourceType]
    filters: Mapping[str, Bound | None]
    sorts: Mapping[str, str | None]
    descending: bool


@dataclass(frozen=True, slots=True)
class _Hit:
    """A resource that was found, and what it is ordered by."""

    kind: ResourceType
    item: Stored
    key: str

    @property
    def place(self) -> Place:
        return Place(self.kind.name, self.key)


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
        """The page that begins at `request.start`."""
        resources: list[JsonObject] = []
        total = 0
        room = self._limits.default_page if request.count is None else request.count
        for kind in query.kinds:
            offset = max(0, request.start - 1 - total)
            found = await self._found(caller, query, kind, offset, room, descending=query.descending)
            shown = await self._shown(caller, kind, found.items, request)
            resources += shown
            total += found.total
            # A page that was cut short ends here: what follows comes with the next one.
            room = room - len(shown) if len(shown) == len(found.items) else 0
        return list_response(resources, total, request.start)

    async def by_cursor(self, caller: Caller, query: Query, request: SearchRequest, text: str) -> JsonObject:
        """The page that the cursor leads to, the first if it is empty, with the cursors that lead on and back.

        Raises `InvalidCursor`, `ExpiredCursor` or `InvalidCount`.
        """
        if request.start != 1:
            raise InvalidValue("'startIndex' and 'cursor' are two ways of paging: send one of them.")
        bound_to = fingerprint(caller.tenant, query.filters, query.sorts, descending=query.descending)
        if text:
            opened = await self._cursors.opened(text, bound_to)
            at = _with_count(opened, request.count, min(opened.count, self._limits.page))
            hits, _ = await self._hits(caller, query, at)
        else:
            count = self._limits.default_page if request.count is None else request.count
            at = Cursor(None, forwards=True, count=count, total=0)
            hits, total = await self._hits(caller, query, at, counted=True)
            at = replace(at, total=total)
        resources = await self._shown_hits(caller, hits[: at.count], request)
        shown, more = hits[: len(resources)], len(hits) > len(resources)
        if not at.forwards:
            resources.reverse()
            shown.reverse()
        onward = [
            None if cursor is None else await self._cursors.sealed(cursor, bound_to)
            for cursor in (_following(at, shown, more=more), _previous(at, shown, more=more))
        ]
        return cursor_response(resources, at.total, following=onward[0], previous=onward[1])

    async def _hits(self, caller: Caller, query: Query, at: Cursor, *, counted: bool = False) -> tuple[list[_Hit], int]:
        """A page, nearest first and with one more if there is one; and how many there are in all, if that is asked for."""
        hits: list[_Hit] = []
        total = 0
        kinds = list(query.kinds if at.forwards else reversed(query.kinds))
        if at.place is not None:
            # The types before this one are behind us.
            kinds = kinds[[kind.name for kind in kinds].index(at.place.kind) :]
        for kind in kinds:
            room = at.count + 1 - len(hits) if at.count else 0
            if not room and not counted:
                break
            found = await self._found(
                caller,
                query,
                kind,
                0,
                room,
                descending=query.descending is at.forwards,  # backwards, the direction is turned round
                after=at.place.key if at.place is not None and at.place.kind == kind.name else None,
                counted=counted,
            )
            hits += [_Hit(kind, item, key) for item, key in zip(found.items, found.keys, strict=True)]
            total += found.total
        return hits, total

    async def _found(
        self,
        caller: Caller,
        query: Query,
        kind: ResourceType,
        offset: int,
        limit: int,
        *,
        descending: bool,
        after: str | None = None,
        counted: bool = True,
    ) -> Found:
        bound = query.filters[kind.name]
        if bound is not None:
            bound = await self._memberships.resolved(caller.tenant, bound, kind)
        search = Search(bound, offset, limit, query.sorts[kind.name], descending, after, counted)
        return await self._store.search(caller.tenant, kind.name, search)

    async def _shown_hits(self, caller: Caller, hits: Sequence[_Hit], request: SearchRequest) -> list[JsonObject]:
        """The representations of these, as many from the beginning as one page can carry."""
        resources: list[JsonObject] = []
        for kind, group in groupby(hits, key=lambda hit: hit.kind):
            items = [hit.item for hit in group]
            shown = await self._shown(caller, kind, items, request)
            resources += shown
            if len(shown) < len(items):
                break
        return resources

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


def _with_count(at: Cursor, asked: int | None, count: int) -> Cursor:
    """The cursor with the count that is in force. RFC 9865 §2.1: it must be that of the initial query."""
    if asked not in {None, count}:
        raise InvalidCount(f"The paging began with a 'count' of {count}; send that, or none.")
    return replace(at, count=count)


def _following(at: Cursor, shown: Sequence[_Hit], *, more: bool) -> Cursor | None:
    """The way to the next page, if there is one."""
    if at.forwards and not more:
        return None
    # Whoever goes backwards has come from a next page. If nobody is left before it, it has become the first.
    return replace(at, place=shown[-1].place if shown else None, forwards=True)


def _previous(at: Cursor, shown: Sequence[_Hit], *, more: bool) -> Cursor | None:
    """The way to the page before, unless this is the first."""
    is_first = at.place is None if at.forwards else not more
    return None if is_first or not shown else replace(at, place=shown[0].place, forwards=False)
