"""What HTTP itself asks for: who may come in, methods, media types, addresses, conditions, limits."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest

from scim.app import build
from scim.settings import from_environment, variable
from tests.conftest import BASE, ORIGIN, TOKEN, Answer, Client, HandlerClient, Loop, PortClient, Server
from tests.http.checks import GROUP, PATCH, UNKNOWN_ID, USER, is_error, names, resources, unchanged

ROUTES = {
    "/Users": "GET, POST, HEAD",
    f"/Users/{UNKNOWN_ID}": "GET, PUT, PATCH, DELETE, HEAD",
    "/Users/.search": "POST",
    "/Groups": "GET, POST, HEAD",
    f"/Groups/{UNKNOWN_ID}": "GET, PUT, PATCH, DELETE, HEAD",
    "/Groups/.search": "POST",
    "/.search": "POST",
    "": "GET, HEAD",
    "/": "GET, HEAD",
    "/ServiceProviderConfig": "GET, HEAD",
    "/ResourceTypes": "GET, HEAD",
    "/ResourceTypes/User": "GET, HEAD",
    "/Schemas": "GET, HEAD",
    f"/Schemas/{USER}": "GET, HEAD",
    "/Bulk": "POST",
    "/Me": "GET, POST, PUT, PATCH, DELETE, HEAD",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NOWHERE = ["/Foo", "/Users/a/b", f"/Users/{UNKNOWN_ID}/groups", "/Bulk/1", "~/", "~/scim", "~/x/y"]


def bare(answer: Answer, status: int) -> bool:
    """Whether this is the answer to HEAD, whose body can't be looked at."""
    assert answer.status == status
    return not answer.body


# --- who may come in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", [*ROUTES, *NOWHERE])
def test_requests_without_a_token_are_401(client: Client, path: str, method: str) -> None:
    """401 comes before 404, 405, 413, 415 and 501."""
    for token in (None, "wrong"):
        answer = client.request(method, path, b"{", headers={"Content-Type": "text/plain"}, token=token)
        if method != "HEAD":
            is_error(answer, 401)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert ("invalid_token" in answer.headers["www-authenticate"]) == (token is not None)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer{TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}",
     f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN}, Bearer {TOKEN}", f"Bearer {TOKEN} {TOKEN}", "Bearer é", "Bearer \udcff"],
)  # fmt: skip
def test_only_the_exact_development_token_is_accepted(client: Client, header: str) -> None:
    is_error(client.get("/Users", headers={"Authorization": header}), 401)


