"""Transactional batches and partial updates with the real SDK."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError

from tests.cosmos_emulator import FailOperation, Fault
from tests.cosmos_emulator_tests.conftest import Store, item


def statuses(error: CosmosBatchOperationError) -> list[int]:
    return [int(response["statusCode"]) for response in error.operation_responses]


async def test_a_batch_executes_its_operations_in_order(store: Store) -> None:
    old = await store.items.create_item(item("old"))
    results = await store.items.execute_item_batch(
        [
            ("create", (item("1"),)),
            ("read", ("1",)),
            ("replace", ("1", item("1", n=1))),
            ("patch", ("1", [{"op": "incr", "path": "/n", "value": 2}])),
            ("delete", ("old",), {"if_match_etag": old["_etag"]}),
        ],
        partition_key="acme",
    )
    assert [result["statusCode"] for result in results] == [201, 200, 200, 200, 204]
    assert results[3]["resourceBody"]["n"] == 3
    assert results[0]["eTag"] != results[3]["eTag"]
    assert [one["id"] for one in store.emulator.items("acme")] == ["1"]
    assert store.emulator.counts()["batch"] == 1


FAILING: list[tuple[str, Any, int]] = [
    ("an id that is taken", ("create", (item("1"),)), 409),
    ("a unique key that is taken", ("create", ({**item("9"), "key": "User:1"},)), 409),
    ("a missing item to replace", ("replace", ("9", item("9"))), 404),
    ("a missing item to delete", ("delete", ("9",)), 404),
    ("a missing item to patch", ("patch", ("9", [{"op": "set", "path": "/n", "value": 1}])), 404),
    ("an old etag to replace", ("replace", ("1", item("1")), {"if_match_etag": '"old"'}), 412),
    ("an old etag to delete", ("delete", ("1",), {"if_match_etag": '"old"'}), 412),
    (
        "an old etag to patch",
        ("patch", ("1", [{"op": "set", "path": "/n", "value": 1}]), {"if_match_etag": '"old"'}),
        412,
    ),
    ("a patch that doesn't fit", ("patch", ("1", [{"op": "remove", "path": "/none"}])), 400),
    ("another partition key", ("create", (item("9", tenant="other"),)), 400),
    ("a bad id", ("create", (item("a/b"),)), 400),
]


@pytest.mark.parametrize(("operation", "status"), [row[1:] for row in FAILING], ids=[row[0] for row in FAILING])
async def test_a_failed_operation_rolls_everything_back(store: Store, operation: Any, status: int) -> None:
    await store.items.create_item(item("1", n=1))
    await store.items.create_item(item("2"))
    before = store.emulator.items("acme")
    operation = copy.deepcopy(operation)  # the SDK removes the etag from the caller's dictionary
    with pytest.raises(CosmosBatchOperationError) as caught:
        await store.items.execute_item_batch(
            [
                ("create", (item("3"),)),
                ("patch", ("1", [{"op": "incr", "path": "/n", "value": 1}])),
                ("delete", ("2",)),
                operation,
                ("create", (item("4"),)),
            ],
            partition_key="acme",
        )
    assert statuses(caught.value) == [424, 424, 424, status, 424]
    assert caught.value.status_code == status
    assert caught.value.error_index == 3
    assert store.emulator.item_requests[-1].status == 207
    assert store.emulator.items("acme") == before
    # ids, unique keys and indexes are unchanged too
    assert await store.query("SELECT VALUE c.id FROM c WHERE c.type = @t ORDER BY c.key", t="User") == ["1", "2"]
    await store.items.create_item(item("3"))
    with pytest.raises(CosmosHttpResponseError):
        await store.items.create_item({**item("5"), "key": "User:2"})


async def test_a_unique_key_can_move_within_a_batch(quick: Store) -> None:
    await quick.items.create_item(item("1"))
    await quick.items.execute_item_batch(
        [("delete", ("1",)), ("create", ({**item("2"), "key": "User:1"},))], partition_key="acme"
    )
    assert [one["id"] for one in quick.emulator.items("acme")] == ["2"]


async def test_a_batch_holds_100_operations(store: Store) -> None:
    await store.items.execute_item_batch([("create", (item(str(n)),)) for n in range(100)], partition_key="acme")
    with pytest.raises(CosmosHttpResponseError) as caught:
        await store.items.execute_item_batch([("delete", (str(n),)) for n in range(101)], partition_key="acme")
    assert caught.value.status_code == 400
    assert len(store.emulator.items("acme")) == 100


@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_a_batch_holds_2_mb(store: Store) -> None:
    operations = [("create", (item(str(n), text="x" * 1_100_000),)) for n in range(2)]
    with pytest.raises(CosmosHttpResponseError) as caught:
        await store.items.execute_item_batch(operations, partition_key="acme")
    assert caught.value.status_code == 413
    assert store.emulator.items("acme") == []


async def test_upsert_is_not_emulated(quick: Store) -> None:
    for attempt in (
        quick.items.upsert_item(item("1")),
        quick.items.execute_item_batch([("upsert", (item("1"),))], partition_key="acme"),
    ):
        with pytest.raises(CosmosHttpResponseError) as caught:
            await attempt
        assert caught.value.status_code == 400


async def test_an_injected_failure_of_one_operation_rolls_back(store: Store) -> None:
    store.emulator.faults.append(Fault("batch", FailOperation(1, 449), nth=2))
    batch = [("create", (item("1"),)), ("create", (item("2"),))]
    await store.items.execute_item_batch([("create", (item("0"),))], partition_key="acme")
    with pytest.raises(CosmosBatchOperationError) as caught:
        await store.items.execute_item_batch(batch, partition_key="acme")
    assert statuses(caught.value) == [424, 449]
    assert len(store.emulator.items("acme")) == 1
    await store.items.execute_item_batch(batch, partition_key="acme")
    assert len(store.emulator.items("acme")) == 3


PATCHES: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("set makes a property", {"op": "set", "path": "/new", "value": 1}, {"new": 1}),
    ("set replaces a property", {"op": "set", "path": "/n", "value": "x"}, {"n": "x"}),
    ("set below an object", {"op": "set", "path": "/f/b", "value": 2}, {"f": {"a": 1, "b": 2}}),
    ("set below nothing", {"op": "set", "path": "/none/b", "value": 2}, None),
    ("set of an element", {"op": "set", "path": "/list/0", "value": 9}, {"list": [9, 2]}),
    ("set behind the end", {"op": "set", "path": "/list/2", "value": 9}, None),
    ("add makes a property", {"op": "add", "path": "/new", "value": None}, {"new": None}),
    ("add replaces a property", {"op": "add", "path": "/n", "value": 8}, {"n": 8}),
    ("add inserts an element", {"op": "add", "path": "/list/1", "value": 9}, {"list": [1, 9, 2]}),
    ("add at the end", {"op": "add", "path": "/list/2", "value": 9}, {"list": [1, 2, 9]}),
    ("add with a dash", {"op": "add", "path": "/list/-", "value": 9}, {"list": [1, 2, 9]}),
    ("add behind the end", {"op": "add", "path": "/list/3", "value": 9}, None),
    ("replace", {"op": "replace", "path": "/n", "value": 8}, {"n": 8}),
    ("replace of nothing", {"op": "replace", "path": "/none", "value": 8}, None),
    ("remove", {"op": "remove", "path": "/n"}, {"n": None}),
    ("remove of an element", {"op": "remove", "path": "/list/0"}, {"list": [2]}),
    ("remove of nothing", {"op": "remove", "path": "/none"}, None),
    ("incr", {"op": "incr", "path": "/n", "value": 2}, {"n": 7}),
    ("incr down", {"op": "incr", "path": "/n", "value": -0.5}, {"n": 4.5}),
    ("incr makes a property", {"op": "incr", "path": "/new", "value": 2}, {"new": 2}),
    ("incr of a string", {"op": "incr", "path": "/key", "value": 2}, None),
    ("a quoted name", {"op": "set", "path": "/f/x~1y~0z", "value": 1}, {"f": {"a": 1, "x/y~z": 1}}),
    ("the id", {"op": "set", "path": "/id", "value": "2"}, None),
    ("the partition key", {"op": "set", "path": "/tenant", "value": "2"}, None),
    ("a system property", {"op": "set", "path": "/_etag", "value": "2"}, None),
    ("an unknown operation", {"op": "move", "path": "/n", "from": "/f"}, None),
    ("no path", {"op": "set", "path": "n", "value": 1}, None),
    ("a taken unique key", {"op": "set", "path": "/key", "value": "User:2"}, None),
]


@pytest.mark.parametrize(("operation", "changed"), [row[1:] for row in PATCHES], ids=[row[0] for row in PATCHES])
async def test_patch_operations(quick: Store, operation: dict[str, Any], changed: dict[str, Any] | None) -> None:
    before = await quick.items.create_item(item("1", n=5, f={"a": 1}, list=[1, 2]))
    await quick.items.create_item(item("2"))
    if changed is None:
        with pytest.raises(CosmosHttpResponseError) as caught:
            await quick.items.patch_item("1", "acme", [{"op": "set", "path": "/f/z", "value": 1}, operation])
        assert caught.value.status_code in {400, 409}
        assert quick.emulator.items("acme")[0] == before
    else:
        after = await quick.items.patch_item("1", "acme", [operation])
        assert {name: after.get(name) for name in changed} == changed
        assert after["_etag"] != before["_etag"]
        assert after == await quick.items.read_item("1", "acme")


async def test_a_patch_has_at_most_10_operations(store: Store) -> None:
    await store.items.create_item(item("1"))
    operations = [{"op": "set", "path": f"/p{n}", "value": n} for n in range(11)]
    await store.items.patch_item("1", "acme", operations[:10])
    with pytest.raises(CosmosHttpResponseError) as caught:
        await store.items.patch_item("1", "acme", operations)
    assert caught.value.status_code == 400


async def test_a_patch_of_ttl_counts(quick: Store) -> None:
    await quick.items.create_item(item("1"))
    await quick.items.patch_item("1", "acme", [{"op": "set", "path": "/ttl", "value": 5}])
    quick.clock.now += 5
    assert quick.emulator.items("acme") == []


async def test_a_condition_on_a_patch_is_not_emulated(quick: Store) -> None:
    await quick.items.create_item(item("1"))
    with pytest.raises(CosmosHttpResponseError) as caught:
        await quick.items.patch_item(
            "1", "acme", [{"op": "set", "path": "/n", "value": 1}], filter_predicate="from c where c.n = 1"
        )
    assert caught.value.status_code == 400
