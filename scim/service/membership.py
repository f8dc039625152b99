"""Member items read from a group's side and from a user's, and filters that ask for them."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from scim.protocol.errors import TooMany, Unavailable
from scim.protocol.json import JsonObject
from scim.protocol.limits import Limits
from scim.protocol.query import FALSE, All, Among, AnyOf, Bound, Linked, Test
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.service.caller import Caller
from scim.service.view import View, is_id
from scim.storage.interface import Member, Membership, Name, Store

_PAGE: Final = 1_000
_SECONDS: Final = 60.0
"""How long a request may look up what `members eq` and `groups eq` lead to."""


class Memberships:
    """Reads who is in which group. `timer` gives seconds."""

    def __init__(self, store: Store, registry: Registry, limits: Limits, *, timer: Callable[[], float]) -> None:
        self._store = store
        self._registry = registry
        self._limits = limits
        self._timer = timer

    async def of_group(self, tenant: str, group: str) -> list[Member]:
        """All members of a group as they are stored: without a `type` that no client has sent."""
        kind = next(k for k in self._registry.resource_types.values() if k.relation == "members")
        return [item.member async for page in self._pages(tenant, kind, [group]) for item in page]

    async def types(self, tenant: str, values: Sequence[str]) -> dict[str, str | None]:
        """The resource type of each of these members by its id; `None` if there is no such resource."""
        kinds = [kind.name for kind in self._registry.resource_types.values() if kind.relation]
        found: dict[str, str | None] = dict.fromkeys(values)
        ids = [value for value in values if is_id(value)]
        for start in range(0, len(ids), _PAGE):
            names = await self._store.names(tenant, kinds, ids[start : start + _PAGE])
            found.update({id: name.kind for id, name in names.items()})
        return found

    async def related(self, caller: Caller, kind: ResourceType, ids: Sequence[str]) -> dict[str, list[JsonObject]]:
        """The `members` or `groups` of these resources, by id.

        Of several resources that have too many of them for one page, the last ones are left out.
        """
        if not kind.relation or not ids:
            return {id: [] for id in ids}
        most = self._limits.memberships_in_page
        found = await self._related(caller, kind, ids, None if len(ids) == 1 else most)
        if found is not None:
            return found
        found = {}
        for id in ids:
            one = await self._related(caller, kind, [id], None) or {}
            if found and sum(map(len, found.values())) + len(one[id]) > most:
                break
            found.update(one)
        return found

    async def _related(
        self, caller: Caller, kind: ResourceType, ids: Sequence[str], most: int | None
    ) -> dict[str, list[JsonObject]] | None:
        """`None` if there are more than `most`."""
        view = View(self._registry, caller.base_url)
        found: dict[str, list[JsonObject]] = {id: [] for id in ids}
        count = 0
        async for page in self._pages(caller.tenant, kind, ids):
            count += len(page)
            if most is not None and count > most:
                return None
            names = await self._names(caller.tenant, kind, page)
            for item in page:
                if kind.relation == "members":
                    found[item.group].append(view.member(item.member, names.get(item.member.value)))
                elif item.group in names:  # a group that is gone is nobody's
                    found[item.member.value].append(view.group(item.group, names[item.group]))
        return found

    async def resolved(self, tenant: str, bound: Bound, kind: ResourceType) -> Bound:
        """Return the filter with every `Linked` replaced by the ids that it leads to. Raises `TooMany` or `Unavailable`.

        Each different value is looked up once, one after the other, and within the time of a request.
        """
        until = self._timer() + _SECONDS
        asked = Counter[_LookUp]()

        def noted(look_up: _LookUp) -> Bound:
            asked[look_up] += 1
            return FALSE

        _replaced(bound, None, noted)
        if len(asked) > self._limits.linked_values:
            raise TooMany(
                f"The filter asks for {len(asked)} different values by '{kind.relation} eq'; at most "
                f"{self._limits.linked_values} are allowed."
            )
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
                    f"The '{kind.relation} eq' of the filter lead to more than {self._limits.linked_together} resources."
                )
        return _replaced(bound, None, found.__getitem__) if found else bound

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

    async def _pages(self, tenant: str, kind: ResourceType, ids: Sequence[str]) -> AsyncIterator[Sequence[Membership]]:
        """The member items of these groups, or of these users, a page at a time."""
        from_groups = kind.relation == "members"
        read = self._store.members if from_groups else self._store.memberships
        after: tuple[str, str] | None = None
        while True:
            page = await read(tenant, ids, after=after, limit=_PAGE)
            if page:
                yield page
            if len(page) < _PAGE:
                return
            group, value = page[-1].group, page[-1].member.value
            after = (group, value) if from_groups else (value, group)

    async def _names(self, tenant: str, kind: ResourceType, page: Sequence[Membership]) -> dict[str, Name]:
        """What the store knows of the other side of these member items, as far as it must be asked."""
        if kind.relation == "members":
            wanted = {item.member.value for item in page if item.member.type is None and is_id(item.member.value)}
            kinds = [k.name for k in self._registry.resource_types.values() if k.relation]
        else:
            wanted = {item.group for item in page}
            kinds = [k.name for k in self._registry.resource_types.values() if k.relation == "members"]
        return dict(await self._store.names(tenant, kinds, sorted(wanted))) if wanted else {}


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
