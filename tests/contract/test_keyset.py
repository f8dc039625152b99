"""The contract of every store for searches behind a key: a page doesn't depend on the resources before it."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from scim.storage.interface import Search, SearchPage, Store
from tests.contract.filters import GROUPS, USERS
from tests.contract.write_models import RESOURCE_TYPES, bound, group, kept, resource_id, user

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOTH_WAYS: Final = pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
TITLES: Final = (
    "b",
    "B",
    "",
    "a",
    "b",
    None,
    "é",
    "e\u0301",
    "z" * 300 + "1",
    "z" * 300 + "2",
    "字",
    "\x01",
    "~",
    None,
)
"""Equal titles, missing ones, and titles that differ only behind the part that a sort key contains."""


async def found(store: Store, tenant: str, type_name: str = "User", **search: Any) -> SearchPage:
    options: dict[str, Any] = {"filter": None, "offset": 0, "limit": 1_000, **search}
    return await store.search(tenant, type_name, Search(**options))


def ids(page: SearchPage) -> list[str]:
    return [item.id for item in page.items]


async def all_pages(store: Store, tenant: str, type_name: str, size: int, **search: Any) -> list[str]:
    """Return the ids of all pages. Each page begins behind the last resource of the page before."""
    seen: list[str] = []
    after = None
    while (page := await found(store, tenant, type_name, limit=size, after=after, counted=False, **search)).items:
        assert len(page.items) <= size
        assert len(page.keys) == len(page.items)
        assert page.total == 0
        assert after not in page.keys
        seen += ids(page)
        after = page.keys[-1]
    return seen


@BOTH_WAYS
@pytest.mark.parametrize("type_name", ["User", "Group"])
async def test_pages_in_every_order_make_up_the_whole_result(
    store: Store, people: str, type_name: str, descending: bool
) -> None:
    for sort in (None, *RESOURCE_TYPES[type_name].sort_paths):
        whole = await found(store, people, type_name, sort=sort, descending=descending)
        assert len(set(whole.keys)) == len(whole.items) > 1
        for size in (1, 2, 7):
            seen = await all_pages(store, people, type_name, size, sort=sort, descending=descending)
            assert seen == ids(whole), (sort, size)


@pytest.mark.parametrize("type_name", ["User", "Group"])
async def test_descending_order_is_the_reverse_of_ascending_order(store: Store, people: str, type_name: str) -> None:
    for sort in (None, *RESOURCE_TYPES[type_name].sort_paths):
        whole = await found(store, people, type_name, sort=sort)
        for at in (1, 2, len(whole.items) - 1):
            before = await found(store, people, type_name, sort=sort, descending=True, after=whole.keys[at])
            assert [*reversed(ids(before))] == ids(whole)[:at], sort
            behind = await found(store, people, type_name, sort=sort, after=whole.keys[at])
            assert ids(behind) == ids(whole)[at + 1 :], sort


@pytest.mark.parametrize(("type_name", "texts", "sort"), [("User", USERS, "title"), ("Group", GROUPS, "displayName")])
async def test_pages_of_each_filter_have_the_matches_of_the_evaluator(
    store: Store, people: str, type_name: str, texts: tuple[str, ...], sort: str
) -> None:
    for text in texts:
        tree, expected = bound(text, type_name), kept(type_name, text)
        size = len(expected) // 2 + 1
        assert await all_pages(store, people, type_name, size, filter=tree) == expected, text
        assert await all_pages(store, people, type_name, size, filter=tree, descending=True) == [*reversed(expected)], (
            text
        )
        whole = await found(store, people, type_name, filter=tree, sort=sort, descending=True)
        assert await all_pages(store, people, type_name, size, filter=tree, sort=sort, descending=True) == ids(whole), (
            text
        )


@BOTH_WAYS
@pytest.mark.parametrize("sort", ["title", "active", "meta.created", "userName"])
async def test_resources_with_equal_sort_values_have_different_keys(
    store: Store, tenant: str, sort: str, descending: bool
) -> None:
    for number, title in enumerate(TITLES):
        await store.create(tenant, user(f"user-{number % 7}-{number}", number, title=title, active=number % 2 == 0))
    whole = await found(store, tenant, sort=sort, descending=descending)
    assert len(whole.items) == len(TITLES)
    for size in (1, 3):
        assert await all_pages(store, tenant, "User", size, sort=sort, descending=descending) == ids(whole)


async def test_a_page_has_the_key_of_each_resource(store: Store, tenant: str) -> None:
    users = [user(f"user-{number}", number, title="same") for number in range(5)]
    for new in users:
        await store.create(tenant, new)
    page = await found(store, tenant, offset=1, limit=3)
    assert page.keys == tuple(new.id for new in users[1:4])
    for sort in ("title", "userName", "displayName", "meta.lastModified"):
        page = await found(store, tenant, offset=1, limit=3, sort=sort, descending=True)
        assert page.keys == tuple(new.sort_keys[sort] for new in users[3:0:-1])
    assert (await found(store, tenant, filter=bound('userName eq "nobody"'))).keys == ()


async def test_the_total_counts_all_matches_wherever_a_page_begins(store: Store, tenant: str) -> None:
    for number in range(7):
        await store.create(tenant, user(f"user-{number}", number, title="odd" if number % 2 else "even"))
    for limit in (0, 1, 2, 100):
        for after in (resource_id(0), resource_id(6), resource_id(100)):
            assert (await found(store, tenant, after=after, limit=limit)).total == 7
            odd = await found(store, tenant, after=after, limit=limit, filter=bound('title eq "odd"'))
            assert odd.total == 3
        assert (await found(store, tenant, limit=limit, counted=False)).total == 0


async def test_a_page_may_begin_behind_a_deleted_resource(store: Store, tenant: str) -> None:
    for number in range(10):
        await store.create(tenant, user(f"user-{number}", number * 2))
    page = await found(store, tenant, limit=3)
    for gone in (0, 4, 6):  # before it, at it, behind it
        await store.delete(tenant, "User", resource_id(gone))
    await store.create(tenant, user("before", 1))
    await store.create(tenant, user("behind", 7))
    rest = await found(store, tenant, after=page.keys[-1])
    assert ids(rest) == [resource_id(number) for number in (7, 8, 10, 12, 14, 16, 18)]
    before = await found(store, tenant, after=page.keys[-1], descending=True)
    assert ids(before) == [resource_id(number) for number in (2, 1)]


@BOTH_WAYS
async def test_a_filter_on_the_id_respects_the_key(store: Store, tenant: str, descending: bool) -> None:
    for number in (1, 2, 3):
        await store.create(tenant, user(f"user-{number}", number))
    tree = bound(f'id eq "{resource_id(2)}" and userName sw "user"')
    for sort in (None, "userName"):
        whole = await found(store, tenant, sort=sort)
        expected: dict[int, Sequence[str]] = {n: [resource_id(2)] if (n == 2) is descending else [] for n in (0, 2)}
        for at, there in {**expected, 1: []}.items():
            page = await found(store, tenant, filter=tree, sort=sort, descending=descending, after=whole.keys[at])
            assert ids(page) == there, (sort, at)
            assert page.total == 1


async def test_a_page_stays_within_its_type_and_tenant(store: Store, tenant: str, people: str) -> None:
    await store.create(tenant, user("one", 1))
    await store.create(tenant, group("two", 2))
    await store.create(tenant, user("three", 3))
    assert ids(await found(store, tenant, after=resource_id(1))) == [resource_id(3)]
    assert ids(await found(store, tenant, "Group", after=resource_id(1))) == [resource_id(2)]
    assert resource_id(3) in ids(await found(store, people, after=resource_id(1)))
