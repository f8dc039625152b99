"""Bulk requests (RFC 7644 §3.7): what every way in and every store does; then envelopes, orders, failures, hostile input."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from scim.app import App, Collaborators, build
from scim.edge.http import Request
from scim.protocol.json import JsonObject
from scim.settings import Settings
from scim.storage.errors import PreconditionFailed, StoreUnavailable, Throttled
from scim.storage.interface import WriteModel
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import ORIGIN, TOKEN, Client, HandlerClient, Loop
from tests.http.bulk import CASES, bulk, grouped, ids, made, members_of, patched, statuses
from tests.http.checks import ENTERPRISE, UNKNOWN_ID, everything, is_error, names, unchanged

DELETION: Final = {"method": "DELETE", "path": f"/Users/{UNKNOWN_ID}"}


class Store(SqliteStore):
    """Its creations end in `error` for the names in `failing`, its deletions in `undeletable`, if there is one."""

    def __init__(self) -> None:
        super().__init__(None)
        self.error: Exception | None = None
        self.failing: set[str] = set()
        self.undeletable: Exception | None = None
        self.created: list[str] = []

    async def create(self, tenant: str, draft: WriteModel, members: Any = ()) -> str:
        name = draft.resource.get("userName") or draft.resource["displayName"]
        if self.error is not None and name in self.failing:
            raise self.error
        self.created.append(name)
        return await super().create(tenant, draft, members)

    async def delete(self, tenant: str, resource_type: str, id: str, *, expected: str | None = None) -> None:
        if self.undeletable is not None:
            raise self.undeletable
        await super().delete(tenant, resource_type, id, expected=expected)


class Time:
    """A clock that goes on by `step` whenever it is looked at, and by what is slept."""

    def __init__(self) -> None:
        self.now = 0.0
        self.step = 0.0
        self.slept: list[float] = []

    def timer(self) -> float:
        self.now += self.step
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        if seconds:
            self.slept.append(seconds)
        await asyncio.sleep(0)


class World:
    """A service on a store and a clock of the test's."""

    def __init__(self, loop: Loop, **settings: Any) -> None:
        self.store, self.time = Store(), Time()
        collaborators = Collaborators(timer=self.time.timer, sleep=self.time.sleep)
        self.app: App = build(
            Settings(**settings), collaborators, tokens={TOKEN: "default", "another": "other"}, store=self.store
        )
        self.client = HandlerClient(self.app.handler, loop)


@pytest.fixture
def world(loop: Loop) -> Iterator[World]:
    made = World(loop)
    yield made
    loop.run(made.app.close())


@pytest.fixture
def direct(world: World) -> Client:
    """The handler itself."""
    return world.client


@pytest.fixture
def emptied(port_client: Client) -> Client:
    """A port whose store has nothing of the tests before."""
    for resource in everything(port_client):
        port_client.delete(f"/{resource['meta']['resourceType']}s/{resource['id']}")
    return port_client


@pytest.mark.parametrize("way", ["direct", "client", "emptied", "cosmos_client"])
@pytest.mark.parametrize("case", CASES)
def test_a_bulk_request_gets_its_recorded_response(way: str, case: str, request: pytest.FixtureRequest) -> None:
    CASES[case](request.getfixturevalue(way))


# --- the envelope -----------------------------------------------------------------------------------------------

