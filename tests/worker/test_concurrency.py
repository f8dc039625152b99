"""Requests that overlap in one worker: one that waits for the database keeps no other waiting, and costs it nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.conftest import BASE, TOKEN, CosmosAccount, Loop
from tests.cosmos_emulator import Slow
from tests.worker.harness import Worker, WorkerResponse
from tests.worker.host_client import ROOT, SETTINGS
from tests.worker.slow import held_at, let_go

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN: Final = "https://scim.example.net"
WAITING: Final = 50


@pytest.fixture(scope="module")
def account(loop: Loop) -> Iterator[CosmosAccount]:
    running = CosmosAccount(loop)
    yield running
    running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(account: CosmosAccount) -> AsyncIterator[Worker]:
    """One worker for this file; its connection to the database is open."""
    async with await Worker.start(ROOT, {**SETTINGS, "SCIM_STORE": "cosmos", **account.environment}) as running:
        assert (await send(running, "GET", "/Users")).status == 200
        yield running


async def send(worker: Worker, method: str, path: str, body: Any = None) -> WorkerResponse:
    function = path.partition("?")[0].split("/")[1].lower()
    function = {"serviceproviderconfig": "service_provider_config"}.get(function, function)
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return await worker.invoke(function, method, f"{ORIGIN}{BASE}{path}", headers, content)


async def made(worker: Worker, name: str) -> str:
    answer = await send(worker, "POST", "/Users", {"userName": name})
    assert answer.status == 201, answer.body
    id: str = answer.json["id"]
    return id


async def waiting(loop: Loop, slow: Slow) -> None:
    """Until a call is held up."""
    await asyncio.to_thread(loop.run, slow.reached.wait())


async def test_while_a_request_waits_for_the_database_others_are_answered(
    loop: Loop, account: CosmosAccount, worker: Worker
) -> None:
    """Those that need no database, those that need it too, and writes."""
    user = await made(worker, "first")
    slow = loop.run(held_at(account.emulator, "query"))
    held = asyncio.create_task(send(worker, "GET", "/Users"))
    await waiting(loop, slow)
    assert (await worker.invoke("healthz", "GET", f"{ORIGIN}/healthz")).status == 200
    assert (await send(worker, "GET", "/ServiceProviderConfig")).status == 200
    assert (await send(worker, "GET", f"/Users/{user}")).status == 200
    assert (await send(worker, "GET", "/Groups")).status == 200
    later = await made(worker, "later")
    assert not held.done()
    loop.run(let_go(account.emulator, slow))
    answer = await held
    assert (answer.status, {each["id"] for each in answer.json["Resources"]}) == (200, {user, later})


async def test_many_requests_wait_at_once(loop: Loop, account: CosmosAccount, worker: Worker) -> None:
    """All of them hang in the database at the same time, and the next one is answered all the same."""
    slow = loop.run(held_at(account.emulator, "batch", times=None))
    account.emulator.requests.clear()
    held = [
        asyncio.create_task(send(worker, "POST", "/Users", {"userName": f"many-{each}"})) for each in range(WAITING)
    ]
    while account.emulator.counts()["batch"] < WAITING:  # ends, or the test does by pytest's own limit
        await waiting(loop, slow)
    assert (await send(worker, "GET", "/Groups")).status == 200
    assert not any(task.done() for task in held)
    loop.run(let_go(account.emulator, slow))
    assert [answer.status for answer in await asyncio.gather(*held)] == [201] * WAITING


async def test_a_waiting_sweep_does_not_delay_requests(loop: Loop, account: CosmosAccount, worker: Worker) -> None:
    user = await made(worker, "during-a-sweep")
    slow = loop.run(held_at(account.emulator, "query"))
    sweep = asyncio.create_task(worker.invoke_timer("sweep"))
    await waiting(loop, slow)
    assert (await send(worker, "GET", f"/Users/{user}")).status == 200
    assert (await send(worker, "GET", "/Users")).status == 200
    assert not sweep.done()
    loop.run(let_go(account.emulator, slow))
    await sweep


async def test_a_request_of_a_disconnected_client_is_completed(
    loop: Loop, account: CosmosAccount, worker: Worker
) -> None:
    """The host doesn't tell a Python worker that a client has gone, so that nothing is left half-written for that."""
    slow = loop.run(held_at(account.emulator, "batch"))
    held = asyncio.create_task(send(worker, "POST", "/Users", {"userName": "abandoned"}))
    await waiting(loop, slow)
    held.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held
    loop.run(let_go(account.emulator, slow))
    # Whichever of the two comes first in the database, one of them makes the user and the other is told so.
    assert (await send(worker, "POST", "/Users", {"userName": "ABANDONED"})).status in {201, 409}
    found = await send(worker, "GET", "/Users?filter=userName%20eq%20%22abandoned%22")
    assert found.json["totalResults"] == 1
