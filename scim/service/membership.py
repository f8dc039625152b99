"""Member items read from a group's side and from a user's, and filters that ask for them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from sys import maxsize
from typing import Final

import orjson

from scim.protocol.errors import TooMany, Unavailable
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.projection import Projection
from scim.protocol.query import FALSE, All, Among, AnyOf, Bound, Linked, Test
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.service.caller import Caller
from scim.service.view import View, is_id
from scim.storage.interface import Member, Membership, Name, Store

UNBOUNDED: Final = maxsize
"""The room for the values of a single resource, which is answered whole."""
LEAST: Final = 128
"""Bytes that a membership counts for at least: short values take as much time to read as long ones."""
_PAGE: Final = 1_000
_SECONDS: Final = 60.0
"""How long a request may look up what `members eq` and `groups eq` lead to."""

_by_group: Final = attrgetter("group")
_by_member: Final = attrgetter("member.value")


@dataclass(slots=True)
class Values:
    """The `members` or `groups` of one resource, as JSON: they take a fifth of the memory of Python's objects."""

    runs: list[bytes] = field(default_factory=list)
    """Consecutive elements of the array, without its brackets."""
    size: int = 0
    """Bytes that they count for in an answer."""

    def as_json(self) -> list[Json]:
        """Return the array, for `orjson`."""
        return [orjson.Fragment(run) for run in self.runs]


@dataclass(slots=True)
class Related:
    """What was read of the `members` or `groups` of some resources, by their ids, as far as `room` bytes hold it."""

    room: int = UNBOUNDED
    values: dict[str, Values] = field(default_factory=dict)
    """Resources without any aren't in it."""
    size: int = 0
    """Bytes that all of them count for."""
    read_before: str | None = None
    """`None`: all was read. Otherwise the room was too small, and only the resources with smaller ids were read whole."""

    @property
    def left(self) -> int:
        """The room that is left; below 0 if there was too little."""
        return self.room - self.size

    def has(self, id: str) -> bool:
        """Return whether all values of this resource were read."""
        return self.read_before is None or id < self.read_before

    def add(self, id: str, run: bytes, number: int) -> None:
        """Add further values of a resource, which come from so many member items."""
        size = max(len(run) + 1, LEAST * number)
        of_one = self.values.setdefault(id, Values())
        of_one.size += size
        self.size += size
        if run:
            of_one.runs.append(run)
        if self.left < 0:
            self.read_before = id


