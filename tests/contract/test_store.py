"""The contract of every store. A new adapter is correct if these tests pass on it.

Each test has its own customer, so that all tests can share one store.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from scim.protocol import folding
from scim.protocol.filter.binding import All, AnyOf
from scim.storage.errors import AlreadyExists, NotFound, PreconditionFailed
from scim.storage.interface import (
    Member,
    MemberChanges,
    Membership,
    ResourceName,
    Search,
    SearchPage,
    Store,
    Stored,
    WriteModel,
)
from tests.contract.conftest import new_tenant
from tests.contract.filters import ALL_OR_NONE, GROUPS, USERS
from tests.contract.people import PEOPLE
from tests.contract.write_models import (
    RESOURCE_TYPES,
    bound,
    bound_long,
    group,
    kept,
    resource_id,
    touch,
    user,
    write_model,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _short(text: str) -> str:
    """Return a filter as the id of a row: repetitions of a character are shortened to their number."""
    return re.sub(r"(.)\1{9,}", lambda run: f"{run[1]}*{len(run[0])}", text)


LATER = "2026-02-01T00:00:00.000000Z"
STRANGE = ("it's", '"quoted"', "100%", "under_score", "back\\slash", "a/b", "..", "", " ", "é", "e\u0301", "🎉", "\x01")


async def everybody(store: Store, tenant: str, group: str) -> list[str]:
    """Return the values of a group's members."""
    return [item.member.value for item in await store.members(tenant, [group], limit=10_000)]


async def groups_of(store: Store, tenant: str, member: str) -> list[str]:
    return [item.group for item in await store.memberships(tenant, [member], limit=10_000)]


async def found(store: Store, tenant: str, type_name: str = "User", **search: Any) -> SearchPage:
    options: dict[str, Any] = {"filter": None, "offset": 0, "limit": 1_000, **search}
    return await store.search(tenant, type_name, Search(**options))


def ids(items: Sequence[Stored]) -> list[str]:
    return [item.id for item in items]


def adding(*values: str) -> MemberChanges:
    return MemberChanges(add=tuple(Member(value) for value in values))


def removing(*values: str) -> MemberChanges:
    return MemberChanges(remove=values)


# --- one resource ---


async def test_a_created_resource_is_read_unchanged(store: Store, tenant: str) -> None:
    new = user(emails=[{"value": "a@b.example", "type": "work"}], title="🎉 \x01 '\"\\%_", manager="26118915")
    version = await store.create(tenant, new)
    assert await store.read(tenant, "User", new.id) == Stored("User", new.id, version, new.resource)


async def test_reading_a_missing_resource_returns_none(store: Store, tenant: str) -> None:
    assert await store.read(tenant, "User", resource_id(1)) is None


async def test_a_resource_is_read_only_as_its_own_type(store: Store, tenant: str) -> None:
    await store.create(tenant, user(number=1))
    await store.create(tenant, group(number=2))
    assert await store.read(tenant, "Group", resource_id(1)) is None
    assert await store.read(tenant, "User", resource_id(2)) is None


async def test_every_write_gives_a_new_version(store: Store, tenant: str) -> None:
    new = group()
    version = await store.create(tenant, new)
    seen = {version}
    for title in ("one", "two", "two"):
        version = await store.replace(tenant, group(title), expected=version)
        assert version not in seen
        seen.add(version)
    for value in ("a", "b"):
        version = await store.change_members(tenant, new.id, adding(value), touch(new, LATER))
        assert version not in seen
        seen.add(version)
    stored = await store.read(tenant, "Group", new.id)
    assert stored is not None
    assert stored.version == version


async def test_a_replaced_resource_appears_in_reads_and_searches(store: Store, tenant: str) -> None:
    version = await store.create(tenant, user(title="before", active=True))
    after = user(title="after", active=False)
    version = await store.replace(tenant, after, expected=version)
    assert await store.read(tenant, "User", after.id) == Stored("User", after.id, version, after.resource)
    for text, expected in {
        'title eq "before"': [],
        'title eq "after"': [after.id],
        "active eq true": [],
        "active eq false": [after.id],
    }.items():
        assert ids((await found(store, tenant, filter=bound(text))).items) == expected, text


async def test_a_replace_of_an_older_version_changes_nothing(store: Store, tenant: str) -> None:
    first = await store.create(tenant, user(title="first"))
    second = await store.replace(tenant, user(title="second"), expected=first)
    for expected in (first, "", "no version of ours"):
        with pytest.raises(PreconditionFailed):
            await store.replace(tenant, user(title="third"), expected=expected)
    stored = await store.read(tenant, "User", resource_id(1))
    assert stored is not None
    assert (stored.version, stored.resource["title"]) == (second, "second")


