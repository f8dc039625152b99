"""The emulator as tests hold it: start, stop, look inside, order faults. Knows no protocol."""

from __future__ import annotations

import base64
import copy
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from azure.core.exceptions import AzureError, ServiceResponseError

from tests.cosmos_emulator.auth import Door, TokenCheck
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

    `clock` gives seconds since 1970 and rules `_ts` and expiry; `key` is the base64 master key; `consistency` is the
    account's default level; `tokens` judges Entra tokens (`type=aad`), which are refused without it.
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
        self.core = Core(clock, Door(key, tokens), consistency)
        self._server = Server(self.core)
        # The SDK keeps what it knows of an endpoint for the life of the process, so no two emulators may share one.
        self.in_process_endpoint = f"https://emulator-{next(_made)}.invalid:443"

    async def start(self) -> str:
        """Listens on 127.0.0.1 and a free port; returns the endpoint."""
        return await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    def transport(self, cut_error: type[AzureError] = ServiceResponseError) -> InProcessTransport:
        """For CosmosClient(emulator.in_process_endpoint, emulator.key, transport=...)."""
        return InProcessTransport(self.core, cut_error)

    # -- what was asked

    @property
    def requests(self) -> list[Call]:
        """Every request so far, those that were cut or refused too; clear it to count anew."""
        return self.core.requests

    @property
    def item_requests(self) -> list[Call]:
        """Every request for items so far.

        A test that asks for the last request needs this list: the SDK reads the account in the background,
        whenever it likes, and such a read would stand in `requests` too.
        """
        return [call for call in self.requests if not call.kind.startswith(_METADATA)]

    @property
    def faults(self) -> list[Fault]:
        """The faults that are ordered; append to it, clear it."""
        return self.core.faults

    def counts(self, *, metadata: bool = False) -> Counter[str]:
        """How many requests of each kind; without the reads of account, container and ranges that the SDK adds."""
        return Counter(call.kind for call in (self.requests if metadata else self.item_requests))

    def charge(self) -> float:
        """The request units of all requests so far, without those that `counts` leaves out."""
        return sum(call.charge for call in self.item_requests)

    # -- what is stored

    def container(self, database: str | None = None, container: str | None = None) -> Container:
        """The container of that name, or the only one there is."""
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
        """Makes a database, unless it is there, and a container in it, past the wire."""
        account = self.core.account
        owner = account.databases.get(database) or account.create({"id": database})
        return owner.create(copy.deepcopy(definition))

    def items(self, tenant: Any, database: str | None = None, container: str | None = None) -> list[Document]:
        """Copies of the items of one partition key value, in the order of their creation."""
        partition = self.container(database, container).partition(tenant)
        return [copy.deepcopy(item.document) for item in partition.items()]

    def seed(self, documents: Iterable[Document], database: str | None = None, container: str | None = None) -> int:
        """Stores items past the wire, by the same rules; returns how many."""
        target = self.container(database, container)
        stored = 0
        for document in documents:
            size = check_item(document)
            target.partition(target.definition.partition_of(document)).create(document, size)
            stored += 1
        return stored
