"""Operations on single items with the real SDK."""

from __future__ import annotations

import pytest
from azure.core import MatchConditions
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from tests.cosmos_emulator import CutAfter, Fault
from tests.cosmos_emulator_tests.conftest import Store, item


async def test_a_created_item_can_be_read(store: Store) -> None:
    made = await store.items.create_item(item("1", name="Zoë 😀", ratio=1.5, nothing=None, many=[1, {"a": True}]))
    read = await store.items.read_item("1", "acme")
    assert read == made
    assert read["name"] == "Zoë 😀"
    assert read["many"] == [1, {"a": True}]
    assert {"_rid", "_self", "_etag", "_ts", "_attachments"} <= set(read)
    assert read["_ts"] == int(store.clock.now)


async def test_each_operation_is_one_request(store: Store) -> None:
    await store.items.create_item(item("1"))
    store.emulator.requests.clear()
    await store.items.read_item("1", "acme")
    await store.items.replace_item("1", item("1", n=2))
    await store.items.delete_item("1", "acme")
    assert [call.operation for call in store.emulator.item_requests] == ["item.read", "item.replace", "item.delete"]
    assert [call.status for call in store.emulator.item_requests] == [200, 200, 204]


async def test_an_id_is_unique_within_a_partition(store: Store) -> None:
    await store.items.create_item(item("1"))
    await store.items.create_item(item("1", tenant="other"))
    with pytest.raises(CosmosResourceExistsError):
        await store.items.create_item(item("1", type="Group"))
    assert len(store.emulator.items("acme")) == len(store.emulator.items("other")) == 1


async def test_a_missing_item_is_404_without_substatus(store: Store) -> None:
    for attempt in (
        store.items.read_item("1", "acme"),
        store.items.replace_item("1", item("1")),
        store.items.delete_item("1", "acme"),
        store.items.patch_item("1", "acme", [{"op": "set", "path": "/a", "value": 1}]),
    ):
        with pytest.raises(CosmosResourceNotFoundError) as caught:
            await attempt
        assert not caught.value.sub_status


async def test_a_container_deleted_after_its_first_use_is_404_with_1003(store: Store) -> None:
    await store.items.create_item(item("1"))
    del store.emulator.core.account.databases["scim-store"].containers["resources"]
    with pytest.raises(CosmosResourceNotFoundError) as caught:
        await store.items.read_item("1", "acme")
    assert caught.value.sub_status == 1003


async def test_the_first_use_of_a_missing_container_is_a_404_of_the_container(store: Store) -> None:
    """The SDK reads the container first. Its 404 has no substatus, so it looks like a missing item."""
    wrong = store.client.get_database_client("scim-store").get_container_client("wrong")
    with pytest.raises(CosmosResourceNotFoundError) as caught:
        await wrong.create_item(item("1"))
    assert not caught.value.sub_status
    assert store.emulator.item_requests == []


async def test_etag_conditions(store: Store) -> None:
    first = await store.items.create_item(item("1"))
    same = MatchConditions.IfNotModified
    second = await store.items.replace_item("1", item("1", n=2), etag=first["_etag"], match_condition=same)
    assert second["_etag"] != first["_etag"]
    assert second["_rid"] == first["_rid"]
    with pytest.raises(CosmosAccessConditionFailedError):
        await store.items.replace_item("1", item("1", n=3), etag=first["_etag"], match_condition=same)
    with pytest.raises(CosmosAccessConditionFailedError):
        await store.items.delete_item("1", "acme", etag=first["_etag"], match_condition=same)
    with pytest.raises(CosmosAccessConditionFailedError):
        await store.items.patch_item(
            "1", "acme", [{"op": "set", "path": "/n", "value": 4}], etag=first["_etag"], match_condition=same
        )
    await store.items.replace_item("1", item("1", n=5), match_condition=MatchConditions.IfPresent)
    last = await store.items.read_item("1", "acme")
    await store.items.delete_item("1", "acme", etag=last["_etag"], match_condition=same)
    assert store.emulator.items("acme") == []


async def test_if_none_match_answers_304(store: Store) -> None:
    made = await store.items.create_item(item("1"))
    answer = await store.items.read_item("1", "acme", etag=made["_etag"], match_condition=MatchConditions.IfModified)
    assert store.emulator.item_requests[-1].status == 304
    assert answer == {}


async def test_unique_keys_hold_within_a_partition(store: Store) -> None:
    await store.items.create_item(item("1"))
    await store.items.create_item({**item("2"), "key": "User:2"})
    with pytest.raises(CosmosResourceExistsError):
        await store.items.create_item({**item("3"), "key": "User:1"})
    with pytest.raises(CosmosResourceExistsError):
        await store.items.replace_item("2", {**item("2"), "key": "User:1"})
    await store.items.create_item({**item("1", tenant="other"), "key": "User:1"})
    await store.items.replace_item("1", {**item("1"), "key": "User:9"})
    await store.items.create_item({**item("3"), "key": "User:1"})
    await store.items.delete_item("1", "acme")
    await store.items.create_item({**item("4"), "key": "User:9"})


