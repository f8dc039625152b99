"""Refused syntax, headers, routes and definitions, as raw requests: the SDK wouldn't send most of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cosmos_emulator_tests.conftest import ACME, DATABASE, DEFINITION, DOCS, QUERY, Raw, item

SYNTAX = [
    "",
    "SELECT",
    "SELECT * FROM",
    "SELECT * FROM c WHERE",
    "SELECT * FROM c WHERE c.a = ",
    "SELECT * FROM c WHERE c.a == 1",
    "SELECT * FROM c WHERE c.a = 1 AND",
    "SELECT * FROM c WHERE (c.a = 1",
    "SELECT * FROM c WHERE c.a = 'x",
    "SELECT * FROM c; DROP TABLE c",
    "SELECT * FROM c -- comment",
    "SELECT * FROM c WHERE d.a = 1",
    "SELECT * FROM c WHERE a = 1",
    "SELECT * FROM c WHERE c.value = 1",
    "SELECT * FROM c WHERE c.group = 1",
    "SELECT * FROM c WHERE c.order = 1",
    "SELECT * FROM c WHERE c.x-y = 1",
    "SELECT * FROM c WHERE c[@p] = 1",
    "SELECT * FROM c WHERE c.a LIKE 'x%'",
    "SELECT * FROM c WHERE c.a BETWEEN 1 AND 2",
    "SELECT * FROM c WHERE c.a + 1 = 2",
    "SELECT * FROM c WHERE c.a ?? 1",
    "SELECT * FROM c WHERE c.a IN ()",
    "SELECT * FROM c WHERE NOT",
    "SELECT * FROM c WHERE NOT c.a = 1",
    "SELECT * FROM c WHERE NOT c.a IN (1)",
    "SELECT * FROM c WHERE c.a = TRUE",
    "SELECT * FROM c WHERE c.a = NULL",
    "SELECT * FROM c WHERE UPPER(c.a) = 'X'",
    "SELECT * FROM c WHERE NOSUCH(c.a)",
    "SELECT * FROM c WHERE CONTAINS(c.a)",
    "SELECT * FROM c WHERE IS_DEFINED(c.a, c.b)",
    "SELECT * FROM c WHERE c.a = @missing",
    "SELECT DISTINCT c.a FROM c",
    "SELECT c.a FROM c GROUP BY c.a",
    "SELECT * FROM c JOIN e IN c.emails",
    "SELECT e FROM e IN c.emails",
    "SELECT COUNT(1) FROM c",
    "SELECT VALUE SUM(c.a) FROM c",
    "SELECT c.a, d.a FROM c",
    "SELECT c.a, c.b.a FROM c",
    "SELECT * FROM c OFFSET 1",
    "SELECT * FROM c LIMIT 1",
    "SELECT * FROM c OFFSET -1 LIMIT 1",
    "SELECT * FROM c OFFSET 1.5 LIMIT 1",
    "SELECT TOP 1 * FROM c OFFSET 0 LIMIT 1",
    "SELECT * FROM c ORDER BY",
    "SELECT * FROM c ORDER BY c.key WHERE true",
    "SELECT * FROM c WHERE EXISTS(SELECT e FROM e IN c.f.emails)",
    "SELECT * FROM c WHERE EXISTS(SELECT VALUE e FROM c.f.emails)",
    "SELECT * FROM c WHERE EXISTS(SELECT VALUE c FROM c IN c.f.emails)",
    "SELECT * FROM c WHERE c.a = {'x': 1}",
    "DELETE FROM c",
]


@pytest.mark.parametrize("text", SYNTAX)
async def test_a_query_outside_the_grammar_is_400(raw: Raw, text: str) -> None:
    status, body = await raw.sent("POST", DOCS, {"query": text}, **QUERY)
    assert status == 400, body


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "SELECT * FROM c",
        {"query": 1},
        {"query": "SELECT * FROM c", "more": 1},
        {"query": "SELECT * FROM c", "parameters": {}},
        {"query": "SELECT * FROM c", "parameters": [{"name": "p", "value": 1}]},
        {"query": "SELECT * FROM c", "parameters": [{"name": "@p"}]},
        {"query": "SELECT * FROM c", "parameters": [{"name": "@p", "value": 1}, {"name": "@p", "value": 2}]},
        {"query": "SELECT * FROM c OFFSET @o LIMIT 1", "parameters": [{"name": "@o", "value": "1"}]},
        {"query": "SELECT * FROM c OFFSET @o LIMIT 1", "parameters": [{"name": "@o", "value": True}]},
        {"query": "SELECT * FROM c WHERE c.a = 1" + " " * 600_000},
        {"query": "SELECT * FROM c WHERE " + "(" * 5000 + "true" + ")" * 5000},
    ],
)
async def test_a_malformed_query_is_400(raw: Raw, body: Any) -> None:
    status, text = await raw.sent("POST", DOCS, body, **QUERY)
    assert status == 400, text


async def test_a_long_condition_is_accepted(raw: Raw) -> None:
    condition = " OR ".join(f"c.id = 'x{n}'" for n in range(2000))
    status, _ = await raw.sent("POST", DOCS, {"query": f"SELECT * FROM c WHERE {condition}"}, **QUERY)
    assert status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x_ms_documentdb_partitionkey": None},
        {"x_ms_documentdb_partitionkey": "acme"},
        {"x_ms_documentdb_partitionkey": "[]"},
        {"x_ms_documentdb_partitionkey": '["acme", "x"]'},
        {"x_ms_documentdb_partitionkey": '[["acme"]]'},
        {"x_ms_documentdb_partitionkey": '["' + "x" * 2049 + '"]'},
        {"x_ms_max_item_count": "0"},
        {"x_ms_max_item_count": "-2"},
        {"x_ms_max_item_count": "many"},
        {"content_type": "application/json"},
        {"x_ms_version": "2015-01-01"},
        {"x_ms_consistency_level": "Linearizable"},
        {"x_ms_session_token": "nonsense"},
        {"x_ms_cosmos_intended_collection_rid": "AAAA"},
        {"x_ms_documentdb_isquery": "perhaps", "x_ms_documentdb_is_upsert": "perhaps"},
        {"x_ms_indexing_directive": "Exclude"},
        {"x_ms_documentdb_pre_trigger_include": "t"},
        {"x_ms_documentdb_query_enable_scan": "true"},
    ],
)
async def test_unknown_headers_are_400(raw: Raw, headers: dict[str, str | None]) -> None:
    given = {name: value for name, value in {**QUERY, **headers}.items() if value is not None}
    status, body = await raw.sent("POST", DOCS, {"query": "SELECT * FROM c"}, **given)
    assert status == 400, body


async def test_a_session_token_from_the_future_is_404_with_1002(raw: Raw) -> None:
    response = await raw.send("GET", DOCS + "/1", **ACME, x_ms_session_token="0:-1#999")
    assert (response.status, response.headers["x-ms-substatus"]) == (404, "1002")


async def test_a_recreated_container_is_400_with_1024(raw: Raw) -> None:
    response = await raw.send("GET", DOCS + "/1", **ACME, x_ms_cosmos_intended_collection_rid="AAAA")
    assert (response.status, response.headers["x-ms-substatus"]) == (400, "1024")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/dbs"),
        ("PUT", f"/dbs/{DATABASE}"),
        ("GET", f"/dbs/{DATABASE}/colls"),
        ("PUT", f"/dbs/{DATABASE}/colls/resources"),
        ("POST", f"/dbs/{DATABASE}/users"),
        ("GET", "/offers"),
        ("POST", f"/dbs/{DATABASE}/colls/resources/sprocs"),
        ("DELETE", DOCS),
        ("POST", DOCS + "/1"),
        ("GET", DOCS + "/1/attachments"),
        ("GET", DOCS + "/1/2/3"),
        ("DELETE", f"/dbs/{DATABASE}/colls/resources/pkranges"),
        ("GET", DOCS + "/1?x=1"),
        ("HEAD", DOCS + "/1"),
    ],
)
async def test_other_routes_are_400(raw: Raw, method: str, path: str) -> None:
    response = await raw.send(method, path, **ACME)
    assert response.status in {400, 401}
    assert raw.emulator.item_requests[-1].operation in {"unknown", "item.read"}


@pytest.mark.parametrize("id", ["a/b", "a\\b", "a?b", "a#b", "", "x" * 1024, "é" * 512, None, 5])
async def test_bad_ids_are_400(raw: Raw, id: Any) -> None:
    status, _ = await raw.sent("POST", DOCS, {"id": id, "tenant": "acme"}, **ACME)
    assert status == 400
    assert raw.emulator.items("acme") == []


async def test_an_escaped_slash_in_the_url_is_400(raw: Raw) -> None:
    response = await raw.send("GET", DOCS + "/a%2Fb", **ACME)
    assert response.status in {400, 401}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"id": "1", "tenant": "acme", "n": NaN}',
        b'{"id": "1", "tenant": "acme", "s": "\\ud800"}',
        b'{"id": "1", "tenant": "acme", "s": "\xff"}',
        b'{"id": "1", "tenant": "other"}',
        b'{"id": "1"}',
        b'{"id": "1", "tenant": "acme", "deep": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"id": "1", "tenant": "acme", "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
async def test_bodies_that_are_not_items_are_400(raw: Raw, body: bytes) -> None:
    status, _ = await raw.sent("POST", DOCS, body, **ACME)
    assert status == 400
    assert raw.emulator.items("acme") == []


async def test_a_wrong_partition_key_in_the_header_is_400_with_1001(raw: Raw) -> None:
    response = await raw.send("POST", DOCS, item("1", tenant="other"), **ACME)
    assert (response.status, response.headers["x-ms-substatus"]) == (400, "1001")


async def test_a_request_holds_2_mb(raw: Raw) -> None:
    status, _ = await raw.sent("POST", DOCS, b" " * (2 * 1024 * 1024 + 1), **ACME)
    assert status == 413


@pytest.mark.parametrize("header", ["if_match", "if_none_match"])
async def test_conditions_without_a_meaning_are_400(raw: Raw, header: str) -> None:
    status, _ = await raw.sent("POST", DOCS, item("1"), **ACME, **{header: "*"})
    assert status == 400


async def test_a_patch_needs_its_content_type(raw: Raw) -> None:
    raw.emulator.seed([item("1")])
    body = {"operations": [{"op": "set", "path": "/n", "value": 1}]}
    for content_type, status in (
        ("application/json", 400),
        ("application/json-patch+json", 200),
        ("application/json_patch+json", 200),
    ):
        assert (await raw.send("PATCH", DOCS + "/1", body, **ACME, content_type=content_type)).status == status


BATCH = {
    **ACME,
    "x_ms_cosmos_is_batch_request": "True",
    "x_ms_cosmos_batch_atomic": "True",
    "x_ms_cosmos_batch_continue_on_error": "False",
}


@pytest.mark.parametrize(
    "operations",
    [
        [],
        {},
        ["x"],
        [{"operationType": "Create"}],
        [{"operationType": "Create", "id": "1", "resourceBody": item("1")}],
        [{"operationType": "Delete"}],
        [{"operationType": "Upsert", "resourceBody": item("1")}],
        [{"operationType": "Read", "id": "1", "ifMatch": "x"}],
        [{"operationType": "Delete", "id": "1", "ifNoneMatch": "x"}],
        [{"operationType": "Delete", "id": "1", "more": 1}],
    ],
)
async def test_malformed_batches_are_400_as_a_whole(raw: Raw, operations: Any) -> None:
    assert (await raw.send("POST", DOCS, operations, **BATCH)).status == 400


async def test_only_atomic_batches_are_emulated(raw: Raw) -> None:
    operations = [{"operationType": "Create", "resourceBody": item("1")}]
    for header, value in (("x_ms_cosmos_batch_atomic", "False"), ("x_ms_cosmos_batch_continue_on_error", "True")):
        assert (await raw.send("POST", DOCS, operations, **{**BATCH, header: value})).status == 400
    assert (await raw.send("POST", DOCS, operations, **BATCH)).status == 200


def changed(**properties: Any) -> dict[str, Any]:
    return {**DEFINITION, "id": "new", **properties}


@pytest.mark.parametrize(
    "definition",
    [
        changed(partitionKey=None),
        changed(partitionKey={"paths": ["/a", "/b"], "kind": "MultiHash"}),
        changed(partitionKey={"paths": ["tenant"], "kind": "Hash"}),
        changed(id="a/b"),
        changed(defaultTtl=0),
        changed(computedProperties=[]),
        changed(uniqueKeyPolicy={"uniqueKeys": [{"paths": []}]}),
        changed(uniqueKeyPolicy={"uniqueKeys": [{"paths": ["/a"]}] * 11}),
        changed(indexingPolicy={"includedPaths": [{"path": "/a/?"}]}),
        changed(indexingPolicy={"includedPaths": [{"path": "/*"}, {"path": "/a"}]}),
        changed(indexingPolicy={"includedPaths": [{"path": "/*"}], "excludedPaths": [{"path": "/*"}]}),
        changed(indexingPolicy={"indexingMode": "lazy", "includedPaths": [{"path": "/*"}]}),
        changed(indexingPolicy={"includedPaths": [{"path": "/*"}], "vectorIndexes": []}),
        [],
    ],
)
async def test_container_definitions_that_are_not_emulated_are_400(raw: Raw, definition: Any) -> None:
    status, body = await raw.sent("POST", f"/dbs/{DATABASE}/colls", definition)
    assert status == 400, body


async def test_errors_have_the_services_form(raw: Raw) -> None:
    response = await raw.send("GET", DOCS + "/1", **ACME)
    assert json.loads(response.body)["code"] == "NotFound"
    assert response.headers["x-ms-request-charge"] == "2.00"
    assert "x-ms-substatus" not in response.headers
