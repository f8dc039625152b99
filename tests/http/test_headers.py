"""What every answer carries besides what was asked for: security headers, and an id that is in the log line too."""

import logging
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from scim.app import App, build, from_environment
from scim.edge.http import Request
from scim.settings import Settings
from scim.storage.errors import StoreUnavailable, Throttled, TooLarge
from scim.storage.interface import Stored
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import TOKEN, Answer, Client, HandlerClient, Loop, PortClient
from tests.http.checks import UNKNOWN_ID, USER

SECURITY = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
OVER_TLS = "strict-transport-security"
OURS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""An id that the service makes: a UUID of version 7."""


def carries_them(answer: Answer, *, over_tls: bool) -> None:
    assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY
    assert (OVER_TLS in answer.headers) == over_tls
    if over_tls:
        assert int(answer.headers[OVER_TLS].removeprefix("max-age=")) >= 365 * 24 * 3600


# --- every answer -----------------------------------------------------------------------------------------------

ANSWERS: Final[list[tuple[str, int, Callable[[Client], Answer]]]] = [
    ("list", 200, lambda client: client.get("/Users")),
    ("search", 200, lambda client: client.post("/.search", {"filter": "userName pr"})),
    ("discovery", 200, lambda client: client.get(f"/Schemas/{USER}")),
    ("head", 200, lambda client: client.request("HEAD", "/Users")),
    ("health", 200, lambda client: client.get("~/healthz", token=None)),
    ("health-head", 200, lambda client: client.request("HEAD", "~/healthz", token=None)),
    ("created", 201, lambda client: client.post("/Users", {"userName": "created-with-headers"})),
    (
        "patched",
        204,
        lambda client: client.patch(f"/Users/{client.user('a')['id']}", {"op": "remove", "path": "title"}),
    ),
    ("deleted", 204, lambda client: client.delete(f"/Users/{client.user('b')['id']}")),
    (
        "not-modified",
        304,
        # A user's groups come from elsewhere, so a version speaks for the rest only.
        lambda client: client.get(
            f"/Users/{client.user('c')['id']}?excludedAttributes=groups", headers={"If-None-Match": "*"}
        ),
    ),
    ("no-json", 400, lambda client: client.post("/Users", b"{")),
    ("no-filter", 400, lambda client: client.get("/Users?filter=nonsense")),
    ("no-token", 401, lambda client: client.get("/Users", token=None)),
    ("wrong-token", 401, lambda client: client.get("/Users", token="not-the-token")),
    ("head-without-token", 401, lambda client: client.request("HEAD", "/Users", token=None)),
    ("forbidden", 403, lambda client: client.get("/Schemas?filter=name pr")),
    ("nobody", 404, lambda client: client.get(f"/Users/{UNKNOWN_ID}")),
    ("no-route", 404, lambda client: client.get("~/somewhere/else")),
    ("wrong-method", 405, lambda client: client.delete("/Users")),
    ("health-wrong-method", 405, lambda client: client.post("~/healthz", token=None)),
    ("taken", 409, lambda client: [client.post("/Users", {"userName": "taken-twice"}) for _ in range(2)][1]),
    (
        "changed",
        412,
        lambda client: client.delete(f"/Users/{client.user('d')['id']}", headers={"If-Match": 'W/"0"'}),
    ),
    ("too-large", 413, lambda client: client.post("/Users", b" " * (1024 * 1024 + 1))),
    ("wrong-type", 415, lambda client: client.post("/Users", b"{}", headers={"Content-Type": "text/plain"})),
    ("missing-feature", 501, lambda client: client.get("/Me")),
]


@pytest.mark.parametrize("way", ["client", "port_client"])
@pytest.mark.parametrize(("status", "ask"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_every_answer_has_the_security_headers_and_an_id(
    way: str, status: int, ask: Callable[[Client], Answer], request: pytest.FixtureRequest
) -> None:
    """The function app is asked over https and the port over http, where HSTS would mean nothing (RFC 6797 §7.2)."""
    through: Client = request.getfixturevalue(way)
    answer = ask(through)
    assert answer.status == status, answer.body
    carries_them(answer, over_tls=way == "client")
    assert OURS.fullmatch(answer.headers["x-request-id"])
    if status in {204, 304}:
        assert answer.body == b""


class FaultyStore(SqliteStore):
    """A real store whose searches fail as the test says."""

    def __init__(self) -> None:
        super().__init__(None)
        self.error: Exception | None = None

    async def read(self, tenant: str, resource_type: str, id: str) -> Stored | None:
        if self.error is not None:
            raise self.error
        return await super().read(tenant, resource_type, id)


@pytest.fixture
def faulty(loop: Loop) -> Iterator[tuple[Client, FaultyStore]]:
    """A service and the store under it, which can be told to fail."""
    store = FaultyStore()
    app = build(Settings(), tokens={TOKEN: "default"}, store=store)
    yield HandlerClient(app.handler, loop), store
    loop.run(app.close())


FAULTS: Final[list[tuple[Exception, int, str | None]]] = [
    (StoreUnavailable("the database is away"), 503, "the store is unavailable: the database is away"),
    (ZeroDivisionError("somebody's-name"), 500, "unexpected ZeroDivisionError"),
    (Throttled(3), 429, None),
    (TooLarge(), 413, None),
]


@pytest.mark.parametrize(("error", "status", "logged"), FAULTS, ids=[type(row[0]).__name__ for row in FAULTS])
def test_a_failure_has_the_headers_and_its_log_entry_has_the_request_id(
    faulty: tuple[Client, FaultyStore],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    logged: str | None,
) -> None:
    client, store = faulty
    store.error = error
    for given in ({}, {"X-Request-Id": "the-operator-looks-for-this"}):
        caplog.clear()
        answer = client.get(f"/Users/{UNKNOWN_ID}", headers=given)
        assert answer.status == status
        carries_them(answer, over_tls=True)
        id = answer.headers["x-request-id"]
        assert id == "the-operator-looks-for-this" or (not given and OURS.fullmatch(id))
        lines = [record.getMessage() for record in caplog.records if record.name == "scim.request"]
        errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
        assert all(id in line for line in lines)
        assert len(lines) == (1 if logged is None else 2)
        assert [line.startswith(logged) for line in errors if logged] == ([True] if logged else [])
        assert "somebody's-name" not in caplog.text
        assert "somebody's-name" not in answer.body.decode()


@pytest.mark.parametrize("origin", ["https://scim.example.com", "http://localhost:7071"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_service_with_a_wrong_setting_sends_the_headers_too(loop: Loop, method: str, origin: str) -> None:
    app: App = from_environment({"SCIM_STORE": "none such"})
    given = {"x-request-id": "asked-while-unconfigured"}
    response = loop.run(app.handler.handle(Request(method, "/scim/v2/Users", {}, given, b"", origin)))
    answer = Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, response.body)
    assert answer.status == 503
    carries_them(answer, over_tls=origin.startswith("https:"))
    assert answer.headers["x-request-id"] == "asked-while-unconfigured"
    assert (answer.body == b"") == (method == "HEAD")


# --- the id of a request ----------------------------------------------------------------------------------------

NAMES = ["X-Request-Id", "x-ms-client-request-id", "client-request-id"]


def line_of(caplog: pytest.LogCaptureFixture) -> str:
    """The one log line of the one request since the records were cleared."""
    [record] = [record for record in caplog.records if record.name == "scim.request"]
    return record.getMessage()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "given", ["x", "X" * 128, string.ascii_letters, f"{string.digits}._-", "00-4bf92f3577b34da6-01", ".", ".."]
)
def test_the_clients_id_comes_back_and_is_in_the_log_line(
    client: Client, caplog: pytest.LogCaptureFixture, name: str, given: str
) -> None:
    caplog.set_level(logging.INFO)
    for path, token in (("/Users", TOKEN), (f"/Users/{UNKNOWN_ID}", TOKEN), ("/Users", None), ("~/healthz", None)):
        caplog.clear()
        answer = client.get(path, token=token, headers={name: given})
        assert answer.headers["x-request-id"] == given
        assert line_of(caplog).endswith(f" request_id={given}")


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({NAMES[0]: "first", NAMES[1]: "second", NAMES[2]: "third"}, "first"),
        ({NAMES[1]: "second", NAMES[2]: "third"}, "second"),
        ({NAMES[0]: "", NAMES[2]: "third"}, "third"),
    ],
)
def test_the_first_of_several_request_ids_counts(client: Client, given: dict[str, str], counts: str) -> None:
    assert client.get("/Users", headers=given).headers["x-request-id"] == counts


INVALID: Final = {
    "space": "two words",
    "newline": "first\nGET /Users 200 forged",
    "carriage-return": "first\rforged",
    "null": "null\x00byte",
    "escape": "\x1b[31mred",
    "129-characters": "x" * 129,
    "double-quotes": '"quoted"',
    "single-quotes": "'quoted'",
    "letter-beyond-ascii": "größe",
    "digit-beyond-ascii": "٣٤٥٦٧٨",
    "path": "../../etc/passwd",
    "backslash": "..\\windows",
    "markup": "<script>",
    "format": "%s%s%n",
    "braces": "{request.headers}",
    "list": "one-id,another-id",
    "trailing-newline": "trailing\n",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given", INVALID.values(), ids=INVALID.keys())
def test_an_id_that_could_forge_a_log_line_is_replaced_and_never_shown(
    client: Client, caplog: pytest.LogCaptureFixture, name: str, given: str
) -> None:
    caplog.set_level(logging.INFO)
    for path, token in (("/Users", TOKEN), (f"/Users/{UNKNOWN_ID}", TOKEN), ("/Users", None), ("~/healthz", None)):
        caplog.clear()
        answer = client.get(path, token=token, headers={name: given})
        id = answer.headers["x-request-id"]
        assert OURS.fullmatch(id)
        assert line_of(caplog).endswith(f" request_id={id}")
        assert given not in "\n".join([line_of(caplog), str(answer.headers), answer.body.decode()])


@pytest.mark.parametrize("given", ["two words", "x" * 129, '"quoted"', "../../etc/passwd", "one-id,another-id"])
def test_over_a_port_too(port_client: PortClient, given: str) -> None:
    answer = port_client.get("/Users", headers={"X-Request-Id": given})
    assert OURS.fullmatch(answer.headers["x-request-id"])
    assert port_client.get("/Users", headers={"X-Request-Id": "over-a-port"}).headers["x-request-id"] == "over-a-port"


def test_no_two_requests_get_the_same_id(client: Client, port_client: PortClient) -> None:
    asked = [each.get("~/healthz", token=None) for each in (client, port_client) for _ in range(300)]
    assert len({answer.headers["x-request-id"] for answer in asked}) == 600


def test_a_repeated_header_over_a_port_is_no_id(tmp_path: Path, port_client: PortClient) -> None:
    """Two ids of one request are joined on the way, and a list isn't an id."""
    response = port_client._http.get("/healthz", headers=[("X-Request-Id", "one"), ("X-Request-Id", "two")])
    assert OURS.fullmatch(response.headers["x-request-id"])
