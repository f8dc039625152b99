"""Lists, searches and projection, request by request: filters that need member items, order, pages, what answers carry."""

from typing import Any

import pytest

from tests.conftest import Client
from tests.http.checks import ENTERPRISE, GROUP, SEARCH, UNKNOWN_ID, USER, is_error, names, resources


def at(client: Client, path: str) -> tuple[int, int, int]:
    """Total, start and number of resources of a list."""
    body = client.get(path).json
    assert len(body["Resources"]) == body["itemsPerPage"]
    return body["totalResults"], body["startIndex"], body["itemsPerPage"]


# --- pages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "total", "start", "shown"),
    [
        ("", 5, 1, ["u1", "u2", "u3", "u4", "u5"]),
        ("count=2", 5, 1, ["u1", "u2"]),
        ("count=2&startIndex=2", 5, 2, ["u2", "u3"]),
        ("count=2&startIndex=5", 5, 5, ["u5"]),
        ("count=2&startIndex=6", 5, 6, []),
        ("startIndex=1000000", 5, 1000000, []),
        ("count=0", 5, 1, []),
        ("count=0&startIndex=3", 5, 3, []),
        ("count=-1", 5, 1, []),
        ("count=-9999999999999999999", 5, 1, []),
        ("startIndex=0", 5, 1, ["u1", "u2", "u3", "u4", "u5"]),
        ("startIndex=-7&count=1", 5, 1, ["u1"]),
        ("count=9999999999999999999", 5, 1, ["u1", "u2", "u3", "u4", "u5"]),
        ("count=&startIndex=", 5, 1, ["u1", "u2", "u3", "u4", "u5"]),
        ("count=5", 5, 1, ["u1", "u2", "u3", "u4", "u5"]),
        ("COUNT=1&STARTINDEX=2", 5, 2, ["u2"]),
        ('filter=userName gt "u3"&count=0', 2, 1, []),
        ('filter=userName gt "u3"&count=1', 2, 1, ["u4"]),
        ('filter=userName gt "u3"&startIndex=2', 2, 2, ["u5"]),
        ('filter=userName gt "u3"&startIndex=3', 2, 3, []),
        ('filter=userName eq "nobody"', 0, 1, []),
        ('filter=userName eq "nobody"&count=0', 0, 1, []),
        ('filter=userName eq "nobody"&startIndex=4', 0, 4, []),
    ],
)
def test_a_page_holds_what_was_asked_for_and_tells_the_true_total(
    client: Client, query: str, total: int, start: int, shown: list[str]
) -> None:
    for number in range(1, 6):
        client.user(f"u{number}")
    answer = client.get(f"/Users?{query}")
    assert names(answer) == shown
    assert (answer.json["totalResults"], answer.json["startIndex"]) == (total, start)


@pytest.mark.parametrize("name", ["count", "startIndex"])
@pytest.mark.parametrize("value", ["abc", "1.5", "1e2", "0x10", "--1", "-", "1 2", "٣", "²", "NaN", "null", "true"])
def test_a_count_or_start_that_is_no_number_is_an_invalid_value(client: Client, name: str, value: str) -> None:
    is_error(client.get(f"/Users?{name}={value}"), 400, "invalidValue")
    is_error(client.post("/Users/.search", {name: value}), 400, "invalidValue")


def test_a_page_has_100_resources_if_nothing_is_said_and_never_more_than_1000(client: Client) -> None:
    for number in range(1001):
        client.user(f"u{number:04}")
    assert at(client, "/Users") == (1001, 1, 100)
    assert at(client, "/Users?count=1001") == (1001, 1, 1000)
    assert at(client, "/Users?count=1001&startIndex=1001") == (1001, 1001, 1)
    assert at(client, "/Users?count=1000&startIndex=2") == (1001, 2, 1000)


def test_without_a_sort_the_order_is_that_of_creation_and_pages_fit_together(client: Client) -> None:
    created = [f"user-{(number * 37) % 101}" for number in range(101)]
    for name in created:
        client.user(name)
    found: list[str] = []
    while len(found) < 101:
        found += names(client.get(f"/Users?count=7&startIndex={len(found) + 1}"))
    assert found == created


