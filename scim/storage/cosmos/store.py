"""The store on Cosmos DB: one container, with a logical partition for each customer. Knows no schema and no HTTP.

How it works: every write is a transactional batch of at most 100 operations on items of the customer. Its first
operation writes the resource, with the new `_etag` as its version; the others write unique values, memberships and
markers. `batches` finds out the outcome of a batch after an ambiguous failure. Changes of more members than one batch
takes are several batches, each with a time limit; a new group with that many members is created by `large_groups`. A
deletion removes the resource and writes a deletion marker in one batch; memberships that don't fit into it are deleted
afterwards, by this request or the sweep.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from random import random
from typing import Final

from scim.protocol import datetimes
from scim.storage.cosmos.batches import ATTEMPTS, PAUSE_SECONDS, Batches, Head, UniqueValueMissing, store_error
from scim.storage.cosmos.calls import BatchOperation, Calls, Refused
from scim.storage.cosmos.customer_items import CustomerItems
from scim.storage.cosmos.items import (
    deletion_marker_id,
    etag,
    group_key,
    marker,
    member_id,
    member_key,
    resource_id,
    resource_item,
    stored,
    version,
)
from scim.storage.cosmos.large_groups import LargeGroups
from scim.storage.cosmos.members import PAGE, MemberItems, Step, step_operation
from scim.storage.cosmos.search import ItemSearch
from scim.storage.cosmos.sweep import Sweep
from scim.storage.cosmos.unique_values import UniqueValueItems
from scim.storage.errors import Interrupted, NotFound, PreconditionFailed, StoreError, StoreUnavailable
from scim.storage.interface import (
    NO_CHANGES,
    NO_UNIQUE_VALUES,
    Member,
    MemberChanges,
    Membership,
    ResourceName,
    Search,
    SearchPage,
    Stored,
    Take,
    Touch,
    WriteModel,
)

_BATCH: Final = 98
"""Member changes in one batch of 100 operations; two are reserved for the resource and a marker."""
_MAX_COMPARISONS: Final = 10
"""How often a batch is sent while concurrent requests change the same members, before it fails."""
_CHANGE_SECONDS: Final = 60.0
"""How long a change of many members, or the creation of a large group, takes at most."""
_CLEANUP_SECONDS: Final = 10.0
"""How long a deletion deletes memberships after the resource itself. The sweep deletes those that remain."""

_log: Final = logging.getLogger("scim.storage")


class CosmosStore:
    """All customers in one container. `timer` returns seconds; `new_token` returns a new write token, a unique text."""

    def __init__(
        self,
        calls: Calls,
        *,
        clock: Callable[[], datetime],
        timer: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        new_token: Callable[[], str],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._calls = calls
        batches = Batches(calls, sleep)
        self._write = batches.write
        self._members = MemberItems(calls, timer, sleep)
        self._unique_values = UniqueValueItems(calls)
        self._large_groups = LargeGroups(batches, self._members, clock=clock, timer=timer, new_token=new_token)
        self._search = ItemSearch(calls)
        self._clock = clock
        self._timer = timer
        self._new_token = new_token
        self._sleep = sleep
        self._close = close
        self._customers = CustomerItems(calls, sleep)
        self._sweep = Sweep(calls, clock=clock, timer=timer, new_token=new_token)

    async def close(self) -> None:
        await self._close()

    # --- one resource ---

    async def read(self, customer: str, type_name: str, id: str) -> Stored | None:
        item = await self._calls.read(customer, resource_id(type_name, id))
        return None if item is None else stored(item)

    async def create(self, customer: str, write_model: WriteModel, members: Sequence[Member] = ()) -> str:
        token = self._new_token()
        item = resource_item(customer, write_model, token)
        unique_value_operations = await self._unique_values.changes(customer, write_model, NO_UNIQUE_VALUES)
        head = Head(BatchOperation("create", (item,)), item["id"], token, unique_value_operations)
        distinct = list({member.value: member for member in members}.values())
        if len(distinct) + len(unique_value_operations) > _BATCH:
            return await self._large_groups.create(
                customer, write_model.id, head, distinct, self._timer() + _CHANGE_SECONDS
            )
        try:
            return await self._write(
                customer, head, [step_operation(customer, write_model.id, member) for member in distinct]
            )
        except Refused as refused:
            raise store_error(refused, head) from None

    async def replace(
        self,
        customer: str,
        write_model: WriteModel,
        *,
        expected: str,
        members: MemberChanges = NO_CHANGES,
        old_unique_values: Mapping[str, str] | None = NO_UNIQUE_VALUES,
    ) -> str:
        unique_value_operations = await self._unique_values.changes(customer, write_model, old_unique_values)
        try:
            return await self._replace(customer, write_model, expected, members, unique_value_operations)
        except UniqueValueMissing:
            if old_unique_values is None:
                raise
            return await self.replace(customer, write_model, expected=expected, members=members, old_unique_values=None)

    async def _replace(
        self,
        customer: str,
        write_model: WriteModel,
        expected: str,
        members: MemberChanges,
        unique_value_operations: Sequence[BatchOperation],
    ) -> str:
        token = self._new_token()
        item = resource_item(customer, write_model, token)
        head = Head(
            BatchOperation("replace", (item["id"], item), etag(expected)), item["id"], token, unique_value_operations
        )
        if not members:  # customer records have no `meta`, and no members
            try:
                return await self._write(customer, head, [])
            except Refused as refused:
                raise store_error(refused, head) from None
        modified = write_model.resource["meta"]["lastModified"]
        touch = Touch(
            modified, write_model.search_fields["meta"]["lastModified"], write_model.sort_keys["meta.lastModified"]
        )
        return await self._write_changes(customer, write_model.id, head, members, touch, only_members=False)

    async def delete(self, customer: str, type_name: str, id: str, *, expected: str | None = None) -> None:
        deadline = self._timer() + _CLEANUP_SECONDS
        item_id, marker_id = resource_id(type_name, id), deletion_marker_id(type_name, id)
        delete_item = BatchOperation("delete", (item_id,), etag(expected) if expected else None)
        marker_exists = False
        for _ in range(ATTEMPTS):
            leftovers = await self._members.delete_operations(customer, [id])
            token = self._new_token()
            item = marker(customer, marker_id, "gone", self._now(), token)
            # A customer record may be created again with the same id while its old deletion marker still exists.
            write_marker = (
                BatchOperation("replace", (marker_id, item)) if marker_exists else BatchOperation("create", (item,))
            )
            head = Head(delete_item, marker_id, token)
            try:
                await self._write(customer, head, [write_marker, *leftovers[:_BATCH]])
            except Refused as refused:
                if refused.index == 0:
                    raise store_error(refused, head) from None
                if refused.index == 1:
                    marker_exists = refused.status == 409
                continue  # a marker, a membership or a unique value was written meanwhile: read them again
            # The resource is deleted, and the sweep finds its other items by the marker. A request may have added
            # members to a group since they were read, so they are read again.
            search_more = len(leftovers) == PAGE or type_name == "Group"
            with suppress(StoreError):
                await self._members.delete(customer, id, leftovers[_BATCH:], deadline, search_more=search_more)
            return
        raise StoreUnavailable("concurrent requests keep changing the memberships of the resource", retry_after=1)

    # --- members ---

    async def change_members(
        self, customer: str, group: str, changes: MemberChanges, touch: Touch, *, expected: str | None = None
    ) -> str:
        if not changes:
            return await self._read_version(customer, group, expected)
        head = self._touch_head(group, touch, expected)
        return await self._write_changes(customer, group, head, changes, touch, only_members=True)

    async def members(
        self,
        customer: str,
        groups: Sequence[str],
        *,
        after: tuple[str, str] | None = None,
        limit: int,
        type_names: Sequence[str] = (),
    ) -> Sequence[Membership]:
        items = await self._members.read_page(customer, "group", groups, group_key(*after) if after else None, limit)
        values_without_type = {item.member.value for item in items if item.member.type is None}
        types = await self._search.types(customer, type_names, sorted(values_without_type)) if type_names else {}
        return [
            item._replace(resolved_type=types[item.member.value]) if item.member.value in types else item
            for item in items
        ]

    async def memberships(
        self, customer: str, members: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        items = await self._members.read_page(customer, "member", members, member_key(*after) if after else None, limit)
        return [Membership(item.group, Member(item.member.value)) for item in items]

    async def is_member(self, customer: str, group: str, member: str) -> bool:
        item = await self._calls.read(customer, member_id(group, member))
        return item is not None and item["member"] == member

    async def names(self, customer: str, type_names: Sequence[str], ids: Sequence[str]) -> Mapping[str, ResourceName]:
        return await self._search.names(customer, type_names, ids)

    # --- searching ---

    async def search(self, customer: str, type_name: str, search: Search, take: Take | None = None) -> SearchPage:
        return await self._search.search(customer, type_name, search, take)

    # --- a whole customer ---

    async def outdated(
        self, customer: str, type_name: str, index_version: str, *, after: str | None = None, limit: int
    ) -> Sequence[Stored]:
        return await self._customers.outdated(customer, type_name, index_version, after or "", limit)

    async def count(self, customer: str) -> int:
        return await self._customers.count(customer)

    def everything(self, customer: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        return self._customers.everything(customer)

    def erase(self, customer: str) -> AsyncIterator[int]:
        return self._customers.erase(customer)

    async def sweep(self, customer: str) -> int:
        return await self._sweep.run(customer)

    # --- batches ---

    def _touch_head(self, group: str, touch: Touch, expected: str | None) -> Head:
        token = self._new_token()
        changes = [
            {"op": "set", "path": "/w", "value": token},
            {"op": "set", "path": "/resource/meta/lastModified", "value": touch.modified},
            {"op": "set", "path": "/f/meta/lastModified", "value": touch.folded},
            {"op": "set", "path": "/s/meta.lastModified", "value": touch.sort_key},
        ]
        item = resource_id("Group", group)
        return Head(BatchOperation("patch", (item, changes), etag(expected) if expected else None), item, token)

    async def _write_changes(
        self,
        customer: str,
        group: str,
        head: Head,
        changes: MemberChanges,
        touch: Touch,
        *,
        only_members: bool,
    ) -> str:
        """Write the head with the first member changes, then the others in further batches. Return the last version.

        If the head requires a version, each further batch requires the version that the batch before it has made.
        Raises `AlreadyExists`, `NotFound`, `PreconditionFailed`, `Interrupted`.
        """
        deadline = self._timer() + _CHANGE_SECONDS
        steps: list[Step] = [*dict.fromkeys(changes.remove), *{m.value: m for m in changes.add}.values()]
        first_size = _BATCH - len(head.unique_values)
        last_version = await self._write_batch(customer, group, head, steps[:first_size], only_members)
        is_conditional = head.operation.if_match is not None
        for start in range(first_size, len(steps), _BATCH):
            if self._timer() > deadline:
                reason = "a change of many members takes longer than its time limit; repeating it completes the change"
                raise StoreUnavailable(reason, retry_after=1)
            head = self._touch_head(group, touch, last_version if is_conditional else None)
            try:
                last_version = await self._write_batch(
                    customer, group, head, steps[start : start + _BATCH], only_members=True
                )
            except PreconditionFailed:
                raise Interrupted("Group") from None
        return last_version

    async def _write_batch(
        self, customer: str, group: str, head: Head, steps: Sequence[Step], only_members: bool
    ) -> str:
        """Write one batch. Return the group's version after it, or the version at which all steps were done already.

        How it works: the database refuses the batch if it adds an existing member or removes a missing one. A query
        then finds out which steps are done already, and the batch is sent again with the other steps only. That batch
        must fail if the skipped members have changed since the query. Otherwise its result could differ from both
        orders of this request and a concurrent one that changes skipped and other members. A head that requires a
        version ensures that. Without one, the batch also reads each member that was added already: it fails if that
        member was removed since, and isn't affected by other members. A batch can't require that an item is missing, so
        if a removal was done already, the head requires the version at which the query found the member missing.
        """
        operations = [step_operation(customer, group, step) for step in steps]
        current_head = head
        for attempt in range(_MAX_COMPARISONS):
            try:
                return await self._write(customer, current_head, operations)
            except Refused as refused:
                group_changed_since = current_head is not head and (refused.index, refused.status) == (0, 412)
                if refused.index <= len(head.unique_values) and not group_changed_since:
                    raise store_error(refused, head) from None
            await self._sleep(PAUSE_SECONDS * attempt * random())  # noqa: S311 - spreads concurrent writers in time
            comparison = await self._members.compare(customer, group, steps)
            if comparison is None:
                raise NotFound("Group")
            if only_members and not comparison.remaining:
                if head.operation.if_match not in {None, etag(comparison.version)}:
                    raise PreconditionFailed("Group")
                return comparison.version
            operations = [step_operation(customer, group, step) for step in comparison.remaining]
            if head.operation.if_match is None:
                current_head = head.with_if_match(etag(comparison.version)) if comparison.some_removed_already else head
                operations += [BatchOperation("read", (id,)) for id in comparison.added_already]
        raise StoreUnavailable("concurrent requests keep changing the same members", retry_after=1)

    def _now(self) -> str:
        return datetimes.written(self._clock())

    async def _read_version(self, customer: str, group: str, expected: str | None) -> str:
        item = await self._calls.read(customer, resource_id("Group", group))
        if item is None:
            raise NotFound("Group")
        if expected is not None and version(item["_etag"]) != expected:
            raise PreconditionFailed("Group")
        return version(item["_etag"])
