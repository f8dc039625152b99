"""What must not get in: every attack is refused in the right words, learns nothing, writes nothing and breaks nothing."""

import json
import logging
import socket
import sqlite3
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copy
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from scim.protocol.errors import ERROR_SCHEMA
from tests.conftest import TOKEN, Answer, Client, Loop, PortClient, Server
from tests.security.attacks import ATTACKS, PLACES, REMOVED, WITH_ROLE, Attempt, Scene
from tests.security.conftest import scim, secret_token
from tests.security.issuer import CONTOSO, FABRIKAM, PRODUCT, SIGN_IN, STRANGER, Issuer, rsa_key, signed
from tests.worker.host_client import HostClient

_ID: Final = "01990000-0000-7000-8000-000000000000"
_REQUESTS: Final = (
    ("GET", "/Users"),
    ("POST", "/Users"),
    ("PATCH", f"/Groups/{_ID}"),
    ("DELETE", f"/Users/{_ID}"),
    ("GET", "/ServiceProviderConfig"),
    ("GET", "/Nothing/here"),
)
_CHALLENGES: Final = {
    None: (401, 'Bearer realm="scim"'),
    "invalid_token": (401, 'Bearer realm="scim", error="invalid_token"'),
    "insufficient_scope": (403, 'Bearer realm="scim", error="insufficient_scope"'),
}
# What depends on how a request comes in; the rest is decided by the token's text alone. HTTP has no blanks at an end.
THROUGH_HOST: Final = (
    *(name for name in PLACES if name != "Bearer and blanks"),
    *("a person who has signed in elsewhere", "a person of a customer that lets in none"),
    *("a blank inside", "a tab inside", "a comma behind", "in quotes", "17 KB of signed claims"),
)
# Where the keys of the two customers are; nobody else is ever asked.
_KEYS: Final = {
    f"/login.microsoftonline.com/{tenant}/discovery/{version}keys"
    for tenant in (CONTOSO, FABRIKAM)
    for version in ("", "v2.0/")
}


@pytest.fixture
def attacker(loop: Loop) -> Iterator[Issuer]:
    """Serves the attacker's keys under the name of every tenant."""
    running = Issuer(keys={tenant: [rsa_key(9)] for tenant in (CONTOSO, FABRIKAM, STRANGER)})
    loop.run(running.start())
    yield running
    loop.run(running.stop())


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file with the two customers, a third that is gone, a way in that needs a role, and one for people."""
    path = tmp_path_factory.mktemp("prepared") / "scim.db"
    with_role = ("--audience", WITH_ROLE, "--role", "Directory.Provision")
    for name, tenant in (("contoso", CONTOSO), ("fabrikam", FABRIKAM), ("removed", REMOVED)):
        scim("customer", "create", name, "--data", str(path))
        scim("customer", "allow", name, "--entra-tenant", tenant, "--data", str(path))
    scim("customer", "allow", "contoso", "--entra-tenant", CONTOSO, *with_role, "--data", str(path))
    people = ("--people", "--audience", PRODUCT, "--application", SIGN_IN)
    scim("customer", "allow", "contoso", "--entra-tenant", CONTOSO, *people, "--data", str(path))
    scim("customer", "remove", "removed", "--yes", "--data", str(path))
    return path


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """A copy of that file: made once, the commands don't have to run for every attack."""
    return Path(copy(prepared, tmp_path / "scim.db"))


@pytest.fixture
def scene(issuer: Issuer, attacker: Issuer, data: Path) -> Scene:
    issuer.keys[REMOVED] = [rsa_key(3)]
    return Scene(issuer, attacker, data)


def test_there_are_enough_attacks() -> None:
    assert len(ATTACKS) >= 75


