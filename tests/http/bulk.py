"""What a bulk request does on every store and along every way in, as functions of a client on an empty service."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.conftest import Client
from tests.http.checks import ENTERPRISE, ERROR, GROUP, PATCH, UNKNOWN_ID, USER, everything, names

REQUEST: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"

type Operation = dict[str, Any]


def bulk(client: Client, *operations: Operation, **members: Any) -> list[dict[str, Any]]:
    """The entries of the answer, each in the form that RFC 7644 §3.7.3 gives it."""
    answer = client.post("/Bulk", {"schemas": [REQUEST], **members, "Operations": list(operations)})
    assert answer.status == 200, (answer.status, answer.body[:300])
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.json.keys() == {"schemas", "Operations"}
    assert answer.json["schemas"] == [RESPONSE]
    entries: list[dict[str, Any]] = answer.json["Operations"]
    for entry in entries:
        assert entry.keys() <= {"location", "method", "bulkId", "version", "status", "response"}
        failed = int(entry["status"]) >= 400
        assert ("response" in entry) is failed
        assert ("version" in entry) is (not failed and entry["method"] != "DELETE")
        if failed:
            body = entry["response"]
            assert (body["schemas"], body["status"]) == ([ERROR], entry["status"])
            assert body["detail"].strip()
        else:
            assert "location" in entry
    return entries


def made(bulk_id: str, **attributes: Any) -> Operation:
    """The creation of a user of that name."""
    return {"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"userName": bulk_id, **attributes}}


def grouped(bulk_id: str, *members: str, **attributes: Any) -> Operation:
    """The creation of a group of that name."""
    data = {"displayName": bulk_id, "members": [{"value": member} for member in members], **attributes}
    return {"method": "POST", "path": "/Groups", "bulkId": bulk_id, "data": data}


def patched(path: str, *operations: dict[str, Any]) -> Operation:
    """A PATCH as an operation."""
    return {"method": "PATCH", "path": path, "data": {"schemas": [PATCH], "Operations": list(operations)}}


def statuses(entries: list[dict[str, Any]]) -> list[str]:
    """The statuses of the entries, in their order."""
    return [entry["status"] for entry in entries]


def ids(entries: list[dict[str, Any]]) -> list[str]:
    """The ids that the locations of the entries end in."""
    return [entry["location"].rpartition("/")[2] for entry in entries]


def members_of(client: Client, group: str) -> set[str]:
    """The members of a group."""
    answer = client.get(f"/Groups/{group}")
    assert answer.status == 200, answer.body
    return {member["value"] for member in answer.json.get("members", [])}


# --- the examples of RFC 7644 §3.7 ---


def _a_circle_of_two_groups(client: Client) -> None:
    """§3.7.1: each group is a member of the other."""
    entries = bulk(client, grouped("Group A", "bulkId:Group B"), grouped("Group B", "bulkId:Group A"))
    assert statuses(entries) == ["201", "201"]
    first, second = ids(entries)
    assert (members_of(client, first), members_of(client, second)) == ({second}, {first})


def _a_user_and_a_group_of_it(client: Client) -> None:
    """§3.7.2: the group's member is the user, by its `bulkId`."""
    alice = {**made("qwerty"), "data": {"schemas": [USER], "userName": "Alice"}}
    guides = {
        "method": "POST",
        "path": "/Groups",
        "bulkId": "ytrewq",
        "data": {
            "schemas": [GROUP],
            "displayName": "Tour Guides",
            "members": [{"type": "User", "value": "bulkId:qwerty"}],
        },
    }
    entries = bulk(client, alice, guides)
    assert [(entry["method"], entry["bulkId"], entry["status"]) for entry in entries] == [
        ("POST", "qwerty", "201"),
        ("POST", "ytrewq", "201"),
    ]
    user, group = ids(entries)
    shown = client.get(f"/Groups/{group}").json
    assert [member["value"] for member in shown["members"]] == [user]
    assert entries[1]["location"] == shown["meta"]["location"]
    assert entries[1]["version"] == shown["meta"]["version"]