@pytest.mark.parametrize("header", [f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer  {TOKEN}", f" Bearer {TOKEN} "])
def test_the_scheme_is_taken_in_any_letter_case(client: Client, header: str) -> None:
    assert client.get("/Users", headers={"Authorization": header}).status == 200


def test_a_token_outside_the_header_is_ignored(client: Client) -> None:
    is_error(client.get(f"/Users?access_token={TOKEN}", token=None), 401)
    is_error(client.get(f"/Users?code={TOKEN}", token=None, headers={"x-functions-key": TOKEN}), 401)


def test_the_error_never_echoes_the_token(client: Client) -> None:
    answer = client.get("/Users", token="secret-of-somebody-else")
    assert b"secret" not in answer.body
    assert "secret" not in str(answer.headers)


def test_health_needs_no_token_and_has_no_details(client: Client) -> None:
    for token in (None, "wrong", TOKEN):
        answer = client.get("~/healthz", token=token)
        assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert client.get("~/healthz/", token=None).status == 200
    is_error(client.post("~/healthz", {}, token=None), 405)


# --- methods and addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ROUTES)
def test_a_wrong_method_is_405_with_the_allowed_ones(client: Client, path: str, method: str) -> None:
    answer = client.request(method, path, {})
    if method in ROUTES[path].split(", "):
        assert answer.status not in {405, 500}
        return
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) >= set(ROUTES[path].split(", ")) - {"HEAD"}
    assert set(answer.headers["allow"].split(", ")) <= set(ROUTES[path].split(", "))
    if method != "HEAD":
        is_error(answer, 405)


@pytest.mark.parametrize("path", NOWHERE)
@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_path_is_404(client: Client, path: str, method: str) -> None:
    answer = client.request(method, path, {})
    if method != "HEAD":
        is_error(answer, 404)
    assert answer.status == 404


@pytest.mark.parametrize(
    "path", ["/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", f"/Schemas/{USER}"]
)
@pytest.mark.parametrize("name", ["filter", "Filter", "FILTER"])
def test_a_filter_on_discovery_is_forbidden(client: Client, path: str, name: str) -> None:
    is_error(client.get(f'{path}?{name}=name eq "User"'), 403)


@pytest.mark.parametrize(
    "path",
    ["/Users/", "/Users//", "//Users", "///Users///", "/users", "/USERS/", "/Users?", "/Users/?foo=bar", "~//scim//v2//Users",
     "~/SCIM/V2/users", "/Users?&&", "/Users?foo=1&Foo=2&foo=3", "/Users?foo[]=1&%00=2&=3", "/%55sers", "/Users?COUNT=5"],
)  # fmt: skip
def test_slashes_letter_case_and_unknown_parameters_do_not_matter(client: Client, path: str) -> None:
    client.user()
    assert names(client.get(path)) == ["bjensen"]


def test_slashes_after_an_id_do_not_matter(client: Client) -> None:
    user = client.user()
    for path in (
        f"/Users/{user['id']}/",
        f"/Users//{user['id']}",
        f"/users/{user['id']}//",
        f"/Users/{user['id']}?x=1",
    ):
        assert client.get(path).json["id"] == user["id"]
    assert client.patch(f"/Users//{user['id']}/", {"op": "add", "path": "title", "value": "x"}).status == 204
    assert client.delete(f"//Users//{user['id']}/").status == 204
    assert client.post("/Users/", {"userName": "x"}).status == 201
    assert client.post("/Users//.search/", {}).status == 200


def test_an_id_is_known_in_its_own_spelling_only(client: Client) -> None:
    id = client.user()["id"]
    for other in (id.upper(), "{" + id + "}", id.replace("-", ""), f"urn:uuid:{id}", f" {id}", f"{id}%20", f"{id};v=1"):
        is_error(client.get(f"/Users/{other}"), 404)


def test_an_id_is_found_under_its_own_type_only(client: Client) -> None:
    user, group = client.user(), client.group()
    with unchanged(client):
        for path in (f"/Users/{group['id']}", f"/Groups/{user['id']}"):
            is_error(client.get(path), 404)
            is_error(client.put(path, {"userName": "x", "displayName": "x"}), 404)
            is_error(client.patch(path, {"op": "replace", "value": {"displayName": "x", "externalId": "x"}}), 404)
            is_error(client.delete(path), 404)
        is_error(
            client.patch(f"/Groups/{user['id']}", {"op": "add", "path": "members", "value": [{"value": "x"}]}), 404
        )


# --- media types ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept", ["application/scim+json", "application/json", "*/*", "text/html", "image/png;q=0", ""]
)
def test_any_accept_is_served_with_scim_json(client: Client, accept: str) -> None:
    answer = client.get("/Users", headers={"Accept": accept})
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/scim+json"


@pytest.mark.parametrize(
    "sent",
    ["application/scim+json", "application/json", "APPLICATION/JSON", "application/json; charset=utf-8", "application/scim+json;charset=UTF-8",
     " application/json ;x=y"],
)  # fmt: skip
def test_both_json_media_types_are_accepted(client: Client, sent: str) -> None:
    assert client.post("/Users", {"userName": "x"}, headers={"Content-Type": sent}).status == 201


@pytest.mark.parametrize(
    "sent", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "json", "*/*", "text/json"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/Users"), ("POST", "/Users/.search"), ("POST", "/.search"), ("PUT", "/Users/{}"), ("PATCH", "/Users/{}"),
     ("POST", "/Groups"), ("POST", "/Groups/.search")],
)  # fmt: skip
def test_anything_else_is_415(client: Client, method: str, path: str, sent: str) -> None:
    user = client.user()
    body = {"userName": "x", "Operations": [{"op": "add", "path": "title", "value": "x"}]}
    with unchanged(client):
        is_error(client.request(method, path.format(user["id"]), body, headers={"Content-Type": sent}), 415)


