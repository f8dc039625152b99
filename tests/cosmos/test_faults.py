"""Faults of Cosmos DB in every request: no data is lost, doubled, orphaned or partial, and a repeat completes it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
import pytest_asyncio

from scim.storage.errors import AlreadyExists, NotFound, StoreError, StoreUnavailable, Throttled, TooLarge
from scim.storage.interface import Member, MemberChanges, Search
from tests.contract.test_store import LATER, adding, removing
from tests.contract.write_models import bound, group, touch, user
from tests.cosmos.world import MANY, Answer, Ids, Service, State, members, new_tenant, patch_of, populated, serving
from tests.cosmos_emulator import (
    Answer as Says,
    Call,
    CutAfter,
    CutBefore,
    FailOperation,
    Fault,
    ShortPage,
    forbidden,
    owner_not_found,
    retry_with,
    throttled,
    timed_out,
    unauthorized,
    unavailable,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

type World = tuple[Service, Ids]


@pytest.fixture(scope="module")
def clock() -> list[float]:
    """The time of the app's timer, and how much it advances at each reading."""
    return [0.0, 0.0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def first(clock: list[float]) -> AsyncIterator[World]:
    def timer() -> float:
        clock[0] += clock[1]
        return clock[0]

    async with serving(timer=timer) as service:
        yield await populated(service)


@pytest.fixture
def world(first: World) -> World:
    """The sample data in its own customer."""
    service, ids = first
    return service.of(new_tenant()), ids


@pytest.fixture
def small_world(first: World) -> World:
    """The sample data without most members of the large group."""
    service, ids = first
    return service.of(new_tenant(), with_many=False), ids


def write(call: Call) -> bool:
    return call.operation == "batch"


def data(call: Call) -> bool:
    """Match every request for items."""
    return call.resource_type == "docs"


def lookups(service: Service) -> Callable[[Call], bool]:
    """Match point reads after the first batch."""
    service.emulator.requests.clear()
    return lambda call: call.operation == "item.read" and service.emulator.counts()["batch"] > 0


# --- requests ---


@dataclass(frozen=True)
class Case:
    """A request on the sample data, and its effect on users (title by name) and groups (members by name)."""

    method: str
    path: Callable[[Ids], str]
    body: Callable[[Ids], Any]
    status: int
    change: Callable[[State, Ids], None]
    again: int
    """The status of a repeat after the first request was applied."""

    async def send(self, service: Service, ids: Ids) -> Answer:
        return await service.send(self.method, self.path(ids), self.body(ids))


def _at(path: str) -> Callable[[Ids], str]:
    return lambda ids: path.format(ids=ids)


def _patch(op: str, *values: str) -> Callable[[Ids], Any]:
    return lambda ids: patch_of({"op": op, "path": "members", "value": members(*values)})


def _users(**users: str | None) -> Callable[[State, Ids], None]:
    return lambda state, ids: state[0].update(users)


def _groups(name: str, change: Callable[[set[str], Ids], set[str]]) -> Callable[[State, Ids], None]:
    def apply(state: State, ids: Ids) -> None:
        state[1][name] = sorted(change(set(state[1].get(name, ())), ids))

    return apply


def _without_user(state: State, ids: Ids) -> None:
    del state[0]["ada"]
    for name, values in state[1].items():
        state[1][name] = [value for value in values if value != ids.ada]


NEW: Final = tuple(f"n{number:03}" for number in range(210))
CASES: Final = {
    "create a user": Case("POST", _at("/Users"), lambda _: {"userName": "eve"}, 201, _users(eve=None), 409),
    "create a group": Case(
        "POST",
        _at("/Groups"),
        lambda ids: {"displayName": "New", "members": members(ids.ada, "x", "y")},
        201,
        _groups("New", lambda _, ids: {ids.ada, "x", "y"}),
        409,
    ),
    "create a large group": Case(
        "POST",
        _at("/Groups"),
        lambda ids: {"displayName": "New", "members": members(ids.ada, *NEW)},
        201,
        _groups("New", lambda _, ids: {ids.ada, *NEW}),
        409,
    ),
    "put a user": Case(
        "PUT", _at("/Users/{ids.ada}"), lambda _: {"userName": "ada", "title": "new"}, 200, _users(ada="new"), 200
    ),
    "patch a user": Case(
        "PATCH",
        _at("/Users/{ids.ada}"),
        lambda _: patch_of({"op": "replace", "path": "title", "value": "new"}),
        204,
        _users(ada="new"),
        204,
    ),
    "put a group": Case(
        "PUT",
        _at("/Groups/{ids.small}"),
        lambda ids: {"displayName": "Small", "externalId": "e", "members": members(ids.bob, "x")},
        200,
        _groups("Small", lambda _, ids: {ids.bob, "x"}),
        200,
    ),
    "put many members": Case(
        "PUT",
        _at("/Groups/{ids.large}"),
        lambda ids: {"displayName": "Large", "externalId": "e", "members": members(ids.bob, *MANY[:110], *NEW[:100])},
        200,
        _groups("Large", lambda _, ids: {ids.bob, *MANY[:110], *NEW[:100]}),
        200,
    ),
    "add members": Case(
        "PATCH",
        _at("/Groups/{ids.small}"),
        _patch("add", "x", "y", "away"),
        204,
        _groups("Small", lambda now, _: now | {"x", "y"}),
        204,
    ),
    "add many members": Case(
        "PATCH",
        _at("/Groups/{ids.small}"),
        _patch("add", *NEW),
        204,
        _groups("Small", lambda now, _: now | {*NEW}),
        204,
    ),
    "remove members": Case(
        "PATCH",
        _at("/Groups/{ids.small}"),
        _patch("remove", "away", "nobody"),
        204,
        _groups("Small", lambda now, _: now - {"away"}),
        204,
    ),
    "remove many members": Case(
        "PATCH",
        _at("/Groups/{ids.large}"),
        _patch("remove", *MANY),
        204,
        _groups("Large", lambda now, _: now - {*MANY}),
        204,
    ),
    "delete a user": Case("DELETE", _at("/Users/{ids.ada}"), lambda _: None, 204, _without_user, 404),
    "delete a group": Case(
        "DELETE", _at("/Groups/{ids.small}"), lambda _: None, 204, lambda state, _: state[1].__delitem__("Small"), 404
    ),
    "delete a large group": Case(
        "DELETE", _at("/Groups/{ids.large}"), lambda _: None, 204, lambda state, _: state[1].__delitem__("Large"), 404
    ),
}
LARGE: Final = ("create a large group", "put many members", "add many members", "remove many members")

IN_BATCHES: Final = (*LARGE, "delete a large group")
SMALL: Final = tuple(name for name in CASES if name not in IN_BATCHES)

case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
small = pytest.mark.parametrize("case", [CASES[name] for name in SMALL], ids=SMALL)
large = pytest.mark.parametrize("case", [CASES[name] for name in LARGE], ids=LARGE)
in_batches = pytest.mark.parametrize("case", [CASES[name] for name in IN_BATCHES], ids=IN_BATCHES)


def faults(**effects: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("effect", effects.values(), ids=[name.replace("_", " ") for name in effects])


# --- the faults ---


async def test_every_request_succeeds_without_faults(world: World) -> None:
    service, ids = world
    for each in CASES.values():
        fresh = service.of(new_tenant())
        assert await fresh.state() == fresh.stored()
        await check_completion(each, (fresh, ids))
        assert await fresh.state() == fresh.stored()


@small
@faults(
    throttled_for_a_moment=throttled(1),
    a_write_that_met_another=retry_with(),
    timeout_without_effect=timed_out(),
    timeout_with_effect=timed_out(after=True),
    unavailable_without_effect=unavailable(),
    unavailable_with_effect=unavailable(after=True),
    cut_before=CutBefore(),
    cut_after=CutAfter(),
    operation_met_another=FailOperation(0, 449),
    operation_unavailable=FailOperation(0, 503),
)
async def test_a_write_with_one_unknown_outcome_is_applied_once(small_world: World, case: Case, effect: Any) -> None:
    service, _ = small_world
    service.emulator.faults.append(Fault(write, effect))
    await check_completion(case, small_world)


@in_batches
@faults(timeout_with_effect=timed_out(after=True), cut_before=CutBefore(), cut_after=CutAfter())
@pytest.mark.parametrize("nth", [1, 3])
async def test_each_batch_of_a_large_change_with_an_unknown_outcome_is_applied_once(
    world: World, case: Case, effect: Any, nth: int
) -> None:
    service, _ = world
    service.emulator.faults.append(Fault(write, effect, nth=nth))
    await check_completion(case, world)


@small
@faults(cut_after=CutAfter(), timed_out=timed_out(after=True))
async def test_a_failed_lookup_of_an_outcome_is_repeated(small_world: World, case: Case, effect: Any) -> None:
    service, _ = small_world
    before = service.stored()
    service.emulator.faults.append(Fault(write, effect))
    service.emulator.faults.append(Fault(lookups(service), unavailable(), times=2))
    await check_completion(case, small_world, before)


@small
@faults(
    throttled=throttled(1),
    throttled_inside=FailOperation(0, 429),
    unavailable=unavailable(),
    cut=CutBefore(),
    forbidden=forbidden(),
    owner_not_found=owner_not_found(),
    operation_forbidden=FailOperation(0, 403),
    second_operation_unavailable=FailOperation(1, 500),
)
async def test_a_repeatedly_failing_write_changes_nothing_and_a_repeat_completes_it(
    small_world: World, case: Case, effect: Any
) -> None:
    service, ids = small_world
    if (
        effect == FailOperation(1, 500)
        and case.path(ids) in {"/Users", f"/Users/{ids.ada}"}
        and case.method != "DELETE"
    ):
        effect = FailOperation(0, 500)  # the batch has no second operation
    before = service.stored()
    service.emulator.faults.append(Fault(write, effect, times=None))
    answer = await case.send(service, ids)
    is_retryable(answer, 429 if effect in {throttled(1), FailOperation(0, 429)} else 503)
    service.emulator.faults.clear()
    assert service.stored() == before
    service.check_items()
    assert service.orphans() == []
    await check_completion(case, small_world, before)


@large
@faults(
    throttled=throttled(1),
    unavailable=unavailable(),
    cut=CutBefore(),
    owner_not_found=owner_not_found(),
    operation_refused=FailOperation(3, 409),
)
async def test_a_repeat_completes_a_partly_failed_large_change(world: World, case: Case, effect: Any) -> None:
    service, ids = world
    before = service.stored()
    service.emulator.faults.append(Fault(write, effect, nth=2, times=None))
    answer = await case.send(service, ids)
    is_retryable(answer, 429 if effect == throttled(1) else 503)
    service.emulator.faults.clear()
    service.check_items()
    if case.method == "POST":
        assert service.stored() == before
    await check_completion(case, world, before)


# The numbers of attempts of the SDK and the store.
@pytest.mark.parametrize(
    ("effect", "times"),
    [(throttled(1), 4), (CutBefore(), 5), (CutAfter(), 5), (owner_not_found(), 1)],
    ids=["throttled", "cut before", "cut after", "owner not found"],
)
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_large_group_that_fails_half_way_leaves_nothing_behind(
    world: World, effect: Any, times: int, nth: int
) -> None:
    service, ids = world
    case, before = CASES["create a large group"], service.stored()
    service.emulator.faults.append(Fault(write, effect, nth=nth, times=times))
    if effect == CutAfter():
        service.emulator.faults.append(Fault(lookups(service), unavailable(), times=times - 1))
    answer = await case.send(service, ids)
    if answer.status == 201:
        assert effect == CutAfter()
        assert service.stored() == state_after(case, before, ids)
    else:
        assert service.stored() == before
    service.check_items()
    assert service.orphans() == []


@faults(
    throttled=throttled(1),
    unavailable=unavailable(),
    cut_before=CutBefore(),
    cut_after=CutAfter(),
    forbidden=forbidden(),
    owner_not_found=owner_not_found(),
    refused=FailOperation(3, 404),
)
async def test_a_group_is_deleted_before_its_members(world: World, effect: Any) -> None:
    service, ids = world
    case, before = CASES["delete a large group"], service.stored()
    service.emulator.faults.append(Fault(write, effect, nth=2, times=None))
    assert (await case.send(service, ids)).status == 204
    assert service.emulator.counts()["batch"] <= 8
    service.emulator.faults.clear()
    assert await service.state() == state_after(case, before, ids)
    service.check_items()
    await service.store.sweep(service.tenant)
    assert service.orphans() == []
    assert await service.state() == state_after(case, before, ids)


@large
async def test_a_large_change_stops_at_its_time_limit_and_a_repeat_completes_it(
    world: World, clock: list[float], case: Case
) -> None:
    service, ids = world
    before = service.stored()
    clock[:] = [0.0, 40.0]  # each reading is 40 seconds later
    answer = await case.send(service, ids)
    clock[1] = 0.0
    is_retryable(answer, 503)
    service.check_items()
    if case.method == "POST":
        assert service.stored() == before
    await check_completion(case, world, before)


@small
@faults(
    unauthorized=unauthorized(),
    owner_not_found=owner_not_found(),
    bad_request=Says(400),
    error=Says(500),
    cut=CutBefore(),
)
async def test_a_database_that_always_fails_is_503(small_world: World, case: Case, effect: Any) -> None:
    service, ids = small_world
    before = service.stored()
    service.emulator.faults.append(Fault(data, effect, times=None))
    is_retryable(await case.send(service, ids), 503)
    service.emulator.faults.clear()
    assert service.stored() == before
    await check_completion(case, small_world, before)


@faults(
    unauthorized=unauthorized(),
    forbidden=forbidden(),
    owner_not_found=owner_not_found(),
    error=Says(500),
    unavailable=unavailable(),
    timeout=timed_out(),
    cut=CutBefore(),
    throttled=throttled(1),
)
async def test_a_read_of_a_database_that_fails_is_503_or_429(small_world: World, effect: Any) -> None:
    service, ids = small_world
    service.emulator.faults.append(Fault(data, effect, times=None))
    for path, query in [
        (f"/Users/{ids.ada}", ""),
        (f"/Groups/{ids.small}", ""),
        ("/Users", ""),
        ("/Groups", ""),
        ("/Users", 'filter=userName eq "ada"'),
        ("/Users", f'filter=id eq "{ids.ada}"'),
        ("/Groups", f'filter=id eq "{ids.small}" and members eq "{ids.ada}"'),
        ("/Groups", f'filter=members eq "{ids.ada}"'),
        ("/Users", "count=0"),
    ]:
        is_retryable(await service.send("GET", path, query=query), 429 if effect == throttled(1) else 503)
    assert (await service.send("GET", "/ServiceProviderConfig")).status == 200
    service.emulator.faults.clear()
    assert (await service.send("GET", f"/Users/{ids.ada}")).status == 200


async def test_short_query_pages_lose_no_resource(world: World) -> None:
    service, _ = world
    before = service.stored()
    service.emulator.faults.append(Fault("query", ShortPage(0), times=1))
    service.emulator.faults.append(Fault("query", ShortPage(7), nth=2, times=30))
    assert service.stored() == before


@case
async def test_a_write_applied_without_a_known_outcome_is_applied_once(world: World, case: Case) -> None:
    """The response is 503. The repeat of a delete is 404, and of a create 409."""
    service, ids = world
    before = service.stored()
    service.emulator.faults.append(Fault(write, CutAfter()))
    service.emulator.faults.append(Fault(write, unavailable(), nth=1, times=None))
    service.emulator.faults.append(Fault(lookups(service), unavailable(), times=None))
    is_retryable(await case.send(service, ids), 503)
    service.emulator.faults.clear()
    service.check_items()
    answer = await case.send(service, ids)
    assert answer.status in {case.status, case.again}, answer.body
    assert service.stored() == state_after(case, before, ids)
    service.check_items()


async def check_completion(case: Case, world: World, before: State | None = None) -> None:
    """Check that the request succeeds with the expected state, and that a repeat changes nothing."""
    service, ids = world
    before, left = before or service.stored(), service.orphans()
    service.emulator.requests.clear()
    answer = await case.send(service, ids)
    service.emulator.faults.clear()
    assert answer.status == case.status, answer.body
    expected = state_after(case, before, ids)
    assert service.stored() == expected
    service.check_items()
    assert service.orphans() == left
    again = await case.send(service, ids)
    assert again.status == case.again, again.body
    assert service.stored() == expected
    service.check_items()
    service.check_urls()


def state_after(case: Case, before: State, ids: Ids) -> State:
    """Return the expected state after the request."""
    state = (dict(before[0]), dict(before[1]))
    case.change(state, ids)
    return state


def is_retryable(answer: Answer, status: int) -> None:
    assert answer.status == status, answer.body
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.json["status"] == str(status)


# --- the store without the service ---


@pytest.mark.parametrize(
    ("effect", "error"),
    [
        (throttled(1), Throttled),
        (retry_with(), StoreUnavailable),
        (unauthorized(), StoreUnavailable),
        (forbidden(), StoreUnavailable),
        (owner_not_found(), StoreUnavailable),
        (timed_out(), StoreUnavailable),
        (unavailable(), StoreUnavailable),
        (CutBefore(), StoreUnavailable),
        (Says(413), TooLarge),
    ],
    ids=["429", "449", "401", "403", "404", "408", "503", "cut", "413"],
)
async def test_every_store_method_raises_only_errors_of_the_interface(
    small_world: World, effect: Any, error: type[StoreError]
) -> None:
    service, _ = small_world
    store, tenant, one, many = service.store, service.tenant, user("eve", 1), group("Guides", 2)
    version = await store.create(tenant, one)
    at = await store.create(tenant, many, [Member("a")])
    before = service.emulator.items(tenant)
    service.emulator.faults.append(Fault(data, effect, times=None))
    other, renamed = user("mallory", 3), user("eva", 1)
    attempts: list[Awaitable[Any]] = [
        store.read(tenant, "User", one.id),
        store.create(tenant, other),
        store.create(tenant, group("More", 4), [Member("a")]),
        store.create(tenant, group("Many", 5), [Member(value) for value in MANY]),
        store.replace(tenant, renamed, expected=version),
        store.replace(tenant, group("Guide", 2), expected=at, members=adding("b")),
        store.delete(tenant, "User", one.id),
        store.delete(tenant, "Group", many.id, expected=at),
        store.change_members(tenant, many.id, adding("b"), touch(many, LATER)),
        store.change_members(tenant, many.id, removing("a"), touch(many, LATER), expected=at),
        store.change_members(tenant, many.id, MemberChanges(), touch(many, LATER)),
        store.search(tenant, "User", Search(None, 0, 10)),
        store.search(tenant, "User", Search(bound(f'id eq "{one.id}"'), 0, 10)),
        store.members(tenant, [many.id], limit=10),
        store.memberships(tenant, ["a"], limit=10),
        store.is_member(tenant, many.id, "a"),
        store.names(tenant, ["User"], [one.id]),
    ]
    for attempt in attempts:
        with pytest.raises(error):
            await attempt
    assert service.emulator.items(tenant) == before


@faults(conflict=409, missing=404, precondition=412)
@pytest.mark.parametrize("index", [0, 1])
async def test_an_impossible_status_of_an_operation_is_unavailable(small_world: World, effect: int, index: int) -> None:
    """A create can't be 404, a patch can't be 409, and a write without a version can't be 412."""
    service, _ = small_world
    store, tenant, many = service.store, service.tenant, group("Guides", 2)
    await store.create(tenant, many, [Member("a")])
    before = service.emulator.items(tenant)
    service.emulator.faults.append(Fault(write, FailOperation(index, effect), times=None))
    own: dict[int, type[StoreError]] = {409: AlreadyExists} if index == 0 else {}
    with pytest.raises(own.get(effect, StoreUnavailable)):
        await store.create(tenant, group("More", 4), [Member("a")])
    own = {404: NotFound} if index == 0 else {}
    with pytest.raises(own.get(effect, StoreUnavailable)):
        await store.change_members(tenant, many.id, adding("b"), touch(many, LATER))
    with pytest.raises(own.get(effect, StoreUnavailable)):
        await store.delete(tenant, "Group", many.id)
    assert service.emulator.items(tenant) == before
