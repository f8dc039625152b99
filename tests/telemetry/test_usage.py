"""The calls and request units in a line are those that the database has answered for this request, and for no other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.conftest import Client
from tests.cosmos.world import Ids, Service, members, new_tenant, patch_of, populated, serving
from tests.cosmos_emulator import (
    CutAfter,
    CutBefore,
    Fault,
    ShortPage,
    Slow,
    owner_not_found,
    throttled,
    timed_out,
    unavailable,
)
from tests.cosmos_emulator.faults import Effect
from tests.http.checks import UNKNOWN_ID
from tests.telemetry.charges import of, spent
from tests.telemetry.lines import Lines

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def first() -> AsyncIterator[tuple[Service, Ids]]:
    async with serving() as running:
        yield await populated(running)


@pytest.fixture
def world(first: tuple[Service, Ids], lines: Lines) -> tuple[Service, Ids]:
    """The small world in a tenant of its own; nothing was asked yet."""
    running, ids = first
    lines.taken()
    return running.of(new_tenant()), ids


@dataclass(frozen=True)
class Case:
    """A request on the small world, what goes wrong at its first call of that kind, and how it ends."""

    method: str
    path: str
    body: Any
    status: int
    calls: int
    match: str = ""
    effect: Effect | None = None
    times: int = 1


TITLE: Final = patch_of({"op": "replace", "path": "title", "value": "new"})
CASES: Final = {
    "get": Case("GET", "/Users/{ada}?excludedAttributes=groups", None, 200, 1),
    "missing": Case("GET", f"/Users/{UNKNOWN_ID}", None, 404, 1),
    "taken": Case("POST", "/Users", {"userName": "ADA"}, 409, 1),
    "create": Case("POST", "/Users", {"userName": "new"}, 201, 1),
    "several-pages": Case("GET", "/Users?excludedAttributes=groups", None, 200, 2, "query", ShortPage(1)),
    "cut-write": Case("PATCH", "/Users/{ada}", TITLE, 204, 4, "batch", CutBefore()),
    "cut-after-write": Case("PATCH", "/Users/{ada}", TITLE, 204, 3, "batch", CutAfter()),
    "timed-out-write": Case("PATCH", "/Users/{ada}", TITLE, 204, 4, "batch", timed_out()),
    "cut-query": Case("GET", "/Users?excludedAttributes=groups", None, 503, 1, "query", CutBefore()),
    "unavailable": Case("GET", "/Users/{ada}", None, 503, 1, "item.read", unavailable(), 100),
    "no-container": Case("GET", "/Users/{ada}", None, 503, 1, "item.read", owner_not_found(), 100),
    "throttled": Case("GET", "/Users/{ada}", None, 429, 4, "item.read", throttled(1), 100),
    "throttled-once": Case("GET", "/Users/{ada}?excludedAttributes=groups", None, 200, 2, "item.read", throttled(1)),
    "throttled-query": Case("GET", "/Users?excludedAttributes=groups", None, 200, 2, "query", throttled(1)),
    "throttled-write": Case("PATCH", "/Users/{ada}", TITLE, 204, 3, "batch", throttled(1)),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_failed_and_repeated_calls_count(world: tuple[Service, Ids], lines: Lines, case: Case) -> None:
    running, ids = world
    if case.effect is not None:
        running.emulator.faults.append(Fault(case.match, case.effect, times=case.times))
    path, _, query = case.path.replace("{ada}", ids.ada).partition("?")
    answer = await running.send(case.method, path, case.body, query=query)
    assert answer.status == case.status, answer.body
    line = lines.one()
    assert (line.spent, line["status"]) == (spent(running.emulator), str(case.status))
    assert line.spent[0] == case.calls


async def test_concurrent_requests_are_counted_separately(world: tuple[Service, Ids], lines: Lines) -> None:
    """A dear one waits in the middle of its calls while cheap ones come and go."""
    running, ids = world
    slow = Slow(asyncio.Event())
    running.emulator.faults.append(Fault("batch", slow, nth=2))
    many = members(*(f"n{number}" for number in range(150)))
    dear = asyncio.create_task(running.patch(f"/Groups/{ids.small}", {"op": "add", "path": "members", "value": many}))
    await slow.reached.wait()
    begun = len(running.emulator.item_requests)
    told = {}
    for headers in ({"x-request-id": "one"}, {"x-request-id": "two"}):
        answer = await running.send("GET", f"/Users/{ids.bob}", headers=headers)
        assert answer.status == 200
        line = lines.one()
        told[line["request_id"]] = line.spent
    between = running.emulator.item_requests[begun:]
    slow.event.set()
    assert (await dear).status == 204
    others = [call for call in running.emulator.item_requests if call not in between]
    half = len(between) // 2
    assert told == {"one": of(between[:half]), "two": of(between[half:])}
    assert lines.one().spent == of(others)


async def test_opening_the_database_does_not_count_for_the_request(lines: Lines) -> None:
    async with serving() as running:
        assert (await running.send("GET", f"/Users/{UNKNOWN_ID}")).status == 404
        assert lines.one().spent == spent(running.emulator)
        assert len(running.emulator.requests) > 1


async def test_an_immediate_refusal_costs_no_database_call(world: tuple[Service, Ids], lines: Lines) -> None:
    running, _ = world
    assert (await running.send("GET", "/Nowhere")).status == 404
    assert (lines.one().spent, spent(running.emulator)) == ((0, 0.0), (0, 0.0))


async def test_the_embedded_store_counts_no_database_calls(client: Client, lines: Lines) -> None:
    client.group("Guides", client.user("dora")["id"])
    assert client.get("/Groups").json["totalResults"] == 1
    assert [line.spent for line in lines.taken()] == [(0, 0.0)] * 3