def _a_user_and_its_manager(client: Client) -> None:
    """§3.7.2: the manager is the other user, by its `bulkId`."""
    alice, bob = made("qwerty", userName="Alice"), made("ytrewq", userName="Bob")
    bob["data"] = {"schemas": [USER, ENTERPRISE], "userName": "Bob", ENTERPRISE: {"employeeNumber": "11250"}}
    bob["data"][ENTERPRISE]["manager"] = {"value": "bulkId:qwerty", "$ref": "bulkId:qwerty"}
    entries = bulk(client, alice, bob)
    assert statuses(entries) == ["201", "201"]
    manager, user = ids(entries)
    assert client.get(f"/Users/{user}").json[ENTERPRISE]["manager"]["value"] == manager


def _one_operation_of_each_method(client: Client) -> None:
    """§3.7.3: with versions, and the operations of the PATCH alone, as the RFC's example has them."""
    bob, dave, eve = (client.user(name, nickName="x") for name in ("bob", "dave", "eve"))
    entries = bulk(
        client,
        {"method": "POST", "path": "/Users", "bulkId": "qwerty", "data": {"schemas": [USER], "userName": "Alice"}},
        {
            "method": "PUT",
            "path": f"/Users/{bob['id']}",
            "version": bob["meta"]["version"],
            "data": {"schemas": [USER], "id": bob["id"], "userName": "Bob"},
        },
        {
            "method": "PATCH",
            "path": f"/Users/{dave['id']}",
            "version": dave["meta"]["version"],
            "data": [{"op": "remove", "path": "nickName"}, {"op": "add", "path": "userName", "value": "Dave"}],
        },
        {"method": "DELETE", "path": f"/Users/{eve['id']}", "version": eve["meta"]["version"]},
        failOnErrors=1,
    )
    assert [(entry["method"], entry["status"]) for entry in entries] == [
        ("POST", "201"),
        ("PUT", "200"),
        ("PATCH", "204"),
        ("DELETE", "204"),
    ]
    assert [entry.get("bulkId") for entry in entries] == ["qwerty", None, None, None]
    alice, *others = ids(entries)
    assert others == [bob["id"], dave["id"], eve["id"]]
    for id, name, entry in zip((alice, bob["id"], dave["id"]), ("Alice", "Bob", "Dave"), entries, strict=False):
        shown = client.get(f"/Users/{id}").json
        assert (shown["userName"], shown.get("nickName")) == (name, None)
        assert (entry["location"], entry["version"]) == (shown["meta"]["location"], shown["meta"]["version"])
    assert client.get(f"/Users/{eve['id']}").status == 404


def _every_operation_may_fail(client: Client) -> None:
    """§3.7.3: without `failOnErrors` all are tried; a failed POST has no location, the others have."""
    bob, eve = client.user("bob"), client.user("eve")
    entries = bulk(
        client,
        {"method": "POST", "path": "/Users", "bulkId": "qwerty", "data": {"schemas": [USER], "userName": ""}},
        {
            "method": "PUT",
            "path": f"/Users/{bob['id']}",
            "version": 'W/"0"',
            "data": {"schemas": [USER], "userName": "Bob"},
        },
        patched(f"/Users/{UNKNOWN_ID}", {"op": "remove", "path": "nickName"}),
        {"method": "DELETE", "path": f"/Users/{UNKNOWN_ID}", "version": 'W/"1"'},
        {"method": "DELETE", "path": f"/Users/{eve['id']}"},
    )
    assert statuses(entries) == ["400", "412", "404", "404", "204"]
    assert "location" not in entries[0]
    assert entries[0]["response"]["scimType"] == "invalidValue"
    assert ids(entries[1:]) == [bob["id"], UNKNOWN_ID, UNKNOWN_ID, eve["id"]]
    assert entries[1]["location"] == bob["meta"]["location"]
    assert names(client.get("/Users")) == ["bob"]


