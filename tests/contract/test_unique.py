"""Requests on types with custom unique attributes, and their reindexing, through the service on every store."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

import orjson
import pytest

from scim.ids import uuid7
from scim.protocol import folding, search_fields
from scim.protocol.errors import InvalidValue, ScimError, Uniqueness
from scim.protocol.filter import binding, syntax
from scim.protocol.filter.binding import Bound
from scim.protocol.limits import Limits
from scim.protocol.schema.registry import Registry, core
from scim.service.members import GroupMembers
from scim.service.memberships import Memberships
from scim.service.passwords import Passwords, forget
from scim.service.reindex import Reindex, ReindexResult
from scim.service.request_context import RequestContext
from scim.service.resources import Resources, Result
from scim.storage.interface import Search, Store
from tests.contract.own_types import BADGE, CAMPUS, USER, attribute, body, registry, with_characteristics

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN: Final = registry(attribute("badge", uniqueness="none"), attribute("tag", uniqueness="none"))
UNIQUE: Final = registry(attribute("badge"), attribute("tag", uniqueness="none"))
EXACT: Final = registry(attribute("badge", case_exact=True), attribute("tag"))
LIMITS: Final = Limits()


_seconds = count(1)


def _clock() -> datetime:
    """Return a clock that advances with every reading, so that ids are in the order of their creation."""
    return datetime(2026, 1, 31, tzinfo=UTC) + timedelta(seconds=next(_seconds))


async def at_once(seconds: float) -> None:
    """Sleep without waiting."""


class Service:
    """The operations of the service on the types of a registry, for one customer."""

    def __init__(self, store: Store, tenant: str, types: Registry) -> None:
        self.store, self.tenant, self.types = store, tenant, types
        memberships = Memberships(store, types, LIMITS, timer=lambda: 0.0, sleep=at_once)
        self._resources = Resources(
            store,
            types,
            LIMITS,
            memberships,
            GroupMembers(store, LIMITS, memberships, clock=_clock),
            Passwords(forget),
            clock=_clock,
            new_id=uuid7(_clock),
            sleep=at_once,
        )
        self._context = RequestContext(tenant, "https://scim.example.com")

    def under(self, types: Registry) -> "Service":
        """Return a service for the same customer with other schemas."""
        return Service(self.store, self.tenant, types)

    async def post(self, sent: Any, type_name: str = "User") -> str:
        answer = await self._resources.create(self._context, self.types.resource_types[type_name], sent)
        assert answer.resource is not None
        return str(answer.resource["id"])

    async def put(self, id: str, sent: Any) -> Result:
        resource_type = self.types.resource_types["User"]
        return await self._resources.put(self._context, resource_type, id, sent)

    async def patch(self, id: str, path: str, value: Any, op: str = "replace", type_name: str = "User") -> None:
        operation = {"op": op, "path": path, **({} if op == "remove" else {"value": value})}
        sent = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]}
        resource_type = self.types.resource_types[type_name]
        await self._resources.patch(self._context, resource_type, id, sent)

    async def get(self, id: str, type_name: str = "User") -> Any:
        """Return the resource as a client reads it."""
        resource_type = self.types.resource_types[type_name]
        answer = await self._resources.get(self._context, resource_type, id)
        return orjson.loads(orjson.dumps(answer.resource))

    async def delete(self, id: str) -> None:
        await self._resources.delete(self._context, self.types.resource_types["User"], id)

    async def sorted(self, path: str) -> list[str]:
        found = await self.store.search(self.tenant, "User", Search(None, 0, 100, sort=path))
        return [item.resource["userName"] for item in found.items]

    async def reindexed(self) -> list[ReindexResult]:
        """Return the results of a reindex."""
        return [seen async for seen in Reindex(self.store, self.types, at_once).run(self.tenant)]

    async def outdated(self) -> set[str]:
        found = set()
        for resource_type in self.types.resource_types.values():
            page = await self.store.outdated(
                self.tenant, resource_type.name, search_fields.index_version(resource_type), limit=100
            )
            found |= {item.id for item in page}
        return found


@pytest.fixture
def service(store: Store, tenant: str) -> Service:
    return Service(store, tenant, UNIQUE)


def bound(text: str, service: Service) -> Bound:
    """Return a bound filter on the users of these types."""
    return binding.bind(syntax.parse(text), service.types.resource_types["User"])


async def refused(attempt: Any, path: str = BADGE) -> Uniqueness:
    with pytest.raises(Uniqueness) as raised:
        await attempt
    assert (raised.value.status, raised.value.scim_type) == (409, "uniqueness")
    assert f"'{path}'" in raised.value.detail
    return raised.value


# --- requests ---


async def test_a_value_is_unique_in_all_requests_and_free_after_its_removal(service: Service) -> None:
    one = await service.post(body("ada", badge="A1"))
    two = await service.post(body("bob", badge="B2"))
    await refused(service.post(body("eve", badge="a1")))
    await refused(service.put(two, body("bob", badge="A1")))
    await refused(service.patch(two, BADGE, "a1"))
    assert (await service.get(two))[CAMPUS] == {"badge": "B2"}
    await service.patch(one, BADGE, "C3")
    await service.patch(two, BADGE, "a1")
    await service.patch(one, BADGE, None, "remove")
    await service.post(body("eve", badge="c3"))
    await service.put(two, body("bob"))
    await service.post(body("joe", badge="A1"))
    await service.delete(two)
    assert await service.outdated() == set()


async def test_other_changes_and_changes_of_letter_case_keep_the_value(service: Service) -> None:
    one = await service.post(body("ada", badge="A1", tag="x"))
    await service.patch(one, "title", "Countess")
    await service.patch(one, f"{CAMPUS}:tag", "y")
    await service.patch(one, BADGE, "a1")
    await service.patch(one, BADGE, "A1")
    await refused(service.post(body("eve", badge="a1")))


async def test_the_error_states_whether_letter_case_matters(store: Store, tenant: str) -> None:
    service = Service(store, tenant, EXACT)
    await service.post(body("ada", badge="A1", tag="x"))
    await service.post(body("bob", badge="a1"))
    error = await refused(service.post(body("eve", badge="A1")))
    assert "lower case" not in error.detail
    error = await refused(service.post(body("eve", tag="X")), f"{CAMPUS}:tag")
    assert "upper and lower case count as equal" in error.detail
    error = await refused(service.post(body("ADA")), "userName")
    assert "upper and lower case count as equal" in error.detail
    assert "A1" not in error.detail


async def test_missing_values_and_other_types_do_not_conflict(service: Service) -> None:
    for name in ("ada", "bob"):
        await service.post(body(name))
        await service.post({**body(f"{name}2"), CAMPUS: {"badge": None, "tag": "same"}})
        await service.post({**body(f"{name}3"), CAMPUS: {"badge": ""}})
    await service.post(body("eve", badge="A1"))
    await service.post({"displayName": "Guides", CAMPUS: {"badge": "A1"}}, "Group")
    await refused(service.post({"displayName": "Others", CAMPUS: {"badge": "a1"}}, "Group"))


LONGEST = [  # of 1,024 bytes after folding
    pytest.param("x" * 1_024, id="ascii"),
    pytest.param("\u55b6\u696d\u90e8\U00020bb7" * 64 + "\u55b6" * 64, id="cjk"),
    pytest.param("\U0001f389" * 256, id="outside-the-bmp"),
    pytest.param("e\u0301" * 512, id="decomposed"),
    pytest.param("\uff21" * 1_024, id="full-width"),
    pytest.param("\u1112\u1161\u11ab" * 341 + "x", id="hangul-letters"),
]


@pytest.mark.parametrize("value", LONGEST)
async def test_a_value_of_1024_bytes_is_unique_and_a_longer_one_is_refused(service: Service, value: str) -> None:
    """The length counts after folding: of the key and of a unique value, in POST and PATCH."""
    assert len(folding.fold(value).encode()) == search_fields.KEY_BYTES
    one = await service.post(body(value, badge=value))
    await refused(service.post(body(value.upper())), "userName")
    await refused(service.post(body("bob", badge=value.upper())))
    guides = await service.post({"displayName": value}, "Group")
    await refused(service.post({"displayName": value.upper()}, "Group"), "displayName")
    for attempt, path in (
        (service.post(body(f"{value}x")), "userName"),
        (service.post({"displayName": f"{value}x"}, "Group"), "displayName"),
        (service.patch(guides, "displayName", f"{value}x", type_name="Group"), "displayName"),
        (service.post(body("eve", badge=f"{value}x")), BADGE),
        (service.patch(one, BADGE, f"{value}x"), BADGE),
    ):
        with pytest.raises(InvalidValue, match=r"at most 1024 bytes .* has 1025") as raised:
            await attempt
        assert f"'{path}'" in raised.value.detail


async def test_a_large_group_has_unique_values(service: Service) -> None:
    many = [{"value": f"m{number}"} for number in range(150)]
    one = await service.post({"displayName": "One", "members": many, CAMPUS: {"badge": "1"}}, "Group")
    await refused(service.post({"displayName": "Two", "members": many, CAMPUS: {"badge": "1"}}, "Group"))
    await service.patch(one, "members", [{"value": f"n{number}"} for number in range(150)], "add", "Group")
    await service.patch(one, BADGE, "2", type_name="Group")
    assert len((await service.get(one, "Group"))["members"]) == 300
    await service.post({"displayName": "Two", "members": many, CAMPUS: {"badge": "1"}}, "Group")


async def test_the_key_of_a_type_without_a_unique_attribute_is_the_id(store: Store, tenant: str) -> None:
    service = Service(
        store, tenant, registry(attribute("badge"), user=with_characteristics(USER, "userName", required=False))
    )
    one = await service.post(body("same", badge="1"))
    await refused(
        service.post(body("same", badge="2")), "userName"
    )  # userName is still unique, although it isn't the key
    await service.patch(one, "userName", "other")
    await service.post(body("same", badge="2"))


async def test_of_concurrent_requests_for_one_value_exactly_one_succeeds(service: Service) -> None:
    ids = [await service.post(body(f"user-{number}", badge=str(number))) for number in range(4)]

    async def attempt(work: Any) -> bool:
        try:
            await work
        except Uniqueness:
            return False
        return True

    patches = [attempt(service.patch(id, BADGE, "new")) for id in ids]
    creates = [attempt(service.post(body(f"new-{number}", badge="NEW"))) for number in range(4)]
    assert (await asyncio.gather(*patches, *creates)).count(True) == 1


# --- reindexing ---


async def test_a_reindex_makes_the_values_of_a_newly_unique_attribute_unique(store: Store, tenant: str) -> None:
    before = Service(store, tenant, PLAIN)
    one = await before.post(body("ada", badge="A1"))
    group = await before.post({"displayName": "Guides", "members": [{"value": one}], CAMPUS: {"badge": "A1"}}, "Group")
    none = await before.post(body("bob"))
    was = [await before.get(one), await before.get(none), await before.get(group, "Group")]
    service = before.under(UNIQUE)
    assert await service.outdated() == {one, group, none}
    assert await service.reindexed() == [
        ReindexResult("User", one),
        ReindexResult("User", none),
        ReindexResult("Group", group),
    ]
    await refused(service.post(body("eve", badge="a1")))
    await refused(service.post({"displayName": "Two", CAMPUS: {"badge": "a1"}}, "Group"))
    assert await service.outdated() == set()
    assert await service.reindexed() == []
    now = [await service.get(one), await service.get(none), await service.get(group, "Group")]
    for old, new in zip(was, now, strict=True):
        assert old["meta"].pop("version") != new["meta"].pop("version")
        assert old == new


async def test_a_reindex_reports_duplicates_and_the_oldest_resource_keeps_the_unique_value(
    store: Store, tenant: str
) -> None:
    before = Service(store, tenant, PLAIN)
    ids = [await before.post(body(f"user-{number}", badge=badge)) for number, badge in enumerate(["1", "2", "1", "1"])]
    service = before.under(UNIQUE)
    found = await service.reindexed()
    assert found == [ReindexResult("User", id, () if number < 2 else (BADGE,)) for number, id in enumerate(ids)]
    assert [bool(seen) for seen in found] == [True, True, False, False]
    assert await service.outdated() == set(ids[2:])
    assert [(await service.get(id))[CAMPUS]["badge"] for id in ids] == ["1", "2", "1", "1"]
    # Other attributes of a duplicate can change, and that doesn't affect the resource that has the value.
    await service.patch(ids[2], "active", False)
    await refused(service.post(body("eve", badge="1")))
    await refused(service.patch(ids[2], BADGE, "2"))
    # After the other duplicates have lost the value, one resource has it.
    await service.patch(ids[2], BADGE, "3")
    await service.delete(ids[3])
    assert await service.outdated() == set()
    for badge in "123":
        await refused(service.post(body("eve", badge=badge)))
    await service.delete(ids[0])
    await service.post(body("eve", badge="1"))


async def test_after_a_removal_the_next_reindex_gives_the_value_to_a_duplicate(store: Store, tenant: str) -> None:
    before = Service(store, tenant, PLAIN)
    ids = [await before.post(body(f"user-{number}", badge="1")) for number in range(2)]
    service = before.under(UNIQUE)
    await service.reindexed()
    await service.patch(ids[0], BADGE, None, "remove")
    assert await service.reindexed() == [ReindexResult("User", ids[1])]
    await refused(service.patch(ids[0], BADGE, "1"))


async def test_a_change_of_an_outdated_resource_reindexes_it(store: Store, tenant: str) -> None:
    before = Service(store, tenant, PLAIN)
    one, two, three = [
        await before.post(body(name, badge=badge)) for name, badge in (("a", "1"), ("b", "1"), ("c", "3"))
    ]
    service = before.under(UNIQUE)
    await service.patch(one, "title", "x")
    await refused(service.post(body("eve", badge="1")))
    await service.patch(two, "title", "x")
    await service.patch(three, BADGE, "4")
    assert await service.outdated() == {two}
    await service.post(body("eve", badge="3"))
    await refused(service.post(body("joe", badge="4")))


async def test_values_of_an_attribute_that_is_no_longer_unique_are_released(store: Store, tenant: str) -> None:
    first = Service(store, tenant, UNIQUE)
    one = await first.post(body("ada", badge="1"))
    two = await first.post(body("bob", badge="2"))
    between = first.under(PLAIN)
    await between.post(body("eve", badge="1"))
    await between.patch(two, BADGE, "3")
    await between.reindexed()
    again = between.under(UNIQUE)
    found = await again.reindexed()
    assert [seen.conflicts for seen in found] == [(), (), (BADGE,)]
    await again.post(body("joe", badge="2"))
    await refused(again.patch(one, BADGE, "3"))


async def test_a_schema_changed_and_restored_keeps_exactly_its_unique_values(store: Store, tenant: str) -> None:
    first = Service(store, tenant, UNIQUE)
    one = await first.post(body("ada", badge="1"))
    two = await first.post(body("bob", badge="2"))
    between = first.under(PLAIN)
    await between.patch(one, BADGE, "3")
    again = between.under(UNIQUE)
    assert two not in await again.outdated()
    await again.reindexed()
    await again.post(body("eve", badge="1"))
    await refused(again.post(body("joe", badge="3")))
    await refused(again.post(body("joe", badge="2")))


async def test_a_reindex_without_case_sensitivity_reports_equal_values(store: Store, tenant: str) -> None:
    before = Service(store, tenant, registry(attribute("badge", case_exact=True)))
    await before.post(body("ada", badge="a"))
    two = await before.post(body("bob", badge="A"))
    after = before.under(registry(attribute("badge")))
    assert [seen for seen in await after.reindexed() if not seen] == [ReindexResult("User", two, (BADGE,))]


async def test_a_newly_sortable_attribute_sorts_all_resources_after_a_reindex(store: Store, tenant: str) -> None:
    before = Service(store, tenant, core())
    for name, nick in (("ada", "z"), ("bob", "a"), ("eve", None)):
        await before.post({"userName": name, **({"nickName": nick} if nick else {})})
    user = with_characteristics(USER, "nickName", sortable=True)
    resource_types = {**core().resource_types, "User": user}
    service = before.under(Registry(core().schemas, resource_types))
    await service.reindexed()
    assert await service.sorted("nickName") == ["bob", "ada", "eve"]


async def test_the_next_run_continues_an_interrupted_reindex(store: Store, tenant: str) -> None:
    before = Service(store, tenant, PLAIN)
    ids = [await before.post(body(f"user-{number}", badge=str(number))) for number in range(250)]
    service = before.under(UNIQUE)
    done = 0
    async for _ in Reindex(store, UNIQUE, at_once).run(tenant):
        done += 1
        if done == 120:
            break
    assert [seen.id for seen in await service.reindexed()] == ids[120:]
    assert await service.outdated() == set()


async def test_concurrent_changes_during_a_reindex_are_kept_and_up_to_date(store: Store, tenant: str) -> None:
    """After a page was read, one resource is patched, one gets a member, and one is deleted."""
    before = Service(store, tenant, PLAIN)
    people = [await before.post(body(f"user-{number}", badge=str(number))) for number in range(3)]
    group = await before.post({"displayName": "Guides"}, "Group")
    other = await before.post({"displayName": "Others"}, "Group")
    service = before.under(UNIQUE)
    async for seen in Reindex(store, UNIQUE, at_once).run(tenant):
        if seen.id == people[0]:
            await service.patch(people[1], BADGE, "changed")
            await service.delete(people[2])
        if seen.id == group:
            await before.patch(other, "members", [{"value": "m"}], "add", "Group")
        assert seen
    assert (await service.get(people[1]))[CAMPUS]["badge"] == "changed"
    assert [one["value"] for one in (await service.get(other, "Group"))["members"]] == ["m"]
    assert await service.outdated() == set()
    await refused(service.post(body("eve", badge="CHANGED")))
    await service.post(body("eve", badge="1"))
    await service.post(body("joe", badge="2"))


async def test_concurrent_reindexes_and_requests_keep_each_value_unique(store: Store, tenant: str) -> None:
    before = Service(store, tenant, PLAIN)
    ids = [await before.post(body(f"user-{number}", badge=str(number % 10))) for number in range(20)]
    service = before.under(UNIQUE)

    async def patch(id: str, badge: str) -> None:
        try:
            await service.patch(id, BADGE, badge)
        except ScimError:
            return

    await asyncio.gather(
        service.reindexed(),
        service.reindexed(),
        *(patch(id, str(number % 7 + 5)) for number, id in enumerate(ids)),
    )
    await service.reindexed()
    left = await service.outdated()
    has = [(await service.get(id))[CAMPUS]["badge"] for id in ids if id not in left]
    assert len(has) == len(set(has))
    for badge in has:
        await refused(service.post(body("eve", badge=badge)))
    for badge in {str(number) for number in range(12)} - set(has):
        await service.post(body(f"new-{badge}", badge=badge))


async def test_a_reindex_reports_a_key_that_is_a_duplicate_by_new_rules(store: Store, tenant: str) -> None:
    before = Service(store, tenant, PLAIN)
    one = await before.post({"userName": "ada", "nickName": "same"})
    two = await before.post({"userName": "bob", "nickName": "Same"})
    user = with_characteristics(USER, "userName", uniqueness="none")
    user = with_characteristics(user, "nickName", required=True, uniqueness="server")
    service = before.under(registry(attribute("badge"), user=user))
    assert await service.reindexed() == [ReindexResult("User", one), ReindexResult("User", two, ("nickName",))]
    assert await service.outdated() == {two}
    # It can still be found, disabled and deleted.
    found = await store.search(tenant, "User", Search(bound('nickName eq "SAME"', service), 0, 10))
    assert [item.id for item in found.items] == [one, two]
    await service.patch(two, "active", False)
    assert (await service.get(two))["active"] is False
    await service.patch(one, "nickName", "other")
    assert await service.reindexed() == [ReindexResult("User", two)]
    await refused(service.patch(one, "nickName", "SAME"), "nickName")


async def test_a_key_held_by_the_old_rules_only_is_free_after_the_reindex(store: Store, tenant: str) -> None:
    """The older resource needs the key that the younger one loses."""
    before = Service(store, tenant, PLAIN)
    one = await before.post({"userName": "ada", "nickName": "bob"})
    two = await before.post({"userName": "bob", "nickName": "cid"})
    user = with_characteristics(USER, "userName", uniqueness="none")
    user = with_characteristics(user, "nickName", required=True, uniqueness="server")
    service = before.under(registry(attribute("badge"), user=user))
    assert await service.reindexed() == [ReindexResult("User", two), ReindexResult("User", one)]
    assert await service.outdated() == set()
    for taken in ("BOB", "CID"):
        await refused(service.post({"userName": "x", "nickName": taken}), "nickName")


async def test_a_reindex_reports_resources_that_do_not_conform_and_continues(store: Store, tenant: str) -> None:
    before = Service(store, tenant, PLAIN)
    one = await before.post(body("ada", tag="x"))
    two = await before.post(body("bob"))
    tag = attribute("tag", "complex", uniqueness="none", sub_attributes={"value": attribute("value")})
    service = before.under(registry(attribute("badge"), tag))
    assert await service.reindexed() == [ReindexResult("User", one, has_valid_types=False), ReindexResult("User", two)]
    assert await service.outdated() == {one}


@pytest.mark.parametrize(
    ("before", "value", "now"),
    [
        ({"multi_valued": True}, ["x", "y"], {}),
        ({"type": "integer"}, 5, {}),
        ({}, "x", {"type": "integer", "uniqueness": "server"}),
        ({}, "x", {"type": "dateTime", "uniqueness": "server"}),
        ({}, "x", {"multi_valued": True}),
        ({"type": "boolean"}, True, {"type": "integer", "uniqueness": "server"}),
    ],
)
async def test_a_value_of_another_type_is_not_returned_and_blocks_no_change(
    store: Store, tenant: str, before: dict[str, Any], value: Any, now: dict[str, Any]
) -> None:
    was, tag = ({"uniqueness": "none", **one} for one in (before, now))
    earlier = Service(store, tenant, registry(attribute("badge"), attribute("tag", **was)))
    id = await earlier.post(body("ada", badge="1", tag=value))
    other = await earlier.post(body("bob", badge="2", tag=value))
    service = earlier.under(registry(attribute("badge"), attribute("tag", **tag)))
    assert (await service.get(id))[CAMPUS] == {"badge": "1"}
    for each in (id, other):
        await service.patch(each, "active", False)
    shown = await service.get(id)
    assert (shown["active"], shown[CAMPUS]) == (False, {"badge": "1"})
    await service.reindexed()
    assert (await service.get(id))[CAMPUS] == {"badge": "1"}
    assert (await earlier.get(id))[CAMPUS] == {"badge": "1", "tag": value}
    found = await store.search(tenant, "User", Search(bound(f"{CAMPUS}:tag pr", service), 0, 10))
    assert found.items == []


@pytest.mark.parametrize(
    ("several", "path", "sent"),
    [
        (False, "tag", {"value": "new"}),
        (False, "tag.value", "new"),
        (True, "tag", [{"value": "new"}]),
        (True, "tag.value", "new"),
        (True, 'tag[value eq "q"].value', "new"),
    ],
)
@pytest.mark.parametrize("before", ["x", ["x", "y"], {"value": "x"}, [{"value": "x"}]], ids=str)
async def test_a_nonconforming_value_can_be_replaced(
    store: Store, tenant: str, before: Any, several: bool, path: str, sent: Any
) -> None:
    subs = {"value": attribute("value", uniqueness="none")}
    objects = attribute("tag", "complex", "none", multi_valued=isinstance(before, list), sub_attributes=subs)
    texts = attribute("tag", uniqueness="none", multi_valued=isinstance(before, list))
    earlier = Service(store, tenant, registry(objects if "value" in str(before) else texts))
    id = await earlier.post(body("ada", tag=before))
    service = earlier.under(registry(attribute("tag", "complex", "none", multi_valued=several, sub_attributes=subs)))
    await service.patch(id, f"{CAMPUS}:{path}", sent)
    shown = (await service.get(id))[CAMPUS]["tag"]
    assert {"value": "new"} in (shown if several else [shown])


async def test_a_reindex_returns_the_number_of_resources(service: Service) -> None:
    for name in ("ada", "bob"):
        await service.post(body(name))
    await service.post({"displayName": "Guides"}, "Group")
    assert await Reindex(service.store, UNIQUE, at_once).count(service.tenant) == 3