@pytest.mark.parametrize("make", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_is_refused_without_a_reason(
    make: Callable[[Scene], Attempt], scene: Scene, authenticated: Client, caplog: pytest.LogCaptureFixture
) -> None:
    attempt = make(scene)
    before = _items(scene.data)
    caplog.set_level(logging.DEBUG)
    answers = [_refused(authenticated, attempt, method, path) for method, path in _REQUESTS]
    assert _items(scene.data) == before
    # Not only a service that has just started holds out, and the attack has broken nothing.
    for tenant in (CONTOSO, FABRIKAM):
        honest = authenticated.get("/Users", token=scene.issuer.token(tenant))
        assert (honest.status, honest.json["totalResults"]) == (200, 0)
    answers.append(_refused(authenticated, attempt, "POST", "/Users"))
    assert _items(scene.data) == before
    _shows_nothing(attempt, answers, caplog)
    assert scene.attacker.requests == []
    assert set(scene.issuer.requests) <= _KEYS
    assert all(scene.issuer.requests.count(address) <= 2 for address in _KEYS)


# --- those that may read ---


@pytest.mark.parametrize("resource_type", ["a secret token", "a token of Entra ID"])
def test_a_read_only_token_reads_and_does_not_write(
    resource_type: str, issuer: Issuer, data: Path, authenticated: Client, caplog: pytest.LogCaptureFixture
) -> None:
    to_read = ("--entra-tenant", CONTOSO, "--audience", "api://to-read", "--read-only", "--data", str(data))
    scim("customer", "allow", "contoso", *to_read)
    writer = issuer.token()
    user = authenticated.post("/Users", {"userName": "bjensen"}, token=writer).json["id"]
    group = authenticated.post("/Groups", {"displayName": "Tour Guides"}, token=writer).json["id"]
    reader = (
        secret_token("contoso", data, "--read-only")
        if resource_type == "a secret token"
        else issuer.token(aud="api://to-read")
    )
    paths = ("/Users", f"/Users/{user}", "/Groups", f"/Groups/{group}", "/Schemas", "/ResourceTypes")
    before = _items(data, "tenant <> '$system'")
    assert len(before) == 2
    caplog.set_level(logging.DEBUG)
    attempt = Attempt((reader,), {"Authorization": f"Bearer {reader}"}, "insufficient_scope")
    writes = [
        *(("POST", path) for path in ("/Users", "/Groups", "/Bulk")),
        *((method, path) for method in ("PUT", "PATCH", "DELETE") for path in (f"/Users/{user}", f"/Groups/{group}")),
    ]
    answers = [_refused(authenticated, attempt, method, path) for method, path in writes]
    assert _items(data, "tenant <> '$system'") == before
    for path in paths:
        answers.append(authenticated.get(path, token=reader))
        assert answers[-1].status == 200, (path, answers[-1].body)
    search = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": 'userName eq "bjensen"'}
    for path in ("/.search", "/Users/.search"):
        answers.append(authenticated.post(path, search, token=reader))
        assert answers[-1].json["totalResults"] == 1
    _shows_nothing(attempt, answers, caplog)
    assert authenticated.delete(f"/Users/{user}", token=writer).status == 204


# --- storms ---


def test_many_unknown_kids_cause_one_more_fetch(issuer: Issuer, authenticated: Client) -> None:
    assert authenticated.get("/Users", token=issuer.token()).status == 200
    assert len(issuer.requests) == 1
    tokens = [signed(issuer.claims(), issuer.header(kid=f"made-up-{number}"), rsa_key(0)) for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda token: authenticated.get("/Users", token=token), tokens))
    # For all but the one that the keys were fetched for nobody can tell yet whether they are new.
    assert {answer.status for answer in answers} <= {401, 503}
    assert [answer.status for answer in answers].count(401) == 1
    assert len(issuer.requests) == 2
    assert authenticated.get("/Users", token=issuer.token(uti="another")).status == 200


def test_many_unknown_kids_without_cached_keys_cause_two_fetches(issuer: Issuer, authenticated: Client) -> None:
    tokens = [signed(issuer.claims(), issuer.header(kid=f"made-up-{number}"), rsa_key(9)) for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda token: authenticated.get("/Users", token=token), tokens))
    assert {answer.status for answer in answers} <= {401, 503}
    assert len(issuer.requests) <= 2
    assert authenticated.get("/Users", token=issuer.token()).status == 200


def test_tokens_of_unknown_tenants_cause_no_fetch(issuer: Issuer, authenticated: Client) -> None:
    tokens = [issuer.token(STRANGER, tid=f"57a4e6e4-3333-4333-8333-{number:012}") for number in range(100)]
    tokens += [issuer.token(STRANGER, uti=str(number)) for number in range(100)]
    assert {authenticated.get("/Users", token=token).status for token in tokens} == {401}
    assert issuer.requests == []
    assert authenticated.get("/Users", token=issuer.token()).status == 200


# --- over a port ---


def test_over_a_port_two_authorization_headers_are_refused(issuer: Issuer, data: Path) -> None:
    server = Server("--data", str(data), environment={"SCIM_DEV_KEYS": issuer.origin})
    client = PortClient(server.origin)
    try:
        entra, other, secret = issuer.token(), issuer.token(FABRIKAM), secret_token("contoso", data)
        good = [entra, other, secret, TOKEN]
        assert [client.get("/Users", token=token).status for token in good] == [200] * 4
        pairs = [(one, two) for one in [*good, "junk"] for two in good] + [(entra, "junk"), (TOKEN, "")]
        for first, second in pairs:
            status, headers, body = _with_two_headers(server.origin, first, second)
            assert status == 401
            assert headers["www-authenticate"] == 'Bearer realm="scim", error="invalid_token"'
            assert headers["content-type"] == "application/scim+json"
            assert (body["schemas"], body["status"]) == ([ERROR_SCHEMA], "401")
        assert [client.get("/Users", token=token).status for token in good] == [200] * 4
    finally:
        client.close()
        _, log = server.stop()
    for token in good:
        _shows_none_of((token,), log)


def _with_two_headers(origin: str, first: str, second: str) -> tuple[int, dict[str, str], Any]:
    """The answer to a POST with two lines of `Authorization`, written to the socket as they are."""
    url = urlsplit(origin)
    content = b'{"userName": "eve"}'
    lines = (
        "POST /scim/v2/Users HTTP/1.1",
        f"Host: {url.netloc}",
        f"Authorization: Bearer {first}",
        f"Authorization: Bearer {second}",
        f"Content-Length: {len(content)}",
        "Connection: close",
    )
    with socket.create_connection((url.hostname, url.port or 0), timeout=30) as connection:
        connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode() + content)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in fields)}
    return int(status.split()[1]), headers, json.loads(body)


