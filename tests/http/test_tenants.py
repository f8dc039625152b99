"""Two tenants in one store: with the token of one, nothing of the other can be seen, found, guessed at or changed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from scim.app import build
from scim.settings import Settings
from tests.conftest import Client, HandlerClient, Loop
from tests.http.checks import ENTERPRISE, PATCH, everything, is_error, names, resources

TOKENS = {"token-of-a": "a", "token-of-b": "b"}


class TenantClient(HandlerClient):
    """A handler's client with a token of its own."""

    token = ""

    def request(self, method: str, path: str, body: Any = None, headers: Any = None, token: str | None = None) -> Any:
        return super().request(method, path, body, headers, token or self.token)


@dataclass
class World:
    a: Client
    b: Client
    user: dict[str, Any]
    """A user of B."""
    group: dict[str, Any]
    """A group of B, in which the user is."""
    secrets: list[str]
    """What A must never read."""


@pytest.fixture
def world(loop: Loop) -> Iterator[World]:
    app = build(Settings(), tokens=TOKENS)
    a, b = TenantClient(app.handler, loop), TenantClient(app.handler, loop)
    a.token, b.token = TOKENS
    user = b.user(
        "bjensen",
        title="Secret title",
        externalId="secret-ext",
        emails=[{"value": "secret@b"}],
        department="Secret dept",
    )
    group = b.group("Secret group", user["id"], "secret-member", externalId="secret-group-ext")
    a.user("amiller", title="Title of A")
    yield World(a, b, user, group, ["ecret", "bjensen", user["id"], group["id"]])
    assert app.store is not None
    loop.run(app.store.close())


def quiet(world: World, body: bytes, *, but: str = "") -> None:
    """The answer tells A nothing of B (`but` is what A said itself)."""
    for secret in world.secrets:
        if secret not in but:
            assert secret not in body.decode(), secret


def test_a_list_holds_the_tenants_own(world: World) -> None:
    for path in ("/Users", "/Groups", "/Users?count=1000&sortBy=userName", "/Users?filter=id pr", "/Groups?filter=id pr",
                 "/Users?filter=userName ne \"x\"", "/Users?sortBy=meta.lastModified&sortOrder=descending", "/Users?count=0"):  # fmt: skip
        answer = world.a.get(path)
        quiet(world, answer.body)
        assert answer.json["totalResults"] == (1 if path.startswith("/Users") else 0)
    for path in ("/.search", "/Users/.search", "/Groups/.search"):
        answer = world.a.post(path, {"sortBy": "meta.created"})
        quiet(world, answer.body)
        assert answer.json["totalResults"] == (0 if path.startswith("/Groups") else 1)


