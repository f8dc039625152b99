"""The contract of every store for unique values and outdated resources."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Final

import pytest

from scim.storage.errors import AlreadyExists, NotFound, PreconditionFailed
from scim.storage.interface import Member, MemberChanges, Store, WriteModel
from tests.contract.conftest import new_tenant
from tests.contract.test_store import LATER, adding, everybody, removing
from tests.contract.write_models import group, resource_id, touch, user

pytestmark = pytest.mark.asyncio(loop_scope="module")

BADGE: Final = "urn:example:badge"
OTHER: Final = "urn:example:other"
_probes: Final = count(10_000)
MANY: Final = tuple(f"m{number:03}" for number in range(300))


def with_unique_values(new: WriteModel, badge: str | None = None, **others: str) -> WriteModel:
    """Return the write model with these unique values."""
    return replace(new, unique_values={**({} if badge is None else {BADGE: badge}), **others})


def numbered(number: int, badge: str | None = None, **others: str) -> WriteModel:
    """Return a user with this number and these unique values."""
    return with_unique_values(user(f"user-{number}", number), badge, **others)


async def is_free(store: Store, tenant: str, unique_values: Mapping[str, str], type_name: str = "User") -> bool:
    """Return whether another resource can be created with these unique values. It is deleted again."""
    number = next(_probes)  # a new id for each probe
    new = user("probe", number) if type_name == "User" else group("probe", number)
    try:
        await store.create(tenant, replace(new, unique_values=unique_values))
    except AlreadyExists:
        return False
    await store.delete(tenant, type_name, new.id)
    return True


# --- create ---


async def test_a_unique_value_is_unique_and_the_error_names_its_path(store: Store, tenant: str) -> None:
    await store.create(tenant, numbered(1, "7", also="x"))
    for unique_values, path in (({BADGE: "7"}, BADGE), ({BADGE: "8", "also": "x"}, "also")):
        with pytest.raises(AlreadyExists) as taken:
            await store.create(tenant, replace(numbered(2), unique_values=unique_values))
        assert taken.value.path == path
    assert await store.read(tenant, "User", resource_id(2)) is None
    # The other values of the refused resources are free.
    assert await is_free(store, tenant, {BADGE: "8"})


async def test_the_error_distinguishes_the_key_from_unique_values(store: Store, tenant: str) -> None:
    await store.create(tenant, with_unique_values(user("bjensen", 1), "7"))
    with pytest.raises(AlreadyExists) as taken:
        await store.create(tenant, with_unique_values(user("bjensen", 2), "8"))
    assert taken.value.path is None
    assert await is_free(store, tenant, {BADGE: "8"})


@pytest.mark.parametrize("value", ["it's", '"', "100%", "a/b", "..", "#?\\", "\x01", "🎉", "e\u0301", "x" * 512])
async def test_any_text_can_be_a_unique_value_and_is_compared_exactly(store: Store, tenant: str, value: str) -> None:
    await store.create(tenant, numbered(1, value))
    with pytest.raises(AlreadyExists):
        await store.create(tenant, numbered(2, value))
    assert await is_free(store, tenant, {BADGE: f"{value}x"})


async def test_types_attributes_and_customers_do_not_share_unique_values(store: Store, tenant: str) -> None:
    other = new_tenant()
    await store.create(tenant, numbered(1, "7"))
    await store.create(tenant, with_unique_values(group(number=2), "7"))
    await store.create(tenant, numbered(3, **{OTHER: "7"}))
    await store.create(other, numbered(1, "7"))
    for place, type_name, path in ((tenant, "User", BADGE), (tenant, "Group", BADGE), (tenant, "User", OTHER)):
        assert not await is_free(store, place, {path: "7"}, type_name)
    await store.delete(tenant, "User", resource_id(1))
    assert await is_free(store, tenant, {BADGE: "7"})
    assert not await is_free(store, tenant, {BADGE: "7"}, "Group")
    assert not await is_free(store, other, {BADGE: "7"})


@pytest.mark.parametrize("number", [0, 1, 77, 78, 79, 97, 98, 99, 300])
async def test_a_group_of_any_size_is_created_with_its_unique_values_or_not_at_all(
    store: Store, tenant: str, number: int
) -> None:
    unique_values = {f"{BADGE}:{n}": "7" for n in range(20)}
    members = [Member(value) for value in MANY[:number]]
    await store.create(tenant, replace(group("One", 1), unique_values=unique_values), members)
    assert await everybody(store, tenant, resource_id(1)) == [*MANY[:number]]
    with pytest.raises(AlreadyExists) as taken:
        await store.create(tenant, replace(group("Two", 2), unique_values={"first": "1", f"{BADGE}:19": "7"}), members)
    assert taken.value.path == f"{BADGE}:19"
    assert await everybody(store, tenant, resource_id(2)) == []
    assert await is_free(store, tenant, {"first": "1"}, "Group")


# --- replace ---


async def test_a_replace_keeps_changes_adds_and_removes_unique_values(store: Store, tenant: str) -> None:
    held: dict[str, str] = {}
    version = await store.create(tenant, numbered(1))
    for unique_values in (
        {BADGE: "1"},
        {BADGE: "2", OTHER: "1"},
        {OTHER: "1"},
        {OTHER: "1"},
        {BADGE: "1", OTHER: "2"},
        {},
    ):
        version = await store.replace(
            tenant, replace(numbered(1), unique_values=unique_values), expected=version, old_unique_values=held
        )
        held = unique_values
        for path in (BADGE, OTHER):
            for value in ("1", "2"):
                free = await is_free(store, tenant, {path: value})
                assert free is (unique_values.get(path) != value), (unique_values, path, value)


async def test_a_refused_replace_does_not_change_unique_values(store: Store, tenant: str) -> None:
    held = {BADGE: "2"}
    await store.create(tenant, numbered(1, "1"))
    version = await store.create(tenant, replace(group(number=2), unique_values=held), [Member("a")])
    await store.create(tenant, with_unique_values(group("Other", 3), "1"))
    with pytest.raises(AlreadyExists) as taken:
        await store.replace(
            tenant,
            with_unique_values(group("Renamed", 2), "1", **{OTHER: "9"}),
            expected=version,
            members=MemberChanges((Member("b"),), ("a",)),
            old_unique_values=held,
        )
    assert taken.value.path == BADGE
    with pytest.raises(PreconditionFailed):
        await store.replace(
            tenant, with_unique_values(group(number=2), "3"), expected="no version of ours", old_unique_values=held
        )
    with pytest.raises(NotFound):
        await store.replace(tenant, with_unique_values(group("Nobody", 4), "3"), expected=version)
    stored = await store.read(tenant, "Group", resource_id(2))
    assert stored is not None
    assert (stored.version, stored.resource["displayName"]) == (version, "Tour Guides")
    assert await everybody(store, tenant, resource_id(2)) == ["a"]
    for unique_values, free in (({BADGE: "2"}, False), ({BADGE: "3"}, True), ({OTHER: "9"}, True)):
        assert await is_free(store, tenant, unique_values, "Group") is free


async def test_unique_values_change_together_with_any_number_of_members(store: Store, tenant: str) -> None:
    held = {f"{BADGE}:{n}": "old" for n in range(20)}
    unique_values = dict.fromkeys(held, "new")
    version = await store.create(
        tenant, replace(group(number=1), unique_values=held), [Member(value) for value in MANY[:60]]
    )
    changes = MemberChanges(tuple(Member(value) for value in MANY[50:250]), MANY[:50])
    new = replace(group("Renamed", 1), unique_values=unique_values)
    await store.replace(tenant, new, expected=version, members=changes, old_unique_values=held)
    assert await everybody(store, tenant, resource_id(1)) == [*MANY[50:250]]
    for path in held:
        assert await is_free(store, tenant, {path: "old"}, "Group")
        assert not await is_free(store, tenant, {path: "new"}, "Group")


async def test_a_change_of_members_keeps_unique_values(store: Store, tenant: str) -> None:
    new = with_unique_values(group(number=1), "1")
    await store.create(tenant, new)
    await store.change_members(tenant, new.id, adding("a", "b"), touch(new, LATER))
    await store.change_members(tenant, new.id, removing("a"), touch(new, LATER))
    assert not await is_free(store, tenant, {BADGE: "1"}, "Group")


async def test_without_old_unique_values_the_store_reads_them(store: Store, tenant: str) -> None:
    """Old values are removed, new values are added, and the values of other resources don't change."""
    await store.create(tenant, numbered(1, "1", **{OTHER: "1"}))
    version = await store.create(tenant, numbered(2, "2", **{OTHER: "2"}))
    new = numbered(2, "3", more="4")
    version = await store.replace(tenant, new, expected=version, old_unique_values=None)
    for unique_values, free in (
        ({BADGE: "2"}, True),
        ({OTHER: "2"}, True),
        ({BADGE: "3"}, False),
        ({"more": "4"}, False),
    ):
        assert await is_free(store, tenant, unique_values) is free
    with pytest.raises(AlreadyExists) as taken:
        await store.replace(tenant, numbered(2, "1"), expected=version, old_unique_values=None)
    assert taken.value.path == BADGE
    version = await store.replace(tenant, new, expected=version, old_unique_values=None)
    await store.replace(tenant, numbered(2), expected=version, old_unique_values=None)
    for unique_values, free in (
        ({BADGE: "3"}, True),
        ({"more": "4"}, True),
        ({BADGE: "1"}, False),
        ({OTHER: "1"}, False),
    ):
        assert await is_free(store, tenant, unique_values) is free


