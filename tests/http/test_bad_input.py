"""Whatever is sent, the answer is a SCIM error that says what is wrong, never a 500, and the store stays as it was."""

import http.client
import json
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.conftest import BASE, TOKEN, Answer, Client, Server
from tests.http.checks import ENTERPRISE, PATCH, USER, everything, is_error, unchanged

type Row = tuple[str, str, str, Any, int, str | None]
"""Name, method, path, body, status, scimType; `{user}` and `{group}` stand for ids."""


def operations(*listed: Any) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": list(listed)}


def bytes_row(name: str, content: bytes, scim_type: str = "invalidSyntax") -> Row:
    return name, "POST", "/Users", content, 400, scim_type


MIB = "x" * (1024 * 1024 - 100)

JUNK: list[Row] = [
    bytes_row("an empty body", b""),
    bytes_row("white space", b" \r\n\t "),
    bytes_row("no JSON", b"hello"),
    bytes_row("half an object", b'{"userName":"u"'),
    bytes_row("two objects", b'{"userName":"u"}{"userName":"v"}'),
    bytes_row("a trailing comma", b'{"userName":"u",}'),
    bytes_row("a comment", b'{"userName":"u"/**/}'),
    bytes_row("single quotes", b"{'userName':'u'}"),
    bytes_row("a form", b"userName=u"),
    bytes_row("XML", b"<User><userName>u</userName></User>"),
    bytes_row("a byte order mark in the middle", b'{\xef\xbb\xbf"userName":"u"}'),
    bytes_row("UTF-16", '{"userName":"u"}'.encode("utf-16")),
    bytes_row("Latin-1", '{"userName":"é"}'.encode("latin-1")),
    bytes_row("an overlong slash", b'{"userName":"\xc0\xaf"}'),
    bytes_row("a raw lone surrogate", b'{"userName":"\xed\xa0\x80"}'),
    bytes_row("an escaped lone surrogate", b'{"userName":"\\ud800"}'),
    bytes_row("an escaped low surrogate", b'{"userName":"\\udc00x"}'),
    bytes_row("surrogates in the wrong order", b'{"userName":"\\udc00\\ud800"}'),
    bytes_row("a lone surrogate in an unknown attribute", b'{"userName":"u","x":"\\ud800"}'),
    bytes_row("a lone surrogate in a key", b'{"userName":"u","\\ud800":1}'),
    bytes_row("a raw NUL", b'{"userName":"a\x00"}'),
    bytes_row("a raw newline", b'{"userName":"a\n"}'),
    bytes_row("an escaped NUL", b'{"userName":"a\\u0000"}', "invalidValue"),
    bytes_row("a wrong escape", b'{"userName":"\\x41"}'),
    bytes_row("NaN", b'{"userName":"u","x":NaN}'),
    bytes_row("Infinity", b'{"userName":"u","x":Infinity}'),
    bytes_row("-Infinity", b'{"userName":"u","active":-Infinity}'),
    bytes_row("a number out of range", b'{"userName":"u","active":1e999}'),
    bytes_row("a number of 400 digits", b'{"userName":"u","active":' + b"9" * 400 + b"}"),
    bytes_row("a number of 400 digits in an unknown attribute", b'{"userName":"u","x":' + b"9" * 400 + b"}"),
    bytes_row("a number of 20 digits", b'{"userName":"u","active":' + b"9" * 20 + b"}", "invalidValue"),
    bytes_row("a leading zero", b'{"userName":"u","active":01}'),
    bytes_row("arrays 100,000 deep", b"[" * 100_000),
    bytes_row("closed arrays 100,000 deep", b'{"userName":"u","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    bytes_row("objects 100,000 deep", b'{"userName":"u","x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}"),
    bytes_row("arrays 900 deep as userName", b'{"userName":' + b"[" * 900 + b"]" * 900 + b"}", "invalidValue"),
    bytes_row("objects 900 deep as emails", b'{"userName":"u","emails":' + b'{"value":' * 900 + b"1" + b"}" * 901, "invalidValue"),
    bytes_row("1 MiB of brackets", b"[" * 1024 * 1024),
]  # fmt: skip

NO_OBJECTS: list[Any] = [[], [1], [{"userName": "u"}], "x", "", 1, 0, 1.5, True, False, b"null"]
TAKE_BODIES = [
    ("POST", "/Users"), ("POST", "/Groups"), ("PUT", "/Users/{user}"), ("PUT", "/Groups/{group}"), ("PATCH", "/Users/{user}"),
    ("PATCH", "/Groups/{group}"), ("POST", "/Users/.search"), ("POST", "/Groups/.search"), ("POST", "/.search"),
]  # fmt: skip
NO_OPS: list[Any] = ["", "move", "test", "copy", "delete", "ad", " add", None, 1, ["add"], {"a": 1}, True]
NO_PATHS: list[Any] = [1, 0, False, True, [], {}, ["externalId"], 1.5]
NO_PATCHES: list[Any] = [
    {}, {"schemas": [PATCH]}, {"Operations": []}, {"Operations": None}, {"Operations": {}}, {"Operations": "x"}, {"Operations": 1},
    {"Operations": [None]}, {"Operations": [[]]}, {"Operations": ["add"]}, {"Operations": [1]}, {"Operations": [{}]}, {"userName": "u"},
    *(operations({"op": op, "path": "externalId", "value": "x"}) for op in NO_OPS),
    *(operations({"op": "add", "path": path, "value": "x"}) for path in NO_PATHS),
    operations({"op": "add", "path": "externalId", "value": "x"}, {"op": "nonsense"}),
]  # fmt: skip
NO_TEXTS: list[Any] = [1, 0, True, False, [], ["x"], {}, {"a": 1}]
NO_NAMES: list[Any] = [1, 0, True, False, {}, {"a": 1}, [1], [None], [["x"]], ["id", 1]]
NO_NUMBERS: list[Any] = ["abc", True, False, [], {}, [1], 1.5, 1e3, "1.0", "9" * 400 + "x"]
NO_SEARCHES: list[tuple[Any, str]] = [
    *(({name: value}, "invalidSyntax") for name in ("filter", "sortBy", "sortOrder") for value in NO_TEXTS),
    *(({name: value}, "invalidSyntax") for name in ("attributes", "excludedAttributes") for value in NO_NAMES),
    *(({name: value}, "invalidValue") for name in ("count", "startIndex") for value in NO_NUMBERS),
    ({"sortOrder": "up"}, "invalidValue"),
]


def row(method: str, path: str, body: Any, scim_type: str = "invalidSyntax") -> Row:
    shown = body.decode() if isinstance(body, bytes) else json.dumps(body)
    return f"{method} {path} {shown}", method, path, body, 400, scim_type


ENVELOPES: list[Row] = [
    *(row(method, path, body) for method, path in TAKE_BODIES for body in NO_OBJECTS),
    *(row("PATCH", path, body) for path in ("/Users/{user}", "/Groups/{group}") for body in NO_PATCHES),
    *(
        row("POST", path, body, scim_type)
        for path in ("/Users/.search", "/Groups/.search", "/.search")
        for body, scim_type in NO_SEARCHES
    ),
]

FILTERS: list[tuple[str, str]] = [
    ("100 kB", "userName eq " + '"' + "x" * 100_000 + '"'),
    ("100 kB of terms", " or ".join(['userName eq "x"'] * 6000)),
    ("depth 10,000", "(" * 10_000 + "userName pr" + ")" * 10_000),
    ("depth 10,000 of not", "not (" * 10_000 + "userName pr" + ")" * 10_000),
    ("depth 10,000 unclosed", "(" * 10_000),
    ("depth 4,000", "(" * 4_000 + "userName pr" + ")" * 4_000),
    ("depth 4,000 in brackets", "emails[" + "(" * 4_000 + "value pr" + ")" * 4_000 + "]"),
    ("brackets 3,000 deep", "emails[" * 1_200 + "value pr" + "]" * 1_200),
    ("a string that doesn't end", 'userName eq "abc'),
    ("an escape that doesn't end", 'userName eq "abc\\'),
    ("a wrong escape", r'userName eq "\x"'),
    ("an escaped lone surrogate", r'userName eq "\ud800"'),
    ("an escaped NUL", r'userName eq "\u0000"'),
    ("a number of 400 digits", "userName eq " + "9" * 400),
    ("a number of 5,000 digits", "userName eq " + "9" * 5_000),
    ("a number of 400 digits for a boolean", "active eq " + "9" * 400),
    ("a boolean compared with a number", "active eq 1"),
    ("a boolean in an order", "active gt true"),
    ("part of a boolean", 'active co "t"'),
    ("binary", 'x509Certificates.value eq "AAAA"'),
    ("no dateTime", 'meta.created gt "yesterday"'),
    ("a dateTime out of range", 'meta.created gt "2026-13-45T99:99:99Z"'),
    ("a date of year zero", 'meta.created gt "0000-01-01T00:00:00+14:00"'),
    ("NaN is no dateTime", "meta.created eq NaN"),
    ("order with null", "userName gt null"),
    ("an unknown attribute", 'foo eq "x"'),
    ("an unknown sub-attribute", 'name.foo eq "x"'),
    ("an unknown schema", 'urn:example:User:userName eq "x"'),
    ("a filter on a password", 'password sw "a"'),
    ("presence of a password", "password pr"),
    ("an injection", "userName eq 'x' or 1=1"),
    ("single quotes", "userName eq 'bjensen'"),
    ("typographic quotes", "userName eq \u201cbjensen\u201d"),
    ("back quotes around two words", "displayName eq `Babs Jensen`"),
    ("101 comparisons", " or ".join(["title pr"] * 101)),
    ("a semicolon", 'userName eq "x"; drop table item'),
    ("a second word", 'userName eq "x" "y"'),
    ("no operator", "userName"),
    ("an unknown operator", 'userName like "x"'),
    ("no value", "userName eq"),
    ("only an operator", "eq"),
    ("and at the end", 'userName eq "x" and'),
    ("or at the start", 'or userName eq "x"'),
    ("not without parentheses", "not userName pr"),
    ("empty parentheses", "()"),
    ("empty brackets", "emails[]"),
    ("white space", "   "),
    ("a value before its attribute", '"x" eq userName'),
    ("pr with a value", 'userName pr "x"'),
    ("unbalanced", "(userName pr"),
    ("unbalanced the other way", "userName pr)"),
    ("brackets for parentheses", "[userName pr]"),
    ("a sub-attribute of a simple one", 'userName.x eq "x"'),
    ("brackets on a simple one", 'userName[value eq "x"]'),
    ("a complex one without value", 'name eq "x"'),
    ("an extension compared", f'{ENTERPRISE} eq "x"'),
    ("dots", ".... eq 1"),
    ("an object", 'userName eq {"a":1}'),
    ("an array", 'userName eq ["a"]'),
    ("emoji", "😀 eq 😀"),
    ("a lone backslash", "\\"),
    ("a quote", '"'),
    ("groups in an order", 'groups gt "a"'),
    ("a value of 2 kB", 'userName eq "' + "x" * 2_000 + '"'),
    ("8,000 brackets", "[" * 8_000),
    ("8,000 quotes", '"' * 8_001),
    ("8,000 commas", "," * 8_000),
]

PATCHES: list[tuple[str, Any, str]] = [
    ("removing userName", {"op": "remove", "path": "userName"}, "mutability"),
    ("replacing userName with nothing", {"op": "replace", "path": "userName", "value": ""}, "mutability"),
    ("replacing userName with null without path", {"op": "replace", "value": {"userName": None}}, "mutability"),
    ("adding a number as userName", {"op": "add", "path": "userName", "value": 5}, "invalidValue"),
    ("adding an object as userName", {"op": "add", "path": "userName", "value": {"a": 1}}, "invalidValue"),
    ("a userName of 1,025 bytes", {"op": "replace", "path": "userName", "value": "x" * 1_025}, "invalidValue"),
    *((f"{op} {path}", {"op": op, "path": path, "value": value}, "mutability")
      for op in ("add", "replace", "remove")
      for path, value in (("id", "x"), ("meta", {"version": "x"}), ("meta.created", "2020-01-01T00:00:00Z"), ("groups", [{"value": "x"}]),
                          ("groups.value", "x"), ('groups[value eq "x"]', {"value": "y"}), ("schemas", ["urn:x"]), ("META.Version", "x"),
                          (f"{USER}:id", "x"), ("manager.displayName", "x"))),
    *((f"path {path!r}", {"op": "replace", "path": path, "value": "x"}, "invalidPath")
      for path in ("name.foo", "userName.foo", "emails.foo", 'emails[type eq "work"].foo', ".", "..", "/", "/userName", "$", "user name", "userName,title", "emails]", "emails.[type pr]",
                   'emails[type eq "work"]x', 'emails[type eq "work"].value.x', 'emails[type eq "work"]..value',
                   'userName[value eq "x"]', "a\0b", "t\u00eftle", "x" * 10_001, "(" * 9_000, "é" * 9_000)),
    *((f"filter in path {path!r}", {"op": "remove", "path": path}, "invalidFilter")
      for path in ('emails[foo eq "x"]', "emails[", "emails[]", "emails[type]", 'emails[type eq "x"', 'emails[type eq "x]', "emails[type eq]",
                   'emails[type zz "x"]', 'emails[type eq "x" and]', r'emails[type eq "\ud800"]', r'emails[type eq "\u0000"]', 'emails[emails[type pr]]',
                   "emails[primary gt true]", "emails[" + "(" * 4_000 + "type pr" + ")" * 4_000 + "]")),
    ("no value", {"op": "add", "path": "title"}, "invalidValue"),
    ("no value and no path", {"op": "replace"}, "invalidValue"),
    ("a remove without path", {"op": "remove"}, "noTarget"),
    ("a remove without path but with a value", {"op": "remove", "value": {"title": "x"}}, "noTarget"),
    ("a remove with an empty path", {"op": "remove", "path": ""}, "noTarget"),
    *((f"{json.dumps(value)} without path", {"op": "add", "value": value}, "invalidValue") for value in ([], ["x"], "x", 1, True, [{"title": "x"}])),
    ("a boolean that is none", {"op": "replace", "path": "active", "value": "yes"}, "invalidValue"),
    ("a boolean that is a number", {"op": "replace", "path": "active", "value": 1}, "invalidValue"),
    ("a boolean that is a list of two", {"op": "replace", "path": "active", "value": [True, False]}, "invalidValue"),
    ("a string that is a list", {"op": "replace", "path": "title", "value": ["a", "b"]}, "invalidValue"),
    ("a complex that is a number", {"op": "replace", "path": "name", "value": 1}, "invalidValue"),
    ("emails that are numbers", {"op": "add", "path": "emails", "value": [1]}, "invalidValue"),
    ("emails that are lists", {"op": "add", "path": "emails", "value": [[[]], [1]]}, "invalidValue"),
    ("binary that is none", {"op": "add", "path": "x509Certificates", "value": [{"value": "###"}]}, "invalidValue"),
    ("an element that no filter describes", {"op": "replace", "path": 'emails[value co "zzz"].type', "value": "x"}, "noTarget"),
    ("an extension that is a list", {"op": "add", "path": ENTERPRISE, "value": [1, 2]}, "invalidValue"),
    ("an object that is no value", {"op": "add", "path": "title", "value": {"a": 1}}, "invalidValue"),
    ("an object in an object", {"op": "add", "path": "title", "value": {"value": {"value": "x"}}}, "invalidValue"),
]  # fmt: skip

MEMBERS: list[tuple[str, Any, str]] = [
    ("removing displayName", {"op": "remove", "path": "displayName"}, "mutability"),
    ("members without value", {"op": "add", "path": "members", "value": [{"type": "User"}]}, "invalidValue"),
    ("members that are numbers", {"op": "add", "path": "members", "value": [1]}, "invalidValue"),
    ("a value that is a number", {"op": "add", "path": "members", "value": [{"value": 1}]}, "invalidValue"),
    ("a value that is an object", {"op": "add", "path": "members", "value": [{"value": {}}]}, "invalidValue"),
    ("a member of 2 kB", {"op": "add", "path": "members", "value": ["x" * 2_000]}, "invalidValue"),
    ("one wrong member among many", {"op": "add", "path": "members", "value": ["a", "b", {"value": [1]}]}, "invalidValue"),
    ("a member's display", {"op": "replace", "path": 'members[value eq "m"].display', "value": "x"}, "mutability"),
    ("a member's value", {"op": "replace", "path": 'members[value eq "m"].value', "value": "x"}, "mutability"),
    ("every member's type", {"op": "replace", "path": "members.type", "value": "Group"}, "mutability"),
    ("an unknown sub-attribute", {"op": "remove", "path": "members.foo"}, "invalidPath"),
    ("an unknown filter attribute", {"op": "remove", "path": 'members[foo eq "x"]'}, "invalidFilter"),
    ("a filter that isn't one", {"op": "remove", "path": "members[value]"}, "invalidFilter"),
    ("adding to a filter without value", {"op": "add", "path": 'members[type eq "User"]', "value": {"type": "User"}}, "invalidValue"),
    ("a filter at depth 4,000", {"op": "remove", "path": "members[" + "(" * 4_000 + "value pr" + ")" * 4_000 + "]"}, "invalidFilter"),
]  # fmt: skip

RESOURCES: list[tuple[str, str, Any, int, str | None]] = [
    ("a userName of 1 MB", "/Users", {"userName": MIB}, 413, None),
    ("a title of 1 MB", "/Users", {"title": MIB}, 413, None),
    ("an unknown key of 1 MB and no userName", "/Users", {"userName": "", "x" * 900_000: 1}, 400, "invalidValue"),
    ("a userName of 1,025 bytes", "/Users", {"userName": "x" * 1025}, 400, "invalidValue"),
    ("a userName that folds to more", "/Users", {"userName": "\u0130" * 512}, 400, "invalidValue"),
    ("a userName that is a number", "/Users", {"userName": 1}, 400, "invalidValue"),
    ("a userName that is an object", "/Users", {"userName": {"text": "x"}}, 400, "invalidValue"),
    ("a userName that is a list of one", "/Users", {"userName": ["x"]}, 400, "invalidValue"),
    ("a title that is true", "/Users", {"title": True}, 400, "invalidValue"),
    ("active that is a word", "/Users", {"active": "maybe"}, 400, "invalidValue"),
    ("active that is 0", "/Users", {"active": 0}, 400, "invalidValue"),
    ("a name that is a text", "/Users", {"name": "Barbara"}, 400, "invalidValue"),
    ("a name that is a list", "/Users", {"name": [{"givenName": "a"}, {"givenName": "b"}]}, 400, "invalidValue"),
    ("emails that are a number", "/Users", {"emails": 1}, 400, "invalidValue"),
    ("emails with a number as value", "/Users", {"emails": [{"value": 1}]}, 400, "invalidValue"),
    ("two managers", "/Users", {"manager": [{"value": "1"}, {"value": "2"}]}, 400, "invalidValue"),
    ("an extension that is a text", "/Users", {ENTERPRISE: "x"}, 400, "invalidValue"),
    ("an extension that is a list", "/Users", {ENTERPRISE: [1]}, 400, "invalidValue"),
    ("schemas that are a text", "/Users", {"schemas": USER}, 400, "invalidSyntax"),
    ("schemas that are numbers", "/Users", {"schemas": [1]}, 400, "invalidSyntax"),
    ("schemas that are an object", "/Users", {"schemas": {USER: True}}, 400, "invalidSyntax"),
    ("binary that is none", "/Users", {"x509Certificates": [{"value": "not base64!"}]}, 400, "invalidValue"),
    ("a displayName that is a number", "/Groups", {"displayName": 1}, 400, "invalidValue"),
    ("a displayName of 1,025 bytes", "/Groups", {"displayName": "x" * 1_025}, 400, "invalidValue"),
    ("members that are a number", "/Groups", {"members": 1}, 400, "invalidValue"),
    ("a member without value", "/Groups", {"members": [{"type": "User"}]}, 400, "invalidValue"),
    ("a member that is a list", "/Groups", {"members": [["a"]]}, 400, "invalidValue"),
    ("a member of 2 kB", "/Groups", {"members": [{"value": "x" * 2_000}]}, 400, "invalidValue"),
]  # fmt: skip


@pytest.fixture
def ids(client: Client) -> dict[str, str]:
    """A store with something in it to lose."""
    emails = [{"type": "work", "value": "w@x", "primary": True}]
    user = client.user("bjensen", title="t", emails=emails, manager="m", externalId="e", roles=["r"])["id"]
    return {"user": user, "group": client.group("g", user, "m", externalId="e")["id"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "scim_type"),
    [row[1:] for row in (*JUNK, *ENVELOPES)],
    ids=[row[0] for row in (*JUNK, *ENVELOPES)],
)
def test_junk_is_refused_and_changes_nothing(
    client: Client, ids: dict[str, str], method: str, path: str, body: Any, status: int, scim_type: str | None
) -> None:
    with unchanged(client):
        is_error(client.request(method, path.format(**ids), body), status, scim_type)


@pytest.mark.parametrize(("content", "scim_type"), [(row[3], row[5]) for row in JUNK], ids=[row[0] for row in JUNK])
def test_invalid_bodies_are_refused_by_every_endpoint(
    client: Client, ids: dict[str, str], content: bytes, scim_type: str
) -> None:
    if scim_type != "invalidSyntax":
        content = content[:-1]  # no JSON any more
    with unchanged(client):
        for method, path in (
            ("PUT", "/Users/{user}"), ("PATCH", "/Users/{user}"), ("PATCH", "/Groups/{group}"), ("POST", "/Groups"),
            ("PUT", "/Groups/{group}"), ("POST", "/.search"), ("POST", "/Users/.search"),
        ):  # fmt: skip
            is_error(client.request(method, path.format(**ids), content), 400, "invalidSyntax")


@pytest.mark.parametrize("text", [row[1] for row in FILTERS], ids=[row[0] for row in FILTERS])
def test_a_bad_filter_is_an_invalid_filter(client: Client, ids: dict[str, str], text: str) -> None:
    with unchanged(client):
        is_error(client.get(f"/Users?filter={quote(text)}"), 400, "invalidFilter")
        is_error(client.post("/Users/.search", {"filter": text}), 400, "invalidFilter")


def test_bad_filters_over_a_port_are_invalid_filters_too(server: Server) -> None:
    url = urlsplit(server.origin)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
    for name, text in FILTERS:
        connection.request("GET", f"{BASE}/Users?filter={quote(text)}", headers={"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        body = json.loads(answer.read())
        assert (answer.status, body.get("scimType")) == (400, "invalidFilter"), name
    connection.close()


@pytest.mark.parametrize("text", ["a%00b", "%00", "a%ffb", "%ff%fe", "%ed%a0%80", "%c0%af", "%", "%zz", "%u0041"])
@pytest.mark.parametrize("form", ['userName eq "{}"', "userName eq {}", "{}", "userName {} 1"])
@pytest.mark.parametrize("way", ["client", "port_client"])
def test_odd_bytes_in_a_filter_find_nothing_or_are_an_invalid_filter(
    way: str, request: pytest.FixtureRequest, form: str, text: str
) -> None:
    through: Client = request.getfixturevalue(way)
    answer = through.get("/Users?filter=" + form.format(text).replace(" ", "%20"))
    if answer.status == 200:
        assert answer.json["Resources"] == []
    else:
        is_error(answer, 400, "invalidFilter")


@pytest.mark.parametrize(("operation", "scim_type"), [row[1:] for row in PATCHES], ids=[row[0] for row in PATCHES])
def test_a_bad_operation_on_a_user_is_refused_and_changes_nothing(
    client: Client, ids: dict[str, str], operation: Any, scim_type: str
) -> None:
    good = {"op": "replace", "path": "title", "value": "changed"}
    with unchanged(client):
        is_error(client.patch(f"/Users/{ids['user']}", operation), 400, scim_type)
        is_error(client.patch(f"/Users/{ids['user']}", good, operation, good), 400, scim_type)


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        *(("user", path) for path in ("foo", "urn:x:y", f"{USER}:foo", f"{ENTERPRISE}:foo", "members")),
        ("group", "userName"),
    ],
)
def test_an_operation_on_an_unknown_attribute_is_refused_alone_and_skipped_beside_others(
    client: Client, ids: dict[str, str], endpoint: str, path: str
) -> None:
    at, good = f"/{endpoint.title()}s/{ids[endpoint]}", {"op": "replace", "path": "externalId", "value": "changed"}
    unknown = {"op": "replace", "path": path, "value": "x"}
    with unchanged(client):
        is_error(client.patch(at, unknown), 400, "invalidPath")
        is_error(client.patch(at, unknown, unknown), 400, "invalidPath")
        is_error(client.patch(at, good, unknown, {"op": "replace", "path": "id", "value": "x"}), 400, "mutability")
    assert client.patch(at, unknown, good, unknown).status == 204
    assert client.get(at).json["externalId"] == "changed"


@pytest.mark.parametrize(("operation", "scim_type"), [row[1:] for row in MEMBERS], ids=[row[0] for row in MEMBERS])
def test_a_bad_operation_on_a_group_is_refused_and_changes_nothing(
    client: Client, ids: dict[str, str], operation: Any, scim_type: str
) -> None:
    good = {"op": "add", "path": "members", "value": [{"value": "changed"}]}
    attribute = {"op": "add", "path": "externalId", "value": "changed"}
    with unchanged(client):
        is_error(client.patch(f"/Groups/{ids['group']}", operation), 400, scim_type)
        is_error(client.patch(f"/Groups/{ids['group']}", good, operation), 400, scim_type)
        is_error(client.patch(f"/Groups/{ids['group']}", attribute, operation, good), 400, scim_type)


@pytest.mark.parametrize(
    ("endpoint", "attributes", "status", "scim_type"), [row[1:] for row in RESOURCES], ids=[row[0] for row in RESOURCES]
)
def test_a_bad_resource_is_neither_created_nor_put(
    client: Client, ids: dict[str, str], endpoint: str, attributes: Any, status: int, scim_type: str | None
) -> None:
    body = {"userName": "new", "displayName": "new", **attributes}
    with unchanged(client):
        is_error(client.post(endpoint, body), status, scim_type)
        is_error(client.put(f"{endpoint}/{ids['user' if endpoint == '/Users' else 'group']}", body), status, scim_type)


def test_ten_thousand_operations_are_too_many(client: Client, ids: dict[str, str]) -> None:
    many = [{"op": "add", "path": "title", "value": f"{number}"} for number in range(10_000)]
    with unchanged(client):
        is_error(client.patch(f"/Users/{ids['user']}", *many), 413)
        is_error(client.patch(f"/Groups/{ids['group']}", *many), 413)


def test_a_thousand_operations_with_filters_do_not_take_forever(client: Client, ids: dict[str, str]) -> None:
    """Each picks an element of a list that the ones before it made longer."""
    path = f"/Users/{ids['user']}"
    many = [{"op": "add", "path": f'roles[value eq "{number}"].display', "value": "x"} for number in range(1_000)]
    assert client.patch(path, *many).status == 204
    assert len(client.get(path).json["roles"]) == 1_001


def test_operations_that_would_block_the_event_loop_are_refused(client: Client) -> None:
    """Each looks through all values of its attribute; what they may look through together is bounded."""
    many = {"op": "remove", "path": 'roles[value sw "x"]'}, {"op": "remove", "path": 'members[value sw "x"]'}
    user = client.user("many roles", roles=[{"value": f"r{number}"} for number in range(2_000)])["id"]
    group = client.group("many members", *(f"m{number}" for number in range(2_000)))["id"]
    with unchanged(client):
        is_error(client.patch(f"/Users/{user}", *[many[0]] * 1_000), 413)
        is_error(client.patch(f"/Groups/{group}", *[many[1]] * 1_000), 413)
        is_error(client.patch(f"/Groups/{group}", *[{"op": "replace", "path": "members", "value": []}] * 1_000), 413)


def test_a_few_operations_with_too_many_comparisons_are_refused(client: Client) -> None:
    """Every term of a filter, and every set of names that a `remove` lists, may look at every value."""
    roles = [{"value": f"r{number}"} for number in range(2_000)]
    user = client.user("long filter", roles=roles)["id"]
    group = client.group("long filter", *(f"m{number}" for number in range(2_000)))["id"]
    terms = " or ".join(["display eq 1"] * 100)
    listed = [{"type": "x", f"unknown{number}": 1} for number in range(600)]
    with unchanged(client):
        is_error(client.patch(f"/Users/{user}", *[{"op": "remove", "path": f"roles[{terms}]"}] * 6), 413)
        is_error(client.patch(f"/Groups/{group}", *[{"op": "remove", "path": f"members[{terms}]"}] * 6), 413)
        is_error(client.patch(f"/Users/{user}", {"op": "remove", "path": "roles", "value": listed}), 413)
    others = [{"type": f"t{number}"} for number in range(2_000)]
    assert client.patch(f"/Users/{user}", {"op": "remove", "path": "roles", "value": others}).status == 204
    assert len(client.get(f"/Users/{user}").json["roles"]) == 2_000
    assert client.patch(f"/Users/{user}", {"op": "remove", "path": "roles", "value": roles[1:]}).status == 204
    assert len(client.get(f"/Users/{user}").json["roles"]) == 1


@pytest.mark.parametrize("inner", ["{}", "emails[{}]"], ids=["filter", "brackets"])
@pytest.mark.parametrize("form", ["{0} and ({1})", "{0} or ({1})", "{0} or not ({1})"], ids=["and", "or", "not"])
def test_a_filter_of_the_greatest_depth_is_accepted(client: Client, form: str, inner: str) -> None:
    """Whichever way it is nested, no store runs out of what it parses its own query with."""
    leaf = nested = 'displayName eq "nobody"' if inner == "{}" else 'value eq "nobody"'
    for _ in range(49 if inner == "{}" else 48):
        nested = form.format(leaf, nested)
    assert client.post("/Users/.search", {"filter": inner.format(nested)}).status == 200
    is_error(client.post("/Users/.search", {"filter": inner.format(form.format(leaf, nested))}), 400, "invalidFilter")


# --- ids --------------------------------------------------------------------------------------------------------

IDS = [
    "x", "0", "-1", "null", "undefined", "%20", "%2F", "..%2F..", "%2e%2e", "%2E%2E%2F%2E%2E", "a%2Fb", "{user}%2F", "%2F{user}", "{user}%2F..", "%5C", "..%5C..",
    "%27", "%22", "%27%20or%20%271%27=%271", "%3F", "{user}%3F", "{user}%3Fcount=1", "%23", "{user}%23x", "%00", "{user}%00", "%0A", "{user}%0A", "%0D%0AX:%201", "%7F",
    "%25", "%252F", "%25%32%46", "%C3%A9", "%ED%A0%80", "%FF", "%F0%9F%98%80", "%E2%80%AE", ";", "{user};", "*", "%2A", "$", "@", ":", "User:{user}", "m:{group}:x", "x:gone:1",
    "{user}{user}", "{user}-", "a" * 5_000, "[]", "[{user}]", "(", "%7B{user}%7D", "{user},{user}", "id%20eq%201", "%EF%BC%90" * 4, "..;", "~", "+", "&", "=",
    "\u0660" * 8,
]  # fmt: skip


def reaches(answer: Answer, method: str, status: int) -> None:
    if method == "HEAD":
        assert (answer.status, answer.body) == (status, b"")
    else:
        is_error(answer, status)


@pytest.mark.parametrize("id", IDS, ids=lambda id: id[:40])
def test_an_invalid_id_is_404_for_every_method(client: Client, ids: dict[str, str], id: str) -> None:
    bodies: dict[str, Any] = {
        "PUT": {"userName": "changed", "displayName": "changed"},
        "PATCH": operations({"op": "replace", "path": "externalId", "value": "changed"}),
    }
    segment = id.replace("{user}", ids["user"]).replace("{group}", ids["group"])
    with unchanged(client):
        for endpoint in ("/Users", "/Groups", "/ResourceTypes", "/Schemas"):
            methods = (
                ("GET", "HEAD", "PUT", "PATCH", "DELETE") if endpoint in {"/Users", "/Groups"} else ("GET", "HEAD")
            )
            for method in methods:
                reaches(client.request(method, f"{endpoint}/{segment}", bodies.get(method)), method, 404)
        members = operations({"op": "add", "path": "members", "value": ["changed"]})
        reaches(client.request("PATCH", f"/Groups/{segment}", members), "PATCH", 404)


def test_an_invalid_id_is_404_over_a_port(server: Server) -> None:
    url = urlsplit(server.origin)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}

    def send(method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        connection.request(method, BASE + path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    status, created = send("POST", "/Users", b'{"userName":"id-over-a-port"}')
    assert status == 201
    user = json.loads(created)["id"]
    before = send("GET", f"/Users/{user}")
    for id in IDS:
        segment = id.replace("{user}", user).replace("{group}", "g").encode().decode("latin-1")
        segment = quote(segment, safe="%/;:@$!*'(),&=+~[]", encoding="latin-1")
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            body = b'{"userName":"changed","Operations":[{"op":"replace","path":"title","value":"changed"}]}'
            for endpoint in ("/Users", "/Groups"):
                status, content = send(method, f"{endpoint}/{segment}", body if method in {"PUT", "PATCH"} else b"")
                assert status == 404, (method, endpoint, id, content)
                assert json.loads(content)["status"] == "404"
    assert send("GET", f"/Users/{user}") == before
    connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/Users/..",
        "/Users/../Groups",
        "/Users/%2e%2e/Groups",
        "/../v2/Users",
        "/Users/../../../healthz",
        "/./Users",
        "/Users/.",
        "/Users/..%2FGroups",
    ],
)
def test_dots_in_a_path_are_404(server: Server, path: str) -> None:
    url = urlsplit(server.origin)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
    connection.request("GET", BASE + path, headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    assert answer.status == 404
    assert json.loads(answer.read())["status"] == "404"
    connection.close()


# --- parameters and headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "scim_type"),
    [
        ("startIndex=abc", "invalidValue"),
        ("count=abc", "invalidValue"),
        ("count=%00", "invalidValue"),
        ("count=%ff", "invalidValue"),
        ("count=1%00", "invalidValue"),
        (f"startIndex={'9' * 5000}x", "invalidValue"),
        ("sortBy=foo", "invalidPath"),
        ("sortBy=%00", "invalidPath"),
        ("sortBy=%ff", "invalidPath"),
        (f"sortBy={'x' * 20_000}", "invalidPath"),
        ("sortBy=userName&sortOrder=%00", "invalidValue"),
        ("filter=%20", "invalidFilter"),
        ("filter=%00", "invalidFilter"),
        ("filter=%ff", "invalidFilter"),
        ("FILTER=foo", "invalidFilter"),
    ],
)
@pytest.mark.parametrize("way", ["client", "port_client"])
def test_a_bad_parameter_is_an_error(way: str, request: pytest.FixtureRequest, query: str, scim_type: str) -> None:
    through: Client = request.getfixturevalue(way)
    for endpoint in ("/Users", "/Groups"):
        is_error(through.get(f"{endpoint}?{query}"), 400, scim_type)