async def test_a_deleted_resource_cannot_be_replaced(store: Store, tenant: str) -> None:
    version = await store.create(tenant, user())
    await store.delete(tenant, "User", resource_id(1))
    with pytest.raises(NotFound):
        await store.replace(tenant, user(), expected=version)
    with pytest.raises(NotFound):
        await store.replace(tenant, user(number=2), expected=version)
    assert await store.read(tenant, "User", resource_id(1)) is None
    assert (await found(store, tenant)).total == 0


async def test_a_replace_can_change_members(store: Store, tenant: str) -> None:
    new = group()
    version = await store.create(tenant, new, [Member("a"), Member("b")])
    changes = MemberChanges(add=(Member("c", "User", "Carol"),), remove=("a", "not there"))
    version = await store.replace(tenant, group("Renamed"), expected=version, members=changes)
    assert await store.members(tenant, [new.id], limit=10) == [
        Membership(new.id, Member("b")),
        Membership(new.id, Member("c", "User", "Carol")),
    ]
    with pytest.raises(PreconditionFailed):
        await store.replace(tenant, group("Again"), expected="no version of ours", members=removing("b", "c"))
    assert await everybody(store, tenant, new.id) == ["b", "c"]


async def test_a_deleted_resource_is_gone(store: Store, tenant: str) -> None:
    await store.create(tenant, user(title="x"))
    await store.delete(tenant, "User", resource_id(1))
    assert await store.read(tenant, "User", resource_id(1)) is None
    assert await found(store, tenant, filter=bound('title eq "x"')) == SearchPage([], 0)
    with pytest.raises(NotFound):
        await store.delete(tenant, "User", resource_id(1))


async def test_a_delete_can_require_a_version(store: Store, tenant: str) -> None:
    first = await store.create(tenant, user())
    second = await store.replace(tenant, user(title="x"), expected=first)
    with pytest.raises(PreconditionFailed):
        await store.delete(tenant, "User", resource_id(1), expected=first)
    assert await store.read(tenant, "User", resource_id(1)) is not None
    await store.delete(tenant, "User", resource_id(1), expected=second)
    with pytest.raises(NotFound):
        await store.delete(tenant, "User", resource_id(1), expected=second)


async def test_a_delete_requires_the_type(store: Store, tenant: str) -> None:
    await store.create(tenant, user(number=1))
    with pytest.raises(NotFound):
        await store.delete(tenant, "Group", resource_id(1))
    assert await store.read(tenant, "User", resource_id(1)) is not None


# --- uniqueness ---


async def test_a_key_is_unique(store: Store, tenant: str) -> None:
    await store.create(tenant, user("BJensen", 1))
    with pytest.raises(AlreadyExists):
        await store.create(tenant, user("bjensen", 2))
    assert await store.read(tenant, "User", resource_id(2)) is None
    assert (await found(store, tenant)).total == 1


async def test_a_create_that_is_refused_writes_no_members(store: Store, tenant: str) -> None:
    await store.create(tenant, group("Guides", 1))
    with pytest.raises(AlreadyExists):
        await store.create(tenant, group("guides", 2), [Member("a")])
    assert await everybody(store, tenant, resource_id(2)) == []
    assert await groups_of(store, tenant, "a") == []


async def test_a_replace_cannot_take_the_key_of_another_resource(store: Store, tenant: str) -> None:
    await store.create(tenant, group("First", 1))
    version = await store.create(tenant, group("Second", 2), [Member("a")])
    with pytest.raises(AlreadyExists):
        await store.replace(tenant, group("first", 2, externalId="x"), expected=version, members=removing("a"))
    assert await store.read(tenant, "Group", resource_id(2)) == Stored(
        "Group", resource_id(2), version, group("Second", 2).resource
    )
    assert await everybody(store, tenant, resource_id(2)) == ["a"]
    assert (await found(store, tenant, "Group", filter=bound("externalId pr", "Group"))).total == 0


async def test_a_resource_may_keep_its_key_or_change_its_letter_case(store: Store, tenant: str) -> None:
    version = await store.create(tenant, user("bjensen"))
    version = await store.replace(tenant, user("bjensen", title="x"), expected=version)
    await store.replace(tenant, user("BJensen"), expected=version)


async def test_a_key_is_free_again_after_a_delete_or_a_rename(store: Store, tenant: str) -> None:
    version = await store.create(tenant, user("bjensen", 1))
    await store.replace(tenant, user("babs", 1), expected=version)
    await store.create(tenant, user("bjensen", 2))
    await store.delete(tenant, "User", resource_id(1))
    await store.create(tenant, user("babs", 3))


async def test_types_do_not_share_keys(store: Store, tenant: str) -> None:
    await store.create(tenant, user("Sales", 1))
    await store.create(tenant, group("Sales", 2))


async def test_an_id_is_unique(store: Store, tenant: str) -> None:
    await store.create(tenant, user("first", 1))
    with pytest.raises(AlreadyExists):
        await store.create(tenant, user("second", 1))
    stored = await store.read(tenant, "User", resource_id(1))
    assert stored is not None
    assert stored.resource["userName"] == "first"