@pytest.mark.parametrize("headers", [{}, {"If-Match": "*"}, {"If-None-Match": "*"}, {"If-Match": 'W/"1"'}])
@pytest.mark.parametrize("query", ["", "?attributes=id", "?excludedAttributes=members,groups"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("own", ["user", "group"])
def test_an_id_of_another_tenant_is_404_for_every_method(
    world: World, own: str, method: str, query: str, headers: dict[str, str]
) -> None:
    before = everything(world.b)
    id = world.user["id"] if own == "user" else world.group["id"]
    bodies: list[Any] = [None]
    if method == "PUT":
        bodies = [
            {"userName": "changed", "displayName": "changed", "members": [{"value": "changed"}]},
            {"userName": "bjensen", "displayName": "Secret group"},
        ]
    if method == "PATCH":
        operations: list[dict[str, Any]] = [
            {"op": "replace", "path": "externalId", "value": "changed"},
            {"op": "replace", "path": "externalId", "value": "secret-ext"},
            {"op": "remove", "path": "externalId"},
        ]
        if own == "group":
            operations += [
                {"op": "add", "path": "members", "value": [{"value": "changed"}]},
                {"op": "remove", "path": "members"},
                {"op": "remove", "path": f'members[value eq "{world.user["id"]}"]'},
                {"op": "remove", "path": 'members[value sw "s"]'},
                {"op": "replace", "path": "members", "value": [{"value": "secret-member"}]},
                {"op": "remove", "path": "members", "value": []},
            ]
        bodies = [{"schemas": [PATCH], "Operations": [operation]} for operation in operations]
    for endpoint in ("/Users", "/Groups"):
        for body in bodies:
            if method == "PATCH" and own == "group" and endpoint == "/Users" and "members" in json.dumps(body):
                continue
            answer = world.a.request(method, f"{endpoint}/{id}{query}", body, headers)
            if method == "HEAD":
                assert answer.status == 404
            else:
                is_error(answer, 404)
            quiet(world, answer.body)
    assert everything(world.b) == before


def test_filters_find_nothing_of_another_tenant(world: World) -> None:
    user, group = world.user, world.group
    own = world.a.group("Own", "x")["id"]
    filters = {
        "/Users": [
            'userName eq "bjensen"', 'userName sw "bj"', f'id eq "{user["id"]}"', 'externalId eq "secret-ext"', 'emails.value eq "secret@b"',
            'emails[value eq "secret@b"]', 'emails eq "secret@b" or userName eq "bjensen"', f'{ENTERPRISE}:department eq "Secret dept"',
            f'groups eq "{group["id"]}"', f'id eq "{user["id"]}" and groups eq "{group["id"]}"', f'groups eq "{own}"', 'title co "ecret"',
            f'meta.created eq "{user["meta"]["created"]}"',
        ],
        "/Groups": [
            'displayName eq "Secret group"', f'id eq "{group["id"]}"', f'members eq "{user["id"]}"', 'members eq "secret-member"',
            f'id eq "{group["id"]}" and members eq "secret-member"', f'members[value eq "{user["id"]}"]', 'externalId eq "secret-group-ext"',
        ],
    }  # fmt: skip
    for endpoint, listed in filters.items():
        for text in listed:
            assert names(world.a.post(f"{endpoint}/.search", {"filter": text})) == [], text
            if "x" not in text and own not in text:
                assert len(resources(world.b.post(f"{endpoint}/.search", {"filter": text}))) == 1, text
    for text in ('userName eq "bjensen" or displayName eq "Secret group"', 'externalId sw "secret"'):
        assert names(world.a.post("/.search", {"filter": text})) == []


def test_both_tenants_may_have_the_same_names(world: World) -> None:
    before = everything(world.b)
    user = world.a.user("BJENSEN", externalId="secret-ext")
    group = world.a.group("secret GROUP", user["id"])
    assert everything(world.b) == before
    assert names(world.a.get('/Users?filter=userName eq "bjensen"')) == ["BJENSEN"]
    assert names(world.b.get('/Users?filter=userName eq "bjensen"')) == ["bjensen"]
    is_error(world.a.post("/Users", {"userName": "bjensen"}), 409, "uniqueness")
    assert world.a.delete(f"/Groups/{group['id']}").status == 204
    assert world.a.delete(f"/Users/{user['id']}").status == 204
    assert everything(world.b) == before


def test_an_id_of_another_tenant_as_a_member_leads_nowhere(world: World) -> None:
    """It is kept as given, like any other id, and its type stays unknown."""
    before = everything(world.b)
    user, group = world.user["id"], world.group["id"]
    own = world.a.group("Own", user, group)["id"]
    shown = world.a.get(f"/Groups/{own}")
    assert sorted(shown.json["members"], key=lambda member: str(member["value"])) == sorted(
        [{"value": user}, {"value": group}], key=lambda member: member["value"]
    )
    quiet(world, shown.body, but=user + group)
    assert everything(world.b) == before
    assert names(world.b.get(f'/Groups?filter=members eq "{user}"')) == ["Secret group"]
    assert names(world.a.get(f'/Groups?filter=members eq "{user}"')) == ["Own"]
    assert names(world.a.get(f'/Users?filter=groups eq "{own}"')) == []
    assert names(world.b.get(f'/Users?filter=groups eq "{own}"')) == []
    for operation in (
        {"op": "remove", "path": 'members[type eq "User"]'},
        {"op": "remove", "path": f'members[value eq "{user}"]'},
        {"op": "remove", "path": "members"},
    ):
        assert world.a.patch(f"/Groups/{own}", operation).status == 204
        assert everything(world.b) == before
    world.a.patch(f"/Groups/{own}", {"op": "add", "path": "members", "value": [{"value": user}]})
    assert world.a.delete(f"/Groups/{own}").status == 204
    assert everything(world.b) == before


def test_deleting_in_one_tenant_leaves_memberships_of_the_other(world: World) -> None:
    """The same member value stands in groups of both."""
    shared = world.a.user("shared")["id"]
    world.b.group("B's", shared)
    before = everything(world.b)
    own = world.a.group("Own", shared)["id"]
    assert world.a.delete(f"/Users/{shared}").status == 204
    assert "members" not in world.a.get(f"/Groups/{own}").json
    assert everything(world.b) == before
    assert names(world.b.get(f'/Groups?filter=members eq "{shared}"')) == ["B's"]


def test_an_id_of_another_tenant_as_a_manager_is_only_a_text(world: World) -> None:
    before = everything(world.b)
    user = world.a.user("u", manager=world.user["id"])
    shown = world.a.get(f"/Users/{user['id']}")
    quiet(world, shown.body, but=world.user["id"])
    assert everything(world.b) == before


def test_errors_tell_nothing_of_another_tenant(world: World) -> None:
    for answer in (
        world.a.post("/Users", {"userName": "amiller"}),
        world.a.get(f"/Users/{world.user['id']}"),
        world.a.get("/Users?filter=foo eq 1"),
        world.a.get("/nowhere"),
    ):
        assert answer.status >= 400
        quiet(world, answer.body)


def test_pages_and_totals_count_the_tenants_own(world: World) -> None:
    for number in range(30):
        world.b.user(f"b{number}", title="same")
        world.a.user(f"a{number}", title="same")
    for query in ("", "sortBy=title", 'filter=title eq "same"', 'filter=title eq "same"&sortBy=userName'):
        found: list[str] = []
        while len(found) < 30:
            answer = world.a.get(f"/Users?{query}&count=7&startIndex={len(found) + 1}")
            assert answer.json["totalResults"] == (30 if "filter" in query else 31)
            found += names(answer)
        assert all(name.startswith("a") for name in found)


def test_a_token_lets_in_its_own_tenant_only(world: World) -> None:
    assert names(world.a.get("/Users", token="token-of-b")) == ["bjensen"]
    for token in ("a", "b", "token-of-c", "TOKEN-OF-B", "token-of-a, token-of-b"):
        is_error(world.a.get("/Users", token=token), 401)
    for header in ("X-Tenant", "Tenant", "X-Tenant-Id", "X-MS-CLIENT-PRINCIPAL-ID"):
        assert names(world.a.get("/Users", headers={header: "b"})) == ["amiller"]
    assert names(world.a.get("/Users?tenant=b")) == ["amiller"]