def test_a_single_group_is_shown_whole_however_many_members_it_has(client: Client) -> None:
    group = client.group("a", *(f"m-{number}" for number in range(5500)))
    client.group("b", "one")
    assert len(client.get(f"/Groups/{group['id']}").json["members"]) == 5500
    listed = client.get("/Groups")
    assert names(listed) == ["a", "b"]
    assert len(resources(listed)[0]["members"]) == 5500


# --- order ------------------------------------------------------------------------------------------------------

SORTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("userName", {"userName": "Alpha"}, {"userName": "beta"}),
    ("displayName", {"displayName": "alpha"}, {"displayName": "Beta"}),
    ("externalId", {"externalId": "B"}, {"externalId": "a"}),  # caseExact: capitals come first
    ("title", {"title": "Ärzte"}, {"title": "ÄRZTEHAUS"}),
    ("active", {"active": False}, {"active": True}),
    ("name.familyName", {"name": {"familyName": "a"}}, {"name": {"familyName": "B"}}),
    ("name.givenName", {"name": {"givenName": "a"}}, {"name": {"givenName": "B"}}),
    ("emails", {"emails": [{"value": "a@x"}, {"value": "z@x"}]}, {"emails": [{"value": "b@x"}]}),
    ("emails.value", {"emails": [{"value": "z@x"}, {"value": "a@x", "primary": True}]}, {"emails": [{"value": "b@x"}]}),
    ("meta.created", {}, {}),
    ("meta.lastModified", {}, {}),
]


@pytest.mark.parametrize(("by", "low", "high"), SORTED, ids=[row[0] for row in SORTED])
def test_every_sortable_attribute_orders_users_both_ways(
    client: Client, by: str, low: dict[str, Any], high: dict[str, Any]
) -> None:
    first, second = ({"userName": name, **more} for name, more in (("x1", low), ("x2", high)))
    for body in (first, second) if by.startswith("meta") else (second, first):
        assert client.post("/Users", body).status == 201
    expected = [first["userName"], second["userName"]]
    assert names(client.get(f"/Users?sortBy={by}")) == expected
    assert names(client.get(f"/Users?sortBy={by}&sortOrder=ascending")) == expected
    assert names(client.get(f"/Users?sortBy={by}&sortOrder=DESCENDING")) == expected[::-1]
    assert names(client.get(f"/Users?sortBy={by.upper()}")) == expected
    assert names(client.get(f"/Users?sortBy={USER}:{by}")) == expected
    assert names(client.post("/Users/.search", {"sortBy": by, "sortOrder": "descending"})) == expected[::-1]


@pytest.mark.parametrize("by", ["id", "ID", f"{USER}:id"])
def test_the_order_by_id_is_that_of_creation_both_ways(client: Client, by: str) -> None:
    created = [client.user(name)["userName"] for name in ("c", "a", "b")]
    assert names(client.get(f"/Users?sortBy={by}")) == created
    assert names(client.get(f"/Users?sortBy={by}&sortOrder=ascending&startIndex=2")) == created[1:]
    assert names(client.get(f"/Users?sortBy={by}&sortOrder=descending&count=2")) == ["b", "a"]


def test_several_types_have_an_order_by_id(client: Client) -> None:
    for name in ("g1", "g2"):
        client.group(name)
        client.user(name.replace("g", "u"))
    assert names(client.post("/.search", {"sortBy": "id"})) == ["g1", "g2", "u1", "u2"]
    assert names(client.post("/.search", {"sortBy": "id", "sortOrder": "descending"})) == ["u2", "u1", "g2", "g1"]


