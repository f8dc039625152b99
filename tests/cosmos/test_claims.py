"""Claims on Cosmos DB: they come and go with their resource, whatever the database does, and cost no further call."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import pytest

from scim.protocol import fold
from scim.protocol.registry import core
from scim.service.reindex import Reindex
from scim.storage.cosmos import CosmosStore
from scim.storage.cosmos_items import claim_id, resource_item
from scim.storage.interface import Draft, Member, MemberChanges, StoreError, StoreUnavailable, Taken
from tests.contract.drafts import draft, group, resource_id, user
from tests.contract.own_types import BADGE as BADGE_OF_CAMPUS, CAMPUS, attribute, body, registry
from tests.contract.test_unique import Service
from tests.cosmos.conftest import TENANT, Time, left
from tests.cosmos.world import at_once
from tests.cosmos_emulator import (
    CutAfter,
    CutBefore,
    Emulator,
    FailOperation,
    Fault,
    Slow,
    retry_with,
    throttled,
    timed_out,
    unavailable,
)

BADGE: Final = "urn:example:badge"
MANY: Final = tuple(Member(f"m{number:03}") for number in range(300))
TWENTY: Final = {f"{BADGE}:{n}": "old" for n in range(20)}


def person(number: int, **claims: str) -> Draft:
    return replace(user(f"user-{number}", number), claims=claims)


def team(number: int, **claims: str) -> Draft:
    return replace(group(f"group-{number}", number), claims=claims)


def claimed(emulator: Emulator) -> dict[tuple[str, str], int]:
    """Whose each claim is, by type and value's item; every claim must have a resource that is there."""
    items = {item["id"]: item for item in emulator.items(TENANT)}
    claims = [item for item in items.values() if item["type"] == "claim"]
    assert [one["id"] for one in claims if f"{one['of']}:{one['member']}" not in items] == []
    return {(one["path"], one["id"]): int(one["member"][-12:], 16) for one in claims}


def holders(emulator: Emulator, kind: str = "User", path: str = "badge", values: str = "12") -> list[int | None]:
    """Who has each of these values of one character."""
    found = claimed(emulator)
    return [found.get((path, claim_id(kind, path, value))) for value in values]


# --- items and calls ---


async def test_a_claim_is_an_item_without_its_value(store: CosmosStore, emulator: Emulator) -> None:
    await store.create(TENANT, replace(user(number=1), claims={BADGE: "A/B?#..\\ 4711"}))
    [item] = left(emulator, "claim")
    own = {name: value for name, value in item.items() if not name.startswith("_")}
    id = claim_id("User", BADGE, "A/B?#..\\ 4711")
    assert own == {
        "id": id,
        "tenant": TENANT,
        "type": "claim",
        "key": id,
        "member": resource_id(1),
        "of": "User",
        "path": BADGE,
    }
    assert id.removeprefix("x:claim:").isalnum()


async def test_claims_cost_no_call_of_their_own(store: CosmosStore, emulator: Emulator) -> None:
    async def cost(work: Awaitable[Any]) -> Mapping[str, int]:
        emulator.requests.clear()
        with suppress(Taken):
            await work
        return emulator.counts()

    await store.create(TENANT, person(9))  # opens the container
    one = {"batch": 1}
    assert await cost(store.create(TENANT, person(1, badge="1"))) == one
    assert await cost(store.create(TENANT, person(2, badge="1"))) == one
    stored = await store.read(TENANT, "User", resource_id(1))
    assert stored is not None
    version = stored.version
    for held, claims in (({"badge": "1"}, {"badge": "1"}), ({"badge": "1"}, {"badge": "2"}), ({"badge": "2"}, {})):
        emulator.requests.clear()
        version = await store.replace(TENANT, person(1, **claims), expected=version, held=held)
        assert emulator.counts() == one
    emulator.requests.clear()
    await store.replace(TENANT, person(1, badge="3"), expected=version, held=None)
    assert emulator.counts() == {"query": 1, "batch": 1}
    assert await cost(store.delete(TENANT, "User", resource_id(1))) == {"query": 1, "batch": 1}
    with_members = store.create(TENANT, replace(team(3), claims=TWENTY), MANY[:78])
    assert await cost(with_members) == one