class Memberships:
    """Reads who is in which group. `timer` gives seconds."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        limits: Limits,
        *,
        timer: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._store = store
        self._registry = registry
        self._limits = limits
        self._timer = timer
        self._sleep = sleep
        self._kinds = tuple(kind.name for kind in registry.resource_types.values() if kind.relation)
        """What a member may be."""

    async def of_group(self, tenant: str, group: str) -> list[Member]:
        """Return all members of a group as they are stored: without a `type` that no client has sent."""
        kind = next(k for k in self._registry.resource_types.values() if k.relation == "members")
        members: list[Member] = []
        after: _Key | None = None
        while True:
            page, after = await self._page(tenant, kind, [group], after, _PAGE)
            members += [item.member for item in page]
            if after is None:
                return members

    async def types(self, tenant: str, values: Sequence[str]) -> dict[str, str | None]:
        """Return the resource type of each of these members by its id; `None` if there is no such resource."""
        kinds = [kind.name for kind in self._registry.resource_types.values() if kind.relation]
        found: dict[str, str | None] = dict.fromkeys(values)
        ids = [value for value in values if is_id(value)]
        for start in range(0, len(ids), _PAGE):
            names = await self._store.names(tenant, kinds, ids[start : start + _PAGE])
            found.update({id: name.kind for id, name in names.items()})
        return found

    async def related(self, caller: Caller, wanted: Projection, ids: Sequence[str], room: int = UNBOUNDED) -> Related:
        """Read the `members` or `groups` of these resources, as far as the answer carries them.

        Reads no further than where their JSON passes `room` bytes.
        """
        kind, related = wanted.kind, Related(room)
        if not kind.relation or not ids:
            return related
        if room < 0:
            related.read_before = min(ids)
            return related
        after: _Key | None = None
        while True:
            limit = min(_PAGE, related.left // LEAST + 1)
            page, after = await self._page(caller.tenant, kind, ids, after, limit, self._kinds)
            if page:
                async for id, shown, number in self._shown(caller, kind, page):
                    values = wanted.values(kind.relation, shown)
                    related.add(id, orjson.dumps(values)[1:-1] if values else b"", number)
                    if related.read_before is not None:
                        return related
            if after is None:
                return related

    async def _shown(
        self, caller: Caller, kind: ResourceType, page: Sequence[Membership]
    ) -> AsyncIterator[tuple[str, list[JsonObject], int]]:
        """Return for each resource on the page its id, its values there, and how many member items these come from."""
        view = View(self._registry, caller.base_url)
        if kind.relation == "members":
            for group, items in groupby(page, _by_group):
                members = view.members(items)
                yield group, members, len(members)
        else:
            names = await self._group_names(caller.tenant, page)
            for member, items in groupby(page, _by_member):
                groups = [item.group for item in items]
                # A group that was deleted meanwhile isn't shown.
                yield member, [view.group(group, names[group]) for group in groups if group in names], len(groups)

    async def resolved(self, tenant: str, bound: Bound, kind: ResourceType) -> Bound:
        """Return the filter with every `Linked` replaced by the ids that it leads to. Raises `TooMany` or `Unavailable`.

        Each different value is looked up once, one after the other, and within the time of a request.
        """
        asked: dict[_LookUp, int] = {}

        def noted(look_up: _LookUp) -> Bound:
            asked[look_up] = asked.get(look_up, 0) + 1
            return FALSE

        _replaced(bound, None, noted)
        if not asked:
            return bound
        if len(asked) > self._limits.linked_values:
            raise TooMany(
                f"The filter asks for {len(asked)} different values by '{kind.relation} eq'; at most "
                f"{self._limits.linked_values} are allowed. Ask for fewer at a time."
            )
        until = self._timer() + _SECONDS
        found: dict[_LookUp, Bound] = {}
        total = 0
        for look_up, times in asked.items():
            if self._timer() > until:
                raise Unavailable(
                    f"The '{kind.relation} eq' of the filter took too long; ask for fewer values at a time."
                )
            among = found[look_up] = await self._looked_up(tenant, look_up, kind)
            total += times * len(among.ids)
            if total > self._limits.linked_together:
                raise TooMany(
                    f"The '{kind.relation} eq' of the filter lead to more than {self._limits.linked_together} resources; "
                    "ask for fewer values at a time."
                )
        return _replaced(bound, None, found.__getitem__)

    async def _looked_up(self, tenant: str, look_up: "_LookUp", kind: ResourceType) -> Among:
        only, value = look_up
        if only is None:
            return Among(await self._linked(tenant, value, kind))
        group, member = (only, value) if kind.relation == "members" else (value, only)
        found = is_id(group) and await self._store.is_member(tenant, group, member)
        return Among((only,) if found else ())

    async def _linked(self, tenant: str, value: str, kind: ResourceType) -> tuple[str, ...]:
        most = self._limits.linked
        if kind.relation == "members":
            found = await self._store.memberships(tenant, [value], limit=most + 1)
        else:
            found = await self._store.members(tenant, [value], limit=most + 1)
        if len(found) > most:
            raise TooMany(f"'{kind.relation} eq' leads to more than {most} resources; ask for one by 'id eq' as well.")
        return tuple(item.group if kind.relation == "members" else item.member.value for item in found)

    async def _page(
        self,
        tenant: str,
        kind: ResourceType,
        ids: Sequence[str],
        after: "_Key | None",
        limit: int,
        kinds: Sequence[str] = (),
    ) -> tuple[Sequence[Membership], "_Key | None"]:
        """Read member items of these groups, or of these users, and return where the next page begins; `None` if there is none.

        `kinds`: what members of groups may be, to look up the types that no client has sent.
        """
        if after is not None:
            # The embedded store answers without waiting, so other requests would have to wait for all pages.
            await self._sleep(0)
        if kind.relation == "members":
            page = await self._store.members(tenant, ids, after=after, limit=limit, kinds=kinds)
        else:
            page = await self._store.memberships(tenant, ids, after=after, limit=limit)
        if len(page) < limit:
            return page, None
        group, value = page[-1].group, page[-1].member.value
        return page, (group, value) if kind.relation == "members" else (value, group)

    async def _group_names(self, tenant: str, page: Sequence[Membership]) -> Mapping[str, Name]:
        """Return the names of the groups of these member items."""
        kinds = [kind.name for kind in self._registry.resource_types.values() if kind.relation == "members"]
        return await self._store.names(tenant, kinds, sorted({item.group for item in page}))


type _Key = tuple[str, str]
"""What member items are ordered by: their group and member, or the other way round."""
type _LookUp = tuple[str | None, str]
"""The value of a `Linked`, behind the only id that the filter leaves possible beside it."""


def _replaced(bound: Bound, only: str | None, replacement: Callable[[_LookUp], Bound]) -> Bound:
    """Return the filter with every `Linked` replaced. `only` is the id that its other terms ask for."""
    match bound:
        case Linked(value):
            return replacement((only, value))
        case All(terms):
            # `id eq G and members eq U` is two point reads, however large the group.
            named = [t.value for t in terms if isinstance(t, Test) and t.where == ("id",) and _asks_for_one(t)]
            only = str(named[0]) if named else only
            return All(tuple(_replaced(term, only, replacement) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(_replaced(term, only, replacement) for term in terms))
    return bound


def _asks_for_one(test: Test) -> bool:
    return test.op == "eq" and not test.negated
