"""The sweep: deletes the member items and claims that deleted resources and unfinished groups have left behind.

It works from markers alone, so that it costs nothing where nothing was deleted. It may stop anywhere, and several may
run at once: each step is a batch that either happens or has happened already.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from scim.protocol import datetimes
from scim.protocol.json import JsonObject
from scim.storage.cosmos_calls import Calls, Operation, OutcomeUnknown, Refused
from scim.storage.cosmos_items import gone_id, marker
from scim.storage.cosmos_members import deletions

_SETTLED: Final = timedelta(minutes=10)
"""After this time no request that knew the resource can still be at work; one has 60 seconds."""
_BUDGET_SECONDS: Final = 120.0
_MARKERS: Final = 100
_BATCH: Final = 100
_ATTEMPTS: Final = 10

_log: Final = logging.getLogger("scim.storage")


class Sweep:
    """One tenant at a time, for at most two minutes; the next call goes on with what is left."""

    def __init__(
        self,
        calls: Calls,
        *,
        clock: Callable[[], datetime],
        timer: Callable[[], float],
        new_token: Callable[[], str],
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._timer = timer
        self._new_token = new_token

    async def tenant(self, tenant: str) -> int:
        """How many items were deleted."""
        until = self._timer() + _BUDGET_SECONDS
        await self._give_up_unfinished(tenant, until)
        deleted, after = 0, ""
        while self._timer() < until:
            markers = await self._markers(tenant, "gone", after)
            if not markers:
                break
            deleted += await self._sweep(tenant, markers, until)
            after = markers[-1]["due"]
        return deleted

    async def _give_up_unfinished(self, tenant: str, until: float) -> None:
        """A group whose creation began long ago and never ended counts as deleted from now on.

        One batch takes its pending marker away, without which the creation can't go on, and writes the marker of a
        deletion, so that its members are found whatever happens next.
        """
        after = ""
        while self._timer() < until:
            markers = [one for one in await self._markers(tenant, "pending", after) if self._is_settled(one["at"])]
            if not markers:
                return
            for one in markers:
                group = one["id"].rpartition(":")[2]
                gone = marker(tenant, gone_id("Group", group), "gone", self._now(), self._new_token())
                await self._try(tenant, [Operation("delete", (one["id"],)), Operation("create", (gone,))])
            after = markers[-1]["due"]

    async def _sweep(self, tenant: str, markers: Sequence[JsonObject], until: float) -> int:
        """Delete what a page of deleted resources has left; those that are settled and have nothing left are done."""
        ids = [one["id"].rpartition(":")[2] for one in markers]
        deleted = failures = 0
        while self._timer() < until and failures < _ATTEMPTS:
            settled = [one for one in markers if self._is_settled(one["at"])]
            left = await deletions(self._calls, tenant, ids)
            if not left:
                await self._mark_done(tenant, settled)
                break
            for start in range(0, len(left), _BATCH):
                batch = left[start : start + _BATCH]
                if not await self._try(tenant, batch):
                    failures += 1  # somebody else deletes them too: look again
                    break
                deleted += len(batch)
                failures = 0
        return deleted

    async def _mark_done(self, tenant: str, markers: Sequence[JsonObject]) -> None:
        """A marker that is done has no sort key, so no sweep reads it again; it stays as a tombstone."""
        if not markers:
            return
        done: list[Operation] = []
        for one in markers:
            item = marker(tenant, one["id"], "gone", one["at"], self._new_token())
            del item["s"]
            done.append(Operation("replace", (item["id"], {**item, "done": True}), one["_etag"]))
        if not await self._try(tenant, done):
            # Another sweep was first with some of them, or one has expired: each by itself.
            for operation in done:
                await self._try(tenant, [operation])

    async def _markers(self, tenant: str, kind: str, after: str) -> list[JsonObject]:
        """A page of open markers, the oldest first."""
        return await self._calls.query(
            tenant,
            'SELECT c["id"], c["at"], c["_etag"], c["s"]["due"] FROM c WHERE c["type"] = @type '
            f'AND c["s"]["due"] > @after ORDER BY c["s"]["due"] OFFSET 0 LIMIT {_MARKERS}',
            [{"name": "@type", "value": kind}, {"name": "@after", "value": after}],
            page=_MARKERS,
        )

    async def _try(self, tenant: str, operations: Sequence[Operation]) -> bool:
        """Whether the batch is known to have happened."""
        try:
            await self._calls.batch(tenant, operations)
        except Refused:
            return False
        except OutcomeUnknown as unknown:
            _log.warning("the outcome of a batch of the sweep is unknown (%s); it will look again", unknown)
            return False
        return True

    def _now(self) -> str:
        return datetimes.written(self._clock())

    def _is_settled(self, at: str) -> bool:
        # Both are UTC and of one length, so that their texts compare as times.
        return at <= datetimes.written(self._clock() - _SETTLED)