# --- delete ---


@pytest.mark.parametrize("memberships", [0, 1, 120, 1_100])
async def test_a_deletion_releases_unique_values_at_once_for_any_number_of_groups(
    store: Store, tenant: str, memberships: int
) -> None:
    unique_values = {f"{BADGE}:{n}": "7" for n in range(20)}
    await store.create(tenant, replace(user(number=1), unique_values=unique_values))
    await store.create(tenant, numbered(2, "kept"))
    for number in range(10, 10 + memberships):
        await store.create(tenant, group(f"Group {number}", number), [Member(resource_id(1))])
    await store.delete(tenant, "User", resource_id(1))
    assert await store.memberships(tenant, [resource_id(1)], limit=1) == []
    assert await is_free(store, tenant, unique_values)
    assert not await is_free(store, tenant, {BADGE: "kept"})


async def test_a_deleted_group_releases_its_unique_values(store: Store, tenant: str) -> None:
    await store.create(tenant, with_unique_values(group(number=1), "1"), [Member(value) for value in MANY])
    await store.delete(tenant, "Group", resource_id(1))
    assert await is_free(store, tenant, {BADGE: "1"}, "Group")


async def test_an_erasure_deletes_unique_values(store: Store, tenant: str) -> None:
    other = new_tenant()
    for place in (tenant, other):
        await store.create(place, numbered(1, "1"))
    async for _ in store.erase(tenant):
        pass
    assert await store.count(tenant) == 0
    assert await is_free(store, tenant, {BADGE: "1"})
    assert not await is_free(store, other, {BADGE: "1"})


