"""The first use of the database: one attempt for all requests, a wrong account, and attempts after a failure."""

import asyncio
import time
from typing import Any

import pytest

from scim.app import utc_now
from scim.ids import uuid7
from scim.storage.cosmos.calls import Calls
from scim.storage.cosmos.connection import CosmosConnection
from scim.storage.cosmos.container import CONTAINER
from scim.storage.cosmos.store import CosmosStore
from scim.storage.errors import StoreUnavailable
from scim.storage.interface import Member, MemberChanges
from tests.contract.test_store import LATER, everybody
from tests.contract.write_models import group, touch
from tests.cosmos.world import Answer, at_once, patch_of, serving
from tests.cosmos_emulator import (
    CutBefore,
    Emulator,
    Fault,
    Slow,
    forbidden,
    owner_not_found,
    throttled,
    unauthorized,
    unavailable,
)

# The pause of the SDK between attempts to read an account, which no option sets.
HEALTH_CHECK = "AZURE_COSMOS_HEALTH_CHECK_RETRY_AFTER_MS"
USER = "/Users/01900000-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HEALTH_CHECK, "1")


def is_unavailable(answer: Answer, status: int = 503) -> None:
    assert answer.status == status, answer.body
    assert int(answer.headers["retry-after"]) >= 1


async def test_many_first_requests_open_one_connection() -> None:
    async with serving() as service:
        answers = await asyncio.gather(*(service.send("GET", USER) for _ in range(20)))
        assert {answer.status for answer in answers} == {404}
        counts = service.emulator.counts(metadata=True)
        assert (counts["container.read"], counts["item.read"]) == (1, 20)
        # The SDK reads the account once or twice, and the service once for its consistency.
        assert counts["account.read"] <= 3


async def test_many_first_requests_share_one_failure() -> None:
    async with serving() as service:
        service.emulator.faults.append(Fault("container.read", unavailable(), times=None))
        for answer in await asyncio.gather(*(service.send("GET", USER) for _ in range(20))):
            is_unavailable(answer)
        assert service.emulator.counts(metadata=True)["container.read"] == 1


@pytest.mark.parametrize("level", ["BoundedStaleness", "Session", "ConsistentPrefix", "Eventual"])
async def test_an_account_weaker_than_strong_is_not_used(level: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(consistency=level) as service:
        for method, path, body in [
            ("GET", USER, None),
            ("POST", "/Users", {"userName": "ada"}),
            ("DELETE", USER, None),
        ]:
            is_unavailable(await service.send(method, path, body))
        assert f"the Cosmos DB account has consistency {level}; it must be Strong" in caplog.text
        assert {call.operation for call in service.emulator.requests} == {"account.read"}
        assert (await service.send("GET", "/Schemas")).status == 200


async def test_a_wrong_container_name_is_never_404(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(container="elsewhere") as service:
        for method, path, body in [
            ("GET", USER, None),
            ("GET", "/Users", None),
            ("DELETE", USER, None),
            ("PUT", USER, {"userName": "ada"}),
            ("POST", "/Groups", {"displayName": "G"}),
        ]:
            is_unavailable(await service.send(method, path, body))
        assert "Cosmos DB answered 404" in caplog.text


@pytest.mark.parametrize("key", ["d3Jvbmc=", "not base64!", "x"])
async def test_a_wrong_key_is_never_401(key: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(key=key) as service:
        is_unavailable(await service.send("GET", USER))
        is_unavailable(await service.send("GET", "/Users"))
        is_unavailable(await service.send("PATCH", USER, patch_of({"op": "remove", "path": "title"})))
        assert "the store is unavailable" in caplog.text
        assert key not in caplog.text


async def test_an_unreachable_database_is_503() -> None:
    async with serving() as service:
        await service.emulator.stop()
        is_unavailable(await service.send("GET", USER))
        is_unavailable(await service.send("POST", "/Users", {"userName": "ada"}))


@pytest.mark.parametrize("operation", ["account.read", "container.read"])
@pytest.mark.parametrize(
    "effect", [unauthorized(), forbidden(), unavailable(), CutBefore(), owner_not_found()], ids=str
)
async def test_after_a_failed_first_use_the_next_request_tries_again(operation: str, effect: Any) -> None:
    async with serving() as service:
        service.emulator.faults.append(Fault(operation, effect, times=None))
        is_unavailable(await service.send("GET", USER))
        is_unavailable(await service.send("POST", "/Users", {"userName": "ada"}))
        service.emulator.faults.clear()
        assert (await service.send("POST", "/Users", {"userName": "ada"})).status == 201


async def test_a_first_use_that_is_throttled_is_429() -> None:
    async with serving() as service:
        service.emulator.faults.append(Fault("container.read", throttled(1), times=None))
        is_unavailable(await service.send("GET", USER), 429)
        service.emulator.faults.clear()
        assert (await service.send("GET", USER)).status == 404


async def quick(emulator: Emulator, endpoint: str) -> CosmosStore:
    """Yield a store with a timeout of 0.1 seconds per request and an open connection."""
    connection = CosmosConnection(endpoint, "scim", "resources", key=emulator.key, read_timeout=0.1)
    await connection.container()
    return CosmosStore(
        Calls(connection.container),
        clock=utc_now,
        timer=time.perf_counter,
        sleep=at_once,
        new_token=uuid7(utc_now),
        close=connection.close,
    )


@pytest.mark.parametrize("after", [False, True])
async def test_a_timeout_of_a_write_counts_as_an_unknown_outcome(after: bool) -> None:
    emulator = Emulator()
    emulator.create("scim", {"id": "resources", **CONTAINER})
    store = await quick(emulator, await emulator.start())
    slow = Slow(asyncio.Event(), after=after)
    new = group()
    try:
        emulator.faults.append(Fault("batch", slow))
        await store.create("t", new, [Member("a"), Member("b")])
        emulator.faults.append(Fault("batch", slow))
        await store.change_members("t", new.id, MemberChanges((Member("c"),), ("a",)), touch(new, LATER))
        slow.event.set()  # the request that timed out continues, or tries to
        for _ in range(50):
            await store.read("t", "Group", new.id)
        assert await everybody(store, "t", new.id) == ["b", "c"]
        await store.delete("t", "Group", new.id)
        assert [item["type"] for item in emulator.items("t")] == ["gone"]
    finally:
        await store.close()
        await emulator.stop()


async def test_reads_that_are_too_slow_are_unavailable() -> None:
    emulator = Emulator()
    emulator.create("scim", {"id": "resources", **CONTAINER})
    store = await quick(emulator, await emulator.start())
    slow = Slow(asyncio.Event())
    try:
        emulator.faults.append(Fault(lambda call: call.resource_type == "docs", slow, times=None))
        with pytest.raises(StoreUnavailable):
            await store.read("t", "Group", group().id)
        with pytest.raises(StoreUnavailable):
            await store.members("t", [group().id], limit=10)
    finally:
        slow.event.set()
        await store.close()
        await emulator.stop()