NOT_A_NUMBER_OF_ERRORS: Final[list[Any]] = [0, -1, 1.0, 1.5, "1", "", True, False, [1], {}, -(2**70)]
BAD_ENVELOPES: Final[dict[str, tuple[Any, str]]] = {
    "array": ([DELETION], "invalidSyntax"),
    "text": ("Operations", "invalidSyntax"),
    "null": (None, "invalidSyntax"),
    "empty": ({}, "invalidSyntax"),
    "no-operation": ({"Operations": []}, "invalidSyntax"),
    "operations-object": ({"Operations": DELETION}, "invalidSyntax"),
    "operations-null": ({"Operations": None}, "invalidSyntax"),
    "operations-twice": ({"Operations": [DELETION], "operations": [DELETION]}, "invalidSyntax"),
    "operation-text": ({"Operations": [DELETION, "DELETE"]}, "invalidSyntax"),
    "operation-null": ({"Operations": [None]}, "invalidSyntax"),
    "operation-array": ({"Operations": [[DELETION]]}, "invalidSyntax"),
    "no-method": ({"Operations": [{"path": "/Users"}]}, "invalidSyntax"),
    "get": ({"Operations": [{**DELETION, "method": "GET"}]}, "invalidSyntax"),
    "head": ({"Operations": [{**DELETION, "method": "HEAD"}]}, "invalidSyntax"),
    "method-number": ({"Operations": [{**DELETION, "method": 1}]}, "invalidSyntax"),
    "method-null": ({"Operations": [{**DELETION, "method": None}]}, "invalidSyntax"),
    "method-twice": ({"Operations": [{**DELETION, "Method": "POST"}]}, "invalidSyntax"),
    "no-path": ({"Operations": [{"method": "DELETE"}]}, "invalidSyntax"),
    "path-number": ({"Operations": [{**DELETION, "path": 1}]}, "invalidSyntax"),
    "path-object": ({"Operations": [{**DELETION, "path": {}}]}, "invalidSyntax"),
    "bulk-id-number": ({"Operations": [{**DELETION, "bulkId": 1}]}, "invalidSyntax"),
    "bulk-id-array": ({"Operations": [{**DELETION, "bulkId": ["a"]}]}, "invalidSyntax"),
    "version-number": ({"Operations": [{**DELETION, "version": 1}]}, "invalidSyntax"),
    **{
        f"long-{name}": ({"Operations": [made("a"), {**made("b"), name: "/Users" + "x" * 2_043}]}, "invalidValue")
        for name in ("path", "bulkId", "version")
    },
    "bulk-id-twice": ({"Operations": [made("a"), made("b"), {**made("c"), "bulkId": "a"}]}, "invalidValue"),
    "bulk-id-of-a-deletion-twice": ({"Operations": [made("a"), {**DELETION, "bulkId": "a"}]}, "invalidValue"),
    **{
        f"fail-on-errors-{value!r}": ({"Operations": [made("a")], "failOnErrors": value}, "invalidValue")
        for value in NOT_A_NUMBER_OF_ERRORS
    },
}


@pytest.mark.parametrize(("body", "scim_type"), BAD_ENVELOPES.values(), ids=BAD_ENVELOPES)
def test_a_bad_envelope_is_refused_as_a_whole(direct: Client, body: Any, scim_type: str) -> None:
    """Nothing is done, not even what stands before the fault."""
    with unchanged(direct):
        is_error(direct.post("/Bulk", json.dumps(body).encode()), 400, scim_type)


