"""Unique values on Cosmos DB: they change together with their resource, after any fault, without additional calls."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import pytest

from scim.protocol import search_fields
from scim.protocol.schema.registry import core
from scim.service.reindex import Reindex
from scim.storage.cosmos.items import resource_item, unique_value_id
from scim.storage.cosmos.store import CosmosStore
from scim.storage.errors import AlreadyExists, StoreError, StoreUnavailable
from scim.storage.interface import Member, MemberChanges, WriteModel
from tests.contract.own_types import BADGE as BADGE_OF_CAMPUS, CAMPUS, attribute, body, registry
from tests.contract.test_unique import Service
from tests.contract.write_models import group, resource_id, user, write_model
from tests.cosmos.conftest import TENANT, Time, left
from tests.cosmos.world import at_once
from tests.cosmos_emulator import (
    CutAfter,
    CutBefore,
    Emulator,
    FailOperation,
    Fault,
    Slow,
    retry_with,
    throttled,
    timed_out,
    unavailable,
)

BADGE: Final = "urn:example:badge"
MANY: Final = tuple(Member(f"m{number:03}") for number in range(300))
TWENTY: Final = {f"{BADGE}:{n}": "old" for n in range(20)}


def person(number: int, **values: str) -> WriteModel:
    return replace(user(f"user-{number}", number), unique_values=values)


def team(number: int, **values: str) -> WriteModel:
    return replace(group(f"group-{number}", number), unique_values=values)


def unique_values(emulator: Emulator) -> dict[tuple[str, str], int]:
    """Return the resource of each unique value item, by path and item id. Each must have an existing resource."""
    items = {item["id"]: item for item in emulator.items(TENANT)}
    value_items = [item for item in items.values() if item["type"] == "claim"]
    assert [one["id"] for one in value_items if f"{one['of']}:{one['member']}" not in items] == []
    return {(one["path"], one["id"]): int(one["member"][-12:], 16) for one in value_items}


def holders(emulator: Emulator, type_name: str = "User", path: str = "badge", values: str = "12") -> list[int | None]:
    """Return the number of the resource that has each of these one-character values."""
    found = unique_values(emulator)
    return [found.get((path, unique_value_id(type_name, path, value))) for value in values]


# --- items and calls ---


async def test_a_unique_value_item_does_not_contain_the_value(store: CosmosStore, emulator: Emulator) -> None:
    await store.create(TENANT, replace(user(number=1), unique_values={BADGE: "A/B?#..\\ 4711"}))
    [item] = left(emulator, "claim")
    own = {name: value for name, value in item.items() if not name.startswith("_")}
    id = unique_value_id("User", BADGE, "A/B?#..\\ 4711")
    assert own == {
        "id": id,
        "tenant": TENANT,
        "type": "claim",
        "key": id,
        "member": resource_id(1),
        "of": "User",
        "path": BADGE,
    }
    assert id.removeprefix("x:claim:").isalnum()


async def test_unique_values_need_no_additional_calls(store: CosmosStore, emulator: Emulator) -> None:
    async def cost(work: Awaitable[Any]) -> Mapping[str, int]:
        emulator.requests.clear()
        with suppress(AlreadyExists):
            await work
        return emulator.counts()

    await store.create(TENANT, person(9))  # opens the container
    one = {"batch": 1}
    assert await cost(store.create(TENANT, person(1, badge="1"))) == one
    assert await cost(store.create(TENANT, person(2, badge="1"))) == one
    stored = await store.read(TENANT, "User", resource_id(1))
    assert stored is not None
    version = stored.version
    for held, values in (({"badge": "1"}, {"badge": "1"}), ({"badge": "1"}, {"badge": "2"}), ({"badge": "2"}, {})):
        emulator.requests.clear()
        version = await store.replace(TENANT, person(1, **values), expected=version, old_unique_values=held)
        assert emulator.counts() == one
    emulator.requests.clear()
    await store.replace(TENANT, person(1, badge="3"), expected=version, old_unique_values=None)
    assert emulator.counts() == {"query": 1, "batch": 1}
    assert await cost(store.delete(TENANT, "User", resource_id(1))) == {"query": 1, "batch": 1}
    with_members = store.create(TENANT, replace(team(3), unique_values=TWENTY), MANY[:78])
    assert await cost(with_members) == one


async def test_removed_schema_attributes_need_no_query_in_a_change(store: CosmosStore, emulator: Emulator) -> None:
    before = Service(store, TENANT, registry(attribute("badge"), attribute("tag")))
    id = await before.post(body("ada", badge="1", tag="x"))
    service = before.under(registry(attribute("badge")))
    await service.patch(id, "title", "one")  # it was outdated, so the store reads the existing items
    for badge in ("2", "3"):
        emulator.requests.clear()
        await service.patch(id, BADGE_OF_CAMPUS, badge)
        assert [call.operation for call in emulator.item_requests] == ["item.read", "batch"]
    assert holders(emulator, path=BADGE_OF_CAMPUS, values="123") == [None, None, int(id[-12:], 16)]
    await service.put(id, body("ada"))
    assert unique_values(emulator) == {}


async def test_a_batch_has_unique_values_and_members(store: CosmosStore, emulator: Emulator) -> None:
    held, values = TWENTY, dict.fromkeys(TWENTY, "new")
    version = await store.create(TENANT, replace(team(1), unique_values=held), MANY[:79])
    emulator.requests.clear()
    changes = MemberChanges(MANY[79:200], tuple(member.value for member in MANY[:79]))
    await store.replace(
        TENANT, replace(team(1), unique_values=values), expected=version, members=changes, old_unique_values=held
    )
    # 58 with 40 operations on unique values, then 98, then the rest.
    assert emulator.counts() == {"batch": 3}
    assert len(left(emulator, "member")) == 121
    assert set(unique_values(emulator)) == {(path, unique_value_id("Group", path, "new")) for path in TWENTY}


# --- deletions ---


async def test_unique_values_are_deleted_in_the_batch_of_their_resource(
    store: CosmosStore, emulator: Emulator, time: Time
) -> None:
    """Although the resource was in more groups than one page before it had unique values."""
    for number in range(10, 1_110):
        emulator.seed(
            [
                {
                    "id": f"m:{number}",
                    "tenant": TENANT,
                    "type": "member",
                    "key": f"m:{number}",
                    "group": resource_id(number),
                    "member": resource_id(1),
                }
            ]
        )
    await store.create(TENANT, replace(person(1), unique_values=TWENTY))
    time.step = 100.0  # no time for more than the first batch
    await store.delete(TENANT, "User", resource_id(1))
    time.step = 0.0
    assert left(emulator, "claim") == []
    assert len(left(emulator, "member")) == 1_100 - (98 - 20)
    await store.sweep(TENANT)
    assert left(emulator, "member") == []


async def test_a_deletion_deletes_only_the_unique_value_of_a_concurrent_change(
    store: CosmosStore, emulator: Emulator
) -> None:
    version = await store.create(TENANT, person(1, badge="1"))
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault("batch", slow))
    deletion = asyncio.ensure_future(store.delete(TENANT, "User", resource_id(1)))
    await slow.reached.wait()
    await store.replace(TENANT, person(1, badge="2"), expected=version, old_unique_values={"badge": "1"})
    await store.create(TENANT, person(2, badge="1"))
    slow.event.set()
    await deletion
    assert holders(emulator) == [2, None]


async def test_a_unique_value_created_during_a_deletion_is_swept(store: CosmosStore, emulator: Emulator) -> None:
    version = await store.create(TENANT, person(1))
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault("batch", slow))
    deletion = asyncio.ensure_future(store.delete(TENANT, "User", resource_id(1)))
    await slow.reached.wait()
    await store.replace(TENANT, person(1, badge="1"), expected=version)
    slow.event.set()
    await deletion
    assert len(left(emulator, "claim")) == 1
    with pytest.raises(AlreadyExists):
        await store.create(TENANT, person(2, badge="1"))
    assert await store.sweep(TENANT) == 1
    await store.create(TENANT, person(3, badge="1"))
    assert holders(emulator) == [3, None]


async def test_a_sweep_keeps_a_unique_value_that_another_resource_has_taken(
    store: CosmosStore, emulator: Emulator
) -> None:
    version = await store.create(TENANT, person(1))
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault("batch", slow))
    deletion = asyncio.ensure_future(store.delete(TENANT, "User", resource_id(1)))
    await slow.reached.wait()
    await store.replace(TENANT, person(1, badge="1"), expected=version)
    slow.event.set()
    await deletion
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault("batch", slow))
    first = asyncio.ensure_future(store.sweep(TENANT))
    await slow.reached.wait()
    await store.sweep(TENANT)
    await store.create(TENANT, person(2, badge="1"))
    slow.event.set()
    await first
    assert holders(emulator) == [2, None]


# --- faults ---


async def _created(store: CosmosStore) -> str:
    return await store.create(TENANT, person(1, badge="1"))


async def _moved(store: CosmosStore) -> str:
    version = await store.create(TENANT, person(1, badge="1"))
    return await store.replace(TENANT, person(1, badge="2"), expected=version, old_unique_values={"badge": "1"})


async def _moved_unknown(store: CosmosStore) -> str:
    version = await store.create(TENANT, person(1, badge="1"))
    return await store.replace(TENANT, person(1, badge="2"), expected=version, old_unique_values=None)


async def _deleted(store: CosmosStore) -> None:
    await store.create(TENANT, person(1, badge="1"))
    await store.delete(TENANT, "User", resource_id(1))


type Work = Callable[[CosmosStore], Awaitable[Any]]
WORKS: Final[dict[str, tuple[Work, int, list[int | None]]]] = {
    "create": (_created, 1, [1, None]),
    "move": (_moved, 2, [None, 1]),
    "move what isn't known": (_moved_unknown, 2, [None, 1]),
    "delete": (_deleted, 2, [None, None]),
}


@pytest.mark.parametrize(("work", "nth", "then"), WORKS.values(), ids=WORKS)
@pytest.mark.parametrize(
    "effect",
    [
        throttled(1),
        retry_with(),
        timed_out(),
        timed_out(after=True),
        unavailable(after=True),
        CutBefore(),
        CutAfter(),
        FailOperation(1, 449),
        FailOperation(1, 503),
    ],
    ids=["429", "449", "408", "408 after", "503 after", "cut before", "cut after", "claim 449", "claim 503"],
)
async def test_unique_values_are_correct_after_lost_responses(
    store: CosmosStore, emulator: Emulator, work: Work, nth: int, then: list[int | None], effect: Any
) -> None:
    emulator.faults.append(Fault("batch", effect, nth=nth))
    await work(store)
    assert holders(emulator) == then


@pytest.mark.parametrize("effect", [CutBefore(), throttled(1), FailOperation(1, 412), FailOperation(1, 500)])
async def test_a_permanently_failing_write_changes_no_unique_value(
    store: CosmosStore, emulator: Emulator, effect: Any
) -> None:
    version = await store.create(TENANT, person(1, badge="1"))
    emulator.faults.append(Fault("batch", effect, times=None))
    for write in (
        store.create(TENANT, person(2, badge="2")),
        store.replace(TENANT, person(1, badge="2"), expected=version, old_unique_values={"badge": "1"}),
        store.replace(TENANT, person(1, badge="2"), expected=version, old_unique_values=None),
        store.delete(TENANT, "User", resource_id(1)),
    ):
        with pytest.raises(StoreError) as raised:
            await write
        assert not isinstance(raised.value, AlreadyExists)
    assert holders(emulator) == [1, None]


async def test_a_repeated_write_does_not_conflict_with_its_own_unique_value(
    store: CosmosStore, emulator: Emulator
) -> None:
    """The first attempt was applied with an unknown outcome, including the unique value."""
    emulator.faults.append(Fault("batch", CutAfter()))
    emulator.faults.append(Fault("item.read", unavailable(), times=4))
    await store.create(TENANT, person(1, badge="1"))
    assert holders(emulator) == [1, None]


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("effect", [CutBefore(), throttled(1), FailOperation(2, 409)], ids=["cut", "429", "409"])
async def test_a_failed_large_group_leaves_no_unique_value(
    store: CosmosStore, emulator: Emulator, time: Time, effect: Any, nth: int
) -> None:
    emulator.faults.append(Fault("batch", effect, nth=nth, times=None))
    with pytest.raises(StoreError):
        await store.create(TENANT, team(1, badge="1"), MANY)
    emulator.faults.clear()
    assert holders(emulator, "Group") == [None, None]
    time.seconds += 601
    await store.sweep(TENANT)
    assert left(emulator, "claim", "member", "pending") == []
    await store.create(TENANT, team(2, badge="1"), MANY)
    assert holders(emulator, "Group") == [2, None]


@pytest.mark.parametrize("nth", [1, 4])
async def test_a_large_group_with_a_lost_last_response_has_its_unique_values(
    store: CosmosStore, emulator: Emulator, nth: int
) -> None:
    emulator.faults.append(Fault("batch", CutAfter(), nth=nth))
    await store.create(TENANT, replace(team(1), unique_values=TWENTY), MANY)
    assert len(unique_values(emulator)) == 20
    assert len(left(emulator, "member")) == 300
    assert left(emulator, "pending", "gone") == []


async def test_a_large_group_with_a_duplicate_value_leaves_no_members(store: CosmosStore, emulator: Emulator) -> None:
    await store.create(TENANT, team(1, badge="1"))
    with pytest.raises(AlreadyExists) as taken:
        await store.create(TENANT, team(2, also="2", badge="1"), MANY)
    assert taken.value.path == "badge"
    assert left(emulator, "member", "pending") == []
    assert holders(emulator, "Group") == [1, None]
    assert len(left(emulator, "claim")) == 1


async def test_a_missing_unique_value_item_blocks_no_change(store: CosmosStore, emulator: Emulator) -> None:
    """An interrupted erasure or a manual change deleted the item. The resource can still be changed."""
    version = await store.create(TENANT, person(1, badge="1", other="1"))
    partition = emulator.container().partition(TENANT)
    partition.delete(unique_value_id("User", "badge", "1"), None)
    held = {"badge": "1", "other": "1"}
    await store.replace(TENANT, person(1, badge="2"), expected=version, old_unique_values=held)
    assert holders(emulator) == [None, 1]
    assert len(left(emulator, "claim")) == 1


async def test_a_failing_deletion_of_a_unique_value_ends_in_an_error(store: CosmosStore, emulator: Emulator) -> None:
    version = await store.create(TENANT, person(1, badge="1"))
    emulator.faults.append(Fault("batch", FailOperation(1, 404), times=None))
    with pytest.raises(StoreUnavailable):
        await store.replace(TENANT, person(1, badge="2"), expected=version, old_unique_values={"badge": "1"})
    assert holders(emulator) == [1, None]


# --- outdated resources ---


async def test_items_of_older_formats_are_outdated_and_can_be_written(store: CosmosStore, emulator: Emulator) -> None:
    """Their `v` is a number or missing."""
    for number, v in ((1, {"v": 1}), (2, {}), (3, {"v": "1.a"})):
        item = resource_item(TENANT, person(number), "seed")
        emulator.seed([{**{name: value for name, value in item.items() if name != "v"}, **v}])
    found = await store.outdated(TENANT, "User", "1.a", limit=10)
    assert [stored.id for stored in found] == [resource_id(1), resource_id(2)]
    for stored in found:
        new = replace(person(int(stored.id[-12:])), index_version="1.a")
        await store.replace(TENANT, new, expected=stored.version, old_unique_values=None)
    assert await store.outdated(TENANT, "User", "1.a", limit=10) == []


async def test_a_throttled_reindex_waits_and_continues(store: CosmosStore, emulator: Emulator, time: Time) -> None:
    for number in range(3):
        await store.create(TENANT, replace(person(number), index_version="0.old"))
    # The SDK makes four attempts for a batch.
    emulator.faults.append(Fault("batch", throttled(7), nth=2, times=8))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    seen = [one async for one in Reindex(store, core(), sleep).run(TENANT)]
    assert [bool(one) for one in seen] == [True] * 3
    assert waits == [1, 1]
    assert (
        await store.outdated(TENANT, "User", search_fields.index_version(core().resource_types["User"]), limit=10) == []
    )


async def test_a_reindex_with_lost_responses_applies_each_change_once(store: CosmosStore, emulator: Emulator) -> None:
    types = registry(attribute("badge"))
    for number in range(6):
        new = write_model("User", {"userName": f"user-{number}"}, id=resource_id(number))
        await store.create(TENANT, replace(new, resource={**new.resource, CAMPUS: {"badge": str(number)}}))
    emulator.faults.append(Fault("batch", CutAfter(), nth=1, times=1))
    emulator.faults.append(Fault("batch", CutBefore(), nth=3, times=1))
    emulator.faults.append(Fault("batch", timed_out(after=True), nth=5, times=1))

    assert all([seen async for seen in Reindex(store, types, at_once).run(TENANT)])
    assert holders(emulator, path=BADGE_OF_CAMPUS, values="012345") == [0, 1, 2, 3, 4, 5]
    assert [seen async for seen in Reindex(store, types, at_once).run(TENANT)] == []
