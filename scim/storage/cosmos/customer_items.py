"""Counts, exports and erases all data of one customer in Cosmos DB, page by page. Doesn't write resources."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from scim.protocol.json import Json, JsonObject
from scim.storage.cosmos.calls import BatchOperation, Calls, OutcomeUnknown, Refused
from scim.storage.cosmos.items import membership, stored
from scim.storage.errors import StoreUnavailable, Throttled
from scim.storage.interface import Membership, Stored

_PAGE: Final = 1_000
_ITEMS_PER_PAGE: Final = 100
"""Items in memory at a time during an export. A resource may have 256 KiB, and its search fields as much again."""
_BATCH: Final = 100
"""Operations in one batch: the limit of Cosmos DB."""
_ATTEMPTS: Final = 10
"""Consecutive failures after which a run ends with an error."""


class CustomerItems:
    """The logical partition of a customer. These are long runs of commands, so they wait when they are throttled."""

    def __init__(self, calls: Calls, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._calls = calls
        self._sleep = sleep

    async def outdated(
        self, customer: str, type_name: str, index_version: str, after: str, limit: int
    ) -> Sequence[Stored]:
        """Return resources of a type that have another `index_version`, ordered by id.

        `v` isn't indexed: a complete run reads each item of the type once. Raises `StoreError`.
        """
        items = await self._query(
            customer,
            # Items of older formats have a number in `v`, and a comparison of a number with a text is undefined.
            'SELECT c["id"], c["_etag"], c["v"], c["resource"] FROM c WHERE c["type"] = @type '
            'AND c["f"]["id"] > @after AND NOT (IS_STRING(c["v"]) AND c["v"] = @rules) '
            'ORDER BY c["f"]["id"] OFFSET 0 LIMIT @limit',
            [
                {"name": "@type", "value": type_name},
                {"name": "@after", "value": after},
                {"name": "@rules", "value": index_version},
                {"name": "@limit", "value": limit},
            ],
        )
        return [stored(item) for item in items]

    async def count(self, customer: str) -> int:
        """Return the number of all items of the customer: resources, memberships, unique values and markers.

        Waits when the database throttles. Raises `StoreUnavailable`, also after ten throttled attempts in a row.
        """
        return sum(await self._query(customer, "SELECT VALUE COUNT(1) FROM c", []))

    async def everything(self, customer: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        """Yield resources and memberships in pages, ordered by item id, which never changes. Raises `StoreError`."""
        after = ""
        while True:
            # The ids of unique values and markers begin with `x:` and sort behind all others.
            items = await self._query(
                customer,
                'SELECT * FROM c WHERE c["id"] > @after AND c["id"] < "x:" ORDER BY c["id"] OFFSET 0 LIMIT @limit',
                [{"name": "@after", "value": after}, {"name": "@limit", "value": _ITEMS_PER_PAGE}],
            )
            if not items:
                return
            yield [membership(item) if item["type"] == "member" else stored(item) for item in items]
            after = items[-1]["id"]

    async def erase(self, customer: str) -> AsyncIterator[int]:
        """Delete all items, including unique values and markers. Yield the number of deleted items after each batch.

        Raises `StoreError`.
        """
        failures = 0
        while ids := await self._query(customer, f'SELECT VALUE c["id"] FROM c OFFSET 0 LIMIT {_PAGE}', []):
            for start in range(0, len(ids), _BATCH):
                batch = ids[start : start + _BATCH]
                try:
                    await self._calls.batch(customer, [BatchOperation("delete", (id,)) for id in batch])
                except (Throttled, OutcomeUnknown, Refused) as error:
                    # It may have been applied, or a concurrent run deletes too: query the remaining items again.
                    failures += 1
                    if failures == _ATTEMPTS:
                        raise StoreUnavailable(f"{_ATTEMPTS} batches of an erasure failed in a row") from None
                    if isinstance(error, Throttled):
                        await self._sleep(error.retry_after)
                    break
                else:
                    failures = 0
                    yield len(batch)

    async def _query(self, customer: str, sql: str, parameters: Sequence[JsonObject]) -> list[Json]:
        for _ in range(_ATTEMPTS):
            try:
                return await self._calls.query(customer, sql, parameters, page=_PAGE)
            except Throttled as throttled:
                await self._sleep(throttled.retry_after)
        raise StoreUnavailable(f"Cosmos DB throttled a query {_ATTEMPTS} times in a row")
