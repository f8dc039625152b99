"""`/Me` (RFC 7644 §3.11): whose user it is, every method on it, what people may do with it and what nobody may."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from scim.app import build
from scim.edge.routes import ROUTES
from scim.security.clouds import Version
from scim.settings import SettingsError, from_environment
from tests.conftest import TOKEN, Answer, Client, CosmosServer, Loop
from tests.http.checks import ENTERPRISE, PATCH, everything, is_error, unchanged
from tests.security.conftest import scim, secret_token_at
from tests.security.instances import instance
from tests.security.issuer import CONTOSO, FABRIKAM, PRODUCT, SIGN_IN, Issuer
from tests.security.test_two_customers import METHODS, Bearer, empty, routes
from tests.worker.host_client import HostClient

MEGAN: Final = "3e9a1111-7c01-4a36-9a41-aaaaaaaaaaaa"
"""What Entra ID calls a person."""
ADELE: Final = "ade1e222-7c01-4a36-9a41-bbbbbbbbbbbb"
PAIRWISE: Final = "I1Yq0ZxvS3dRr6mPhcY9RVPTVIhwaBrZM4nBwPzzIgk"  # pragma: allowlist secret - a name, no key
"""What a token of a person has as `sub`."""
CUSTOMERS: Final = (("contoso", CONTOSO), ("fabrikam", FABRIKAM))
MANY: Final = {"SCIM_REQUESTS_PER_SECOND": "100000"}
CHALLENGE: Final = 'Bearer realm="scim", error="insufficient_scope"'


@dataclass
class World:
    """A service with two customers: applications come in to both, and people who have signed in to `SIGN_IN`."""

    way: Client
    issuer: Issuer
    at: Sequence[str]
    """Options that lead a command to its data."""

    @property
    def contoso(self) -> Bearer:
        return Bearer(self.way, self.issuer.token())

    @property
    def fabrikam(self) -> Bearer:
        return Bearer(self.way, self.issuer.token(FABRIKAM))

    def linked(self, subject: str, tenant: str = CONTOSO) -> Bearer:
        """An application whose token calls it this."""
        return Bearer(self.way, self.issuer.token(tenant, oid=subject, sub=subject))

    def person(self, subject: str, tenant: str = CONTOSO, version: Version = "1.0", **changes: Any) -> Bearer:
        """A person whose token calls them this."""
        return Bearer(self.way, self.issuer.of_person(subject, tenant, version, **changes))


def open_ways(*at: str) -> None:
    for name, tenant in CUSTOMERS:
        scim("customer", "create", name, *at)
        scim("customer", "allow", name, "--entra-tenant", tenant, *at)
        let_people_in(name, tenant, *at)


def let_people_in(name: str, tenant: str, *at: str) -> None:
    people = ("--people", "--audience", PRODUCT, "--application", SIGN_IN)
    scim("customer", "allow", name, "--entra-tenant", tenant, *people, *at)


@pytest.fixture
def functions(authenticated: Client, issuer: Issuer, data: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The function app's triggers, and the embedded store."""
    monkeypatch.setenv(*next(iter(MANY.items())))
    for name, tenant in CUSTOMERS:
        let_people_in(name, tenant, "--data", str(data))
    return World(authenticated, issuer, ("--data", str(data)))


@pytest.fixture(scope="module")
def cosmos(loop: Loop) -> Iterator[World]:
    """`scim serve`, over a port, on the emulator of Cosmos DB."""
    issuer = Issuer()
    loop.run(issuer.start())
    running = CosmosServer(loop, SCIM_DEV_KEYS=issuer.origin, **MANY)
    try:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in running.environment.items():
                environment.setenv(name, value)
            open_ways("--store", "cosmos")
            yield World(running.client, issuer, ("--store", "cosmos"))
    finally:
        running.stop()
        loop.run(issuer.stop())


