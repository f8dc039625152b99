"""A function app under Azure's real worker library, without the Functions host: start, look at the index, invoke.

Each worker is a process of its own. `azure-functions-runtime` keeps the registry of functions, the index and the thread
pool in module globals and imports the app by the bare name `function_app`, so a second app in one process would get the
first one's module and answers, and so would any other test that imports `function_app`. A process also gives the app
what it has on Azure: its own environment, the script root as working folder and first on `sys.path`, nothing of ours.
Not covered: gRPC, cookies, and log shipping. `host.py` adds what the host does over HTTP.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import parse_qsl, urlsplit

from tests.planted import WATCH

ANSWER_WITHIN = 60.0  # seconds; a cold import on a busy machine takes a few
LONGEST_LINE = 256 * 1024 * 1024


class WorkerError(Exception):
    """The worker did not do it: the app can't be indexed, or a function raised (the host would answer an empty 500)."""


class NoAnswer(WorkerError):
    """The worker did not answer in time, or its process has ended."""


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    """One function as the host sees it. `route`, `methods` and `auth_level` speak of HTTP triggers only.

    `route` has no prefix and no leading slash; no `methods` means every method; `auth_level` is upper case. `binding` is
    the trigger's own, as the app declares it.
    """

    name: str
    function_id: str
    trigger: str
    parameter: str
    route: str | None
    methods: tuple[str, ...]
    auth_level: str | None
    binding: Mapping[str, Any]

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Self:
        """Read from the worker's metadata; what a binding leaves out is what the host takes for it."""
        trigger = next(b for b in metadata["bindings"] if b["type"].lower().endswith("trigger"))
        http = trigger["type"] == "httpTrigger"
        return cls(
            name=metadata["name"],
            function_id=metadata["id"],
            trigger=trigger["type"],
            parameter=trigger["name"],
            route=(trigger.get("route") or metadata["name"]) if http else None,
            methods=tuple(trigger.get("methods") or ()),
            auth_level=str(trigger.get("authLevel") or "FUNCTION").upper() if http else None,
            binding=trigger,
        )


