"""Filters that ask for members cost a bounded number of look-ups and lead to a bounded number of resources."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import count

import pytest

from scim.protocol.errors import TooMany, Unavailable
from scim.protocol.filter import binding
from scim.protocol.filter.binding import AnyOf, Bound
from scim.protocol.filter.syntax import parse
from scim.protocol.limits import Limits
from scim.protocol.schema.registry import core
from scim.service.memberships import Memberships
from scim.storage.interface import Member, Membership
from scim.storage.sqlite.store import SqliteStore
from tests.contract.write_models import group, resource_id

GROUP = core().resource_types["Group"]


class Counted(SqliteStore):
    """A store that counts the look-ups."""

    looked_up = 0

    async def memberships(
        self, tenant: str, members: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        self.looked_up += 1
        return await super().memberships(tenant, members, after=after, limit=limit)

    async def is_member(self, tenant: str, group: str, member: str) -> bool:
        self.looked_up += 1
        return await super().is_member(tenant, group, member)


@pytest.fixture
async def store() -> AsyncIterator[Counted]:
    store = Counted()
    for number in range(4):
        await store.create("t", group(f"g{number}", number), [Member("a"), Member("b")])
    yield store
    await store.close()


async def resolve(
    store: Counted, text: str, limits: Limits | None = None, timer: Callable[[], float] = lambda: 0.0
) -> Bound:
    memberships = Memberships(store, core(), limits or Limits(), timer=timer, sleep=asyncio.sleep)
    return await memberships.resolve("t", binding.bind(parse(text), GROUP), GROUP)


async def test_all_members_that_a_filter_asks_for_lead_to_a_bounded_number_of_groups(store: Counted) -> None:
    limits = Limits(related_ids=4, related_ids_together=7)
    await resolve(store, 'members eq "a" or members eq "c"', limits)
    for text in (
        'members eq "a" or members eq "b"',
        'members eq "a" or members eq "a"',
        'members eq "a" and (displayName pr or members eq "b")',
    ):
        with pytest.raises(TooMany):
            await resolve(store, text, limits)


def asking(values: Iterator[str], times: int) -> str:
    return " or ".join(f'members eq "{next(values)}"' for _ in range(times))


async def test_a_value_is_looked_up_once_and_fifty_different_ones_are_the_most(store: Counted) -> None:
    numbers = (f"m{number}" for number in count())
    await resolve(store, asking(numbers, 50))
    assert store.looked_up == 50
    with pytest.raises(TooMany, match=r"at most 50 different values of .*this one has 51"):
        await resolve(store, asking(numbers, 51))
    assert store.looked_up == 50
    store.looked_up = 0
    bound = await resolve(store, " or ".join(['members eq "a"'] * 100))
    assert store.looked_up == 1
    assert isinstance(bound, AnyOf)
    assert len(set(bound.terms)) == 1


async def test_a_value_beside_another_id_is_another_look_up(store: Counted) -> None:
    terms = [f'(id eq "{resource_id(number)}" and members eq "a")' for number in range(4)]
    await resolve(store, " or ".join(terms * 10))
    assert store.looked_up == 4
    others = [f'(id eq "{resource_id(number)}" and members eq "a")' for number in range(50)]
    with pytest.raises(TooMany):
        await resolve(store, " or ".join([*others[:49], 'members eq "a"', 'members eq "b"']))


async def test_nothing_is_looked_up_behind_the_limit(store: Counted) -> None:
    with pytest.raises(TooMany):
        await resolve(store, 'members eq "a" or members eq "b" or members eq "c"', Limits(related_ids_together=3))
    assert store.looked_up == 1


async def test_looking_up_ends_with_the_time_of_the_request(store: Counted) -> None:
    """Here each look at the timer takes 25 seconds."""
    seconds = count(0, 25)
    numbers = (f"m{number}" for number in count())
    with pytest.raises(Unavailable) as raised:
        await resolve(store, asking(numbers, 10), timer=lambda: float(next(seconds)))
    assert raised.value.headers["Retry-After"]
    assert store.looked_up == 2
