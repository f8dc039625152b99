"""A request that is cancelled at any of its database calls leaves no partial change.

The Functions host doesn't cancel requests, but a worker that stops does. The client's repeat goes to another worker.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final, Literal

import pytest
import pytest_asyncio

from tests.cosmos.test_faults import CASES, IN_BATCHES, Case, data, state_after
from tests.cosmos.world import Ids, Service, State, members, populated, serving
from tests.cosmos_emulator import Fault, Slow

pytestmark = pytest.mark.asyncio(loop_scope="module")

type World = tuple[Service, Ids]
type Lands = Literal["before the cancellation", "after the cancellation", "after the repeat"]
"""When the running call is applied."""

GROUPS: Final = 120
LANDS: Final[tuple[Lands, ...]] = ("before the cancellation", "after the cancellation", "after the repeat")


class Clock:
    """The app's clock, which stands still until a test changes it."""

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
    """The service with a user Ada who is in more groups than fit into one batch."""
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


async def cancelled(service: Service, ids: Ids, case: Case, nth: int, lands: Lands) -> Slow | None:
    """Send a request and cancel it at its `nth` call. Return the fault that holds the call, or `None` without one."""
    slow = Slow(asyncio.Event(), after=lands == "before the cancellation")
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
        await applied(service, slow)
    return slow


async def applied(service: Service, slow: Slow) -> None:
    """Wait until the emulator has executed the held call."""
    slow.event.set()
    [call] = [call for call in service.emulator.requests if call.fault is slow]
    while not call.status:  # noqa: ASYNC110 - the emulator has no event for that; it takes a few turns of this loop
        await asyncio.sleep(0)


def is_between(before: State, now: State, then: State) -> bool:
    """Return whether a state has only data of the old or the new state, and all data that both have."""
    if not (before[0].items() & then[0].items() <= now[0].items() <= before[0].items() | then[0].items()):
        return False
    was, here, will = (
        {(name, one) for name, values in state[1].items() for one in ("", *values)} for state in (before, now, then)
    )
    return was & will <= here <= was | will


async def check_cancellations(world: World, clock: Clock, case: Case, lands: Lands, *, in_one: bool) -> int:
    """Cancel a request at each of its calls in turn, and check the result. Return the number of its calls.

    With `in_one`, the request must be applied as a whole or not at all.
    """
    started, ids = world
    for nth in count(1):
        service = started.of(f"t{next(_tenants)}")
        before = service.stored()
        then = state_after(case, before, ids)
        slow = await cancelled(service, ids, case, nth, lands)
        if slow is None:
            return nth - 1
        service.emulator.faults.clear()
        service.check_items()
        now = service.stored()
        if in_one:
            assert now in (before, then)
        assert is_between(before, now, then)
        # The service continues, and the client repeats the request.
        answer = await case.send(service, ids)
        assert answer.status in {case.status, case.again}, answer.body
        service.check_items()
        if case.method != "DELETE":
            assert service.stored() == then
        if lands == "after the repeat":
            await applied(service, slow)
        service.check_items()
        clock.now += timedelta(minutes=11)
        await service.store.sweep(service.tenant)
        assert service.stored() == then
        assert await service.state() == then
        assert service.orphans() == []
        service.check_items()
        clock.now += timedelta(minutes=11)
        assert await service.store.sweep(service.tenant) == 0
        _check_all_is_swept(service)
    raise AssertionError


_tenants: Final = count(1)


def _check_all_is_swept(service: Service) -> None:
    """Check that no group is unfinished, and that all deletion markers are done."""
    items = service.emulator.items(service.tenant)
    assert [item for item in items if item["type"] == "pending"] == []
    assert [item for item in items if item["type"] == "gone" and not item.get("done")] == []


@pytest.mark.parametrize("lands", LANDS)
@pytest.mark.parametrize("name", CASES)
async def test_a_cancelled_request_leaves_no_partial_change(
    first: World, clock: Clock, name: str, lands: Lands
) -> None:
    in_one = name not in IN_BATCHES or CASES[name].method in {"POST", "DELETE"}
    calls = await check_cancellations(first, clock, CASES[name], lands, in_one=in_one)
    assert calls >= (3 if name in IN_BATCHES else 1)


@pytest.mark.parametrize("lands", LANDS)
async def test_a_cancelled_deletion_of_a_user_in_many_groups_is_completed(
    in_many_groups: World, clock: Clock, lands: Lands
) -> None:
    calls = await check_cancellations(in_many_groups, clock, CASES["delete a user"], lands, in_one=False)
    assert calls >= 3


async def test_a_cancelled_first_request_does_not_block_the_connection(clock: Clock) -> None:
    """For each call that opens the connection."""
    for operation in ("account.read", "container.read"):
        async with serving(clock=clock) as service:
            slow = Slow(asyncio.Event())
            service.emulator.faults.append(Fault(operation, slow))
            asking = asyncio.create_task(service.send("GET", "/Users"))
            await slow.reached.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            slow.event.set()
            assert (await service.send("POST", "/Users", {"userName": "ada"})).status == 201


async def test_a_request_waiting_for_a_cancelled_connection_attempt_succeeds(clock: Clock) -> None:
    async with serving(clock=clock) as service:
        slow = Slow(asyncio.Event())
        service.emulator.faults.append(Fault("account.read", slow))
        asking = asyncio.create_task(service.send("GET", "/Users"))
        await slow.reached.wait()
        next_one = asyncio.create_task(service.send("GET", "/Users"))
        asking.cancel()
        slow.event.set()
        assert (await next_one).status == 200