async def test_what_a_schema_lost_costs_a_change_no_query(store: CosmosStore, emulator: Emulator) -> None:
    before = Service(store, TENANT, registry(attribute("badge"), attribute("tag")))
    id = await before.post(body("ada", badge="1", tag="x"))
    service = before.under(registry(attribute("badge")))
    await service.patch(id, "title", "one")  # written by other rules: who holds what is looked for
    for badge in ("2", "3"):
        emulator.requests.clear()
        await service.patch(id, BADGE_OF_CAMPUS, badge)
        assert [call.kind for call in emulator.item_requests] == ["item.read", "batch"]
    assert holders(emulator, path=BADGE_OF_CAMPUS, values="123") == [None, None, int(id[-12:], 16)]
    await service.put(id, body("ada"))
    assert claimed(emulator) == {}


async def test_a_batch_has_room_for_claims_beside_members(store: CosmosStore, emulator: Emulator) -> None:
    held, claims = TWENTY, dict.fromkeys(TWENTY, "new")
    version = await store.create(TENANT, replace(team(1), claims=held), MANY[:79])
    emulator.requests.clear()
    changes = MemberChanges(MANY[79:200], tuple(member.value for member in MANY[:79]))
    await store.replace(TENANT, replace(team(1), claims=claims), expected=version, members=changes, held=held)
    # 58 beside 40 operations on claims, then 98 and the rest.
    assert emulator.counts() == {"batch": 3}
    assert len(left(emulator, "member")) == 121
    assert set(claimed(emulator)) == {(path, claim_id("Group", path, "new")) for path in TWENTY}


# --- deletions ---


async def test_claims_go_in_the_batch_that_deletes_their_resource(
    store: CosmosStore, emulator: Emulator, time: Time
) -> None:
    """Although the resource is in more groups than a page has, and those were there before it had claims."""
    for number in range(10, 1_110):
        emulator.seed(
            [
                {
                    "id": f"m:{number}",
                    "tenant": TENANT,
                    "type": "member",
                    "key": f"m:{number}",
                    "group": resource_id(number),
                    "member": resource_id(1),
                }
            ]
        )
    await store.create(TENANT, replace(person(1), claims=TWENTY))
    time.step = 100.0  # no time for anything but the first batch
    await store.delete(TENANT, "User", resource_id(1))
    time.step = 0.0
    assert left(emulator, "claim") == []
    assert len(left(emulator, "member")) == 1_100 - (98 - 20)
    await store.sweep(TENANT)
    assert left(emulator, "member") == []


async def test_a_deletion_under_a_move_of_a_claim_takes_the_new_one_and_nobody_elses(
    store: CosmosStore, emulator: Emulator
) -> None:
    version = await store.create(TENANT, person(1, badge="1"))
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault("batch", slow))
    deletion = asyncio.ensure_future(store.delete(TENANT, "User", resource_id(1)))
    await slow.reached.wait()
    await store.replace(TENANT, person(1, badge="2"), expected=version, held={"badge": "1"})
    await store.create(TENANT, person(2, badge="1"))
    slow.event.set()
    await deletion
    assert holders(emulator) == [2, None]


async def test_a_claim_that_comes_under_a_deletion_is_swept(store: CosmosStore, emulator: Emulator) -> None:
    version = await store.create(TENANT, person(1))
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault("batch", slow))
    deletion = asyncio.ensure_future(store.delete(TENANT, "User", resource_id(1)))
    await slow.reached.wait()
    await store.replace(TENANT, person(1, badge="1"), expected=version)
    slow.event.set()
    await deletion
    assert len(left(emulator, "claim")) == 1
    with pytest.raises(Taken):
        await store.create(TENANT, person(2, badge="1"))
    assert await store.sweep(TENANT) == 1
    await store.create(TENANT, person(3, badge="1"))
    assert holders(emulator) == [3, None]


async def test_a_sweep_leaves_a_claim_that_has_gone_to_somebody_else_since_it_looked(
    store: CosmosStore, emulator: Emulator
) -> None:
    version = await store.create(TENANT, person(1))
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault("batch", slow))
    deletion = asyncio.ensure_future(store.delete(TENANT, "User", resource_id(1)))
    await slow.reached.wait()
    await store.replace(TENANT, person(1, badge="1"), expected=version)
    slow.event.set()
    await deletion
    slow = Slow(asyncio.Event())
    emulator.faults.append(Fault("batch", slow))
    first = asyncio.ensure_future(store.sweep(TENANT))
    await slow.reached.wait()
    await store.sweep(TENANT)
    await store.create(TENANT, person(2, badge="1"))
    slow.event.set()
    await first
    assert holders(emulator) == [2, None]


