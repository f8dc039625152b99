"""Requests at the same time leave behind, and are answered with, what one order of them would, however they interleave.

The requests run as tasks of which one goes on at a time, as far as its next call of the database; Hypothesis says which. On
SQLite each request has a store of its own on the same file, as if it ran in a process of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain, count, repeat
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from hypothesis import Phase, event, given, settings, strategies as st

from scim.app import App, Collaborators, build
from scim.edge.http import Request as HttpRequest
from scim.settings import Settings
from scim.storage.cosmos.calls import BatchOperation, Calls
from scim.storage.sqlite.store import SqliteStore
from tests.concurrent_clients import Request, Round, Sent, Service, order_of, some_requests
from tests.conftest import BASE, ORIGIN
from tests.contract.cosmos import in_process
from tests.cosmos_emulator import CutAfter, CutBefore, Emulator, Fault, timed_out

TENANTS: Final = 5_000
CLIENTS: Final = 6


async def at_once(seconds: float) -> None:
    """A sleep that doesn't."""


class Turns:
    """Lets one of several tasks go on at a time; outside of `run` nobody waits."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._paused = asyncio.Event()
        self._current: int | None = None

    async def turn(self) -> None:
        """Wait until it is this task's turn."""
        if self._current is None:
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[self._current] = turn
        self._paused.set()
        await turn

    async def run[T](self, work: Sequence[Coroutine[Any, Any, T]], choices: Iterator[int]) -> list[T]:
        """What each of them gives; a choice says which of those that wait goes on."""

        async def one(coroutine: Coroutine[Any, Any, T]) -> T:
            try:
                return await coroutine
            finally:
                self._paused.set()

        tasks: list[asyncio.Task[T]] = []
        for number, coroutine in enumerate(work):
            self._current = number
            tasks.append(asyncio.create_task(one(coroutine)))
            await self._pause()
        while self._waiting:
            self._current = sorted(self._waiting)[next(choices) % len(self._waiting)]
            self._waiting.pop(self._current).set_result(None)
            await self._pause()
        self._current = None
        return [await task for task in tasks]

    async def _pause(self) -> None:
        await self._paused.wait()
        self._paused.clear()


class CallsInTurn(Calls):
    """Calls of Cosmos DB, each of which waits for its turn."""

    def __init__(self, container: Any, turns: Turns) -> None:
        super().__init__(container)
        self._turns = turns

    async def read(self, tenant: str, id: str) -> Any:
        await self._turns.turn()
        return await super().read(tenant, id)

    async def query(self, tenant: str, sql: str, parameters: Any, *, page: int) -> list[Any]:
        await self._turns.turn()
        return await super().query(tenant, sql, parameters, page=page)

    async def batch(self, tenant: str, operations: Sequence[BatchOperation]) -> list[Any]:
        await self._turns.turn()
        return await super().batch(tenant, operations)


class SqliteInTurn(SqliteStore):
    """A store on a file, each call of which waits for its turn."""

    def __init__(self, path: Path, turns: Turns) -> None:
        super().__init__(path)
        self._turns = turns

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in {"read", "create", "replace", "delete", "change_members", "members", "names", "search"}:
            return found

        async def in_turn(*arguments: Any, **named: Any) -> Any:
            await self._turns.turn()
            return await found(*arguments, **named)

        return in_turn


def on(apps: Sequence[App], token: str) -> Service:
    """A user and a group in the tenant of this token; each client reaches one of the apps."""

    async def send(client: int, method: str, path: str, headers: dict[str, str], content: bytes) -> Sent:
        given = {"authorization": f"Bearer {token}", **headers}
        request = HttpRequest(method, BASE + path, {}, given, content, ORIGIN)
        response = await apps[client % len(apps)].handler.handle(request)
        return response.status, {name.lower(): value for name, value in response.headers.items()}, response.body

    return Service(send)


class World:
    """Apps on one database, whose calls wait for their turn."""

    def __init__(self, runner: asyncio.Runner, turns: Turns, apps: Sequence[App], emulator: Emulator | None) -> None:
        self.runner = runner
        self._turns = turns
        self._apps = apps
        self._emulator = emulator
        self._tokens = (f"token-{number}" for number in count())

    async def round(self, requests: Sequence[Request], choices: list[int], faults: Sequence[Fault] = ()) -> Round:
        service = on(self._apps, next(self._tokens))
        await service.open()
        if self._emulator is not None:
            self._emulator.faults[:] = faults
        work = [service.answer(client, request) for client, request in enumerate(requests)]
        answers = await self._turns.run(work, chain(choices, repeat(0)))
        if self._emulator is not None:
            self._emulator.faults.clear()
            self._emulator.requests.clear()
        unknown = sum(fault.applied for fault in faults)
        return await service.round(requests, answers, unknown)


@asynccontextmanager
async def _opened(store: str, folder: Path) -> AsyncIterator[tuple[Turns, list[App], Emulator | None]]:
    turns = Turns()
    tokens = {f"token-{number}": f"tenant-{number}" for number in range(TENANTS)}
    described, given = Settings(dev_token="another-token-for-tests"), Collaborators(sleep=at_once)
    if store == "sqlite":
        stores = [SqliteInTurn(folder / "scim.db", turns) for _ in range(CLIENTS)]
        yield turns, [build(described, given, tokens=tokens, store=one) for one in stores], None
        for one in stores:
            await one.close()
        return
    async with in_process(lambda container, _: CallsInTurn(container, turns), at_once) as (cosmos, emulator):
        yield turns, [build(described, given, tokens=tokens, store=cosmos)], emulator


@pytest.fixture(scope="module", params=["sqlite", "cosmos"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with asyncio.Runner() as runner:
        opened = _opened(request.param, tmp_path_factory.mktemp("store"))
        yield World(runner, *runner.run(opened.__aenter__()))
        runner.run(opened.__aexit__(None, None, None))


REQUESTS: Final = st.integers(0, 2**32).map(lambda seed: some_requests(Random(seed), most=4))
SCHEDULE: Final = st.lists(st.integers(0, CLIENTS - 1), min_size=5, max_size=30)


@settings(max_examples=50, phases=[Phase.generate])
@given(REQUESTS, SCHEDULE)
def test_concurrent_requests_equal_a_serial_order(world: World, requests: list[Request], schedule: list[int]) -> None:
    done = world.runner.run(world.round(requests, schedule))
    for answer in done.answers:
        event(str(answer.status))
    assert order_of(done) is not None, f"no order explains this:\n{done}"


EFFECTS: Final = (CutAfter(), CutBefore(), timed_out(), timed_out(after=True))


@pytest.mark.parametrize("world", ["cosmos"], indirect=True)
@settings(max_examples=50, phases=[Phase.generate])
@given(REQUESTS, SCHEDULE, st.lists(st.tuples(st.sampled_from(EFFECTS), st.integers(1, 6)), min_size=1, max_size=3))
def test_concurrent_requests_equal_a_serial_order_where_outcomes_of_batches_are_unknown(
    world: World, requests: list[Request], schedule: list[int], broken: list[tuple[Any, int]]
) -> None:
    done = world.runner.run(
        world.round(requests, schedule, [Fault("batch", effect, nth=nth) for effect, nth in broken])
    )
    assert order_of(done) is not None, f"no order explains this:\n{done}"
