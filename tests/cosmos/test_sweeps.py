"""Sweeping all tenants in turn: bounded, fair, none held up by another, and resumable wherever a run was stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import pytest

from scim.app import TENANT as DEFAULT, App, Collaborators, build
from scim.ids import uuid7
from scim.protocol import datetimes
from scim.security import secret_tokens
from scim.security.customers import SYSTEM, Customers
from scim.service.sweeps import Sweeps
from scim.settings import Settings
from scim.storage.container import CONTAINER
from scim.storage.cosmos import CosmosStore
from scim.storage.cosmos_calls import Calls
from scim.storage.cosmos_client import CosmosConnection
from scim.storage.cosmos_items import gone_id, marker, member_item, pending_id
from scim.storage.interface import Member, StoreUnavailable
from tests.contract.drafts import resource_id
from tests.cosmos.conftest import Time
from tests.cosmos_emulator import Call, CutBefore, Emulator, Fault, Slow, throttled

CUSTOMERS: Final = ("contoso", "fabrikam", "adatum")
TENANTS: Final = (DEFAULT, *sorted(CUSTOMERS))
GONE: Final = resource_id(1)
UNFINISHED: Final = resource_id(2)
LEFT: Final = 6
"""Member items that are left in each tenant."""


class World:
    """The service on an emulator, with some customers; time is the test's."""

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

    def leave_something(self) -> None:
        """In every tenant, members of a group that was deleted long ago, and of one that was never finished."""
        at = datetimes.written(self.time.clock() - timedelta(hours=1))
        for tenant in TENANTS:
            left = [member_item(tenant, of, Member(str(n))) for of in (GONE, UNFINISHED) for n in range(LEFT // 2)]
            gone = marker(tenant, gone_id("Group", GONE), "gone", at, "w1")
            self.emulator.seed([*left, gone, marker(tenant, pending_id(UNFINISHED), "pending", at, "w2")])
        self.emulator.requests.clear()

    def left(self) -> dict[str, int]:
        """How many member items each tenant has."""
        return {tenant: sum(item["type"] == "member" for item in self.emulator.items(tenant)) for tenant in TENANTS}

    def sweeps(self, begin_at: Callable[[int], int], timer: Callable[[], float]) -> Sweeps:
        """Those of the app, but for their chance and their timer."""

        async def tenants() -> AsyncIterator[str]:
            yield DEFAULT
            async for customer in self.customers.all():
                yield customer.name

        return Sweeps(self.store, tenants, self.customers.forget_expired, timer=timer, begin_at=begin_at)

    def swept(self) -> list[str]:
        """The tenants that were asked for, in order."""
        asked = (call.partition_key for call in self.emulator.requests if call.resource_type == "docs")
        return list(dict.fromkeys(tenant for tenant in asked if tenant in TENANTS))

    async def add_token(self, expires: datetime) -> str:
        id = uuid7(self.time.clock)()
        _, record = secret_tokens.make(
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
    """Whether a call is for this tenant; a fault is asked before the emulator has looked."""
    return call.headers.get("x-ms-documentdb-partitionkey") == f'["{tenant}"]'


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings of the sweep."""
    found = [record for record in caplog.records if record.name == "scim.sweep"]
    return [record.getMessage() for record in found if record.levelname == "WARNING"]


async def test_a_run_sweeps_the_tenant_of_development_tokens_and_every_customers(world: World) -> None:
    world.leave_something()
    assert await world.app.sweep() == len(TENANTS) * LEFT
    assert world.left() == dict.fromkeys(TENANTS, 0)
    assert await world.app.sweep() == 0


async def test_a_customer_whose_name_is_that_tenants_is_swept_once(world: World) -> None:
    await world.customers.create(DEFAULT)
    world.emulator.requests.clear()
    await world.app.sweep()
    assert [call.partition_key for call in world.emulator.requests].count(DEFAULT) == 2


@pytest.mark.parametrize("first", range(len(TENANTS)))
async def test_a_run_begins_where_chance_says_and_comes_to_all(world: World, first: int) -> None:
    numbers: list[int] = []

    def begin_at(number: int) -> int:
        numbers.append(number)
        return first

    world.emulator.requests.clear()
    await world.sweeps(begin_at, lambda: 0.0).run(60.0)
    assert numbers == [len(TENANTS)]
    assert world.swept() == [*TENANTS[first:], *TENANTS[:first]]


async def test_runs_of_the_app_begin_elsewhere(world: World) -> None:
    begun = set()
    for _ in range(64):  # that all of them begin with one and the same is less likely than 1 in 10 to the 37
        world.emulator.requests.clear()
        await world.app.sweep()
        begun.add(world.swept()[0])
    assert len(begun) > 1


async def test_a_run_ends_when_its_time_is_over_and_others_go_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Each tenant takes so long that a run has time for two; later runs begin elsewhere."""
    world.leave_something()
    starts = iter((2, 0, 3, 1))
    readings = count()
    caplog.set_level("INFO")
    left = [sum(world.left().values())]
    while left[-1]:
        # The timer is read at the beginning and before each tenant.
        world.emulator.requests.clear()
        await world.sweeps(lambda _: next(starts), lambda: 30.0 * next(readings)).run(90.0)
        assert len(world.swept()) == 2
        left.append(sum(world.left().values()))
    assert left == [4 * LEFT, 2 * LEFT, 0]
    assert "the sweep has used its time; the next one goes on" in caplog.text


async def test_a_run_without_time_sweeps_nothing(world: World) -> None:
    world.leave_something()
    assert await world.sweeps(lambda _: 0, lambda: 0.0).run(0.0) == 0
    assert world.swept() == []


@pytest.mark.parametrize("effect", [CutBefore(), throttled(1)], ids=["unreachable", "throttled"])
async def test_a_tenant_that_fails_keeps_no_other_waiting(
    world: World, effect: CutBefore, caplog: pytest.LogCaptureFixture
) -> None:
    world.leave_something()
    world.emulator.faults.append(Fault(lambda call: is_of(call, "fabrikam"), effect, times=None))
    assert await world.app.sweep() == (len(TENANTS) - 1) * LEFT
    assert {tenant for tenant, number in world.left().items() if number} == {"fabrikam"}
    [line] = said(caplog)
    assert line.startswith("the sweep of a tenant stopped and will go on: ")
    assert "fabrikam" not in line
    world.emulator.faults.clear()
    assert await world.app.sweep() == LEFT


async def test_customers_that_cannot_be_listed_end_the_run_in_one_line(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.emulator.faults.append(Fault("query", CutBefore(), times=None))
    assert await world.app.sweep() == 0
    assert said(caplog) == [
        "what has expired can't be deleted now: StoreUnavailable",
        "the sweep can't list the tenants: StoreUnavailable",
    ]


async def test_a_token_that_cannot_be_forgotten_keeps_no_tenant_waiting(world: World) -> None:
    expired = await world.add_token(world.time.clock() - timedelta(days=31))
    world.leave_something()
    world.emulator.faults.append(
        Fault(lambda call: call.kind == "batch" and is_of(call, SYSTEM), CutBefore(), times=None)
    )
    assert await world.app.sweep() == len(TENANTS) * LEFT
    world.emulator.faults.clear()
    assert await world.tokens() == {expired}
    assert await world.app.sweep() == 1
    assert await world.tokens() == set()


async def test_tokens_that_expired_more_than_thirty_days_ago_are_forgotten(world: World) -> None:
    """Until then `scim token list` tells why one doesn't work any more."""
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


async def test_two_runs_at_once_do_the_work_of_one(world: World) -> None:
    for _ in range(5):
        await world.add_token(world.time.clock() - timedelta(days=31))
    world.leave_something()
    both = await asyncio.gather(world.app.sweep(), world.app.sweep())
    assert sum(both) == len(TENANTS) * LEFT + 5
    assert world.left() == dict.fromkeys(TENANTS, 0)
    assert await world.tokens() == set()


@pytest.mark.parametrize("after", [False, True], ids=["before it takes effect", "after it took effect"])
async def test_a_run_that_is_called_off_at_any_call_is_taken_up_by_the_next(
    after: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that ends in the middle of a sweep. The call that was under way takes effect all the same."""
    caplog.set_level("WARNING", "azure")  # as in the app; its lines take most of the time
    for nth in count(1):
        world = World()
        await world.with_customers()
        await world.add_token(world.time.clock() - timedelta(days=31))
        world.leave_something()
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


async def test_a_run_with_nothing_to_do_costs_two_queries_for_each_tenant_and_two_for_the_lists(world: World) -> None:
    world.emulator.requests.clear()
    await world.app.sweep()
    assert world.emulator.counts() == {"query": 2 * len(TENANTS) + 2}


async def test_a_database_that_comes_back_is_swept_by_the_next_run(world: World) -> None:
    world.leave_something()
    world.emulator.faults.append(Fault(lambda call: call.resource_type == "docs", CutBefore(), times=None))
    assert await world.app.sweep() == 0
    with pytest.raises(StoreUnavailable):
        await world.store.sweep(DEFAULT)
    world.emulator.faults.clear()
    assert await world.app.sweep() == len(TENANTS) * LEFT