# --- through the Functions host ---


@pytest.fixture(scope="module")
def behind_host(
    loop: Loop, prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Scene, HostClient]]:
    """The function app in a real worker, over HTTP through the stand-in for the host, on a copy of that file."""
    issuer, attacker = Issuer(), Issuer(keys={CONTOSO: [rsa_key(9)]})
    loop.run(issuer.start())
    loop.run(attacker.start())
    data = Path(copy(prepared, tmp_path_factory.mktemp("host") / "scim.db"))
    client = HostClient(loop, {"SCIM_DATA": str(data), "SCIM_DEV_KEYS": issuer.origin})
    yield Scene(issuer, attacker, data), client
    client.close()
    loop.run(issuer.stop())
    loop.run(attacker.stop())


@pytest.mark.parametrize("name", THROUGH_HOST)
def test_an_attack_is_refused_behind_the_host_too(name: str, behind_host: tuple[Scene, HostClient]) -> None:
    """The host reads the request first: it joins headers, leaves parameters out and hands the rest on in a form of its own."""
    scene, client = behind_host
    attempt = ATTACKS[name](scene)
    before = _items(scene.data)
    answers = [_refused(client, attempt, method, path) for method, path in _REQUESTS]
    assert _items(scene.data) == before
    assert client.get("/Users", token=scene.issuer.token()).status == 200
    _shows_none_of(attempt.tokens, "\n".join(f"{answer.headers} {answer.body.decode()}" for answer in answers))
    assert scene.attacker.requests == []


def test_two_authorization_headers_are_refused_behind_the_host(behind_host: tuple[Scene, HostClient]) -> None:
    """As the host hands them on, joined, they are one that isn't a token."""
    scene, client = behind_host
    good = [scene.issuer.token(), scene.issuer.token(FABRIKAM), secret_token("contoso", scene.data)]
    for first, second in [(one, two) for one in [*good, "junk"] for two in [*good, "junk"]]:
        status, headers, body = _with_two_headers(client.origin, first, second)
        assert (status, body["status"]) == (401, "401")
        assert headers["www-authenticate"] == 'Bearer realm="scim", error="invalid_token"'
    assert [client.get("/Users", token=token).status for token in good] == [200] * 3


# --- what is looked at ---


def _refused(authenticated: Client, attempt: Attempt, method: str, path: str) -> Answer:
    """Sends the attack to one address and sees that it is refused in the right words."""
    body = attempt.body
    if body is None and method != "GET":
        body = {"userName": "eve", "schemas": []}
    answer = authenticated.request(method, path + attempt.query, body, headers=attempt.headers, token=None)
    status, challenge = _CHALLENGES[attempt.error]
    assert answer.status == status, (method, path, answer.body)
    assert answer.headers["www-authenticate"] == challenge
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json.keys() == {"schemas", "status", "detail"}
    assert (answer.json["schemas"], answer.json["status"]) == ([ERROR_SCHEMA], str(status))
    assert answer.json["detail"]
    return answer


def _items(data: Path, which: str = "TRUE") -> list[Any]:
    """Everything in the data file, our own records too."""
    connection = sqlite3.connect(f"file:{data}?mode=ro", uri=True)
    try:
        found = connection.execute(f"SELECT tenant, id, revision, data FROM item WHERE {which} ORDER BY row").fetchall()
        return found + connection.execute("SELECT * FROM member").fetchall()
    finally:
        connection.close()


def _shows_nothing(attempt: Attempt, answers: list[Answer], caplog: pytest.LogCaptureFixture) -> None:
    # The stand-in for Entra ID runs in this process too and logs who asks it.
    lines = [caplog.handler.format(record) for record in caplog.records if record.name != "aiohttp.access"]
    assert any("scim.request" in line for line in lines)  # the log is really there
    shown = [f"{answer.headers} {answer.body.decode()}" for answer in answers]
    _shows_none_of(attempt.tokens, "\n".join((*lines, *shown)))


def _shows_none_of(tokens: tuple[str, ...], text: str) -> None:
    """Neither a piece of a token nor what header and claims say is in the text."""
    pieces = {text[at : at + 16] for at in range(len(text))}
    for token in tokens:
        start = token[:8192]
        assert not pieces & {start[at : at + 16] for at in range(len(start) - 15)}
        for value in _said(token):
            assert value not in text


def _said(token: str) -> Iterator[str]:
    """Every text and number of some length in header and payload."""
    for part in token.split(".", 2)[:2]:
        try:
            yield from _values(json.loads(urlsafe_b64decode(part + "==")))
        except (ValueError, RecursionError):  # not in a form that says anything
            continue


def _values(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for one in value.values():
                yield from _values(one)
        case list():
            for one in value:
                yield from _values(one)
        case _ if len(str(value)) >= 5:
            yield str(value)
