"""What the doctor examines in tests: our handler in process, a fault in front of it, one at a time."""

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import httpx

from scim.app import build
from scim.doctor.catalogue import Report
from scim.doctor.client import Client, Collaborators, Endpoint
from scim.doctor.run import examine
from scim.edge.handler import Handler
from scim.edge.http import Request
from scim.settings import Settings
from tests.conftest import BASE, ORIGIN, TOKEN


@dataclass(frozen=True)
class Sent:
    """A request below the base path; `query` as it stands in the URL."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: Any

    @property
    def parameters(self) -> dict[str, str]:
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def filter(self) -> str:
        return self.parameters.get("filter", "")

    @property
    def operations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.body["Operations"] if self.method == "PATCH" else []
        return found

    def but(self, **changes: Any) -> "Sent":
        return replace(self, **changes)

    def patching(self, *operations: dict[str, Any]) -> "Sent":
        return self.but(body={**self.body, "Operations": list(operations)})


@dataclass(frozen=True)
class Got:
    """A response; `body` as JSON, or bytes as they are."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/scim+json"})

    def but(self, **changes: Any) -> "Got":
        return replace(self, **changes)

    def having(self, **members: Any) -> "Got":
        return replace(self, body={**self.body, **members})


type Serve = Callable[[Sent], Got]
type Fault = Callable[[Sent, Serve], Got]


def refused(status: int = 400, detail: str = "no") -> Got:
    return Got(
        status, {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": str(status), "detail": detail}
    )


def sound(sent: Sent, serve: Serve) -> Got:
    return serve(sent)


class Bent(httpx.BaseTransport):
    """Our handler behind a fault, in an event loop of its own that serves one request after another."""

    def __init__(self, handler: Handler, loop: asyncio.AbstractEventLoop, fault: Fault = sound) -> None:
        self._handler = handler
        self._loop = loop
        self._lock = Lock()
        self._fault = fault
        self.seen: list[Sent] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raw, _, query = request.url.raw_path.decode().partition("?")
        path = unquote_to_bytes(raw).decode().removeprefix(BASE)
        content = request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent = Sent(request.method, path, query, headers, json.loads(content) if content else None)
        self.seen.append(sent)
        got = self._fault(sent, self.serve)
        body = got.body if isinstance(got.body, bytes) else b"" if got.body is None else json.dumps(got.body).encode()
        return httpx.Response(got.status, headers=got.headers, content=body)

    def serve(self, sent: Sent) -> Got:
        content = b"" if sent.body is None else json.dumps(sent.body).encode()
        parameters = dict(parse_qsl(sent.query, keep_blank_values=True, errors="replace"))
        request = Request(sent.method, BASE + sent.path, parameters, sent.headers, content, ORIGIN)
        with self._lock:
            response = self._loop.run_until_complete(self._handler.handle(request))
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Got(response.status, json.loads(response.body) if response.body else None, headers)

    def everything(self) -> dict[str, Any]:
        """Every user and every group with its members, as a client sees them."""
        found = {}
        for path in ("/Users", "/Groups"):
            headers = {"authorization": f"Bearer {TOKEN}"}
            listed = self.serve(Sent("GET", path, "count=1000", headers, None)).body
            assert listed["totalResults"] == len(listed["Resources"])
            found[path] = listed["Resources"]
        return found


@contextmanager
def bent(fault: Fault = sound, schemas: Path | None = None) -> Iterator[Bent]:
    """Our service with an empty store in memory and perhaps a folder of own schemas, behind a fault."""
    loop = asyncio.new_event_loop()
    service = build(Settings(dev_token=TOKEN, schemas=schemas))
    assert isinstance(service.handler, Handler)
    try:
        yield Bent(service.handler, loop, fault)
    finally:
        loop.run_until_complete(service.close())
        loop.close()


class Outside:
    """Time that only passes when somebody waits, and chance that repeats itself."""

    def __init__(self, seed: int = 0) -> None:
        self.seconds = 1_000.0
        self.waits: list[float] = []
        self._lock = Lock()
        self._numbers = count(seed * 1_000_000 + 1)

    @property
    def collaborators(self) -> Collaborators:
        return Collaborators(lambda: self.seconds, self._sleep, lambda: 1.79e9 + self.seconds, self._digits)

    def _sleep(self, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.seconds += seconds

    def _digits(self, number: int) -> str:
        with self._lock:
            mixed = next(self._numbers) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128
        return f"{mixed:032x}"[: 2 * number]


def no_authorities() -> ssl.SSLContext:
    # No server of these tests speaks TLS but those that bring a context; reading the authorities takes long.
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def examined(
    transport: httpx.BaseTransport | None,
    url: str = ORIGIN + BASE,
    token: str = TOKEN,
    outside: Outside | None = None,
    **options: Any,
) -> Report:
    """A run with --write, unless the options say otherwise."""
    outside = outside or Outside()
    client = Client(Endpoint.of(url), token, outside.collaborators, rate=4, trust=no_authorities, transport=transport)
    try:
        return examine(client, token, **{"write": True, **options})
    finally:
        client.close()


def named(report: Report) -> list[str]:
    """The checks that found something."""
    return [result.check.id for result in report.results if result.verdict in {"fail", "warning"}]
