"""Unique values beyond the key, and what is outdated: the same on every store."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Final

import pytest

from scim.storage.interface import Changed, Draft, Gone, Member, MemberChanges, Store, Taken
from tests.contract.conftest import new_tenant
from tests.contract.drafts import group, resource_id, touch, user
from tests.contract.test_store import LATER, adding, everybody, removing

pytestmark = pytest.mark.asyncio(loop_scope="module")

BADGE: Final = "urn:example:badge"
OTHER: Final = "urn:example:other"
_probes: Final = count(10_000)
MANY: Final = tuple(f"m{number:03}" for number in range(300))


def claiming(new: Draft, badge: str | None = None, **others: str) -> Draft:
    """The draft with these claims."""
    return replace(new, claims={**({} if badge is None else {BADGE: badge}), **others})


def numbered(number: int, badge: str | None = None, **others: str) -> Draft:
    """A user of that number with these claims."""
    return claiming(user(f"user-{number}", number), badge, **others)


async def is_free(store: Store, tenant: str, claims: Mapping[str, str], kind: str = "User") -> bool:
    """Whether a further resource may have these; it is taken away again."""
    number = next(_probes)  # no id comes twice
    new = user("probe", number) if kind == "User" else group("probe", number)
    try:
        await store.create(tenant, replace(new, claims=claims))
    except Taken:
        return False
    await store.delete(tenant, kind, new.id)
    return True


# --- create ---


async def test_a_claim_is_taken_once_and_the_error_says_which(store: Store, tenant: str) -> None:
    await store.create(tenant, numbered(1, "7", also="x"))
    for claims, path in (({BADGE: "7"}, BADGE), ({BADGE: "8", "also": "x"}, "also")):
        with pytest.raises(Taken) as taken:
            await store.create(tenant, replace(numbered(2), claims=claims))
        assert taken.value.path == path
    assert await store.read(tenant, "User", resource_id(2)) is None
    # What the refused ones asked for besides is free.
    assert await is_free(store, tenant, {BADGE: "8"})


async def test_a_taken_key_is_not_a_taken_claim(store: Store, tenant: str) -> None:
    await store.create(tenant, claiming(user("bjensen", 1), "7"))
    with pytest.raises(Taken) as taken:
        await store.create(tenant, claiming(user("bjensen", 2), "8"))
    assert taken.value.path is None
    assert await is_free(store, tenant, {BADGE: "8"})


@pytest.mark.parametrize("value", ["it's", '"', "100%", "a/b", "..", "#?\\", "\x01", "🎉", "e\u0301", "x" * 512])
async def test_any_text_may_be_claimed_and_is_compared_as_it_is(store: Store, tenant: str, value: str) -> None:
    await store.create(tenant, numbered(1, value))
    with pytest.raises(Taken):
        await store.create(tenant, numbered(2, value))
    assert await is_free(store, tenant, {BADGE: f"{value}x"})


async def test_types_attributes_and_tenants_do_not_share_claims(store: Store, tenant: str) -> None:
    other = new_tenant()
    await store.create(tenant, numbered(1, "7"))
    await store.create(tenant, claiming(group(number=2), "7"))
    await store.create(tenant, numbered(3, **{OTHER: "7"}))
    await store.create(other, numbered(1, "7"))
    for place, kind, claims in ((tenant, "User", BADGE), (tenant, "Group", BADGE), (tenant, "User", OTHER)):
        assert not await is_free(store, place, {claims: "7"}, kind)
    await store.delete(tenant, "User", resource_id(1))
    assert await is_free(store, tenant, {BADGE: "7"})
    assert not await is_free(store, tenant, {BADGE: "7"}, "Group")
    assert not await is_free(store, other, {BADGE: "7"})


@pytest.mark.parametrize("number", [0, 1, 77, 78, 79, 97, 98, 99, 300])
async def test_a_group_of_any_size_is_created_with_its_claims_or_not_at_all(
    store: Store, tenant: str, number: int
) -> None:
    claims = {f"{BADGE}:{n}": "7" for n in range(20)}
    members = [Member(value) for value in MANY[:number]]
    await store.create(tenant, replace(group("One", 1), claims=claims), members)
    assert await everybody(store, tenant, resource_id(1)) == [*MANY[:number]]
    with pytest.raises(Taken) as taken:
        await store.create(tenant, replace(group("Two", 2), claims={"first": "1", f"{BADGE}:19": "7"}), members)
    assert taken.value.path == f"{BADGE}:19"
    assert await everybody(store, tenant, resource_id(2)) == []
    assert await is_free(store, tenant, {"first": "1"}, "Group")


# --- replace ---


async def test_a_replace_keeps_moves_gains_and_releases_claims(store: Store, tenant: str) -> None:
    held: dict[str, str] = {}
    version = await store.create(tenant, numbered(1))
    for claims in ({BADGE: "1"}, {BADGE: "2", OTHER: "1"}, {OTHER: "1"}, {OTHER: "1"}, {BADGE: "1", OTHER: "2"}, {}):
        version = await store.replace(tenant, replace(numbered(1), claims=claims), expected=version, held=held)
        held = claims
        for path in (BADGE, OTHER):
            for value in ("1", "2"):
                free = await is_free(store, tenant, {path: value})
                assert free is (claims.get(path) != value), (claims, path, value)


async def test_a_replace_that_is_refused_keeps_its_claims_and_gains_none(store: Store, tenant: str) -> None:
    held = {BADGE: "2"}
    await store.create(tenant, numbered(1, "1"))
    version = await store.create(tenant, replace(group(number=2), claims=held), [Member("a")])
    await store.create(tenant, claiming(group("Other", 3), "1"))
    with pytest.raises(Taken) as taken:
        await store.replace(
            tenant,
            claiming(group("Renamed", 2), "1", **{OTHER: "9"}),
            expected=version,
            members=MemberChanges((Member("b"),), ("a",)),
            held=held,
        )
    assert taken.value.path == BADGE
    with pytest.raises(Changed):
        await store.replace(tenant, claiming(group(number=2), "3"), expected="no version of ours", held=held)
    with pytest.raises(Gone):
        await store.replace(tenant, claiming(group("Nobody", 4), "3"), expected=version)
    stored = await store.read(tenant, "Group", resource_id(2))
    assert stored is not None
    assert (stored.version, stored.resource["displayName"]) == (version, "Tour Guides")
    assert await everybody(store, tenant, resource_id(2)) == ["a"]
    for claims, free in (({BADGE: "2"}, False), ({BADGE: "3"}, True), ({OTHER: "9"}, True)):
        assert await is_free(store, tenant, claims, "Group") is free


async def test_claims_change_together_with_as_many_members_as_come(store: Store, tenant: str) -> None:
    held = {f"{BADGE}:{n}": "old" for n in range(20)}
    claims = dict.fromkeys(held, "new")
    version = await store.create(tenant, replace(group(number=1), claims=held), [Member(value) for value in MANY[:60]])
    changes = MemberChanges(tuple(Member(value) for value in MANY[50:250]), MANY[:50])
    new = replace(group("Renamed", 1), claims=claims)
    await store.replace(tenant, new, expected=version, members=changes, held=held)
    assert await everybody(store, tenant, resource_id(1)) == [*MANY[50:250]]
    for path in held:
        assert await is_free(store, tenant, {path: "old"}, "Group")
        assert not await is_free(store, tenant, {path: "new"}, "Group")


async def test_a_change_of_members_leaves_claims_alone(store: Store, tenant: str) -> None:
    new = claiming(group(number=1), "1")
    await store.create(tenant, new)
    await store.change_members(tenant, new.id, adding("a", "b"), touch(new, LATER))
    await store.change_members(tenant, new.id, removing("a"), touch(new, LATER))
    assert not await is_free(store, tenant, {BADGE: "1"}, "Group")


async def test_where_nobody_knows_the_claims_the_store_looks_for_them(store: Store, tenant: str) -> None:
    """What was claimed goes, what should be comes, and nothing of anybody else's is touched."""
    await store.create(tenant, numbered(1, "1", **{OTHER: "1"}))
    version = await store.create(tenant, numbered(2, "2", **{OTHER: "2"}))
    new = numbered(2, "3", more="4")
    version = await store.replace(tenant, new, expected=version, held=None)
    for claims, free in (({BADGE: "2"}, True), ({OTHER: "2"}, True), ({BADGE: "3"}, False), ({"more": "4"}, False)):
        assert await is_free(store, tenant, claims) is free
    with pytest.raises(Taken) as taken:
        await store.replace(tenant, numbered(2, "1"), expected=version, held=None)
    assert taken.value.path == BADGE
    version = await store.replace(tenant, new, expected=version, held=None)
    await store.replace(tenant, numbered(2), expected=version, held=None)
    for claims, free in (({BADGE: "3"}, True), ({"more": "4"}, True), ({BADGE: "1"}, False), ({OTHER: "1"}, False)):
        assert await is_free(store, tenant, claims) is free


