"""`scim serve` as a process: what it prints, how it ends, what it logs, and that its file survives everything."""

import os
import re
import shlex
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

import scim
from scim.cli import main
from tests.conftest import TOKEN, Client, PortClient, Server, Start
from tests.http.checks import UNKNOWN_ID, USER, is_error, names, resources


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers that don't outlive the test."""
    started: list[Server] = []

    def make(*arguments: str, environment: Any = None) -> Server:
        server = Server(*arguments, environment=environment)
        started.append(server)
        return server

    yield make
    for server in started:
        if server.process.poll() is None:
            server.stop()


def run(*arguments: str) -> Result:
    """The command, in this process: for what ends by itself."""
    return CliRunner(env=dict.fromkeys(name for name in os.environ if name.startswith("SCIM_"))).invoke(main, arguments)


def one_clear_line(ended: Result, *words: str) -> None:
    assert ended.exit_code in {1, 2, 4}
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("Error:")]
    assert len(ended.stderr.splitlines()) == 1 or ended.stderr.startswith("Usage:")
    for word in words:
        assert word in line


# --- what it prints ---------------------------------------------------------------------------------------------


def test_help_shows_the_commands_and_what_they_take() -> None:
    top = run("--help")
    assert top.exit_code == 0
    assert "serve" in top.stdout
    serve = run("serve", "--help")
    assert serve.exit_code == 0
    for option in ("--host", "--port", "--data"):
        assert option in serve.stdout
    assert "7071" in serve.stdout
    assert "127.0.0.1" in serve.stdout


def test_it_prints_base_url_and_token_and_both_work(start: Start) -> None:
    server = start()
    assert server.process.stdout is not None
    second = server.process.stdout.readline()
    assert second.split()[-1] == TOKEN
    client = PortClient(server.origin)
    assert client.get("/Users", token=second.split()[-1]).status == 200
    is_error(client.get("/Users", token="another"), 401)
    client.close()


def test_it_prints_version_and_store_and_a_request_to_paste(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "scim.db"
    for arguments, store in (
        ((), "SQLite in memory, lost when the server stops"),
        (("--data", str(file)), f"SQLite file {file}"),
    ):
        server = start(*arguments)
        assert server.process.stdout is not None
        _, data, version, try_it = [server.process.stdout.readline() for _ in range(4)]
        assert data == f"Data:         {store}\n"
        assert version == f"Version:      {scim.__version__}\n"
        request = shlex.split(try_it.removeprefix("Try it:"))
        assert request[:3] == ["curl", "-s", f"{server.origin}/scim/v2/Users"]
        assert request[-1] == f"Authorization: Bearer {TOKEN}"


def test_without_a_fixed_token_each_start_makes_its_own(start: Start) -> None:
    """An empty variable counts as missing."""
    tokens = []
    for _ in range(2):
        server = start(environment={"SCIM_DEV_TOKEN": ""})
        assert server.process.stdout is not None
        token = server.process.stdout.readline().removeprefix("Bearer token:").strip()
        assert len(token) >= 32
        client = PortClient(server.origin)
        assert client.get("/Users", token=token).status == 200
        client.close()
        tokens.append(token)
    assert tokens[0] != tokens[1]


# --- what it refuses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "", "127.0.0.1.example.com", "8.8.8.8"])
def test_it_listens_on_loopback_only(host: str) -> None:
    one_clear_line(run("serve", "--port", "0", "--host", host), "loopback")


def test_loopback_has_more_than_one_address(start: Start) -> None:
    server = start("--host", "127.0.0.2")
    assert server.origin.startswith("http://127.0.0.2:")
    client = PortClient(server.origin)
    assert client.get("/Users").status == 200
    client.close()


def test_a_port_in_use_is_an_error_of_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        one_clear_line(run("serve", "--port", port), port)


@pytest.mark.parametrize("port", ["65536", "-1", "99999999", "abc"])
def test_an_invalid_port_is_an_error_of_one_line(port: str) -> None:
    one_clear_line(run("serve", "--port", port), "port")


def test_an_impossible_data_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    one_clear_line(run("serve", "--port", "0", "--data", str(tmp_path)), str(tmp_path))
    missing = tmp_path / "missing" / "scim.db"
    one_clear_line(run("serve", "--port", "0", "--data", str(missing)), str(missing), "no folder")
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"this is no database at all, but a text that somebody keeps here" * 100)
    one_clear_line(run("serve", "--port", "0", "--data", str(junk)), str(junk), "not a SQLite database")
    newer = tmp_path / "newer.db"
    with closing(sqlite3.connect(newer)) as db:
        db.execute("PRAGMA user_version = 99")
    one_clear_line(run("serve", "--port", "0", "--data", str(newer)), str(newer), "has format 99")
    assert junk.read_bytes().startswith(b"this is no database")


