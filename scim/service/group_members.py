"""Reads and writes the members of one group for a request on it. Knows no attributes, conditions or answers."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from scim.protocol import datetimes, fold
from scim.protocol.json import JsonObject
from scim.protocol.limits import Limits
from scim.protocol.patch import Change
from scim.protocol.schema import ResourceType
from scim.service.member_changes import MemberSteps, UnknownTypes, members_from
from scim.service.membership import Memberships
from scim.storage.interface import Member, MemberChanges, Store, Stored, Touch


class GroupMembers:
    """Computes changes of the members of a group from the stored members, and writes them."""

    def __init__(
        self, store: Store, limits: Limits, memberships: Memberships, *, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._limits = limits
        self._memberships = memberships
        self._clock = clock

    def named(self, resource: JsonObject, kind: ResourceType) -> list[Member] | None:
        """Take the members that a body lists out of the resource and return them; `None` if it doesn't name them."""
        if kind.relation != "members" or kind.relation not in resource:
            return None
        return members_from(resource.pop(kind.relation), kind.by_name[kind.relation], self._limits)

    async def replacement(
        self, tenant: str, kind: ResourceType, id: str, members: Iterable[Member]
    ) -> tuple[list[Member], MemberChanges]:
        """Return the members after a PUT that lists these, and the changes that lead there from the stored members."""
        steps = MemberSteps(kind.by_name[kind.relation], self._limits, await self._memberships.of_group(tenant, id))
        return steps.replace(members), steps.changes()

    async def computed(self, tenant: str, kind: ResourceType, id: str, changes: Sequence[Change]) -> MemberChanges:
        """Return what the operations of a PATCH change in the stored members.

        The members are read here, so read the version that the result is written on first.
        """
        current = await self._memberships.of_group(tenant, id)
        types: dict[str, str | None] = {}
        while True:
            steps = MemberSteps(kind.by_name[kind.relation], self._limits, current, types)
            try:
                for change in changes:
                    steps.apply(change)
            except UnknownTypes as unknown:
                types |= await self._memberships.types(tenant, unknown.values)
            else:
                return steps.changes()

    async def change(self, tenant: str, kind: ResourceType, stored: Stored, changes: MemberChanges) -> Stored:
        """Write changes that depend on the version that was read, and return the group after them."""
        now = datetimes.written(self._clock())
        touch, expected = _touch(kind, stored.id, now), stored.version
        version = await self._store.change_members(tenant, stored.id, changes, touch, expected=expected)
        if version == expected:
            return stored
        meta = {**stored.resource["meta"], "lastModified": now}
        return replace(stored, version=version, resource={**stored.resource, "meta": meta})

    async def change_unread(
        self, tenant: str, kind: ResourceType, id: str, changes: MemberChanges, *, expected: str | None
    ) -> Stored:
        """Write changes of a group that wasn't read, and return it with its new version and no attributes."""
        touch = _touch(kind, id, datetimes.written(self._clock()))
        version = await self._store.change_members(tenant, id, changes, touch, expected=expected)
        return Stored(kind.name, id, version, {})


def _touch(kind: ResourceType, id: str, now: str) -> Touch:
    meta = {"meta": {"lastModified": now}}
    f = {"id": id, **fold.folded(meta, kind)}
    return Touch(now, f["meta"]["lastModified"], fold.sort_keys(meta, f, kind)["meta.lastModified"])
