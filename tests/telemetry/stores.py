"""Real stores that fail or wait when a test says so. A service on one is what the triggers would have."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scim.app import App, build
from scim.settings import Settings
from scim.storage.interface import Search, SearchPage, Stored, Take
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import TOKEN


class FailingStore(SqliteStore):
    """Its reads of resources end in `error`, if there is one."""

    def __init__(self) -> None:
        super().__init__(None)
        self.error: Exception | None = None

    async def read(self, tenant: str, resource_type: str, id: str) -> Stored | None:
        if self.error is not None:
            raise self.error
        return await super().read(tenant, resource_type, id)


class MeetingStore(SqliteStore):
    """Its searches wait until there are `number` of them."""

    def __init__(self, number: int) -> None:
        super().__init__(None)
        self._meeting = asyncio.Barrier(number)
        self.reached = asyncio.Event()
        """One waits."""

    async def search(self, tenant: str, resource_type: str, search: Search, take: Take | None = None) -> SearchPage:
        self.reached.set()
        await self._meeting.wait()
        return await super().search(tenant, resource_type, search, take)


@asynccontextmanager
async def serving(store: SqliteStore) -> AsyncIterator[App]:
    """A service on the store, with the usual token."""
    app = build(Settings(), tokens={TOKEN: "default"}, store=store)
    try:
        yield app
    finally:
        await app.close()
