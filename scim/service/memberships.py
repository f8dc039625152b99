"""Reads memberships: the members of groups, the groups of users, and the resources that `members eq` and `groups eq` match.

Does not write memberships: see `members`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from sys import maxsize
from typing import Final

import orjson

from scim.protocol.errors import TooMany, Unavailable
from scim.protocol.filter.binding import FALSE, All, AnyOf, Bound, IdIn, RelatedTo, Test
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.projection import Projection
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.service.representation import Representations, is_id
from scim.service.request_context import RequestContext
from scim.storage.interface import Member, Membership, ResourceName, Store

UNBOUNDED: Final = maxsize
"""The space for the values of a single resource, which is always returned whole."""
MIN_BYTES: Final = 128
"""Bytes that a membership counts for at least, because short values take as long to read as long ones."""
_PAGE: Final = 1_000
"""Member items that one query reads."""
_SECONDS: Final = 60.0
"""The longest time that a request may spend on the values of `members eq` and `groups eq`."""

_by_group: Final = attrgetter("group")
_by_member: Final = attrgetter("member.value")


@dataclass(slots=True)
class Values:
    """The `members` or `groups` of one resource as JSON, which takes a fifth of the memory of Python objects."""

    runs: list[bytes] = field(default_factory=list)
    """Consecutive elements of the array, without its brackets."""
    size: int = 0
    """Bytes that they count for in a response."""

    def as_json(self) -> list[Json]:
        """Return the array as values for `orjson`."""
        return [orjson.Fragment(run) for run in self.runs]


@dataclass(slots=True)
class Related:
    """The `members` or `groups` of several resources, as many as `room` bytes hold. `values` is keyed by resource id."""

    room: int = UNBOUNDED
    values: dict[str, Values] = field(default_factory=dict)
    """Has no entry for a resource without values."""
    size: int = 0
    """Bytes that all values count for."""
    read_before: str | None = None
    """`None` if all values were read. Otherwise they didn't fit, and only resources with smaller ids were read whole."""

    @property
    def remaining(self) -> int:
        """The remaining space in bytes; negative if the values didn't fit."""
        return self.room - self.size

    def is_complete(self, id: str) -> bool:
        """Return whether all values of this resource were read."""
        return self.read_before is None or id < self.read_before

    def add(self, id: str, run: bytes, number: int) -> None:
        """Add the values of a resource in `run`, which come from `number` member items."""
        size = max(len(run) + 1, MIN_BYTES * number)
        resource_values = self.values.setdefault(id, Values())
        resource_values.size += size
        self.size += size
        if run:
            resource_values.runs.append(run)
        if self.remaining < 0:
            self.read_before = id


