"""Concurrent deletions and additions of members, also with cut database connections."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.cosmos.world import Answer, Ids, Service, members, new_tenant, patch_of, populated, serving
from tests.cosmos_emulator import CutAfter, CutBefore, Fault, Slow, retry_with

pytestmark = pytest.mark.asyncio(loop_scope="module")

type World = tuple[Service, Ids]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def first() -> AsyncIterator[World]:
    async with serving() as service:
        yield await populated(service)


@pytest.fixture
def world(first: World) -> World:
    """The sample data in its own customer."""
    service, ids = first
    return service.of(new_tenant(), with_many=False), ids


def adding(*values: str) -> dict[str, Any]:
    return patch_of({"op": "add", "path": "members", "value": members(*values)})


def swept_later(service: Service) -> set[str]:
    """Return the resources with an open deletion marker."""
    items = service.emulator.items(service.tenant)
    return {item["id"].rpartition(":")[2] for item in items if item["type"] == "gone"}


@pytest.mark.parametrize("effect", [None, CutBefore(), CutAfter(), retry_with()])
async def test_a_group_deleted_during_adds_has_no_members(world: World, effect: Any) -> None:
    service, ids = world
    if effect is not None:
        service.emulator.faults.append(Fault("batch", effect, nth=2, times=3))

    async def add(number: int) -> int:
        return (await service.send("PATCH", f"/Groups/{ids.small}", adding(f"n{number}", ids.bob))).status

    async def delete() -> int:
        return (await service.send("DELETE", f"/Groups/{ids.small}")).status

    deleted, *added = await asyncio.gather(delete(), *(add(number) for number in range(8)))
    assert deleted == 204
    assert set(added) <= {204, 404}
    assert service.orphans() == []
    assert "Small" not in (await service.state())[1]
    service.check_items()
    assert await add(9) == 404


@pytest.mark.parametrize("effect", [None, CutBefore(), CutAfter(), retry_with()])
async def test_a_user_deleted_during_adds_is_removed_from_all_groups(world: World, effect: Any) -> None:
    service, ids = world
    groups = [(await service.send("POST", "/Groups", {"displayName": f"G{number}"})).json["id"] for number in range(8)]
    if effect is not None:
        service.emulator.faults.append(Fault("batch", effect, nth=2, times=3))

    async def add(group: str) -> int:
        return (await service.send("PATCH", f"/Groups/{group}", adding(ids.ada))).status

    async def delete() -> int:
        return (await service.send("DELETE", f"/Users/{ids.ada}")).status

    assert set(await asyncio.gather(delete(), *map(add, groups))) == {204}
    assert (await service.send("GET", f"/Users/{ids.ada}")).status == 404
    assert ids.ada in swept_later(service)
    service.check_items()
    await service.store.sweep(service.tenant)
    assert not [item for item in service.emulator.items(service.tenant) if item.get("member") == ids.ada]


async def test_a_delayed_add_to_a_deleted_group_writes_nothing(world: World) -> None:
    service, ids = world
    slow = Slow(asyncio.Event())
    service.emulator.faults.append(Fault("batch", slow))
    add = asyncio.ensure_future(service.send("PATCH", f"/Groups/{ids.small}", adding("late")))
    await slow.reached.wait()
    assert (await service.send("DELETE", f"/Groups/{ids.small}")).status == 204
    slow.event.set()
    assert (await add).status == 404
    assert service.orphans() == []


async def test_a_delayed_deletion_includes_members_added_meanwhile(world: World) -> None:
    service, ids = world
    slow = Slow(asyncio.Event())
    service.emulator.faults.append(Fault("batch", slow))
    deletion = asyncio.ensure_future(service.send("DELETE", f"/Groups/{ids.small}"))
    await slow.reached.wait()
    assert (await service.send("PATCH", f"/Groups/{ids.small}", adding("late"))).status == 204
    slow.event.set()
    assert (await deletion).status == 204
    assert service.orphans() == []


async def test_a_deletion_reads_memberships_again_if_they_change_meanwhile(world: World) -> None:
    service, ids = world
    slow = Slow(asyncio.Event())
    service.emulator.faults.append(Fault("batch", slow))
    deletion = asyncio.ensure_future(service.send("DELETE", f"/Users/{ids.ada}"))
    await slow.reached.wait()
    removing = patch_of({"op": "remove", "path": f'members[value eq "{ids.ada}"]'})
    assert (await service.send("PATCH", f"/Groups/{ids.small}", removing)).status == 204
    slow.event.set()
    assert (await deletion).status == 204
    state = await service.state()
    assert ids.ada not in state[1]["Small"] + state[1]["Large"]
    assert "ada" not in state[0]


async def test_a_user_and_its_group_can_be_deleted_concurrently(first: World) -> None:
    service, ids = first[0].of(new_tenant()), first[1]
    paths = [f"/Users/{ids.ada}", f"/Groups/{ids.small}", f"/Groups/{ids.large}", f"/Users/{ids.bob}"]
    answers = await asyncio.gather(*(service.send("DELETE", path) for path in paths))
    assert [answer.status for answer in answers] == [204] * 4
    assert await service.state() == ({}, {})
    assert [item for item in service.emulator.items(service.tenant) if item["type"] == "member"] == []


async def test_concurrent_deletions_succeed_or_are_404(first: World) -> None:
    service, ids = first[0].of(new_tenant()), first[1]
    answers = await asyncio.gather(*(service.send("DELETE", f"/Groups/{ids.large}") for _ in range(5)))
    assert sorted({answer.status for answer in answers}) == [204, 404]
    assert service.orphans() == []


async def test_concurrent_adds_and_removes_leave_a_member_at_most_once(world: World) -> None:
    service, ids = world
    removing = patch_of({"op": "remove", "path": 'members[value eq "shared"]'})
    bodies = [adding("shared", f"n{number}") if number % 2 else removing for number in range(16)]
    answers = await asyncio.gather(*(service.send("PATCH", f"/Groups/{ids.small}", body) for body in bodies))
    assert {answer.status for answer in answers} == {204}
    found = (await service.state())[1]["Small"]
    assert found.count("shared") <= 1
    assert {value for value in found if value.startswith("n")} == {f"n{number}" for number in range(1, 16, 2)}


# --- concurrent changes of members ---


def removing(*values: str) -> dict[str, Any]:
    return patch_of({"op": "remove", "path": "members", "value": members(*values)})


def replacing(*values: str) -> dict[str, Any]:
    return patch_of({"op": "replace", "path": "members", "value": members(*values)})


async def delayed_patch(
    service: Service, group: str, body: dict[str, Any], nth: int, others: list[dict[str, Any]], **headers: str
) -> Answer:
    """Return the response to a PATCH whose nth batch is delayed until the other requests are done."""
    slow = Slow(asyncio.Event())
    service.emulator.faults.append(Fault("batch", slow, nth=nth))
    waiting = asyncio.ensure_future(service.send("PATCH", f"/Groups/{group}", body, headers))
    async with asyncio.timeout(60):
        await slow.reached.wait()
    for other in others:
        assert (await service.send("PATCH", f"/Groups/{group}", other)).status == 204
    slow.event.set()
    return await waiting


@pytest.mark.parametrize(
    ("body", "others", "left"),
    [
        (replacing("new"), [adding("late")], ["new"]),
        (replacing("new"), [replacing("late")], ["new"]),
        (replacing("new"), [removing("away")], ["new"]),
        (patch_of({"op": "remove", "path": "members"}), [adding("late")], []),
        (
            patch_of({"op": "remove", "path": 'members[value sw "a" or value sw "l"]'}),
            [adding("late")],
            ["ada", "bob"],
        ),
        (adding("late"), [replacing("new")], ["late", "new"]),
    ],
    ids=["replace-add", "replace-replace", "replace-remove", "clear-add", "filter-add", "add-replace"],
)
async def test_a_change_that_depends_on_members_uses_those_at_the_time_of_its_write(
    world: World, body: dict[str, Any], others: list[dict[str, Any]], left: list[str]
) -> None:
    service, ids = world
    answer = await delayed_patch(service, ids.small, body, 1, others)
    assert answer.status == 204
    names = {ids.ada: "ada", ids.bob: "bob"}
    assert sorted(names.get(value, value) for value in (await service.state())[1]["Small"]) == left
    shown = await service.send("GET", f"/Groups/{ids.small}")
    assert shown.headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize(
    ("body", "other", "there"),
    [
        (adding("away", "new"), removing("away", "new"), {"away", "new"}),
        (removing("away", "new"), adding("away", "new"), set()),
        (patch_of(*adding("away", "more")["Operations"], *removing("new")["Operations"]), replacing("new"), {"away"}),
    ],
    ids=["add", "remove", "both"],
)
async def test_a_partly_done_change_is_ordered_before_or_after_a_concurrent_one(
    world: World, body: dict[str, Any], other: dict[str, Any], there: set[str]
) -> None:
    """Its second batch has the remaining changes; the concurrent one undoes those that were done before."""
    service, ids = world
    answer = await delayed_patch(service, ids.small, body, 2, [other])
    assert answer.status == 204
    found = set((await service.state())[1]["Small"]) & {"away", "new"}
    assert found == there


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_replacement_in_several_batches_ends_with_its_members(first: World, nth: int) -> None:
    service, ids = first[0].of(new_tenant()), first[1]
    version = (await service.send("GET", f"/Groups/{ids.large}", query="attributes=id")).headers["etag"]
    listed = [f"n{number}" for number in range(60)]
    headers = {"if-match": version} if nth > 1 else {}
    answer = await delayed_patch(service, ids.large, replacing(*listed), nth, [adding("late", "n1")], **headers)
    assert answer.status == 204, "the condition was met by the first batch"
    assert (await service.state())[1]["Large"] == sorted(listed)
    assert (await service.send("GET", f"/Groups/{ids.large}")).headers["etag"] == answer.headers["etag"]


async def test_a_replacement_with_an_old_version_changes_nothing(first: World) -> None:
    service, ids = first[0].of(new_tenant()), first[1]
    before = (await service.state())[1]["Large"]
    version = (await service.send("GET", f"/Groups/{ids.large}", query="attributes=id")).headers["etag"]
    answer = await delayed_patch(service, ids.large, replacing("new"), 1, [adding("late")], **{"if-match": version})
    assert answer.status == 412
    assert (await service.state())[1]["Large"] == sorted([*before, "late"])


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
async def test_if_match_star_accepts_any_version(world: World, method: str) -> None:
    service, ids = world
    slow = Slow(asyncio.Event())
    service.emulator.faults.append(Fault("batch", slow))
    body = {"PATCH": replacing("new"), "PUT": {"displayName": "Small", "members": members("new")}}.get(method)
    waiting = asyncio.ensure_future(service.send(method, f"/Groups/{ids.small}", body, {"if-match": "*"}))
    await slow.reached.wait()
    assert (await service.send("PATCH", f"/Groups/{ids.small}", adding("late"))).status == 204
    slow.event.set()
    assert (await waiting).status in {200, 204}
    assert (await service.state())[1].get("Small", []) == ([] if method == "DELETE" else ["new"])


async def test_the_response_to_a_put_has_the_stored_members(world: World) -> None:
    service, ids = world
    path, named = f"/Groups/{ids.small}", [{"value": "shown", "display": "Before"}]
    await service.patch(path, {"op": "add", "path": "members", "value": named})
    body = {"displayName": "Small", "members": [{"value": "shown", "display": "After"}, {"value": "new"}]}
    put = await service.send("PUT", path, body)
    assert put.json["members"] == [*named, {"value": "new"}]
    assert (await service.send("GET", path)).json["members"] == [{"value": "new"}, *named]
