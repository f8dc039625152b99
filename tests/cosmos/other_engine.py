"""An independent engine of Cosmos SQL, @zeit/cosmosdb-query, in a Node process. Knows no SCIM."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import Any, Final, Self

from tests.npm import NODE, installed

VERSION: Final = "0.7.2"
_PATIENCE_SECONDS: Final = 60


class Unparsed(Exception):
    """The engine can't parse a query."""


class OtherEngine:
    """A context manager for the engine, whose process ends with it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [NODE, Path(__file__).with_suffix(".js"), installed("@zeit/cosmosdb-query", VERSION)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Node ends when its input is closed.
        self._process.communicate(timeout=30)

    def load(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Replace the items that queries run on."""
        self._ask({"items": items})

    def query(self, sql: str, parameters: Sequence[Mapping[str, Any]] = ()) -> list[Any]:
        """Return the rows of a query. Raises `Unparsed`."""
        answer = self._ask({"sql": sql, "parameters": parameters})
        if "unparsed" in answer:
            raise Unparsed(answer["unparsed"])
        if "failed" in answer:
            raise AssertionError(f"the other engine failed on {sql}: {answer['failed']}")
        rows: list[Any] = answer["rows"]
        return rows

    def _ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        ends = Timer(_PATIENCE_SECONDS, self._process.kill)
        ends.start()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        ends.cancel()
        return answer
