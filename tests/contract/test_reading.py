"""The contract of every store for pages read one resource at a time, and for the types of ids."""

import pytest

from scim.storage.interface import Member, Search, Store, Stored
from tests.contract.write_models import bound, group, resource_id, user

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Taking:
    """Takes at most `most` resources, and then returns `False`."""

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
async def test_take_receives_resources_in_order_with_their_keys(
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
async def test_take_receives_no_resource_after_it_returned_false(store: Store, tenant: str, most: int) -> None:
    ids = await filled(store, tenant, 7)
    for sort in (None, "userName"):
        take = Taking(most)
        found = await store.search(tenant, "User", Search(None, 0, 100, sort), take)
        assert [id for id, _ in take.taken] == ids[:most]
        assert (take.offered, found.total) == (most + 1, 7)
        uncounted = await store.search(tenant, "User", Search(None, 0, 100, sort, counted=False), Taking(most))
        assert uncounted.total == 0


async def test_a_search_that_ended_early_blocks_no_other_request(store: Store, tenant: str) -> None:
    """In SQLite, a statement that remains open would keep an old snapshot of the file."""

    def fail(stored: Stored, key: str) -> bool:
        raise ValueError(f"{stored.id} {key}")

    await filled(store, tenant, 3)
    for number in range(3, 6):
        await store.search(tenant, "User", Search(None, 0, 100), Taking(1))
        with pytest.raises(ValueError, match=resource_id(0)):
            await store.search(tenant, "User", Search(None, 0, 100), fail)
        await store.create(tenant, user(f"user-{number}", number))
        assert (await store.search(tenant, "User", Search(None, 0, 100))).total == number + 1


async def test_a_page_larger_than_one_database_response_is_read_completely(store: Store, tenant: str) -> None:
    """Cosmos DB limits its responses to 4 MB."""
    for n in range(25):
        await store.create(tenant, user(f"user-{n}", n, title="x" * 250_000))
    take = Taking(100)
    found = await store.search(tenant, "User", Search(None, 0, 100), take)
    assert [id for id, _ in take.taken] == [resource_id(n) for n in range(25)]
    assert found.total == 25


async def test_the_types_of_members_are_looked_up_on_request(store: Store, tenant: str) -> None:
    """Only if no client has sent a type, and only among the requested types."""
    await store.create(tenant, user("bjensen", 1))
    await store.create(tenant, user("jsmith", 2))
    await store.create(tenant, group("Guides", 3))
    ids = [resource_id(n) for n in range(1, 6)]
    strange = ["a", "", "' OR 1", "..", "User:1", "é" * 36, "x" * 36, "x" * 1000]
    members = [Member(id) for id in (*ids, *strange) if id != ids[1]] + [Member(ids[1], "Robot", "R2")]
    await store.create(tenant, group("All", 4), members)

    async def known(*type_names: str, of: str = tenant) -> dict[str, str | None]:
        found = await store.members(of, [ids[3]], limit=100, type_names=type_names)
        assert {item.member for item in found} == set(members)
        return {item.member.value: item.resolved_type for item in found if item.resolved_type is not None}

    assert await known("User", "Group") == {ids[0]: "User", ids[2]: "Group", ids[3]: "Group"}
    assert await known("Group", "User") == await known("User", "Group")
    assert await known("Group") == {ids[2]: "Group", ids[3]: "Group"}
    assert await known("User") == {ids[0]: "User"}
    assert await known() == {}
    await store.create(f"{tenant}-other", group("All", 4), members)
    assert await known("User", "Group", of=f"{tenant}-other") == {ids[3]: "Group"}


async def test_the_types_of_a_page_of_members_are_found(store: Store, tenant: str) -> None:
    users = await filled(store, tenant, 3)
    members = [Member(id) for id in users] + [Member(resource_id(n)) for n in range(10, 1_100)]
    await store.create(tenant, group("All", 5_000), members)
    page = await store.members(tenant, [resource_id(5_000)], limit=1_000, type_names=["User", "Group"])
    assert len(page) == 1_000
    assert [item.member.value for item in page if item.resolved_type == "User"] == users
    rest = await store.members(
        tenant, [resource_id(5_000)], after=(page[-1].group, page[-1].member.value), limit=1_000, type_names=["User"]
    )
    assert (len(rest), {item.resolved_type for item in rest}) == (93, {None})