class Memberships:
    """Reads memberships. `timer` gives seconds."""

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
        self._member_types = tuple(
            resource_type.name for resource_type in registry.resource_types.values() if resource_type.relation
        )
        """The names of the resource types that can be members."""

    async def of_group(self, customer: str, group: str) -> list[Member]:
        """Return all members of a group as stored: `type` is `None` if no client has sent it. Raises `StoreError`."""
        resource_type = next(k for k in self._registry.resource_types.values() if k.relation == "members")
        members: list[Member] = []
        after: _Key | None = None
        while True:
            page, after = await self._page(customer, resource_type, [group], after, _PAGE)
            members += [item.member for item in page]
            if after is None:
                return members

    async def types(self, customer: str, values: Sequence[str]) -> dict[str, str | None]:
        """Return the resource type of each member by its value; `None` if no resource has that id.

        Raises `StoreError`.
        """
        type_names = [
            resource_type.name for resource_type in self._registry.resource_types.values() if resource_type.relation
        ]
        types: dict[str, str | None] = dict.fromkeys(values)
        ids = [value for value in values if is_id(value)]
        for start in range(0, len(ids), _PAGE):
            names = await self._store.names(customer, type_names, ids[start : start + _PAGE])
            types.update({id: name.type_name for id, name in names.items()})
        return types

    async def related(
        self, context: RequestContext, wanted: Projection, ids: Sequence[str], room: int = UNBOUNDED
    ) -> Related:
        """Read the `members` or `groups` of the resources `ids`, all of one type, as far as the representation has them.

        Stops when their JSON has more than `room` bytes. Raises `StoreError`.
        """
        resource_type, related = wanted.resource_type, Related(room)
        if not resource_type.relation or not ids:
            return related
        if room < 0:
            related.read_before = min(ids)
            return related
        after: _Key | None = None
        while True:
            limit = min(_PAGE, related.remaining // MIN_BYTES + 1)
            page, after = await self._page(context.customer, resource_type, ids, after, limit, self._member_types)
            if page:
                async for id, shown, number in self._values(context, resource_type, page):
                    values = wanted.values(resource_type.relation, shown)
                    related.add(id, orjson.dumps(values)[1:-1] if values else b"", number)
                    if related.read_before is not None:
                        return related
            if after is None:
                return related

    async def _values(
        self, context: RequestContext, resource_type: ResourceType, page: Sequence[Membership]
    ) -> AsyncIterator[tuple[str, list[JsonObject], int]]:
        """Yield for each resource on the page its id, its values there, and the number of member items of these values.

        Raises `StoreError`.
        """
        representations = Representations(self._registry, context.base_url)
        if resource_type.relation == "members":
            for group, items in groupby(page, _by_group):
                members = representations.members(items)
                yield group, members, len(members)
        else:
            names = await self._group_names(context.customer, page)
            for member, items in groupby(page, _by_member):
                groups = [item.group for item in items]
                # A group that has been deleted since the page was read is left out.
                yield (
                    member,
                    [representations.group(group, names[group]) for group in groups if group in names],
                    len(groups),
                )

    async def resolve(self, customer: str, bound: Bound, resource_type: ResourceType) -> Bound:
        """Return the filter with each `RelatedTo` replaced by the ids of the resources that it matches.

        Looks up each distinct value once, one after another. Raises `TooMany`, and `Unavailable` after 60 seconds.
        """
        look_ups: dict[_LookUp, int] = {}

        def collect(look_up: _LookUp) -> Bound:
            look_ups[look_up] = look_ups.get(look_up, 0) + 1
            return FALSE

        _replaced(bound, None, collect)
        if not look_ups:
            return bound
        if len(look_ups) > self._limits.related_values:
            raise TooMany(
                f"A filter may have at most {self._limits.related_values} different values of '{resource_type.relation} eq'; this "
                f"one has {len(look_ups)}. Send several requests with fewer values."
            )
        deadline = self._timer() + _SECONDS
        results: dict[_LookUp, Bound] = {}
        total = 0
        for look_up, times in look_ups.items():
            if self._timer() > deadline:
                raise Unavailable(
                    f"Looking up the values of '{resource_type.relation} eq' took too long. Send several requests with fewer values."
                )
            matches = results[look_up] = await self._look_up(customer, look_up, resource_type)
            total += times * len(matches.ids)
            if total > self._limits.related_ids_together:
                raise TooMany(
                    f"The values of '{resource_type.relation} eq' match more than {self._limits.related_ids_together} resources "
                    "together. Send several requests with fewer values."
                )
        return _replaced(bound, None, results.__getitem__)

    async def _look_up(self, customer: str, look_up: "_LookUp", resource_type: ResourceType) -> IdIn:
        only, value = look_up
        if only is None:
            return IdIn(await self._related_ids(customer, value, resource_type))
        group, member = (only, value) if resource_type.relation == "members" else (value, only)
        is_member = is_id(group) and await self._store.is_member(customer, group, member)
        return IdIn((only,) if is_member else ())

    async def _related_ids(self, customer: str, value: str, resource_type: ResourceType) -> tuple[str, ...]:
        limit = self._limits.related_ids
        if resource_type.relation == "members":
            memberships = await self._store.memberships(customer, [value], limit=limit + 1)
        else:
            memberships = await self._store.members(customer, [value], limit=limit + 1)
        if len(memberships) > limit:
            raise TooMany(
                f"'{resource_type.relation} eq' matches more than {limit} resources. Add 'id eq' to the filter to ask for one."
            )
        return tuple(item.group if resource_type.relation == "members" else item.member.value for item in memberships)

    async def _page(
        self,
        customer: str,
        resource_type: ResourceType,
        ids: Sequence[str],
        after: "_Key | None",
        limit: int,
        type_names: Sequence[str] = (),
    ) -> tuple[Sequence[Membership], "_Key | None"]:
        """Return a page of the member items of these groups or users, and the key of its end; `None` if it is the last.

        With `type_names`, the types of members that were stored without one are looked up among these resource types.
        Raises `StoreError`.
        """
        if after is not None:
            # SQLite never waits, so without this no other request would be served until all pages are read.
            await self._sleep(0)
        if resource_type.relation == "members":
            page = await self._store.members(customer, ids, after=after, limit=limit, type_names=type_names)
        else:
            page = await self._store.memberships(customer, ids, after=after, limit=limit)
        if len(page) < limit:
            return page, None
        group, value = page[-1].group, page[-1].member.value
        return page, (group, value) if resource_type.relation == "members" else (value, group)

    async def _group_names(self, customer: str, page: Sequence[Membership]) -> Mapping[str, ResourceName]:
        """Return the names of the groups of these member items. Raises `StoreError`."""
        type_names = [
            resource_type.name
            for resource_type in self._registry.resource_types.values()
            if resource_type.relation == "members"
        ]
        return await self._store.names(customer, type_names, sorted({item.group for item in page}))


type _Key = tuple[str, str]
"""The order of member items: by group and member, or by member and group."""
type _LookUp = tuple[str | None, str]
"""The only id that the rest of the filter can match, or `None`; and the value of a `RelatedTo`."""


def _replaced(bound: Bound, only: str | None, replacement: Callable[[_LookUp], Bound]) -> Bound:
    """Return the filter with each `RelatedTo` replaced. `only` is the id that the other terms require, if any."""
    match bound:
        case RelatedTo(value):
            return replacement((only, value))
        case All(terms):
            # `id eq G and members eq U` takes two point reads, however large the group is.
            required_ids = [t.value for t in terms if isinstance(t, Test) and t.where == ("id",) and _requires_id(t)]
            only = str(required_ids[0]) if required_ids else only
            return All(tuple(_replaced(term, only, replacement) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(_replaced(term, only, replacement) for term in terms))
    return bound


def _requires_id(test: Test) -> bool:
    return test.op == "eq" and not test.negated
