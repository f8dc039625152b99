"""What every store does when a page is read one resource after another, and when only the types of ids are asked for."""

import pytest

from scim.storage.interface import Member, Search, Store, Stored
from tests.contract.drafts import bound, group, resource_id, user

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Taking:
    """Takes resources until it has `most`; the next one it refuses."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken: list[tuple[str, str]] = []
        self.offered = 0

    def __call__(self, stored: Stored, key: str) -> bool:
        self.offered += 1
        if len(self.taken) == self.most:
            return False
        self.taken.append((stored.id, key))
        return True


async def filled(store: Store, tenant: str, number: int) -> list[str]:
    for n in range(number):
        await store.create(tenant, user(f"user-{n}", n, title="odd" if n % 2 else "even"))
    return [resource_id(n) for n in range(number)]


@pytest.mark.parametrize("sort", [None, "userName"])
@pytest.mark.parametrize("descending", [False, True])
async def test_resources_are_handed_over_in_their_order_with_their_keys(
    store: Store, tenant: str, sort: str | None, descending: bool
) -> None:
    await filled(store, tenant, 7)
    for search in (
        Search(None, 0, 100, sort, descending),
        Search(None, 2, 3, sort, descending),
        Search(bound('title eq "odd"'), 0, 2, sort, descending),
        Search(bound(f'id eq "{resource_id(3)}"'), 0, 2, sort, descending),
        Search(None, 0, 0, sort, descending),
    ):
        whole = await store.search(tenant, "User", search)
        take = Taking(100)
        found = await store.search(tenant, "User", search, take)
        assert take.taken == [(item.id, key) for item, key in zip(whole.items, whole.keys, strict=True)]
        assert (found.items, found.keys, found.total) == ([], (), whole.total)


@pytest.mark.parametrize("most", [0, 1, 6])
async def test_nothing_is_handed_over_after_a_resource_that_is_refused(store: Store, tenant: str, most: int) -> None:
    ids = await filled(store, tenant, 7)
    for sort in (None, "userName"):
        take = Taking(most)
        found = await store.search(tenant, "User", Search(None, 0, 100, sort), take)
        assert [id for id, _ in take.taken] == ids[:most]
        assert (take.offered, found.total) == (most + 1, 7)
        uncounted = await store.search(tenant, "User", Search(None, 0, 100, sort, counted=False), Taking(most))
        assert uncounted.total == 0


async def test_a_search_that_ended_early_holds_nobody_up(store: Store, tenant: str) -> None:
    """In SQLite, a statement that is still open would keep an old view of the file."""

    def fail(stored: Stored, key: str) -> bool:
        raise ValueError(f"{stored.id} {key}")

    await filled(store, tenant, 3)
    for number in range(3, 6):
        await store.search(tenant, "User", Search(None, 0, 100), Taking(1))
        with pytest.raises(ValueError, match=resource_id(0)):
            await store.search(tenant, "User", Search(None, 0, 100), fail)
        await store.create(tenant, user(f"user-{number}", number))
        assert (await store.search(tenant, "User", Search(None, 0, 100))).total == number + 1


async def test_a_page_larger_than_the_database_answers_at_once_is_read_whole(store: Store, tenant: str) -> None:
    """Cosmos DB cuts its answers at 4 MB."""
    for n in range(25):
        await store.create(tenant, user(f"user-{n}", n, title="x" * 250_000))
    take = Taking(100)
    found = await store.search(tenant, "User", Search(None, 0, 100), take)
    assert [id for id, _ in take.taken] == [resource_id(n) for n in range(25)]
    assert found.total == 25


async def test_types_are_those_of_the_ids_that_exist(store: Store, tenant: str) -> None:
    await store.create(tenant, user("bjensen", 1))
    await store.create(tenant, group("Guides", 2), [Member("a")])
    asked = [resource_id(n) for n in (2, 1, 3)] + ["a", "", "' OR 1", "..", "User:1", "é" * 40]
    assert await store.types(tenant, ["User", "Group"], asked) == {resource_id(1): "User", resource_id(2): "Group"}
    assert await store.types(tenant, ["Group", "User"], asked) == {resource_id(1): "User", resource_id(2): "Group"}
    assert await store.types(tenant, ["Group"], asked) == {resource_id(2): "Group"}
    assert await store.types(tenant, ["User"], []) == {}
    assert await store.types(tenant, [], asked) == {}
    assert await store.types(f"{tenant}-other", ["User", "Group"], asked) == {}


async def test_types_of_thousands_of_ids_are_found(store: Store, tenant: str) -> None:
    await filled(store, tenant, 3)
    ids = [resource_id(n) for n in range(5_000)]
    assert await store.types(tenant, ["User", "Group"], ids) == {resource_id(n): "User" for n in range(3)}