@pytest.mark.parametrize(
    ("one", "other"), [("a\\b", "a/b"), ("100%", "1000"), ("a_b", "aXb"), ("e\u0301", "e"), ("a ", "a"), ("a\x01", "a")]
)
async def test_different_keys_do_not_conflict(store: Store, tenant: str, one: str, other: str) -> None:
    await store.create(tenant, user(one, 1))
    await store.create(tenant, user(other, 2))
    assert (await found(store, tenant)).total == 2


# --- customers ---


async def test_customers_can_have_the_same_ids_and_keys(store: Store) -> None:
    one, other, third = new_tenant(), new_tenant(), new_tenant()
    for tenant in (one, other):
        await store.create(tenant, user("bjensen", 1, title=tenant))
        await store.create(tenant, group("Guides", 2, externalId=tenant), [Member(resource_id(1)), Member(tenant)])

    for tenant in (one, other):
        stored = await store.read(tenant, "User", resource_id(1))
        assert stored is not None
        assert stored.resource["title"] == tenant
        assert ids((await found(store, tenant)).items) == [resource_id(1)]
        assert (await found(store, tenant, filter=bound(f'title eq "{other}"'))).total == (tenant == other)
        assert (await found(store, tenant, filter=bound('userName eq "bjensen"'))).total == 1
        assert await everybody(store, tenant, resource_id(2)) == sorted([resource_id(1), tenant])
        assert await groups_of(store, tenant, other) == ([resource_id(2)] if tenant == other else [])
        assert await store.is_member(tenant, resource_id(2), other) is (tenant == other)

    assert await store.read(third, "User", resource_id(1)) is None
    assert await found(store, third) == SearchPage([], 0)
    assert await everybody(store, third, resource_id(2)) == []
    assert await groups_of(store, third, resource_id(1)) == []
    assert await store.names(third, ["User", "Group"], [resource_id(1), resource_id(2)]) == {}
    with pytest.raises(NotFound):
        await store.change_members(third, resource_id(2), adding("x"), touch(group("Guides", 2), LATER))
    with pytest.raises(NotFound):
        await store.delete(third, "User", resource_id(1))
    with pytest.raises(NotFound):
        await store.replace(third, user("bjensen", 1), expected="1")


async def test_writes_for_one_customer_do_not_change_another(store: Store) -> None:
    one, other = new_tenant(), new_tenant()
    guides = group("Guides", 2)
    await store.create(other, user("bjensen", 1))
    version = await store.create(one, user("bjensen", 1))
    for tenant in (one, other):
        await store.create(tenant, guides, [Member(resource_id(1))])
    before = [await store.read(other, type_name, resource_id(n)) for type_name, n in (("User", 1), ("Group", 2))]

    await store.replace(one, user("renamed", 1, title="x"), expected=version)
    await store.change_members(one, guides.id, MemberChanges((Member("x"),), (resource_id(1),)), touch(guides, LATER))
    await store.delete(one, "User", resource_id(1))
    await store.delete(one, "Group", guides.id)

    assert [
        await store.read(other, type_name, resource_id(n)) for type_name, n in (("User", 1), ("Group", 2))
    ] == before
    assert await everybody(store, other, guides.id) == [resource_id(1)]
    assert (await found(store, other, filter=bound('userName eq "bjensen"'))).total == 1


# --- members ---


async def test_a_group_is_created_with_its_members(store: Store, tenant: str) -> None:
    members = [Member("b"), Member("a", "User"), Member("c", "Group", "Guides")]
    new = group()
    await store.create(tenant, new, members)
    assert await store.members(tenant, [new.id], limit=10) == [
        Membership(new.id, member) for member in sorted(members, key=lambda member: member.value)
    ]


async def test_members_are_added_and_removed(store: Store, tenant: str) -> None:
    new = group()
    created = await store.create(tenant, new, [Member("a"), Member("b")])
    changes = MemberChanges(add=(Member("c"), Member("d", "User", "Dora")), remove=("a",))
    version = await store.change_members(tenant, new.id, changes, touch(new, LATER))
    assert version != created
    assert await everybody(store, tenant, new.id) == ["b", "c", "d"]
    assert (await store.members(tenant, [new.id], limit=10))[2].member == Member("d", "User", "Dora")


async def test_a_change_of_members_sets_last_modified_everywhere(store: Store, tenant: str) -> None:
    one, other = group("One", 1), group("Two", 2)
    await store.create(tenant, one)
    await store.create(tenant, other)
    version = await store.change_members(tenant, one.id, adding("a"), touch(one, LATER))
    stored = await store.read(tenant, "Group", one.id)
    assert stored is not None
    meta = {**one.resource["meta"], "lastModified": LATER}
    assert stored == Stored("Group", one.id, version, {**one.resource, "meta": meta})
    for op, expected in {"eq": [one.id], "ge": [one.id], "lt": [other.id], "ne": [other.id]}.items():
        search = await found(store, tenant, "Group", filter=bound(f'meta.lastModified {op} "{LATER}"', "Group"))
        assert ids(search.items) == expected, op
    search = await found(store, tenant, "Group", sort="meta.lastModified", descending=True)
    assert ids(search.items) == [one.id, other.id]


