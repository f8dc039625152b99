"""Deletes the memberships and unique values left behind by deleted resources and by groups whose creation failed.

How it works: a deletion writes a deletion marker (`gone`), the creation of a large group a pending marker (`pending`).
The sweep reads open markers, the oldest first, so that it costs almost nothing without deletions. For each deletion
marker it deletes the items of that resource. Ten minutes after the deletion, no request can add such items any more; if
none remain then, the marker is done: it loses its sort key, is not read again, and expires after 30 days. A pending
marker of the same age is replaced by a deletion marker. A sweep may stop at any point, and several may run at the same
time: each step is a batch that is either applied or refused because another sweep has applied it.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from scim.protocol import datetimes
from scim.protocol.json import JsonObject
from scim.storage.cosmos.calls import BatchOperation, Calls, OutcomeUnknown, Refused
from scim.storage.cosmos.items import deletion_marker_id, marker
from scim.storage.cosmos.members import delete_operations

_SETTLED_AFTER: Final = timedelta(minutes=10)
"""After this time, no request that began before the deletion is still running: a request has 60 seconds."""
_RUN_SECONDS: Final = 120.0
"""How long a sweep of one customer takes at most."""
_MARKERS_PER_PAGE: Final = 100
_BATCH: Final = 100
"""Operations in one batch: the limit of Cosmos DB."""
_MAX_FAILURES: Final = 10
"""Consecutive failed batches after which a page of markers is left to the next sweep."""

_log: Final = logging.getLogger("scim.storage")


class Sweep:
    """Sweeps one customer at a time, for at most two minutes. The next run deletes the rest.

    `timer` returns seconds; `new_token` returns a new write token.
    """

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

    async def run(self, customer: str) -> int:
        """Sweep a customer. Return the number of deleted items. Raises `StoreError`."""
        deadline = self._timer() + _RUN_SECONDS
        await self._abandon_unfinished_groups(customer, deadline)
        deleted, after = 0, ""
        while self._timer() < deadline:
            markers = await self._read_markers(customer, "gone", after)
            if not markers:
                break
            deleted += await self._delete_leftovers(customer, markers, deadline)
            after = markers[-1]["due"]
        return deleted

    async def _abandon_unfinished_groups(self, customer: str, deadline: float) -> None:
        """Replace the settled pending markers of large groups by deletion markers, each in one batch.

        Without its pending marker, the creation of the group can't continue. The sweep finds its members by the
        deletion marker. Raises `StoreError`.
        """
        after = ""
        while self._timer() < deadline:
            page = await self._read_markers(customer, "pending", after)
            settled = [pending for pending in page if self._is_settled(pending["at"])]
            if not settled:
                return
            for pending in settled:
                group = pending["id"].rpartition(":")[2]
                deletion_marker = marker(
                    customer, deletion_marker_id("Group", group), "gone", self._now(), self._new_token()
                )
                await self._write(
                    customer, [BatchOperation("delete", (pending["id"],)), BatchOperation("create", (deletion_marker,))]
                )
            after = settled[-1]["due"]

    async def _delete_leftovers(self, customer: str, markers: Sequence[JsonObject], deadline: float) -> int:
        """Delete the items left behind by a page of deleted resources. Return the number of deleted items.

        If none remain, the settled markers among them are done. Raises `StoreError`.
        """
        ids = [item["id"].rpartition(":")[2] for item in markers]
        deleted = failures = 0
        while self._timer() < deadline and failures < _MAX_FAILURES:
            settled = [item for item in markers if self._is_settled(item["at"])]
            operations = await delete_operations(self._calls, customer, ids)
            if not operations:
                await self._mark_done(customer, settled)
                break
            for start in range(0, len(operations), _BATCH):
                batch = operations[start : start + _BATCH]
                if not await self._write(customer, batch):
                    failures += 1  # another sweep or request deletes them too: query the items again
                    break
                deleted += len(batch)
                failures = 0
        return deleted

    async def _mark_done(self, customer: str, markers: Sequence[JsonObject]) -> None:
        """Remove the sort key of markers, so that no sweep reads them again. They remain until they expire.

        Raises `StoreError`.
        """
        if not markers:
            return
        operations: list[BatchOperation] = []
        for old in markers:
            item = marker(customer, old["id"], "gone", old["at"], self._new_token())
            del item["s"]
            operations.append(BatchOperation("replace", (item["id"], {**item, "done": True}), old["_etag"]))
        if not await self._write(customer, operations):
            # Another sweep has changed some of them, or one has expired: write each of them in its own batch.
            for operation in operations:
                await self._write(customer, [operation])

    async def _read_markers(self, customer: str, marker_type: str, after: str) -> list[JsonObject]:
        """Return a page of open markers, the oldest first, with `id`, `at`, `_etag` and `due`. Raises `StoreError`."""
        return await self._calls.query(
            customer,
            'SELECT c["id"], c["at"], c["_etag"], c["s"]["due"] FROM c WHERE c["type"] = @type '
            f'AND c["s"]["due"] > @after ORDER BY c["s"]["due"] OFFSET 0 LIMIT {_MARKERS_PER_PAGE}',
            [{"name": "@type", "value": marker_type}, {"name": "@after", "value": after}],
            page=_MARKERS_PER_PAGE,
        )

    async def _write(self, customer: str, operations: Sequence[BatchOperation]) -> bool:
        """Write a batch. Return whether it was certainly applied. Raises `StoreError`."""
        try:
            await self._calls.batch(customer, operations)
        except Refused:
            return False
        except OutcomeUnknown as unknown:
            _log.warning("the outcome of a batch of the sweep is unknown (%s); the sweep queries again", unknown)
            return False
        return True

    def _now(self) -> str:
        return datetimes.written(self._clock())

    def _is_settled(self, created: str) -> bool:
        # Both are in UTC and have the same length, so that texts compare as times.
        return created <= datetimes.written(self._clock() - _SETTLED_AFTER)