def test_a_missing_content_type_is_json(server: Server) -> None:
    url = urlsplit(server.origin)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
    connection.request("POST", f"{BASE}/Users", b'{"userName":"untyped"}', {"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    assert answer.status == 201
    assert json.loads(answer.read())["userName"] == "untyped"
    connection.close()


def test_a_missing_content_type_is_json_for_the_handler_too(client: Client, settled: Callable[..., Client]) -> None:
    direct = settled()
    assert direct.request("POST", "/Users", b'{"userName":"x"}', headers={}).status == 201


# --- conditions -------------------------------------------------------------------------------------------------


def test_the_entity_tag_is_weak_and_the_same_everywhere(client: Client) -> None:
    created = client.post("/Users", {"userName": "x"})
    path = f"/Users/{created.json['id']}"
    tag = created.headers["etag"]
    assert tag.startswith('W/"')
    assert tag.endswith('"')
    assert created.json["meta"]["version"] == tag
    assert client.get(path).headers["etag"] == tag
    assert client.get(path).json["meta"]["version"] == tag
    assert resources(client.get("/Users"))[0]["meta"]["version"] == tag
    changed = client.put(path, {"userName": "x", "title": "new"})
    assert changed.headers["etag"] == changed.json["meta"]["version"] != tag
    assert client.get(path).headers["etag"] == changed.headers["etag"]


def test_a_new_resource_says_where_it_is(client: Client) -> None:
    for answer in (client.post("/Users", {"userName": "x"}), client.post("/Groups", {"displayName": "x"})):
        resource_type = answer.json["meta"]["resourceType"]
        location = f"{ORIGIN}{BASE}/{resource_type}s/{answer.json['id']}"
        assert answer.headers["location"] == answer.json["meta"]["location"] == location


Write = Callable[[Client, str, Mapping[str, str]], Answer]
WRITES: dict[str, Write] = {
    "PUT": lambda client, id, sent: client.put(f"/Users/{id}", {"userName": "x", "title": "new"}, headers=sent),
    "PATCH": lambda client, id, sent: client.patch(
        f"/Users/{id}", {"op": "replace", "path": "title", "value": "new"}, headers=sent
    ),
    "PATCH that changes nothing": lambda client, id, sent: client.patch(
        f"/Users/{id}", {"op": "replace", "path": "userName", "value": "x"}, headers=sent
    ),
    "DELETE": lambda client, id, sent: client.delete(f"/Users/{id}", headers=sent),
    "PATCH of a group": lambda client, id, sent: client.patch(
        f"/Groups/{id}", {"op": "replace", "path": "externalId", "value": "new"}, headers=sent
    ),
    "PATCH of members": lambda client, id, sent: client.patch(
        f"/Groups/{id}", {"op": "add", "path": "members", "value": [{"value": "m"}]}, headers=sent
    ),
    "PATCH that clears members": lambda client, id, sent: client.patch(
        f"/Groups/{id}", {"op": "remove", "path": "members"}, headers=sent
    ),
    "PATCH of members that changes nothing": lambda client, id, sent: client.patch(
        f"/Groups/{id}", {"op": "remove", "path": "members", "value": [{"value": "nobody"}]}, headers=sent
    ),
    "PATCH of both": lambda client, id, sent: client.patch(
        f"/Groups/{id}", {"op": "add", "value": {"externalId": "new", "members": [{"value": "m"}]}}, headers=sent
    ),
    "PUT of a group": lambda client, id, sent: client.put(
        f"/Groups/{id}", {"displayName": "x", "members": [{"value": "m"}]}, headers=sent
    ),
    "DELETE of a group": lambda client, id, sent: client.delete(f"/Groups/{id}", headers=sent),
}
IN_GROUPS = {name for name in WRITES if "group" in name or "members" in name or "both" in name}


def fresh(client: Client, write: str) -> tuple[str, str, str]:
    """Id, a tag that it had before, and its tag."""
    endpoint = "/Groups" if write in IN_GROUPS else "/Users"
    made = client.group("x", "first") if write in IN_GROUPS else client.user("x")
    old = made["meta"]["version"]
    answer = client.patch(f"{endpoint}/{made['id']}", {"op": "add", "path": "externalId", "value": "e"})
    assert answer.headers["etag"] != old
    return made["id"], old, answer.headers["etag"]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    "form",
    ["{old}", '"nothing"', "nothing", '{old}, "nothing"', "", '""', '"*"', "W/", ",", "{old}{old}"],
)
def test_a_write_for_another_version_is_412_and_changes_nothing(client: Client, write: str, form: str) -> None:
    id, old, _ = fresh(client, write)
    with unchanged(client):
        is_error(WRITES[write](client, id, {"If-Match": form.format(old=old)}), 412)


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("form", ["{now}", "{strong}", "{bare}", "{old}, {now}", '"a","b",{strong}', "*", " * "])
def test_a_write_for_this_version_is_applied(client: Client, write: str, form: str) -> None:
    id, old, now = fresh(client, write)
    strong = now.removeprefix("W/")
    sent = form.format(now=now, old=old, strong=strong, bare=strong.strip('"'))
    assert WRITES[write](client, id, {"If-Match": sent}).status in {200, 204}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("form", ["{now}", "{strong}", "*", '"a", {now}'])
def test_a_write_unless_it_is_this_version_is_412_at_this_version(client: Client, write: str, form: str) -> None:
    id, old, now = fresh(client, write)
    with unchanged(client):
        is_error(WRITES[write](client, id, {"If-None-Match": form.format(now=now, strong=now[2:])}), 412)
        is_error(WRITES[write](client, id, {"If-None-Match": now, "If-Match": now}), 412)
    assert WRITES[write](client, id, {"If-None-Match": old}).status in {200, 204}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("header", ["If-Match", "If-None-Match"])
def test_a_condition_on_a_missing_resource_is_404(client: Client, write: str, header: str) -> None:
    for tag in ("*", '"1"', '"1", "2"', ""):
        is_error(WRITES[write](client, UNKNOWN_ID, {header: tag}), 404)


@pytest.mark.parametrize("query", ["excludedAttributes=groups", "attributes=userName", "attributes=userName,title"])
@pytest.mark.parametrize("form", ["{now}", "{strong}", '"x", {now}', "*"])
def test_a_client_that_has_this_version_gets_304(client: Client, query: str, form: str) -> None:
    user = client.user()
    now = user["meta"]["version"]
    path = f"/Users/{user['id']}?{query}"
    answer = client.get(path, headers={"If-None-Match": form.format(now=now, strong=now[2:])})
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", now)
    assert client.get(path, headers={"If-None-Match": '"other"'}).status == 200


def test_a_response_with_members_or_groups_is_never_304(client: Client) -> None:
    """Those are items of their own, which the version says nothing of."""
    user = client.user()
    group = client.group("g", user["id"])
    for path, made in ((f"/Users/{user['id']}", user), (f"/Groups/{group['id']}", group)):
        for query in ("", "?attributes=groups,members", "?attributes=groups.value,members.value"):
            for tag in (made["meta"]["version"], "*"):
                answer = client.get(path + query, headers={"If-None-Match": tag})
                assert answer.status == 200
                assert answer.json["id"] == made["id"]
    tag = group["meta"]["version"]
    lean = client.get(f"/Groups/{group['id']}?excludedAttributes=members", headers={"If-None-Match": tag})
    assert lean.status == 304


def test_a_get_for_another_version_is_412(client: Client) -> None:
    user = client.user()
    is_error(client.get(f"/Users/{user['id']}", headers={"If-Match": '"other"'}), 412)
    assert client.get(f"/Users/{user['id']}", headers={"If-Match": user["meta"]["version"]}).status == 200
    assert client.get(f"/Users/{user['id']}", headers={"If-Match": "*"}).status == 200


def test_conditions_do_not_matter_where_there_is_no_single_resource(client: Client) -> None:
    for header in ("If-Match", "If-None-Match"):
        assert client.get("/Users", headers={header: '"1"'}).status == 200
        assert client.post("/Users", {"userName": header}, headers={header: '"1"'}).status == 201
        assert client.post("/Users/.search", {}, headers={header: '"1"'}).status == 200


# --- addresses --------------------------------------------------------------------------------------------------

FORGED = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "gopher",
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Original-Host": "evil.example",
    "X-Original-URL": "/evil",
    "X-Rewrite-URL": "/evil",
    "X-HTTP-Method-Override": "DELETE",
    "X-HTTP-Method": "DELETE",
    "Forwarded": "for=10.0.0.1;host=evil.example;proto=gopher",
    "DISGUISED-HOST": "evil.example",
}


