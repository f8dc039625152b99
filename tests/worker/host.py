"""A stand-in for the Functions host: real HTTP in front of a real worker, by the rules of host.json and of the host.

What it does is what the sources of azure-functions-host, its HTTP extension and ASP.NET Core do for a Python worker on
Linux. Left out: keys (a function that asks for one is never let in), App Service authentication, `/admin` and
`/runtime`, the home page, reserved routes, CORS, dynamic throttles, cookies, and all triggers but HTTP. What isn't HTTP
at all is refused in aiohttp's words.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import HttpVersion11, hdrs, web

from tests.worker.harness import IndexedFunction, NoAnswer, Worker, WorkerError, WorkerResponse, query_of
from tests.worker.host_routes import decoded, encoded, first_match

BODY_LIMIT = 104_857_600  # bytes, unless FUNCTIONS_REQUEST_BODY_SIZE_LIMIT says otherwise
LONGEST_HEADER = 32 * 1024  # Kestrel's MaxRequestHeadersTotalSize; its request line is allowed 8 KiB, as aiohttp's
_LOCAL = {"localhost", "127.0.0.1", "[::1]"}  # names for which ASP.NET never sends Strict-Transport-Security
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d+):(\d+)(?::(\d+(?:\.\d+)?))?")


def seconds(time_span: str) -> float:
    """What .NET reads as a time span: `[d.]hh:mm[:ss[.fff]]`, or days alone."""
    if time_span.isdecimal():
        return timedelta(days=int(time_span)).total_seconds()
    found = _TIME_SPAN.fullmatch(time_span)
    if found is None:
        raise ValueError(f"{time_span!r} is no time span")
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=rest).total_seconds()


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What host.json and the app's settings say about HTTP, and what holds when they say nothing."""

    prefix: str = "api"
    timeout: float | None = 1800.0
    """Seconds that a function may run; none: as long as it likes."""
    outstanding: int | None = None
    """How many requests may run or wait; none: any number."""
    concurrent: int | None = None
    """How many may run at once."""
    custom_headers: Mapping[str, str] = field(default_factory=dict)
    strict_transport: str | None = None
    body_limit: int = BODY_LIMIT

    @classmethod
    def read(cls, script_root: Path, environment: Mapping[str, str]) -> Self:
        """Read `host.json`, and the app settings that come before it; ValueError when it is for another host."""
        told: dict[str, Any] = json.loads((script_root / "host.json").read_text(encoding="utf-8"))
        if told.get("version") != "2.0":
            raise ValueError("host.json must say version 2.0")
        http: dict[str, Any] = dict(told.get("extensions", {}).get("http", {}))
        for name in ("maxOutstandingRequests", "maxConcurrentRequests"):
            if number := environment.get(f"AzureFunctionsJobHost__extensions__http__{name}"):
                http[name] = int(number)
        hsts = http.get("hsts", {})
        timeout = told.get("functionTimeout", "00:30:00")
        parts = [f"max-age={seconds(hsts.get('maxAge', '30')):.0f}"]
        parts += ["includeSubDomains"] * bool(hsts.get("includeSubDomains"))
        parts += ["preload"] * bool(hsts.get("preload"))
        return cls(
            prefix=http.get("routePrefix", "api"),
            timeout=None if timeout == "-1" else seconds(timeout),
            outstanding=_limit(http.get("maxOutstandingRequests", -1)),
            concurrent=_limit(http.get("maxConcurrentRequests", -1)),
            custom_headers=http.get("customHeaders", {}),
            strict_transport="; ".join(parts) if hsts.get("isEnabled") else None,
            body_limit=int(environment.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", BODY_LIMIT)),
        )

    def route(self, function: IndexedFunction) -> str:
        """The route of an HTTP function, prefix and all."""
        return f"{self.prefix}/{function.route}"


def _limit(number: int) -> int | None:
    return None if number == -1 else number


class Host:
    """A running host with its worker. `async with await Host.start(root) as host` ends both.

    A function that runs for too long, and a worker that ends, cost every invocation under way a 500; the next request
    finds a new worker.
    """

    def __init__(
        self, script_root: Path, environment: Mapping[str, str], packages: Sequence[Path] | None, worker: Worker
    ) -> None:
        self._script_root = script_root
        self._environment = environment
        self._packages = packages
        self._restarting = asyncio.Lock()
        self.settings = HostSettings.read(script_root, environment)
        self._places = asyncio.Semaphore(self.settings.concurrent) if self.settings.concurrent else nullcontext()
        self._outstanding = 0
        self._stopping = False
        self.worker = worker
        # Kestrel leaves a compressed body as it is.
        server = web.Server(self._answer, access_log=None, auto_decompress=False, max_field_size=LONGEST_HEADER)
        self._runner = web.ServerRunner(server, shutdown_timeout=2)

    @classmethod
    async def start(
        cls,
        script_root: Path,
        environment: Mapping[str, str] | None = None,
        packages: Sequence[Path] | None = None,
    ) -> Self:
        """Start a worker on the app in `script_root` and listen on a free port; WorkerError when it can't be indexed.

        `environment` are the app's settings: the worker sees them and nothing else. `packages` are as for a worker.
        """
        environment = environment or {}
        worker = await Worker.start(script_root, environment, packages)
        try:
            host = cls(script_root, environment, packages, worker)
            await host._runner.setup()
            await web.TCPSite(host._runner, "127.0.0.1", 0).start()
        except BaseException:
            await worker.stop()
            raise
        return host

    @property
    def origin(self) -> str:
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    @property
    def routes(self) -> dict[str, str]:
        """The route of each HTTP function by its name."""
        return {f.name: self.settings.route(f) for f in self.worker.functions if f.route is not None}

    async def stop(self) -> None:
        """End the worker and close the port; what is under way gets an empty 500."""
        async with self._restarting:
            self._stopping = True
            await self.worker.stop()
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, resource_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _answer(self, incoming: web.BaseRequest) -> web.Response:
        """The host's middleware from the outside to the inside: throttle, headers of its own, function."""
        if self.settings.outstanding is not None and self._outstanding >= self.settings.outstanding:
            return web.Response(status=429)
        self._outstanding += 1
        try:
            async with self._places:
                # A client that went away while it waited costs nothing; one that goes later changes nothing.
                told = WorkerResponse(499, {}, b"") if incoming.transport is None else await self._invoked(incoming)
        finally:
            self._outstanding -= 1
        answer = web.Response(status=told.status, headers=told.headers, body=told.body)
        for name, value in self.settings.custom_headers.items():
            answer.headers.setdefault(name, value)
        secure = _scheme(incoming) == "https" and incoming.host.partition(":")[0] not in _LOCAL
        if self.settings.strict_transport is not None and secure:
            answer.headers[hdrs.STRICT_TRANSPORT_SECURITY] = self.settings.strict_transport
        return answer

    async def _invoked(self, incoming: web.BaseRequest) -> WorkerResponse:
        """The answer of the function that gets the request, or the host's own, which has no body."""
        raw_path, mark, query = incoming.raw_path.partition("?")
        path = decoded(raw_path)
        if "\0" in path:
            return _empty(400)
        takers = {f.name: f for f in self.worker.functions if f.route is not None and _takes(f, incoming.method)}
        found = first_match({name: self.settings.route(f) for name, f in takers.items()}, path)
        if found is None:
            return _empty(404)
        name, route_params = found
        if takers[name].auth_level != "ANONYMOUS":
            return _empty(401)
        # A chunked body has no length, so the host takes it for none at all.
        length = incoming.content_length or 0
        if length > self.settings.body_limit:
            return _empty(500)  # before the worker sees anything of it
        worker = self.worker
        try:
            return await worker.invoke(
                name,
                incoming.method,
                f"{_scheme(incoming)}://{incoming.host}{encoded(path)}{mark}{query}",
                {name: ",".join(filter(None, incoming.headers.getall(name))) for name in incoming.headers},
                await _body(incoming) if length else b"",
                route_params=route_params,
                query=query_of(f"?{query}"),
                within=self.settings.timeout,
            )
        except NoAnswer:
            await self._replace(worker)
        except WorkerError:
            pass  # the function raised; the worker is well
        return _empty(500)

    async def _replace(self, worker: Worker) -> None:
        """A new worker in the place of one that hangs or has ended, unless it is there already."""
        async with self._restarting:
            if self.worker is worker and not self._stopping:
                await worker.stop(at_once=True)
                self.worker = await Worker.start(self._script_root, self._environment, self._packages)


def _empty(status: int) -> WorkerResponse:
    return WorkerResponse(status, {}, b"")


def _takes(function: IndexedFunction, method: str) -> bool:
    return not function.methods or method.upper() in map(str.upper, function.methods)


def _scheme(incoming: web.BaseRequest) -> str:
    """As the front end tells it, which ends TLS before the host."""
    return incoming.headers.get(hdrs.X_FORWARDED_PROTO, incoming.scheme)


async def _body(incoming: web.BaseRequest) -> bytes:
    if incoming.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and incoming.version >= HttpVersion11:
        await incoming.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        incoming.writer.output_size = 0
    return await incoming.content.read()