async def test_unique_values_are_neither_exported_nor_swept(store: Store, tenant: str) -> None:
    await store.create(tenant, numbered(1, "1"))
    await store.create(tenant, with_unique_values(group(number=2), "1"), [Member(resource_id(1))])
    kept = [item async for page in store.everything(tenant) for item in page]
    assert len(kept) == 3
    await store.sweep(tenant)
    assert not await is_free(store, tenant, {BADGE: "1"})
    assert await store.names(tenant, ["User", "claim"], [resource_id(1)]) != {}
    assert len(await store.memberships(tenant, [resource_id(1)], limit=10)) == 1


# --- races ---


async def test_of_concurrent_creates_with_one_unique_value_exactly_one_succeeds(store: Store, tenant: str) -> None:
    async def write(number: int) -> bool:
        try:
            await store.create(tenant, numbered(number, "7"))
        except AlreadyExists:
            return False
        return True

    won = await asyncio.gather(*(write(number) for number in range(8)))
    assert won.count(True) == 1
    kept = [await store.read(tenant, "User", resource_id(number)) for number in range(8)]
    assert [stored is not None for stored in kept] == won


async def test_a_unique_value_has_at_most_one_resource_at_any_time(store: Store, tenant: str) -> None:
    """One resource changes to the next value while others try to take the value that it releases."""
    version = await store.create(tenant, numbered(0, "0"))

    async def move() -> str:
        return await store.replace(tenant, numbered(0, "1"), expected=version, old_unique_values={BADGE: "0"})

    async def reach(number: int) -> bool:
        for _ in range(20):
            try:
                await store.create(tenant, numbered(number, "0"))
            except AlreadyExists:
                await asyncio.sleep(0)
            else:
                return True
        return False

    _, *reached = await asyncio.gather(move(), *(reach(number) for number in range(1, 6)))
    assert reached.count(True) <= 1
    holders = [await store.read(tenant, "User", resource_id(number)) for number in range(1, 6)]
    assert [stored is not None for stored in holders] == reached
    assert await is_free(store, tenant, {BADGE: "0"}) is not any(reached)
    assert not await is_free(store, tenant, {BADGE: "1"})


