"""The contract of every store for searches among thousands of ids, the most that the service passes."""

import pytest

from scim.protocol.filter.binding import IdIn
from scim.storage.interface import Search, Store
from tests.contract.write_models import user

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_search_accepts_thousands_of_ids(store: Store, tenant: str) -> None:
    new = user()
    await store.create(tenant, new)
    ids = tuple(f"01890a5d-ac96-774b-bcce-{number:012x}" for number in range(10_000))
    found = await store.search(tenant, "User", Search(IdIn((*ids, new.id)), 0, 10))
    assert [item.id for item in found.items] == [new.id]
