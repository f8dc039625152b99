"""Any filter keeps the same resources in the same order on every store, and those that the evaluator keeps."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Final

import pytest
from hypothesis import Phase, event, given, settings, strategies as st

from scim.protocol import search_fields
from scim.protocol.errors import InvalidFilter
from scim.protocol.filter import binding
from scim.protocol.filter.binding import Bound
from scim.protocol.filter.evaluate import matches
from scim.protocol.filter.syntax import Filter
from scim.protocol.json import JsonObject
from scim.protocol.schema.model import ResourceType
from scim.storage.interface import Search, Store, WriteModel
from scim.storage.sqlite.store import SqliteStore
from tests.contract.cosmos import in_process
from tests.contract.write_models import resource_id
from tests.properties.strategies import GROUP, USER, bodies, filters, filters_about, resource

AT_ONCE: Final = 10
"""Filters that are tried on the same people."""

type Stores = tuple[Store, ...]


class World:
    """The stores, each with the people of each example in a tenant of their own."""

    def __init__(self, runner: asyncio.Runner, stores: Stores) -> None:
        self._runner = runner
        self._stores = stores
        self._tenants = count(1)

    def agree(self, resource_type: ResourceType, people: list[WriteModel], trees: list[Bound]) -> None:
        self._runner.run(self._agree(resource_type, people, trees, f"tenant-{next(self._tenants)}"))

    async def _agree(
        self, resource_type: ResourceType, people: list[WriteModel], trees: list[Bound], tenant: str
    ) -> None:
        for store in self._stores:
            for new in people:
                await store.create(tenant, new)
        for number, tree in enumerate(trees):
            kept = [new for new in people if matches(tree, new.search_fields)]
            for turn, sort in enumerate((None, *resource_type.sort_paths)):
                # Each way of sorting, ascending and descending by turns, and the other way round for the next filter.
                descending = sort is not None and (turn + number) % 2 == 1
                expected = [new.id for new in kept]
                if sort is not None:
                    expected = [n.id for n in sorted(kept, key=_sort_key(sort), reverse=descending)]
                for store in self._stores:
                    found = await store.search(tenant, resource_type.name, Search(tree, 0, 100, sort, descending))
                    assert [item.id for item in found.items] == expected, (type(store).__name__, sort, descending)
                    assert found.total == len(expected)
            for store in self._stores:
                page = await store.search(tenant, resource_type.name, Search(tree, 1, 2))
                assert [item.id for item in page.items] == [new.id for new in kept[1:3]]
                assert page.total == len(kept)


def _sort_key(sort: str) -> Callable[[WriteModel], str]:
    return lambda new: new.sort_keys[sort]


@asynccontextmanager
async def _opened() -> AsyncIterator[Stores]:
    sqlite = SqliteStore()
    async with in_process() as (cosmos, _):
        yield sqlite, cosmos
    await sqlite.close()


@contextmanager
def new_world() -> Iterator[World]:
    with asyncio.Runner() as runner:
        opened = _opened()
        yield World(runner, runner.run(opened.__aenter__()))
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with new_world() as made:
        yield made


def draft(resource_type: ResourceType, body: JsonObject, number: int) -> WriteModel:
    named = (
        {**body, resource_type.unique: f"{body[resource_type.unique][:50]}-{number}"} if resource_type.unique else body
    )
    new = resource(named, resource_type, id=resource_id(number))
    f = search_fields.build(new, resource_type)
    return WriteModel(
        resource_type.name,
        new["id"],
        search_fields.key(new, resource_type),
        new,
        f,
        search_fields.sort_keys(new, f, resource_type),
    )


def bound(tree: Filter, resource_type: ResourceType) -> Bound | None:
    """The tree as a store gets it; `None` if the service refuses it."""
    try:
        return binding.bind(tree, resource_type)
    except InvalidFilter:
        return None


def agreed(world: World, data: st.DataObject) -> int:
    """Some people, and filters about them, on all stores; how many filters."""
    resource_type = data.draw(st.sampled_from([USER, USER, USER, GROUP]))
    people = [
        draft(resource_type, body, n)
        for n, body in enumerate(data.draw(st.lists(bodies(resource_type), min_size=2, max_size=6)))
    ]
    about = st.sampled_from(people).flatmap(lambda new: filters_about(new.resource, resource_type))
    usable = (
        st.one_of(about, about, filters(resource_type))
        .map(lambda tree: bound(tree, resource_type))
        .filter(lambda tree: tree is not None)
    )
    trees = [tree for tree in data.draw(st.lists(usable, min_size=AT_ONCE, max_size=AT_ONCE)) if tree is not None]
    for tree in trees:
        event(f"keeps {sum(matches(tree, new.search_fields) for new in people)} of {len(people)}")
    world.agree(resource_type, people, trees)
    return len(trees)


# Without making a failure smaller: that takes minutes.
@settings(max_examples=15, phases=[Phase.generate])
@given(st.data())
def test_all_stores_and_the_evaluator_agree(world: World, data: st.DataObject) -> None:
    agreed(world, data)
