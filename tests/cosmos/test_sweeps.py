"""Sweeping all customers: within a time limit, fair, independent of failures of one, and resumable at any point."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import pytest

from scim.app import DEFAULT_CUSTOMER as DEFAULT, App, Collaborators, build
from scim.ids import uuid7
from scim.protocol import datetimes
from scim.security import secret_tokens
from scim.security.customers.repository import SYSTEM, Customers
from scim.service.sweeps import Sweeps
from scim.settings import Settings
from scim.storage.cosmos.calls import Calls
from scim.storage.cosmos.connection import CosmosConnection
from scim.storage.cosmos.container import CONTAINER
from scim.storage.cosmos.items import deletion_marker_id, marker, member_item, pending_marker_id
from scim.storage.cosmos.store import CosmosStore
from scim.storage.errors import StoreUnavailable
from scim.storage.interface import Member
from tests.contract.write_models import resource_id
from tests.cosmos.conftest import Time
from tests.cosmos_emulator import Call, CutBefore, Emulator, Fault, Slow, throttled

CUSTOMERS: Final = ("contoso", "fabrikam", "adatum")
TENANTS: Final = (DEFAULT, *sorted(CUSTOMERS))
GONE: Final = resource_id(1)
UNFINISHED: Final = resource_id(2)
LEFT: Final = 6
"""The number of leftover member items of each customer."""


class World:
    """The service on an emulator with some customers, and a clock that the test controls."""

    def __init__(self) -> None:
        self.time = Time()
        self.emulator = Emulator(clock=lambda: self.time.seconds)
        self.emulator.create("scim", {"id": "resources", **CONTAINER})
        self.app = self._built()
        self.customers = Customers(self.store, self.time.clock)

    @property
    def store(self) -> CosmosStore:
        assert isinstance(self.app.store, CosmosStore)
        return self.app.store

    def _built(self) -> App:
        connection = CosmosConnection(
            self.emulator.in_process_endpoint,
            "scim",
            "resources",
            key=self.emulator.key,
            transport=self.emulator.transport(),
        )
        tokens = count(1)
        store = CosmosStore(
            Calls(connection.container),
            clock=self.time.clock,
            timer=self.time.timer,
            sleep=self.time.sleep,
            new_token=lambda: f"token-{next(tokens)}",
            close=connection.close,
        )
        given = Collaborators(clock=self.time.clock, sleep=self.time.sleep, timer=self.time.timer)
        return build(Settings(), given, store=store)

    async def with_customers(self) -> None:
        for name in CUSTOMERS:
            await self.customers.create(name)

    def create_leftovers(self) -> None:
        """Create members of a group deleted long ago, and of an unfinished one, for every customer."""
        at = datetimes.written(self.time.clock() - timedelta(hours=1))
        for tenant in TENANTS:
            left = [member_item(tenant, of, Member(str(n))) for of in (GONE, UNFINISHED) for n in range(LEFT // 2)]
            gone = marker(tenant, deletion_marker_id("Group", GONE), "gone", at, "w1")
            self.emulator.seed([*left, gone, marker(tenant, pending_marker_id(UNFINISHED), "pending", at, "w2")])
        self.emulator.requests.clear()

    def left(self) -> dict[str, int]:
        """Return the number of member items of each customer."""
        return {tenant: sum(item["type"] == "member" for item in self.emulator.items(tenant)) for tenant in TENANTS}

    def sweeps(self, begin_at: Callable[[int], int], timer: Callable[[], float]) -> Sweeps:
        """Return the sweeps of the app with another random choice and timer."""

        async def tenants() -> AsyncIterator[str]:
            yield DEFAULT
            async for customer in self.customers.all():
                yield customer.name

        return Sweeps(self.store, tenants, self.customers.delete_expired, timer=timer, begin_at=begin_at)

    def swept(self) -> list[str]:
        """Return the swept customers in order."""
        asked = (call.partition_key for call in self.emulator.requests if call.resource_type == "docs")
        return list(dict.fromkeys(tenant for tenant in asked if tenant in TENANTS))

    async def add_token(self, expires: datetime) -> str:
        id = uuid7(self.time.clock)()
        _, record = secret_tokens.create(
            id, "contoso", key=bytes(32), access="write", note="", now=expires - timedelta(days=90), days=90
        )
        await self.customers.add_token(record)
        return id

    async def tokens(self) -> set[str]:
        return {token.id async for token in self.customers.tokens()}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    await made.with_customers()
    yield made
    await made.app.close()


def is_of(call: Call, tenant: str) -> bool:
    """Return whether a call is for this customer. The emulator hasn't parsed the call when it selects a fault."""
    return call.headers.get("x-ms-documentdb-partitionkey") == f'["{tenant}"]'