@pytest.mark.parametrize(
    "changes",
    [
        MemberChanges(),
        adding("a"),
        adding("a", "b"),
        removing("x"),
        MemberChanges((Member("b"),), ("x", "y")),
        MemberChanges((Member("a", "User", "another name"),)),
    ],
    ids=["nothing", "there", "both there", "not there", "mixed", "there under another name"],
)
async def test_a_change_without_effect_keeps_version_and_last_modified(
    store: Store, tenant: str, changes: MemberChanges
) -> None:
    new = group()
    version = await store.create(tenant, new, [Member("a"), Member("b")])
    assert await store.change_members(tenant, new.id, changes, touch(new, LATER)) == version
    assert await store.read(tenant, "Group", new.id) == Stored("Group", new.id, version, new.resource)
    assert await store.members(tenant, [new.id], limit=10) == [
        Membership(new.id, Member("a")),
        Membership(new.id, Member("b")),
    ]


async def test_a_change_that_is_partly_done_applies_the_rest(store: Store, tenant: str) -> None:
    new = group()
    created = await store.create(tenant, new, [Member("a"), Member("b"), Member("c")])
    changes = MemberChanges((Member("a"), Member("d")), ("b", "x"))
    version = await store.change_members(tenant, new.id, changes, touch(new, LATER))
    assert version != created
    assert await everybody(store, tenant, new.id) == ["a", "c", "d"]
    stored = await store.read(tenant, "Group", new.id)
    assert stored is not None
    assert stored.resource["meta"]["lastModified"] == LATER


async def test_a_change_of_members_can_require_a_version(store: Store, tenant: str) -> None:
    new = group()
    first = await store.create(tenant, new)
    second = await store.change_members(tenant, new.id, adding("a"), touch(new, LATER), expected=first)
    for changes in (adding("b"), removing("a"), adding("a")):
        with pytest.raises(PreconditionFailed):
            await store.change_members(tenant, new.id, changes, touch(new, LATER), expected=first)
    assert await everybody(store, tenant, new.id) == ["a"]
    assert await store.change_members(tenant, new.id, adding("a"), touch(new, LATER), expected=second) == second


async def test_members_of_a_missing_group_cannot_change(store: Store, tenant: str) -> None:
    new = group()
    with pytest.raises(NotFound):
        await store.change_members(tenant, new.id, adding("a"), touch(new, LATER))
    await store.create(tenant, new)
    await store.delete(tenant, "Group", new.id)
    with pytest.raises(NotFound):
        await store.change_members(tenant, new.id, adding("a"), touch(new, LATER))
    with pytest.raises(NotFound):
        await store.change_members(tenant, new.id, adding("a"), touch(new, LATER), expected="1")
    assert await groups_of(store, tenant, "a") == []


async def test_a_user_has_no_members(store: Store, tenant: str) -> None:
    await store.create(tenant, user(number=1))
    with pytest.raises(NotFound):
        await store.change_members(tenant, resource_id(1), adding("a"), touch(group(), LATER))


async def test_many_members_change_in_one_call(store: Store, tenant: str) -> None:
    new = group()
    values = [f"member-{n:04}" for n in range(350)]
    await store.create(tenant, new, [Member(value) for value in values[:250]])
    changes = MemberChanges(tuple(Member(value) for value in values[200:]), tuple(values[:150]))
    await store.change_members(tenant, new.id, changes, touch(new, LATER))
    assert await everybody(store, tenant, new.id) == values[150:]


async def test_a_deleted_group_has_no_memberships(store: Store, tenant: str) -> None:
    one, other = group("One", 1), group("Two", 2)
    await store.create(tenant, one, [Member("a"), Member(other.id)])
    await store.create(tenant, other, [Member("a")])
    await store.delete(tenant, "Group", one.id)
    assert await everybody(store, tenant, one.id) == []
    assert await groups_of(store, tenant, "a") == [other.id]
    assert await groups_of(store, tenant, other.id) == []
    assert not await store.is_member(tenant, one.id, "a")


async def test_a_deleted_resource_can_be_created_and_deleted_again(store: Store, tenant: str) -> None:
    """Customer records can: their ids are names."""
    for _ in range(3):
        version = await store.create(tenant, user())
        await store.delete(tenant, "User", user().id, expected=version)
        assert await store.read(tenant, "User", user().id) is None


