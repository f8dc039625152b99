"""Filters that ask for members lead to a bounded number of resources, all together."""

import pytest

from scim.protocol import query
from scim.protocol.errors import TooMany
from scim.protocol.filter import parse
from scim.protocol.limits import Limits
from scim.protocol.registry import core
from scim.service.membership import Memberships
from scim.storage.interface import Member
from scim.storage.sqlite import SqliteStore
from tests.contract.drafts import group

GROUP = core().resource_types["Group"]


async def test_all_members_that_a_filter_asks_for_lead_to_a_bounded_number_of_groups() -> None:
    store = SqliteStore()
    for number in range(4):
        await store.create("t", group(f"g{number}", number), [Member("a"), Member("b")])
    memberships = Memberships(store, core(), Limits(linked=4, linked_together=7))

    async def resolve(text: str) -> None:
        await memberships.resolved("t", query.bind(parse(text), GROUP), GROUP)

    await resolve('members eq "a" or members eq "c"')
    with pytest.raises(TooMany):
        await resolve('members eq "a" or members eq "b"')
    with pytest.raises(TooMany):
        await resolve('members eq "a" and (displayName pr or members eq "b")')
    await store.close()
