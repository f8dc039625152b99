"""The interface of the emulator for tests: start, stop, inspect, inject faults. Knows no protocol."""

from __future__ import annotations

import base64
import copy
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from azure.core.exceptions import AzureError, ServiceResponseError

from tests.cosmos_emulator.auth import Authentication, TokenCheck
from tests.cosmos_emulator.container import Container
from tests.cosmos_emulator.core import Core
from tests.cosmos_emulator.faults import Call, Fault
from tests.cosmos_emulator.indexes import Document
from tests.cosmos_emulator.partition import check_item
from tests.cosmos_emulator.server import Server
from tests.cosmos_emulator.transport import InProcessTransport
from tests.cosmos_emulator.wire import CONSISTENCY

KEY = base64.b64encode(b"a key that opens this emulator and nothing else").decode()
_METADATA = ("account.", "database.", "container.", "pkranges.")
_made = itertools.count(1)


class Emulator:
    """An account in memory.

    `clock` returns seconds since 1970 and determines `_ts` and expiry. `key` is the base64 master key. `consistency` is
    the account's default level. `tokens` checks Entra tokens (`type=aad`); without it they are refused.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        key: str = KEY,
        consistency: str = "Strong",
        tokens: TokenCheck | None = None,
    ) -> None:
        if consistency not in CONSISTENCY:
            raise ValueError(consistency)
        self.key = key
        self.core = Core(clock, Authentication(key, tokens), consistency)
        self._server = Server(self.core)
        # The SDK caches data of an endpoint for the life of the process, so each emulator needs its own endpoint.
        self.in_process_endpoint = f"https://emulator-{next(_made)}.invalid:443"

    async def start(self) -> str:
        """Listen on 127.0.0.1 and a free port. Return the endpoint."""
        return await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    def transport(self, cut_error: type[AzureError] = ServiceResponseError) -> InProcessTransport:
        """Return a transport for CosmosClient(emulator.in_process_endpoint, emulator.key, transport=...)."""
        return InProcessTransport(self.core, cut_error)

    # -- requests

    @property
    def requests(self) -> list[Call]:
        """All requests so far, including those that were cut or refused. Clear it to restart counting."""
        return self.core.requests

    @property
    def item_requests(self) -> list[Call]:
        """All requests for items so far.

        Use it for the last request of a test: `requests` also has the reads of the account that the SDK makes in the
        background at any time.
        """
        return [call for call in self.requests if not call.operation.startswith(_METADATA)]

    @property
    def faults(self) -> list[Fault]:
        """The injected faults. Append to it, or clear it."""
        return self.core.faults

    def counts(self, *, metadata: bool = False) -> Counter[str]:
        """Return the number of requests by operation, without the reads of account, container and ranges by the SDK."""
        return Counter(call.operation for call in (self.requests if metadata else self.item_requests))

    def charge(self) -> float:
        """The request units of all requests so far, without those that `counts` omits."""
        return sum(call.charge for call in self.item_requests)

    # -- stored items

    def container(self, database: str | None = None, container: str | None = None) -> Container:
        """Return the container of this name, or without a name the only one."""
        found = [
            one
            for database_id, owner in self.core.account.databases.items()
            for container_id, one in owner.containers.items()
            if database in {None, database_id} and container in {None, container_id}
        ]
        if len(found) != 1:
            raise LookupError(f"{len(found)} containers are called {database}/{container}")
        return found[0]

    def create(self, database: str, definition: dict[str, Any]) -> Container:
        """Create a container, and its database if it doesn't exist, without a request."""
        account = self.core.account
        owner = account.databases.get(database) or account.create({"id": database})
        return owner.create(copy.deepcopy(definition))

    def items(self, tenant: Any, database: str | None = None, container: str | None = None) -> list[Document]:
        """Return copies of the items of one partition key value, in the order of their creation."""
        partition = self.container(database, container).partition(tenant)
        return [copy.deepcopy(item.document) for item in partition.items()]

    def seed(self, documents: Iterable[Document], database: str | None = None, container: str | None = None) -> int:
        """Store items without requests, by the same rules. Return their number."""
        target = self.container(database, container)
        stored = 0
        for document in documents:
            size = check_item(document)
            target.partition(target.definition.partition_of(document)).create(document, size)
            stored += 1
        return stored
