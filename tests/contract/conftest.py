"""The adapters that the contract tests run on. To add one, add a line to `ADAPTERS` and a case to `_opened`.

If COSMOS_ENDPOINT is set, the contract also runs there: on Microsoft's emulator with COSMOS_KEY, in a new database, or
on an account with the container that COSMOS_DATABASE and COSMOS_CONTAINER name.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Final

import pytest
import pytest_asyncio

from scim.storage.interface import Store
from scim.storage.sqlite.store import SqliteStore
from tests.contract.cosmos import at_endpoint, emulated
from tests.contract.people import PEOPLE
from tests.contract.write_models import resource_id, write_model

_ENDPOINT: Final = os.environ.get("COSMOS_ENDPOINT")
ADAPTERS: Final = ("sqlite-memory", "sqlite-file", "cosmos", *(["cosmos-endpoint"] if _ENDPOINT else []))


@asynccontextmanager
async def _opened(adapter: str, folder: Path) -> AsyncIterator[Store]:
    match adapter:
        case "sqlite-memory":
            store: Store = SqliteStore()
        case "sqlite-file":
            store = SqliteStore(folder / "scim.db")
        case "cosmos-endpoint":
            async with at_endpoint(_ENDPOINT or "", os.environ) as store:
                yield store
                for tenant in _tenants:
                    async for _ in store.erase(tenant):
                        pass
                _tenants.clear()
            return
        case _:
            async with emulated() as (store, _):
                yield store
            return
    yield store
    await store.close()


# One store for all tests of a module. They don't interfere, because each test uses its own customers.
@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ADAPTERS)
async def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    async with _opened(request.param, tmp_path_factory.mktemp("store")) as store:
        yield store


_numbers: Final = count(1)
# An account may contain data of another run.
_run: Final = token_hex(4) if _ENDPOINT else "test"
_tenants: Final[list[str]] = []


def new_tenant() -> str:
    """Return a customer that no test has used before."""
    _tenants.append(f"tenant-{_run}-{next(_numbers)}")
    return _tenants[-1]


@pytest.fixture
def tenant() -> str:
    return new_tenant()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(store: Store) -> str:
    """A customer with all resources of `people`, created in that order. A second customer has them too."""
    tenant, other = new_tenant(), new_tenant()
    for position, (type_name, body) in enumerate(PEOPLE):
        new = write_model(type_name, body, id=resource_id(position))
        await store.create(tenant, new)
        await store.create(other, new)
    return tenant
