"""The calls of the Cosmos SDK that the store makes, and what their errors mean. Knows no SCIM.

An error of the database is never an error of an item: a wrong container name or a refused credential is
`StoreUnavailable`, whatever status it has. Only an item operation's own 404, 409 and 412 say something of the item.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from scim.protocol.json import Json, JsonObject
from scim.storage.cosmos_errors import unavailable
from scim.storage.cosmos_items import checked
from scim.storage.interface import QueryRefused, Throttled, TooLarge

if TYPE_CHECKING:
    from azure.cosmos.aio import ContainerProxy

# The request may have taken effect although it failed: timeouts, a write that met another, the service's own faults.
_UNKNOWN: Final = frozenset({408, 449})
_CLIENT_ERROR: Final = 400
# What the answer to a refused query names: SC1001 is wrong syntax, SC3002 too many joins. A wrong container has no such code.
_QUERY_ERROR: Final = re.compile(r"\bSC[0-9]{4}\b")
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a batch: the SDK's name for it, its arguments, and the `_etag` that it depends on."""

    name: str
    arguments: tuple[Any, ...]
    if_match: str | None = None


class OutcomeUnknown(Exception):
    """A write failed in a way that doesn't tell whether it took effect. The text is for the log."""


class Refused(Exception):
    """A batch changed nothing because the operation at `index` failed with `status` (404, 409 or 412)."""

    def __init__(self, index: int, status: int) -> None:
        super().__init__(f"operation {index}: {status}")
        self.index = index
        self.status = status


class Calls:
    """Point reads, queries and batches on one container. There is no other kind of write: aiohttp would send it again."""

    def __init__(self, container: "Callable[[], Awaitable[ContainerProxy]]") -> None:
        self._container = container

    async def read(self, tenant: str, id: str) -> JsonObject | None:
        """An item, or `None`."""
        from azure.cosmos.exceptions import CosmosResourceNotFoundError  # noqa: PLC0415 - loads when first needed

        async with _translated():
            container = await self._container()
            try:
                return dict(await container.read_item(checked(id), partition_key=tenant))
            except CosmosResourceNotFoundError as error:
                if error.sub_status:  # the container is missing, not the item
                    raise
                return None

    async def query(self, tenant: str, sql: str, parameters: Sequence[JsonObject], *, page: int) -> list[Json]:
        """All results of a query within one tenant, fetched in pages of at most `page`."""
        return [result async for result in self.results(tenant, sql, parameters, page=page)]

    async def results(
        self, tenant: str, sql: str, parameters: Sequence[JsonObject], *, page: int
    ) -> AsyncGenerator[Json]:
        """Yield the results one by one; a page is fetched when its first result is needed. Cosmos DB cuts pages at 4 MB."""
        async with _translated():
            container = await self._container()
            results = container.query_items(sql, parameters=list(parameters), partition_key=tenant, max_item_count=page)
            async for result in results:
                yield result

    async def batch(self, tenant: str, operations: Sequence[Operation]) -> list[JsonObject]:
        """All operations or none; their results. Raises `Refused` or `OutcomeUnknown`."""
        from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415 - loads when first needed
        from azure.cosmos.exceptions import CosmosBatchOperationError  # noqa: PLC0415 - loads when first needed

        async with _translated():
            container = await self._container()
            try:
                sent = [_for_sdk(one) for one in operations]
                return list(await container.execute_item_batch(sent, partition_key=tenant))
            except CosmosBatchOperationError as error:
                if error.status_code in {404, 409, 412}:
                    raise Refused(error.error_index or 0, error.status_code) from None
                _raise_if_unknown(error)
                raise
            except HttpResponseError as error:
                _raise_if_unknown(error)
                raise
            except AzureError as error:  # the connection was cut, before or after the batch took effect
                raise OutcomeUnknown(type(error).__name__) from None


def _for_sdk(operation: Operation) -> tuple[str, tuple[Any, ...], dict[str, str]]:
    # Made anew for each try: the SDK takes the condition out of the dictionary that it is given.
    return operation.name, operation.arguments, {"if_match_etag": operation.if_match} if operation.if_match else {}


def _raise_if_unknown(error: Any) -> None:
    status: int | None = error.status_code
    # A success that comes as an error has an answer that can't be read.
    if status is None or status < _CLIENT_ERROR or status in _UNKNOWN or status >= _SERVER_ERROR:
        raise OutcomeUnknown(f"status {status}")


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """The SDK's errors as the store's own."""
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
    """Whole seconds, at least one."""
    milliseconds = float((getattr(error, "headers", None) or {}).get("x-ms-retry-after-ms", 1_000))
    return max(1, -(-int(milliseconds) // 1_000))