def sweep_warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings of the sweep."""
    found = [record for record in caplog.records if record.name == "scim.sweep"]
    return [record.getMessage() for record in found if record.levelname == "WARNING"]


async def test_a_run_sweeps_the_default_customer_and_every_customer(world: World) -> None:
    world.create_leftovers()
    assert await world.app.sweep() == len(TENANTS) * LEFT
    assert world.left() == dict.fromkeys(TENANTS, 0)
    assert await world.app.sweep() == 0


async def test_a_customer_named_default_is_swept_once(world: World) -> None:
    await world.customers.create(DEFAULT)
    world.emulator.requests.clear()
    await world.app.sweep()
    assert [call.partition_key for call in world.emulator.requests].count(DEFAULT) == 2


@pytest.mark.parametrize("first", range(len(TENANTS)))
async def test_a_run_begins_at_a_random_customer_and_sweeps_all(world: World, first: int) -> None:
    numbers: list[int] = []

    def begin_at(number: int) -> int:
        numbers.append(number)
        return first

    world.emulator.requests.clear()
    await world.sweeps(begin_at, lambda: 0.0).run(60.0)
    assert numbers == [len(TENANTS)]
    assert world.swept() == [*TENANTS[first:], *TENANTS[:first]]


async def test_runs_of_the_app_begin_at_different_customers(world: World) -> None:
    begun = set()
    for _ in range(64):  # all begin with the same customer with a probability of less than 1 in 10^37
        world.emulator.requests.clear()
        await world.app.sweep()
        begun.add(world.swept()[0])
    assert len(begun) > 1


async def test_a_run_ends_at_its_time_limit_and_later_runs_continue(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Each customer takes so long that a run has time for two. Later runs begin at another customer."""
    world.create_leftovers()
    starts = iter((2, 0, 3, 1))
    readings = count()
    caplog.set_level("INFO")
    left = [sum(world.left().values())]
    while left[-1]:
        # The timer is read at the beginning and before each customer.
        world.emulator.requests.clear()
        await world.sweeps(lambda _: next(starts), lambda: 30.0 * next(readings)).run(90.0)
        assert len(world.swept()) == 2
        left.append(sum(world.left().values()))
    assert left == [4 * LEFT, 2 * LEFT, 0]
    assert "the sweep has used its time; the next run continues" in caplog.text


async def test_a_run_without_time_sweeps_nothing(world: World) -> None:
    world.create_leftovers()
    assert await world.sweeps(lambda _: 0, lambda: 0.0).run(0.0) == 0
    assert world.swept() == []


@pytest.mark.parametrize("effect", [CutBefore(), throttled(1)], ids=["unreachable", "throttled"])
async def test_a_failing_customer_does_not_block_others(
    world: World, effect: CutBefore, caplog: pytest.LogCaptureFixture
) -> None:
    world.create_leftovers()
    world.emulator.faults.append(Fault(lambda call: is_of(call, "fabrikam"), effect, times=None))
    assert await world.app.sweep() == (len(TENANTS) - 1) * LEFT
    assert {tenant for tenant, number in world.left().items() if number} == {"fabrikam"}
    [line] = sweep_warnings(caplog)
    assert line.startswith("the sweep of a customer failed, the next run repeats it: ")
    assert "fabrikam" not in line
    world.emulator.faults.clear()
    assert await world.app.sweep() == LEFT


async def test_a_failure_to_list_customers_is_logged_in_one_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.emulator.faults.append(Fault("query", CutBefore(), times=None))
    assert await world.app.sweep() == 0
    assert sweep_warnings(caplog) == [
        "expired records can't be deleted now: StoreUnavailable",
        "the sweep can't list the customers: StoreUnavailable",
    ]