@pytest.mark.parametrize("body", [b"", b" ", b"{", b"\xff", b'{"Operations": [', b"[" * 100_000], ids=str)
def test_a_body_that_isnt_json_is_refused(direct: Client, body: bytes) -> None:
    is_error(direct.request("POST", "/Bulk", body), 400, "invalidSyntax")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_bulk_is_posted(direct: Client, method: str) -> None:
    answer = direct.request(method, "/Bulk", {"Operations": [made("a")]})
    is_error(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_another_media_type_is_refused(direct: Client) -> None:
    body = {"Operations": [made("a")]}
    is_error(direct.post("/Bulk", body, headers={"Content-Type": "text/plain"}), 415)


def test_names_and_methods_count_in_any_letter_case(direct: Client) -> None:
    operations = [
        {"METHOD": "post", "Path": "/USERS", "bulkID": "a", "Data": {"userName": "a"}, "unknown": 1},
        {"method": "Delete", "path": "users/bulkId:a"},
    ]
    answer = direct.post("/bulk", {"OPERATIONS": operations, "FailOnErrors": 5, "other": {}})
    assert [(entry["method"], entry["status"]) for entry in answer.json["Operations"]] == [
        ("POST", "201"),
        ("DELETE", "204"),
    ]


def test_a_bulk_may_have_as_many_operations_as_the_limit(loop: Loop) -> None:
    world = World(loop, max_bulk_operations=3)
    try:
        with unchanged(world.client):
            answer = world.client.post("/Bulk", {"Operations": [made(f"u{n}") for n in range(4)]})
            is_error(answer, 413)
            assert "3 operations" in answer.json["detail"]
        assert statuses(bulk(world.client, *(made(f"u{n}") for n in range(3)))) == ["201"] * 3
    finally:
        loop.run(world.app.close())


def test_a_body_may_be_as_long_as_the_limit(loop: Loop) -> None:
    """The limit is the bulk's own: other requests keep theirs."""
    world = World(loop, max_bulk_bytes=4096, max_body_bytes=2048)
    body = json.dumps({"Operations": [made("a")]}).encode()
    try:
        with unchanged(world.client):
            answer = world.client.post("/Bulk", body.ljust(4097))
            is_error(answer, 413)
            assert "4096" in answer.json["detail"]
            is_error(world.client.post("/Users", b'{"userName": "x"}'.ljust(2049)), 413)
        assert world.client.post("/Bulk", body.ljust(4096)).status == 200
    finally:
        loop.run(world.app.close())


def test_a_body_of_two_mebibytes_comes_through_the_port(port_client: Client) -> None:
    body = json.dumps({"Operations": [made("a-large-one")]}).encode()
    is_error(port_client.post("/Bulk", body.ljust(2 * 1024 * 1024 + 1)), 413)
    assert port_client.post("/Bulk", body.ljust(2 * 1024 * 1024)).status == 200
    is_error(port_client.post("/Users", b'{"userName": "x"}'.ljust(1024 * 1024 + 1)), 413)


# --- faults of one operation ------------------------------------------------------------------------------------

BAD_OPERATIONS: Final[dict[str, tuple[dict[str, Any], str, str | None]]] = {
    "no-bulk-id": ({"method": "POST", "path": "/Users", "data": {"userName": "x"}}, "400", "invalidSyntax"),
    "empty-bulk-id": ({**made("x"), "bulkId": ""}, "400", "invalidSyntax"),
    "null-bulk-id": ({**made("x"), "bulkId": None}, "400", "invalidSyntax"),
    "post-without-data": ({"method": "POST", "path": "/Users", "bulkId": "x"}, "400", "invalidSyntax"),
    "post-null": ({**made("x"), "data": None}, "400", "invalidSyntax"),
    "post-text": ({**made("x"), "data": "x"}, "400", "invalidSyntax"),
    "post-array": ({**made("x"), "data": [{"userName": "x"}]}, "400", "invalidSyntax"),
    "put-without-data": ({"method": "PUT", "path": f"/Users/{UNKNOWN_ID}"}, "400", "invalidSyntax"),
    "patch-without-data": ({"method": "PATCH", "path": f"/Users/{UNKNOWN_ID}"}, "400", "invalidSyntax"),
    "patch-empty": ({"method": "PATCH", "path": f"/Users/{UNKNOWN_ID}", "data": []}, "400", "invalidSyntax"),
    "patch-text": ({"method": "PATCH", "path": f"/Users/{UNKNOWN_ID}", "data": "x"}, "400", "invalidSyntax"),
    "unknown-endpoint": ({**made("x"), "path": "/Persons"}, "404", None),
    "no-endpoint": ({**made("x"), "path": ""}, "404", None),
    "slash": ({**DELETION, "path": "/"}, "404", None),
    "me": ({**DELETION, "path": "/Me"}, "404", None),
    "bulk": ({**made("x"), "path": "/Bulk"}, "404", None),
    "search": ({**made("x"), "path": "/.search"}, "404", None),
    "search-users": ({**made("x"), "path": "/Users/.search"}, "405", None),
    "discovery": ({**DELETION, "path": "/Schemas/x"}, "404", None),
    "base-path": ({**DELETION, "path": f"/scim/v2/Users/{UNKNOWN_ID}"}, "404", None),
    "absolute": ({**DELETION, "path": f"{ORIGIN}/scim/v2/Users/{UNKNOWN_ID}"}, "404", None),
    "post-to-a-user": ({**made("x"), "path": f"/Users/{UNKNOWN_ID}"}, "405", None),
    "put-to-all": ({"method": "PUT", "path": "/Users", "data": {"userName": "x"}}, "405", None),
    "patch-all": ({"method": "PATCH", "path": "/Users/", "data": []}, "405", None),
    "delete-all": ({"method": "DELETE", "path": "/Users"}, "405", None),
    "query": ({"method": "DELETE", "path": f"/Users/{UNKNOWN_ID}?x=1"}, "400", "invalidPath"),
    "query-of-post": ({**made("x"), "path": "/Users?attributes=id"}, "400", "invalidPath"),
    "no-id": ({"method": "DELETE", "path": "/Users/.."}, "404", None),
    "deeper": ({"method": "DELETE", "path": f"/Users/{UNKNOWN_ID}/groups"}, "404", None),
    "encoded": ({"method": "DELETE", "path": "/Users/%2e%2e%2fGroups"}, "404", None),
    "null-character": ({"method": "DELETE", "path": "/Users/\x00"}, "404", None),
    "unknown-reference-in-path": ({"method": "DELETE", "path": "/Users/bulkId:x"}, "409", None),
    "reference-to-nothing": ({**DELETION, "path": "/Users/bulkId:"}, "409", None),
    "reference-to-a-deletion": (made("x", manager="bulkId:deletion"), "409", None),
    "wrong-value": (made("x", active="perhaps"), "400", "invalidValue"),
}


@pytest.mark.parametrize(("operation", "status", "scim_type"), BAD_OPERATIONS.values(), ids=BAD_OPERATIONS)
def test_a_failed_operation_does_not_fail_the_others(
    direct: Client, operation: dict[str, Any], status: str, scim_type: str | None
) -> None:
    """Those before and behind it are done."""
    leaver = direct.user("leaver")["id"]
    deletion = {"method": "DELETE", "path": f"/Users/{leaver}", "bulkId": "deletion"}
    entries = bulk(direct, made("before"), operation, made("behind"), deletion)
    assert statuses(entries) == ["201", status, "201", "204"]
    assert entries[1]["response"].get("scimType") == scim_type
    assert entries[1].get("bulkId") == (operation.get("bulkId") or None)
    assert names(direct.get("/Users")) == ["before", "behind"]


def test_data_of_a_bulk_delete_is_ignored(direct: Client) -> None:
    path = f"/Users/{direct.user('leaver')['id']}"
    assert statuses(bulk(direct, {"method": "DELETE", "path": path, "data": {"x": "bulkId:nowhere"}})) == ["204"]


@pytest.mark.parametrize("operation", [made("x"), DELETION, {**made("y"), "path": "/Users/bulkId:y"}], ids=str)
def test_a_failed_creation_has_no_location_and_others_have(direct: Client, operation: dict[str, Any]) -> None:
    direct.user("x")
    [entry] = bulk(direct, operation)
    assert ("location" in entry) is (operation["method"] == "DELETE")


def test_the_location_of_what_failed_is_that_of_its_resource(direct: Client) -> None:
    entries = bulk(direct, DELETION, {"method": "DELETE", "path": "users/a b%2F?"}, {**DELETION, "path": "/Persons/x"})
    assert [entry.get("location") for entry in entries] == [
        f"{ORIGIN}/scim/v2/Users/{UNKNOWN_ID}",
        f"{ORIGIN}/scim/v2/Users/a%20b%2F",
        None,
    ]


def test_resources_of_another_customer_are_404(world: World) -> None:
    other = world.client.post("/Users", {"userName": "theirs"}, token="another").json
    path = f"/Users/{other['id']}"
    entries = bulk(
        world.client,
        {"method": "PUT", "path": path, "data": {"userName": "x"}},
        patched(path, {"op": "remove", "path": "title"}),
        {"method": "DELETE", "path": path, "version": other["meta"]["version"]},
        made("theirs"),
    )
    assert statuses(entries) == ["404", "404", "404", "201"]
    again = world.client.get(path, token="another").json
    assert again["meta"]["version"] == other["meta"]["version"]


# --- failOnErrors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", range(1, 6))
def test_it_stops_at_the_nth_error(direct: Client, most: int) -> None:
    """What was done stays. There are four errors, so that five are never reached."""
    direct.user("taken")
    operations = [made(f"u{n}", **({"userName": "taken"} if n % 2 else {})) for n in range(8)]
    entries = bulk(direct, *operations, failOnErrors=most)
    expected = ["201", "409"] * 4
    assert statuses(entries) == expected[: 2 * most]
    assert names(direct.get("/Users")) == ["taken", *(f"u{n}" for n in range(0, len(entries), 2))]


def test_the_bulk_response_has_only_tried_operations(direct: Client) -> None:
    """The last creation is done first, since the first operation refers to it."""
    direct.user("taken")
    entries = bulk(
        direct, grouped("g", "bulkId:last"), made("bad", userName="taken"), made("never"), made("last"), failOnErrors=1
    )
    assert [(entry["bulkId"], entry["status"]) for entry in entries] == [("g", "201"), ("bad", "409"), ("last", "201")]
    assert names(direct.get("/Users")) == ["taken", "last"]


def test_a_reference_that_cant_be_resolved_is_an_error_that_counts(direct: Client) -> None:
    entries = bulk(direct, made("a", manager="bulkId:nowhere"), made("b"), failOnErrors=1)
    assert statuses(entries) == ["409"]
    assert names(direct.get("/Users")) == []


def test_a_circular_reference_is_deleted_whole_if_the_bulk_ends_early(direct: Client) -> None:
    """The circle is closed by `a`, which is never reached: `b` fails before it, and nobody may refer to `a`."""
    direct.group("taken")
    entries = bulk(
        direct,
        grouped("a", "bulkId:c", "bulkId:b"),
        grouped("b", displayName="taken"),
        grouped("c", "bulkId:a"),
        made("never"),
        failOnErrors=1,
    )
    assert [(entry["bulkId"], entry["status"]) for entry in entries] == [("b", "409"), ("c", "409")]
    assert names(direct.get("/Groups")) == ["taken"]


def test_more_errors_than_operations_may_be_asked_for(direct: Client) -> None:
    assert statuses(bulk(direct, DELETION, made("a"), failOnErrors=2**60)) == ["404", "201"]


# --- order ------------------------------------------------------------------------------------------------------


def test_operations_are_done_in_their_order(world: World) -> None:
    """But that a creation comes before what refers to it."""
    operations = [made("a"), grouped("g", "bulkId:d", "bulkId:c"), made("b"), made("c"), made("d")]
    assert statuses(bulk(world.client, *operations)) == ["201"] * 5
    assert world.store.created == ["a", "d", "c", "g", "b"]


def test_a_name_that_is_free_by_then_can_be_taken(direct: Client) -> None:
    leaver = direct.user("same")["id"]
    entries = bulk(direct, {"method": "DELETE", "path": f"/Users/{leaver}"}, made("same"))
    assert statuses(entries) == ["204", "201"]


def test_a_chain_of_a_thousand_references_is_created(direct: Client) -> None:
    """Each group's member is the one behind it, so that the last is created first."""
    operations = [grouped(f"g{n}", *([f"bulkId:g{n + 1}"] if n < 999 else [])) for n in range(1_000)]
    entries = bulk(direct, *operations)
    assert statuses(entries) == ["201"] * 1_000
    assert members_of(direct, ids(entries)[0]) == {ids(entries)[1]}


def test_a_thousand_operations_that_refer_to_each_other(direct: Client) -> None:
    """100 groups, each with all of them as members; the largest circle that there is."""
    everybody = [f"bulkId:g{n}" for n in range(100)]
    entries = bulk(direct, *(grouped(f"g{n}", *everybody) for n in range(100)))
    assert statuses(entries) == ["201"] * 100
    assert members_of(direct, ids(entries)[57]) == set(ids(entries))


# --- failures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failing", range(5))
def test_a_failed_creation_deletes_its_circular_reference(world: World, failing: int) -> None:
    """Wherever in it: no resource is left that refers to one that never came to be."""
    world.store.error, world.store.failing = StoreUnavailable("down"), {f"g{failing}"}
    circle = [grouped(f"g{n}", f"bulkId:g{(n + 1) % 5}") for n in range(5)]
    hangs_on, fine = grouped("hangs on", "bulkId:g0"), made("fine")
    entries = bulk(world.client, hangs_on, *circle, fine)
    assert statuses(entries) == ["409", *("503" if n == failing else "409" for n in range(5)), "201"]
    assert names(world.client.get("/Groups")) == []
    assert names(world.client.get("/Users")) == ["fine"]


def test_creations_that_a_circular_reference_refers_to_stay(world: World) -> None:
    """A creation that refers to nobody in the circle isn't touched by its failure."""
    world.store.error, world.store.failing = StoreUnavailable("down"), {"a"}
    entries = bulk(
        world.client,
        grouped("a", "bulkId:b"),
        grouped("b", "bulkId:c", "bulkId:a"),
        grouped("c", "bulkId:u"),
        made("u"),
    )
    assert statuses(entries) == ["503", "409", "201", "201"]
    assert names(world.client.get("/Groups")) == ["c"]


@pytest.mark.parametrize(
    "error", [PreconditionFailed("Group"), StoreUnavailable("down"), ZeroDivisionError()], ids=type
)
def test_a_creation_that_can_not_be_deleted_again_has_its_location(world: World, error: Exception) -> None:
    world.store.error, world.store.failing, world.store.undeletable = StoreUnavailable("down"), {"a"}, error
    entries = bulk(world.client, grouped("a", "bulkId:b"), grouped("b", "bulkId:a"))
    assert statuses(entries) == ["503", "409"]
    path = entries[1]["location"].partition("/scim/v2")[2]
    assert world.client.get(path).json["displayName"] == "b"


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (ZeroDivisionError("u1"), "500", "log"),
        (StoreUnavailable("down", retry_after=7), "503", "Wait 7 s"),
        (Throttled(3), "429", "Wait 3 s"),
    ],
    ids=["fault", "unavailable", "throttled"],
)
def test_an_operation_fails_alone(world: World, error: Exception, status: str, says: str) -> None:
    """Whatever goes wrong in one, the others are done."""
    world.store.error, world.store.failing = error, {"u1"}
    entries = bulk(world.client, made("u0"), made("u1"), made("u2"))
    assert statuses(entries) == ["201", status, "201"]
    assert says in entries[1]["response"]["detail"]
    assert names(world.client.get("/Users")) == ["u0", "u2"]


