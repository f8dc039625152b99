"""Creates a group with more members than one batch takes.

How it works: the first batch writes a pending marker and the first members, each further one more members and a new
token in the marker. The last batch deletes the marker and writes the group, its unique values and the last members, so
that the group appears with all of its members. If the creation fails, one batch replaces the pending marker by a
deletion marker, and the members written so far are deleted. The last batch and this one both delete the pending marker,
so only one of them can be applied. If the process stops, the sweep finds the pending marker and deletes the members.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from scim.protocol import datetimes
from scim.storage.cosmos.batches import Batches, Head, store_error
from scim.storage.cosmos.calls import BatchOperation, Refused
from scim.storage.cosmos.items import deletion_marker_id, marker, pending_marker_id
from scim.storage.cosmos.members import MemberItems, step_operation
from scim.storage.errors import StoreError, StoreUnavailable
from scim.storage.interface import Member

_BATCH: Final = 97
"""Members in one batch of 100 operations; two are needed for the group and a marker, and one is spare."""


class LargeGroups:
    """Creates large groups. `timer` returns seconds; `new_token` returns a new write token."""

    def __init__(
        self,
        batches: Batches,
        members: MemberItems,
        *,
        clock: Callable[[], datetime],
        timer: Callable[[], float],
        new_token: Callable[[], str],
    ) -> None:
        self._write: Callable[[str, Head, Sequence[BatchOperation]], Awaitable[str]] = batches.write
        self._members = members
        self._clock = clock
        self._timer = timer
        self._new_token = new_token

    async def create(self, customer: str, group: str, head: Head, members: Sequence[Member], deadline: float) -> str:
        """Create a group with its members, and return its version. `head` is the operation that creates the group.

        Raises `AlreadyExists`, and `StoreUnavailable` after the deadline. It deletes the members written so far then.
        """
        marker_id, token = pending_marker_id(group), self._new_token()
        write_marker = BatchOperation("create", (marker(customer, marker_id, "pending", self._now(), token),))
        # The last batch also has the unique values, so that there are none as long as the group doesn't exist.
        end = max(0, len(members) - (_BATCH - len(head.unique_values)))
        try:
            for start in range(0, end, _BATCH):
                if self._timer() > deadline:
                    raise StoreUnavailable("creating a large group takes longer than its time limit", retry_after=1)
                batch = members[start : min(start + _BATCH, end)]
                operations = [step_operation(customer, group, member) for member in batch]
                try:
                    await self._write(customer, Head(write_marker, marker_id, token), operations)
                except Refused:
                    raise StoreUnavailable("the marker of a large group was deleted meanwhile", retry_after=1) from None
                token = self._new_token()
                write_marker = BatchOperation("patch", (marker_id, [{"op": "set", "path": "/w", "value": token}]))
            operations = [step_operation(customer, group, member) for member in members[end:]]
            return await self._write(customer, head, [BatchOperation("delete", (marker_id,)), *operations])
        except Refused as refused:
            await self._undo(customer, group, deadline)
            raise store_error(refused, head) from None
        except StoreError:
            await self._undo(customer, group, deadline)
            raise

    async def _undo(self, customer: str, group: str, deadline: float) -> None:
        """Delete the members of a group that wasn't created. If this fails, the sweep deletes them.

        Raises `StoreError`.
        """
        marker_id, token = deletion_marker_id("Group", group), self._new_token()
        write_marker = BatchOperation("create", (marker(customer, marker_id, "gone", self._now(), token),))
        with suppress(StoreError, Refused):
            await self._write(
                customer, Head(write_marker, marker_id, token), [BatchOperation("delete", (pending_marker_id(group),))]
            )
            await self._members.delete(customer, group, [], deadline, search_more=True)

    def _now(self) -> str:
        return datetimes.written(self._clock())