@pytest.mark.parametrize("way", ["client", "port_client"])
def test_forwarded_headers_are_never_trusted(way: str, request: pytest.FixtureRequest) -> None:
    through: Client = request.getfixturevalue(way)
    created = through.post("/Users", {"userName": f"forged-{way}"}, headers=FORGED)
    assert created.status == 201
    path = f"/Users/{created.json['id']}"
    origin = through.origin if isinstance(through, PortClient) else ORIGIN
    assert created.headers["location"] == f"{origin}{BASE}{path}"
    for answer in (
        created,
        through.get(path, headers=FORGED),
        through.get("/Users", headers=FORGED),
        through.get("/ServiceProviderConfig", headers=FORGED),
        through.get("/Schemas", headers=FORGED),
    ):
        assert answer.status in {200, 201}
        assert "evil" not in answer.body.decode() + str(answer.headers)
        assert "gopher" not in answer.body.decode() + str(answer.headers)


@pytest.fixture
def settled(loop: Loop) -> Iterator[Callable[..., Client]]:
    """Makes clients of services with settings of their own."""
    apps = []

    def make(**given: Any) -> Client:
        app = build(
            from_environment({variable(name): str(value) for name, value in given.items()}), tokens={TOKEN: "default"}
        )
        apps.append(app)
        return HandlerClient(app.handler, loop)

    yield make
    for app in apps:
        assert app.store is not None
        loop.run(app.store.close())