@dataclass(frozen=True, slots=True)
class WorkerResponse:
    """What the host would send back: header names in lower case, the body as bytes."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Worker:
    """A running worker process. `async with await Worker.start(root) as worker` ends it too.

    Invocations may overlap. One that is cancelled here runs to its end there and its answer is dropped: the host never
    tells a Python worker that a client has gone, since that one doesn't claim `HandlesInvocationCancelMessage`.
    """

    def __init__(self, process: asyncio.subprocess.Process, log: BinaryIO) -> None:
        self._process = process
        self._log = log
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._last_words = ""
        self.functions: list[IndexedFunction] = []
        self.capabilities: Mapping[str, str] = {}

    @classmethod
    async def start(
        cls,
        script_root: Path,
        environment: Mapping[str, str] | None = None,
        packages: Sequence[Path] | None = None,
    ) -> Self:
        """Start a worker on the app in `script_root` and index it; WorkerError carries the app's own trace.

        The app sees `environment` and the search path for programs, and no other variable of this process. Given folders of
        `packages`, of which one has the worker library, it finds nothing of what is installed for these tests.
        """
        log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `stop`
        WATCH.follow(log)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",  # neither PYTHON* variables nor this folder reach the app
            *([] if packages is None else ["-S"]),  # nor does this environment
            str(Path(__file__).with_name("worker_process.py")),
            str(script_root),
            *map(str, packages or ()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=LONGEST_LINE,
            env={"PATH": os.environ.get("PATH", os.defpath), **(environment or {})},
        )
        worker = cls(process, log)
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                told = await worker._told()
            worker.functions = [IndexedFunction.of(f) for f in told["functions"]]
            worker.capabilities = told["capabilities"]
        except BaseException:
            await worker.stop()
            raise
        worker._reader = asyncio.create_task(worker._read())
        return worker

    async def invoke(
        self,
        function_name: str,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        route_params: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        within: float | None = ANSWER_WITHIN,
    ) -> WorkerResponse:
        """One invocation, its request told as the host tells it; `query` comes from `url` when it isn't given.

        WorkerError when the function raises; NoAnswer when there is none after `within` seconds.
        """
        WATCH.sent(url, headers or {}, body)
        answer = await self._called(
            function_name,
            {
                "method": method,
                "url": url,
                "headers": {name.lower(): value for name, value in (headers or {}).items()},
                "params": dict(route_params or {}),
                "query": dict(query) if query is not None else query_of(url),
                "body": base64.b64encode(body).decode(),
            },
            within,
        )
        return WorkerResponse(
            status=answer["status"],
            headers={name.lower(): value for name, value in answer["headers"].items()},
            body=base64.b64decode(answer["body"]),
        )

    async def invoke_timer(
        self, function_name: str, *, past_due: bool = False, within: float | None = ANSWER_WITHIN
    ) -> None:
        """One invocation by a timer, told as the host tells it. Raises what `invoke` does."""
        at = {"Last": "2026-01-01T00:00:00+00:00", "Next": "2026-01-01T00:15:00+00:00"}
        told = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": {**at, "LastUpdated": at["Last"]},
            "IsPastDue": past_due,
        }
        await self._called(function_name, {"timer": json.dumps(told)}, within)

    async def _called(self, function_name: str, with_data: Mapping[str, Any], within: float | None) -> dict[str, Any]:
        function = next(f for f in self.functions if f.name == function_name)
        number = next(self._numbers)
        call = {"call": number, "id": function.function_id, "parameter": function.parameter, **with_data}
        if self._reader is None or self._reader.done():
            raise NoAnswer("the worker process has ended")
        assert self._process.stdin is not None
        answered = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._process.stdin.write(json.dumps(call).encode() + b"\n")
            async with asyncio.timeout(within):
                answer: dict[str, Any] = await answered
        except TimeoutError:
            raise NoAnswer(f"no answer from {function_name} within {within} s") from None
        finally:
            del self._waiting[number]
        if "failure" in answer:
            raise WorkerError(answer["failure"])
        return answer

    @property
    def log(self) -> str:
        """What the process has written to stderr; after `stop`, all that it ever wrote."""
        return self._last_words if self._log.closed else self._written()

    def _written(self) -> str:
        number = self._log.fileno()
        return os.pread(number, os.fstat(number).st_size, 0).decode(errors="replace")

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        return self._process.pid

    async def stop(self, *, at_once: bool = False) -> None:
        """End the process: closing its input is enough, unless the app hangs. Invocations under way end as NoAnswer."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(0 if at_once else 5):
                await self._process.wait()
        except TimeoutError:
            if self.running:
                self._process.kill()
            await self._process.wait()
        if self._reader is not None:
            await self._reader
        WATCH.unfollow(self._log)
        self._last_words = self._written()
        self._log.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, resource_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _read(self) -> None:
        """Hand each answer to who waits for it, until the process ends."""
        try:
            while True:
                answer = await self._told()
                waiting = self._waiting.get(answer.get("call", 0))
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        except NoAnswer as ended:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(NoAnswer(*ended.args))

    async def _told(self) -> dict[str, Any]:
        """The next message; a failure that belongs to no call is a WorkerError."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise NoAnswer(f"the worker process ended with code {await self._process.wait()}")
        message: dict[str, Any] = json.loads(line)
        if "failure" in message and "call" not in message:
            raise WorkerError(message["failure"])
        return message


def query_of(url: str) -> dict[str, str]:
    """A URL's query as the host passes it on: repeats joined with commas, empty values left out.

    Names differ by more than letter case; the first spelling of one counts (`QueryHelpers.ParseQuery`).
    """
    query: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for name, value in parse_qsl(urlsplit(url).query):
        known = spelled.setdefault(name.lower(), name)
        query[known] = f"{query[known]},{value}" if known in query else value
    return query
