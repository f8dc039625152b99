"""The database calls of each request stay below the maximum of the table, counted by the emulator."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from benchmarks import people
from tests.cosmos.costs import ROWS, USER, Calls, Given, Row, Service, instance, running_emulator, service
from tests.telemetry.charges import spent
from tests.telemetry.lines import Lines

WRITES = [
    row
    for row in ROWS
    if row.method in {"POST", "PUT", "PATCH", "DELETE"}
    and row.path not in {"/Bulk", "/Me"}
    and row.status != 401
    and not row.query
]
_CHANGE = {"op": "replace", "path": "title", "value": "Guide"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Service]:
    async with service([*(row.id for row in ROWS), *(f"{row.id}-in-bulk" for row in WRITES)]) as running:
        yield running


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
async def test_a_request_stays_below_its_limit_and_its_log_line_has_calls_and_charges(
    running: Service, lines: Lines, row: Row
) -> None:
    running.fill(row.id, row.given)
    answer, calls, charge = await running.cost(row)
    assert answer.status == row.status, answer.body[:500]
    assert calls <= row.ceiling.by_operation(), (
        f"{row.operation} may cost {row.formula}: {row.ceiling}; it made {dict(calls)}"
    )
    *before, line = lines.taken()
    assert len(before) == row.pages_before
    assert line.spent == spent(running.emulator)
    assert line.spent[0] == calls.total()
    assert line.spent[1] > 0 or not charge


@pytest.mark.parametrize("row", [row for row in ROWS if row.path == "/Bulk"], ids=lambda row: row.id)
async def test_the_operations_of_a_counted_bulk_request_succeed(row: Row) -> None:
    async with service([row.id]) as alone:
        alone.fill(row.id, row.given)
        answer, _, _ = await alone.cost(row)
    assert {one["status"] for one in json.loads(answer.body)["Operations"]} <= {"201", "204"}


@pytest.mark.parametrize("row", WRITES, ids=lambda row: row.id)
async def test_an_operation_costs_no_more_in_a_bulk_request(running: Service, row: Row) -> None:
    tenant = f"{row.id}-in-bulk"
    running.fill(tenant, row.given)
    operation = {"method": row.method, "path": row.path, "data": row.body, "bulkId": "one"}
    together = replace(row, id=tenant, method="POST", path="/Bulk", body={"Operations": [operation]}, status=200)
    answer, calls, _ = await running.cost(together)
    [entry] = json.loads(answer.body)["Operations"]
    assert entry["status"] == str(row.status), entry
    assert calls <= row.ceiling.by_operation(), f"{row.formula}: {row.ceiling}; it made {dict(calls)}"


async def test_every_row_has_its_own_customer() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)


async def test_the_calls_of_a_request_are_counted() -> None:
    """A counter that counts no call would stay below every maximum."""
    async with service(["seen"]) as running:
        running.fill("seen", Given())
        row = Row("seen", "", "", Calls(), "PATCH", f"/Users/{USER}", people.patch(_CHANGE), 204)
        _, calls, charge = await running.cost(row)
    assert calls == {"item.read": 1, "batch": 1}
    assert charge > 10


async def test_the_first_cursor_creates_the_key_and_each_instance_reads_it_once() -> None:
    """Further cursors, and lists that fit on one page, need no call for the key."""
    row = Row("t", "", "", Calls(), "GET", "/Users", query={"cursor": "", "excludedAttributes": "groups"})
    fits = replace(row, query={**row.query, "count": "150"})
    async with running_emulator() as (emulator, endpoint):

        async def cost(of: Service, row: Row) -> dict[str, int]:
            _, calls, _ = await of.cost(row)
            return {
                operation: number for operation, number in calls.items() if operation in {"item.read", "query", "batch"}
            }

        async with instance(emulator, endpoint, ["t"]) as one, instance(emulator, endpoint, ["t"]) as other:
            one.fill("t", Given(users=150))
            assert await cost(one, fits) == {"query": 1}
            assert emulator.items("$system") == []
            assert await cost(one, row) == {"query": 2, "item.read": 1, "batch": 1}
            made = emulator.items("$system")
            assert [item["id"] for item in made] == ["SealingKey:cursors"]
            assert await cost(one, row) == {"query": 2}
            assert await cost(other, fits) == {"query": 1}
            assert await cost(other, row) == {"query": 2, "item.read": 1}
            assert await cost(other, replace(row, pages_before=1)) == {"query": 1}
            assert emulator.items("$system") == made
