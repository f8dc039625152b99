"""The two ways in that tests use: through the real triggers of `function_app`, and over a port of `scim serve`."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote

import azure.functions as func
import httpx
import pytest
from hypothesis import settings

import function_app
from scim.edge.handler import Handler, Unconfigured
from scim.edge.http import Request
from scim.storage.cosmos.container import CONTAINER
from tests.cosmos_emulator import Emulator
from tests.planted import (  # noqa: F401 - pytest finds its hooks here
    WATCH,
    pytest_configure,
    pytest_runtest_call,
    pytest_runtest_setup,
    pytest_runtest_teardown,
)

TOKEN = "a-token-for-tests"
BASE = "/scim/v2"
ORIGIN = "https://scim.example.com"
_AZURE = ("WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME", "IDENTITY_ENDPOINT")
# What a URL may hold as it is; the rest is percent-encoded, as HTTP libraries do it.
_SAFE_IN_URL = "%/?&=:@!$'()*,;+-._~"

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("ci")


def pytest_collection_finish() -> None:
    """Keep the thousands of collected tests out of every later garbage collection."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Answer:
    """A response; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Sends requests to paths below the base path; a leading `~` makes a path absolute."""

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str | None] | None = None,
        token: str | None = TOKEN,
    ) -> Answer:
        """Headers add to the usual ones; one that is `None` leaves the usual one out."""
        sent: dict[str, str | None] = {} if token is None else {"Authorization": f"Bearer {token}"}
        content = b""
        if body is not None:
            sent["Content-Type"] = "application/scim+json"
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
        full = path.removeprefix("~") if path.startswith("~") else BASE + path
        sent.update(headers or {})
        present = {name: value for name, value in sent.items() if value is not None}
        planted = WATCH.sent(full, present, content)
        answer = self._send(method, quote(full, safe=_SAFE_IN_URL), present, content)
        shown = "" if answer.status < 400 else f"{answer.headers} {answer.body.decode(errors='replace')}"
        WATCH.answered(present, planted, answer.status, shown)
        return answer

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("POST", path, body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("PUT", path, body, **options)

    def patch(self, path: str, *operations: Any, **options: Any) -> Answer:
        """A PATCH with these operations."""
        schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
        return self.request("PATCH", path, {"schemas": schemas, "Operations": list(operations)}, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        return self.request("DELETE", path, **options)

    def user(self, name: str = "bjensen", **attributes: Any) -> dict[str, Any]:
        """A new user as the answer to its POST."""
        answer = self.post("/Users", {"userName": name, **attributes})
        assert answer.status == 201, answer.body
        created: dict[str, Any] = answer.json
        return created

    def group(self, name: str = "Tour Guides", *members: str, **attributes: Any) -> dict[str, Any]:
        """A new group as the answer to its POST."""
        listed = [{"value": member} for member in members]
        answer = self.post("/Groups", {"displayName": name, "members": listed, **attributes})
        assert answer.status == 201, answer.body
        created: dict[str, Any] = answer.json
        return created

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        raise NotImplementedError


class Loop:
    """An event loop in a thread of its own, so that requests of several threads can overlap in it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()

    def run[T](self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=120)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@cache
def indexed_functions() -> list[Any]:
    """The HTTP triggers in the order in which the host tries them; the library refuses to index twice."""
    found = [function for function in function_app.app.get_functions() if function.is_http_function()]
    return sorted(found, key=lambda function: function.get_function_name().lower())


class TriggerClient(Client):
    """Calls the trigger that the host would call, with a request in the form in which the host hands it over."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        raw_path, _, query = path.partition("?")
        # The host decodes the path but for %2F, and leaves parameters without a value out.
        decoded = "%2F".join(unquote(part) for part in raw_path.replace("%2f", "%2F").split("%2F"))
        trigger, route_params = self._trigger(decoded)
        lowered = {name.lower(): value for name, value in headers.items()}
        # The host puts the name that the client asked for into the URL.
        origin = f"https://{lowered['host']}" if "host" in lowered else ORIGIN
        request = func.HttpRequest(
            method,
            f"{origin}{decoded}{'?' if query else ''}{query}",
            headers=lowered,
            params={name: value for name, value in parse_qsl(query) if value},
            route_params=route_params,
            body=body,
        )
        response: func.HttpResponse = self._loop.run(trigger(request))
        answered = {name.lower(): value for name, value in response.headers.items()}
        content = response.get_body()
        if response.mimetype and content:
            answered.setdefault("content-type", response.mimetype)
        return Answer(response.status_code, answered, content)

    def _trigger(self, path: str) -> tuple[Any, dict[str, str]]:
        """The function whose route matches first, and its route parameters: what `{*rest}` stands for, unless empty."""
        for function in indexed_functions():
            literal, catch_all, name = f"/{function.get_trigger().route}".rstrip("}").partition("{*")
            matches = path.lower().startswith(literal.lower()) if catch_all else False
            if matches or path.lower().rstrip("/") == literal.lower().rstrip("/"):
                rest = path[len(literal) :].rstrip("/") if catch_all else ""
                return function.get_user_function(), {name: rest} if rest else {}
        raise AssertionError("no trigger takes this path")


class HandlerClient(Client):
    """Calls a handler directly: for tests that build one of their own."""

    def __init__(self, handler: Handler | Unconfigured, loop: Loop) -> None:
        self._handler = handler
        self._loop = loop

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        raw_path, _, query = path.partition("?")
        lowered = {name.lower(): value for name, value in headers.items()}
        parameters = dict(parse_qsl(query, keep_blank_values=True))
        request = Request(method, raw_path, parameters, lowered, body, ORIGIN)
        response: Any = self._loop.run(self._handler.handle(request))
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)


class PortClient(Client):
    """Sends real HTTP requests."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        # Without certificates, which take longer to load than most tests: the ports are this machine's, without TLS.
        self._http = httpx.Client(base_url=origin, timeout=60, verify=False)

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        response = self._http.request(method, path, headers=dict(headers), content=body)
        return Answer(response.status_code, dict(response.headers), response.content)

    def close(self) -> None:
        self._http.close()


class Server:
    """`scim serve` as a process of its own, on a free port."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        environ = {name: value for name, value in os.environ.items() if name not in _AZURE}
        # A file and not a pipe: it never fills up, and holds a line before the answer to its request is out.
        self._stderr = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `stop`
        WATCH.follow(self._stderr)
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from scim.cli import main; main()", "serve", "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env={**environ, "SCIM_DEV_TOKEN": TOKEN, **(environment or {})},
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        if not first.startswith("Base URL:"):
            self.process.wait(timeout=30)
            raise AssertionError(first + "\n".join(self._log))
        self.origin = first.split()[-1].removesuffix(BASE)

    @property
    def _log(self) -> list[str]:
        """The lines of the log so far."""
        written = os.pread(self._stderr.fileno(), os.fstat(self._stderr.fileno()).st_size, 0)
        return written.decode().splitlines(keepends=True)

    def stop(self, with_signal: int = signal.SIGINT) -> tuple[int, str]:
        """The exit code and the log."""
        self.process.send_signal(with_signal)
        code = self.process.wait(timeout=30)
        log = "".join(self._log)
        assert self.process.stdout is not None
        self.process.stdout.close()
        WATCH.unfollow(self._stderr)
        self._stderr.close()
        return code, log


class Start(Protocol):
    """Starts servers that are stopped at the end of the test."""

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Server: ...


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    running = Loop()
    yield running
    running.close()


@pytest.fixture
def client(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The function app with an empty store in memory."""
    yield from _function_app(loop, monkeypatch)


@pytest.fixture
def file_client(loop: Loop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Client]:
    """The function app with an empty store in a file."""
    yield from _function_app(loop, monkeypatch, SCIM_DATA=str(tmp_path / "scim.db"))


def _function_app(loop: Loop, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Iterator[Client]:
    for name in list(os.environ):
        if name.startswith("SCIM_") or name in _AZURE:
            monkeypatch.delenv(name)
    for name, value in {"SCIM_DEV_TOKEN": TOKEN, **settings}.items():
        monkeypatch.setenv(name, value)
    function_app.service_of_this_worker.cache_clear()
    yield TriggerClient(loop)
    loop.run(function_app.service_of_this_worker().close())
    function_app.service_of_this_worker.cache_clear()


@pytest.fixture(scope="module")
def cosmos(loop: Loop) -> Iterator[tuple[Emulator, str]]:
    """An emulator of Cosmos DB and its endpoint."""
    emulator = Emulator()
    endpoint = loop.run(emulator.start())
    yield emulator, endpoint
    loop.run(emulator.stop())


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One `scim serve` for the tests of a file that want a port and don't mind each other."""
    running = Server()
    yield running
    running.stop()


class CosmosAccount:
    """An emulator in this process, with the container that the service wants; `environment` leads another process to it."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.emulator = Emulator()
        self.emulator.create("scim", {"id": "resources", **CONTAINER})
        self.endpoint = loop.run(self.emulator.start())
        self.environment = {"COSMOS_ENDPOINT": self.endpoint, "COSMOS_KEY": self.emulator.key}

    def empty(self) -> None:
        """Take away what the tests before have left."""
        self._loop.run(self._empty())

    async def _empty(self) -> None:
        # In the emulator's own loop, where no request is half done.
        database = self.emulator.core.account.databases["scim"]
        database.containers.clear()
        self.emulator.requests.clear()
        database.create({"id": "resources", **CONTAINER})

    def stop(self) -> None:
        self._loop.run(self.emulator.stop())


class CosmosServer(CosmosAccount):
    """`scim serve --store cosmos` as a process of its own, on an emulator in this one; variables add to its environment."""

    def __init__(self, loop: Loop, **variables: str) -> None:
        super().__init__(loop)
        self.server = Server("--store", "cosmos", environment={**self.environment, **variables})
        self.client = PortClient(self.server.origin)

    def stop(self) -> None:
        self.client.close()
        self.server.stop()
        super().stop()


@pytest.fixture(scope="session")
def cosmos_server(loop: Loop) -> Iterator[CosmosServer]:
    running = CosmosServer(loop)
    yield running
    running.stop()


@pytest.fixture
def cosmos_client(cosmos_server: CosmosServer) -> PortClient:
    """A server on an empty container of Cosmos DB, over a port."""
    cosmos_server.empty()
    return cosmos_server.client


@pytest.fixture
def port_client(server: Server) -> Iterator[PortClient]:
    client = PortClient(server.origin)
    yield client
    client.close()
