"""The connection to Cosmos DB: one client for the process, entered once, by the first request that needs it."""

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from scim.storage.interface import StoreUnavailable
from scim.telemetry import spending

if TYPE_CHECKING:
    from azure.cosmos.aio import ContainerProxy, CosmosClient

_ITEMS: Final = re.compile(r"/colls/[^/]+/docs(?:/|$)")
"""In the address of every call for items, and of no other."""


def _sent(request: Any) -> None:
    """The SDK calls this whenever it sends a request, the repeats that it makes by itself too."""
    if _ITEMS.search(request.http_request.url):
        spending.called()


def _answered(response: Any) -> None:
    """And this with each answer, errors too."""
    if _ITEMS.search(response.http_request.url):
        spending.charged(float(response.http_response.headers.get("x-ms-request-charge", 0.0)))


# The SDK sends writes again whose connection was cut, and then reports 409 or 404 for our own success. Off with that, and
# with what retries 503; the store looks unknown outcomes up. What is left is waiting out a 429.
_OPTIONS: Final[dict[str, Any]] = {
    "retry_total": 0,
    "retry_connect": 0,
    "retry_read": 0,
    "enable_endpoint_discovery": False,
    "retry_throttle_total": 3,
    "retry_throttle_backoff_max": 5,
    # The service itself gives up sooner. The default of 65 seconds would leave no time to look an outcome up.
    "read_timeout": 10,
    "raw_request_hook": _sent,
    "raw_response_hook": _answered,
}
_STRONG: Final = "Strong"


class CosmosConnection:
    """Opens the container. With a key for an emulator; without one as the process's own identity."""

    def __init__(self, endpoint: str, database: str, container: str, *, key: str | None, **options: Any) -> None:
        """`options` go to the SDK's client besides our own."""
        self._endpoint = endpoint
        self._database = database
        self._container_name = container
        self._key = key
        self._options = {**_OPTIONS, **options}
        self._lock = asyncio.Lock()
        self._failures = 0
        self._client: CosmosClient | None = None
        self._credential: Any = None
        self._container: ContainerProxy | None = None

    async def container(self) -> "ContainerProxy":
        """The container of an account that was found to be Strong. Raises `StoreUnavailable` or the SDK's errors."""
        if self._container is None:
            failures = self._failures
            async with self._lock:
                if self._container is None:
                    if self._failures != failures:
                        # It was tried while this request waited, and that takes seconds: no queue of such tries.
                        raise StoreUnavailable("Cosmos DB couldn't be opened for the request before this one")
                    self._container = await self._open()
        return self._container

    async def close(self) -> None:
        """Close the client and what it authenticates with."""
        client, credential = self._client, self._credential
        self._client = self._credential = self._container = None
        if client is not None:
            await client.close()
        if credential is not None:
            await credential.close()

    async def _open(self) -> "ContainerProxy":
        from azure.cosmos.aio import CosmosClient  # noqa: PLC0415 - costs a third of a second, paid by who needs it

        try:
            self._client = CosmosClient(self._endpoint, await self._credentials(), **self._options)
            # Without entering it the client sends no session token and no consistency level.
            await self._client.__aenter__()
            account = await self._client._get_database_account()  # noqa: SLF001 - the SDK has no public way
            level = (account.ConsistencyPolicy or {}).get("defaultConsistencyLevel")
            if level != _STRONG:
                raise StoreUnavailable(f"the Cosmos DB account has consistency {level}; it must be {_STRONG}")
            container = self._client.get_database_client(self._database).get_container_client(self._container_name)
            # A container that is missing would look like a missing item later.
            await container.read()
        except BaseException as error:
            # A request that was called off says nothing about the database.
            self._failures += isinstance(error, Exception)
            await self.close()
            if isinstance(error, ValueError):
                reason = "the Cosmos DB key isn't base64, or the account's answer isn't JSON"
                raise StoreUnavailable(reason, problem="credential") from None
            raise
        return container

    async def _credentials(self) -> Any:
        if self._key is not None:
            return self._key
        if self._endpoint.startswith("http://"):
            # azure-core sends no token over plain HTTP: this is an emulator's address, and its key is missing.
            raise StoreUnavailable("an http address of Cosmos DB needs a key", problem="credential")
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - half a second, paid by who needs it

        self._credential = DefaultAzureCredential()
        return self._credential