async def test_a_missing_unique_key_counts_as_a_value(store: Store) -> None:
    await store.items.create_item({"id": "1", "tenant": "acme"})
    with pytest.raises(CosmosResourceExistsError):
        await store.items.create_item({"id": "2", "tenant": "acme"})


async def test_items_expire_by_the_clock(store: Store) -> None:
    await store.items.create_item(item("1", ttl=60))
    await store.items.create_item(item("2"))
    await store.items.create_item(item("3", ttl=-1))
    store.clock.now += 59
    assert await store.items.read_item("1", "acme")
    store.clock.now += 1
    with pytest.raises(CosmosResourceNotFoundError):
        await store.items.read_item("1", "acme")
    assert await store.query("SELECT VALUE c.id FROM c") == ["2", "3"]
    assert await store.query("SELECT VALUE COUNT(1) FROM c") == [2]
    await store.items.create_item(item("1"))


async def test_a_replace_restarts_the_time_to_live(quick: Store) -> None:
    await quick.items.create_item(item("1", ttl=60))
    quick.clock.now += 59
    await quick.items.replace_item("1", item("1", ttl=60))
    quick.clock.now += 59
    assert await quick.items.read_item("1", "acme")
    await quick.items.replace_item("1", item("1"))
    quick.clock.now += 1_000_000
    assert await quick.items.read_item("1", "acme")


@pytest.mark.parametrize("ttl", [0, -2, 1.5, "60", None, True])
async def test_a_bad_ttl_is_refused(quick: Store, ttl: object) -> None:
    with pytest.raises(CosmosHttpResponseError) as caught:
        await quick.items.create_item(item("1", ttl=ttl))
    assert caught.value.status_code == 400


@pytest.mark.filterwarnings("ignore:Sending a large body")  # aiohttp's warning for bodies above 1 MB
async def test_an_item_holds_2_mb(store: Store) -> None:
    spare = 2 * 1024 * 1024 - 200
    await store.items.create_item(item("1", text="x" * spare))
    with pytest.raises(CosmosHttpResponseError) as caught:
        await store.items.create_item(item("2", text="x" * 2 * 1024 * 1024))
    assert caught.value.status_code == 413
    with pytest.raises(CosmosHttpResponseError) as caught:
        await store.items.patch_item("1", "acme", [{"op": "set", "path": "/more", "value": "x" * 300}])
    assert caught.value.status_code == 413


async def test_the_id_cannot_be_replaced(quick: Store) -> None:
    await quick.items.create_item(item("1"))
    with pytest.raises(CosmosHttpResponseError) as caught:
        await quick.items.replace_item("1", item("2"))
    assert caught.value.status_code == 400


async def test_no_response_omits_the_body(store: Store) -> None:
    assert await store.items.create_item(item("1"), no_response=True) == {}
    assert await store.items.replace_item("1", item("1", n=1), no_response=True) == {}
    assert (await store.items.read_item("1", "acme"))["n"] == 1


async def test_stored_items_are_isolated_from_callers(quick: Store) -> None:
    await quick.items.create_item(item("1", f={"a": [1]}))
    quick.emulator.items("acme")[0]["f"]["a"].append(2)
    await quick.items.patch_item("1", "acme", [{"op": "add", "path": "/f/a/-", "value": 3}])
    assert quick.emulator.items("acme")[0]["f"]["a"] == [1, 3]


async def test_unusual_ids_address_their_item(store: Store) -> None:
    for id in ("User:1", "a b", "ü", "%2e", "a+b", "x&y=z", "a%20b"):
        await store.items.create_item(item(id))
        assert (await store.items.read_item(id, "acme"))["id"] == id
        await store.items.delete_item(id, "acme")


async def test_an_id_of_two_dots_addresses_the_container(store: Store) -> None:
    """The SDK builds the URL from the id, and the HTTP client normalises it. The store must refuse such ids."""
    await store.items.create_item(item("1"))
    with pytest.raises(CosmosHttpResponseError) as caught:
        await store.items.read_item("..", "acme")
    assert caught.value.status_code == 401
    assert store.emulator.item_requests[1:] == []
    assert ("container.read", 401) in {(call.operation, call.status) for call in store.emulator.requests}


async def test_a_cut_delete_is_sent_again_by_aiohttp(store: Store) -> None:
    """With the SDK's retries off, aiohttp still repeats PUT, DELETE and GET on a connection that was in use."""
    await store.items.create_item(item("1"))
    store.emulator.faults.append(Fault("item.delete", CutAfter()))
    store.emulator.requests.clear()
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the test checks which one
        await store.items.delete_item("1", "acme")
    repeated = store.emulator.counts()["item.delete"] == 2
    assert repeated is isinstance(caught.value, CosmosResourceNotFoundError)
    assert store.emulator.items("acme") == []
