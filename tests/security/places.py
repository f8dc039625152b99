"""Where the customers of a test are kept, a file or Cosmos DB's emulator, and how commands and services get there."""

import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

import orjson
from click.testing import CliRunner, Result

from scim.app import App, Collaborators, build, open_store
from scim.cli import main
from scim.security.customers.repository import SYSTEM
from scim.settings import from_environment
from scim.storage.cosmos.container import CONTAINER
from scim.storage.interface import Search, Store
from tests.cosmos_emulator import Emulator

_databases: Final = count(1)
_EVERYTHING: Final = Search(None, 0, 1_000)


def run(*arguments: str, **environment: str) -> Result:
    """A command in this process, in an environment of these variables only."""
    none = {name: None for name in os.environ if name.startswith(("SCIM_", "COSMOS_"))}
    return CliRunner(env={**none, **environment}).invoke(main, arguments)


async def at_once(seconds: float) -> None:
    """A sleep that doesn't."""


@dataclass
class Time:
    """A clock and a timer that stand still until a test moves them."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0

    def pass_by(self, **duration: float) -> None:
        passed = timedelta(**duration)
        self.now += passed
        self.seconds += passed.total_seconds()

    @property
    def collaborators(self) -> Collaborators:
        return Collaborators(clock=lambda: self.now, sleep=at_once, timer=lambda: self.seconds)


class Watched:
    """A store that counts its calls; before a call, what a test has put into `before` for it happens once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}

    @property
    def store(self) -> Store:
        return cast("Store", self)

    @property
    def writes(self) -> int:
        return sum(self.calls[name] for name in ("create", "replace", "delete", "change_members"))

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls[name] += 1
            first = self.before.pop(name, None)
            if first is None:
                return method(*arguments, **options)

            async def then() -> Any:
                await first()
                return await method(*arguments, **options)

            return then()

        return call


@dataclass(frozen=True)
class Place:
    """Variables of the environment that lead to a store, and what stands in it."""

    environment: Mapping[str, str]
    folder: Path | None = None
    emulator: Emulator | None = None

    def run(self, *arguments: str) -> Result:
        """A command."""
        return run(*arguments, **self.environment)

    def scim(self, *arguments: str) -> str:
        """What a command says that must succeed, on standard output."""
        ended = self.run(*arguments)
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    def refused(self, *arguments: str) -> str:
        """The line that tells why a command is refused; before it only usage, or what would be changed and in which store."""
        ended = self.run(*arguments)
        assert ended.exit_code in {1, 2, 3, 4}, ended.output
        assert isinstance(ended.exception, SystemExit), ended.exception
        *usage, line = ended.stderr.splitlines()
        assert line.startswith("Error: "), ended.stderr
        assert usage == [] or ended.exit_code == 2, ended.stderr
        assert all(not one or one.startswith(("Usage: ", "Try ", "This ", "Store: ")) for one in usage), ended.stderr
        assert ended.stdout == ""
        return line

    def token(self, *arguments: str) -> str:
        """A new secret token."""
        return str(json.loads(self.scim("token", "create", *arguments, "--format", "json"))["secretToken"])

    def open(self, time: Time | None = None) -> Store:
        """The store, in the running event loop."""
        given = Collaborators() if time is None else time.collaborators
        return open_store(from_environment(self.environment), given)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        store = self.open()
        try:
            yield store
        finally:
            await store.close()

    async def service(self, time: Time) -> tuple[App, Watched]:
        """An instance of the service, whose time is the test's; and its store."""
        watched = Watched(self.open(time))
        return build(from_environment(self.environment), time.collaborators, store=watched.store), watched

    def raw(self) -> bytes:
        """Everything that is kept, of all tenants, byte by byte."""
        if self.emulator is not None:
            container = self.emulator.container(self.environment["COSMOS_DATABASE"])
            return orjson.dumps([item.document for one in container.partitions() for item in one.items()])
        assert self.folder is not None
        return b"".join(path.read_bytes() for path in self.folder.iterdir())

    async def system(self) -> list[str]:
        """Which records of customers there are."""
        async with self.opened() as store:
            return [
                f"{resource_type}:{found.id}"
                for resource_type in ("Customer", "EntraTenant", "SecretToken")
                for found in (await store.search(SYSTEM, resource_type, _EVERYTHING)).items
            ]


def on_file(folder: Path) -> Place:
    """A data file of its own."""
    return Place({"SCIM_DATA": str(folder / "scim.db")}, folder=folder)


def on_cosmos(emulator: Emulator, endpoint: str) -> Place:
    """An empty container of its own."""
    database = f"scim-{next(_databases)}"
    emulator.create(database, {"id": "resources", **CONTAINER})
    environment = {
        "SCIM_STORE": "cosmos",
        "COSMOS_ENDPOINT": endpoint,
        "COSMOS_KEY": emulator.key,
        "COSMOS_DATABASE": database,
    }
    return Place(environment, emulator=emulator)
