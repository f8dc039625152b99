"""The sweep as Azure runs it, by a timer and through the worker library; and as `scim serve` runs it, in the background."""

import asyncio
from collections.abc import Iterator
from typing import Final

import pytest

from scim.storage.cosmos.items import deletion_marker_id, marker, member_item, pending_marker_id
from scim.storage.interface import Member
from tests.conftest import TOKEN, CosmosAccount, Loop, PortClient, Server
from tests.cosmos_emulator import CutBefore, Fault, Slow
from tests.security.conftest import scim
from tests.worker.harness import Worker
from tests.worker.host_client import ROOT, SETTINGS
from tests.worker.slow import held_at, let_go

CUSTOMERS: Final = ("contoso", "fabrikam")
TENANTS: Final = ("default", *CUSTOMERS)
GONE: Final = "01890000-0000-7000-8000-000000000001"
UNFINISHED: Final = "01890000-0000-7000-8000-000000000002"
LONG_AGO: Final = "2020-01-01T00:00:00.000000Z"


@pytest.fixture
def account(loop: Loop) -> Iterator[CosmosAccount]:
    """Cosmos DB with two customers, where each tenant has members left of a deleted group and of an unfinished one."""
    running = CosmosAccount(loop)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in running.environment.items():
            environment.setenv(name, value)
        for name in CUSTOMERS:
            scim("customer", "create", name, "--store", "cosmos")
    for tenant in TENANTS:
        left = [member_item(tenant, of, Member(f"member-{n}")) for of in (GONE, UNFINISHED) for n in range(5)]
        gone = marker(tenant, deletion_marker_id("Group", GONE), "gone", LONG_AGO, "w1")
        running.emulator.seed([*left, gone, marker(tenant, pending_marker_id(UNFINISHED), "pending", LONG_AGO, "w2")])
    running.emulator.requests.clear()
    yield running
    running.stop()


def left(account: CosmosAccount) -> dict[str, int]:
    """How many member items each tenant has."""
    return {tenant: sum(i["type"] == "member" for i in account.emulator.items(tenant)) for tenant in TENANTS}


def settings(account: CosmosAccount) -> dict[str, str]:
    return {**SETTINGS, "SCIM_STORE": "cosmos", **account.environment}


async def test_the_timer_does_not_run_at_each_start() -> None:
    """A run at each start of each instance would be one more with every scaling out."""
    async with await Worker.start(ROOT) as worker:
        [timer] = [function for function in worker.functions if function.trigger == "timerTrigger"]
    assert (timer.name, timer.route) == ("sweep", None)
    assert timer.binding["schedule"] == "0 */15 * * * *"
    assert timer.binding["runOnStartup"] is False
    assert timer.binding["useMonitor"] is True


async def test_the_timer_sweeps_every_customer(account: CosmosAccount) -> None:
    assert left(account) == dict.fromkeys(TENANTS, 10)
    async with await Worker.start(ROOT, settings(account)) as worker:
        await worker.invoke_timer("sweep")
        assert left(account) == dict.fromkeys(TENANTS, 0)
        account.emulator.requests.clear()
        await worker.invoke_timer("sweep", past_due=True)
        assert account.emulator.counts().keys() == {"query"}


async def test_two_instances_may_sweep_at_once(account: CosmosAccount) -> None:
    async with (
        await Worker.start(ROOT, settings(account)) as one,
        await Worker.start(ROOT, settings(account)) as other,
    ):
        await asyncio.gather(one.invoke_timer("sweep"), other.invoke_timer("sweep"))
    assert left(account) == dict.fromkeys(TENANTS, 0)


async def test_a_worker_that_dies_in_the_middle_leaves_the_rest_to_the_next(loop: Loop, account: CosmosAccount) -> None:
    slow = Slow(asyncio.Event(), after=True)
    account.emulator.faults.append(Fault("batch", slow, nth=2))
    dying = await Worker.start(ROOT, settings(account))
    sweep = asyncio.create_task(dying.invoke_timer("sweep"))
    await asyncio.to_thread(loop.run, slow.reached.wait())
    await dying.stop(at_once=True)
    await asyncio.gather(sweep, return_exceptions=True)
    loop.run(let_go(account.emulator, slow))
    assert any(left(account).values())
    async with await Worker.start(ROOT, settings(account)) as worker:
        await worker.invoke_timer("sweep")
    assert left(account) == dict.fromkeys(TENANTS, 0)


async def test_a_sweep_without_a_database_logs_it_and_does_not_fail(account: CosmosAccount) -> None:
    """A function that raises would be an alarm for what the next run puts right."""
    account.emulator.faults.append(Fault(lambda _: True, CutBefore(), times=None))
    async with await Worker.start(ROOT, settings(account)) as worker:
        await worker.invoke_timer("sweep")
        account.emulator.faults.clear()
        await worker.invoke_timer("sweep")
    assert left(account) == dict.fromkeys(TENANTS, 0)
    assert "the sweep can't list the customers: StoreUnavailable" in worker.log


async def test_on_the_embedded_store_a_sweep_finds_nothing_to_do() -> None:
    async with await Worker.start(ROOT, SETTINGS) as worker:
        await worker.invoke_timer("sweep")
    assert worker.log == ""


def test_the_local_server_sweeps_every_customer_in_the_background(loop: Loop, account: CosmosAccount) -> None:
    """Requests are answered while it does."""
    expected = 3 * len(TENANTS)  # for each: the unfinished group is given up, members are deleted, markers are done
    slow = Slow(asyncio.Event(), after=True)
    account.emulator.faults.append(Fault("batch", slow, nth=expected))
    server = Server("--store", "cosmos", environment=account.environment)
    client = PortClient(server.origin)
    try:
        loop.run(slow.reached.wait())
        assert left(account) == dict.fromkeys(TENANTS, 0)
        assert client.get("/Users", token=TOKEN).json["totalResults"] == 0
    finally:
        loop.run(let_go(account.emulator, slow))
        client.close()
        code, log = server.stop()
    assert code == 0
    assert " ERROR " not in log


def test_the_local_server_may_be_stopped_in_the_middle_of_a_sweep(loop: Loop, account: CosmosAccount) -> None:
    """It doesn't wait for it, says nothing about it, and the next one takes it up."""
    slow = loop.run(held_at(account.emulator, "batch"))
    server = Server("--store", "cosmos", environment=account.environment)
    loop.run(slow.reached.wait())
    code, log = server.stop()
    loop.run(let_go(account.emulator, slow))
    assert code == 0
    assert [line for line in log.splitlines() if " INFO " not in line] == []
    assert any(left(account).values())
