"""Whatever groups there are and however a client pages, it sees each group once with all members, or is told why not."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count as numbers
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from scim.app import App, build
from scim.edge.http import Request
from scim.settings import Settings
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import BASE, ORIGIN
from tests.contract.cosmos import in_process

ROOM: Final = 10_000
TENANTS: Final = 200
_SIZES: Final = st.lists(st.one_of(st.integers(0, 3), st.integers(0, 60), st.just(150)), min_size=1, max_size=8)
_ORDERS: Final = st.sampled_from([{}, {"sortBy": "id"}, {"sortBy": "displayName"}, {"sortBy": "externalId"}])
_DESCENDING: Final = st.booleans()


class Side:
    """One service with small lists; a tenant of it at a time."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._tokens = numbers()

    def begin(self) -> None:
        self._token = f"token-{next(self._tokens)}"

    async def send(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {self._token}"}
        answer = await self._app.handler.handle(
            Request(method, BASE + path, {}, headers, json.dumps(body).encode(), ORIGIN)
        )
        return answer.status, answer.body

    async def search(self, query: dict[str, Any]) -> Any:
        """An answer within the limit, unless it has a single resource; `None` if it would have been beyond."""
        status, body = await self.send("POST", "/Groups/.search", query)
        found = json.loads(body)
        if status == 400:
            assert found["scimType"] == "tooMany"
            return None
        assert status == 200, body
        assert len(body) <= ROOM or found["itemsPerPage"] == 1
        return found


def seen(found: Any) -> list[tuple[str, int]]:
    return [(group["displayName"], len(group.get("members", []))) for group in found["Resources"]]


async def by_index(side: Side, query: dict[str, Any], count: int, total: int) -> list[tuple[str, int]]:
    """The client adds `count`, and asks for half as many where it is told that these are too many."""
    groups: list[tuple[str, int]] = []
    while len(groups) < total:
        found = await side.search({**query, "startIndex": len(groups) + 1, "count": count})
        if found is None:
            assert count > 1
            count //= 2
            continue
        assert found["totalResults"] == total
        assert found["itemsPerPage"] == min(count, total - len(groups))
        groups += seen(found)
    return groups


async def by_cursor(side: Side, query: dict[str, Any], count: int, total: int) -> list[tuple[str, int]]:
    """On to the last page; then back to the first, over the same groups."""
    pages = [await side.search({**query, "cursor": "", "count": count})]
    while (cursor := pages[-1].get("nextCursor")) is not None:
        pages.append(await side.search({**query, "cursor": cursor}))
        assert len(pages) <= total
    assert all(page["Resources"] and page["itemsPerPage"] <= count for page in pages)
    back = [pages[-1]]
    while (cursor := back[-1].get("previousCursor")) is not None:
        back.append(await side.search({**query, "cursor": cursor}))
        assert len(back) <= total
    forwards = [group for page in pages for group in seen(page)]
    assert [group for page in reversed(back) for group in seen(page)] == forwards
    return forwards


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[Side, ...]]:
    tokens = {f"token-{number}": f"tenant-{number}" for number in range(TENANTS)}
    small = Settings(requests_per_second=100_000, max_list_bytes=ROOM)
    async with in_process() as (cosmos, _):
        apps = [build(small, tokens=tokens, store=store) for store in (SqliteStore(), cosmos)]
        yield tuple(Side(app) for app in apps)
        for app in apps:
            await app.close()


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[asyncio.Runner, tuple[Side, ...]]]:
    with asyncio.Runner() as runner:
        opened = _opened()
        yield runner, runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


async def held(side: Side, sizes: list[int], query: dict[str, Any], count: int) -> None:
    for number, size in enumerate(sizes):
        members = [{"value": f"{number}-{member:040}"} for member in range(size)]
        body = {"displayName": f"group {number}", "externalId": f"{size:03}", "members": members}
        assert (await side.send("POST", "/Groups", body))[0] == 201
    created = [(f"group {number}", size) for number, size in enumerate(sizes)]
    indexed = await by_index(side, query, count, len(sizes))
    assert await by_cursor(side, query, count, len(sizes)) == indexed
    assert sorted(indexed) == created
    if query.get("sortBy") == "externalId":
        assert [size for _, size in indexed] == sorted(sizes, reverse=query["sortOrder"] == "descending")
    elif query.get("sortBy"):
        assert indexed == (created[::-1] if query["sortOrder"] == "descending" else created)
    else:
        assert indexed == created


@settings(max_examples=25, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(sizes=_SIZES, order=_ORDERS, descending=_DESCENDING, count=st.integers(1, 10))
def test_pages_are_full_within_the_limit_and_show_each_group_once(
    world: tuple[asyncio.Runner, tuple[Side, ...]],
    sizes: list[int],
    order: dict[str, str],
    descending: bool,
    count: int,
) -> None:
    runner, sides = world
    query = {**order, "sortOrder": "descending" if descending else "ascending"}
    for side in sides:
        side.begin()
        runner.run(held(side, sizes, query, count))