def test_a_bulk_waits_after_throttling(world: World) -> None:
    """What it asks for, but five seconds at most, and once for each operation that it refused."""
    world.store.failing = {"u1", "u2"}
    for asked, waits in ((1, 1), (3, 3), (60, 5)):
        world.store.error = Throttled(asked)
        world.time.slept.clear()
        assert statuses(bulk(world.client, made("u1"), made("u2"), DELETION)) == ["429", "429", "404"]
        assert world.time.slept == [waits, waits]


def test_after_60_seconds_no_further_operation_starts(world: World) -> None:
    """The clock goes on by seven seconds for each look at it; what wasn't begun can be sent again as it is."""
    world.time.step = 7.0
    operations = [made(f"u{n}") for n in range(12)]
    entries = bulk(world.client, *operations)
    done = statuses(entries).count("201")
    assert 5 < done < 10
    assert statuses(entries) == ["201"] * done + ["503"] * (12 - done)
    assert "Send this operation again" in entries[-1]["response"]["detail"]
    world.time.step = 0.0
    assert statuses(bulk(world.client, *operations[done:])) == ["201"] * (12 - done)


def test_a_circular_reference_is_deleted_whole_after_the_time_limit(world: World) -> None:
    world.time.step = 7.0
    entries = bulk(world.client, *(grouped(f"g{n}", f"bulkId:g{(n + 1) % 12}") for n in range(12)))
    assert set(statuses(entries)) == {"409", "503"}
    world.time.step = 0.0
    assert names(world.client.get("/Groups")) == []


