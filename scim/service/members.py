"""Computes and writes the member changes of one group. Knows no other attributes, no conditions and no responses."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from scim.protocol import datetimes, search_fields
from scim.protocol.json import JsonObject
from scim.protocol.limits import Limits
from scim.protocol.patch import Change
from scim.protocol.schema.model import ResourceType
from scim.service.member_changes import MemberOperations, UnknownTypes, members_from
from scim.service.memberships import Memberships
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

    def take_members(self, resource: JsonObject, resource_type: ResourceType) -> list[Member] | None:
        """Remove `members` from a validated body and return them; `None` if the body has no `members`.

        Raises `InvalidValue`, `PayloadTooLarge`.
        """
        if resource_type.relation != "members" or resource_type.relation not in resource:
            return None
        return members_from(
            resource.pop(resource_type.relation), resource_type.by_name[resource_type.relation], self._limits
        )

    async def replace_all(
        self, customer: str, resource_type: ResourceType, id: str, members: Iterable[Member]
    ) -> tuple[list[Member], MemberChanges]:
        """Return the members after a PUT with these members, and the changes to the stored ones. Reads the stored members.

        Raises `StoreError`.
        """
        steps = MemberOperations(
            resource_type.by_name[resource_type.relation], self._limits, await self._memberships.of_group(customer, id)
        )
        return steps.replace(members), steps.changes()

    async def compute(
        self, customer: str, resource_type: ResourceType, id: str, changes: Sequence[Change]
    ) -> MemberChanges:
        """Return the member changes of PATCH operations that depend on the stored members, which this reads.

        The caller must have read the version of the group before, and write the result conditionally on it. Raises
        `InvalidValue`, `Mutability`, `PayloadTooLarge`.
        """
        current = await self._memberships.of_group(customer, id)
        types: dict[str, str | None] = {}
        while True:
            steps = MemberOperations(resource_type.by_name[resource_type.relation], self._limits, current, types)
            try:
                for change in changes:
                    steps.apply(change)
            except UnknownTypes as unknown:
                types |= await self._memberships.types(customer, unknown.values)
            else:
                return steps.changes()

    async def write(self, customer: str, resource_type: ResourceType, stored: Stored, changes: MemberChanges) -> Stored:
        """Write changes conditionally on the version of `stored`, and return the group after them.

        Raises the storage errors `NotFound`, `PreconditionFailed`, `Interrupted`.
        """
        now = datetimes.written(self._clock())
        touch, expected = _touch(resource_type, stored.id, now), stored.version
        version = await self._store.change_members(customer, stored.id, changes, touch, expected=expected)
        if version == expected:
            return stored
        meta = {**stored.resource["meta"], "lastModified": now}
        return replace(stored, version=version, resource={**stored.resource, "meta": meta})

    async def write_unread(
        self, customer: str, resource_type: ResourceType, id: str, changes: MemberChanges, *, expected: str | None
    ) -> Stored:
        """Write changes of a group that wasn't read; return it with its new version and without attributes.

        Raises the storage errors `NotFound`, `PreconditionFailed`, `Interrupted`.
        """
        touch = _touch(resource_type, id, datetimes.written(self._clock()))
        version = await self._store.change_members(customer, id, changes, touch, expected=expected)
        return Stored(resource_type.name, id, version, {})


def _touch(resource_type: ResourceType, id: str, now: str) -> Touch:
    meta = {"meta": {"lastModified": now}}
    fields = {"id": id, **search_fields.build(meta, resource_type)}
    return Touch(
        now, fields["meta"]["lastModified"], search_fields.sort_keys(meta, fields, resource_type)["meta.lastModified"]
    )
