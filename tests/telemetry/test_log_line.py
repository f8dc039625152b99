"""Every request leaves one line, its values are right, and no client can break its form or get a word into it."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from scim.app import Collaborators, build, from_environment
from scim.edge.http import Request
from scim.settings import Settings
from scim.storage.errors import StoreUnavailable, Throttled
from scim.storage.sqlite.store import SqliteStore
from scim.telemetry.record import hashed
from tests.conftest import ORIGIN, TOKEN, Answer, Client, PortClient, Server
from tests.http.checks import UNKNOWN_ID
from tests.security.conftest import scim, secret_token
from tests.security.issuer import CONTOSO, STRANGER, Issuer
from tests.telemetry.lines import NAMES, Lines, lines_in, read
from tests.telemetry.stores import FailingStore, MeetingStore, serving

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "telemetry.md"
DEFAULT: Final = hashed("default")
OURS: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
SEARCH: Final = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

type Sends = Callable[[Client, dict[str, str]], Answer]


def sends(method: str, path: str, body: Any = None, token: str | None = TOKEN) -> Sends:
    """A request; `{u}` and `{g}` in its path and body are the ids of a user and a group."""

    def send(client: Client, ids: dict[str, str]) -> Answer:
        filled = path.replace("{u}", ids["u"]).replace("{g}", ids["g"])
        return client.request(method, filled, body, token=token, headers={"X-Request-Id": ids["request"]})

    return send


PATCH: Final = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "path": "externalId", "value": "changed"}],
}
BULK: Final = {"Operations": [{"method": "DELETE", "path": f"/Users/{UNKNOWN_ID}"}]}
GROUP_PATCH: Final = {**PATCH, "Operations": [{"op": "replace", "path": "displayName", "value": "Guides"}]}
BAD_FILTER: Final = "/Users?filter=nonsense"

# What is sent, and of its line: operation, resource type, method, route, status, scimType.
OPERATIONS: Final[dict[str, tuple[Sends, str]]] = {
    "list": (sends("GET", "/Users"), "list User GET /Users 200 -"),
    "list-groups": (sends("GET", "/Groups"), "list Group GET /Groups 200 -"),
    "filter": (sends("GET", '/Users?filter=userName eq "x"'), "list User GET /Users 200 -"),
    "root": (sends("GET", '/?filter=userName eq "x"'), "list - GET / 200 -"),
    "root-without-slash": (sends("GET", ""), "list - GET / 200 -"),
    "search": (sends("POST", "/.search", {"schemas": [SEARCH]}), "search - POST /.search 200 -"),
    "search-users": (sends("POST", "/Users/.search", {}), "search User POST /Users/.search 200 -"),
    "create": (sends("POST", "/Users", {"userName": "new"}), "create User POST /Users 201 -"),
    "create-group": (sends("POST", "/Groups", {"displayName": "New"}), "create Group POST /Groups 201 -"),
    "get": (sends("GET", "/Users/{u}"), "get User GET /Users/{id} 200 -"),
    "get-group": (sends("GET", "/Groups/{g}"), "get Group GET /Groups/{id} 200 -"),
    "head": (sends("HEAD", "/Users/{u}"), "get User HEAD /Users/{id} 200 -"),
    "put": (sends("PUT", "/Users/{u}", {"userName": "other"}), "put User PUT /Users/{id} 200 -"),
    "patch": (sends("PATCH", "/Users/{u}", PATCH), "patch User PATCH /Users/{id} 204 -"),
    "patch-group": (sends("PATCH", "/Groups/{g}", GROUP_PATCH), "patch Group PATCH /Groups/{id} 204 -"),
    "patch-answered": (sends("PATCH", "/Users/{u}?attributes=id", PATCH), "patch User PATCH /Users/{id} 200 -"),
    "delete": (sends("DELETE", "/Users/{u}"), "delete User DELETE /Users/{id} 204 -"),
    "config": (
        sends("GET", "/ServiceProviderConfig"),
        "serviceProviderConfig - GET /ServiceProviderConfig 200 -",
    ),
    "types": (sends("GET", "/ResourceTypes"), "resourceTypes - GET /ResourceTypes 200 -"),
    "type": (sends("GET", "/ResourceTypes/User"), "resourceType - GET /ResourceTypes/{id} 200 -"),
    "schemas": (sends("GET", "/Schemas"), "schemas - GET /Schemas 200 -"),
    "schema": (
        sends("GET", "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User"),
        "schema - GET /Schemas/{id} 200 -",
    ),
    "health": (sends("GET", "~/healthz"), "health - GET /healthz 200 -"),
    "bulk": (sends("POST", "/Bulk", BULK), "bulk - POST /Bulk 200 -"),
    "bulk-bad": (sends("POST", "/Bulk", {}), "bulk - POST /Bulk 400 invalidSyntax"),
    "me": (sends("GET", "/Me"), "me User GET /Me 501 -"),
    "me-post": (sends("POST", "/Me", {}), "createMe User POST /Me 501 -"),
    "no-route": (sends("GET", "/Nowhere"), "none - GET (no route) 404 -"),
    "no-base": (sends("GET", "~/somewhere/else"), "none - GET (no route) 404 -"),
    "no-method": (sends("DELETE", "/Users"), "none User DELETE /Users 405 -"),
    "options": (sends("OPTIONS", "/Users"), "none User OPTIONS /Users 405 -"),
    "missing": (sends("GET", f"/Users/{UNKNOWN_ID}"), "get User GET /Users/{id} 404 -"),
    "bad-filter": (sends("GET", BAD_FILTER), "list User GET /Users 400 invalidFilter"),
    "bad-json": (sends("POST", "/Users", b"{"), "create User POST /Users 400 invalidSyntax"),
    "bad-value": (sends("POST", "/Users", {"userName": 3}), "create User POST /Users 400 invalidValue"),
    "taken": (sends("POST", "/Users", {"userName": "dora"}), "create User POST /Users 409 uniqueness"),
    "too-large": (sends("POST", "/Users", b" " * 1024 * 1025), "create User POST /Users 413 -"),
    "forbidden": (sends("GET", "/Schemas?filter=name pr"), "schemas - GET /Schemas 403 -"),
}
ABOUT: Final = ("action", "resource_type", "method", "route", "status", "scim_type")


def expected(text: str) -> dict[str, str]:
    *words, status, scim_type = text.replace("(no route)", "(no_route)").split()
    return dict(zip(ABOUT, (*words, status, scim_type), strict=True))


def world(client: Client, id: str) -> dict[str, str]:
    """A user and a group, and the id that the request is to have."""
    for resource_type in ("Users", "Groups"):
        for each in client.get(f"/{resource_type}").json["Resources"]:
            client.delete(f"/{resource_type}/{each['id']}")
    return {"u": client.user("dora")["id"], "g": client.group("Guides")["id"], "request": id}


@pytest.mark.parametrize(("send", "told"), OPERATIONS.values(), ids=OPERATIONS)
def test_the_line_says_what_was_asked_for_and_what_came_of_it(
    client: Client, lines: Lines, send: Sends, told: str
) -> None:
    ids = world(client, "asked-for-it")
    lines.taken()
    answer = send(client, ids)
    line = lines.one()
    assert {name: line[name] for name in ABOUT} == expected(told)
    assert line["status"] == str(answer.status)
    assert line["customer"] == ("-" if told.startswith("health") else DEFAULT)
    assert (line["client"], line["tolerances"], line["request_id"]) == ("other", "-", "asked-for-it")
    assert line.spent == (0, 0.0)
    assert line.bulk == ((1, 1) if (line["action"], line["status"]) == ("bulk", "200") else (0, 0))
    assert float(line["ms"]) >= 0
    assert line.level == ("WARNING" if answer.status >= 500 else "INFO")


@pytest.mark.parametrize(("name", "send", "told"), [(n, *row) for n, row in OPERATIONS.items()], ids=OPERATIONS)
def test_over_a_port_the_line_is_the_same(
    server: Server, port_client: PortClient, name: str, send: Sends, told: str
) -> None:
    answer = send(port_client, world(port_client, f"over-a-port.{name}"))
    [line] = [line for line in lines_in(server._log) if line["request_id"] == f"over-a-port.{name}"]
    assert {each: line[each] for each in ABOUT} == expected(told)
    assert line["customer"] == ("-" if told.startswith("health") else DEFAULT)
    assert line["status"] == str(answer.status)
    assert line.level == ("WARNING" if answer.status >= 500 else "INFO")


def test_a_request_without_an_id_gets_one_that_its_answer_has_too(client: Client, lines: Lines) -> None:
    for path in ("/Users", "/Nowhere"):
        answer = client.get(path)
        id = lines.one()["request_id"]
        assert id == answer.headers["x-request-id"]
        assert OURS.fullmatch(id)


def test_an_unauthenticated_request_has_no_customer(client: Client, lines: Lines) -> None:
    for token, reason in ((None, "no-token"), ("wrong-token", "form"), ("scimaf_", "mistyped")):
        assert client.get("/Users", token=token).status == 401
        line = lines.one()
        assert (line["customer"], line["status"], line["action"], line.level) == ("-", "401", "list", "INFO")
        assert (line.reason, line.requests) == (reason, 1)


def test_the_log_line_of_a_bulk_counts_failed_operations(client: Client, lines: Lines) -> None:
    """Its status is 200 all the same."""
    made = [{"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": {"userName": f"bob{n}"}} for n in range(3)]
    again = [{**each, "bulkId": f"again{n}"} for n, each in enumerate(made[:2])]
    assert client.post("/Bulk", {"Operations": [*made, *again]}).status == 200
    line = lines.one()
    assert (line.bulk, line["status"], line.level) == ((5, 2), "200", "INFO")
    assert client.post("/Bulk", {"failOnErrors": 1, "Operations": [*made, *again]}).status == 200
    assert lines.one().bulk == (5, 1)


# --- customers --------------------------------------------------------------------------------------------------


def test_the_customer_in_the_log_is_the_one_that_the_command_line_shows(
    authenticated: Client, lines: Lines, issuer: Issuer, data: Path
) -> None:
    for customer in ("contoso", "fabrikam"):
        token = secret_token(customer, data)
        lines.taken()
        assert authenticated.get("/Users", token=token).status == 200
        line = lines.one()
        assert re.fullmatch(r"[0-9a-f]{12}", line["customer"])
        assert f"customer={line['customer']}" in scim("customer", "show", customer, "--data", str(data)).stdout.split()
    assert hashed("contoso") != hashed("fabrikam")


def test_entra_is_recognised_by_its_token(authenticated: Client, lines: Lines, issuer: Issuer) -> None:
    assert authenticated.get("/Users", token=issuer.token(CONTOSO)).status == 200
    line = lines.one()
    assert (line["client"], line["customer"], line["tolerances"]) == ("entra", hashed("contoso"), "-")
    assert authenticated.get("/Users", token=issuer.token(STRANGER)).status == 401
    line = lines.one()
    assert (line["client"], line["customer"]) == ("other", "-")


def test_entra_with_a_secret_token_is_recognised_by_capitalised_ops(
    authenticated: Client, lines: Lines, issuer: Issuer, data: Path
) -> None:
    token = secret_token("contoso", data)
    path = f"/Users/{authenticated.post('/Users', {'userName': 'dora'}, token=token).json['id']}"
    lines.taken()
    for op, client in (("Replace", "entra"), ("replace", "other")):
        authenticated.patch(path, {"op": op, "path": "title", "value": op}, token=token)
        assert lines.one()["client"] == client


@pytest.mark.parametrize(
    ("agent", "client_kind"),
    [
        ("Okta SCIM Client 1.0.0", "okta"),
        ("okta scim client 2.0", "okta"),
        ("python-httpx/0.28", "other"),
        ("", "other"),
        (None, "other"),
    ],
)
def test_okta_is_known_by_its_user_agent(client: Client, lines: Lines, agent: str | None, client_kind: str) -> None:
    client.get("/Users", headers={"User-Agent": agent})
    assert lines.one()["client"] == client_kind


def test_a_read_only_token_belongs_to_its_customer(
    authenticated: Client, lines: Lines, issuer: Issuer, data: Path
) -> None:
    token = secret_token("contoso", data, "--read-only")
    assert authenticated.post("/Users", {"userName": "dora"}, token=token).status == 403
    line = lines.one()
    assert (line["status"], line["action"], line["customer"]) == ("403", "create", hashed("contoso"))


def test_a_429_writes_a_log_line(
    authenticated: Client, lines: Lines, issuer: Issuer, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIM_REQUESTS_PER_SECOND", "1")
    token = secret_token("contoso", data)
    statuses = {authenticated.get("/ServiceProviderConfig", token=token).status for _ in range(60)}
    told = lines.taken()
    assert len(told) == 60
    assert statuses == {200, 429} == {int(line["status"]) for line in told}
    assert {line.level for line in told} == {"INFO"}


# --- faults -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "level", "others"),
    [
        (ZeroDivisionError("bjensen"), "500", "WARNING", 1),
        (StoreUnavailable("the database is away"), "503", "WARNING", 1),
        (Throttled(3), "429", "INFO", 0),
    ],
    ids=["fault", "unavailable", "throttled"],
)
async def test_a_server_error_is_logged_as_a_warning(
    lines: Lines, error: Exception, status: str, level: str, others: int
) -> None:
    store = FailingStore()
    store.error = error
    async with serving(store) as app:
        response = await app.handler.handle(asked(f"/scim/v2/Users/{UNKNOWN_ID}"))
    line = lines.one()
    assert (line["status"], line.level, line["customer"]) == (status, level, DEFAULT)
    assert str(response.status) == status
    assert len(lines.others) == others


async def test_a_service_with_a_wrong_setting_writes_log_lines(lines: Lines) -> None:
    app = from_environment({"SCIM_STORE": "none such"})
    assert (await app.handler.handle(asked(id="too-early"))).status == 503
    line = lines.one()
    assert (line["status"], line["customer"], line["request_id"], line.level) == ("503", "-", "too-early", "WARNING")


async def test_the_milliseconds_are_those_between_request_and_answer(lines: Lines) -> None:
    class Clock:
        now = 1_000.0

    class SlowStore(SqliteStore):
        async def read(self, tenant: str, resource_type: str, id: str) -> None:
            Clock.now += 1.23456

    collaborators = Collaborators(timer=lambda: Clock.now)
    app = build(Settings(), collaborators, tokens={TOKEN: "default"}, store=SlowStore(None))
    try:
        assert (await app.handler.handle(asked(f"/scim/v2/Users/{UNKNOWN_ID}"))).status == 404
    finally:
        await app.close()
    assert lines.one()["ms"] == "1234.6"


async def test_a_cancelled_request_writes_a_log_line(lines: Lines) -> None:
    store = MeetingStore(2)
    async with serving(store) as app:
        waiting = asyncio.create_task(app.handler.handle(asked(id="first")))
        await store.reached.wait()
        assert lines.taken() == []
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        line = lines.one()
        assert (line["status"], line["action"], line["request_id"], line.level) == ("499", "list", "first", "INFO")
        assert (line["customer"], line["scim_type"]) == (DEFAULT, "-")
        both = (app.handler.handle(asked("/scim/v2/Users", id=id)) for id in ("second", "third"))
        assert {response.status for response in await asyncio.gather(*both)} == {200}
    assert {line["request_id"] for line in lines.taken()} == {"second", "third"}


# --- form -------------------------------------------------------------------------------------------------------


def asked(path: str = "/scim/v2/Users", *, method: str = "GET", id: str = "an-id", **headers: str) -> Request:
    sent = {"authorization": f"Bearer {TOKEN}", "x-request-id": id}
    return Request(method, path, {}, {**sent, **headers}, b"", ORIGIN)


HOSTILE: Final = {
    "blank": "two words",
    "equals": "status=200",
    "pair": "a status=200 customer=000000000000",
    "newline": "x\nrequest action=get status=200",
    "carriage-return": "x\rrequest action=get",
    "percent-newline": "x%0Arequest%20action=get",
    "tab": "x\tstatus=200",
    "null": "x\x00y",
    "quotes": "\"'x",
    "letters": "größe\u2028x",
    "format": "%s%d%(x)s{0}{record}",
    "long": "mallory" * 1_000,
    "surrogate": "x\udce9",
}
PLACES: Final[dict[str, Callable[[str], Request]]] = {
    "method": lambda text: asked(method=text),
    "path": lambda text: asked(f"/{text}"),
    "endpoint": lambda text: asked(f"/scim/v2/{text}"),
    "id": lambda text: asked(f"/scim/v2/Users/{text}"),
    "schema": lambda text: asked(f"/scim/v2/Schemas/{text}"),
    "parameter": lambda text: Request(
        "GET", "/scim/v2/Users", {"filter": text, text: text}, asked().headers, b"", ORIGIN
    ),
    "origin": lambda text: Request("GET", "/scim/v2/Users", {}, asked().headers, b"", f"{text}://{text}"),
    "request-id": lambda text: asked(id=text),
    "user-agent": lambda text: asked(**{"user-agent": text}),
    "content-type": lambda text: asked(method="POST", **{"content-type": text}),
    "authorization": lambda text: asked(authorization=text),
    "token": lambda text: asked(authorization=f"Bearer {text}"),
    "if-match": lambda text: asked(f"/scim/v2/Users/{UNKNOWN_ID}", method="DELETE", **{"if-match": text}),
    "body": lambda text: Request(
        "POST", "/scim/v2/Users", {}, asked().headers, text.encode(errors="surrogateescape"), ORIGIN
    ),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
async def test_client_text_never_gets_into_the_log_line(lines: Lines, place: Callable[[str], Request]) -> None:
    """`read` refuses a line that has as much as a blank more than it should."""
    for text in HOSTILE.values():
        async with serving(MeetingStore(1)) as app:
            request = place(text)
            response = await app.handler.handle(request)
            line = lines.one()
            assert line["status"] == str(response.status)
            assert int(line["status"]) < 500
            assert text not in line.values.values()
            assert "mallory" not in "".join(line.values.values())


async def test_an_unknown_method_is_logged_as_other(lines: Lines) -> None:
    async with serving(MeetingStore(1)) as app:
        response = await app.handler.handle(asked(method="BREW"))
    assert response.status == 405
    assert (lines.one()["method"], response.status) == ("_OTHER", 405)


def test_the_document_shows_a_line_of_this_form_and_explains_each_name() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    [shown] = [line for line in text.splitlines() if line.startswith("request action=")]
    assert tuple(read("INFO", shown).values) == NAMES
    explained = {name for row in text.splitlines() if row.startswith("| `") for name in re.findall(r"`([a-z_]+)`", row)}
    assert set(NAMES) <= explained