async def test_cancellation_ends_the_sweep_loop() -> None:
    """The operation under way is the last one that begins."""
    reached = asyncio.Event()

    class Waits(SqliteStore):
        begun: Final[list[str]] = []

        async def create(self, tenant: str, draft: WriteModel, members: Any = ()) -> str:
            self.begun.append(draft.resource["userName"])
            if len(self.begun) == 2:
                reached.set()
                await asyncio.Event().wait()
            return await super().create(tenant, draft, members)

    store = Waits(None)
    app = build(Settings(), tokens={TOKEN: "default"}, store=store)
    body = json.dumps({"Operations": [made(f"u{n}") for n in range(4)]}).encode()
    headers = {"authorization": f"Bearer {TOKEN}"}
    running = asyncio.create_task(app.handler.handle(Request("POST", "/scim/v2/Bulk", {}, headers, body, ORIGIN)))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await app.close()
    assert store.begun == ["u0", "u1"]


async def test_other_requests_get_a_turn_while_a_bulk_runs() -> None:
    """The embedded store never waits by itself."""
    app = build(Settings(), tokens={TOKEN: "default"})
    body = json.dumps({"Operations": [made(f"u{n}") for n in range(500)]}).encode()
    headers = {"authorization": f"Bearer {TOKEN}"}
    finished: list[str] = []

    async def send(name: str, request: Request) -> None:
        await app.handler.handle(request)
        finished.append(name)

    await asyncio.gather(
        send("bulk", Request("POST", "/scim/v2/Bulk", {}, headers, body, ORIGIN)),
        send("get", Request("GET", "/scim/v2/Users", {}, headers, b"", ORIGIN)),
    )
    await app.close()
    assert finished == ["get", "bulk"]