async def test_a_deletion_removes_the_resource_from_its_groups(store: Store, tenant: str) -> None:
    one, other, person = group("One", 1), group("Two", 2), user(number=3)
    await store.create(tenant, person)
    await store.create(tenant, one, [Member(person.id), Member(other.id)])
    await store.create(tenant, other, [Member(person.id), Member("b")])
    await store.delete(tenant, "User", person.id)
    assert await everybody(store, tenant, one.id) == [other.id]
    assert await everybody(store, tenant, other.id) == ["b"]
    assert await groups_of(store, tenant, person.id) == []
    await store.delete(tenant, "Group", other.id)
    assert await everybody(store, tenant, one.id) == []


async def test_a_removed_member_can_be_added_again(store: Store, tenant: str) -> None:
    new = group()
    await store.create(tenant, new, [Member("a", "User", "old")])
    await store.change_members(tenant, new.id, removing("a"), touch(new, LATER))
    await store.change_members(tenant, new.id, MemberChanges((Member("a", "Group", "new"),)), touch(new, LATER))
    assert await store.members(tenant, [new.id], limit=10) == [Membership(new.id, Member("a", "Group", "new"))]


async def test_a_member_removed_and_added_in_one_change_has_the_added_attributes(store: Store, tenant: str) -> None:
    new = group()
    version = await store.create(tenant, new, [Member("a", "User", "old"), Member("b")])
    changes = MemberChanges((Member("a", "Group", "new"), Member("c")), ("a",))
    changed = await store.change_members(tenant, new.id, changes, touch(new, LATER), expected=version)
    members = [Member("a", "Group", "new"), Member("b"), Member("c")]
    assert await store.members(tenant, [new.id], limit=10) == [Membership(new.id, member) for member in members]
    # It may be missing meanwhile: the deletion of a user removes it from groups, whose version doesn't change.
    changes = MemberChanges((Member("gone", None, "back"),), ("gone", "b"))
    await store.change_members(tenant, new.id, changes, touch(new, LATER), expected=changed)
    assert await everybody(store, tenant, new.id) == ["a", "c", "gone"]


async def test_member_values_are_stored_unchanged(store: Store, tenant: str) -> None:
    new = group()
    values = (*filter(None, STRANGE), "A", "a", "x" * 1024)
    await store.create(tenant, new, [Member(value) for value in values])
    assert await everybody(store, tenant, new.id) == sorted(values)
    for value in values:
        assert await store.is_member(tenant, new.id, value)
        assert await groups_of(store, tenant, value) == [new.id]
    await store.change_members(tenant, new.id, removing(*STRANGE, "a"), touch(new, LATER))
    assert await everybody(store, tenant, new.id) == sorted({"A", "x" * 1024})


async def test_is_member_compares_group_and_value(store: Store, tenant: str) -> None:
    one, other = group("One", 1), group("Two", 2)
    await store.create(tenant, one, [Member("a")])
    await store.create(tenant, other)
    assert await store.is_member(tenant, one.id, "a")
    assert not await store.is_member(tenant, one.id, "A")
    assert not await store.is_member(tenant, other.id, "a")
    assert not await store.is_member(tenant, "a", one.id)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_members_of_several_groups_are_read_page_by_page(store: Store, tenant: str, size: int) -> None:
    members = {3: ["a", "c"], 1: ["b", "a", "z"], 2: [], 4: ["only in a group that isn't asked for"]}
    for number, values in members.items():
        await store.create(tenant, group(f"Group {number}", number), [Member(value) for value in values])
    asked = [resource_id(n) for n in (3, 1, 2)]
    seen: list[tuple[str, str]] = []
    after = None
    while page := await store.members(tenant, asked, after=after, limit=size):
        assert len(page) <= size
        seen += [(item.group, item.member.value) for item in page]
        after = seen[-1]
    assert seen == [(resource_id(n), value) for n in (1, 2, 3) for value in sorted(members[n])]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_memberships_of_several_members_are_read_page_by_page(store: Store, tenant: str, size: int) -> None:
    members = {1: ["b", "a"], 2: ["a", "somebody who isn't asked for"], 3: ["c", "a"]}
    for number, values in members.items():
        await store.create(tenant, group(f"Group {number}", number), [Member(value) for value in values])
    seen: list[tuple[str, str]] = []
    after = None
    while page := await store.memberships(tenant, ["c", "a", "b", "x"], after=after, limit=size):
        assert len(page) <= size
        seen += [(item.member.value, item.group) for item in page]
        after = seen[-1]
    expected = {"a": (1, 2, 3), "b": (1,), "c": (3,)}
    assert seen == [(value, resource_id(n)) for value, numbers in expected.items() for n in numbers]


async def test_a_page_may_begin_behind_a_removed_member(store: Store, tenant: str) -> None:
    new = group()
    await store.create(tenant, new, [Member(value) for value in "abcd"])
    await store.change_members(tenant, new.id, removing("b"), touch(new, LATER))
    page = await store.members(tenant, [new.id], after=(new.id, "b"), limit=10)
    assert [item.member.value for item in page] == ["c", "d"]
    assert await store.members(tenant, [new.id], after=(new.id, "d"), limit=10) == []


