"""Groups and their members, which are items of their own: every way to change them, and both sides to read them from."""

from typing import Any

import pytest

from tests.conftest import Client
from tests.http.checks import UNKNOWN_ID, is_error, names, resources, unchanged


def members(client: Client, group: str) -> list[str]:
    """The values of a group's members, in order."""
    return [member["value"] for member in client.get(f"/Groups/{group}").json.get("members", [])]


def groups(client: Client, user: str) -> list[str]:
    """What a user's groups are called, in order."""
    return sorted(group["display"] for group in client.get(f"/Users/{user}").json.get("groups", []))


def values(*listed: str) -> list[dict[str, str]]:
    return [{"value": value} for value in listed]


# From members a, b to what, by which operations.
CHANGES: list[tuple[str, list[dict[str, Any]], list[str]]] = [
    ("add one", [{"op": "add", "path": "members", "value": values("c")}], ["a", "b", "c"]),
    ("add several", [{"op": "add", "path": "members", "value": values("c", "d")}], ["a", "b", "c", "d"]),
    ("add a single object", [{"op": "add", "path": "members", "value": {"value": "c"}}], ["a", "b", "c"]),
    ("add a text", [{"op": "add", "path": "members", "value": "c"}], ["a", "b", "c"]),
    ("add texts", [{"op": "add", "path": "members", "value": ["c", "d"]}], ["a", "b", "c", "d"]),
    ("add by .value", [{"op": "add", "path": "members.value", "value": "c"}], ["a", "b", "c"]),
    ("add without path", [{"op": "add", "value": {"members": values("c")}}], ["a", "b", "c"]),
    ("add with the schema's URN", [{"op": "add", "path": "urn:ietf:params:scim:schemas:core:2.0:Group:members", "value": values("c")}], ["a", "b", "c"]),
    ("add in capitals", [{"op": "Add", "path": "MEMBERS", "value": [{"VALUE": "c"}]}], ["a", "b", "c"]),
    ("add what is there", [{"op": "add", "path": "members", "value": values("a", "c")}], ["a", "b", "c"]),
    ("add twice", [{"op": "add", "path": "members", "value": values("c", "c")}] * 2, ["a", "b", "c"]),
    ("add by a value path", [{"op": "add", "path": 'members[value eq "c"]', "value": {"type": "User"}}], ["a", "b", "c"]),
    ("add nothing", [{"op": "add", "path": "members", "value": []}], ["a", "b"]),
    ("remove one by path", [{"op": "remove", "path": 'members[value eq "a"]'}], ["b"]),
    ("remove one by path to .value", [{"op": "remove", "path": 'members[value eq "a"].value'}], ["b"]),
    ("remove two by path", [{"op": "remove", "path": 'members[value eq "a" or value eq "b"]'}], []),
    ("remove by the start", [{"op": "remove", "path": 'members[value sw "a"]'}], ["b"]),
    ("remove by not", [{"op": "remove", "path": 'members[not (value eq "a")]'}], ["a"]),
    ("remove by ne", [{"op": "remove", "path": 'members[value ne "a"]'}], ["a"]),
    ("remove by presence", [{"op": "remove", "path": "members[value pr]"}], []),
    ("remove by list", [{"op": "remove", "path": "members", "value": values("a")}], ["b"]),
    ("remove by an object", [{"op": "remove", "path": "members", "value": {"value": "a"}}], ["b"]),
    ("remove by a text", [{"op": "remove", "path": "members", "value": "a"}], ["b"]),
    ("remove by list with more in it", [{"op": "remove", "path": "members", "value": [{"value": "a", "type": "User", "$ref": "x", "display": "y"}]}], ["b"]),
    ("remove who isn't there", [{"op": "remove", "path": "members", "value": values("z")}], ["a", "b"]),
    ("remove who isn't there by path", [{"op": "remove", "path": 'members[value eq "z"]'}], ["a", "b"]),
    ("remove in another letter case", [{"op": "remove", "path": 'members[value eq "A"]'}], ["a", "b"]),
    ("remove an empty list", [{"op": "remove", "path": "members", "value": []}], ["a", "b"]),
    ("remove all", [{"op": "remove", "path": "members"}], []),
    ("replace", [{"op": "replace", "path": "members", "value": values("b", "c")}], ["b", "c"]),
    ("replace without path", [{"op": "replace", "value": {"members": values("c")}}], ["c"]),
    ("replace with an empty list", [{"op": "replace", "path": "members", "value": []}], []),
    ("replace with null", [{"op": "replace", "path": "members", "value": None}], []),
    ("replace with an empty text", [{"op": "replace", "path": "members", "value": ""}], []),
    ("replace one by path", [{"op": "replace", "path": 'members[value eq "a"]', "value": {"value": "c"}}], ["b", "c"]),
    ("replace nobody by path", [{"op": "replace", "path": 'members[value eq "c"]', "value": {"type": "User"}}], ["a", "b", "c"]),
    ("add, then remove", [{"op": "add", "path": "members", "value": values("c")}, {"op": "remove", "path": 'members[value eq "c"]'}], ["a", "b"]),
    ("remove, then add", [{"op": "remove", "path": 'members[value eq "a"]'}, {"op": "add", "path": "members", "value": values("a")}], ["a", "b"]),
    ("clear, then add", [{"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": values("c")}], ["c"]),
    ("add, then clear", [{"op": "add", "path": "members", "value": values("c")}, {"op": "remove", "path": "members"}], []),
    ("replace, then add", [{"op": "replace", "path": "members", "value": values("c")}, {"op": "add", "path": "members", "value": values("a")}], ["a", "c"]),
    ("add, then remove by a filter", [{"op": "add", "path": "members", "value": values("ca")}, {"op": "remove", "path": 'members[value co "a"]'}], ["b"]),
    ("replace twice", [{"op": "replace", "path": "members", "value": values("c")}, {"op": "replace", "path": "members", "value": values("d")}], ["d"]),
]  # fmt: skip