# --- hostile input ----------------------------------------------------------------------------------------------

ODD: Final = {
    "blank": "a b",
    "percent": "100%",
    "slash": "a/b",
    "colon": "bulkId:a",
    "at": "ann@example.com",
    "quotes": 'a"b\\c',
    "letters": "größe 😀",
    "newline": "a\nb",
    "null": "a\x00b",
    "dots": "..",
    "long": "x" * 2_000,
    "brackets": '"] or members[value eq "',
    "plus": "a+b",
    "id": UNKNOWN_ID,
}


@pytest.mark.parametrize("bulk_id", ODD.values(), ids=ODD)
def test_any_text_is_a_bulk_id(direct: Client, bulk_id: str) -> None:
    """In values, in paths of a PATCH, and in paths."""
    creation = {**made("ann"), "bulkId": bulk_id}
    picked = f"members[value eq {json.dumps(f'bulkId:{bulk_id}')}]"
    operations = [
        {**grouped("g", f"bulkId:{bulk_id}", "stays"), "bulkId": "of a group"},
        {**patched(f"/Users/bulkId:{bulk_id}", {"op": "add", "path": "title", "value": "Guide"})},
        patched("/Groups/bulkId:of a group", {"op": "remove", "path": picked}),
    ]
    entries = bulk(direct, creation, *operations)
    assert statuses(entries[:3]) == ["201", "201", "204"]
    assert entries[0]["bulkId"] == bulk_id
    user, group = ids(entries[:2])
    assert direct.get(f"/Users/{user}").json["title"] == "Guide"
    assert members_of(direct, group) == ({"stays"} if len(entries) == 4 else {"stays", user})


