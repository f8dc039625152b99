"""A service to wear out, and the report of what it went through."""

import asyncio
import json
import platform
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any
from urllib.parse import urlencode

import pytest

from scim.app import build
from scim.edge.http import Request
from scim.settings import Settings
from scim.storage.cosmos.container import CONTAINER
from tests.conftest import BASE, ORIGIN, TOKEN, Answer
from tests.cosmos_emulator import Emulator

REPORT = Path(__file__).parents[2] / "benchmarks" / "soak.md"


class Service:
    """A handler on an empty store; adds up the CPU that its answers take."""

    def __init__(self, **settings: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._app = build(Settings(dev_token=TOKEN, **settings))
        self.seconds = 0.0
        self.requests = 0

    def send(self, method: str, path: str, body: Any = None, parameters: dict[str, str] | None = None) -> Answer:
        """One request; the body is a JSON value, or bytes that go as they are."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {TOKEN}"}
        request = Request(method, BASE + path, parameters or {}, headers, content, ORIGIN)
        before = process_time()
        response = self._loop.run_until_complete(self._app.handler.handle(request))
        self.seconds += process_time() - before
        self.requests += 1
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)

    def get(self, path: str, **parameters: str | int) -> Any:
        """What is found, read."""
        answer = self.send("GET", path, parameters={name: str(value) for name, value in parameters.items()})
        assert answer.status == 200, f"{path}?{urlencode(parameters)}: {answer.body[:500]!r}"
        return answer.json

    def change(self, method: str, path: str, body: Any = None) -> Answer:
        """A write that succeeds."""
        answer = self.send(method, path, body)
        assert answer.status in {200, 201, 204}, f"{method} {path}: {answer.body[:500]!r}"
        return answer

    def lap(self) -> float:
        """CPU seconds since the last lap."""
        seconds, self.seconds = self.seconds, 0.0
        return seconds

    def settle(self) -> None:
        """What the background does after deletions, until nothing is left to do."""

    def close(self) -> None:
        self._loop.run_until_complete(self._app.close())
        self._loop.close()


class OnCosmos(Service):
    """The same on an emulator, through the real SDK and a socket; its CPU time is that of both."""

    def __init__(self) -> None:
        self._emulator = Emulator()
        self._emulator.create("scim", {"id": "resources", **CONTAINER})
        loop = asyncio.new_event_loop()
        endpoint = loop.run_until_complete(self._emulator.start())
        super().__init__(store="cosmos", cosmos_endpoint=endpoint, cosmos_key=self._emulator.key)
        self._loop.close()
        self._loop = loop

    def settle(self) -> None:
        assert self._app.store is not None
        while self._loop.run_until_complete(self._app.store.sweep("default")):
            pass
        assert [item["id"] for item in self._emulator.items("default") if item["type"] == "member"] == []

    def close(self) -> None:
        self._loop.run_until_complete(self._app.close())
        self._loop.run_until_complete(self._emulator.stop())
        self._loop.close()


class Log:
    """What the long runs did and took, in their order."""

    def __init__(self) -> None:
        self.chapters: dict[str, list[str]] = {}

    def write(self, chapter: str, *lines: str) -> None:
        self.chapters[chapter] = list(lines)


@pytest.fixture(params=[Service, OnCosmos], ids=["sqlite", "cosmos"])
def on_each_store(request: pytest.FixtureRequest) -> Iterator[Service]:
    running: Service = request.param()
    yield running
    running.close()


@pytest.fixture
def service() -> Iterator[Service]:
    running = Service()
    yield running
    running.close()


@pytest.fixture(scope="session")
def log(request: pytest.FixtureRequest) -> Iterator[Log]:
    """Becomes the report at the end, if every long run that was asked for passed; other chapters stay as they were."""
    kept = Log()
    yield kept
    if kept.chapters and not request.session.testsfailed:
        written = {title: "\n".join(lines) for title, lines in kept.chapters.items()}
        chapters = {**_chapters(REPORT.read_text(encoding="utf-8") if REPORT.exists() else ""), **written}
        python = ".".join(map(str, sys.version_info[:3]))
        made_with = f"Python {python}, SQLite {sqlite3.sqlite_version}, {platform.machine()}."
        body = "\n".join(f"## {title}\n\n{text}\n" for title, text in sorted(chapters.items()))
        text = (
            f"# The last soak\n\nWritten by `make soak`. Seconds are CPU time within the handler. {made_with}\n\n{body}"
        )
        REPORT.write_text(text, encoding="utf-8")


def _chapters(report: str) -> dict[str, str]:
    """The chapters of a report, by their titles."""
    parts = (part.partition("\n") for part in report.split("\n## ")[1:])
    return {title: text.strip() for title, _, text in parts}