@pytest.mark.parametrize(("operations", "after"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_members_change_in_every_form(client: Client, operations: list[dict[str, Any]], after: list[str]) -> None:
    group = client.group("g", "a", "b")
    path = f"/Groups/{group['id']}"
    answer = client.patch(path, *operations)
    assert (answer.status, answer.body) == (204, b"")
    assert members(client, group["id"]) == after
    shown = client.get(path).json
    assert answer.headers["etag"] == shown["meta"]["version"]
    changed = after != ["a", "b"]
    assert (shown["meta"]["version"] != group["meta"]["version"]) == changed
    assert (shown["meta"]["lastModified"] > group["meta"]["lastModified"]) == changed
    assert shown["meta"]["created"] == group["meta"]["created"]
    for value in ("a", "b", "c", "d"):
        assert bool(names(client.get(f'/Groups?filter=members eq "{value}"'))) == (value in after)


@pytest.mark.parametrize(("operations", "after"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_members_and_attributes_change_in_one_request(
    client: Client, operations: list[dict[str, Any]], after: list[str]
) -> None:
    group = client.group("g", "a", "b")
    path = f"/Groups/{group['id']}"
    renamed = {"op": "replace", "path": "displayName", "value": "renamed"}
    answer = client.patch(f"{path}?attributes=displayName,members.value", renamed, *operations)
    assert answer.status == 200
    assert answer.json["displayName"] == "renamed"
    assert [member["value"] for member in answer.json.get("members", [])] == after
    shown = client.get(path).json
    assert shown["meta"]["version"] == answer.headers["etag"] != group["meta"]["version"]
    assert members(client, group["id"]) == after


def test_put_replaces_members(client: Client) -> None:
    group = client.group("g", "a", "b")
    path = f"/Groups/{group['id']}"
    answer = client.put(path, {"displayName": "g", "members": values("b", "c")})
    assert answer.status == 200
    assert [member["value"] for member in answer.json["members"]] == ["b", "c"]
    assert members(client, group["id"]) == ["b", "c"]
    assert answer.json["meta"] == client.get(path).json["meta"]
    assert answer.json["meta"]["version"] != group["meta"]["version"]


def test_both_sides_see_a_membership(client: Client) -> None:
    ann, bob = client.user("ann")["id"], client.user("bob")["id"]
    staff = client.group("Staff", ann, bob)["id"]
    client.group("Tours", ann)
    assert groups(client, ann) == ["Staff", "Tours"]
    assert groups(client, bob) == ["Staff"]
    listed = {user["userName"]: user for user in resources(client.get("/Users"))}
    assert [group["display"] for group in listed["bob"]["groups"]] == ["Staff"]
    assert len(listed["ann"]["groups"]) == 2
    [entry] = listed["bob"]["groups"]
    location = client.get(f"/Groups/{staff}").json["meta"]["location"]
    assert entry == {"value": staff, "$ref": location, "display": "Staff", "type": "direct"}
    client.patch(f"/Groups/{staff}", {"op": "replace", "path": "displayName", "value": "Crew"})
    assert groups(client, bob) == ["Crew"]
    client.patch(f"/Groups/{staff}", {"op": "remove", "path": f'members[value eq "{bob}"]'})
    assert "groups" not in client.get(f"/Users/{bob}").json


def test_members_have_type_and_ref(client: Client) -> None:
    user, inner = client.user("u"), client.group("inner")
    outer = client.group("outer", user["id"], inner["id"], "elsewhere", UNKNOWN_ID)
    shown = {member["value"]: member for member in client.get(f"/Groups/{outer['id']}").json["members"]}
    location = user["meta"]["location"]
    assert shown[user["id"]] == {"value": user["id"], "$ref": location, "type": "User"}
    location = inner["meta"]["location"]
    assert shown[inner["id"]] == {"value": inner["id"], "$ref": location, "type": "Group"}
    assert shown["elsewhere"] == {"value": "elsewhere"}
    assert shown[UNKNOWN_ID] == {"value": UNKNOWN_ID}
    [listed] = [group for group in resources(client.get("/Groups")) if group["displayName"] == "outer"]
    assert {member["value"]: member for member in listed["members"]} == shown


def test_a_type_and_a_display_that_were_sent_are_kept(client: Client) -> None:
    group = client.group("g")
    sent = {"value": "x", "type": "User", "display": "Mr X", "$ref": "https://evil.example/x"}
    client.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [sent]})
    [member] = client.get(f"/Groups/{group['id']}").json["members"]
    assert member == {"value": "x", "type": "User", "display": "Mr X"}


def test_members_go_by_type_too(client: Client) -> None:
    """`type` is found when members are read, so a filter knows it though nobody sent it."""
    user, inner = client.user("u")["id"], client.group("inner")["id"]
    outer = client.group("outer", user, inner)["id"]
    client.patch(f"/Groups/{outer}", {"op": "remove", "path": 'members[type eq "Group"]'})
    assert members(client, outer) == [user]


def test_groups_of_a_user_are_the_direct_ones(client: Client) -> None:
    user = client.user("u")["id"]
    inner = client.group("inner", user)["id"]
    outer = client.group("outer", inner)["id"]
    assert groups(client, user) == ["inner"]
    assert names(client.get(f'/Groups?filter=members eq "{inner}"')) == ["outer"]
    assert names(client.get(f'/Groups?filter=members eq "{user}"')) == ["inner"]
    assert client.delete(f"/Groups/{inner}").status == 204
    assert members(client, outer) == []
    assert groups(client, user) == []


def test_a_group_may_be_its_own_member_and_in_a_circle(client: Client) -> None:
    one = client.group("one")["id"]
    two = client.group("two", one)["id"]
    client.patch(f"/Groups/{one}", {"op": "add", "path": "members", "value": values(one, two)})
    assert members(client, one) == [one, two]
    assert len(resources(client.get("/Groups"))) == 2
    assert client.delete(f"/Groups/{one}").status == 204
    assert members(client, two) == []


def test_deleting_a_user_takes_it_out_of_every_group(client: Client) -> None:
    user, other = client.user("u")["id"], client.user("other")["id"]
    made = [client.group(f"g{number}", user, other)["id"] for number in range(120)]
    assert len(client.get(f"/Users/{user}").json["groups"]) == 120
    assert client.delete(f"/Users/{user}").status == 204
    assert {tuple(members(client, group)) for group in made} == {(other,)}
    assert names(client.get(f'/Groups?filter=members eq "{user}"')) == []
    is_error(client.get(f"/Users/{user}"), 404)
    is_error(client.delete(f"/Users/{user}"), 404)


def test_disabling_a_user_leaves_it_in_its_groups(client: Client) -> None:
    user = client.user("u")["id"]
    client.group("g", user)
    client.patch(f"/Users/{user}", {"op": "replace", "path": "active", "value": False})
    assert groups(client, user) == ["g"]


def test_deleting_a_group_leaves_its_members_and_frees_its_name(client: Client) -> None:
    user = client.user("u")["id"]
    group = client.group("g", user)["id"]
    assert client.delete(f"/Groups/{group}").status == 204
    assert "groups" not in client.get(f"/Users/{user}").json
    assert names(client.get(f'/Users?filter=groups eq "{group}"')) == []
    is_error(client.get(f"/Groups/{group}"), 404)
    is_error(client.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": values(user)}), 404)
    is_error(client.patch(f"/Groups/{group}", {"op": "remove", "path": "members", "value": []}), 404)
    is_error(client.patch(f"/Groups/{group}", {"op": "remove", "path": "members"}), 404)
    assert groups(client, user) == []
    again = client.group("g")
    assert again["id"] != group
    assert "members" not in client.get(f"/Groups/{again['id']}").json


def test_a_change_of_members_does_not_touch_the_users(client: Client) -> None:
    user = client.user("u")
    group = client.group("g")["id"]
    for operation in (
        {"op": "add", "path": "members", "value": values(user["id"])},
        {"op": "remove", "path": "members"},
    ):
        client.patch(f"/Groups/{group}", operation)
        assert client.get(f"/Users/{user['id']}").json["meta"] == user["meta"]


def test_a_group_is_found_by_the_time_of_its_last_member_change(client: Client) -> None:
    group = client.group("g")
    before = group["meta"]["lastModified"]
    assert names(client.get(f'/Groups?filter=meta.lastModified gt "{before}"')) == []
    client.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": values("a")})
    assert names(client.get(f'/Groups?filter=meta.lastModified gt "{before}"')) == ["g"]
    assert names(client.get(f'/Groups?filter=meta.created eq "{group["meta"]["created"]}"')) == ["g"]


def test_a_name_change_in_letter_case_only_is_no_conflict(client: Client) -> None:
    group = client.group("g")["id"]
    client.patch(f"/Groups/{group}", {"op": "replace", "path": "displayName", "value": "G"})
    assert client.get(f"/Groups/{group}").json["displayName"] == "G"


def test_a_user_and_a_group_may_have_one_name(client: Client) -> None:
    client.user("same")
    client.group("same")
    assert names(client.post("/.search", {"filter": 'userName eq "same" or displayName eq "same"'})) == ["same", "same"]


@pytest.mark.parametrize("number", [1, 97, 98, 99, 1_000, 10_000])
def test_any_number_of_members_is_added_and_removed_in_one_request(client: Client, number: int) -> None:
    listed = sorted(f"m{at}" for at in range(number))
    group = client.group("g")["id"]
    path = f"/Groups/{group}"
    assert client.patch(path, {"op": "add", "path": "members", "value": values(*listed)}).status == 204
    assert members(client, group) == listed
    with unchanged(client):
        assert client.patch(path, {"op": "add", "path": "members", "value": values(*listed)}).status == 204
    client.patch(path, {"op": "remove", "path": "members", "value": values(*listed[1:])})
    assert members(client, group) == listed[:1]
    client.put(path, {"displayName": "g", "members": values(*listed)})
    assert members(client, group) == listed
    client.patch(path, {"op": "replace", "path": "members", "value": values("other", *listed[: number // 2])})
    assert members(client, group) == sorted(["other", *listed[: number // 2]])
    client.patch(path, {"op": "remove", "path": "members"})
    assert members(client, group) == []
    assert client.post("/Groups", {"displayName": "new", "members": values(*listed)}).status == 201


def test_a_user_in_very_many_groups_is_shown_with_all_of_them(client: Client) -> None:
    user = client.user("u")["id"]
    for number in range(1_100):
        client.group(f"g{number}", user)
    assert len(groups(client, user)) == 1_100
    is_error(client.get(f'/Groups?filter=members eq "{user}"'), 400, "tooMany")
    assert client.delete(f"/Users/{user}").status == 204
    assert all("members" not in group for group in resources(client.get("/Groups?count=1000")))