# --- delete ---


@pytest.mark.parametrize("memberships", [0, 1, 120, 1_100])
async def test_a_deletion_releases_claims_at_once_however_many_groups_there_are(
    store: Store, tenant: str, memberships: int
) -> None:
    claims = {f"{BADGE}:{n}": "7" for n in range(20)}
    await store.create(tenant, replace(user(number=1), claims=claims))
    await store.create(tenant, numbered(2, "kept"))
    for number in range(10, 10 + memberships):
        await store.create(tenant, group(f"Group {number}", number), [Member(resource_id(1))])
    await store.delete(tenant, "User", resource_id(1))
    assert await store.memberships(tenant, [resource_id(1)], limit=1) == []
    assert await is_free(store, tenant, claims)
    assert not await is_free(store, tenant, {BADGE: "kept"})


async def test_a_deleted_group_releases_its_claims(store: Store, tenant: str) -> None:
    await store.create(tenant, claiming(group(number=1), "1"), [Member(value) for value in MANY])
    await store.delete(tenant, "Group", resource_id(1))
    assert await is_free(store, tenant, {BADGE: "1"}, "Group")


async def test_an_erasure_takes_claims_too(store: Store, tenant: str) -> None:
    other = new_tenant()
    for place in (tenant, other):
        await store.create(place, numbered(1, "1"))
    async for _ in store.erase(tenant):
        pass
    assert await store.count(tenant) == 0
    assert await is_free(store, tenant, {BADGE: "1"})
    assert not await is_free(store, other, {BADGE: "1"})


