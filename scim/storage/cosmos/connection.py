"""Opens the connection to Cosmos DB: one client per process, created by the first request that needs the database.

It checks the account's consistency and that the container exists. It doesn't know items.
"""

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

from scim.storage.errors import StoreUnavailable
from scim.telemetry import usage

if TYPE_CHECKING:
    from azure.cosmos.aio import ContainerProxy, CosmosClient

_ITEM_URL: Final = re.compile(r"/colls/[^/]+/docs(?:/|$)")
"""Matches the URLs of all calls for items, and no other URL."""


def _count_request(request: Any) -> None:
    """Count a request that the SDK sends. The SDK calls this for its own retries too."""
    if _ITEM_URL.search(request.http_request.url):
        usage.called()


def _count_charge(response: Any) -> None:
    """Add the charge of a response. The SDK calls this for errors too."""
    if _ITEM_URL.search(response.http_request.url):
        usage.charged(float(response.http_response.headers.get("x-ms-request-charge", 0.0)))


# By default the SDK repeats a write after a cut connection, and then reports 409 or 404 if the first one was applied.
# That and its retries of 503 are off, because `batches` finds out the outcome itself. It still waits and retries after
# 429.
_OPTIONS: Final[dict[str, Any]] = {
    "retry_total": 0,
    "retry_connect": 0,
    "retry_read": 0,
    "enable_endpoint_discovery": False,
    "retry_throttle_total": 3,
    "retry_throttle_backoff_max": 5,
    # Seconds. A request has 60 seconds in total; the default of 65 would leave no time to find out an outcome.
    "read_timeout": 10,
    "raw_request_hook": _count_request,
    "raw_response_hook": _count_charge,
}
_REQUIRED_CONSISTENCY: Final = "Strong"


class CosmosConnection:
    """The connection to one container: with a key for an emulator, otherwise with the identity of the process."""

    def __init__(self, endpoint: str, database: str, container: str, *, key: str | None, **options: Any) -> None:
        """`options` are passed to the SDK's client and override the default ones."""
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
        """Return the container. The first call opens the connection.

        Raises `StoreUnavailable` if the account's consistency isn't Strong, the key is unusable, or opening has failed
        for a concurrent request; otherwise the SDK's errors, for example if the container doesn't exist.
        """
        if self._container is None:
            failures = self._failures
            async with self._lock:
                if self._container is None:
                    if self._failures != failures:
                        # Opening failed while this request waited. An attempt takes seconds, so requests don't queue
                        # for it.
                        raise StoreUnavailable("opening Cosmos DB failed for a concurrent request")
                    self._container = await self._open()
        return self._container

    async def close(self) -> None:
        """Close the client and its credential."""
        client, credential = self._client, self._credential
        self._client = self._credential = self._container = None
        if client is not None:
            await client.close()
        if credential is not None:
            await credential.close()

    async def _open(self) -> "ContainerProxy":
        from azure.cosmos.aio import CosmosClient  # noqa: PLC0415 - takes a third of a second, so only when needed

        try:
            self._client = CosmosClient(self._endpoint, await self._credentials(), **self._options)
            # Without entering it the client sends no session token and no consistency level.
            await self._client.__aenter__()
            account = await self._client._get_database_account()  # noqa: SLF001 - the SDK has no public method
            level = (account.ConsistencyPolicy or {}).get("defaultConsistencyLevel")
            if level != _REQUIRED_CONSISTENCY:
                raise StoreUnavailable(
                    f"the Cosmos DB account has consistency {level}; it must be {_REQUIRED_CONSISTENCY}"
                )
            container = self._client.get_database_client(self._database).get_container_client(self._container_name)
            # Later, a missing container would look like a missing item.
            await container.read()
        except BaseException as error:
            # A cancelled request isn't a failure of the database.
            self._failures += isinstance(error, Exception)
            await self.close()
            if isinstance(error, ValueError):
                reason = "the Cosmos DB key isn't base64, or the account's response isn't JSON"
                raise StoreUnavailable(reason, problem="credential") from None
            raise
        return container

    async def _credentials(self) -> Any:
        if self._key is not None:
            return self._key
        if self._endpoint.startswith("http://"):
            # azure-core sends no token over plain HTTP, so this is the address of an emulator without its key.
            raise StoreUnavailable("an http address of Cosmos DB needs a key", problem="credential")
        from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - takes half a second, as above

        self._credential = DefaultAzureCredential()
        return self._credential