def test_a_text_similar_to_a_reference_is_not_replaced(direct: Client) -> None:
    user = made("u", title="see bulkId:x", nickName="bulkid:x", displayName="BulkId:x", **{"bulkId:x": "a name"})
    [entry] = bulk(direct, user)
    shown = direct.get(f"/Users/{ids([entry])[0]}").json
    assert (shown["title"], shown["nickName"], shown["displayName"]) == ("see bulkId:x", "bulkid:x", "BulkId:x")


@pytest.mark.parametrize("depth", [1, 17, 18, 19, 20, 21, 25, 900])
def test_data_may_be_nested(direct: Client, depth: int) -> None:
    """References are looked for in 20 levels; what a resource doesn't have is dropped anyway."""
    nested: Any = "bulkId:nowhere"
    for _ in range(depth):
        nested = {"a": nested} if depth % 2 else [nested]
    [entry] = bulk(direct, made("u", unknown=nested))
    assert entry["status"] == ("409" if depth < 19 else "201")


@pytest.mark.parametrize("depth", [1, 18, 19, 25])
def test_references_are_replaced_as_deep_as_they_are_found(direct: Client, depth: int) -> None:
    nested: Any = "bulkId:u"
    for _ in range(depth):
        nested = [nested]
    assert statuses(bulk(direct, made("u", unknown=nested))) == ["201"]


def test_a_body_nested_too_deeply_is_refused(direct: Client) -> None:
    deep = b'{"a":' * 1_100 + b"1" + b"}" * 1_100
    body = b'{"Operations":[{"data":' + deep + b"}]}"
    is_error(direct.request("POST", "/Bulk", body), 400, "invalidSyntax")


def test_an_operation_may_be_as_large_as_its_single_request(loop: Loop) -> None:
    """Others wait while one operation is done, whatever the size of the bulk that it is part of."""
    world = World(loop, max_body_bytes=2_000)
    fits, large = {"userName": "fits", "x": "x" * 1_900}, {"userName": "large", "x": "x" * 2_000}
    is_error(world.client.post("/Users", large), 413)
    operations = [{**made(data["userName"]), "data": data} for data in (large, fits)]
    deep = {**made("deep"), "data": {"userName": "deep", "x": json.loads('{"long name":' * 900 + "1" + "}" * 900)}}
    entries = bulk(world.client, *operations, made("after"), deep)
    assert statuses(entries) == ["413", "201", "201", "413"]
    assert "2000 bytes" in entries[0]["response"]["detail"]
    loop.run(world.app.close())