async def test_concurrent_swaps_and_changes_never_duplicate_a_unique_value(store: Store, tenant: str) -> None:
    versions = [await store.create(tenant, numbered(number, str(number))) for number in range(4)]

    async def write(number: int, badge: str) -> bool:
        try:
            await store.replace(
                tenant, numbered(number, badge), expected=versions[number], old_unique_values={BADGE: str(number)}
            )
        except AlreadyExists:
            return False
        return True

    wanted = ["1", "0", "new", "new"]
    won = await asyncio.gather(*(write(number, badge) for number, badge in enumerate(wanted)))
    assert won[2:].count(True) == 1
    has = [badge if done else str(number) for number, (badge, done) in enumerate(zip(wanted, won, strict=True))]
    assert len(set(has)) == 4
    for badge in ("0", "1", "2", "3", "new"):
        assert await is_free(store, tenant, {BADGE: badge}) is (badge not in has)


# --- outdated resources ---


def with_index_version(new: WriteModel, rules: str) -> WriteModel:
    return replace(new, index_version=rules)


async def outdated(store: Store, tenant: str, rules: str, *, limit: int = 100, type_name: str = "User") -> list[int]:
    """Return the numbers of the outdated resources, read page by page."""
    found: list[int] = []
    after = None
    while page := await store.outdated(tenant, type_name, rules, after=after, limit=limit):
        assert len(page) <= limit
        found += [int(stored.id[-12:], 16) for stored in page]
        after = page[-1].id
    return found


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_outdated_resources_are_found_by_id_page_by_page(store: Store, tenant: str, limit: int) -> None:
    other = new_tenant()
    for number, rules in enumerate(["2.a", "1.a", "", "2.a", "1.a", "2.b"]):
        for place in (tenant, other):
            await store.create(place, with_index_version(user(f"user-{number}", number), rules))
    await store.create(tenant, with_index_version(group(number=9), "1.a"), [Member(resource_id(1))])
    assert await outdated(store, tenant, "2.a", limit=limit) == [1, 2, 4, 5]
    assert await outdated(store, tenant, "1.a", limit=limit) == [0, 2, 3, 5]
    assert await outdated(store, tenant, "1.a", type_name="Group") == []
    assert await outdated(store, tenant, "2.a", type_name="Group") == [9]


async def test_an_outdated_resource_is_complete_and_not_found_after_a_rewrite(store: Store, tenant: str) -> None:
    new = with_index_version(group(number=1), "1.a")
    version = await store.create(tenant, new, [Member("a")])
    [found] = await store.outdated(tenant, "Group", "2.a", limit=10)
    assert (found, found.index_version) == (await store.read(tenant, "Group", new.id), "1.a")
    assert (found.version, found.resource) == (version, new.resource)
    await store.change_members(tenant, new.id, adding("b"), touch(new, LATER))
    [found] = await store.outdated(tenant, "Group", "2.a", limit=10)
    await store.replace(tenant, with_index_version(new, "2.a"), expected=found.version)
    assert await store.outdated(tenant, "Group", "2.a", limit=10) == []
    stored = await store.read(tenant, "Group", new.id)
    assert stored is not None
    assert stored.index_version == "2.a"
    assert await everybody(store, tenant, new.id) == ["a", "b"]


async def test_an_empty_customer_has_no_outdated_resources(store: Store, tenant: str) -> None:
    assert await store.outdated(tenant, "User", "1.a", limit=10) == []
    await store.create(tenant, with_index_version(user(number=1), "1.a"))
    await store.delete(tenant, "User", resource_id(1))
    assert await store.outdated(tenant, "User", "2.a", limit=10) == []
