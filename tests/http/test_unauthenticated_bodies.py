"""A body is read once it is known who sends it: a stranger's takes no memory, however large it is."""

import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from scim.app import App, build
from scim.edge.http import Request
from scim.protocol.limits import Limits
from scim.settings import Settings
from tests.conftest import BASE, ORIGIN, TOKEN, Loop, PortClient, Server
from tests.http.checks import names

_MIB: Final = 1024 * 1024
_HUGE: Final = 90 * _MIB


@pytest.fixture(scope="module")
def app(loop: Loop) -> Iterator[App]:
    made = build(Settings(), tokens={TOKEN: "default"})
    yield made
    loop.run(made.close())


class Body:
    """A body that nobody has read yet; notes how much of it was asked for."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.asked: list[int] = []

    async def receive(self, most: int) -> bytes:
        self.asked.append(most)
        return self._content[:most]


def send(app: App, loop: Loop, body: Body, method: str, path: str, token: str | None = TOKEN) -> int:
    receive: Callable[[int], Awaitable[bytes]] = body.receive
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    return loop.run(app.handler.handle(Request(method, path, {}, headers, b"", ORIGIN, receive))).status


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("POST", f"{BASE}/Users", None, 401),
        ("POST", f"{BASE}/Bulk", None, 401),
        ("POST", f"{BASE}/Users", "wrong", 401),
        ("PATCH", f"{BASE}/Groups/x", "scimaf_wrong", 401),
        ("PUT", "/nowhere", None, 401),
        ("POST", "/healthz", None, 405),
        ("GET", "/healthz", None, 200),
        ("POST", "/nowhere", TOKEN, 404),
        ("POST", f"{BASE}/Schemas", TOKEN, 405),
    ],
)
def test_the_body_of_a_refused_request_is_not_read(
    app: App, loop: Loop, method: str, path: str, token: str | None, status: int
) -> None:
    body = Body(b"{}")
    assert send(app, loop, body, method, path, token) == status
    assert body.asked == []


def test_the_body_of_an_authenticated_request_is_read_once_and_no_further_than_its_limit(app: App, loop: Loop) -> None:
    limits = Limits()
    for method, path, most in (
        ("POST", f"{BASE}/Users", limits.body_bytes),
        ("POST", f"{BASE}/.search", limits.body_bytes),
        ("POST", f"{BASE}/Bulk", limits.bulk_bytes),
    ):
        body = Body(b" " * (most + 100))
        assert send(app, loop, body, method, path) == 413
        assert body.asked == [most + 1]
    assert send(app, loop, Body(b'{"userName":"read"}'), "POST", f"{BASE}/Users") == 201


# --- over a port ------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


def peak(server: Server) -> int:
    """The most memory that the server has had, in bytes."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def connected(server: Server) -> socket.socket:
    url = urlsplit(server.origin)
    return socket.create_connection((url.hostname or "", url.port or 0), timeout=60)


def head(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def answered(connection: socket.socket) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of one answer, with the connection left open."""
    file = connection.makefile("rb")
    status = int(file.readline().split()[1])
    lines = iter(lambda: file.readline().decode().strip(), "")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    content = file.read(int(headers.get("content-length", 0)))
    return status, headers, json.loads(content) if content else None


@pytest.mark.parametrize(("method", "path", "status"), [("POST", f"{BASE}/Users", 401), ("GET", "/healthz", 200)])
def test_a_401_does_not_wait_for_the_body(server: Server, method: str, path: str, status: int) -> None:
    with connected(server) as connection:
        connection.sendall(head(method, path, f"Content-Length: {_HUGE}") + b"{")
        assert answered(connection)[0] == status


def test_unauthenticated_large_bodies_take_no_memory(server: Server) -> None:
    client = PortClient(server.origin)
    assert client.get("/Users").status == 200
    before = peak(server)
    connections = [connected(server) for _ in range(4)]
    for connection in connections:
        connection.sendall(head("POST", f"{BASE}/Bulk", f"Content-Length: {_HUGE}"))
    assert [answered(connection)[0] for connection in connections] == [401] * 4
    for connection in connections:
        with connection:
            try:
                for _ in range(_HUGE // 4 // _MIB):
                    connection.sendall(bytes(_MIB))
            except OSError:
                continue  # the server has hung up
    assert client.get("/Users").status == 200
    assert peak(server) - before < 30 * _MIB
    client.close()


def test_requests_that_are_not_http_are_logged_once_a_minute() -> None:
    server = Server()
    for _ in range(20):
        with connected(server) as connection:
            connection.sendall(b"GARBAGE\r\n\r\n")
            assert answered(connection)[0] == 400
    _, log = server.stop()
    assert 1 <= log.count("isn't HTTP") < 5  # one a minute


@pytest.mark.parametrize("path", [f"{BASE}/Users", "/healthz"])
def test_an_unauthenticated_client_gets_no_100_continue(server: Server, path: str) -> None:
    """RFC 9110 §10.1.1: the answer comes at once, and the connection ends because nobody knows what would come next."""
    with connected(server) as connection:
        connection.sendall(head("POST", path, "Expect: 100-continue", f"Content-Length: {_HUGE}"))
        status, headers, _ = answered(connection)
    assert status in {401, 405}
    assert headers["connection"] == "close"


def test_the_next_request_on_a_connection_whose_body_was_not_read_is_answered(server: Server) -> None:
    body = b'{"userName":"first"}'
    good = f"Authorization: Bearer {TOKEN}"
    with connected(server) as connection:
        connection.sendall(head("POST", f"{BASE}/Users", f"Content-Length: {len(body)}") + body)
        assert answered(connection)[0] == 401
        connection.sendall(head("POST", f"{BASE}/Users", good, f"Content-Length: {len(body)}") + body)
        assert answered(connection)[0] == 201
    client = PortClient(server.origin)
    assert names(client.get("/Users")) == ["first"]
    client.close()