# --- how it ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_when_asked_to_and_what_was_in_memory_is_gone(start: Start, number: int) -> None:
    server = start()
    client = PortClient(server.origin)
    assert names(client.get("/Users")) == []
    client.user()
    code, log = server.stop(number)
    assert code == 0
    assert "Traceback" not in log
    with pytest.raises(httpx.TransportError):
        client.get("/Users")
    client.close()


def test_an_open_connection_does_not_delay_the_end(start: Start) -> None:
    server = start()
    host, _, port = server.origin.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as idle:
        idle.sendall(b"POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        code, log = server.stop(signal.SIGTERM)
    assert code == 0
    assert "Traceback" not in log


# --- what it logs -----------------------------------------------------------------------------------------------


def test_the_log_has_a_line_for_each_request_without_personal_data(start: Start, tmp_path: Path) -> None:
    server = start("--data", str(tmp_path / "scim.db"))
    client = PortClient(server.origin)
    user = client.user("secret-user", title="secret-title")["id"]
    group = client.group("secret-group", user)["id"]
    client.get(f"/Users/{user}")
    client.get('/Users?filter=userName eq "secret-filter"&attributes=secret-attribute')
    client.post("/Users/.search", {"filter": 'title eq "secret-search"'})
    client.patch(f"/Users/{user}", {"op": "replace", "path": "title", "value": "secret-value"})
    client.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": "secret-member"}]})
    client.put(f"/Users/{user}", {"userName": "secret-again"})
    client.delete(f"/Users/{UNKNOWN_ID}")
    client.get("/Users", token="secret-token")
    client.get("/secret-path/secret-id")
    client.get(f"/Schemas/{USER}")
    client.post("/Users", b'{"userName": "secret-junk"')
    client.get("/Users?filter=secret-attribute eq 1")
    client.request("SECRET", "/Users")
    client.get("~/secret healthz")
    client.get("~/healthz", token=None)
    client.close()
    with suppress(OSError), socket.create_connection(("127.0.0.1", int(server.origin.rpartition(":")[2]))) as broken:
        broken.sendall(b"GET /scim/v2/Users?filter=secret-\xff HTTP/1.1\r\nHost: secret\r\n\r\n")
        broken.recv(1024)
    code, log = server.stop()
    assert code == 0
    for secret in ("secret", user, group, UNKNOWN_ID, TOKEN):
        assert secret not in log.lower(), log
    for line in (
        r"action=create resource_type=User status=201 scim_type=- .* method=POST route=/Users",
        r"action=create resource_type=Group status=201 .* method=POST route=/Groups",
        r"action=get resource_type=User status=200 .* method=GET route=/Users/\{id\}",
        r"action=list resource_type=User status=200 .* method=GET route=/Users",
        r"action=search resource_type=User status=200 .* method=POST route=/Users/\.search",
        r"action=patch resource_type=User status=204 .* method=PATCH route=/Users/\{id\}",
        r"action=patch resource_type=Group status=204 .* method=PATCH route=/Groups/\{id\}",
        r"action=put resource_type=User status=200 .* method=PUT route=/Users/\{id\}",
        r"action=delete resource_type=User status=404 .* method=DELETE route=/Users/\{id\}",
        r"action=list resource_type=User status=401 scim_type=- .* customer=- .* method=GET route=/Users",
        r"action=none resource_type=- status=404 .* method=GET route=\(no_route\)",
        r"action=schema resource_type=- status=200 .* method=GET route=/Schemas/\{id\}",
        r"action=create resource_type=User status=400 scim_type=invalidSyntax .* method=POST route=/Users",
        r"action=list resource_type=User status=400 scim_type=invalidFilter .* method=GET route=/Users",
        r"action=health resource_type=- status=200 .* method=GET route=/healthz",
    ):
        assert re.search(rf"^.* INFO request {line} request_id=[0-9a-f-]{{36}}$", log, re.MULTILINE), (line, log)
    assert "Traceback" not in log


# --- its file ---------------------------------------------------------------------------------------------------


def test_data_is_there_again_after_a_restart(start: Start, tmp_path: Path) -> None:
    file = str(tmp_path / "scim.db")
    server = start("--data", file)
    client = PortClient(server.origin)
    user = client.user("kept", title="t", emails=[{"value": "e@x", "type": "work"}])["id"]
    group = client.group("kept", user, "m")["id"]
    client.patch(f"/Users/{user}", {"op": "add", "path": "nickName", "value": "n"})
    paths = (f"/Users/{user}", f"/Groups/{group}", "/Users", "/Groups")
    before = [client.get(path).body.replace(server.origin.encode(), b"") for path in paths]
    client.close()
    server.stop()
    for environment, arguments in (({}, ["--data", file]), ({"SCIM_DATA": file}, [])):
        server = start(*arguments, environment=environment)
        client = PortClient(server.origin)
        assert [client.get(path).body.replace(server.origin.encode(), b"") for path in paths] == before
        assert names(client.get('/Users?filter=emails.value eq "E@X" and nickName eq "n"')) == ["kept"]
        is_error(client.post("/Users", {"userName": "KEPT"}), 409, "uniqueness")
        client.close()
        server.stop()


class Writer(Thread):
    """Creates users and puts each into the group until the server is gone; remembers what was acknowledged."""

    def __init__(self, client: Client, group: str, prefix: str, enough: int) -> None:
        super().__init__()
        self._client, self._group, self._prefix, self._enough = client, group, prefix, enough
        self.created: list[str] = []
        self.changed: list[str] = []
        self.joined: list[str] = []
        self.deleted: list[str] = []
        self.busy = Event()

    def run(self) -> None:
        with suppress(httpx.TransportError):
            for number in range(100_000):
                name = f"{self._prefix}-{number}"
                body = {"userName": name, "title": name, "emails": [{"value": f"{name}@x", "type": "work"}]}
                created = self._client.post("/Users", body)
                assert created.status == 201
                self.created.append(name)
                path = f"/Users/{created.json['id']}"
                both = {"nickName": f"{name}-nick", "roles": [{"value": f"{name}-role"}]}
                assert self._client.patch(path, {"op": "add", "value": both}).status == 204
                self.changed.append(name)
                join = {"displayName": f"group-{name}", "members": [{"value": created.json["id"]}]}
                assert self._client.patch(f"/Groups/{self._group}", {"op": "add", "value": join}).status == 204
                self.joined.append(created.json["id"])
                if number % 5 == 4:
                    assert self._client.delete(path).status == 204
                    self.deleted.append(name)
                if number >= self._enough:
                    self.busy.set()


def test_kill_9_in_the_middle_of_writes_loses_nothing_and_leaves_nothing_half_written(
    start: Start, tmp_path: Path
) -> None:
    file = str(tmp_path / "scim.db")
    writers: list[Writer] = []
    group = ""
    for number in range(2):
        server = start("--data", file)
        clients = [PortClient(server.origin) for _ in range(2)]
        if not group:
            group = clients[0].group("group")["id"]
        running = [Writer(client, group, f"u{number}-{at}", 6 + number * 5) for at, client in enumerate(clients)]
        for writer in running:
            writer.start()
        for writer in running:
            assert writer.busy.wait(60)
        code, _ = server.stop(signal.SIGKILL)
        assert code == -signal.SIGKILL
        for writer in running:
            writer.join(60)
            assert not writer.is_alive()
        for client in clients:
            client.close()
        writers += running
    check_all(PortClient(start("--data", file).origin), group, writers)


def check_all(client: PortClient, group: str, writers: list[Writer]) -> None:
    users: dict[str, dict[str, Any]] = {}
    while True:
        page = resources(client.get(f"/Users?count=1000&startIndex={len(users) + 1}"))
        users |= {user["userName"]: user for user in page}
        if not page:
            break
    members = {member["value"] for member in client.get(f"/Groups/{group}").json["members"]}
    for writer in writers:
        alive = set(writer.created) - set(writer.deleted)
        # The last request of each writer may have been done without an answer.
        assert len(alive - users.keys()) <= 1
        assert alive - users.keys() <= {writer.created[-1]}
        assert not set(writer.deleted) & users.keys()
        for name in set(writer.changed) & users.keys():
            assert users[name]["nickName"] == f"{name}-nick"
        for name in alive & users.keys():
            for text in (f'userName eq "{name}"', f'emails[type eq "work"].value eq "{name}@x"', f'title eq "{name}"'):
                assert names(client.get(f"/Users?filter={text}&attributes=userName")) == [name], text
        for name in writer.deleted:
            assert names(client.get(f'/Users?filter=title eq "{name}" or roles.value eq "{name}-role"')) == []
    for name, user in users.items():
        # Every user is whole: as created, or as changed, with everything that filters find it by.
        assert (user["title"], user["emails"]) == (name, [{"value": f"{name}@x", "type": "work"}])
        assert ("nickName" in user) == ("roles" in user)
        found = names(client.get(f'/Users?filter=nickName eq "{name}-nick" and roles eq "{name}-role"'))
        assert found == ([name] if "nickName" in user else [])
        in_group = user["id"] in members
        assert in_group == bool(user.get("groups"))
        if any(user["id"] in writer.joined for writer in writers):
            assert in_group
    assert members <= {user["id"] for user in users.values()}
    last = client.get(f"/Groups/{group}?attributes=displayName").json["displayName"]
    assert last in {f"group-{name}" for name in (*users, *(name for writer in writers for name in writer.created))}
    client.close()
