"""A request that is called off in the middle: at whichever call of the database, nothing is left half-written.

The Functions host calls none off; a worker that ends does, and the client's repeat comes to another one.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final, Literal

import pytest
import pytest_asyncio

from tests.cosmos.test_faults import CASES, IN_BATCHES, Case, after, data
from tests.cosmos.world import Ids, Service, State, members, populated, serving
from tests.cosmos_emulator import Fault, Slow

pytestmark = pytest.mark.asyncio(loop_scope="module")

type World = tuple[Service, Ids]
type Lands = Literal["before it is called off", "after it was called off", "after the repeat"]
"""When the call that was under way takes effect."""

GROUPS: Final = 120
LANDS: Final[tuple[Lands, ...]] = ("before it is called off", "after it was called off", "after the repeat")


class Clock:
    """The app's clock, which stands until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def first(clock: Clock) -> AsyncIterator[World]:
    async with serving(clock=clock) as service:
        yield await populated(service)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def in_many_groups(clock: Clock) -> AsyncIterator[World]:
    """Ada is in more groups than one batch takes."""
    async with serving(clock=clock) as service:
        made = await service.send("POST", "/Users", {"userName": "ada", "title": "old"})
        ada: str = made.json["id"]
        for number in range(GROUPS):
            group = {"displayName": f"Group {number}", "members": members(ada, "another")}
            assert (await service.send("POST", "/Groups", group)).status == 201
        own = {"_rid", "_self", "_etag", "_ts", "_attachments"}
        items = service.emulator.items(service.tenant)
        prototype = tuple({name: value for name, value in item.items() if name not in own} for item in items)
        yield Service(service.app, service.emulator, "t0", prototype), Ids(ada, "", "", "")


async def called_off(service: Service, ids: Ids, case: Case, nth: int, lands: Lands) -> Slow | None:
    """Send the request and call it off at its `nth` call; `None` if it has fewer. What is returned still holds the call."""
    slow = Slow(asyncio.Event(), after=lands == "before it is called off")
    service.emulator.faults.append(Fault(data, slow, nth=nth))
    sending = asyncio.create_task(case.send(service, ids))
    reached = asyncio.create_task(slow.reached.wait())
    await asyncio.wait((sending, reached), return_when=asyncio.FIRST_COMPLETED)
    if sending.done():
        reached.cancel()
        assert (await sending).status == case.status
        return None
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    if lands != "after the repeat":
        await landed(service, slow)
    return slow


async def landed(service: Service, slow: Slow) -> None:
    """Until the emulator has carried out the call that it was held at."""
    slow.event.set()
    [call] = [call for call in service.emulator.requests if call.fault is slow]
    while not call.status:  # noqa: ASYNC110 - the emulator has no event for that; it takes a few turns of this loop
        await asyncio.sleep(0)


def between(before: State, now: State, then: State) -> bool:
    """Whether nothing is there that neither was nor will be, and nothing is missing that was and will be."""
    if not (before[0].items() & then[0].items() <= now[0].items() <= before[0].items() | then[0].items()):
        return False
    was, here, will = (
        {(name, one) for name, values in state[1].items() for one in ("", *values)} for state in (before, now, then)
    )
    return was & will <= here <= was | will


async def holds_together(world: World, clock: Clock, case: Case, lands: Lands, *, in_one: bool) -> int:
    """Call the request off at each of its calls in turn, and look at what has come of it; how many calls it has.

    `in_one`: it is done altogether or not at all.
    """
    started, ids = world
    for nth in count(1):
        service = started.of(f"t{next(_tenants)}")
        before = service.stored()
        then = after(case, before, ids)
        slow = await called_off(service, ids, case, nth, lands)
        if slow is None:
            return nth - 1
        service.emulator.faults.clear()
        service.check_items()
        now = service.stored()
        if in_one:
            assert now in (before, then)
        assert between(before, now, then)
        # The service goes on, and the client repeats what it has no answer to.
        answer = await case.send(service, ids)
        assert answer.status in {case.status, case.again}, answer.body
        service.check_items()
        if case.method != "DELETE":
            assert service.stored() == then
        if lands == "after the repeat":
            await landed(service, slow)
        service.check_items()
        clock.now += timedelta(minutes=11)
        await service.store.sweep(service.tenant)
        assert service.stored() == then
        assert await service.state() == then
        assert service.orphans() == []
        service.check_items()
        clock.now += timedelta(minutes=11)
        assert await service.store.sweep(service.tenant) == 0
        _check_nothing_is_left_to_do(service)
    raise AssertionError


_tenants: Final = count(1)


def _check_nothing_is_left_to_do(service: Service) -> None:
    """No group is unfinished, and no marker is open that no sweep has dealt with."""
    items = service.emulator.items(service.tenant)
    assert [item for item in items if item["type"] == "pending"] == []
    assert [item for item in items if item["type"] == "gone" and not item.get("done")] == []


@pytest.mark.parametrize("lands", LANDS)
@pytest.mark.parametrize("name", CASES)
async def test_a_request_that_is_called_off_leaves_nothing_half_done(
    first: World, clock: Clock, name: str, lands: Lands
) -> None:
    in_one = name not in IN_BATCHES or CASES[name].method in {"POST", "DELETE"}
    calls = await holds_together(first, clock, CASES[name], lands, in_one=in_one)
    assert calls >= (3 if name in IN_BATCHES else 1)


@pytest.mark.parametrize("lands", LANDS)
async def test_a_deletion_of_a_user_in_many_groups_that_is_called_off_leaves_it_in_none(
    in_many_groups: World, clock: Clock, lands: Lands
) -> None:
    calls = await holds_together(in_many_groups, clock, CASES["delete a user"], lands, in_one=False)
    assert calls >= 3


async def test_a_called_off_first_request_leaves_the_connection_to_the_next(clock: Clock) -> None:
    """At each call that opening it takes."""
    for kind in ("account.read", "container.read"):
        async with serving(clock=clock) as service:
            slow = Slow(asyncio.Event())
            service.emulator.faults.append(Fault(kind, slow))
            asking = asyncio.create_task(service.send("GET", "/Users"))
            await slow.reached.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            slow.event.set()
            assert (await service.send("POST", "/Users", {"userName": "ada"})).status == 201


async def test_a_request_that_waits_for_a_called_off_one_to_open_the_connection_is_answered(clock: Clock) -> None:
    async with serving(clock=clock) as service:
        slow = Slow(asyncio.Event())
        service.emulator.faults.append(Fault("account.read", slow))
        asking = asyncio.create_task(service.send("GET", "/Users"))
        await slow.reached.wait()
        next_one = asyncio.create_task(service.send("GET", "/Users"))
        asking.cancel()
        slow.event.set()
        assert (await next_one).status == 200