async def test_a_token_that_cannot_be_deleted_does_not_block_customers(world: World) -> None:
    expired = await world.add_token(world.time.clock() - timedelta(days=31))
    world.create_leftovers()
    world.emulator.faults.append(
        Fault(lambda call: call.operation == "batch" and is_of(call, SYSTEM), CutBefore(), times=None)
    )
    assert await world.app.sweep() == len(TENANTS) * LEFT
    world.emulator.faults.clear()
    assert await world.tokens() == {expired}
    assert await world.app.sweep() == 1
    assert await world.tokens() == set()


async def test_tokens_that_expired_more_than_thirty_days_ago_are_deleted(world: World) -> None:
    """Until then `scim token list` shows that they have expired."""
    now = world.time.clock()
    long_ago = [await world.add_token(now - timedelta(days=days)) for days in (31, 400)]
    just_now = await world.add_token(now - timedelta(days=30, seconds=-1))
    kept = {just_now, await world.add_token(now - timedelta(seconds=1)), await world.add_token(now + timedelta(1))}
    assert await world.tokens() == {*kept, *long_ago}
    assert await world.app.sweep() == len(long_ago)
    assert await world.tokens() == kept
    assert await world.app.sweep() == 0
    world.time.seconds += 2
    assert await world.app.sweep() == 1
    assert await world.tokens() == kept - {just_now}


async def test_concurrent_runs_have_the_result_of_one(world: World) -> None:
    for _ in range(5):
        await world.add_token(world.time.clock() - timedelta(days=31))
    world.create_leftovers()
    both = await asyncio.gather(world.app.sweep(), world.app.sweep())
    assert sum(both) == len(TENANTS) * LEFT + 5
    assert world.left() == dict.fromkeys(TENANTS, 0)
    assert await world.tokens() == set()


@pytest.mark.parametrize("after", [False, True], ids=["before it takes effect", "after it took effect"])
async def test_the_next_run_continues_a_run_cancelled_at_any_call(
    after: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker stops during a sweep. The running call is still applied."""
    caplog.set_level("WARNING", "azure")  # as in the app; its messages would take most of the time
    for nth in count(1):
        world = World()
        await world.with_customers()
        await world.add_token(world.time.clock() - timedelta(days=31))
        world.create_leftovers()
        slow = Slow(asyncio.Event(), after=after)
        world.emulator.faults.append(Fault(lambda call: call.resource_type == "docs", slow, nth=nth))
        run = asyncio.create_task(world.app.sweep())
        reached = asyncio.create_task(slow.reached.wait())
        await asyncio.wait((run, reached), return_when=asyncio.FIRST_COMPLETED)
        ended = run.done()
        reached.cancel()
        run.cancel()
        await asyncio.gather(run, reached, return_exceptions=True)
        slow.event.set()
        world.emulator.faults.clear()
        await world.app.sweep()
        assert world.left() == dict.fromkeys(TENANTS, 0)
        assert await world.tokens() == set()
        world.time.seconds += 601
        assert await world.app.sweep() == 0
        markers = [item for tenant in TENANTS for item in world.emulator.items(tenant) if item["type"] != "member"]
        assert [(item["type"], item["done"]) for item in markers] == [("gone", True)] * 2 * len(TENANTS)
        await world.app.close()
        if ended:
            break
    assert nth > 5 * len(TENANTS)


async def test_a_run_without_leftovers_makes_two_queries_per_customer_and_two_for_the_lists(world: World) -> None:
    world.emulator.requests.clear()
    await world.app.sweep()
    assert world.emulator.counts() == {"query": 2 * len(TENANTS) + 2}


async def test_the_next_run_sweeps_after_a_database_failure(world: World) -> None:
    world.create_leftovers()
    world.emulator.faults.append(Fault(lambda call: call.resource_type == "docs", CutBefore(), times=None))
    assert await world.app.sweep() == 0
    with pytest.raises(StoreUnavailable):
        await world.store.sweep(DEFAULT)
    world.emulator.faults.clear()
    assert await world.app.sweep() == len(TENANTS) * LEFT
