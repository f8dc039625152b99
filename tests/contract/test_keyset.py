"""What every store does when a search goes on from behind a key: no page depends on what is before it."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from scim.storage.interface import Found, Search, Store
from tests.contract.drafts import KINDS, bound, group, kept, resource_id, user
from tests.contract.filters import GROUPS, USERS

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
"""Equal ones, missing ones, and such as differ only beyond what a key holds."""


async def found(store: Store, tenant: str, kind: str = "User", **search: Any) -> Found:
    options: dict[str, Any] = {"filter": None, "offset": 0, "limit": 1_000, **search}
    return await store.search(tenant, kind, Search(**options))


def ids(page: Found) -> list[str]:
    return [item.id for item in page.items]


async def walked(store: Store, tenant: str, kind: str, size: int, **search: Any) -> list[str]:
    """The ids on all pages, each from behind the last one of the page before."""
    seen: list[str] = []
    after = None
    while (page := await found(store, tenant, kind, limit=size, after=after, counted=False, **search)).items:
        assert len(page.items) <= size
        assert len(page.keys) == len(page.items)
        assert page.total == 0
        assert after not in page.keys
        seen += ids(page)
        after = page.keys[-1]
    return seen


@BOTH_WAYS
@pytest.mark.parametrize("kind", ["User", "Group"])
async def test_pages_in_every_order_are_the_whole_search(
    store: Store, people: str, kind: str, descending: bool
) -> None:
    for sort in (None, *KINDS[kind].sort_paths):
        whole = await found(store, people, kind, sort=sort, descending=descending)
        assert len(set(whole.keys)) == len(whole.items) > 1
        for size in (1, 2, 7):
            seen = await walked(store, people, kind, size, sort=sort, descending=descending)
            assert seen == ids(whole), (sort, size)


@pytest.mark.parametrize("kind", ["User", "Group"])
async def test_backwards_is_the_same_search_turned_round(store: Store, people: str, kind: str) -> None:
    for sort in (None, *KINDS[kind].sort_paths):
        whole = await found(store, people, kind, sort=sort)
        for at in (1, 2, len(whole.items) - 1):
            before = await found(store, people, kind, sort=sort, descending=True, after=whole.keys[at])
            assert [*reversed(ids(before))] == ids(whole)[:at], sort
            behind = await found(store, people, kind, sort=sort, after=whole.keys[at])
            assert ids(behind) == ids(whole)[at + 1 :], sort


@pytest.mark.parametrize(("kind", "texts", "sort"), [("User", USERS, "title"), ("Group", GROUPS, "displayName")])
async def test_pages_of_each_filter_are_whom_the_evaluator_keeps(
    store: Store, people: str, kind: str, texts: tuple[str, ...], sort: str
) -> None:
    for text in texts:
        tree, expected = bound(text, kind), kept(kind, text)
        size = len(expected) // 2 + 1
        assert await walked(store, people, kind, size, filter=tree) == expected, text
        assert await walked(store, people, kind, size, filter=tree, descending=True) == [*reversed(expected)], text
        whole = await found(store, people, kind, filter=tree, sort=sort, descending=True)
        assert await walked(store, people, kind, size, filter=tree, sort=sort, descending=True) == ids(whole), text


@BOTH_WAYS
@pytest.mark.parametrize("sort", ["title", "active", "meta.created", "userName"])
async def test_what_sorts_alike_is_told_apart(store: Store, tenant: str, sort: str, descending: bool) -> None:
    for number, title in enumerate(TITLES):
        await store.create(tenant, user(f"user-{number % 7}-{number}", number, title=title, active=number % 2 == 0))
    whole = await found(store, tenant, sort=sort, descending=descending)
    assert len(whole.items) == len(TITLES)
    for size in (1, 3):
        assert await walked(store, tenant, "User", size, sort=sort, descending=descending) == ids(whole)


async def test_a_page_has_the_key_of_each(store: Store, tenant: str) -> None:
    drafts = [user(f"user-{number}", number, title="same") for number in range(5)]
    for new in drafts:
        await store.create(tenant, new)
    page = await found(store, tenant, offset=1, limit=3)
    assert page.keys == tuple(new.id for new in drafts[1:4])
    for sort in ("title", "userName", "displayName", "meta.lastModified"):
        page = await found(store, tenant, offset=1, limit=3, sort=sort, descending=True)
        assert page.keys == tuple(new.s[sort] for new in drafts[3:0:-1])
    assert (await found(store, tenant, filter=bound('userName eq "nobody"'))).keys == ()


async def test_the_total_is_that_of_the_whole_search_wherever_a_page_begins(store: Store, tenant: str) -> None:
    for number in range(7):
        await store.create(tenant, user(f"user-{number}", number, title="odd" if number % 2 else "even"))
    for limit in (0, 1, 2, 100):
        for after in (resource_id(0), resource_id(6), resource_id(100)):
            assert (await found(store, tenant, after=after, limit=limit)).total == 7
            odd = await found(store, tenant, after=after, limit=limit, filter=bound('title eq "odd"'))
            assert odd.total == 3
        assert (await found(store, tenant, limit=limit, counted=False)).total == 0


async def test_it_goes_on_behind_one_that_is_gone_and_sees_all_that_stayed(store: Store, tenant: str) -> None:
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
async def test_a_filter_that_names_the_id_goes_by_the_key_too(store: Store, tenant: str, descending: bool) -> None:
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