def test_missing_values_come_last_ascending_and_first_descending(client: Client) -> None:
    client.user("none-1")
    client.user("low", title="a")
    client.user("none-2", title="")
    client.user("high", title="b")
    assert names(client.get("/Users?sortBy=title"))[:2] == ["low", "high"]
    assert set(names(client.get("/Users?sortBy=title"))[2:]) == {"none-1", "none-2"}
    assert set(names(client.get("/Users?sortBy=title&sortOrder=descending"))[:2]) == {"none-1", "none-2"}
    assert names(client.get("/Users?sortBy=title&sortOrder=descending"))[2:] == ["high", "low"]


def test_a_changed_attribute_changes_the_order(client: Client) -> None:
    one, two = client.user("one", title="a"), client.user("two", title="b")
    client.patch(f"/Users/{one['id']}", {"op": "replace", "path": "title", "value": "c"})
    assert names(client.get("/Users?sortBy=title")) == ["two", "one"]
    client.patch(f"/Users/{two['id']}", {"op": "remove", "path": "title"})
    assert names(client.get("/Users?sortBy=title")) == ["one", "two"]
    assert names(client.get("/Users?sortBy=meta.lastModified")) == ["one", "two"]


def test_adding_a_member_moves_a_group_in_the_order_of_last_modified(client: Client) -> None:
    one, _ = client.group("one"), client.group("two")
    client.patch(f"/Groups/{one['id']}", {"op": "add", "path": "members", "value": [{"value": "m"}]})
    assert names(client.get("/Groups?sortBy=meta.lastModified")) == ["two", "one"]
    modified = client.get(f"/Groups/{one['id']}").json["meta"]["lastModified"]
    assert names(client.get(f'/Groups?filter=meta.lastModified eq "{modified}"')) == ["one"]
    assert names(client.get(f'/Groups?filter=meta.lastModified lt "{modified}"')) == ["two"]


def test_long_values_sort_by_how_they_begin(client: Client) -> None:
    """A sort key has up to 256 characters of the value, also of one that is too long to be compared in a filter."""
    client.user("last", title="z" * 3000)
    client.user("first", title="a" * 3000)
    client.user("middle", title="m")
    assert names(client.get("/Users?sortBy=title")) == ["first", "middle", "last"]


def test_pages_of_a_sorted_list_fit_together_even_among_equals(client: Client) -> None:
    for number in range(30):
        client.user(f"u{number}", title="same" if number % 3 else "other")
    whole = names(client.get("/Users?sortBy=title"))
    paged: list[str] = []
    for start in range(1, 31, 4):
        paged += names(client.get(f"/Users?sortBy=title&count=4&startIndex={start}"))
    assert paged == whole
    assert len(set(whole)) == 30


@pytest.mark.parametrize(
    "by",
    ["name", "nickName", "password", "groups", "members", "emails.type", "schemas", "meta", "meta.version", "foo",
     "userName.x", "name.middleName", "phoneNumbers", "userName eq 1", "[", ",", "$ref", f"{ENTERPRISE}:department",
     "department", "title desc", "title;drop table item", "'", '"'],
)  # fmt: skip
def test_an_unsortable_attribute_is_an_invalid_path(client: Client, by: str) -> None:
    is_error(client.get(f"/Users?sortBy={by.replace(';', '%3B')}"), 400, "invalidPath")
    is_error(client.post("/Users/.search", {"sortBy": by}), 400, "invalidPath")


def test_groups_sort_by_what_groups_have(client: Client) -> None:
    client.group("b", externalId="1")
    client.group("A", externalId="2")
    assert names(client.get("/Groups?sortBy=displayName")) == ["A", "b"]
    assert names(client.get("/Groups?sortBy=externalId")) == ["b", "A"]
    for by in ("userName", "title", "members", "members.value"):
        is_error(client.get(f"/Groups?sortBy={by}"), 400, "invalidPath")


def test_an_unknown_sort_order_is_an_invalid_value(client: Client) -> None:
    is_error(client.get("/Users?sortBy=userName&sortOrder=up"), 400, "invalidValue")


# --- .search ----------------------------------------------------------------------------------------------------