def test_the_base_url_of_the_settings_is_in_every_address(settled: Callable[..., Client]) -> None:
    client = settled(base_url="https://fixed.example/api/scim/")
    boss = client.user("boss")
    user = client.user("x", manager=boss["id"])
    group = client.group("g", user["id"])
    assert user["meta"]["location"] == f"https://fixed.example/api/scim/Users/{user['id']}"
    shown = client.get(f"/Users/{user['id']}").json
    assert shown["groups"][0]["$ref"] == f"https://fixed.example/api/scim/Groups/{group['id']}"
    for path in ("/Users", "/Groups", "/Schemas", "/ResourceTypes", "/ServiceProviderConfig"):
        assert ORIGIN not in client.get(path).body.decode()


def test_a_host_header_that_cannot_be_in_a_url_is_refused_before_anything_is_written(server: Server) -> None:
    url = urlsplit(server.origin)
    body = b'{"userName":"hostless"}'
    head = f"POST {BASE}/Users HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\nConnection: close\r\nHost: "
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=30) as connection:
        connection.sendall(head.encode() + b"\xff\r\n\r\n" + body)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/scim+json" in answer
    client = PortClient(server.origin)
    assert names(client.get('/Users?filter=userName eq "hostless"')) == []
    client.close()


# --- limits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/Users"), ("POST", "/Groups"), ("PUT", "/Users/{user}"), ("PATCH", "/Users/{user}"), ("PUT", "/Groups/{group}"),
     ("PATCH", "/Groups/{group}"), ("POST", "/Users/.search"), ("POST", "/.search")],
)  # fmt: skip
def test_a_body_over_1_mib_is_413(client: Client, method: str, path: str) -> None:
    ids = {"user": client.user()["id"], "group": client.group()["id"]}
    body = b'{"userName":"big","displayName":"big","Operations":[{"op":"add","path":"externalId","value":"x"}]'
    whole = body + b" " * (1024 * 1024 - len(body) - 1) + b"}"
    with unchanged(client):
        is_error(client.request(method, path.format(**ids), whole + b" "), 413)
        is_error(client.request(method, path.format(**ids), b"x" * 3_000_000), 413)
    assert client.request(method, path.format(**ids), whole).status in {200, 201, 204}


def test_a_body_over_1_mib_is_413_over_a_port_too(port_client: Client) -> None:
    body = b'{"userName":"big-over-a-port"}'
    is_error(port_client.post("/Users", body + b" " * (1024 * 1024 - len(body) + 1)), 413)
    is_error(port_client.post("/Users", b"x" * 5_000_000), 413)
    assert names(port_client.get('/Users?filter=userName eq "big-over-a-port"')) == []
    assert port_client.post("/Users", body + b" " * (1024 * 1024 - len(body))).status == 201


def test_a_resource_over_256_kib_is_413(client: Client) -> None:
    big = [{"value": f"{number}", "display": "x" * 1000} for number in range(270)]
    user = client.user("x", entitlements=big[:200])
    path = f"/Users/{user['id']}"
    with unchanged(client):
        is_error(client.post("/Users", {"userName": "y", "entitlements": big}), 413)
        is_error(client.put(path, {"userName": "x", "entitlements": big}), 413)
        is_error(client.patch(path, {"op": "add", "path": "entitlements", "value": big[200:]}), 413)
        is_error(client.patch(path, {"op": "add", "path": "displayName", "value": "x" * 100_000}), 413)
    assert client.patch(path, {"op": "add", "path": "displayName", "value": "x" * 30_000}).status == 204
    assert len(client.get(path).json["displayName"]) == 30_000


