"""The adapters that the contract holds for. To add one, add a line to `ADAPTERS` and a case to `_opened`."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from scim.storage.interface import Store
from scim.storage.sqlite import SqliteStore
from tests.contract.drafts import draft, resource_id
from tests.contract.people import PEOPLE

ADAPTERS: Final = ("sqlite-memory", "sqlite-file")


def _opened(adapter: str, folder: Path) -> Store:
    match adapter:
        case "sqlite-memory":
            return SqliteStore()
        case "sqlite-file":
            return SqliteStore(folder / "scim.db")
    raise ValueError(adapter)


# One store for all tests of a module: they don't meet, because each has tenants of its own.
@pytest_asyncio.fixture(scope="module", loop_scope="module", params=ADAPTERS)
async def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    store = _opened(request.param, tmp_path_factory.mktemp("store"))
    yield store
    await store.close()


_numbers: Final = count(1)


def new_tenant() -> str:
    """A tenant that no test has used before."""
    return f"tenant-{next(_numbers)}"


@pytest.fixture
def tenant() -> str:
    return new_tenant()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(store: Store) -> str:
    """A tenant with everybody of `people`, created in that order; another tenant has them too."""
    tenant, other = new_tenant(), new_tenant()
    for position, (kind, body) in enumerate(PEOPLE):
        new = draft(kind, body, id=resource_id(position))
        await store.create(tenant, new)
        await store.create(other, new)
    return tenant