def test_search_takes_everything_that_a_list_takes(client: Client) -> None:
    for number in range(4):
        client.user(f"u{number}", title="t" if number else "other", nickName="n")
    answer = client.post(
        "/Users/.search",
        {
            "schemas": [SEARCH],
            "filter": 'title eq "t"',
            "sortBy": "userName",
            "sortOrder": "descending",
            "startIndex": 2,
            "count": 1,
            "attributes": ["userName"],
        },
    )
    [user] = resources(answer)
    assert user == {"schemas": [USER], "id": user["id"], "userName": "u2"}
    assert (answer.json["totalResults"], answer.json["startIndex"]) == (3, 2)
    [excluding] = resources(client.post("/Users/.search", {"count": 1, "excludedAttributes": ["title", "meta"]}))
    assert excluding.keys() == {"schemas", "id", "userName", "nickName", "active"}


def test_search_of_groups_finds_groups(client: Client) -> None:
    client.user("u")
    client.group("g")
    assert names(client.post("/Groups/.search", {"schemas": [SEARCH]})) == ["g"]
    assert names(client.post("/Groups/.search", {"filter": 'displayName sw "G"'})) == ["g"]


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        ({}, ["g1", "g2", "u1", "u2"]),
        ({"filter": "id pr"}, ["g1", "g2", "u1", "u2"]),
        ({"filter": 'displayName eq "G1"'}, ["g1", "u2"]),
        ({"filter": 'userName eq "u1"'}, ["u1"]),
        ({"filter": 'userName eq "u1" or displayName eq "g2"'}, ["g2", "u1"]),
        ({"filter": 'not (userName eq "u1")'}, ["g1", "g2", "u2"]),
        ({"filter": "userName eq null"}, ["g1", "g2"]),
        ({"filter": "active eq true"}, ["u1", "u2"]),
        ({"filter": 'meta.resourceType eq "Group"'}, ["g1", "g2"]),
        ({"filter": f'schemas eq "{USER}"'}, ["u1", "u2"]),
        ({"count": 3}, ["g1", "g2", "u1"]),
        ({"count": 2, "startIndex": 2}, ["g2", "u1"]),
        ({"startIndex": 4}, ["u2"]),
        ({"startIndex": 5}, []),
        ({"count": 0}, []),
    ],
)
def test_search_at_the_root_finds_groups_and_users(client: Client, request_: dict[str, Any], shown: list[str]) -> None:
    client.group("g1")
    client.user("u1")
    client.group("g2")
    client.user("u2", displayName="g1")
    answer = client.post("/.search", request_)
    assert names(answer) == shown
    unpaged = client.post("/.search", {key: value for key, value in request_.items() if key == "filter"})
    assert answer.json["totalResults"] == len(resources(unpaged))
    assert client.post("/.search/", request_).status == 200


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["g1", "g2", "u1", "u2"]),
        ("?", ["g1", "g2", "u1", "u2"]),
        ("/", ["g1", "g2", "u1", "u2"]),
        ("/?filter=", ["g1", "g2", "u1", "u2"]),
        ('/?filter=userName eq "U1"', ["u1"]),
        ('?filter=displayName eq "G1"', ["g1", "u2"]),
        ('/?filter=meta.resourceType eq "User"&count=1&startIndex=2', ["u2"]),
        ("/?sortBy=id&sortOrder=descending", ["u2", "u1", "g2", "g1"]),
        ("/?count=3", ["g1", "g2", "u1"]),
        ("/?count=0", []),
        ("/?cursor&count=3", ["g1", "g2", "u1"]),
    ],
)
def test_a_query_of_the_server_root_searches_all_types(client: Client, query: str, shown: list[str]) -> None:
    """RFC 7644 §3.4.2.1. Without parameters it lists everything, page by page."""
    client.group("g1")
    client.user("u1")
    client.group("g2")
    client.user("u2", displayName="g1")
    assert names(client.get(query)) == shown
    projected = client.get(f"{query}{'&' if '?' in query else '?'}attributes=id")
    assert all(resource.keys() == {"schemas", "id"} for resource in resources(projected))


