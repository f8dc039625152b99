"""No request makes more database calls than its operation may: whole requests, counted where they reach the database."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from benchmarks import people
from tests.cosmos.costs import ROWS, USER, Calls, Given, Row, Service, service

_CHANGE = {"op": "replace", "path": "title", "value": "Guide"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Service]:
    async with service([row.id for row in ROWS]) as running:
        yield running


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
async def test_a_request_stays_below_its_ceiling(running: Service, row: Row) -> None:
    running.fill(row.id, row.given)
    answer, calls, _ = await running.cost(row)
    assert answer.status == row.status, answer.body[:500]
    assert calls <= row.ceiling.by_kind(), (
        f"{row.operation} may cost {row.formula}: {row.ceiling}; it made {dict(calls)}"
    )


async def test_every_row_has_a_tenant_of_its_own() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)


async def test_the_calls_of_a_request_are_seen() -> None:
    """A count that sees nothing would stay below every ceiling."""
    async with service(["seen"]) as running:
        running.fill("seen", Given())
        row = Row("seen", "", "", Calls(), "PATCH", f"/Users/{USER}", people.patch(_CHANGE), 204)
        _, calls, charge = await running.cost(row)
    assert calls == {"item.read": 1, "batch": 1}
    assert charge > 10