@pytest.mark.parametrize("way", ["client", "port_client"])
def test_a_filter_of_more_than_10000_characters_is_an_invalid_filter(way: str, request: pytest.FixtureRequest) -> None:
    through: Client = request.getfixturevalue(way)
    fits = 'userName eq "nobody"' + " " * 9_000 + 'or userName eq "nobody"'
    fits += " " * (10_000 - len(fits))
    assert resources(through.get(f"/Users?filter={fits}")) == []
    assert resources(through.post("/Users/.search", {"filter": fits})) == []
    is_error(through.get(f"/Users?filter={fits} "), 400, "invalidFilter")
    is_error(through.post("/Users/.search", {"filter": fits + " "}), 400, "invalidFilter")
    is_error(through.post("/.search", {"filter": fits + " "}), 400, "invalidFilter")


def test_a_filter_of_10000_non_ascii_letters_is_accepted(port_client: Client) -> None:
    """Its percent-encoded form is longer by far."""
    text = " or ".join(['title eq "' + "ü" * 480 + '"'] * 20)
    assert 9_800 < len(text) <= 10_000
    assert resources(port_client.get(f"/Users?filter={text}")) == []


@pytest.mark.parametrize("way", ["client", "port_client"])
def test_a_filter_nested_deeper_than_50_is_an_invalid_filter(way: str, request: pytest.FixtureRequest) -> None:
    through: Client = request.getfixturevalue(way)
    fits, deep = ("(" * (depth - 1) + "userName pr" + ")" * (depth - 1) for depth in (50, 51))
    assert through.get(f"/Users?filter={fits}").status == 200
    is_error(through.get(f"/Users?filter={deep}"), 400, "invalidFilter")
    is_error(through.get("/Users?filter=" + "not (" * 51 + "userName pr" + ")" * 51), 400, "invalidFilter")


def test_a_path_is_held_to_the_limits_of_a_filter(client: Client) -> None:
    path = f"/Users/{client.user()['id']}"
    with unchanged(client):
        deep = "emails[" + "(" * 60 + "value pr" + ")" * 60 + "]"
        is_error(client.patch(path, {"op": "remove", "path": deep}), 400, "invalidFilter")
        is_error(client.patch(path, {"op": "remove", "path": "t" * 10_001}), 400, "invalidPath")


def test_a_patch_has_at_most_1000_operations(client: Client) -> None:
    path = f"/Users/{client.user()['id']}"
    operations = [{"op": "replace", "path": "title", "value": f"{number}"} for number in range(1001)]
    with unchanged(client):
        is_error(client.patch(path, *operations), 413)
    assert client.patch(path, *operations[:1000]).status == 204
    assert client.get(path).json["title"] == "999"


def test_a_request_names_at_most_10000_members(client: Client) -> None:
    members = [{"value": f"m{number}"} for number in range(10_001)]
    group = client.group("x")
    path = f"/Groups/{group['id']}"
    with unchanged(client):
        is_error(client.post("/Groups", {"displayName": "y", "members": members}), 413)
        is_error(client.put(path, {"displayName": "x", "members": members}), 413)
        is_error(client.patch(path, {"op": "add", "path": "members", "value": members}), 413)
        is_error(client.patch(path, {"op": "remove", "path": "members", "value": members}), 413)
        halves = [{"op": "add", "path": "members", "value": half} for half in (members[:6000], members[6000:])]
        is_error(client.patch(path, *halves), 413)
    assert client.patch(path, {"op": "add", "path": "members", "value": members[:10_000]}).status == 204


LIMITED: list[tuple[str, dict[str, Any], str, str, Any, int, str | None]] = [
    ("body", {"max_body_bytes": 1024}, "POST", "/Users", {"userName": "x", "title": "x" * 1024}, 413, None),
    ("resource", {"max_resource_bytes": 1024}, "POST", "/Users", {"userName": "x", "title": "x" * 1024}, 413, None),
    (
        "filter",
        {"max_filter_characters": 100},
        "GET",
        f'/Users?filter=title eq "{"x" * 100}"',
        None,
        400,
        "invalidFilter",
    ),
    ("depth", {"max_filter_depth": 1}, "GET", "/Users?filter=(title pr)", None, 400, "invalidFilter"),
    (
        "operations",
        {"max_patch_operations": 1},
        "PATCH",
        f"/Users/{UNKNOWN_ID}",
        {"schemas": [PATCH], "Operations": [{"op": "remove", "path": "title"}] * 2},
        413,
        None,
    ),
    (
        "members",
        {"max_members": 1},
        "POST",
        "/Groups",
        {"schemas": [GROUP], "displayName": "x", "members": [{"value": "1"}, {"value": "2"}]},
        413,
        None,
    ),
]


