"""Whatever is stored and asked for, pages by cursor are the list in one go; and while others come and go, nobody is missed."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings, strategies as st

from scim.app import App, build
from scim.edge.http import Request
from scim.settings import Settings
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import BASE, ORIGIN
from tests.contract.cosmos import in_process

type Query = dict[str, Any]

TENANTS: Final = 500
MOST_PAGES: Final = 100
"""Nobody here has more of them; a walk that goes on is one in a circle."""
_TITLES: Final = st.sampled_from([None, "a", "A", "b", "é", "字", "🎉", "\x01", "a" * 300, "a" * 300 + "b"])
_NEW: Final = st.tuples(st.sampled_from(["User", "User", "Group"]), _TITLES, st.booleans())
"""A type, a title or display name, and whether the user is active."""
_FILTERS: Final = st.sampled_from(
    [None, None, "title pr", 'not (title sw "a")', 'title eq "A" or displayName pr', "active eq true", 'id ne "x"']
)
_SORTS: Final = st.sampled_from([None, "id", "title", "userName", "displayName", "active", "meta.created", "emails"])
_QUERIES: Final = st.fixed_dictionaries(
    {"count": st.integers(1, 5)},
    optional={"filter": _FILTERS, "sortBy": _SORTS, "sortOrder": st.sampled_from(["ascending", "descending"])},
)
_PATHS: Final = st.sampled_from(["/Users", "/Users", "/Groups", ""])
_CHANGES: Final = st.lists(st.one_of(_NEW, st.integers(0, 30)), max_size=4)
"""What happens between two pages: somebody new, or somebody by number goes."""


class Side:
    """One store, a tenant of it at a time."""

    def __init__(self, name: str, app: App) -> None:
        self.name = name
        self._app = app
        self._tokens = count()
        self._names = count()
        self.begin()

    def begin(self) -> None:
        self._token = f"token-{next(self._tokens)}"
        self.there: list[tuple[str, str]] = []

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self._token}"}
        answer = await self._app.handler.handle(Request(method, BASE + path, {}, headers, content, ORIGIN))
        return answer.status, json.loads(answer.body or b"null")

    async def change(self, change: tuple[str, str | None, bool] | int) -> None:
        if isinstance(change, int):
            if self.there:
                resource_type, id = self.there.pop(change % len(self.there))
                assert (await self.send("DELETE", f"/{resource_type}s/{id}"))[0] == 204
            return
        resource_type, title, active = change
        name = f"{title or 'nobody'}-{next(self._names)}"
        body = (
            {"userName": name, "title": title, "active": active} if resource_type == "User" else {"displayName": name}
        )
        status, made = await self.send("POST", f"/{resource_type}s", body)
        assert status == 201
        self.there.append((resource_type, made["id"]))

    async def search(self, path: str, query: Query) -> tuple[list[str], Any]:
        status, found = await self.send("POST", f"{path}/.search", query)
        assert status == 200, found
        return [resource["id"] for resource in found["Resources"]], found

    async def whole(self, path: str, query: Query) -> list[str]:
        ids, found = await self.search(path, {**query, "count": 1000})
        assert found["totalResults"] == len(ids)
        return ids


async def walked(
    side: Side, path: str, query: Query, cursor: str, to: str, between: list[list[Any]]
) -> tuple[list[list[str]], Any]:
    """The ids page by page, and the last answer; the changes are made between the pages."""
    pages: list[list[str]] = []
    changes = iter(between)
    while True:
        ids, found = await side.search(path, {**query, "cursor": cursor})
        pages.append(ids)
        assert len(pages) < MOST_PAGES
        if to not in found:
            return pages, found
        cursor = found[to]
        for change in next(changes, []):
            await side.change(change)


async def held(side: Side, people: list[Any], path: str, query: Query, between: list[list[Any]]) -> None:
    for new in people:
        await side.change(new)
    whole = await side.whole(path, query)

    # Nothing changes: on and back.
    pages, last = await walked(side, path, query, "", "nextCursor", [])
    assert joined(pages) == whole
    assert [len(page) for page in pages[:-1]] == [query["count"]] * (len(pages) - 1)
    assert last["totalResults"] == len(whole)
    if len(pages) > 1:
        before, first = await walked(side, path, query, last["previousCursor"], "previousCursor", [])
        assert joined([*reversed(before), pages[-1]]) == whole
        assert "nextCursor" in first

    # Others come and go: those who stay are seen once, in their order.
    pages, _ = await walked(side, path, query, "", "nextCursor", between)
    await stayed_once(side, path, query, whole, joined(pages))
    pages, last = await walked(side, path, query, "", "nextCursor", [])
    if len(pages) > 1:
        before, _ = await walked(side, path, query, last["previousCursor"], "previousCursor", between)
        await stayed_once(side, path, query, joined(pages[:-1]), joined([*reversed(before)]))
    event(f"{min(len(whole), 10)} of {len(people)}")


async def stayed_once(side: Side, path: str, query: Query, before: list[str], seen: list[str]) -> None:
    after = set(await side.whole(path, query))
    stayed = [id for id in before if id in after]
    assert len(seen) == len(set(seen))
    assert [id for id in seen if id in set(stayed)] == stayed


def joined(pages: list[list[str]]) -> list[str]:
    return [id for page in pages for id in page]


@asynccontextmanager
async def _opened() -> AsyncIterator[tuple[Side, ...]]:
    tokens = {f"token-{number}": f"tenant-{number}" for number in range(TENANTS)}
    plenty = Settings(requests_per_second=100_000)
    async with in_process() as (cosmos, _):
        apps = {type(store).__name__: build(plenty, tokens=tokens, store=store) for store in (SqliteStore(), cosmos)}
        yield tuple(Side(name, app) for name, app in apps.items())
        for app in apps.values():
            await app.close()


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[asyncio.Runner, tuple[Side, ...]]]:
    with asyncio.Runner() as runner:
        opened = _opened()
        yield runner, runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


@settings(max_examples=40, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(
    people=st.lists(_NEW, min_size=4, max_size=14),
    path=_PATHS,
    query=_QUERIES,
    between=st.lists(_CHANGES, min_size=1, max_size=6),
)
def test_pages_by_cursor_are_the_list_and_miss_nobody(
    world: tuple[asyncio.Runner, tuple[Side, ...]],
    people: list[Any],
    path: str,
    query: Query,
    between: list[list[Any]],
) -> None:
    runner, sides = world
    asked = {name: value for name, value in query.items() if value is not None}
    if path == "/Groups":
        asked.pop("filter", None)  # most of them ask for what groups don't have
        asked = (
            asked if asked.get("sortBy") in {None, "id", "displayName", "meta.created"} else {"count": asked["count"]}
        )
    for side in sides:
        side.begin()
        runner.run(held(side, people, path, asked, between))