@pytest.mark.parametrize(
    ("query", "scim_type"),
    [("?filter=foo pr", "invalidFilter"), ("?sortBy=foo", "invalidPath"), ("?cursor=x", "invalidCursor")],
)
def test_an_impossible_query_of_the_server_root_is_an_error(client: Client, query: str, scim_type: str) -> None:
    for path in ("", "/"):
        is_error(client.get(f"{path}{query}"), 400, scim_type)


def test_search_at_the_root_refuses_attributes_of_no_type(client: Client) -> None:
    is_error(client.post("/.search", {"filter": 'foo eq "x"'}), 400, "invalidFilter")
    is_error(client.post("/.search", {"sortBy": "foo"}), 400, "invalidPath")
    assert client.post("/.search", {"filter": 'members eq "x" and userName pr'}).status == 200


def test_a_literal_that_is_wrong_for_one_type_is_wrong_at_the_root(client: Client) -> None:
    is_error(client.post("/.search", {"filter": "active gt true"}), 400, "invalidFilter")


# --- members and groups in filters ------------------------------------------------------------------------------


@pytest.fixture
def club(client: Client) -> dict[str, str]:
    """Ids: two users and three groups; `both` has both users, `one` the first, `none` nobody."""
    ids = {name: client.user(name)["id"] for name in ("ann", "bob")}
    ids["both"] = client.group("both", ids["ann"], ids["bob"])["id"]
    ids["one"] = client.group("one", ids["ann"])["id"]
    ids["none"] = client.group("none")["id"]
    return ids


@pytest.mark.parametrize(
    ("filter_", "shown"),
    [
        ('members eq "{ann}"', ["both", "one"]),
        ('members.value eq "{bob}"', ["both"]),
        ('members[value eq "{bob}"]', ["both"]),
        ('members[value eq "{bob}" or value eq "{ann}"]', ["both", "one"]),
        ('MEMBERS EQ "{bob}"', ["both"]),
        (f'{GROUP}:members eq "{{bob}}"', ["both"]),
        ('members eq "{ann}" and displayName eq "one"', ["one"]),
        ('members eq "{ann}" and not (displayName eq "one")', ["both"]),
        ('members eq "{ann}" and members eq "{bob}"', ["both"]),
        ('members eq "{bob}" or displayName eq "none"', ["both", "none"]),
        ('id eq "{both}" and members eq "{ann}"', ["both"]),
        ('id eq "{none}" and members eq "{ann}"', []),
        ('members eq "{ann}" and id eq "{one}"', ["one"]),
        ('id eq "{one}" and (members eq "{bob}" or members eq "{ann}")', ["one"]),
        ('id eq "{one}" and id eq "{both}" and members eq "{ann}"', []),
        ('id ne "{one}" and members eq "{ann}"', ["both"]),
        ('id eq "../.." and members eq "{ann}"', []),
        ('members eq "{none}"', []),
        ('members eq "nobody"', []),
        ('members eq ""', []),
    ],
)
def test_groups_are_found_by_their_members(
    client: Client, club: dict[str, str], filter_: str, shown: list[str]
) -> None:
    assert names(client.post("/Groups/.search", {"filter": filter_.format(**club)})) == shown


@pytest.mark.parametrize(
    ("filter_", "shown"),
    [
        ('groups eq "{both}"', ["ann", "bob"]),
        ('groups.value eq "{one}"', ["ann"]),
        ('groups[value eq "{one}"]', ["ann"]),
        ('groups eq "{both}" and userName eq "BOB"', ["bob"]),
        ('id eq "{bob}" and groups eq "{both}"', ["bob"]),
        ('id eq "{bob}" and groups eq "{one}"', []),
        ('groups eq "{none}"', []),
        (f'groups eq "{UNKNOWN_ID}"', []),
    ],
)
def test_users_are_found_by_their_groups(client: Client, club: dict[str, str], filter_: str, shown: list[str]) -> None:
    assert names(client.get("/Users?filter=" + filter_.format(**club))) == shown