def _a_failure_with_fail_on_errors_ends_it(client: Client) -> None:
    """§3.7.3: what comes behind the failure isn't tried, and isn't in the answer."""
    client.user("Alice")
    entries = bulk(client, made("x"), made("qwerty", userName="Alice"), made("z"), failOnErrors=1)
    assert statuses(entries) == ["201", "409"]
    assert entries[1]["response"]["scimType"] == "uniqueness"
    assert names(client.get("/Users")) == ["Alice", "x"]


# --- references ---


def _references_lead_forwards_and_backwards(client: Client) -> None:
    entries = bulk(
        client,
        grouped("before", "bulkId:u", "bulkId:v", "somebody"),
        made("u", manager="bulkId:v"),
        made("v", **{ENTERPRISE: {"manager": {"value": "bulkId:u"}}}),
        grouped("behind", "bulkId:u", "bulkId:before"),
    )
    assert statuses(entries) == ["201"] * 4
    before, u, v, behind = ids(entries)
    assert members_of(client, before) == {u, v, "somebody"}
    assert members_of(client, behind) == {u, before}
    assert client.get(f"/Users/{u}").json[ENTERPRISE]["manager"]["value"] == v
    assert client.get(f"/Users/{v}").json[ENTERPRISE]["manager"]["value"] == u