# --- faults ---


async def _created(store: CosmosStore) -> str:
    return await store.create(TENANT, person(1, badge="1"))


async def _moved(store: CosmosStore) -> str:
    version = await store.create(TENANT, person(1, badge="1"))
    return await store.replace(TENANT, person(1, badge="2"), expected=version, held={"badge": "1"})


async def _moved_unknown(store: CosmosStore) -> str:
    version = await store.create(TENANT, person(1, badge="1"))
    return await store.replace(TENANT, person(1, badge="2"), expected=version, held=None)


async def _deleted(store: CosmosStore) -> None:
    await store.create(TENANT, person(1, badge="1"))
    await store.delete(TENANT, "User", resource_id(1))


type Work = Callable[[CosmosStore], Awaitable[Any]]
WORKS: Final[dict[str, tuple[Work, int, list[int | None]]]] = {
    "create": (_created, 1, [1, None]),
    "move": (_moved, 2, [None, 1]),
    "move what isn't known": (_moved_unknown, 2, [None, 1]),
    "delete": (_deleted, 2, [None, None]),
}


@pytest.mark.parametrize(("work", "nth", "then"), WORKS.values(), ids=WORKS)
@pytest.mark.parametrize(
    "effect",
    [
        throttled(1),
        retry_with(),
        timed_out(),
        timed_out(after=True),
        unavailable(after=True),
        CutBefore(),
        CutAfter(),
        FailOperation(1, 449),
        FailOperation(1, 503),
    ],
    ids=["429", "449", "408", "408 after", "503 after", "cut before", "cut after", "claim 449", "claim 503"],
)
async def test_a_lost_answer_leaves_every_claim_where_it_belongs(
    store: CosmosStore, emulator: Emulator, work: Work, nth: int, then: list[int | None], effect: Any
) -> None:
    emulator.faults.append(Fault("batch", effect, nth=nth))
    await work(store)
    assert holders(emulator) == then


@pytest.mark.parametrize("effect", [CutBefore(), throttled(1), FailOperation(1, 412), FailOperation(1, 500)])
async def test_a_write_that_keeps_failing_changes_no_claim(store: CosmosStore, emulator: Emulator, effect: Any) -> None:
    version = await store.create(TENANT, person(1, badge="1"))
    emulator.faults.append(Fault("batch", effect, times=None))
    for write in (
        store.create(TENANT, person(2, badge="2")),
        store.replace(TENANT, person(1, badge="2"), expected=version, held={"badge": "1"}),
        store.replace(TENANT, person(1, badge="2"), expected=version, held=None),
        store.delete(TENANT, "User", resource_id(1)),
    ):
        with pytest.raises(StoreError) as raised:
            await write
        assert not isinstance(raised.value, Taken)
    assert holders(emulator) == [1, None]


async def test_a_write_whose_own_claim_is_met_by_a_repeat_is_not_taken(store: CosmosStore, emulator: Emulator) -> None:
    """The first try took effect unnoticed, and so did its claim."""
    emulator.faults.append(Fault("batch", CutAfter()))
    emulator.faults.append(Fault("item.read", unavailable(), times=4))
    await store.create(TENANT, person(1, badge="1"))
    assert holders(emulator) == [1, None]


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
@pytest.mark.parametrize("effect", [CutBefore(), throttled(1), FailOperation(2, 409)], ids=["cut", "429", "409"])
async def test_a_large_group_that_fails_leaves_no_claim(
    store: CosmosStore, emulator: Emulator, time: Time, effect: Any, nth: int
) -> None:
    emulator.faults.append(Fault("batch", effect, nth=nth, times=None))
    with pytest.raises(StoreError):
        await store.create(TENANT, team(1, badge="1"), MANY)
    emulator.faults.clear()
    assert holders(emulator, "Group") == [None, None]
    time.seconds += 601
    await store.sweep(TENANT)
    assert left(emulator, "claim", "member", "pending") == []
    await store.create(TENANT, team(2, badge="1"), MANY)
    assert holders(emulator, "Group") == [2, None]