@pytest.mark.parametrize(
    ("endpoint", "filter_"),
    [
        ("/Groups", 'not (members eq "x")'),
        ("/Groups", 'not (displayName eq "a" or members eq "x")'),
        ("/Groups", 'members ne "x"'),
        ("/Groups", 'members co "x"'),
        ("/Groups", "members pr"),
        ("/Groups", "not (members pr)"),
        ("/Groups", "members eq null"),
        ("/Groups", "members eq true"),
        ("/Groups", 'members.type eq "User"'),
        ("/Groups", 'members.display eq "x"'),
        ("/Groups", 'members[type eq "User"]'),
        ("/Groups", 'members[value eq "x" and type eq "User"]'),
        ("/Users", 'not (groups eq "x")'),
        ("/Users", "groups pr"),
        ("/Users", 'groups.display eq "x"'),
    ],
)
def test_any_other_filter_on_members_or_groups_is_invalid(client: Client, endpoint: str, filter_: str) -> None:
    is_error(client.get(f"{endpoint}?filter={filter_}"), 400, "invalidFilter")


def test_members_eq_with_more_than_1000_matches_is_too_many(client: Client) -> None:
    user = client.user("u")
    group = client.group("big", user["id"], *(f"m-{number}" for number in range(999)))
    assert names(client.get(f'/Users?filter=groups eq "{group["id"]}"')) == ["u"]
    client.patch(f"/Groups/{group['id']}", {"op": "add", "path": "members", "value": [{"value": "one-more"}]})
    is_error(client.get(f'/Users?filter=groups eq "{group["id"]}"'), 400, "tooMany")
    is_error(client.get(f'/Users?filter=userName eq "u" and groups eq "{group["id"]}"'), 400, "tooMany")
    with_id = f'id eq "{user["id"]}" and groups eq "{group["id"]}"'
    assert names(client.get(f"/Users?filter={with_id}")) == ["u"]


# --- projection -------------------------------------------------------------------------------------------------

ALWAYS = {"schemas", "id"}
FULL: dict[str, Any] = {
    "userName": "bjensen",
    "nickName": "Babs",
    "name": {"familyName": "Jensen", "givenName": "Barbara"},
    "emails": [{"value": "b@x", "type": "work", "primary": True}],
    ENTERPRISE: {"department": "Tours", "manager": {"value": "26118915"}},
}


@pytest.mark.parametrize(
    ("query", "carries"),
    [
        ("attributes=userName", {"userName": "bjensen"}),
        ("attributes=USERNAME", {"userName": "bjensen"}),
        ("attributes=userName,nickName", {"userName": "bjensen", "nickName": "Babs"}),
        ("attributes=%20userName%20,%20nickName", {"userName": "bjensen", "nickName": "Babs"}),
        (f"attributes={USER}:userName", {"userName": "bjensen"}),
        ("attributes=name.familyName", {"name": {"familyName": "Jensen"}}),
        ("attributes=name.familyName,name", {"name": FULL["name"]}),
        ("attributes=emails.value", {"emails": [{"value": "b@x"}]}),
        (f"attributes={ENTERPRISE}", {ENTERPRISE: FULL[ENTERPRISE]}),
        (f"attributes={ENTERPRISE.lower()}:DEPARTMENT", {ENTERPRISE: {"department": "Tours"}}),
        ("attributes=department", {ENTERPRISE: {"department": "Tours"}}),
        (f"attributes={ENTERPRISE}:manager.value", {ENTERPRISE: {"manager": {"value": "26118915"}}}),
        ("attributes=foo", {}),
        ("attributes=id", {}),
        ("attributes=password", {}),
        ("attributes=name.foo,[,.,urn:", {}),
        ("attributes=title", {}),
        ("attributes=name&excludedAttributes=name.givenName", {"name": {"familyName": "Jensen"}}),
        ("attributes=userName,nickName&excludedAttributes=nickName", {"userName": "bjensen"}),
        ("attributes=userName&excludedAttributes=userName", {}),
        ("excludedAttributes=id,schemas,emails,name,meta,active,nickName," + ENTERPRISE, {"userName": "bjensen"}),
        (
            "excludedAttributes=emails,name.givenName,META,active,nickName,department",
            {"userName": "bjensen", "name": {"familyName": "Jensen"}, ENTERPRISE: {"manager": {"value": "26118915"}}},
        ),
        ("AttributeS=userName", {"userName": "bjensen"}),
    ],
)
def test_every_answer_carries_the_attributes_that_are_asked_for(
    client: Client, query: str, carries: dict[str, Any]
) -> None:
    """The same for POST, GET, PUT, PATCH, a list and a search."""

    def shown(resource: dict[str, Any]) -> dict[str, Any]:
        assert resource.keys() >= ALWAYS
        return {name: value for name, value in resource.items() if name not in ALWAYS}

    created = client.post(f"/Users?{query}", FULL)
    assert created.status == 201
    assert shown(created.json) == carries
    path = f"/Users/{created.json['id']}"
    assert shown(client.get(f"{path}?{query}").json) == carries
    assert shown(client.put(f"{path}?{query}", FULL).json) == carries
    patched = client.patch(f"{path}?{query}", {"op": "replace", "path": "active", "value": True})
    assert patched.status == 200
    assert shown(patched.json) == carries
    assert [shown(user) for user in resources(client.get(f"/Users?{query}"))] == [carries]
    pairs = [part.partition("=") for part in query.replace("%20", " ").split("&")]
    asked = {name: value.split(",") for name, _, value in pairs}
    assert [shown(user) for user in resources(client.post("/Users/.search", asked))] == [carries]