def _references_in_a_patch(client: Client) -> None:
    user, group = client.user("there")["id"], client.group("g", "stays", "goes")["id"]
    entries = bulk(
        client,
        patched(f"/Users/{user}", {"op": "add", "value": {ENTERPRISE: {"manager": {"value": "bulkId:a"}}}}),
        patched(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": "bulkId:a"}, "bulkId:b"]}),
        patched(f"/Groups/{group}", {"op": "remove", "path": 'members[value eq "goes"]'}),
        patched(f"/Groups/{group}", {"op": "Remove", "Path": 'members[value eq "bulkId:b" or value eq "bulkId:c"]'}),
        {
            "method": "PATCH",
            "path": f"/Groups/{group}",
            "data": [{"op": "add", "path": 'members[value eq "bulkId:c"]', "value": {}}],
        },
        made("a"),
        made("b"),
        made("c"),
    )
    assert statuses(entries) == ["204"] * 5 + ["201"] * 3
    a, _, c = ids(entries[5:])
    assert members_of(client, group) == {"stays", a, c}
    assert client.get(f"/Users/{user}").json[ENTERPRISE]["manager"]["value"] == a


def _references_in_a_put(client: Client) -> None:
    group = client.group("g", "goes")["id"]
    put = {"method": "PUT", "path": f"/Groups/{group}", "data": {"displayName": "g", "members": ["bulkId:a"]}}
    entries = bulk(client, put, made("a"))
    assert statuses(entries) == ["200", "201"]
    assert members_of(client, group) == {ids(entries)[1]}


def _references_in_paths(client: Client) -> None:
    entries = bulk(
        client,
        patched("/Users/bulkId:a", {"op": "add", "path": "title", "value": "Guide"}),
        {"method": "DELETE", "path": "users/bulkId:b"},
        {"method": "PUT", "path": "/GROUPS/bulkId:g", "data": {"displayName": "renamed"}},
        {"method": "PATCH", "path": "/Groups/bulkId:g/", "data": [{"op": "add", "path": "externalId", "value": "e"}]},
        made("a"),
        made("b"),
        grouped("g", "bulkId:a"),
    )
    assert statuses(entries) == ["204", "204", "200", "204", "201", "201", "201"]
    a, b, g = ids(entries[4:])
    assert ids(entries[:4]) == [a, b, g, g]
    assert client.get(f"/Users/{a}").json["title"] == "Guide"
    assert client.get(f"/Users/{b}").status == 404
    shown = client.get(f"/Groups/{g}").json
    assert (shown["displayName"], shown["externalId"], len(shown["members"])) == ("renamed", "e", 1)


def _a_circle_of_fifty(client: Client) -> None:
    groups = [grouped(f"g{n}", f"bulkId:g{(n + 1) % 50}") for n in range(50)]
    entries = bulk(client, *groups)
    assert statuses(entries) == ["201"] * 50
    made = ids(entries)
    assert all(members_of(client, made[n]) == {made[(n + 1) % 50]} for n in range(50))


def _a_creation_that_refers_to_itself(client: Client) -> None:
    entries = bulk(client, grouped("self", "bulkId:self"), made("own", manager="bulkId:own"))
    assert statuses(entries) == ["201", "201"]
    group, user = ids(entries)
    assert members_of(client, group) == {group}
    assert client.get(f"/Users/{user}").json[ENTERPRISE]["manager"]["value"] == user


def _a_circle_that_fails_goes_whole(client: Client) -> None:
    """The last one to be created fails; those that were created with its id are deleted again."""
    client.group("taken")
    broken = grouped("c", "bulkId:a", displayName="taken")
    entries = bulk(client, grouped("a", "bulkId:b"), grouped("b", "bulkId:c"), broken, made("alone"))
    assert statuses(entries) == ["409", "409", "409", "201"]
    assert [entry["response"].get("scimType") for entry in entries[:3]] == [None, None, "uniqueness"]
    assert all("location" not in entry for entry in entries[:3])
    assert [each.get("displayName", each.get("userName")) for each in everything(client)] == ["alone", "taken"]


def _what_refers_to_a_failure_is_not_tried(client: Client) -> None:
    client.user("taken")
    group = client.group("g", "stays")["id"]
    entries = bulk(
        client,
        grouped("behind", "bulkId:bad"),
        made("bad", userName="taken"),
        patched(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": "bulkId:bad"}]}),
        {"method": "DELETE", "path": "/Users/bulkId:bad"},
        grouped("far behind", "bulkId:behind"),
        made("unknown", manager="bulkId:nowhere"),
        made("fine"),
    )
    assert statuses(entries) == ["409"] * 6 + ["201"]
    assert [entry["response"].get("scimType") for entry in entries[:6]] == [None, "uniqueness", None, None, None, None]
    assert [entry.get("location", "").rpartition("/")[2] for entry in entries[:4]] == ["", "", group, ""]
    assert members_of(client, group) == {"stays"}
    assert names(client.get("/Users")) == ["taken", "fine"]
    assert names(client.get("/Groups")) == ["g"]


# --- versions ---


def _versions_are_if_match(client: Client) -> None:
    user = client.user("u")
    path, version = f"/Users/{user['id']}", user["meta"]["version"]
    change = {"op": "replace", "path": "title", "value": "Guide"}
    entries = bulk(
        client,
        {**patched(path, change), "version": version},
        {**patched(path, {**change, "value": "Stale"}), "version": version},
        {**patched(path, {**change, "value": "Any"}), "version": "*"},
        {**patched(path, {**change, "value": "Nothing"}), "version": ""},
        {**patched(path, {**change, "value": "Whatever"}), "version": None},
        {"method": "PUT", "path": path, "version": version, "data": {"userName": "stale"}},
        {"method": "DELETE", "path": path, "version": version},
    )
    assert statuses(entries) == ["204", "412", "204", "412", "204", "412", "412"]
    shown = client.get(path).json
    assert (shown["title"], shown["meta"]["version"]) == ("Whatever", entries[4]["version"])
    assert statuses(bulk(client, {"method": "DELETE", "path": path, "version": entries[4]["version"]})) == ["204"]


CASES: Final[Mapping[str, Callable[[Client], None]]] = {
    function.__name__.strip("_").replace("_", "-"): function
    for function in (
        _a_circle_of_two_groups,
        _a_user_and_a_group_of_it,
        _a_user_and_its_manager,
        _one_operation_of_each_method,
        _every_operation_may_fail,
        _a_failure_with_fail_on_errors_ends_it,
        _references_lead_forwards_and_backwards,
        _references_in_a_patch,
        _references_in_a_put,
        _references_in_paths,
        _a_circle_of_fifty,
        _a_creation_that_refers_to_itself,
        _a_circle_that_fails_goes_whole,
        _what_refers_to_a_failure_is_not_tried,
        _versions_are_if_match,
    )
}
