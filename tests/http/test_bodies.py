"""Bodies of POST, PUT and PATCH as they arrive: what JSON leaves open, what is kept, what changes nothing."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.conftest import Client
from tests.http.checks import ENTERPRISE, GROUP, PATCH, UNKNOWN_ID, USER, is_error, names, unchanged
from tests.unit.tables import Row, rows

# --- the same key twice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"userName":"first","userName":"last"}', {"userName": "last"}),
        (b'{"userName":"u","title":"first","title":null}', {"userName": "u"}),
        (b'{"userName":"u","name":{"givenName":"first","givenName":"last"}}', {"name": {"givenName": "last"}}),
        (b'{"userName":"u","name":{"givenName":"first"},"name":{"familyName":"last"}}', {"name": {"familyName": "last"}}),
        (b'{"userName":"u","emails":[{"value":"1"}],"emails":[{"value":"2"}]}', {"emails": [{"value": "2"}]}),
        (b'{"userName":"u","emails":[{"value":"1","value":"2"}]}', {"emails": [{"value": "2"}]}),
    ],
)  # fmt: skip
def test_the_same_key_twice_means_the_last(client: Client, body: bytes, expected: dict[str, Any]) -> None:
    created = client.post("/Users", body)
    assert created.status == 201
    shown = client.get(f"/Users/{created.json['id']}").json
    assert {name: shown.get(name) for name in expected} == expected
    assert "title" not in shown


def test_the_same_key_twice_in_an_envelope_means_the_last(client: Client) -> None:
    path = f"/Users/{client.user()['id']}"
    body = b"""{"Operations": [{"op": "remove", "path": "userName"}],
                "Operations": [{"op": "remove", "op": "add", "path": "nickName", "path": "title", "value": 1, "value": "t"}]}"""
    assert client.request("PATCH", path, body).status == 204
    shown = client.get(path).json
    assert (shown["title"], shown.get("nickName"), shown["userName"]) == ("t", None, "bjensen")
    assert names(client.post("/Users/.search", b'{"filter":"title eq 1","filter":"title eq \\"t\\""}')) == ["bjensen"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/Users", {"userName": "u", "USERNAME": "v"}),
        ("POST", "/Users", {"userName": "u", "name": {"givenName": "a", "GivenName": "b"}}),
        ("POST", "/Users", {"userName": "u", "emails": [{"value": "a", "Value": "b"}]}),
        ("POST", "/Users", {"userName": "u", ENTERPRISE: {"department": "a", "Department": "b"}}),
        ("POST", "/Users", {"userName": "u", ENTERPRISE: {}, ENTERPRISE.upper(): {}}),
        ("POST", "/Users", {"userName": "u", ENTERPRISE: {"manager": {"value": "a", "VALUE": "b"}}}),
        ("POST", "/Groups", {"displayName": "u", "members": [{"value": "a", "vaLue": "b"}]}),
        ("POST", "/Groups", {"displayName": "u", "DisplayName": "v"}),
        ("PUT", "/Users/{user}", {"userName": "u", "username": "v"}),
        ("PUT", "/Groups/{group}", {"displayName": "u", "Members": [], "members": []}),
        ("PATCH", "/Users/{user}", {"Operations": [], "operations": []}),
        ("PATCH", "/Users/{user}", {"Operations": [{"op": "add", "Op": "add", "path": "title", "value": "x"}]}),
        ("PATCH", "/Users/{user}", {"Operations": [{"op": "add", "value": {"title": "a", "Title": "b"}}]}),
        ("PATCH", "/Users/{user}", {"Operations": [{"op": "add", "path": "name", "value": {"givenName": "a", "givenname": "b"}}]}),
        ("PATCH", "/Groups/{group}", {"Operations": [{"op": "add", "path": "members", "value": [{"value": "a", "VALUE": "b"}]}]}),
        ("POST", "/Users/.search", {"count": 1, "Count": 2}),
        ("POST", "/.search", {"filter": "id pr", "Filter": "id pr"}),
    ],
)  # fmt: skip
def test_keys_that_differ_only_in_letter_case_are_invalid_syntax(
    client: Client, method: str, path: str, body: Any
) -> None:
    ids = {"user": client.user()["id"], "group": client.group()["id"]}
    with unchanged(client):
        is_error(client.request(method, path.format(**ids), body), 400, "invalidSyntax")


# --- U+0000 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        {"userName": "a\0"},
        {"userName": "\0"},
        {"externalId": "a\0b"},
        {"name": {"givenName": "\0"}},
        {"emails": [{"value": "a\0@x"}]},
        {"emails": [{"type": "\0", "value": "a"}]},
        {"roles": ["\0"]},
        {"profileUrl": "http://\0"},
        {"active": "\0"},
        {ENTERPRISE: {"department": "\0"}},
        {ENTERPRISE: {"manager": "\0"}},
        {f"{ENTERPRISE}:department": "\0"},
        {"password": "\0"},
    ],
)
def test_u_0000_in_a_string_is_an_invalid_value(client: Client, attributes: dict[str, Any]) -> None:
    user = client.user("taken")
    path = f"/Users/{user['id']}"
    [(name, value)] = attributes.items()
    with unchanged(client):
        is_error(client.post("/Users", {"userName": "u", **attributes}), 400, "invalidValue")
        is_error(client.put(path, {"userName": "u", **attributes}), 400, "invalidValue")
        is_error(client.patch(path, {"op": "replace", "value": attributes}), 400, "invalidValue")
        is_error(client.patch(path, {"op": "replace", "path": name, "value": value}), 400, "invalidValue")


def test_u_0000_in_groups_and_members_is_an_invalid_value(client: Client) -> None:
    path = f"/Groups/{client.group('g')['id']}"
    with unchanged(client):
        for member in ("\0", {"value": "a\0"}, {"value": "a", "type": "\0"}, {"value": "a", "display": "\0"}):
            is_error(client.post("/Groups", {"displayName": "u", "members": [member]}), 400, "invalidValue")
            is_error(client.put(path, {"displayName": "g", "members": [member]}), 400, "invalidValue")
            is_error(client.patch(path, {"op": "add", "path": "members", "value": [member]}), 400, "invalidValue")
        is_error(client.patch(path, {"op": "replace", "path": "displayName", "value": "\0"}), 400, "invalidValue")


def test_every_other_character_comes_back_as_it_was(client: Client) -> None:
    odd = (
        "".join(map(chr, [*range(1, 32), 127, 0x85, 0xA0, 0x2028, 0xFEFF, 0xFFFD, 0xFFFF, 0x1F600, 0x10FFFF]))
        + "'\"\\%_"
    )
    user = client.user(odd, title=odd, emails=[{"value": odd}])
    shown = client.get(f"/Users/{user['id']}").json
    assert (shown["userName"], shown["title"], shown["emails"]) == (odd, odd, [{"value": odd}])
    for path in ("userName", "title", "emails.value"):
        found = client.post("/Users/.search", {"filter": f"{path} eq {json.dumps(odd)}"})
        assert [user["userName"] for user in found.json["Resources"]] == [odd], path
    is_error(client.post("/Users", {"userName": odd}), 409, "uniqueness")


# --- what bodies may leave open ---------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, "", []])
def test_null_and_empty_mean_unassigned(client: Client, nothing: Any) -> None:
    body = {
        "userName": "u",
        "title": nothing,
        "name": nothing,
        "emails": nothing,
        "active": nothing,
        ENTERPRISE: nothing,
    }
    created = client.post("/Users", body).json
    assert created.keys() == {"schemas", "id", "userName", "active", "meta"}
    assert created["active"] is True
    full = {"userName": "u", "title": "t", "name": {"givenName": "g"}, "emails": [{"value": "e"}], "department": "d"}
    path = f"/Users/{created['id']}"
    assert client.put(path, full).json["schemas"] == [USER, ENTERPRISE]
    cleared = client.put(path, {**body, "active": True}).json
    assert cleared.keys() == {"schemas", "id", "userName", "active", "meta"}
    assert cleared["schemas"] == [USER]
    client.put(path, full)
    for name in ("title", "name", "emails", "department"):
        assert client.patch(path, {"op": "replace", "path": name, "value": nothing}).status == 204
    assert client.get(path).json.keys() == {"schemas", "id", "userName", "active", "meta"}


def test_attributes_that_the_service_assigns_are_dropped_from_bodies(client: Client) -> None:
    sent = {
        "schemas": [USER, "urn:example:unknown"],
        "userName": "u",
        "id": UNKNOWN_ID,
        "meta": {"resourceType": "Group", "created": "2000-01-01T00:00:00Z", "version": "x", "location": "http://evil"},
        "groups": [{"value": UNKNOWN_ID}],
        "unknown": {"deep": [1]},
        "urn:example:unknown": {"a": 1},
        "emails": [{"value": "e", "$ref": "http://evil", "unknown": 1}],
        ENTERPRISE: {"manager": {"value": "m", "$ref": "http://evil", "displayName": "Boss"}, "unknown": 1},
    }
    created = client.post("/Users", sent).json
    path = f"/Users/{created['id']}"
    for shown in (created, client.get(path).json, client.put(path, sent).json, client.get(path).json):
        assert shown["id"] == created["id"] != UNKNOWN_ID
        assert shown["meta"]["resourceType"] == "User"
        assert shown["meta"]["created"] == created["meta"]["created"] > "2020"
        assert shown["schemas"] == [USER, ENTERPRISE]
        assert shown["emails"] == [{"value": "e"}]
        assert shown[ENTERPRISE] == {"manager": {"value": "m"}}
        assert "evil" not in json.dumps(shown)
        assert not {"groups", "unknown", "urn:example:unknown"} & shown.keys()
    assert client.patch(path, {"op": "replace", "value": {"id": "x", "meta": {}, "groups": [], "foo": 1}}).status == 204
    assert client.get(path).json == shown


def test_a_manager_that_is_a_user_here_gets_a_ref(client: Client) -> None:
    boss = client.user("boss")
    user = client.user("u", manager=boss["id"])
    manager = client.get(f"/Users/{user['id']}").json[ENTERPRISE]["manager"]
    assert (manager["value"], manager["$ref"]) == (boss["id"], boss["meta"]["location"])


def test_a_password_is_never_shown(client: Client) -> None:
    user = client.user("u", password="hunter2-secret")
    path = f"/Users/{user['id']}"
    client.put(path, {"userName": "u", "password": "hunter2-secret"})
    client.patch(path, {"op": "replace", "path": "password", "value": "hunter2-secret"})
    for answer in (
        client.get(path),
        client.get(f"{path}?attributes=password"),
        client.get("/Users"),
        client.patch(f"{path}?attributes=password,userName", {"op": "add", "value": {"password": "hunter2-secret"}}),
        client.post("/Users/.search", {"attributes": ["password"]}),
    ):
        assert b"hunter2" not in answer.body
        assert b"password" not in answer.body
    is_error(client.get('/Users?filter=password eq "hunter2-secret"'), 400, "invalidFilter")


# --- PUT --------------------------------------------------------------------------------------------------------


def test_put_keeps_active_when_it_is_not_named_and_clears_the_rest(client: Client) -> None:
    user = client.user("u", active=False, title="t", externalId="e", emails=[{"value": "x"}], department="d")
    path = f"/Users/{user['id']}"
    replaced = client.put(path, {"userName": "u2"})
    assert replaced.status == 200
    expected = {"schemas": [USER], "id": user["id"], "userName": "u2", "active": False}
    assert {name: value for name, value in replaced.json.items() if name != "meta"} == expected
    shown = client.get(path).json
    assert {name: value for name, value in shown.items() if name != "meta"} == expected
    assert shown["meta"]["created"] == user["meta"]["created"]
    assert client.put(path, {"userName": "u2", "active": True}).json["active"] is True


def test_put_keeps_members_when_they_are_not_named(client: Client) -> None:
    group = client.group("g", "a", "b", externalId="e")
    path = f"/Groups/{group['id']}"
    client.put(path, {"displayName": "g2"})
    shown = client.get(path).json
    assert [member["value"] for member in shown["members"]] == ["a", "b"]
    assert (shown["displayName"], shown.get("externalId")) == ("g2", None)
    empty: list[Any] = [[], None, ""]
    for nothing in empty:
        client.put(path, {"displayName": "g2", "members": [{"value": "c"}]})
        assert [member["value"] for member in client.get(path).json["members"]] == ["c"]
        client.put(path, {"displayName": "g2", "MEMBERS": nothing})
        assert "members" not in client.get(path).json


def test_put_of_an_unknown_id_is_404_and_creates_nothing(client: Client) -> None:
    with unchanged(client):
        is_error(client.put(f"/Users/{UNKNOWN_ID}", {"userName": "u"}), 404)
        is_error(client.put(f"/Groups/{UNKNOWN_ID}", {"displayName": "u", "members": [{"value": "a"}]}), 404)


def test_put_and_post_without_what_is_required_are_an_invalid_value(client: Client) -> None:
    wrong: dict[str, list[Any]] = {
        "/Users": [{}, {"userName": ""}, {"userName": None}, {"schemas": [USER], "title": "x"}],
        "/Groups": [{}, {"displayName": ""}, {"schemas": [GROUP], "members": []}],
    }
    ids = {"/Users": client.user()["id"], "/Groups": client.group()["id"]}
    with unchanged(client):
        for endpoint, bodies in wrong.items():
            for body in bodies:
                is_error(client.put(f"{endpoint}/{ids[endpoint]}", body), 400, "invalidValue")
                is_error(client.post(endpoint, body), 400, "invalidValue")


@pytest.mark.parametrize(("endpoint", "key"), [("/Users", "userName"), ("/Groups", "displayName")])
def test_a_name_is_unique_in_any_letter_case_and_free_after_a_change(client: Client, endpoint: str, key: str) -> None:
    first = client.post(endpoint, {key: "Straße"}).json
    second = client.post(endpoint, {key: "other"}).json
    path = f"{endpoint}/{second['id']}"
    with unchanged(client):
        for name in ("Straße", "STRAẞE", "straße", "\uff33traße"):
            is_error(client.post(endpoint, {key: name}), 409, "uniqueness")
            is_error(client.put(path, {key: name}), 409, "uniqueness")
            is_error(client.patch(path, {"op": "replace", "path": key, "value": name}), 409, "uniqueness")
    assert client.put(f"{endpoint}/{first['id']}", {key: "STRAẞE"}).json[key] == "STRAẞE"
    assert client.patch(f"{endpoint}/{first['id']}", {"op": "replace", "path": key, "value": "new"}).status == 204
    assert client.put(path, {key: "Straße"}).status == 200
    assert client.delete(path).status == 204
    assert client.post(endpoint, {key: "straße"}).status == 201
    assert client.post(endpoint, {key: "strasse"}).status == 201


@pytest.mark.parametrize(("endpoint", "key"), [("/Users", "userName"), ("/Groups", "displayName")])
@pytest.mark.parametrize("row", rows("folding"))
def test_names_that_fold_alike_are_one_name_and_no_others(client: Client, endpoint: str, key: str, row: Row) -> None:
    first = client.post(endpoint, {key: row["one"]})
    second = client.post(endpoint, {key: row["other"]})
    assert (first.status, second.status) == (201, 409 if row["equal"] else 201)
    found = client.get(f"{endpoint}?filter={quote(f'{key} eq "{row["other"]}"')}").json
    expected = first if row["equal"] else second
    assert [one["id"] for one in found["Resources"]] == [expected.json["id"]]


# --- what changes nothing ---------------------------------------------------------------------------------------

GIVEN = {
    "userName": "bjensen",
    "title": "t",
    "emails": [{"type": "work", "value": "e"}],
    "name": {"givenName": "g"},
    "department": "d",
}
SAME: list[list[dict[str, Any]]] = [
    [{"op": "replace", "path": "title", "value": "t"}],
    [{"op": "add", "path": "emails", "value": [{"type": "work", "value": "e"}]}],
    [{"op": "add", "path": "emails", "value": {"value": "e", "type": "work"}}],
    [{"op": "replace", "path": "emails", "value": [{"type": "work", "value": "e"}]}],
    [{"op": "replace", "path": 'emails[type eq "work"].value', "value": "e"}],
    [{"op": "add", "path": 'emails[type eq "work"]', "value": {"value": "e"}}],
    [{"op": "replace", "path": "name", "value": {"givenName": "g"}}],
    [{"op": "add", "path": "name.givenName", "value": "g"}],
    [{"op": "replace", "path": "active", "value": "True"}],
    [{"op": "remove", "path": "nickName"}],
    [{"op": "remove", "path": 'emails[type eq "home"]'}],
    [{"op": "remove", "path": "emails", "value": []}],
    [{"op": "remove", "path": "emails", "value": [{"value": "other"}]}],
    [{"op": "replace", "path": "nickName", "value": ""}],
    [{"op": "add", "value": {"unknown": 1, "id": "x", "userName": "bjensen"}}],
    [{"op": "replace", "path": f"{ENTERPRISE}:department", "value": "d"}],
    [{"op": "add", "path": ENTERPRISE, "value": {"department": "d"}}],
    [{"op": "replace", "path": "title", "value": "x"}, {"op": "replace", "path": "title", "value": "t"}],
    [{"op": "replace", "path": "password", "value": "secret"}],
]


@pytest.mark.parametrize("operations", SAME)
def test_a_patch_that_changes_nothing_keeps_version_and_date(client: Client, operations: list[Any]) -> None:
    user = client.post("/Users", GIVEN).json
    path = f"/Users/{user['id']}"
    with unchanged(client):
        answer = client.patch(path, *operations)
        assert (answer.status, answer.headers["etag"]) == (204, user["meta"]["version"])
        asked = client.patch(f"{path}?attributes=meta", *operations)
        assert (asked.status, asked.json["meta"]) == (200, user["meta"])


def test_a_put_that_changes_nothing_keeps_version_and_date(client: Client) -> None:
    user = client.user("u", title="t", emails=[{"value": "e"}])
    group = client.group("g", "a")
    with unchanged(client):
        for body in (user, {"userName": "u", "title": "t", "emails": [{"value": "e"}], "nickName": ""}):
            answer = client.put(f"/Users/{user['id']}", body)
            assert (answer.status, answer.json["meta"]) == (200, user["meta"])
        for body in (group, {"displayName": "g"}, {"displayName": "g", "members": [{"value": "a"}, {"value": "a"}]}):
            answer = client.put(f"/Groups/{group['id']}", body)
            assert (answer.status, answer.headers["etag"]) == (200, group["meta"]["version"])


def test_a_change_moves_last_modified_and_the_version_but_not_created(client: Client) -> None:
    user = client.user()
    path = f"/Users/{user['id']}"
    seen = [user["meta"]]
    for number in range(3):
        client.patch(path, {"op": "replace", "path": "title", "value": f"{number}"})
        seen.append(client.get(path).json["meta"])
    assert len({meta["version"] for meta in seen}) == 4
    assert sorted(meta["lastModified"] for meta in seen) == [meta["lastModified"] for meta in seen]
    assert len({meta["lastModified"] for meta in seen}) == 4
    assert len({meta["created"] for meta in seen}) == 1


# --- all or nothing ---------------------------------------------------------------------------------------------

WRONG: list[tuple[Any, int, str | None]] = [
    ({"op": "replace", "path": "name.foo", "value": 1}, 400, "invalidPath"),
    ({"op": "replace", "path": "id", "value": "x"}, 400, "mutability"),
    ({"op": "remove", "path": "userName"}, 400, "mutability"),
    ({"op": "remove"}, 400, "noTarget"),
    ({"op": "replace", "path": "active", "value": "maybe"}, 400, "invalidValue"),
    ({"op": "move", "path": "title"}, 400, "invalidSyntax"),
    ({"op": "add", "path": 'emails[foo eq "x"].value', "value": "x"}, 400, "invalidFilter"),
    ({"op": "replace", "path": "userName", "value": "taken"}, 409, "uniqueness"),
    ("not an operation", 400, "invalidSyntax"),
]


@pytest.mark.parametrize(("wrong", "status", "scim_type"), WRONG)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_all_operations_of_a_patch_are_applied_or_none(
    client: Client, wrong: Any, status: int, scim_type: str | None, at: int
) -> None:
    client.user("taken")
    path = f"/Users/{client.user('u', title='old')['id']}"
    operations: list[Any] = [
        {"op": "replace", "path": "title", "value": "new"},
        {"op": "add", "path": "emails", "value": [{"value": "e"}]},
    ]
    operations.insert(at, wrong)
    with unchanged(client):
        is_error(client.patch(path, *operations), status, scim_type)
    assert names(client.get('/Users?filter=title eq "new" or emails.value eq "e"')) == []
    assert names(client.get('/Users?filter=title eq "old"')) == ["u"]


@pytest.mark.parametrize(
    ("wrong", "status", "scim_type"),
    [
        ({"op": "replace", "path": "displayName", "value": "taken"}, 409, "uniqueness"),
        ({"op": "replace", "path": "displayName", "value": ""}, 400, "mutability"),
        ({"op": "add", "path": "displayName.foo", "value": 1}, 400, "invalidPath"),
        ({"op": "add", "path": "members", "value": [{"type": "User"}]}, 400, "invalidValue"),
        ({"op": "replace", "path": 'members[value eq "a"].value', "value": "c"}, 400, "mutability"),
    ],
)
def test_members_and_attributes_of_one_patch_are_changed_together_or_not_at_all(
    client: Client, wrong: Any, status: int, scim_type: str
) -> None:
    client.group("taken")
    path = f"/Groups/{client.group('g', 'a')['id']}"
    more = {"op": "add", "path": "members", "value": [{"value": "b"}]}
    name = {"op": "add", "path": "externalId", "value": "e"}
    with unchanged(client):
        for operations in ([more, name, wrong], [wrong, more, name]):
            is_error(client.patch(path, *operations), status, scim_type)


def test_the_envelope_is_read_in_any_order_and_letter_case(client: Client) -> None:
    path = f"/Users/{client.user()['id']}"
    body = {"operations": [{"VALUE": "t", "Path": "title", "OP": "Add"}], "SCHEMAS": [PATCH], "more": 1}
    assert client.request("PATCH", path, body).status == 204
    assert client.get(path).json["title"] == "t"


def test_an_unknown_extension_in_schemas_does_not_stick_and_a_known_one_follows_its_attributes(client: Client) -> None:
    user = client.user("u", schemas=[USER, ENTERPRISE, "urn:x"])
    path = f"/Users/{user['id']}"
    assert user["schemas"] == [USER]
    client.patch(path, {"op": "add", "path": "department", "value": "d"})
    assert client.get(path).json["schemas"] == [USER, ENTERPRISE]
    client.patch(path, {"op": "remove", "path": f"{ENTERPRISE}:department"})
    shown = client.get(path).json
    assert (shown["schemas"], ENTERPRISE in shown) == ([USER], False)
