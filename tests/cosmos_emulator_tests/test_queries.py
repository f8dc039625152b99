"""Queries with the real SDK: order, pages, indexes and charges."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest
from azure.cosmos.exceptions import CosmosHttpResponseError

from tests.cosmos_emulator import Emulator, Fault, ShortPage
from tests.cosmos_emulator.query import Execution, Position
from tests.cosmos_emulator.sql_eval import Compiler
from tests.cosmos_emulator.sql_parse import parse
from tests.cosmos_emulator.values import follow, order_key
from tests.cosmos_emulator.wire import CosmosError
from tests.cosmos_emulator_tests.conftest import DATABASE, DEFINITION, Store, item


def user(number: int, **f: Any) -> dict[str, Any]:
    name = f"u{number:03}"
    return item(
        str(number),
        f={"userName": name, "number": number, "emails": [{"type": "work", "value": f"{name}@x"}], **f},
        s={"userName": f"User:0{name}"},
        resource={"title": f"T{number % 3}"},
    )


def member(group: str, number: int, tenant: str = "acme") -> dict[str, Any]:
    id = f"m:{group}:{number:04}"
    return {"id": id, "tenant": tenant, "type": "member", "key": id, "group": group, "member": f"u{number}"}


async def continued(store: Store, text: str, token: str) -> list[Any]:
    pages = store.items.query_items(text, partition_key="acme").by_page(token)
    return [row async for page in pages async for row in page]


async def test_the_queries_of_the_store(store: Store) -> None:
    store.emulator.seed([user(n) for n in range(20)])
    store.emulator.seed([member("g1", n) for n in range(10)] + [member("g2", n) for n in range(5)])
    rows = await store.query(
        'SELECT c.id, c._etag, c.resource FROM c WHERE c.type = @type AND c.f.number >= @n'
        ' ORDER BY c.s["userName"] DESC OFFSET @o LIMIT @l',
        type="User", n=10, o=2, l=3,
    )  # fmt: skip
    assert [row["id"] for row in rows] == ["17", "16", "15"]
    assert set(rows[0]) == {"id", "_etag", "resource"}
    assert await store.query("SELECT VALUE COUNT(1) FROM c WHERE c.type = @type", type="User") == [20]
    rows = await store.query(
        'SELECT c["group"], c.member, c.memberType, c.key FROM c'
        ' WHERE c.type = "member" AND c["group"] = @g AND c.key > @after ORDER BY c.key',
        g="g1", after="m:g1:0006",
    )  # fmt: skip
    assert [row["key"] for row in rows] == ["m:g1:0007", "m:g1:0008", "m:g1:0009"]
    assert set(rows[0]) == {"group", "member", "key"}
    rows = await store.query(
        'SELECT VALUE c.key FROM c WHERE c["group"] IN (@a, @b) AND ARRAY_CONTAINS(@list, c.member) ORDER BY c.key',
        a="g1", b="g2", list=["u1", "u7"],
    )  # fmt: skip
    assert rows == ["m:g1:0001", "m:g1:0007", "m:g2:0001"]
    rows = await store.query(
        "SELECT c.id, c.type, c.resource.title FROM c WHERE c.id IN (@i0, @i1, @i2)", i0="3", i1="none", i2="m:g1:0001"
    )
    assert rows == [{"id": "3", "type": "User", "title": "T0"}, {"id": "m:g1:0001", "type": "member"}]
    rows = await store.query(
        'SELECT VALUE c.id FROM c WHERE EXISTS(SELECT VALUE e FROM e IN c.f.emails'
        ' WHERE e.type = @a AND e["value"] = @b) ORDER BY c.f.number',
        a="work", b="u004@x",
    )  # fmt: skip
    assert rows == ["4"]
    assert all(call.operation != "query.plan" for call in store.emulator.requests)


async def test_a_query_is_limited_to_its_partition(store: Store) -> None:
    store.emulator.seed([member("g", 1), member("g", 1, tenant="other")])
    assert len(await store.query("SELECT * FROM c")) == 1
    assert len(await store.query('SELECT * FROM c WHERE c["group"] = "g"', tenant="other")) == 1
    assert await store.query("SELECT VALUE COUNT(1) FROM c", tenant="nobody") == [0]


async def test_a_query_without_a_partition_key_is_refused(store: Store) -> None:
    with pytest.raises(CosmosHttpResponseError) as caught:
        [row async for row in store.items.query_items("SELECT * FROM c")]
    assert caught.value.status_code == 400


@pytest.mark.parametrize("page", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT VALUE c.id FROM c WHERE c.type = 'User'",
        "SELECT VALUE c.id FROM c WHERE c.type = 'User' ORDER BY c.f.number",
        "SELECT VALUE c.id FROM c WHERE c.type = 'User' ORDER BY c.f.number DESC",
        "SELECT VALUE c.id FROM c WHERE c.type = 'User' ORDER BY c.f.parity DESC",
        "SELECT VALUE c.id FROM c ORDER BY c.type OFFSET 3 LIMIT 11",
        "SELECT TOP 8 VALUE c.id FROM c WHERE c.f.number > 3",
        "SELECT VALUE c.id FROM c WHERE c.resource.title = 'T1'",
    ],
)
async def test_pages_make_up_the_whole_result(quick: Store, text: str, page: int) -> None:
    quick.emulator.seed([user(n, parity=n % 2) for n in range(20)])
    whole = await quick.query(text)
    quick.emulator.requests.clear()
    assert await quick.query(text, page=page) == whole
    assert quick.emulator.counts()["query"] >= len(whole) / page


async def test_a_full_page_has_a_continuation_while_items_remain(quick: Store) -> None:
    """A full page has a continuation only if there are items left to test."""
    quick.emulator.seed([user(n) for n in range(4)])
    await quick.query("SELECT * FROM c ORDER BY c.f.number", page=4)
    assert quick.emulator.counts()["query"] == 1
    quick.emulator.requests.clear()
    await quick.query("SELECT * FROM c WHERE c.f.number < 2 OR c.f.number > 90 ORDER BY c.f.number", page=2)
    assert quick.emulator.counts()["query"] == 2
    assert [call.rows for call in quick.emulator.requests if call.operation == "query"] == [2, 0]


async def test_a_continuation_token_works_after_writes(store: Store) -> None:
    store.emulator.seed([member("g", n) for n in range(0, 20, 2)])
    text = "SELECT VALUE c.key FROM c WHERE c.type = 'member' ORDER BY c.key"
    pages: Any = store.items.query_items(text, partition_key="acme", max_item_count=4).by_page()
    first = [row async for row in await anext(pages)]
    token = pages.continuation_token
    assert isinstance(token, str)
    store.emulator.seed([member("g", 1), member("g", 7)])
    await store.items.delete_item(first[-1], "acme")
    rest: Any = store.items.query_items(text, partition_key="acme", max_item_count=4).by_page(token)
    assert [row[-2:] async for page in rest async for row in page] == ["07", "08", "10", "12", "14", "16", "18"]


@pytest.mark.parametrize("token", ["nonsense", "bnVsbA==", "W10="])
async def test_an_invalid_token_is_refused(quick: Store, token: str) -> None:
    with pytest.raises(CosmosHttpResponseError) as caught:
        await continued(quick, "SELECT * FROM c", token)
    assert caught.value.status_code == 400


async def test_a_token_of_another_query_is_refused(quick: Store) -> None:
    quick.emulator.seed([user(n) for n in range(4)])
    pages: Any = quick.items.query_items("SELECT * FROM c", partition_key="acme", max_item_count=1).by_page()
    [row async for row in await anext(pages)]
    with pytest.raises(CosmosHttpResponseError) as caught:
        await continued(quick, "SELECT c.id FROM c", str(pages.continuation_token))
    assert caught.value.status_code == 400


async def test_pages_may_be_short_or_empty(store: Store) -> None:
    store.emulator.seed([user(n) for n in range(10)])
    store.emulator.faults.append(Fault("query", ShortPage(0)))
    store.emulator.faults.append(Fault("query", ShortPage(2), nth=2))
    rows = await store.query("SELECT VALUE c.id FROM c ORDER BY c.f.number", page=8)
    assert rows == [str(n) for n in range(10)]
    assert [call.rows for call in store.emulator.requests if call.operation == "query"] == [0, 2, 8]


async def test_a_page_holds_4_mb(quick: Store) -> None:
    quick.emulator.seed([item(str(n), text="x" * 1_000_000) for n in range(6)])
    assert len(await quick.query("SELECT * FROM c")) == 6
    assert quick.emulator.counts()["query"] == 2


async def test_without_a_size_a_page_has_100_rows(quick: Store) -> None:
    quick.emulator.seed([user(n) for n in range(150)])
    assert len([row async for row in quick.items.query_items("SELECT * FROM c", partition_key="acme")]) == 150
    assert quick.emulator.counts()["query"] == 2


@pytest.mark.parametrize(
    "order", ["c.resource.title", "c.missing", "c._etag", "c.f.number, c.key", "c.f.number + 1", "c", "LOWER(c.key)"]
)
async def test_an_order_without_an_index_is_refused(quick: Store, order: str) -> None:
    with pytest.raises(CosmosHttpResponseError) as caught:
        await quick.query(f"SELECT * FROM c ORDER BY {order}")
    assert caught.value.status_code == 400


async def test_an_order_by_many_needs_its_composite_index(quick: Store) -> None:
    definition: dict[str, Any] = {
        "id": "composite",
        "partitionKey": {"paths": ["/tenant"], "kind": "Hash", "version": 2},
        "indexingPolicy": {
            "includedPaths": [{"path": "/*"}],
            "compositeIndexes": [[{"path": "/a", "order": "ascending"}, {"path": "/b", "order": "descending"}]],
        },
    }
    quick.emulator.create("scim-store", definition)
    items = quick.client.get_database_client("scim-store").get_container_client("composite")
    quick.emulator.seed([{"id": str(n), "tenant": "acme", "a": n % 2, "b": n} for n in range(6)], container="composite")

    async def ids(order: str, page: int) -> list[Any]:
        text = f"SELECT VALUE c.id FROM c ORDER BY {order}"
        return [row async for row in items.query_items(text, partition_key="acme", max_item_count=page)]

    for page in (2, 100):
        assert await ids("c.a ASC, c.b DESC", page) == ["4", "2", "0", "5", "3", "1"]
        assert await ids("c.a DESC, c.b ASC", page) == ["1", "3", "5", "0", "2", "4"]
    for order in ("c.a, c.b", "c.b DESC, c.a"):
        with pytest.raises(CosmosHttpResponseError):
            await ids(order, 100)


async def test_items_without_the_order_property_are_returned_only_for_an_explicit_path(quick: Store) -> None:
    """`/group/?` names the property; `/f/*` does not, so items without it are omitted (ORDER BY, remarks)."""
    quick.emulator.seed([user(1), user(2, nick="b"), user(3, nick="a"), member("g", 1)])
    assert await quick.query("SELECT VALUE c.id FROM c ORDER BY c.f.nick") == ["3", "2"]
    assert await quick.query('SELECT VALUE c.id FROM c ORDER BY c["group"]') == ["1", "2", "3", "m:g:0001"]
    assert await quick.query('SELECT VALUE c.id FROM c ORDER BY c["group"] DESC') == ["m:g:0001", "3", "2", "1"]


async def test_a_filter_without_an_index_works_and_costs_a_scan(quick: Store) -> None:
    quick.emulator.seed([user(n) | {"padding": "x" * 3000} for n in range(200)])

    async def cost(text: str) -> float:
        quick.emulator.requests.clear()
        assert len(await quick.query(text)) == 1
        return quick.emulator.charge()

    indexed = await cost("SELECT VALUE c.id FROM c WHERE c.f.number = 7")
    scanned = await cost("SELECT VALUE c.id FROM c WHERE c.padding != 'y' AND c.resource.title = 'T1' AND c.id = '7'")
    whole = await cost("SELECT VALUE COUNT(1) FROM c WHERE c.resource.title = 'T1'")
    assert 4.6 <= indexed < 6
    assert scanned < 6
    assert whole > 10


async def test_undefined_columns_and_rows_are_omitted(quick: Store) -> None:
    quick.emulator.seed([user(1), member("g", 2)])
    assert await quick.query("SELECT c.id, c.f.userName AS name FROM c") == [
        {"id": "1", "name": "u001"},
        {"id": "m:g:0002"},
    ]
    assert await quick.query("SELECT VALUE c.f.userName FROM c") == ["u001"]
    assert await quick.query("SELECT VALUE COUNT(c.f) FROM c") == [1]
    assert await quick.query('SELECT c.f.number = 1, c["group"] FROM c') == [{"$1": True}, {"group": "g"}]
    assert [set(row) for row in await quick.query("SELECT c FROM c")] == [{"c"}, {"c"}]


async def test_the_source_can_have_any_name(quick: Store) -> None:
    quick.emulator.seed([user(1)])
    for text in ("SELECT r.id FROM root r", "SELECT Users.id FROM Users", "select x.id from c as x where x.id = '1'"):
        assert await quick.query(text) == [{"id": "1"}]


CONDITIONS = [
    "c.type = @s",
    "c.f.a = @n",
    "c.f.a = @s",
    "c.f.a = null",
    "c.f.a > @n",
    "c.f.a <= @s",
    "c.f.b >= @s",
    "c.f.a IN (@n, @s, true)",
    "NOT (c.f.a = @n)",
    "c.f.a = @n OR c.f.b = @s",
    "STARTSWITH(c.f.b, @s)",
    "CONTAINS(c.f.b, @s)",
    "IS_DEFINED(c.f.a)",
    "ARRAY_CONTAINS(@l, c.f.a)",
    "EXISTS(SELECT VALUE e FROM e IN c.f.list WHERE e.v = @n)",
    "EXISTS(SELECT VALUE e FROM e IN c.f.list WHERE e.v = @n AND e.w = @s)",
    "c.x.a = @n",
]
VALUES: list[Any] = [None, True, False, 0, 1, 2, 2.5, "", "a", "ab", "b", [1], {"k": 1}]


class Program:
    """Random writes to one partition, and queries that run twice: with indexes, and by testing every item."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.container = Emulator().create(DATABASE, DEFINITION)
        self.partition = self.container.partition("acme")

    def document(self, id: str) -> dict[str, Any]:
        chance = self.chance
        f: dict[str, Any] = {name: chance.choice(VALUES) for name in "ab" if chance.random() < 0.8}
        f["list"] = [{"v": chance.choice(VALUES), "w": chance.choice(VALUES)} for _ in range(chance.randrange(3))]
        return item(id, type=chance.choice(["a", "b"]), f=f, x={"a": chance.choice(VALUES)}) | {"key": id}

    def write(self) -> None:
        id = str(self.chance.randrange(40))
        with contextlib.suppress(CosmosError):
            match self.chance.randrange(4):
                case 0:
                    self.partition.create(self.document(id), 100)
                case 1:
                    self.partition.replace(id, self.document(id), 100, None)
                case 2:
                    self.partition.delete(id, None)
                case _:
                    self.partition.begin()
                    try:
                        self.partition.create(self.document("new"), 100)
                        self.partition.delete(id, None)
                    finally:
                        self.partition.roll_back()

    def ask(self) -> tuple[list[str], list[str], str]:
        """Return the result with indexes, the result of testing every item, and the requested order."""
        condition = " AND ".join(self.chance.sample(CONDITIONS, self.chance.randrange(1, 4)))
        order = self.chance.choice(["", "c.f.a", "c.f.b DESC", "c.type", "c.id DESC"])
        text = f"SELECT VALUE c.id FROM c WHERE {condition}" + (f" ORDER BY {order}" if order else "")
        texts, values = ["a", "b", "ab", ""], [1, "a", None]
        parameters = {"@n": self.chance.choice(VALUES), "@s": self.chance.choice(texts), "@l": values}
        execution = Execution(parse(text), parameters, self.partition, self.container.definition.indexing)
        found: list[str] = []
        position: Position | None = execution.start()
        while position is not None:
            page = execution.page(position, 7)
            found += page.rows
            position = page.next
        where = parse(text).where
        assert where is not None
        test = Compiler(parameters).compile(where, {"c": 0})
        documents = [one.document for one in self.partition.items()]
        return found, [one["id"] for one in documents if test((one,)) is True], order

    def key(self, id: str, path: str) -> Any:
        return order_key(follow(self.partition.read(id).document, tuple(path.split(".")[1:])))


def test_an_index_never_changes_a_result() -> None:
    program = Program(20260)
    checked = 0
    for _ in range(1200):
        program.write()
        found, kept, order = program.ask()
        path, _, direction = order.partition(" ")
        if path.startswith("c.f."):  # items without the property are omitted
            kept = [id for id in kept if path[-1] in program.partition.read(id).document["f"]]
        if order:
            kept.sort(key=lambda id: program.key(id, path))  # `path` is used immediately
            if direction:
                kept.reverse()  # equal values are reversed too
        assert found == kept
        checked += len(found)
    assert checked > 1000