async def test_claims_are_no_part_of_what_is_exported_or_swept(store: Store, tenant: str) -> None:
    await store.create(tenant, numbered(1, "1"))
    await store.create(tenant, claiming(group(number=2), "1"), [Member(resource_id(1))])
    kept = [item async for page in store.everything(tenant) for item in page]
    assert len(kept) == 3
    await store.sweep(tenant)
    assert not await is_free(store, tenant, {BADGE: "1"})
    assert await store.names(tenant, ["User", "claim"], [resource_id(1)]) != {}
    assert len(await store.memberships(tenant, [resource_id(1)], limit=10)) == 1


# --- races ---


async def test_of_many_creates_with_one_claim_exactly_one_wins(store: Store, tenant: str) -> None:
    async def write(number: int) -> bool:
        try:
            await store.create(tenant, numbered(number, "7"))
        except Taken:
            return False
        return True

    won = await asyncio.gather(*(write(number) for number in range(8)))
    assert won.count(True) == 1
    kept = [await store.read(tenant, "User", resource_id(number)) for number in range(8)]
    assert [stored is not None for stored in kept] == won


async def test_a_claim_that_moves_away_has_one_holder_at_every_moment(store: Store, tenant: str) -> None:
    """One resource goes on to the next value while others reach for the one that it leaves."""
    version = await store.create(tenant, numbered(0, "0"))

    async def move() -> str:
        return await store.replace(tenant, numbered(0, "1"), expected=version, held={BADGE: "0"})

    async def reach(number: int) -> bool:
        for _ in range(20):
            try:
                await store.create(tenant, numbered(number, "0"))
            except Taken:
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


