"""Makes the Cosmos SDK calls of the store and translates their errors. Knows no SCIM.

An error of the database never becomes an error of an item: a wrong container name or a refused credential is
`StoreUnavailable` for every status. Only 404, 409 and 412 of an item operation say something about an item.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scim.protocol.json import Json, JsonObject
from scim.storage.cosmos.errors import unavailable
from scim.storage.cosmos.items import checked_id
from scim.storage.errors import QueryRefused, Throttled, TooLarge

if TYPE_CHECKING:
    from azure.cosmos.aio import ContainerProxy

# The request may have been applied although it failed: 408 is a timeout, 449 a conflict with a concurrent write. All
# server errors count as unknown too.
_UNKNOWN_OUTCOME: Final = frozenset({408, 449})
_CLIENT_ERROR: Final = 400
# The error codes of a refused query, such as SC1001 (syntax) and SC3002 (too many joins). Other errors have no such
# code.
_QUERY_ERROR: Final = re.compile(r"\bSC[0-9]{4}\b")
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class BatchOperation:
    """One operation of a batch: the SDK's name for it, its arguments, and the `_etag` that it depends on."""

    name: str
    arguments: tuple[Any, ...]
    if_match: str | None = None


class OutcomeUnknown(Exception):
    """A write failed, and it is unknown whether it was applied. The text is for the log."""


class Refused(Exception):
    """A batch was not applied because the operation at `index` failed with `status` (404, 409 or 412)."""

    def __init__(self, index: int, status: int) -> None:
        super().__init__(f"operation {index}: {status}")
        self.index = index
        self.status = status


class Calls:
    """Point reads, queries and batches on one container, each within a customer's logical partition.

    Batches are the only writes: aiohttp by itself repeats PUT and DELETE requests whose connection was cut. Each method
    may raise `StoreUnavailable` or `Throttled`, a query `QueryRefused`, and a batch `TooLarge`.
    """

    def __init__(self, container: "Callable[[], Awaitable[ContainerProxy]]") -> None:
        self._container = container

    async def read(self, customer: str, id: str) -> JsonObject | None:
        """Return an item, or `None` if it doesn't exist. Raises `StoreError`."""
        from azure.cosmos.exceptions import CosmosResourceNotFoundError  # noqa: PLC0415 - loads when first needed

        async with _translated_errors():
            container = await self._container()
            try:
                return dict(await container.read_item(checked_id(id), partition_key=customer))
            except CosmosResourceNotFoundError as error:
                if error.sub_status:  # the container is missing, not the item
                    raise
                return None

    async def query(self, customer: str, sql: str, parameters: Sequence[JsonObject], *, page: int) -> list[Json]:
        """Return all results of a query, fetched in pages of at most `page` results."""
        return [result async for result in self.results(customer, sql, parameters, page=page)]

    async def results(
        self, customer: str, sql: str, parameters: Sequence[JsonObject], *, page: int
    ) -> AsyncGenerator[Json]:
        """Yield the results one by one. Each page is fetched when its first result is needed, and has at most 4 MB.

        Raises `StoreError`.
        """
        async with _translated_errors():
            container = await self._container()
            results = container.query_items(
                sql, parameters=list(parameters), partition_key=customer, max_item_count=page
            )
            async for result in results:
                yield result

    async def batch(self, customer: str, operations: Sequence[BatchOperation]) -> list[JsonObject]:
        """Apply all operations or none, and return their results. Raises `Refused`, `OutcomeUnknown`."""
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 - loads when first needed
        from azure.cosmos.exceptions import CosmosBatchOperationError  # noqa: PLC0415 - loads when first needed

        async with _translated_errors():
            container = await self._container()
            try:
                batch_operations = [_for_sdk(operation) for operation in operations]
                return list(await container.execute_item_batch(batch_operations, partition_key=customer))
            except CosmosBatchOperationError as error:
                if error.status_code in {404, 409, 412}:
                    raise Refused(error.error_index or 0, error.status_code) from None
                _raise_if_unknown(error)
                raise
            except HttpResponseError as error:
                _raise_if_unknown(error)
                raise
            except AzureError as error:  # the connection was cut, before or after the batch was applied
                raise OutcomeUnknown(type(error).__name__) from None


def _for_sdk(operation: BatchOperation) -> tuple[str, tuple[Any, ...], dict[str, str]]:
    # Created for each attempt, because the SDK removes the condition from the dictionary.
    return operation.name, operation.arguments, {"if_match_etag": operation.if_match} if operation.if_match else {}


def _raise_if_unknown(error: Any) -> None:
    status: int | None = error.status_code
    # An error with a success status means that the response can't be parsed.
    if status is None or status < _CLIENT_ERROR or status in _UNKNOWN_OUTCOME or status >= _SERVER_ERROR:
        raise OutcomeUnknown(f"status {status}")


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    """Translate errors of the SDK to errors of the store."""
    from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 - loads when first needed

    try:
        yield
    except HttpResponseError as error:
        if error.status_code == 429:
            raise Throttled(_retry_after(error)) from None
        if error.status_code == 413:
            raise TooLarge from None
        if error.status_code == _CLIENT_ERROR and (code := _QUERY_ERROR.search(str(error.message))):
            raise QueryRefused(f"Cosmos DB refused a query with {code[0]}") from None
        raise unavailable(error) from None
    except AzureError as error:
        raise unavailable(error) from None


def _retry_after(error: Any) -> int:
    """Return whole seconds, at least one."""
    milliseconds = float((getattr(error, "headers", None) or {}).get("x-ms-retry-after-ms", 1_000))
    return max(1, -(-int(milliseconds) // 1_000))