@pytest.mark.parametrize(
    ("given", "method", "path", "body", "status", "scim_type"),
    [row[1:] for row in LIMITED],
    ids=[row[0] for row in LIMITED],
)
def test_each_limit_has_a_setting_and_an_error_of_its_own(
    settled: Callable[..., Client],
    given: dict[str, Any],
    method: str,
    path: str,
    body: Any,
    status: int,
    scim_type: str | None,
) -> None:
    client = settled(**given)
    is_error(client.request(method, path, body), status, scim_type)
    assert resources(client.get("/Users")) == []
    assert resources(client.get("/Groups")) == []


def test_page_sizes_have_settings(settled: Callable[..., Client]) -> None:
    client = settled(default_page=2, max_page=3)
    for number in range(5):
        client.user(f"u{number}")
    assert len(resources(client.get("/Users"))) == 2
    assert len(resources(client.get("/Users?count=100"))) == 3
    assert client.get("/ServiceProviderConfig").json["filter"]["maxResults"] == 3


# --- HTTP that isn't --------------------------------------------------------------------------------------------


def raw(server: Server, sent: bytes) -> tuple[bytes, bytes]:
    """Head and body of what a server says to these bytes, with the connection closed after them."""
    url = urlsplit(server.origin)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=30) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    "sent",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        f"GET {BASE}/Users/a b HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        f"GET {BASE}/Users/".encode() + b"\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET {BASE}/Users?filter=".encode() + b"\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        f"BREW {BASE}/Users HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        f"POST {BASE}/Users HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n".encode(),
        f"POST {BASE}/Users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n".encode(),
        f"GET {BASE}/Users HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n".encode(),
        f"GET {BASE}/Users HTTP/1.1\r\nHost: x\r\nX: {'x' * 100_000}\r\n\r\n".encode(),
    ],
)
def test_invalid_http_gets_a_scim_error(server: Server, sent: bytes) -> None:
    head, body = raw(server, sent)
    assert head.split()[1][:1] == b"4", head
    assert b"content-type: application/scim+json" in head.lower()
    assert json.loads(body)["detail"]


def test_a_client_that_waits_for_100_continue_gets_it(server: Server) -> None:
    """RFC 9110 §10.1.1; curl sends it with every larger body."""
    url = urlsplit(server.origin)
    body = b'{"userName":"patient"}'
    head = f"POST {BASE}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=30) as connection:
        connection.sendall(head.encode() + b"Connection: close\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("body", [b"", b"0\r\n\r\n"])
def test_a_missing_body_is_400(server: Server, body: bytes) -> None:
    coding = "Transfer-Encoding: chunked" if body else "Content-Length: 0"
    head = f"POST {BASE}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n{coding}\r\n\r\n"
    head_, answer = raw(server, head.encode() + body)
    assert head_.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer)["scimType"] == "invalidSyntax"


def test_a_compressed_body_is_refused_without_decompression(port_client: Client) -> None:
    for content in (b"\x1f\x8b\x08", b"not gzip at all"):
        answer = port_client.post("/Users", content, headers={"Content-Encoding": "gzip"})
        assert answer.status in {400, 415}
        assert answer.json["detail"]


def test_answers_without_a_body_have_no_length_and_no_type(port_client: Client) -> None:
    """RFC 9110 §8.6: no `Content-Length` with 204."""
    user = port_client.user("short-lived")
    patched = port_client.patch(f"/Users/{user['id']}", {"op": "add", "path": "title", "value": "x"})
    deleted = port_client.delete(f"/Users/{user['id']}")
    for answer in (patched, deleted):
        assert (answer.status, answer.body) == (204, b"")
        assert "content-type" not in answer.headers
        assert "content-length" not in answer.headers


def test_bodies_of_get_and_delete_do_not_matter(client: Client) -> None:
    user = client.user()
    assert client.get("/Users", body=b"{junk").status == 200
    assert client.delete(f"/Users/{user['id']}", body=b"{junk").status == 204
