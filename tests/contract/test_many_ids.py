"""A search among as many ids as the service ever asks for finds those that are there."""

import pytest

from scim.protocol.query import Among
from scim.storage.interface import Search, Store
from tests.contract.drafts import user

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_search_may_be_among_thousands_of_ids(store: Store, tenant: str) -> None:
    new = user()
    await store.create(tenant, new)
    ids = tuple(f"01890a5d-ac96-774b-bcce-{number:012x}" for number in range(10_000))
    found = await store.search(tenant, "User", Search(Among((*ids, new.id)), 0, 10))
    assert [item.id for item in found.items] == [new.id]
