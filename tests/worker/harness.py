"""A function app under Azure's real worker library, without the Functions host: start, look at the index, invoke.

Each worker is a process of its own. `azure-functions-runtime` keeps the registry of functions, the index and the thread
pool in module globals and imports the app by the bare name `function_app`, so a second app in one process would get the
first one's module and answers, and so would any other test that imports `function_app`. A process also gives the app
what it has on Azure: its own environment, the script root as working folder and first on `sys.path`, nothing of ours.
Not covered: gRPC, the host's keys and limits, and log shipping.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import parse_qsl, urlsplit

from tests.planted import WATCH

ANSWER_WITHIN = 60.0  # seconds; a cold import on a busy machine takes a few
LONGEST_LINE = 64 * 1024 * 1024


class WorkerError(Exception):
    """The worker did not do it: the app can't be indexed, or a function raised (the host would answer an empty 500)."""


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    """One function as the host sees it. `route`, `methods` and `auth_level` speak of HTTP triggers only.

    `route` has no prefix and no leading slash; no `methods` means every method; `auth_level` is upper case.
    """

    name: str
    function_id: str
    trigger: str
    parameter: str
    route: str | None
    methods: tuple[str, ...]
    auth_level: str | None

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
    """A running worker process. `async with await Worker.start(root) as worker` ends it too."""

    def __init__(self, process: asyncio.subprocess.Process, functions: list[IndexedFunction], log: BinaryIO) -> None:
        self._process = process
        self._log = log
        self._one_call = asyncio.Lock()
        self.functions = functions

    @classmethod
    async def start(cls, script_root: Path, environment: Mapping[str, str] | None = None) -> Self:
        """Start a worker on the app in `script_root` and index it; WorkerError carries the app's own trace.

        The app sees `environment` and the search path for programs, and no other variable of this process.
        """
        log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `stop`
        WATCH.follow(log)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",  # neither PYTHON* variables nor this folder reach the app
            str(Path(__file__).with_name("worker_process.py")),
            str(script_root),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            limit=LONGEST_LINE,
            env={"PATH": os.environ.get("PATH", os.defpath), **(environment or {})},
        )
        worker = cls(process, [], log)
        try:
            worker.functions = [IndexedFunction.of(f) for f in (await worker._answer())["functions"]]
        except BaseException:
            await worker.stop()
            raise
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
    ) -> WorkerResponse:
        """One invocation, its request told as the host tells it; `query` comes from `url` when it isn't given."""
        WATCH.sent(url, headers or {}, body)
        function = next(f for f in self.functions if f.name == function_name)
        call = {
            "id": function.function_id,
            "parameter": function.parameter,
            "method": method,
            "url": url,
            "headers": {name.lower(): value for name, value in (headers or {}).items()},
            "params": dict(route_params or {}),
            "query": dict(query) if query is not None else query_of(url),
            "body": base64.b64encode(body).decode(),
        }
        async with self._one_call:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(call).encode() + b"\n")
            answer = await self._answer()
        return WorkerResponse(
            status=answer["status"],
            headers={name.lower(): value for name, value in answer["headers"].items()},
            body=base64.b64decode(answer["body"]),
        )

    async def stop(self) -> None:
        """End the process: closing its input is enough, unless the app hangs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        WATCH.unfollow(self._log)
        self._log.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                line = await self._process.stdout.readline()
        except TimeoutError:
            self._process.kill()  # a late answer must not be taken for the next call's
            raise WorkerError(f"no answer from the worker within {ANSWER_WITHIN:.0f} s") from None
        if not line:
            raise WorkerError(f"the worker process ended with code {await self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "failure" in answer:
            raise WorkerError(answer["failure"])
        return answer


def query_of(url: str) -> dict[str, str]:
    """A URL's query as the host passes it on: repeats joined with commas, empty values left out."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(urlsplit(url).query):
        query[name] = f"{query[name]},{value}" if name in query else value
    return query