@pytest.fixture(scope="module")
def host(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The function app in a real worker, over HTTP through the stand-in for the Functions host."""
    issuer, data = Issuer(), tmp_path_factory.mktemp("host") / "scim.db"
    loop.run(issuer.start())
    open_ways("--data", str(data))
    client = HostClient(loop, {"SCIM_DATA": str(data), "SCIM_DEV_KEYS": issuer.origin, **MANY})
    try:
        yield World(client, issuer, ("--data", str(data)))
    finally:
        client.close()
        loop.run(issuer.stop())


@pytest.fixture(params=["functions", "cosmos", "host"])
def world(request: pytest.FixtureRequest) -> World:
    """Each way in and each store, with nobody in it."""
    made: World = request.getfixturevalue(request.param)
    for client in (made.contoso, made.fabrikam):
        empty(client)
    return made


def _operations(*operations: Any) -> Any:
    return {"schemas": [PATCH], "Operations": list(operations)}


def _forbidden(answer: Answer) -> None:
    assert (answer.status, answer.headers["www-authenticate"]) == (403, CHALLENGE), answer.body
    if answer.body:
        is_error(answer, 403)


# --- every method -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?attributes=userName", "?excludedAttributes=groups,emails", "?attributes=id"])
def test_get_is_that_of_the_user_by_id(world: World, query: str) -> None:
    user = world.contoso.user(externalId=MEGAN, emails=[{"value": "megan@contoso.example"}])
    world.contoso.user("another", externalId=ADELE)
    world.contoso.group("Tour Guides", user["id"])
    by_id = world.contoso.get(f"/Users/{user['id']}{query}")
    for one in (world.linked(MEGAN), world.person(MEGAN), world.person(MEGAN, version="2.0")):
        me = one.get(f"/Me{query}")
        assert (me.status, me.json) == (200, by_id.json)
        for header in ("etag", "location", "content-type"):
            assert me.headers[header] == by_id.headers[header]
        assert me.headers["location"].endswith(f"/scim/v2/Users/{user['id']}")
        head = one.request("HEAD", f"/Me{query}")
        assert (head.status, head.body, head.headers["etag"]) == (200, b"", by_id.headers["etag"])


def test_get_takes_conditions(world: World) -> None:
    world.contoso.user(externalId=MEGAN)
    for one in (world.linked(MEGAN), world.person(MEGAN)):
        version = one.get("/Me").headers["etag"]
        path = "/Me?excludedAttributes=groups"
        assert one.get(path, headers={"If-None-Match": version}).status == 304
        assert one.get(path, headers={"If-None-Match": 'W/"another"'}).status == 200
        is_error(one.get(path, headers={"If-Match": 'W/"another"'}), 412)


def test_put_replaces_the_user(world: World) -> None:
    user = world.contoso.user(externalId=MEGAN, title="Guide")
    me = world.linked(MEGAN)
    stale = me.get("/Me").headers["etag"]
    body = {"userName": "megan", "externalId": MEGAN, "id": "another"}
    replaced = me.put("/Me?excludedAttributes=meta", body, headers={"If-Match": stale})
    assert (replaced.status, replaced.json.keys()) == (200, {"schemas", "id", "userName", "externalId", "active"})
    assert replaced.headers["location"].endswith(f"/Users/{user['id']}")
    assert replaced.headers["etag"] == world.contoso.get(f"/Users/{user['id']}").headers["etag"] != stale
    is_error(me.put("/Me", body, headers={"If-Match": stale}), 412)
    is_error(me.put("/Me", {"externalId": MEGAN}), 400, "invalidValue")
    is_error(me.put("/Me", b"{"), 400, "invalidSyntax")


def test_patch_changes_the_user(world: World) -> None:
    user = world.contoso.user(externalId=MEGAN)
    me = world.linked(MEGAN)
    stale = me.get("/Me").headers["etag"]
    to_guide = {"op": "replace", "path": "title", "value": "Guide"}
    patched = me.patch("/Me", to_guide, headers={"If-Match": stale})
    assert (patched.status, patched.body) == (204, b"")
    assert patched.headers["etag"] == world.contoso.get(f"/Users/{user['id']}").headers["etag"] != stale
    assert patched.headers["location"].endswith(f"/Users/{user['id']}")
    answered = me.patch("/Me?attributes=title", {**to_guide, "value": "Chief"})
    assert (answered.status, answered.json["title"]) == (200, "Chief")
    is_error(me.patch("/Me", to_guide, headers={"If-Match": stale}), 412)
    is_error(me.patch("/Me", {"op": "replace", "path": "nothing", "value": 1}), 400, "invalidPath")


def test_delete_takes_the_user_away(world: World) -> None:
    user = world.contoso.user(externalId=MEGAN)
    kept = world.contoso.user("another", externalId=ADELE)
    group = world.contoso.group("Tour Guides", user["id"])
    me = world.linked(MEGAN)
    is_error(me.delete("/Me", headers={"If-Match": 'W/"another"'}), 412)
    deleted = me.delete("/Me")
    assert (deleted.status, deleted.body) == (204, b"")
    is_error(world.contoso.get(f"/Users/{user['id']}"), 404)
    is_error(me.delete("/Me"), 404)
    assert "members" not in world.contoso.get(f"/Groups/{group['id']}").json
    assert world.contoso.get(f"/Users/{kept['id']}").status == 200


def test_post_me_is_not_supported(world: World) -> None:
    world.contoso.user("bjensen", externalId=ADELE)
    with unchanged(world.contoso):
        for one in (world.linked(MEGAN), world.linked(ADELE)):
            is_error(one.post("/Me", {"userName": "megan", "externalId": MEGAN}), 501)


def test_me_has_no_sub_paths(world: World) -> None:
    user = world.contoso.user(externalId=MEGAN)
    for path, method in product(("/Me/", "/ME", "/me//"), ("GET", "HEAD")):
        assert world.linked(MEGAN).request(method, path).status == 200
    for path in ("/Me/x", f"/Me/{user['id']}", "/Me/.search", "/Me/groups", "/Me/Me"):
        for method in METHODS:
            assert world.linked(MEGAN).request(method, path, {}).status == 404


# --- who it is --------------------------------------------------------------------------------------------------


def test_oid_or_sub_will_do(world: World) -> None:
    user = world.contoso.user(externalId=MEGAN)["id"]
    claims: list[dict[str, Any]] = [
        {"oid": MEGAN, "sub": ADELE},
        {"oid": ADELE, "sub": MEGAN},
        {"oid": None, "sub": MEGAN},
        {"oid": MEGAN, "sub": None},
        {"oid": "", "sub": MEGAN},
    ]
    for changes in claims:
        one = Bearer(world.way, world.issuer.token(**changes))
        assert one.get("/Me").json["id"] == user, changes


def test_an_unknown_id_is_404_for_every_method_but_post(world: World) -> None:
    world.contoso.user(externalId=ADELE)
    world.contoso.user("a-second", title=MEGAN, userType=MEGAN)
    world.contoso.group("Guides", externalId=MEGAN)
    with unchanged(world.contoso):
        for method, body in (("GET", None), ("PUT", {"userName": "x"}), ("PATCH", _operations()), ("DELETE", None)):
            answer = world.linked(MEGAN).request(method, "/Me", body)
            is_error(answer, 404)
            assert "externalId" in answer.json["detail"]
        is_error(world.person(MEGAN).get("/Me"), 404)


def test_several_matching_users_are_404_and_unchanged(world: World) -> None:
    """`externalId` isn't unique; and `oid` and `sub` may each name another."""
    users = [world.contoso.user(name, externalId=MEGAN) for name in ("megan", "megan-2", "megan-3")]
    users.append(world.contoso.user("by-sub", externalId=PAIRWISE))
    tokens = [world.linked(MEGAN), Bearer(world.way, world.issuer.token(oid=PAIRWISE, sub=MEGAN))]
    change = _operations({"op": "replace", "path": "title", "value": "x"})
    with unchanged(world.contoso):
        for one, (method, body) in product(tokens, (("GET", None), ("PUT", {"userName": "x"}), ("PATCH", change), ("DELETE", None))):  # fmt: skip
            answer = one.request(method, "/Me", body)
            is_error(answer, 404)
            assert "Several users" in answer.json["detail"]
            for user in users:
                assert user["id"] not in answer.body.decode()
                assert user["userName"] not in answer.body.decode()
    for user in users[:3]:
        world.contoso.delete(f"/Users/{user['id']}")
    assert tokens[1].get("/Me").json["userName"] == "by-sub"


def test_a_token_finds_a_user_of_its_own_customer_only(world: World) -> None:
    theirs = world.fabrikam.user("theirs", externalId=MEGAN)["id"]
    for one in (world.linked(MEGAN), world.person(MEGAN)):
        is_error(one.get("/Me"), 404)
    is_error(world.linked(MEGAN).delete("/Me"), 404)
    assert world.person(MEGAN, FABRIKAM).get("/Me").json["id"] == theirs
    ours = world.contoso.user("ours", externalId=MEGAN)["id"]
    assert world.person(MEGAN).get("/Me").json["id"] == ours
    with unchanged(world.fabrikam):
        assert world.linked(MEGAN).delete("/Me").status == 204


def test_a_secret_token_has_no_user(world: World) -> None:
    token = secret_token_at("contoso", *world.at)
    world.contoso.user(externalId=MEGAN)
    bodies = {"PUT": {"userName": "x"}, "POST": {"userName": "x"}, "PATCH": _operations()}
    with unchanged(world.contoso):
        for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
            is_error(world.way.request(method, "/Me", bodies.get(method), token=token), 501)
    detail = world.way.get("/Me", token=token).json["detail"]
    for word in ("needs an access token of Entra ID", "Entra ID", "oid", "sub", "externalId"):
        assert word in detail
    nameless = world.issuer.token(oid=None, sub=None)
    assert world.way.get("/Users", token=nameless).status == 200
    is_error(world.way.get("/Me", token=nameless), 501)


def test_a_read_only_token_reads_me_and_does_not_change_it(functions: World) -> None:
    to_read = ("--entra-tenant", CONTOSO, "--audience", "api://to-read", "--read-only")
    scim("customer", "allow", "contoso", *to_read, *functions.at)
    functions.contoso.user(externalId=MEGAN)
    reader = Bearer(functions.way, functions.issuer.token(aud="api://to-read", oid=MEGAN, sub=MEGAN))
    assert reader.get("/Me").status == 200
    with unchanged(functions.contoso):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            _forbidden(reader.request(method, "/Me", {"userName": "x"}))


# What claims may hold; each is the text of `oid`, and 404 unless said otherwise.
HOSTILE: Final[dict[str, tuple[Any, int]]] = {
    "an injected filter": ('" or "" eq "', 404),
    "an injected filter that is true": ('" or id pr or externalId eq "', 404),
    "an injected value": ('x" or userName eq "megan', 404),
    "an injected not": ('") or not (id eq "', 404),
    "SQL": ("' OR '1'='1' --", 404),
    "Cosmos SQL": ('"] = c["f"]["externalId"] OR true --', 404),
    "a parameter": ("@p0", 404),
    "a wildcard": ("%", 404),
    "another wildcard": ("*", 404),
    "a wildcard for one": ("_" * 36, 404),
    "a pattern": (".*", 404),
    "a word": ("true", 404),
    "null": ("null", 404),
    "a number": ("1", 404),
    "a path": ("../../Users", 404),
    "in upper case": (MEGAN.upper(), 404),
    "with a blank": (f" {MEGAN}", 404),
    "with a line break": (f"{MEGAN}\n", 404),
    "with a null character": (f"{MEGAN}\x00", 404),
    "cut off": (MEGAN[:-1], 404),
    "a null character": ("\x00", 404),
    "full width": (MEGAN.translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789abcdef"}), 404),
    "from right to left": (f"\u202e{MEGAN}", 404),
    "beyond the BMP": ("\U0001f600" * 10, 404),
    "as long as a value may be": ("x" * 1024, 404),
    "longer than any value that is found": ("x" * 1025, 404),
    "longer in bytes": ("\u00e9" * 513, 404),
    "huge": ("x" * 5_000, 404),
    "the beginning of a long value": ("long-" * 200, 404),
    "the whole of a long value": ("long-" * 500, 404),
    "an id of a user": ("<id>", 404),
    "half a surrogate pair": ("\ud800", 401),
    "a list": ([MEGAN], 401),
    "an object": ({"eq": MEGAN}, 401),
    "a real number": (1, 401),
    "true": (True, 401),
}


@pytest.mark.parametrize(("subject", "status"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("where", ["functions", "cosmos"])
def test_a_claim_is_only_a_value_of_a_comparison(
    request: pytest.FixtureRequest, where: str, subject: Any, status: int
) -> None:
    world: World = request.getfixturevalue(where)
    empty(world.contoso)
    user = world.contoso.user("megan", externalId=MEGAN)
    world.contoso.user("one", externalId="1")
    world.contoso.user("long", externalId="long-" * 500)
    world.contoso.user("none")
    if subject == "1":
        status = 200  # it is the text that another user has
    said = user["id"] if subject == "<id>" else subject
    with unchanged(world.contoso):
        for claims in ({"oid": said, "sub": None}, {"oid": None, "sub": said}, {"oid": said, "sub": said}):
            for token in (world.issuer.token(**claims), world.issuer.of_person("", **claims)):
                answer = world.way.get("/Me", token=token)
                if status == 200:
                    assert answer.json["userName"] == "one"
                else:
                    is_error(answer, status)
        for method in ("PUT", "PATCH", "DELETE") if status != 200 else ():
            is_error(world.way.request(method, "/Me", {"userName": "x"}, token=world.issuer.token(oid=said, sub=said)), status)  # fmt: skip


def test_a_name_of_any_length_and_script_can_be_filtered(world: World) -> None:
    for subject in ("x" * 1024, "\u00e9" * 512, "\U0001f600", '" or "" eq "', "' OR 1=1 --", "%", "\u202eabc", "null"):
        user = world.contoso.user(externalId=subject)["id"]
        assert world.linked(subject).get("/Me").json["id"] == user
        assert world.person(subject).get("/Me").json["id"] == user
        assert world.contoso.delete(f"/Users/{user}").status == 204


# --- people -----------------------------------------------------------------------------------------------------


READ: Final = {"GET", "HEAD"}
FOR_PEOPLE: Final = {"/Me", "/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/{id}", "/Schemas", "/Schemas/{id}"}  # fmt: skip
"""Where a person may read; `/healthz` asks nobody for a token."""
CHANGES: Final = {
    ("POST", "/Users"),
    ("POST", "/Groups"),
    ("POST", "/Bulk"),
    ("POST", "/Me"),
    *product(("PUT", "PATCH", "DELETE"), ("/Users/{id}", "/Groups/{id}", "/Me")),
}


def test_a_user_token_may_only_read_me_and_discovery(world: World) -> None:
    """Every route that there is by every method: what isn't named above is refused, a new route too."""
    user = world.contoso.user("megan", externalId=MEGAN)["id"]
    group = world.contoso.group("Guides", user)["id"]
    person = world.person(MEGAN)
    ids = {"/Users/{id}": user, "/Groups/{id}": group, "/ResourceTypes/{id}": "User", "/Schemas/{id}": ENTERPRISE}
    with unchanged(world.contoso):
        for (route, actions), method in product(routes().items(), METHODS):
            if route == "/healthz" or ("GET" if method == "HEAD" else method) not in actions:
                continue
            answer = person.request(method, route.replace("{id}", ids.get(route, "")), {})
            if route in FOR_PEOPLE and method in READ:
                assert answer.status == 200, (route, method, answer.body)
            else:
                _forbidden(answer)
    assert "/Me" in person.get("/Users").json["detail"]


def test_a_read_only_token_can_not_change_resources(world: World) -> None:
    user = world.contoso.user("megan")["id"]
    reader = Bearer(world.way, secret_token_at("contoso", "--read-only", *world.at))
    with unchanged(world.contoso):
        for (route, actions), method in product(routes().items(), METHODS):
            if ("GET" if method == "HEAD" else method) not in actions:
                continue
            answer = reader.request(method, f"{'~' if route == '/healthz' else ''}{route.replace('{id}', user)}", {})
            if (method, route) in CHANGES:
                _forbidden(answer)
            else:
                assert answer.status in {200, 404, 501}, (route, method, answer.body)


def test_who_may_write_may_do_everything_and_who_may_read_everything_that_a_user_may() -> None:
    permitted = [set(route.access) for route in ROUTES if route.access is not None]
    assert all("write" in access and ("read" in access or "self" not in access) for access in permitted)
    assert [route.path for route in ROUTES if route.access is None] == ["/healthz"]


def test_a_user_token_is_refused_without_a_rule_for_users(world: World) -> None:
    world.contoso.user(externalId=MEGAN)
    sync: list[dict[str, Any]] = [
        {"aud": world.issuer.claims()["aud"], "appid": world.issuer.claims()["appid"]},  # provisioning's own way
        {"aud": world.issuer.claims()["aud"]},
        {"aud": "api://another"},
        {"appid": "5ca1ab1e-6666-4666-8666-666666666666"},  # another application's
        {"appid": None},
        {"exp": 1},
        {"tid": FABRIKAM},
    ]
    for changes in sync:
        for path in ("/Me", "/Users", "/Schemas"):
            is_error(world.person(MEGAN, **changes).get(path), 401)


def test_a_user_of_one_customer_has_no_access_to_another(functions: World, data: Path) -> None:
    """Only one of them has let its people in."""
    scim(
        "customer", "deny", "--yes", "fabrikam", "--entra-tenant", FABRIKAM, "--audience", PRODUCT, "--data", str(data)
    )
    functions.contoso.user(externalId=MEGAN)
    functions.fabrikam.user(externalId=MEGAN)
    assert functions.person(MEGAN).get("/Me").status == 200
    is_error(functions.person(MEGAN, FABRIKAM).get("/Me"), 401)


@pytest.mark.parametrize("version", get_args(Version.__value__))
@pytest.mark.parametrize(
    ("claims", "reach"),
    [
        pytest.param({"scp": None, "upn": None, "oid": MEGAN, "sub": MEGAN}, "write", id="an application's"),
        pytest.param({"scp": None, "upn": None, "idtyp": "app", "sub": None}, "write", id="says that it is"),
        pytest.param({"scp": None, "upn": None}, "self", id="says nothing, and is another to each application"),
        pytest.param({"scp": None, "upn": None, "sub": None}, "self", id="no sub"),
        pytest.param({"scp": None, "upn": None, "idtyp": "user", "sub": MEGAN}, "self", id="says that it is a person's"),
        pytest.param({"scp": None, "upn": None, "idtyp": "device", "sub": MEGAN}, "self", id="a device's"),
        pytest.param({"scp": "", "upn": None, "sub": MEGAN}, "self", id="a scope, but empty"),
        pytest.param({"idtyp": "app", "sub": MEGAN}, "self", id="an application's, and a scope"),
        pytest.param({"scp": None, "upn": None, "preferred_username": "m", "sub": MEGAN}, "self", id="a name"),
        pytest.param({"scp": None, "upn": None, "unique_name": "m", "sub": MEGAN}, "self", id="a unique name"),
    ],
)  # fmt: skip
def test_with_a_rule_for_users_an_ambiguous_token_counts_as_a_users(
    functions: World, version: Version, claims: dict[str, Any], reach: str
) -> None:
    """The same application may come in by itself, with all that the way gives; to be taken for it would be everything."""
    functions.contoso.user(externalId=MEGAN)
    one = functions.person(MEGAN, version=version, **claims)
    assert one.get("/Me").status == 200
    if reach == "self":
        _forbidden(one.get("/Users"))
        _forbidden(one.post("/Users", {"userName": "eve"}))
    else:
        assert one.post("/Users", {"userName": "eve"}).status == 201


def test_a_user_token_needs_the_role_of_the_rule(functions: World) -> None:
    people = ("--people", "--audience", "api://roles", "--application", SIGN_IN, "--role", "Me.Read")
    scim("customer", "allow", "contoso", "--entra-tenant", CONTOSO, *people, *functions.at)
    functions.contoso.user(externalId=MEGAN)
    _forbidden(functions.person(MEGAN, aud="api://roles").get("/Me"))
    assert functions.person(MEGAN, aud="api://roles", roles=["Me.Read"]).get("/Me").status == 200


def test_a_user_token_without_a_user_may_read_discovery(world: World) -> None:
    is_error(world.person(MEGAN).get("/Me"), 404)
    assert world.person(MEGAN).get("/ServiceProviderConfig").status == 200


def test_a_disabled_user_is_shown_as_it_is(world: World) -> None:
    """Whether a person may sign in is for Entra ID to say."""
    world.contoso.user(externalId=MEGAN, active=False)
    assert world.person(MEGAN).get("/Me").json["active"] is False


# --- settings, budget -------------------------------------------------------------------------------------------


EMPLOYEE: Final = f"{ENTERPRISE}:employeeNumber"


@pytest.mark.parametrize(
    ("attribute", "user", "subject"),
    [
        ("externalId", {"externalId": MEGAN}, MEGAN),
        ("EXTERNALID", {"externalId": MEGAN}, MEGAN),
        ("userName", {"userName": "Megan@Contoso.example"}, "mEGAN@contoso.EXAMPLE"),
        ("urn:ietf:params:scim:schemas:core:2.0:User:nickName", {"nickName": "Me"}, "me"),
        (EMPLOYEE, {ENTERPRISE: {"employeeNumber": "E-1"}}, "e-1"),
        ("employeeNumber", {ENTERPRISE: {"employeeNumber": "E-1"}}, "e-1"),
        (EMPLOYEE.lower(), {ENTERPRISE: {"employeeNumber": "E-1"}}, "e-1"),
        (EMPLOYEE.replace("User:", "User."), {ENTERPRISE: {"employeeNumber": "E-1"}}, "e-1"),
        ("profileUrl", {"profileUrl": "https://contoso.example/Megan"}, "https://contoso.example/Megan"),
    ],
)
@pytest.mark.parametrize("store", ["sqlite", "cosmos"])
def test_the_attribute_is_a_setting(
    functions: World, monkeypatch: pytest.MonkeyPatch, attribute: str, user: dict[str, Any], subject: str, store: str,
    loop: Loop, cosmos: World,
) -> None:  # fmt: skip
    """Letter case counts where it does in a filter."""
    world = functions
    monkeypatch.setenv("SCIM_ME_ATTRIBUTE", attribute)
    if store == "cosmos":
        monkeypatch.setenv("SCIM_STORE", "cosmos")
        monkeypatch.setenv("SCIM_DEV_KEYS", cosmos.issuer.origin)
        world = World(functions.way, cosmos.issuer, cosmos.at)
    empty(world.contoso)
    made = world.contoso.user(**{"userName": "megan", **user}) if "userName" not in user else world.contoso.user(user["userName"])  # fmt: skip
    assert world.linked(subject).get("/Me").json["id"] == made["id"]
    assert world.person(subject).get("/Me").json["id"] == made["id"]
    is_error(world.linked(f"{subject}x").get("/Me"), 404)
    if "externalId" not in user:
        assert attribute.replace(".", ":").rpartition(":")[2].casefold() in world.linked("x").get("/Me").json["detail"].casefold()  # fmt: skip


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        *((name, "attribute of User") for name in ("secret", "external id", "externalId\n", 'externalId eq "x"', "$ref", "*")),
        *((name, "attribute of User") for name in (ENTERPRISE, f"{ENTERPRISE}:secret", "urn:secret:externalId", "x:externalId")),
        *((name, "single value") for name in ("emails", "emails.value", "groups", "schemas", "x509Certificates")),
        *((name, "single value") for name in ("name", "name.familyName", "meta", "meta.created", "active", "manager")),
        ("id", "can set"),
        ("password", "never returned"),
    ],
)  # fmt: skip
def test_an_unsuitable_me_attribute_stops_the_start(attribute: str, reason: str, tmp_path: Path) -> None:
    """In one line without its value, before anything is opened."""
    data = tmp_path / "scim.db"
    with pytest.raises(SettingsError) as error:
        build(from_environment({"SCIM_ME_ATTRIBUTE": attribute, "SCIM_DATA": str(data)}))
    text = str(error.value)
    assert text.startswith("SCIM_ME_ATTRIBUTE: must be ")
    assert reason in text
    assert "\n" not in text
    assert "secret" not in text
    assert not data.exists()


def test_requests_to_me_count_against_the_rate_limit(issuer: Issuer, data: Path) -> None:
    let_people_in("contoso", CONTOSO, "--data", str(data))

    async def statuses() -> list[int]:
        async with instance(data, issuer, requests_per_second=1) as service:
            token = issuer.of_person(MEGAN)
            found = [(await service.get(token, "/Me")).status for _ in range(12)]
            found.append((await service.get(issuer.token(), "/Users")).status)
            found.append((await service.get(issuer.token(FABRIKAM), "/Users")).status)
            return found

    assert asyncio.run(statuses()) == [404] * 10 + [429] * 3 + [200]


def test_the_development_token_has_no_user(client: Client) -> None:
    user = client.user(externalId="default")
    for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
        is_error(client.request(method, "/Me", {"userName": "x"}, token=TOKEN), 501)
    assert everything(client) == [user]