async def test_empty_lists_of_ids_have_empty_results(store: Store, tenant: str) -> None:
    await store.create(tenant, group(), [Member("a")])
    assert await store.members(tenant, [], limit=10) == []
    assert await store.memberships(tenant, [], limit=10) == []
    assert await store.names(tenant, ["User"], []) == {}
    assert await store.names(tenant, [], [group().id]) == {}


async def test_names_has_type_and_display_name_of_existing_resources(store: Store, tenant: str) -> None:
    await store.create(tenant, user("bjensen", 1, displayName="Babs Jensen"))
    await store.create(tenant, user("jsmith", 2))
    await store.create(tenant, group("Guides", 3))
    asked = [resource_id(n) for n in (1, 2, 3, 4)] + list(STRANGE)
    assert await store.names(tenant, ["User", "Group"], asked) == {
        resource_id(1): ResourceName("User", "Babs Jensen"),
        resource_id(2): ResourceName("User", None),
        resource_id(3): ResourceName("Group", "Guides"),
    }
    assert await store.names(tenant, ["Group"], asked) == {resource_id(3): ResourceName("Group", "Guides")}


# --- search ---


async def test_without_a_sort_resources_are_in_the_order_of_creation(store: Store, tenant: str) -> None:
    names = ["zoe", "adam", "Mia", "élodie"]
    for number, name in enumerate(names):
        await store.create(tenant, user(name, number))
    search = await found(store, tenant)
    assert [item.resource["userName"] for item in search.items] == names
    assert search.total == len(names)


