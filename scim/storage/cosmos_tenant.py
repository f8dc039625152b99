"""Everything of one tenant in Cosmos DB: counted, read and erased page by page. Knows items, and no request."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from scim.protocol.json import Json, JsonObject
from scim.storage.cosmos_calls import Calls, Operation, OutcomeUnknown, Refused
from scim.storage.cosmos_items import membership, stored
from scim.storage.interface import Membership, Stored, StoreUnavailable, Throttled

_PAGE: Final = 1_000
_EXPORTED: Final = 100
"""Items in memory at a time: a resource may have 256 KiB, and its folded copy as much again."""
_BATCH: Final = 100
_ATTEMPTS: Final = 10


class TenantItems:
    """The logical partition of a tenant. A long run waits when it is throttled: nobody is waiting for an answer."""

    def __init__(self, calls: Calls, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._calls = calls
        self._sleep = sleep

    async def outdated(self, tenant: str, kind: str, rules: str, after: str, limit: int) -> Sequence[Stored]:
        """Resources that were written with other rules, by id. No index has `v`: a run reads each item of the type once."""
        items = await self._query(
            tenant,
            # `v` was a number once, and texts and numbers don't compare.
            'SELECT c["id"], c["_etag"], c["v"], c["resource"] FROM c WHERE c["type"] = @type '
            'AND c["f"]["id"] > @after AND NOT (IS_STRING(c["v"]) AND c["v"] = @rules) '
            'ORDER BY c["f"]["id"] OFFSET 0 LIMIT @limit',
            [
                {"name": "@type", "value": kind},
                {"name": "@after", "value": after},
                {"name": "@rules", "value": rules},
                {"name": "@limit", "value": limit},
            ],
        )
        return [stored(item) for item in items]

    async def count(self, tenant: str) -> int:
        """All items, claims and markers too."""
        return sum(await self._query(tenant, "SELECT VALUE COUNT(1) FROM c", []))

    async def everything(self, tenant: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        """Resources, then members, each in the order of the item ids, which never change."""
        after = ""
        while True:
            # Claims and markers, `x:...`, come behind everything else.
            items = await self._query(
                tenant,
                'SELECT * FROM c WHERE c["id"] > @after AND c["id"] < "x:" ORDER BY c["id"] OFFSET 0 LIMIT @limit',
                [{"name": "@after", "value": after}, {"name": "@limit", "value": _EXPORTED}],
            )
            if not items:
                return
            yield [membership(item) if item["type"] == "member" else stored(item) for item in items]
            after = items[-1]["id"]

    async def erase(self, tenant: str) -> AsyncIterator[int]:
        """Delete until nothing is found, claims and markers too; after each batch, how many items it deleted."""
        failures = 0
        while ids := await self._query(tenant, f'SELECT VALUE c["id"] FROM c OFFSET 0 LIMIT {_PAGE}', []):
            for start in range(0, len(ids), _BATCH):
                batch = ids[start : start + _BATCH]
                try:
                    await self._calls.batch(tenant, [Operation("delete", (id,)) for id in batch])
                except (Throttled, OutcomeUnknown, Refused) as error:
                    # It took effect, or somebody else deletes too: what is left is found again.
                    failures += 1
                    if failures == _ATTEMPTS:
                        raise StoreUnavailable("the batches of an erasure keep failing") from None
                    if isinstance(error, Throttled):
                        await self._sleep(error.retry_after)
                    break
                else:
                    failures = 0
                    yield len(batch)

    async def _query(self, tenant: str, sql: str, parameters: Sequence[JsonObject]) -> list[Json]:
        for _ in range(_ATTEMPTS):
            try:
                return await self._calls.query(tenant, sql, parameters, page=_PAGE)
            except Throttled as throttled:
                await self._sleep(throttled.retry_after)
        raise StoreUnavailable("Cosmos DB has had no capacity left for minutes")
