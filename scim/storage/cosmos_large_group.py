"""Creating a group with more members than one batch takes: the members first, under a marker, the group itself last."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from scim.protocol import datetimes
from scim.storage.cosmos_batches import Batches, Head, refusal
from scim.storage.cosmos_calls import Operation, Refused
from scim.storage.cosmos_items import gone_id, marker, pending_id
from scim.storage.cosmos_members import MemberItems, operation
from scim.storage.interface import Member, StoreError, StoreUnavailable

_BATCH: Final = 97
"""Members in one batch of 100 operations; the others are for the group, a marker, and one to spare."""


class LargeGroups:
    """Writes them step by step; whatever happens, what is left is found by a marker. `timer` gives seconds."""

    def __init__(
        self,
        batches: Batches,
        members: MemberItems,
        *,
        clock: Callable[[], datetime],
        timer: Callable[[], float],
        new_token: Callable[[], str],
    ) -> None:
        self._write: Callable[[str, Head, Sequence[Operation]], Awaitable[str]] = batches.write
        self._members = members
        self._clock = clock
        self._timer = timer
        self._new_token = new_token

    async def create(self, tenant: str, group: str, head: Head, members: Sequence[Member], until: float) -> str:
        """The version of the group that `head` creates. Raises `Taken`, and then its members are gone again."""
        pending, token = pending_id(group), self._new_token()
        mark = Operation("create", (marker(tenant, pending, "pending", self._now(), token),))
        # The claims come with the group itself, so that there are none as long as there is no group.
        end = max(0, len(members) - (_BATCH - len(head.claims)))
        try:
            for start in range(0, end, _BATCH):
                if self._timer() > until:
                    raise StoreUnavailable("creating a large group has used its time", retry_after=1)
                steps = [operation(tenant, group, one) for one in members[start : min(start + _BATCH, end)]]
                try:
                    await self._write(tenant, Head(mark, pending, token), steps)
                except Refused:
                    raise StoreUnavailable("the marker of a large group is gone", retry_after=1) from None
                token = self._new_token()
                mark = Operation("patch", (pending, [{"op": "set", "path": "/w", "value": token}]))
            steps = [operation(tenant, group, one) for one in members[end:]]
            return await self._write(tenant, head, [Operation("delete", (pending,)), *steps])
        except Refused as refused:
            await self._undo(tenant, group, until)
            raise refusal(refused, head) from None
        except StoreError:
            await self._undo(tenant, group, until)
            raise

    async def _undo(self, tenant: str, group: str, until: float) -> None:
        """Delete the members of a large group that didn't come to be, as far as that can be done now."""
        # One batch takes the pending marker away and leaves the one that the sweep goes by. A last batch that is under
        # way, or took effect unnoticed, deletes the pending marker too: only one of the two can.
        gone, token = gone_id("Group", group), self._new_token()
        mark = Operation("create", (marker(tenant, gone, "gone", self._now(), token),))
        with suppress(StoreError, Refused):
            await self._write(tenant, Head(mark, gone, token), [Operation("delete", (pending_id(group),))])
            await self._members.delete(tenant, group, [], until, more=True)

    def _now(self) -> str:
        return datetimes.written(self._clock())
