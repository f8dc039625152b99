"""The account, its authentication, databases and containers, and the charges of requests."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError, CosmosResourceNotFoundError

from tests.cosmos_emulator import Emulator
from tests.cosmos_emulator_tests.conftest import ACME, DATABASE, DEFINITION, DOCS, ONCE, Raw, Store, item


async def test_databases_and_containers_are_created_once(store: Store) -> None:
    database = await store.client.create_database("another")
    container = await database.create_container(
        "things",
        PartitionKey("/tenant"),
        indexing_policy=DEFINITION["indexingPolicy"],
        unique_key_policy=DEFINITION["uniqueKeyPolicy"],
        default_ttl=-1,
    )
    properties = await container.read()
    assert properties["indexingPolicy"] == DEFINITION["indexingPolicy"]
    assert properties["partitionKey"] == {"paths": ["/tenant"], "kind": "Hash", "version": 2}
    assert properties["uniqueKeyPolicy"] == DEFINITION["uniqueKeyPolicy"]
    assert properties["defaultTtl"] == -1
    with pytest.raises(CosmosResourceExistsError):
        await store.client.create_database("another")
    with pytest.raises(CosmosResourceExistsError):
        await database.create_container("things", PartitionKey("/tenant"))
    await store.client.create_database_if_not_exists("another")
    await database.create_container_if_not_exists("things", PartitionKey("/tenant"))
    await database.delete_container("things")
    with pytest.raises(CosmosResourceNotFoundError):
        await container.read()
    await store.client.delete_database("another")
    with pytest.raises(CosmosResourceNotFoundError):
        await database.read()
    with pytest.raises(CosmosResourceNotFoundError) as caught:
        await container.read()
    assert caught.value.sub_status == 1003


@pytest.mark.parametrize("level", ["Strong", "BoundedStaleness", "Session", "ConsistentPrefix", "Eventual"])
async def test_the_account_has_its_consistency(level: str) -> None:
    emulator = Emulator(consistency=level)
    client = CosmosClient(emulator.in_process_endpoint, emulator.key, transport=emulator.transport(), **ONCE)
    async with client:
        account = await client._get_database_account()
        assert account.ConsistencyPolicy == {"defaultConsistencyLevel": level}


async def test_a_level_above_the_accounts_is_refused() -> None:
    emulator = Emulator(consistency="Session")
    emulator.create(DATABASE, DEFINITION)
    raw = Raw(emulator)
    emulator.seed([item("1")])
    for level, status in (("Strong", 400), ("BoundedStaleness", 400), ("Session", 200), ("Eventual", 200)):
        assert (await raw.send("GET", DOCS + "/1", **ACME, x_ms_consistency_level=level)).status == status


async def test_under_session_consistency_reads_carry_the_token_of_the_write() -> None:
    emulator = Emulator(consistency="Session")
    emulator.create(DATABASE, DEFINITION)
    client = CosmosClient(emulator.in_process_endpoint, emulator.key, transport=emulator.transport(), **ONCE)
    async with client:
        items = client.get_database_client(DATABASE).get_container_client("resources")
        made = await items.create_item(item("1"))
        await items.read_item("1", "acme")
    assert emulator.item_requests[-1].headers["x-ms-session-token"] == made.get_response_headers()["x-ms-session-token"]


WRONG = base64.b64encode(b"another key").decode()


async def test_a_wrong_key_is_401(raw: Raw) -> None:
    assert (await raw.send("GET", "/", key=WRONG)).status == 401
    assert (await raw.send("GET", DOCS + "/1", key=WRONG, **ACME)).status == 401
    assert (await raw.send("GET", "/")).status == 200


async def test_a_wrong_key_is_an_error_of_the_sdk(quick: Store) -> None:
    client = CosmosClient(quick.emulator.in_process_endpoint, WRONG, transport=quick.emulator.transport(), **ONCE)
    with pytest.raises(CosmosHttpResponseError) as caught:
        await client.__aenter__()
    assert caught.value.status_code == 401
    await client.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "type%3Dmaster%26ver%3D1.0%26sig%3D"},
        {"authorization": "type%3Dmaster%26ver%3D2.0%26sig%3Dx"},
        {"authorization": "type%3Daad%26ver%3D1.0%26sig%3Dtoken"},
        {"authorization": "Bearer token"},
        {"x_ms_date": ""},
        {"x_ms_date": "yesterday"},
    ],
)
async def test_malformed_credentials_are_401(raw: Raw, headers: dict[str, str]) -> None:
    assert (await raw.send("GET", "/", **headers)).status == 401


async def test_a_signature_is_valid_for_one_resource_only(raw: Raw) -> None:
    raw.emulator.seed([item("1"), item("2")])
    signed = raw.headers("GET", DOCS + "/1")
    assert (await raw.send("GET", DOCS + "/2", **ACME, **signed)).status == 401
    assert (await raw.send("DELETE", DOCS + "/1", **ACME, **signed)).status == 401
    assert (await raw.send("GET", DOCS + "/1", **ACME, **signed)).status == 200


class Credential:
    """Returns numbered tokens."""

    def __init__(self) -> None:
        self.given = 0

    async def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        self.given += 1
        return AccessToken(f"token-{self.given}", 4_000_000_000)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Credential:
        return self

    async def __aexit__(self, *_args: object) -> None:
        pass


async def test_tokens_allow_items_but_not_containers() -> None:
    good = {"token-1"}
    emulator = Emulator(tokens=good.__contains__)
    emulator.create(DATABASE, DEFINITION)
    client = CosmosClient(emulator.in_process_endpoint, Credential(), transport=emulator.transport(), **ONCE)
    async with client:
        items = client.get_database_client(DATABASE).get_container_client("resources")
        await items.create_item(item("1"))
        with pytest.raises(CosmosHttpResponseError) as caught:
            await client.create_database("other")
        assert (caught.value.status_code, caught.value.sub_status) == (403, 5300)
        good.clear()  # the server doesn't accept the token any more
        with pytest.raises(CosmosHttpResponseError) as caught:
            await items.read_item("1", "acme")
        assert caught.value.status_code == 401


async def test_charges_follow_the_documentation() -> None:
    costs: dict[str, dict[str, float]] = {}
    for level in ("Strong", "Session"):
        emulator = Emulator(consistency=level)
        emulator.create(DATABASE, DEFINITION)
        raw = Raw(emulator)
        costs[level] = {}
        small, large = item("small", padding="x" * 500), item("large", padding="x" * (100 * 1024 - 120))

        async def charged(name: str, method: str, path: str, body: Any = None, raw: Raw = raw) -> None:
            response = await raw.send(method, path, body, **ACME)
            assert response.status < 300
            costs[level][name] = float(response.headers["x-ms-request-charge"])  # noqa: B023

        await charged("create 1", "POST", DOCS, small)
        await charged("create 100", "POST", DOCS, large)
        await charged("read 1", "GET", DOCS + "/small")
        await charged("read 100", "GET", DOCS + "/large")
        await charged("replace 1", "PUT", DOCS + "/small", small)
        await charged("delete 1", "DELETE", DOCS + "/small")
    assert costs["Session"]["read 1"] == 1
    assert costs["Session"]["read 100"] == 10
    assert costs["Strong"]["read 1"] == 2
    assert costs["Strong"]["read 100"] == 20
    assert 5 <= costs["Strong"]["create 1"] <= 6
    assert 50 <= costs["Strong"]["create 100"] <= 51
    assert costs["Strong"]["replace 1"] == 2 * costs["Strong"]["create 1"]
    assert costs["Strong"]["delete 1"] == costs["Strong"]["create 1"]
    assert {name: cost for name, cost in costs["Strong"].items() if "read" not in name} == {
        name: cost for name, cost in costs["Session"].items() if "read" not in name
    }


async def test_indexed_values_cost_and_others_do_not(raw: Raw) -> None:
    async def cost(document: dict[str, Any]) -> float:
        return float((await raw.send("POST", DOCS, document, **ACME)).headers["x-ms-request-charge"])

    plain = await cost(item("1"))
    assert await cost(item("2", resource={"a": 1, "b": [1, 2, 3]})) == plain
    assert await cost(item("3", f={"a": 1, "b": [{"c": 1}, {"c": 2}]})) == pytest.approx(plain + 0.3)


async def test_a_query_plan_request_returns_a_plan(raw: Raw) -> None:
    response = await raw.send(
        "POST",
        DOCS,
        {"query": "SELECT * FROM c ORDER BY c.key DESC OFFSET 2 LIMIT 3"},
        x_ms_cosmos_is_query_plan_request="True",
        x_ms_cosmos_supported_query_features="Aggregate,OrderBy",
        x_ms_cosmos_query_version="1.0",
        content_type="application/json",
    )
    assert response.status == 200
    assert b'"orderBy":["Descending"]' in response.body
    assert b'"offset":2,"limit":3' in response.body


async def test_ranges_are_read_until_a_304(raw: Raw) -> None:
    path = f"/dbs/{DATABASE}/colls/resources/pkranges"
    first = await raw.send("GET", path, a_im="Incremental feed")
    assert first.status == 200
    again = await raw.send("GET", path, a_im="Incremental feed", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")


async def test_reading_all_items_of_a_partition(store: Store) -> None:
    store.emulator.seed([item(str(n)) for n in range(5)])
    pages = store.items.query_items("SELECT * FROM c", partition_key="acme", max_item_count=2)
    assert [row["id"] async for row in pages] == ["0", "1", "2", "3", "4"]