def test_a_thousand_operations_of_many_members_each(direct: Client) -> None:
    """References to one creation among ids of nobody; a thousand members each are more than a body may hold."""

    def groups(number: int) -> list[dict[str, Any]]:
        members = [*({"value": f"m{n}"} for n in range(number - 1)), {"value": "bulkId:u"}]
        data = [{"displayName": f"g{n}", "members": members} for n in range(999)]
        return [{**grouped(f"g{n}"), "data": one} for n, one in enumerate(data)]

    is_error(direct.post("/Bulk", {"Operations": [*groups(1_000), made("u")]}), 413)
    entries = bulk(direct, *groups(100), made("u"))
    assert statuses(entries) == ["201"] * 1_000
    assert len(members_of(direct, ids(entries)[998])) == 100


def test_paths_full_of_quotes_are_gone_through_once(world: World, loop: Loop) -> None:
    """To look for an end from each quote on, where there is none, would take hours."""
    hostile = 'members[value eq "bulkId:u' + '\\"' * 80_000
    path = f"/Groups/{world.client.group('g')['id']}"
    operations = [patched(path, {"op": "remove", "path": hostile}) for _ in range(5)]
    body = json.dumps({"Operations": [*operations, made("u")]}).encode()
    # Not by the client, whose own search for what is quoted would.
    request = Request("POST", "/scim/v2/Bulk", {}, {"authorization": f"Bearer {TOKEN}"}, body, ORIGIN)
    answer = loop.run(world.app.handler.handle(request))
    assert statuses(json.loads(answer.body)["Operations"]) == ["400"] * 5 + ["201"]


def test_a_reference_in_a_path_of_a_patch_is_one_whatever_its_spelling(direct: Client) -> None:
    """The escapes of JSON are read before; a text that isn't JSON is left to the parser of paths."""
    group = direct.group("g", "stays")["id"]
    entries = bulk(
        direct,
        patched(f"/Groups/{group}", {"op": "add", "path": "members", "value": ["bulkId:u"]}),
        patched(f"/Groups/{group}", {"op": "remove", "path": 'members[value eq "bulkId:\\u0075" or value eq "\\u0062ulkId:v"]'}),
        patched(f"/Groups/{group}", {"op": "remove", "path": 'members[value eq "bulkId:\\x"]'}),
        patched(f"/Groups/{group}", {"op": "remove", "path": 'members[value eq "bulkId:u'}),
        made("u"),
        made("v"),
    )  # fmt: skip
    assert statuses(entries)[:2] == ["204", "204"]
    assert [entry["response"]["scimType"] for entry in entries[2:4]] == ["invalidFilter", "invalidFilter"]
    assert members_of(direct, group) == {"stays"}


def test_an_overlong_reference_is_an_invalid_path(direct: Client) -> None:
    """The one place where a client can write lone surrogates: the escapes of a text inside JSON's text."""
    path = f"/Groups/{direct.group('g')['id']}"
    for escaped in ("\\ud800", "\\udfff", "u\\udc80"):
        wrong = {"op": "remove", "path": f'members[value eq "bulkId:{escaped}"]'}
        entries = bulk(direct, made("u"), patched(path, wrong))
        assert statuses(entries) == ["201", "400"]
        assert entries[1]["response"]["scimType"] == "invalidFilter"
        direct.delete(f"/Users/{ids(entries)[0]}")


def test_resolving_references_does_not_edit_the_request(direct: Client) -> None:
    """The same object twice in a body is two values."""
    shared: JsonObject = {"value": "bulkId:u"}
    entries = bulk(direct, made("u"), made("v", **{ENTERPRISE: {"manager": shared}}), grouped("g", "bulkId:u"))
    assert statuses(entries) == ["201"] * 3
    assert shared == {"value": "bulkId:u"}


def test_members_created_in_the_same_bulk_are_added(direct: Client) -> None:
    [user, group] = ids(bulk(direct, made("u"), grouped("g", "bulkId:u")))
    assert [each["value"] for each in direct.get(f"/Users/{user}").json["groups"]] == [group]
