"""Text of clients in paths, bodies and filters never becomes part of a database URL."""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.contract.test_store import LATER, adding, removing
from tests.contract.write_models import group, touch
from tests.cosmos.world import Ids, Service, members, new_tenant, patch_of, populated, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

type World = tuple[Service, Ids]
STRANGE: Final = ("..", ".", "", " ", "a/b", "x/../y", "a?b#c", "../../colls", "%2e%2e", "a\\b", "User:1", "é", "\x01")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def first() -> AsyncIterator[World]:
    async with serving() as service:
        yield await populated(service)


@pytest.fixture
def world(first: World) -> World:
    """The sample data in its own customer."""
    service, ids = first
    return service.of(new_tenant(), with_many=False), ids


@pytest.mark.parametrize("id", STRANGE)
@pytest.mark.parametrize("endpoint", ["Users", "Groups"])
async def test_an_impossible_id_in_a_path_is_not_found_without_a_database_call(
    world: World, endpoint: str, id: str
) -> None:
    service, _ = world
    before = service.stored()
    path = f"/{endpoint}/{quote(id, safe='')}"
    bodies: dict[str, Any] = {
        "GET": None,
        "DELETE": None,
        "PUT": {"userName": "x", "displayName": "x"},
        "PATCH": patch_of({"op": "replace", "path": "externalId", "value": "x"}),
    }
    for method, body in bodies.items():
        answer = await service.send(method, path, body)
        if id:
            assert answer.status == 404, (method, answer.body)
        elif method != "GET":  # without an id it is a list
            assert answer.status == 405
    if id:
        assert service.emulator.item_requests == []
    service.check_urls()
    assert service.stored() == before


async def test_members_with_any_text_can_be_added_found_and_removed(world: World) -> None:
    service, ids = world
    path = f"/Groups/{ids.small}"
    values = [value for value in STRANGE if value]
    assert (
        await service.send("PATCH", path, patch_of({"op": "add", "path": "members", "value": members(*values)}))
    ).status == 204
    assert {*values} <= {*(await service.state())[1]["Small"]}
    for value in values:
        text = value.replace("\\", "\\\\").replace("\x01", "\\u0001")
        for query in (f'filter=members eq "{text}"', f'filter=id eq "{ids.small}" and members eq "{text}"'):
            answer = await service.send("GET", "/Groups", query=query)
            assert (answer.status, answer.json["totalResults"]) == (200, 1), answer.body
        gone = patch_of({"op": "remove", "path": f'members[value eq "{text}"]'})
        assert (await service.send("PATCH", path, gone)).status == 204
    assert not {*values} & {*(await service.state())[1]["Small"]}
    put = {"displayName": "Small", "members": members(*values)}
    assert (await service.send("PUT", path, put)).status == 200
    new = await service.send("POST", "/Groups", {"displayName": "New", "members": members(*values)})
    assert new.status == 201
    assert {m["value"] for m in (await service.send("GET", f"/Groups/{new.json['id']}")).json["members"]} == {*values}
    assert (await service.send("DELETE", path)).status == 204
    service.check_urls()
    service.check_items()


async def test_a_member_without_text_is_refused(world: World) -> None:
    service, ids = world
    add = patch_of({"op": "add", "path": "members", "value": members("")})
    assert (await service.send("PATCH", f"/Groups/{ids.small}", add)).status == 400
    service.check_urls()


@pytest.mark.parametrize("id", STRANGE)
async def test_an_impossible_id_in_a_filter_has_no_match(world: World, id: str) -> None:
    service, _ = world
    text = id.replace("\\", "\\\\").replace("\x01", "\\u0001")
    for path, query in [
        ("/Users", f'id eq "{text}"'),
        ("/Users", f'groups eq "{text}"'),
        ("/Users", f'id eq "{text}" and groups eq "{text}"'),
        ("/Groups", f'id eq "{text}" and members eq "{text}"'),
        ("/Groups", f'members eq "{text}" and displayName sw "S"'),
    ]:
        answer = await service.send("GET", path, query=f"filter={query}")
        assert (answer.status, answer.json["totalResults"]) == (200, 0), answer.body
    service.check_urls()


async def test_names_and_references_may_be_any_text(world: World) -> None:
    service, _ = world
    for name in STRANGE:
        body = {"userName": f"{name}x", "externalId": name, "manager": {"value": name}}
        answer = await service.send("POST", "/Users", body)
        assert answer.status == 201, answer.body
        assert (await service.send("GET", f"/Users/{answer.json['id']}")).status == 200
    service.check_urls()


@pytest.mark.parametrize("id", [*STRANGE, "a" * 300])
async def test_the_store_refuses_an_id_that_is_unsafe_in_a_url(world: World, id: str) -> None:
    service, _ = world
    if id in {"", "User:1"}:
        # Ids of our own alphabet are one path segment.
        assert await service.store.read(service.tenant, "User", id) is None
        service.check_urls()
        return
    store, tenant = service.store, service.tenant
    new = group()
    bad = type(new)("Group", id, new.key, new.resource, new.search_fields, new.sort_keys)
    for attempt in (
        lambda: store.read(tenant, "User", id),
        lambda: store.create(tenant, bad),
        lambda: store.replace(tenant, bad, expected="1"),
        lambda: store.delete(tenant, "Group", id),
        lambda: store.change_members(tenant, id, adding("a"), touch(new, LATER)),
        lambda: store.change_members(tenant, id, removing("a"), touch(new, LATER)),
        lambda: store.is_member(tenant, id, "a"),
    ):
        with pytest.raises(ValueError, match="not an item id"):
            await attempt()
    assert await store.names(tenant, ["User", "Group"], [id]) == {}
    service.check_urls()