def test_odd_projections_are_ignored(client: Client, ids: dict[str, str]) -> None:
    for text in (
        "%00",
        "%ff",
        ",,,",
        "[",
        '"',
        "x" * 20_000,
        ",".join(["userName"] * 2_000),
        "urn:",
        ":",
        "....",
        "%2C",
    ):
        for name in ("attributes", "excludedAttributes"):
            answer = client.get(f"/Users/{ids['user']}?{name}={text}")
            assert answer.status == 200, text
            assert answer.json["id"] == ids["user"]


def test_a_startindex_of_any_length_is_a_number(client: Client, ids: dict[str, str]) -> None:
    for digits in ("9" * 11, "9" * 400, "9" * 5_000, "0" * 5_000 + "1"):
        answer = client.get(f"/Users?startIndex={digits}")
        assert (answer.status, answer.json["totalResults"]) == (200, 1)
        assert client.get(f"/Users?count={digits}").json["itemsPerPage"] == 1
        assert client.get(f"/Users?count=-{digits}").json["itemsPerPage"] == 0


@pytest.mark.parametrize(
    "header", ["If-Match", "If-None-Match", "Content-Type", "Accept", "Authorization", "X-Anything"]
)
@pytest.mark.parametrize(
    "value", ["\udcff", '"', '"' * 1_000, "W/" * 1_000, "x" * 8_000, "é", "\x7f", ",,,,", '""""', "W/W/", "\t"]
)
def test_odd_headers_never_cause_5xx(client: Client, ids: dict[str, str], header: str, value: str) -> None:
    path = f"/Users/{ids['user']}"
    body = {"userName": "bjensen"}
    for answer in (
        client.get(path, headers={header: value}),
        client.get("/Users", headers={header: value}),
        client.put(path, body, headers={header: value}),
        client.delete(path, headers={header: value})
        if header not in {"Content-Type", "Accept", "X-Anything"}
        else None,
    ):
        assert answer is None or answer.status < 500
        if answer is not None and answer.status >= 400:
            is_error(answer, answer.status)


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match", "Content-Type", "Authorization", "X-Anything"])
@pytest.mark.parametrize("value", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b'"\xff"', b"\x01"])
def test_odd_bytes_in_headers_never_cause_5xx(server: Server, header: str, value: bytes) -> None:
    url = urlsplit(server.origin)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
    sent: dict[str, str | bytes] = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request("POST", f"{BASE}/Users/.search", b"{}", {**sent, header: value})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status < 500
    if answer.status >= 400:
        assert answer.getheader("content-type") == "application/scim+json"
        assert json.loads(content)["detail"]
    connection.close()


def test_the_whole_gallery_leaves_a_store_that_still_works(client: Client, ids: dict[str, str]) -> None:
    before = everything(client)
    for _, method, path, body, _, _ in (*JUNK, *ENVELOPES):
        client.request(method, path.format(**ids), body)
    for _, operation, _ in PATCHES:
        client.patch(f"/Users/{ids['user']}", operation)
    assert everything(client) == before
    assert client.patch(f"/Users/{ids['user']}", {"op": "replace", "path": "title", "value": "new"}).status == 204