async def test_of_two_that_swap_and_two_that_reach_for_one_value_nobody_gains_what_another_has(
    store: Store, tenant: str
) -> None:
    versions = [await store.create(tenant, numbered(number, str(number))) for number in range(4)]

    async def write(number: int, badge: str) -> bool:
        try:
            await store.replace(tenant, numbered(number, badge), expected=versions[number], held={BADGE: str(number)})
        except Taken:
            return False
        return True

    wanted = ["1", "0", "new", "new"]
    won = await asyncio.gather(*(write(number, badge) for number, badge in enumerate(wanted)))
    assert won[2:].count(True) == 1
    has = [badge if done else str(number) for number, (badge, done) in enumerate(zip(wanted, won, strict=True))]
    assert len(set(has)) == 4
    for badge in ("0", "1", "2", "3", "new"):
        assert await is_free(store, tenant, {BADGE: badge}) is (badge not in has)


# --- what is outdated ---


def made_by(new: Draft, rules: str) -> Draft:
    return replace(new, rules=rules)


async def outdated(store: Store, tenant: str, rules: str, *, limit: int = 100, kind: str = "User") -> list[int]:
    """The numbers of the resources that are outdated, read page by page."""
    found: list[int] = []
    after = None
    while page := await store.outdated(tenant, kind, rules, after=after, limit=limit):
        assert len(page) <= limit
        found += [int(stored.id[-12:], 16) for stored in page]
        after = page[-1].id
    return found


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_what_was_written_by_other_rules_is_found_by_id_page_by_page(
    store: Store, tenant: str, limit: int
) -> None:
    other = new_tenant()
    for number, rules in enumerate(["2.a", "1.a", "", "2.a", "1.a", "2.b"]):
        for place in (tenant, other):
            await store.create(place, made_by(user(f"user-{number}", number), rules))
    await store.create(tenant, made_by(group(number=9), "1.a"), [Member(resource_id(1))])
    assert await outdated(store, tenant, "2.a", limit=limit) == [1, 2, 4, 5]
    assert await outdated(store, tenant, "1.a", limit=limit) == [0, 2, 3, 5]
    assert await outdated(store, tenant, "1.a", kind="Group") == []
    assert await outdated(store, tenant, "2.a", kind="Group") == [9]


async def test_an_outdated_resource_comes_as_it_is_read_and_is_not_found_when_it_is_rewritten(
    store: Store, tenant: str
) -> None:
    new = made_by(group(number=1), "1.a")
    version = await store.create(tenant, new, [Member("a")])
    [found] = await store.outdated(tenant, "Group", "2.a", limit=10)
    assert (found, found.rules) == (await store.read(tenant, "Group", new.id), "1.a")
    assert (found.version, found.resource) == (version, new.resource)
    await store.change_members(tenant, new.id, adding("b"), touch(new, LATER))
    [found] = await store.outdated(tenant, "Group", "2.a", limit=10)
    await store.replace(tenant, made_by(new, "2.a"), expected=found.version)
    assert await store.outdated(tenant, "Group", "2.a", limit=10) == []
    stored = await store.read(tenant, "Group", new.id)
    assert stored is not None
    assert stored.rules == "2.a"
    assert await everybody(store, tenant, new.id) == ["a", "b"]


async def test_nothing_is_outdated_where_there_is_nothing(store: Store, tenant: str) -> None:
    assert await store.outdated(tenant, "User", "1.a", limit=10) == []
    await store.create(tenant, made_by(user(number=1), "1.a"))
    await store.delete(tenant, "User", resource_id(1))
    assert await store.outdated(tenant, "User", "2.a", limit=10) == []
