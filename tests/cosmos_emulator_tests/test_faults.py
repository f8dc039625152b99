"""Injected faults apply to the selected calls, and the record of requests shows them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.cosmos.aio import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError

from tests.cosmos_emulator import (
    Answer,
    Call,
    CutAfter,
    CutBefore,
    Emulator,
    Fault,
    Slow,
    forbidden,
    owner_not_found,
    retry_with,
    throttled,
    timed_out,
    unauthorized,
    unavailable,
)
from tests.cosmos_emulator_tests.conftest import DATABASE, DEFINITION, ONCE, Store, item


@pytest.mark.parametrize(
    ("effect", "status", "substatus"),
    [
        (retry_with(), 449, None),
        (timed_out(), 408, None),
        (unavailable(), 503, None),
        (unauthorized(), 401, None),
        (forbidden(), 403, None),
        (owner_not_found(), 404, 1003),
        (Answer(500), 500, None),
    ],
)
async def test_an_injected_response_replaces_the_effect(
    store: Store, effect: Answer, status: int, substatus: int | None
) -> None:
    store.emulator.faults.append(Fault("item.create", effect))
    with pytest.raises(CosmosHttpResponseError) as caught:
        await store.items.create_item(item("1"))
    assert caught.value.status_code == status
    assert caught.value.sub_status == substatus
    assert store.emulator.items("acme") == []
    last = store.emulator.item_requests[-1]
    assert (last.operation, last.status, last.applied) == ("item.create", status, False)
    await store.items.create_item(item("1"))


async def test_throttled_requests_are_repeated_by_the_sdk(store: Store) -> None:
    store.emulator.faults.append(Fault("item.create", throttled(1), times=3))
    await store.items.create_item(item("1"))
    assert [call.status for call in store.emulator.requests if call.operation == "item.create"] == [429, 429, 429, 201]


async def test_permanent_throttling_is_an_error(quick: Store) -> None:
    quick.emulator.faults.append(Fault("item.create", throttled(1), times=None))
    with pytest.raises(CosmosHttpResponseError) as caught:
        await quick.items.create_item(item("1"))
    assert caught.value.status_code == 429
    assert caught.value.headers["x-ms-retry-after-ms"] == "1"
    assert quick.emulator.counts()["item.create"] == 10


@pytest.mark.parametrize("effect", [timed_out(after=True), unavailable(after=True), retry_with()])
async def test_an_injected_response_can_follow_the_effect(store: Store, effect: Answer) -> None:
    store.emulator.faults.append(Fault("item.create", effect))
    with pytest.raises(CosmosHttpResponseError):
        await store.items.create_item(item("1"))
    assert len(store.emulator.items("acme")) == int(effect.after)
    assert store.emulator.item_requests[-1].applied is effect.after


@pytest.mark.parametrize("operation", ["item.create", "batch", "item.patch"])
@pytest.mark.parametrize("after", [False, True])
async def test_a_cut_connection_before_and_after_the_effect(store: Store, operation: str, after: bool) -> None:
    await store.items.create_item(item("0", n=0))
    attempts: dict[str, Any] = {
        "item.create": lambda: store.items.create_item(item("1")),
        "batch": lambda: store.items.execute_item_batch([("create", (item("1"),))], partition_key="acme"),
        "item.patch": lambda: store.items.patch_item("0", "acme", [{"op": "set", "path": "/n", "value": 1}]),
    }
    before = store.emulator.items("acme")
    store.emulator.faults.append(Fault(operation, CutAfter() if after else CutBefore()))
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        await attempts[operation]()
    assert (store.emulator.items("acme") != before) is after
    assert store.emulator.counts()[operation] == (2 if operation == "item.create" else 1)
    last = store.emulator.item_requests[-1]
    assert (last.status, last.applied) == (0, after)
    await store.items.read_item("0", "acme")


@pytest.mark.parametrize("error", [ServiceRequestError, ServiceResponseError])
async def test_the_error_of_a_cut_can_be_chosen_in_process(error: type[AzureError]) -> None:
    emulator = Emulator()
    emulator.create(DATABASE, DEFINITION)
    client = CosmosClient(emulator.in_process_endpoint, emulator.key, transport=emulator.transport(error), **ONCE)
    async with client:
        emulator.faults.append(Fault("item.create", CutBefore()))
        with pytest.raises(error):
            await client.get_database_client(DATABASE).get_container_client("resources").create_item(item("1"))


async def test_a_delayed_request_waits_for_its_event(store: Store) -> None:
    slow, meanwhile = Slow(asyncio.Event()), asyncio.Event()
    store.emulator.faults.append(Fault("item.create", slow))

    async def others() -> None:
        await store.items.create_item(item("2"))
        assert [one["id"] for one in store.emulator.items("acme")] == ["2"]
        meanwhile.set()
        slow.event.set()

    task = asyncio.ensure_future(store.items.create_item(item("1")))
    await slow.reached.wait()
    await asyncio.gather(task, others())
    assert meanwhile.is_set()
    assert [one["id"] for one in store.emulator.items("acme")] == ["2", "1"]


async def test_a_delay_can_follow_the_effect(quick: Store) -> None:
    slow = Slow(asyncio.Event(), after=True)
    quick.emulator.faults.append(Fault("item.create", slow))
    task = asyncio.ensure_future(quick.items.create_item(item("1")))
    await slow.reached.wait()
    assert len(quick.emulator.items("acme")) == 1
    assert not task.done()
    slow.event.set()
    await task


async def test_nth_and_times_select_the_calls(quick: Store) -> None:
    fault = Fault("item.", retry_with(), nth=2, times=2)
    quick.emulator.faults.append(fault)
    outcomes: list[int] = []
    for n in range(5):
        try:
            await quick.items.create_item(item(str(n)))
            outcomes.append(201)
        except CosmosHttpResponseError as error:
            outcomes.append(int(error.status_code or 0))
    assert outcomes == [201, 449, 449, 201, 201]
    assert (fault.calls, fault.applied) == (5, 2)


async def test_a_fault_can_inspect_the_call(quick: Store) -> None:
    def one_item(call: Call) -> bool:
        return call.operation == "item.read" and call.item == "2"

    await quick.items.create_item(item("1"))
    await quick.items.create_item(item("2"))
    quick.emulator.faults.append(Fault(one_item, forbidden(), times=None))
    await quick.items.read_item("1", "acme")
    with pytest.raises(CosmosHttpResponseError):
        await quick.items.read_item("2", "acme")


async def test_the_record_has_counts_and_charges(quick: Store) -> None:
    await quick.items.create_item(item("1"))
    await quick.query("SELECT * FROM c")
    assert dict(quick.emulator.counts()) == {"item.create": 1, "query": 1}
    assert set(quick.emulator.counts(metadata=True)) > {"item.create", "query"}
    assert quick.emulator.charge() == pytest.approx(
        sum(call.charge for call in quick.emulator.requests if call.resource_type == "docs")
    )
    last = quick.emulator.item_requests[-1]
    assert (last.operation, last.verb, last.resource_type, last.rows) == ("query", "query", "docs", 1)
    assert last.partition_key == "acme"
    assert last.body["query"] == "SELECT * FROM c"
