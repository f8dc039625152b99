"""Azurite, the storage emulator that Core Tools want beside them, in a Node process of its own and on free ports."""

import re
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.npm import NODE, installed

VERSION: Final = "3.35.0"
_LISTENS: Final = re.compile(r"Azurite (\w+) service is successfully listening at http://127\.0\.0\.1:(\d+)")
_SERVICES: Final = ("blob", "queue", "table")


class Azurite:
    """A running Azurite that keeps everything in memory; `ports` says where, by `blob`, `queue` and `table`."""

    def __init__(self) -> None:
        options = ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
        for service in _SERVICES:
            options += [f"--{service}Host", "127.0.0.1", f"--{service}Port", "0"]
        self._process = subprocess.Popen(
            [NODE, _program(), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        )
        self.ports: dict[str, int] = {}
        said = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said.append(line)
            if found := _LISTENS.match(line):
                self.ports[found[1].lower()] = int(found[2])
            if len(self.ports) == len(_SERVICES):
                return
        self._process.communicate(timeout=30)
        raise AssertionError(f"Azurite ended: {''.join(said)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, resource_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)


def described() -> str:
    """What Azurite says of its options."""
    told = subprocess.run([NODE, _program(), "--help"], check=True, capture_output=True, encoding="utf-8", timeout=60)
    return told.stdout


def _program() -> Path:
    return installed("azurite", VERSION) / "dist" / "src" / "azurite.js"