@pytest.mark.parametrize(
    ("offset", "limit", "kept"),
    [
        (0, 3, [0, 1, 2]),
        (3, 3, [3, 4, 5]),
        (6, 3, [6]),
        (6, 1, [6]),
        (5, 2, [5, 6]),
        (7, 3, []),
        (100, 3, []),
        (0, 0, []),
        (3, 0, []),
        (100, 0, []),
        (0, 7, [0, 1, 2, 3, 4, 5, 6]),
        (0, 1000, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
async def test_a_page_has_its_items_and_the_correct_total(
    store: Store, tenant: str, offset: int, limit: int, kept: list[int]
) -> None:
    for number in range(7):
        await store.create(tenant, user(f"user-{number}", number, title="odd" if number % 2 else "even"))
    expected = [resource_id(number) for number in kept]
    search = await found(store, tenant, offset=offset, limit=limit)
    assert (ids(search.items), search.total) == (expected, 7)
    search = await found(store, tenant, offset=offset, limit=limit, filter=bound('userName sw "user"'))
    assert (ids(search.items), search.total) == (expected, 7)
    search = await found(store, tenant, offset=offset, limit=limit, sort="userName")
    assert (ids(search.items), search.total) == (expected, 7)
    search = await found(store, tenant, offset=offset, limit=limit, filter=bound('title eq "odd"'))
    assert search.total == 3
    assert ids(search.items) == [resource_id(n) for n in (1, 3, 5)][offset : offset + limit]


async def test_an_empty_search_has_a_total_of_zero(store: Store, tenant: str) -> None:
    for offset in (0, 5):
        for limit in (0, 5):
            assert await found(store, tenant, offset=offset, limit=limit) == SearchPage([], 0)


async def test_a_search_stays_within_one_type(store: Store, tenant: str) -> None:
    await store.create(tenant, user("same", 1, externalId="x"))
    await store.create(tenant, group("same", 2, externalId="x"))
    for type_name, number in (("User", 1), ("Group", 2)):
        for tree in (None, bound('externalId eq "x"', type_name), bound("externalId pr", type_name)):
            assert ids((await found(store, tenant, type_name, filter=tree)).items) == [resource_id(number)], tree


@pytest.mark.parametrize("type_name", ["User", "Group"])
@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
async def test_every_sort_orders_by_the_folded_value_and_treats_missing_values_as_largest(
    store: Store, people: str, type_name: str, descending: bool
) -> None:
    """Missing values are last in ascending and first in descending order. Equal values are ordered by id."""
    write_models = [write_model(k, body, id=resource_id(n)) for n, (k, body) in enumerate(PEOPLE) if k == type_name]
    for path, names in RESOURCE_TYPES[type_name].sort_paths.items():
        present = [new for new in write_models if _sort_value(new, names) is not None]
        missing = [new for new in write_models if _sort_value(new, names) is None]
        present.sort(key=lambda new: (_sort_value(new, names) or "", new.id))
        expected = [new.id for new in (*present, *missing)]
        if descending:
            expected.reverse()
        search = await found(store, people, type_name, sort=path, descending=descending)
        assert ids(search.items) == expected, path
        assert search.total == len(write_models)
        page = await found(store, people, type_name, sort=path, descending=descending, offset=2, limit=2)
        assert ids(page.items) == expected[2:4], path


def _sort_value(new: WriteModel, names: tuple[str, ...]) -> str | None:
    """Return the sort value of a resource, in the simplest way."""
    value: Any = new.resource
    for name in names:
        value = value.get(name, {})
    if isinstance(value, list):
        value = ([e for e in value if e.get("primary") is True] or value)[0].get("value")
    if isinstance(value, bool):
        return str(int(value))
    if names[0] == "meta":
        return str(new.search_fields["meta"][names[1]])
    if not isinstance(value, str):
        return None
    return (value if names[0] == "externalId" else folding.fold(value))[:256]


async def test_a_sort_can_be_combined_with_a_filter(store: Store, people: str) -> None:
    search = await found(store, people, filter=bound('emails[type eq "work"]'), sort="userName", descending=True)
    names = [item.resource["userName"] for item in search.items]
    assert names == ["two-works", "split-terms", "jsmith", "jdoe2", "bjensen@example.com"]


@pytest.mark.parametrize("text", [*USERS, *ALL_OR_NONE], ids=_short)
async def test_a_search_finds_the_users_that_the_reference_evaluator_matches(
    store: Store, people: str, text: str
) -> None:
    await _agrees(store, people, "User", text)


@pytest.mark.parametrize("text", GROUPS)
async def test_a_search_finds_the_groups_that_the_reference_evaluator_matches(
    store: Store, people: str, text: str
) -> None:
    await _agrees(store, people, "Group", text)


async def _agrees(store: Store, tenant: str, type_name: str, text: str) -> None:
    tree = bound(text, type_name)
    expected = kept(type_name, text)
    search = await found(store, tenant, type_name, filter=tree)
    assert (ids(search.items), search.total) == (expected, len(expected))
    # A page is a part of the whole list for each form of the search, and the total is the length of the list.
    page = await found(store, tenant, type_name, filter=tree, offset=1, limit=1)
    assert (ids(page.items), page.total) == (expected[1:2], len(expected))
    # With so many comparisons that a store evaluates them in another way, in any order and page by page.
    for several in (All((tree,) * 5), AnyOf((tree,) * 5)):
        search = await found(store, tenant, type_name, filter=several, offset=1, sort="meta.created", descending=True)
        assert (set(ids(search.items)) < set(expected) or not expected, search.total) == (True, len(expected))
    page = await found(store, tenant, type_name, filter=several, offset=1, limit=1)
    assert (ids(page.items), page.total) == (expected[1:2], len(expected))


async def test_a_filter_of_a_thousand_terms_works(store: Store, people: str) -> None:
    names = ["jsmith", *(f"nobody-{n}" for n in range(998)), "jdoe"]
    one_of = await found(store, people, filter=bound_long(" or ", 'userName eq "{}"', names))
    assert [item.resource["userName"] for item in one_of.items] == ["jsmith", "JDOE"]
    none_of = await found(store, people, filter=bound_long(" and ", 'userName ne "{}"', names))
    assert none_of.total == sum(type_name == "User" for type_name, _ in PEOPLE) - 2


async def test_a_filter_as_deep_as_the_limit_works(store: Store, people: str) -> None:
    text = 'userName eq "jsmith"'
    for level in range(40):
        text = f"not ({text})" if level % 2 else f'({text} or title eq "nobody-{level}")'
    assert kept("User", text) == ids((await found(store, people, filter=bound(text))).items)


# --- races ---


async def test_of_concurrent_replaces_of_one_version_exactly_one_succeeds(store: Store, tenant: str) -> None:
    version = await store.create(tenant, user(title="start"))
    for turn in range(5):

        async def write(number: int, turn: int = turn, expected: str = version) -> str | None:
            try:
                return await store.replace(tenant, user(title=f"{turn}/{number}"), expected=expected)
            except PreconditionFailed:
                return None

        versions = await asyncio.gather(*(write(number) for number in range(8)))
        [winner] = [number for number, new in enumerate(versions) if new is not None]
        stored = await store.read(tenant, "User", resource_id(1))
        assert stored is not None
        assert (stored.resource["title"], stored.version) == (f"{turn}/{winner}", versions[winner])
        version = stored.version


async def test_of_concurrent_creates_with_one_key_exactly_one_succeeds(store: Store, tenant: str) -> None:
    async def write(number: int) -> bool:
        try:
            await store.create(tenant, group("The one", number), [Member(f"of-{number}")])
        except AlreadyExists:
            return False
        return True

    won = await asyncio.gather(*(write(number) for number in range(8)))
    assert won.count(True) == 1
    winner = resource_id(won.index(True))
    assert ids((await found(store, tenant, "Group")).items) == [winner]
    members = await store.members(tenant, [resource_id(number) for number in range(8)], limit=100)
    assert [item.group for item in members] == [winner]


async def test_concurrent_member_changes_are_all_applied(store: Store, tenant: str) -> None:
    new = group()
    await store.create(tenant, new, [Member(f"old-{number}") for number in range(16)])

    async def write(number: int) -> str:
        changes = MemberChanges((Member(f"new-{number:02}"), Member("shared")), (f"old-{number}",))
        return await store.change_members(tenant, new.id, changes, touch(new, LATER))

    versions = await asyncio.gather(*(write(number) for number in range(16)))
    assert len(set(versions)) == 16
    assert await everybody(store, tenant, new.id) == [*(f"new-{number:02}" for number in range(16)), "shared"]


async def test_a_deleted_group_has_no_members_that_were_added_concurrently(store: Store, tenant: str) -> None:
    new = group()
    await store.create(tenant, new)

    async def add(number: int) -> None:
        try:
            await store.change_members(tenant, new.id, adding(f"m{number}"), touch(new, LATER))
        except NotFound:
            return

    async with asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(add(number))
            if number == 4:
                tasks.create_task(store.delete(tenant, "Group", new.id))
    assert await store.read(tenant, "Group", new.id) is None
    assert await everybody(store, tenant, new.id) == []
    assert await groups_of(store, tenant, "m0") == []


# --- a whole customer ---


async def everything(store: Store, tenant: str) -> list[Stored | Membership]:
    return [kept async for page in store.everything(tenant) for kept in page]


async def test_everything_yields_resources_and_then_members(store: Store, tenant: str) -> None:
    other = new_tenant()
    person, one, empty = user(number=1), group("One", 2), group("Two", 3)
    for place in (tenant, other):
        await store.create(place, person)
        await store.create(place, one, [Member(person.id, "User", "Babs"), Member("it's \x01 \u00e9 🎉")])
        await store.create(place, empty)
    await store.create(other, user("somebody else", 4))
    kept = await everything(store, tenant)
    resources = [item for item in kept if isinstance(item, Stored)]
    assert kept[: len(resources)] == resources
    assert {item.id: item.resource for item in resources} == {new.id: new.resource for new in (person, one, empty)}
    assert sorted(kept[3:], key=lambda item: item.member.value if isinstance(item, Membership) else "") == [
        Membership(one.id, Member(person.id, "User", "Babs")),
        Membership(one.id, Member("it's \x01 \u00e9 🎉")),
    ]
    assert await store.count(tenant) == 5


async def test_everything_yields_each_item_once(store: Store, tenant: str) -> None:
    values = [f"member-{number}" for number in range(2_345)]
    await store.create(tenant, group(), [Member(value) for value in values])
    pages = [page async for page in store.everything(tenant)]
    assert len(pages) > 2
    assert max(len(page) for page in pages) <= 1_000
    seen = [item.member.value for page in pages for item in page if isinstance(item, Membership)]
    assert sorted(seen) == sorted(values)


async def test_everything_of_an_empty_customer_is_empty(store: Store, tenant: str) -> None:
    assert await everything(store, tenant) == []
    assert await store.count(tenant) == 0
    assert [number async for number in store.erase(tenant)] == []


async def test_an_erasure_deletes_all_data_of_one_customer_only(store: Store, tenant: str) -> None:
    other = new_tenant()
    for place in (tenant, other):
        await store.create(place, user("bjensen", 1))
        await store.create(place, user("leaver", 2))
        await store.create(place, group(), [Member(f"member-{number}") for number in range(1_200)])
        await store.delete(place, "User", resource_id(2))  # leaves a deletion marker in some stores
    before = await everything(store, other)
    found_before = await store.count(tenant)
    assert sum([number async for number in store.erase(tenant)]) == found_before
    assert await store.count(tenant) == 0
    assert await everything(store, tenant) == []
    assert await found(store, tenant, filter=bound('userName eq "bjensen"')) == SearchPage([], 0)
    assert await everything(store, other) == before
    # Keys and unique values are free again.
    await store.create(tenant, user("bjensen", 5))
    assert ids((await found(store, tenant, filter=bound('userName eq "bjensen"'))).items) == [resource_id(5)]


async def test_a_repeated_erasure_completes_an_interrupted_one(store: Store, tenant: str) -> None:
    await store.create(tenant, group(), [Member(f"member-{number}") for number in range(1_200)])
    async for _ in store.erase(tenant):
        break
    left = await store.count(tenant)
    assert 0 < left < 1_201
    assert sum([number async for number in store.erase(tenant)]) == left
    assert await store.count(tenant) == 0


async def test_a_sweep_deletes_no_data_of_existing_resources(store: Store, tenant: str) -> None:
    await store.create(tenant, user(number=1))
    await store.create(tenant, group(), [Member(resource_id(1)), Member("nobody")])
    before = await everything(store, tenant)
    assert await store.sweep(tenant) == 0
    assert await everything(store, tenant) == before