@pytest.mark.parametrize("nth", [1, 4])
async def test_a_large_group_whose_last_answer_is_lost_has_its_claims(
    store: CosmosStore, emulator: Emulator, nth: int
) -> None:
    emulator.faults.append(Fault("batch", CutAfter(), nth=nth))
    await store.create(TENANT, replace(team(1), claims=TWENTY), MANY)
    assert len(claimed(emulator)) == 20
    assert len(left(emulator, "member")) == 300
    assert left(emulator, "pending", "gone") == []


async def test_a_large_group_whose_claim_is_taken_leaves_no_members(store: CosmosStore, emulator: Emulator) -> None:
    await store.create(TENANT, team(1, badge="1"))
    with pytest.raises(Taken) as taken:
        await store.create(TENANT, team(2, also="2", badge="1"), MANY)
    assert taken.value.path == "badge"
    assert left(emulator, "member", "pending") == []
    assert holders(emulator, "Group") == [1, None]
    assert len(left(emulator, "claim")) == 1


async def test_a_claim_that_got_lost_stands_in_nobodys_way(store: CosmosStore, emulator: Emulator) -> None:
    """An erasure that was stopped, or somebody's hands, took it away: the resource can be changed all the same."""
    version = await store.create(TENANT, person(1, badge="1", other="1"))
    partition = emulator.container().partition(TENANT)
    partition.delete(claim_id("User", "badge", "1"), None)
    held = {"badge": "1", "other": "1"}
    await store.replace(TENANT, person(1, badge="2"), expected=version, held=held)
    assert holders(emulator) == [None, 1]
    assert len(left(emulator, "claim")) == 1


async def test_a_release_that_always_fails_ends(store: CosmosStore, emulator: Emulator) -> None:
    version = await store.create(TENANT, person(1, badge="1"))
    emulator.faults.append(Fault("batch", FailOperation(1, 404), times=None))
    with pytest.raises(StoreUnavailable):
        await store.replace(TENANT, person(1, badge="2"), expected=version, held={"badge": "1"})
    assert holders(emulator) == [1, None]


# --- what is outdated ---


async def test_items_of_earlier_versions_are_outdated_and_can_be_written(
    store: CosmosStore, emulator: Emulator
) -> None:
    """Their `v` is a number, or isn't there."""
    for number, v in ((1, {"v": 1}), (2, {}), (3, {"v": "1.a"})):
        item = resource_item(TENANT, person(number), "seed")
        emulator.seed([{**{name: value for name, value in item.items() if name != "v"}, **v}])
    found = await store.outdated(TENANT, "User", "1.a", limit=10)
    assert [stored.id for stored in found] == [resource_id(1), resource_id(2)]
    for stored in found:
        new = replace(person(int(stored.id[-12:])), rules="1.a")
        await store.replace(TENANT, new, expected=stored.version, held=None)
    assert await store.outdated(TENANT, "User", "1.a", limit=10) == []


async def test_a_reindex_waits_while_it_is_throttled_and_goes_on(
    store: CosmosStore, emulator: Emulator, time: Time
) -> None:
    for number in range(3):
        await store.create(TENANT, replace(person(number), rules="0.old"))
    # The SDK tries four times before it gives a batch up.
    emulator.faults.append(Fault("batch", throttled(7), nth=2, times=8))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    seen = [one async for one in Reindex(store, core(), sleep).run(TENANT)]
    assert [bool(one) for one in seen] == [True] * 3
    assert waits == [1, 1]
    assert await store.outdated(TENANT, "User", fold.rules(core().resource_types["User"]), limit=10) == []


async def test_a_reindex_under_lost_answers_does_everything_once(store: CosmosStore, emulator: Emulator) -> None:
    types = registry(attribute("badge"))
    for number in range(6):
        new = draft("User", {"userName": f"user-{number}"}, id=resource_id(number))
        await store.create(TENANT, replace(new, resource={**new.resource, CAMPUS: {"badge": str(number)}}))
    emulator.faults.append(Fault("batch", CutAfter(), nth=1, times=1))
    emulator.faults.append(Fault("batch", CutBefore(), nth=3, times=1))
    emulator.faults.append(Fault("batch", timed_out(after=True), nth=5, times=1))

    assert all([seen async for seen in Reindex(store, types, at_once).run(TENANT)])
    assert holders(emulator, path=BADGE_OF_CAMPUS, values="012345") == [0, 1, 2, 3, 4, 5]
    assert [seen async for seen in Reindex(store, types, at_once).run(TENANT)] == []