def test_a_patch_without_projection_has_no_body_but_an_etag(client: Client) -> None:
    user = client.user()
    answer = client.patch(f"/Users/{user['id']}", {"op": "add", "path": "title", "value": "t"})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["etag"] == client.get(f"/Users/{user['id']}").json["meta"]["version"]
    assert answer.headers["etag"] != user["meta"]["version"]


def test_members_and_groups_are_carried_in_part(client: Client) -> None:
    user = client.user("u")
    group = client.group("g", user["id"])
    path = f"/Groups/{group['id']}"
    assert client.get(f"{path}?attributes=members.value").json["members"] == [{"value": user["id"]}]
    assert "members" not in client.get(f"{path}?excludedAttributes=members").json
    assert "members" not in client.get(f"{path}?attributes=displayName").json
    assert "value" not in client.get(f"{path}?excludedAttributes=members.value").json["members"][0]
    listed = resources(client.get("/Users?attributes=groups.value"))
    assert listed == [{"schemas": [USER], "id": user["id"], "groups": [{"value": group["id"]}]}]
    patched = client.patch(f"{path}?attributes=members", {"op": "add", "path": "members", "value": [{"value": "x"}]})
    assert sorted(member["value"] for member in patched.json["members"]) == sorted([user["id"], "x"])


# --- HEAD -------------------------------------------------------------------------------------------------------


def test_head_is_get_without_the_body(client: Client) -> None:
    user = client.user()
    for path in ("/Users", f"/Users/{user['id']}", "/Schemas", "/ServiceProviderConfig", "~/healthz"):
        got, headed = client.get(path), client.request("HEAD", path)
        assert (headed.status, headed.body) == (200, b"")
        assert headed.headers.get("etag") == got.headers.get("etag")
    assert client.request("HEAD", f"/Users/{UNKNOWN_ID}").status == 404
    assert client.request("HEAD", "/Users?filter=foo").status == 400
    assert client.request("HEAD", "/Users", token=None).status == 401


def test_head_over_a_port_has_no_wrong_length(port_client: Client) -> None:
    """RFC 9110 §8.6: the length of what GET would send, or none."""
    got, headed = port_client.get("/ServiceProviderConfig"), port_client.request("HEAD", "/ServiceProviderConfig")
    assert (headed.status, headed.body) == (200, b"")
    assert headed.headers.get("content-length", got.headers["content-length"]) == got.headers["content-length"]
