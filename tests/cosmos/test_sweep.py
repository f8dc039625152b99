"""The sweep deletes the items left behind by deletions and unfinished groups, and no others."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from scim.app import DEFAULT_CUSTOMER as SWEPT, App
from scim.edge.handler import Unconfigured
from scim.service.sweeps import Sweeps
from scim.storage.cosmos.store import CosmosStore
from scim.storage.errors import StoreError, StoreUnavailable, Throttled
from scim.storage.interface import Member
from scim.telemetry import log_line
from tests.contract.write_models import group, resource_id, user
from tests.cosmos.conftest import TENANT, Time, left
from tests.cosmos_emulator import CutBefore, Emulator, Fault, Slow, throttled

DAY: Final = 24 * 3600


def members(number: int) -> list[Member]:
    return [Member(f"member-{n}") for n in range(number)]


async def delete_without_cleanup(store: CosmosStore, time: Time, type_name: str, id: str) -> None:
    """Delete a resource without time for more than the first batch."""
    time.step = 100.0
    await store.delete(TENANT, type_name, id)
    time.step = 0.0


async def test_a_large_group_is_deleted_at_once_and_its_members_are_swept(
    store: CosmosStore, emulator: Emulator, time: Time
) -> None:
    await store.create(TENANT, group("Kept", 1), members(10))
    await store.create(TENANT, group("Large", 2), members(3_000))
    await delete_without_cleanup(store, time, "Group", resource_id(2))
    assert await store.read(TENANT, "Group", resource_id(2)) is None
    assert await store.names(TENANT, ["Group"], [resource_id(2)]) == {}
    # The name is free before the members are swept.
    await store.create(TENANT, group("Large", 3))
    assert len(left(emulator, "member")) == 3_010 - 98
    assert await store.sweep(TENANT) == 3_000 - 98
    assert [item["group"] for item in left(emulator, "member")] == [resource_id(1)] * 10
    assert await store.sweep(TENANT) == 0


async def test_the_memberships_of_a_deleted_user_are_swept(store: CosmosStore, emulator: Emulator, time: Time) -> None:
    await store.create(TENANT, user(number=1))
    for number in range(2, 132):
        await store.create(TENANT, group(f"Group {number}", number), [Member(resource_id(1)), Member("another")])
    await delete_without_cleanup(store, time, "User", resource_id(1))
    assert await store.sweep(TENANT) == 130 - 98
    assert {item["member"] for item in left(emulator, "member")} == {"another"}


async def test_a_marker_is_done_after_ten_minutes_and_remains_as_a_tombstone(
    store: CosmosStore, emulator: Emulator, time: Time
) -> None:
    await store.create(TENANT, group("One", 1), members(5))
    await store.delete(TENANT, "Group", resource_id(1))
    time.seconds += 599
    await store.sweep(TENANT)
    assert [item.get("done") for item in left(emulator, "gone")] == [None]
    # A member added by a concurrent request is found until now.
    emulator.seed([{"id": "m:late", "tenant": TENANT, "type": "member", "key": "m:late", "group": resource_id(1)}])
    time.seconds += 1
    assert await store.sweep(TENANT) == 1
    [marker] = left(emulator, "gone")
    assert (marker["id"], marker["done"]) == (f"x:gone:Group:{resource_id(1)}", True)
    # From now on no sweep reads it again.
    emulator.requests.clear()
    assert await store.sweep(TENANT) == 0
    assert emulator.counts() == {"query": 2}
    time.seconds += 29 * DAY
    assert len(left(emulator, "gone")) == 1
    time.seconds += DAY
    assert left(emulator, "gone") == []


async def test_more_deletions_than_a_page_of_markers_are_all_swept(
    store: CosmosStore, emulator: Emulator, time: Time
) -> None:
    """Also deletions at the same time, whose markers differ in their ids only."""
    for number in range(150):
        await store.create(TENANT, group(f"Group {number}", number), members(2))
        await delete_without_cleanup(store, time, "Group", resource_id(number))
        emulator.seed(
            [
                {
                    "id": f"m:{number}",
                    "tenant": TENANT,
                    "type": "member",
                    "key": f"m:{number}",
                    "group": resource_id(number),
                }
            ]
        )
    time.seconds += 600
    assert await store.sweep(TENANT) == 150
    assert left(emulator, "member") == []
    assert all(item["done"] for item in left(emulator, "gone"))


async def test_concurrent_sweeps_have_the_result_of_one(store: CosmosStore, emulator: Emulator, time: Time) -> None:
    for number in range(3):
        await store.create(TENANT, group(f"Group {number}", number), members(1_000))
        await delete_without_cleanup(store, time, "Group", resource_id(number))
    time.seconds += 600
    both = await asyncio.gather(store.sweep(TENANT), store.sweep(TENANT))
    assert sum(both) == 3 * (1_000 - 98)
    assert left(emulator, "member") == []
    assert [item.get("done") for item in left(emulator, "gone")] == [True] * 3


async def test_the_next_sweep_continues_after_a_time_limit(store: CosmosStore, emulator: Emulator, time: Time) -> None:
    await store.create(TENANT, group("Large", 1), members(3_000))
    await delete_without_cleanup(store, time, "Group", resource_id(1))
    time.seconds += 600
    time.step = 30.0
    swept = [await store.sweep(TENANT)]
    assert 0 < swept[0] < 3_000 - 98
    assert left(emulator, "gone")[0].get("done") is None
    while not left(emulator, "gone")[0].get("done"):
        swept.append(await store.sweep(TENANT))
    assert sum(swept) == 3_000 - 98
    assert left(emulator, "member") == []


@pytest.mark.parametrize("effect", [throttled(10), CutBefore()], ids=["throttled", "cut"])
async def test_the_next_sweep_continues_after_a_failure(
    store: CosmosStore, emulator: Emulator, time: Time, effect: Any
) -> None:
    await store.create(TENANT, group("Large", 1), members(1_500))
    await delete_without_cleanup(store, time, "Group", resource_id(1))
    time.seconds += 600
    emulator.faults.append(Fault("query", effect, nth=4, times=None))
    with pytest.raises((Throttled, StoreUnavailable)):
        await store.sweep(TENANT)
    assert left(emulator, "gone")[0].get("done") is None
    emulator.faults.clear()
    await store.sweep(TENANT)
    assert left(emulator, "member") == []
    assert left(emulator, "gone")[0]["done"]


async def test_members_of_an_unfinished_group_are_swept(store: CosmosStore, emulator: Emulator, time: Time) -> None:
    emulator.faults.append(Fault("batch", CutBefore(), nth=4, times=None))
    with pytest.raises(StoreUnavailable):
        await store.create(TENANT, group("Large", 1), members(1_000))
    emulator.faults.clear()
    assert len(left(emulator, "member")) == 3 * 97
    assert await store.sweep(TENANT) == 0, "it might still be at work"
    # The client has repeated its request meanwhile.
    await store.create(TENANT, group("Large", 2), members(1_000))
    time.seconds += 601
    assert await store.sweep(TENANT) == 3 * 97
    assert left(emulator, "pending") == []
    assert {item["group"] for item in left(emulator, "member")} == {resource_id(2)}
    assert len(left(emulator, "member")) == 1_000


async def test_a_delayed_creation_of_an_abandoned_group_creates_nothing(
    store: CosmosStore, emulator: Emulator, time: Time
) -> None:
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault("batch", slow, nth=11))  # the last batch, which writes the group itself
    creation = asyncio.create_task(store.create(TENANT, group("Large", 1), members(1_000)))
    await slow.reached.wait()
    time.seconds += 601
    await store.sweep(TENANT)
    slow.event.set()
    with pytest.raises(StoreError):
        await creation
    time.seconds += 601
    await store.sweep(TENANT)
    assert await store.read(TENANT, "Group", resource_id(1)) is None
    assert left(emulator, "member", "pending") == []


async def test_the_app_continues_to_sweep_after_database_errors(
    store: CosmosStore, emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    emulator.faults.append(Fault("query", CutBefore(), times=1))
    emulator.requests.clear()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError

    async def tenants() -> AsyncIterator[str]:
        yield SWEPT

    async def nothing_expired() -> int:
        return 0

    sweeps = Sweeps(store, tenants, nothing_expired, timer=lambda: 0.0, begin_at=lambda number: number - 1)
    with pytest.raises(asyncio.CancelledError):
        await App(
            Unconfigured(lambda: "id", log_line.LogLines(lambda: 0.0).observe), store, sleep, sweeps
        ).sweep_regularly()
    assert 60 <= waits[0] <= 600
    assert emulator.counts() == {"query": 5}
    assert {call.partition_key for call in emulator.requests} <= {None, SWEPT}
    assert "the next run repeats it" in caplog.text
