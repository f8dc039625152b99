"""Two customers in one service: with the token of one, nothing of the other can be seen, found, guessed at or changed.

A comes with a token of Entra ID, B with a secret token. The walk sends every method to every route, first with ids and
values of B and then with such as nobody has: but for these, both answers are the same.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

from scim.cli import main
from scim.edge.routes import BASE_PATH, ROUTES, Route, Routes
from scim.edge.triggers import TRIGGERS
from scim.protocol.schema.registry import core
from tests.conftest import Answer, Client, CosmosServer, Loop
from tests.http.checks import ENTERPRISE, PATCH, SEARCH, UNKNOWN_ID, everything, is_error, names, resources
from tests.security.conftest import scim, secret_token, secret_token_at
from tests.security.issuer import CONTOSO, FABRIKAM, Issuer
from tests.worker.host_client import HostClient

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# What requests name, in angle brackets, when it is nobody's; each as long as B's.
NOWHERE = {
    "user": "01890000-0000-7000-8000-000000000001",
    "group": "01890000-0000-7000-8000-000000000002",
    "member": "nobody-member",
    "user_name": "znobody",
    "group_name": "Nobody group",
    "user_external": "nobody-ext",
    "group_external": "nobody-group-ext",
    "email": "nobody@b",
    "department": "Nobody dept",
    "created": "2001-01-01T00:00:00.000000Z",
    "customer": "nobodies",
    "entra": "57a4e6e4-3333-4333-8333-333333333333",
    "token": "01890000-0000-7000-8000-000000000003",
    "system": "$nobody",
}


A_SUBJECT = "0b1ec700-4444-4444-8444-444444444444"
"""What A's token calls its bearer; A's user has it as `externalId`, and so it is whom `/Me` finds."""


class Bearer(Client):
    """A client with a token of its own."""

    def __init__(self, way: Client, token: str) -> None:
        self._way = way
        self.token = token

    def request(
        self, method: str, path: str, body: Any = None, headers: Any = None, token: str | None = None
    ) -> Answer:
        return self._way.request(method, path, body, headers, token or self.token)


@dataclass
class World:
    a: Bearer
    b: Bearer
    things: dict[str, str]
    """What is B's, by the names that requests use for it."""
    records: Callable[[], str]
    """What the command line tells of customers and tokens."""
    linked: Callable[[str], str]
    """A token of A's that calls its bearer this."""
    every_row: bool
    """Whether the whole walk goes to it, or what the store and the way there may change."""
    own: dict[str, str] = field(default_factory=dict)
    """A's user and group, by the names that requests use for them."""

    @property
    def nobodys(self) -> dict[str, str]:
        """What requests name when it is nobody's; a cursor that nobody was given is one that was tampered with."""
        cursor = self.things["cursor"]
        return {**NOWHERE, "cursor": f"{cursor[:-9]}{'A' if cursor[-9] != 'A' else 'B'}{cursor[-8:]}"}

    @property
    def secrets(self) -> list[str]:
        """What A must never read."""
        return ["ecret", self.b.token, *(value for name, value in self.things.items() if name != "created")]

    def start_over(self) -> None:
        """Leave A with one user and one group, which the user is in."""
        empty(self.a)
        user = self.a.user("amiller", title="Title of A", externalId=A_SUBJECT)["id"]
        self.own = {"own_user": user, "own_group": self.a.group("Own", user)["id"]}


def empty(client: Client) -> None:
    for resource in everything(client):
        assert client.delete(f"/{resource['meta']['resourceType']}s/{resource['id']}").status == 204


# --- the worlds ---

type Made = tuple[Bearer, Bearer, Callable[[], str], Callable[[str], str]]


@pytest.fixture
def functions(authenticated: Client, issuer: Issuer, data: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The function app's triggers, and the embedded store."""
    monkeypatch.setenv("SCIM_REQUESTS_PER_SECOND", "100000")
    at = ("--data", str(data))
    a, b = Bearer(authenticated, issuer.token()), Bearer(authenticated, secret_token("fabrikam", data))
    return _world(a, b, lambda: _records(*at), _linking(issuer), every_row=True)


@pytest.fixture(scope="module")
def on_cosmos(loop: Loop) -> Iterator[Made]:
    """`scim serve` on the emulator of Cosmos DB, and the command line on the same."""
    issuer = Issuer()
    loop.run(issuer.start())
    running = CosmosServer(loop, SCIM_DEV_KEYS=issuer.origin, SCIM_REQUESTS_PER_SECOND="100000")
    at = ("--store", "cosmos")
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("COSMOS_ENDPOINT", running.endpoint)
            environment.setenv("COSMOS_KEY", running.emulator.key)
            for name, tenant in (("contoso", CONTOSO), ("fabrikam", FABRIKAM)):
                scim("customer", "create", name, *at)
                scim("customer", "allow", name, "--entra-tenant", tenant, *at)
            token = secret_token_at("fabrikam", *at)
            a, b = Bearer(running.client, issuer.token()), Bearer(running.client, token)
            yield a, b, lambda: _records(*at), _linking(issuer)
    finally:
        running.stop()
        loop.run(issuer.stop())


@pytest.fixture
def cosmos(on_cosmos: Made) -> World:
    """The same service and the same customers for every test, with nothing that the tests before have left."""
    empty(on_cosmos[1])
    return _world(*on_cosmos, every_row=False)


@pytest.fixture(scope="module")
def behind_host(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """The function app in a real worker, over HTTP through the stand-in for the Functions host."""
    issuer, data = Issuer(), tmp_path_factory.mktemp("host") / "scim.db"
    loop.run(issuer.start())
    at = ("--data", str(data))
    for name, tenant in (("contoso", CONTOSO), ("fabrikam", FABRIKAM)):
        scim("customer", "create", name, *at)
        scim("customer", "allow", name, "--entra-tenant", tenant, *at)
    settings = {"SCIM_DATA": str(data), "SCIM_DEV_KEYS": issuer.origin, "SCIM_REQUESTS_PER_SECOND": "100000"}
    client = HostClient(loop, settings)
    try:
        a, b = Bearer(client, issuer.token()), Bearer(client, secret_token("fabrikam", data))
        yield a, b, lambda: _records(*at), _linking(issuer)
    finally:
        client.close()
        loop.run(issuer.stop())


@pytest.fixture
def host(behind_host: Made) -> World:
    """The same service and the same customers for every test, with nothing that the tests before have left."""
    empty(behind_host[1])
    return _world(*behind_host, every_row=False)


@pytest.fixture(params=["functions", "cosmos", "host"])
def world(request: pytest.FixtureRequest) -> World:
    made: World = request.getfixturevalue(request.param)
    return made


def _records(*options: str) -> str:
    told = [scim("customer", "list", *options).stdout, scim("token", "list", *options).stdout]
    return "".join([*told, *(scim("customer", "show", name, *options).stdout for name in ("contoso", "fabrikam"))])


def _linking(issuer: Issuer) -> Callable[[str], str]:
    return lambda subject: issuer.token(oid=subject, sub=subject)


def _world(a: Bearer, b: Bearer, records: Callable[[], str], linked: Callable[[str], str], *, every_row: bool) -> World:
    user = b.user(
        "bjensen",
        title="Secret title",
        externalId="secret-ext",
        emails=[{"value": "secret@b"}],
        department="Secret dept",
    )
    group = b.group("Secret group", user["id"], "secret-member", externalId="secret-group-ext")
    things = {
        "user": user["id"],
        "group": group["id"],
        "member": "secret-member",
        "user_name": "bjensen",
        "group_name": "Secret group",
        "user_external": "secret-ext",
        "group_external": "secret-group-ext",
        "email": "secret@b",
        "department": "Secret dept",
        "created": user["meta"]["created"],
        "customer": "fabrikam",
        "entra": FABRIKAM,
        "token": str(UUID(b.token.split("_")[1])),
        "system": "$system",
        "cursor": b.post("/.search", {"cursor": "", "count": 1}).json["nextCursor"],
    }
    world = World(a, b, things, records, linked, every_row)
    assert {name: len(value) for name, value in things.items()} == {n: len(value) for n, value in world.nobodys.items()}
    world.start_over()
    return world


# --- the walk ---


@dataclass(frozen=True)
class Row:
    """A request of A's, and the status that it is answered with whoever's things it names."""

    route: str
    method: str
    path: str
    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    store_matters: bool = True
    """Whether it goes to every world. Where only what happens before the store differs, one is enough."""
    subject: str = ""
    """What A's token calls its bearer, where that isn't A's own user."""

    @property
    def part(self) -> str:
        """Which part of the walk it belongs to: a route with people behind it is one by itself."""
        return self.route if self.route.startswith(("/Users", "/Groups", "/.search")) else "elsewhere"


# Whatever somebody might think chooses the tenant.
NAMING: Sequence[tuple[str, Mapping[str, str]]] = [
    *(
        ("", {header: value})
        for header in ("X-Tenant", "X-Tenant-Id", "Tenant", "X-Customer", "X-MS-CLIENT-PRINCIPAL-ID", "X-MS-CLIENT-PRINCIPAL-NAME", "From")
        for value in ("<customer>", "<system>", "<entra>")
    ),
    *(("", {header: "<customer>.example.com"}) for header in ("Host", "X-Forwarded-Host", "X-Original-Host", "Origin")),
    ("", {"Forwarded": "host=<customer>.example.com", "X-Original-URL": "/scim/v2/<system>/Users"}),
    ("", {"Cookie": "tenant=<customer>; token=<token>", "X-Forwarded-For": "<customer>"}),
    *((f"?{name}={value}", {}) for name in ("tenant", "customer", "tid") for value in ("<customer>", "<system>", "<entra>")),
]  # fmt: skip

FILTERS: Mapping[str, Sequence[str]] = {
    "/Users": [
        'userName eq "<user_name>"', 'userName sw "<user_name>"', 'id eq "<user>"', 'externalId eq "<user_external>"', 'emails.value eq "<email>"',
        'emails[value eq "<email>"]', 'emails eq "<email>" or userName eq "<user_name>"', f'{ENTERPRISE}:department eq "<department>"',
        'groups eq "<group>"', 'id eq "<user>" and groups eq "<group>"', 'title co "ecret"', 'meta.created eq "<created>"',
    ],
    "/Groups": [
        'displayName eq "<group_name>"', 'id eq "<group>"', 'members eq "<user>"', 'members eq "<member>"',
        'id eq "<group>" and members eq "<member>"', 'members[value eq "<user>"]', 'externalId eq "<group_external>"',
    ],
}  # fmt: skip
"""Each finds one of B's things when it is B that asks."""

_CONDITIONS: Sequence[Mapping[str, str]] = [{}, {"If-Match": "*"}, {"If-None-Match": "*"}, {"If-Match": 'W/"1"'}]
_QUERIES = ("", "?attributes=id", "?excludedAttributes=members,groups")


def _operations(*operations: Mapping[str, Any]) -> Any:
    return {"schemas": [PATCH], "Operations": list(operations)}


BULK_OPERATIONS: Sequence[tuple[str, str, Any]] = [
    ("PUT", "/Users/<user>", {"userName": "<user_name>"}),
    ("PUT", "/Groups/<group>", {"displayName": "<group_name>"}),
    ("PATCH", "/Users/<user>", _operations({"op": "replace", "path": "title", "value": "changed"})),
    ("PATCH", "/Groups/<group>", _operations({"op": "remove", "path": "members"})),
    ("PATCH", "/Groups/<group>", _operations({"op": "add", "path": "members", "value": [{"value": "changed"}]})),
    ("DELETE", "/Groups/<group>", None),
    ("DELETE", "/Users/<user>", None),
]
"""Operations on what is B's; B could do each of them."""


def _by_id() -> Iterator[Row]:
    """B's user and B's group at both endpoints."""
    puts: list[dict[str, Any]] = [
        {"userName": "changed", "displayName": "changed", "members": [{"value": "changed"}]},
        {"userName": "<user_name>", "displayName": "<group_name>", "id": "<user>", "externalId": "<user_external>"},
    ]
    patches: list[dict[str, Any]] = [
        {"op": "replace", "path": "externalId", "value": "changed"},
        {"op": "replace", "path": "externalId", "value": "<user_external>"},
        {"op": "remove", "path": "externalId"},
    ]
    on_members: list[dict[str, Any]] = [
        {"op": "add", "path": "members", "value": [{"value": "changed"}]},
        {"op": "remove", "path": "members"},
        {"op": "remove", "path": 'members[value eq "<user>"]'},
        {"op": "remove", "path": 'members[value sw "s"]'},
        {"op": "replace", "path": "members", "value": [{"value": "<member>"}]},
        {"op": "remove", "path": "members", "value": []},
    ]
    for endpoint, id, query, headers in product(("/Users", "/Groups"), ("<user>", "<group>"), _QUERIES, _CONDITIONS):
        route, path, plain = f"{endpoint}/{{id}}", f"{endpoint}/{id}{query}", not query
        yield Row(route, "GET", path, 404, None, headers, plain)
        yield Row(route, "DELETE", path, 404, None, headers, plain)
        yield from (Row(route, "PUT", path, 404, body, headers, plain) for body in puts)
        for operation in (*patches, *(on_members if endpoint == "/Groups" else ())):
            yield Row(route, "PATCH", path, 404, _operations(operation), headers, plain)


def _own() -> Iterator[Row]:
    """A's own resources, given names and values of B's."""
    user: dict[str, Any] = {
        "userName": "<user_name>",
        "externalId": "<user_external>",
        "emails": [{"value": "<email>"}],
    }
    manager = {**user, "id": "<user>", "manager": "<user>", "groups": [{"value": "<group>"}], "tenant": "<customer>"}
    named = {"displayName": "<group_name>", "externalId": "<group_external>", "id": "<group>", "tenant": "<system>"}
    member_lists = [[{"value": f"<{thing}>"}] for thing in ("user", "group", "member", "token", "customer", "system")]
    typed = [{"value": "<user>", "type": "User", "display": "x", "$ref": "../Users/<user>"}]
    for body in (user, manager):
        yield Row("/Users", "POST", "/Users", 201, body)
        yield Row("/Users/{id}", "PUT", "/Users/<own_user>?attributes=userName,groups,manager,emails", 200, body)
    for members in (*member_lists, typed, [{"value": "<user>"}, {"value": "<group>"}, {"value": "<member>"}]):
        many = len(members) > 1
        yield Row("/Groups", "POST", "/Groups", 201, {**named, "members": members}, store_matters=many)
        yield Row("/Groups/{id}", "PUT", "/Groups/<own_group>", 200, {**named, "members": members}, store_matters=many)
        for op in ("add", "replace"):
            change = _operations({"op": op, "path": "members", "value": members})
            path = "/Groups/<own_group>?attributes=members"
            yield Row("/Groups/{id}", "PATCH", path, 200, change, store_matters=many)
    for path in ('members[value eq "<user>"]', 'members[type eq "Group" or value eq "<group>"]'):
        yield Row("/Groups/{id}", "PATCH", "/Groups/<own_group>", 204, _operations({"op": "remove", "path": path}))
    for path, value in (
        ("userName", "<user_name>"),
        (f"{ENTERPRISE}:manager", "<user>"),
        ('emails[value eq "<email>"].type', "work"),
    ):
        operation = {"op": "add", "path": path, "value": value}
        yield Row(
            "/Users/{id}", "PATCH", "/Users/<own_user>?attributes=userName,manager,emails", 200, _operations(operation)
        )
    yield Row("/Users/{id}", "GET", "/Users/<own_user>?excludedAttributes=groups", 304, headers={"If-None-Match": "*"})


def _searches() -> Iterator[Row]:
    """Every filter, by every way in which one can be sent; and pages, sorted by whatever there is."""
    by_records = [
        'id eq "<token>"', 'id eq "<customer>"', 'id eq "<entra>"', 'meta.resourceType eq "SecretToken"',
        'meta.resourceType eq "Customer" and externalId eq "<customer>"',
    ]  # fmt: skip
    orders = [
        "sortBy=meta.lastModified&sortOrder=descending",
        "sortBy=externalId",
        "count=0",
        "count=1000",
        "startIndex=2",
    ]
    for endpoint, filters in FILTERS.items():
        search = f"{endpoint}/.search"
        for text in (*filters, *by_records):
            yield Row(endpoint, "GET", f"{endpoint}?filter={text}", 200)
            yield Row("/", "GET", f"/?filter={text}", 200)
            body = {"schemas": [SEARCH], "filter": text, "tenant": "<customer>", "kind": "SecretToken"}
            yield Row(search, "POST", search, 200, body)
        for text in ('customer eq "<customer>"', 'tenant eq "<system>"', 'digest sw "<token>"', "last_used pr"):
            yield Row(endpoint, "GET", f"{endpoint}?filter={text}", 400)
            yield Row("/.search", "POST", "/.search", 400, {"filter": text})
            yield Row("/", "GET", f"?filter={text}", 400, store_matters=False)
        for order in orders:
            yield Row(endpoint, "GET", f"{endpoint}?{order}", 200)
    for text in (
        *by_records,
        'userName eq "<user_name>" or displayName eq "<group_name>"',
        'externalId sw "<user_external>"',
    ):
        yield Row("/.search", "POST", "/.search", 200, {"filter": text, "sortBy": "meta.created"})
    yield Row("/.search", "POST", "/.search", 200, {"startIndex": 1, "count": 1000})


def _naming() -> Iterator[Row]:
    """Headers and parameters that name another tenant, beside ids of that tenant."""
    member = _operations({"op": "add", "path": "members", "value": [{"value": "changed"}]})
    for query, headers in NAMING:
        both = "<customer>" in f"{query} {headers}"
        yield Row("/Users", "GET", f"/Users{query}", 200, None, headers, both)
        yield Row("/Users", "POST", f"/Users{query}", 201, {"userName": "<user_name>"}, headers, store_matters=False)
        yield Row("/.search", "POST", f"/.search{query}", 200, {"filter": "id pr"}, headers, store_matters=False)
        yield Row("/Users/{id}", "GET", f"/Users/<user>{query}", 404, None, headers, both)
        yield Row("/Users/{id}", "DELETE", f"/Users/<user>{query}", 404, None, headers, store_matters=False)
        yield Row("/Groups/{id}", "PATCH", f"/Groups/<group>{query}", 404, member, headers, store_matters=False)


def _records_by_path() -> Iterator[Row]:
    """Customers and tokens, looked for at every address that might lead to them."""
    ids = ["<token>", "<customer>", "<entra>", "<system>", "SecretToken:<token>", "Customer:<customer>", "EntraTenant:<entra>",
           "..%2F..%2F<system>%2FCustomer%2F<customer>", "%2E%2E%2F<system>", "<system>%2F<token>", "<system>|<token>"]  # fmt: skip
    for endpoint, id, method in product(("/Users", "/Groups"), ids, ("GET", "PUT", "PATCH", "DELETE")):
        body = {
            "PUT": {"userName": "x", "displayName": "x"},
            "PATCH": _operations({"op": "replace", "path": "externalId", "value": "x"}),
        }
        both = method == "DELETE"
        yield Row(f"{endpoint}/{{id}}", method, f"{endpoint}/{id}", 404, body.get(method), store_matters=both)
    for path, method in product(
        ("/Customer/<customer>", "/Customers", "/SecretToken/<token>", "/EntraTenant/<entra>", "/<system>", "/<system>/Users", "/<customer>/Users",
         "~/scim/<system>/Users", "~/<customer>/scim/v2/Users", "~/scim/v2/<system>/SecretToken/<token>", "/Users/<user>/groups"),
        METHODS,
    ):  # fmt: skip
        yield Row("", method, path, 404, store_matters=method == "GET")


def _elsewhere() -> Iterator[Row]:
    """Routes that have nothing of anybody."""
    yield Row("/healthz", "GET", "~/healthz?tenant=<customer>", 200)
    yield Row("/ServiceProviderConfig", "GET", "/ServiceProviderConfig?tenant=<customer>", 200)
    for name, id in product(
        ("ResourceTypes", "Schemas"), ("<user>", "<token>", "<customer>", "<system>", "SecretToken")
    ):
        yield Row(f"/{name}/{{id}}", "GET", f"/{name}/{id}", 404)
    for name in ("ResourceTypes", "Schemas"):
        yield Row(f"/{name}", "GET", f"/{name}?tenant=<customer>", 200)
        yield Row(f"/{name}", "GET", f'/{name}?filter=id eq "<customer>"', 403)


def _bulk() -> Iterator[Row]:
    """B's things in the operations of a bulk: each by itself, and all in one."""
    alone: list[dict[str, Any]] = [
        *({"method": method, "path": path, "data": body} for method, path, body in BULK_OPERATIONS),
        {"method": "POST", "path": "/Users", "bulkId": "<token>", "data": {"userName": "<user_name>", "id": "<user>"}},
        {"method": "POST", "path": "/Groups", "bulkId": "<user>", "data": {"displayName": "x", "members": [{"value": "bulkId:<user>"}]}},
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "x", "members": [{"value": "<user>"}]}},
        {"method": "PUT", "path": "/Groups/<own_group>", "data": {"displayName": "x", "members": [{"value": "<member>"}]}},
        {"method": "PATCH", "path": "/Users/<own_user>", "data": _operations({"op": "add", "path": "manager", "value": "bulkId:<user>"})},
        {"method": "DELETE", "path": "/SecretToken/<token>"},
        {"method": "DELETE", "path": "/<system>/<customer>"},
    ]  # fmt: skip
    for operations in ([[operation] for operation in alone], [alone]):
        for some in operations:
            yield Row("/Bulk", "POST", "/Bulk?tenant=<customer>", 200, {"Operations": some, "tenant": "<customer>"})


def _cursors() -> Iterator[Row]:
    """A cursor that B was given, in the query that it was given for and in others."""
    for text in ("", "id pr"):
        filter = {"filter": text} if text else {}
        yield Row("/.search", "POST", "/.search", 400, {"cursor": "<cursor>", "count": 1, **filter})
        yield Row("/", "GET", f"/?cursor=<cursor>&count=1&filter={text}", 400)
        for endpoint in ("/Users", "/Groups"):
            yield Row(
                f"{endpoint}/.search", "POST", f"{endpoint}/.search", 400, {"cursor": "<cursor>", "count": 1, **filter}
            )
            yield Row(endpoint, "GET", f"{endpoint}?cursor=<cursor>&count=1&filter={text}", 400)


def _me() -> Iterator[Row]:
    """A's own user, whatever else is named; and tokens that call their bearer by what is B's."""
    body = {"userName": "<user_name>", "externalId": "<user_external>", "id": "<user>"}
    change = _operations({"op": "replace", "value": {"externalId": "<user_external>"}})
    bodies = {"POST": body, "PUT": body, "PATCH": change}
    for method, status in (("GET", 200), ("POST", 501), ("PUT", 200), ("PATCH", 204), ("DELETE", 204)):
        for query, headers in (
            ("", {}),
            ("?id=<user>", {}),
            ("?externalId=<user_external>", {"X-Customer": "<customer>"}),
        ):
            yield Row("/Me", method, f"/Me{query}", status, bodies.get(method), headers, store_matters=not query)
        for subject in ("<user_external>", "<user>", "<user_name>", "<member>", "<customer>", "<token>", "<system>"):
            nobody = status if method == "POST" else 404
            external = subject == "<user_external>"
            yield Row("/Me", method, "/Me", nobody, bodies.get(method), {}, external, subject)


def routes() -> dict[str, Mapping[str, Route]]:
    """The routes of each path by method, as the log names the path. Each trigger leads to one of them."""
    table = Routes(core())
    for trigger, route in TRIGGERS.items():
        head = route.partition("/{")[0]
        assert trigger == "zz_other" or table.find(f"/{head}") or table.find(f"/{head}/{UNKNOWN_ID}"), trigger
    return {target.template: target.routes for target in table.targets()}


PARTS = (_by_id, _own, _searches, _naming, _records_by_path, _elsewhere, _bulk, _cursors, _me)


def rows() -> list[Row]:
    """Those above; a `HEAD` for every `GET`; and the methods that a route doesn't have."""
    written = [row for rows in PARTS for row in rows()]
    heads = [replace(row, method="HEAD", store_matters=False) for row in written if row.method == "GET" and row.route]
    wrong = [
        Row(
            route,
            method,
            f"{'~' if route == '/healthz' else ''}{route.replace('{id}', f'<{thing}>')}",
            405,
            store_matters=False,
        )
        for route, actions in routes().items()
        for method in METHODS
        if ("GET" if method == "HEAD" else method) not in actions
        for thing in ("user", "group")
    ]
    return [*written, *heads, *wrong]


ROWS = rows()


def test_the_walk_leaves_out_no_route_and_no_method() -> None:
    assert {route for actions in routes().values() for route in actions.values()} == set(ROUTES)
    walked = {(row.route, row.method) for row in ROWS if row.route and row.status != 405}
    assert {method for _, method in walked} <= set(METHODS)
    assert {(route, method) for route, method in walked if method != "HEAD"} == {
        (route, method) for route, actions in routes().items() for method in actions
    }


@pytest.mark.parametrize("part", sorted({row.part for row in ROWS}))
def test_resources_of_another_customer_look_like_missing_ones(world: World, part: str) -> None:
    """Same status, same headers, same words: A can't even tell that something is there. And what is B's stays as it is."""
    before = everything(world.b)
    for row in ROWS:
        if row.part == part and (row.store_matters or world.every_row):
            assert sent(world, row, world.things) == sent(world, row, world.nobodys), row
    assert everything(world.b) == before


def sent(world: World, row: Row, things: Mapping[str, str]) -> tuple[int, Any, str]:
    """What comes of a request: status, headers and body, with names in place of the things that the request named."""
    known = {**things, **world.own}
    path, headers = filled(row.path, known), {name: filled(value, known) for name, value in row.headers.items()}
    body = json.loads(filled(json.dumps(row.body), known))
    token = world.linked(filled(row.subject, known)) if row.subject else None
    answer = world.a.request(row.method, path, body, headers, token)
    assert answer.status == row.status, (row, answer.body)
    if row.status >= 400 and row.method != "HEAD":
        is_error(answer, row.status, answer.json.get("scimType"))
    quiet(world, answer, but=f"{path} {headers} {json.dumps(body)}")
    if "location" in answer.headers and answer.status == 201:
        assert world.a.delete(answer.headers["location"].partition(BASE_PATH)[2]).status == 204
    elif row.method not in {"GET", "HEAD"} and answer.status < 300 and "search" not in row.route:
        world.start_over()

    def told(text: str) -> str:
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "(date)", text)
        text = re.sub(r'W/\\?"[^"\\]*\\?"', "(version)", text)
        for name, value in known.items():
            text = text.replace(value, f"<{name}>")
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "(new id)", text)

    shown = {name: told(value) for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
    return answer.status, shown, told(answer.body.decode())


def filled(text: str, things: Mapping[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda name: things[name[1]], text)


def quiet(world: World, answer: Answer, *, but: str = "") -> None:
    """The answer tells A nothing of B (`but` is what A said itself)."""
    text = f"{answer.body.decode()} {dict(answer.headers)}"
    for secret in world.secrets:
        if secret not in but:
            assert secret not in text, secret


# --- what A sees instead ---


def test_a_list_has_only_resources_of_the_customer(world: World) -> None:
    for path in ("/Users", "/Groups", "/Users?count=1000&sortBy=userName", "/Users?filter=id pr", "/Groups?filter=id pr",
                 "/Users?filter=userName ne \"x\"", "/Users?sortBy=meta.lastModified&sortOrder=descending", "/Users?count=0"):  # fmt: skip
        answer = world.a.get(path)
        quiet(world, answer)
        assert answer.json["totalResults"] == 1
    for path, total in (("/.search", 2), ("/Users/.search", 1), ("/Groups/.search", 1)):
        answer = world.a.post(path, {"sortBy": "meta.created"})
        quiet(world, answer)
        assert answer.json["totalResults"] == total


def test_filters_find_no_resources_of_another_customer(world: World) -> None:
    """Each of them does find something for whom it belongs to."""
    for endpoint, filters in FILTERS.items():
        for text in filters:
            filter = filled(text, world.things)
            assert names(world.a.post(f"{endpoint}/.search", {"filter": filter})) == [], filter
            assert len(resources(world.b.post(f"{endpoint}/.search", {"filter": filter}))) == 1, filter
    for filter in ('userName eq "bjensen" or displayName eq "Secret group"', 'externalId sw "secret"'):
        assert names(world.a.post("/.search", {"filter": filter})) == []
        assert names(world.b.post("/.search", {"filter": filter})) != []


def test_a_bulk_does_not_find_resources_of_another_customer(world: World) -> None:
    before = everything(world.b)
    operations = [
        {"method": method, "path": filled(path, world.things), "data": body, **version}
        for method, path, body in BULK_OPERATIONS
        for version in ({}, {"version": "*"}, {"version": 'W/"1"'})
    ]
    answers = world.a.post("/Bulk", {"Operations": operations}).json["Operations"]
    assert [one["status"] for one in answers] == ["404"] * len(operations)
    assert everything(world.b) == before


def test_only_the_token_decides_the_customer(world: World) -> None:
    """Not even the address in an answer comes from a header other than `Host`."""
    plain = world.a.get("/Users")
    for query, headers in NAMING:
        sent = {header: filled(text, world.things) for header, text in headers.items()}
        named = world.a.get(f"/Users{filled(query, world.things)}", headers=sent)
        if "Host" in headers:
            assert names(named) == ["amiller"]
        else:
            assert named.body == plain.body, (query, headers)


def test_both_customers_may_have_the_same_names(world: World) -> None:
    before = everything(world.b)
    user = world.a.user("BJENSEN", externalId="secret-ext", id=world.things["user"])
    group = world.a.group("secret GROUP", user["id"], id=world.things["group"])
    assert {user["id"], group["id"]}.isdisjoint(world.things.values())
    assert everything(world.b) == before
    assert names(world.a.get('/Users?filter=userName eq "bjensen"')) == ["BJENSEN"]
    assert names(world.b.get('/Users?filter=userName eq "bjensen"')) == ["bjensen"]
    is_error(world.a.post("/Users", {"userName": "bjensen"}), 409, "uniqueness")
    assert world.a.delete(f"/Groups/{group['id']}").status == 204
    assert world.a.delete(f"/Users/{user['id']}").status == 204
    assert everything(world.b) == before


def test_me_is_a_user_of_the_same_customer(world: World) -> None:
    """B has one of the same `externalId`: it is neither found nor in the way, as long as A's is there and after that."""
    theirs = world.b.user("theirs", externalId=A_SUBJECT)
    before = everything(world.b)
    me = world.a.get("/Me")
    assert (me.status, me.json["id"], me.json["userName"]) == (200, world.own["own_user"], "amiller")
    quiet(world, me)
    assert world.a.patch("/Me", {"op": "replace", "path": "title", "value": "Changed"}).status == 204
    assert world.a.put("/Me", {"userName": "changed", "externalId": A_SUBJECT}).status == 200
    assert world.a.delete("/Me").status == 204
    for method, body in (("GET", None), ("PUT", {"userName": "x"}), ("PATCH", _operations()), ("DELETE", None)):
        gone = world.a.request(method, "/Me", body)
        is_error(gone, 404)
        quiet(world, gone)
    assert everything(world.b) == before
    assert world.b.delete(f"/Users/{theirs['id']}").status == 204


def test_a_member_with_an_id_of_another_customer_is_not_resolved(world: World) -> None:
    """It is kept as given, like any other id, and its type stays unknown."""
    before = everything(world.b)
    user, group = world.things["user"], world.things["group"]
    own = world.a.group("Mine", user, group)["id"]
    shown = world.a.get(f"/Groups/{own}")
    assert sorted(shown.json["members"], key=lambda member: str(member["value"])) == sorted(
        [{"value": user}, {"value": group}], key=lambda member: member["value"]
    )
    quiet(world, shown, but=user + group)
    assert everything(world.b) == before
    assert names(world.b.get(f'/Groups?filter=members eq "{user}"')) == ["Secret group"]
    assert names(world.a.get(f'/Groups?filter=members eq "{user}"')) == ["Mine"]
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


def test_deleting_for_one_customer_keeps_memberships_of_another(world: World) -> None:
    """The same member value stands in groups of both."""
    shared = world.a.user("shared")["id"]
    world.b.group("B's", shared)
    before = everything(world.b)
    own = world.a.group("Mine", shared)["id"]
    assert world.a.delete(f"/Users/{shared}").status == 204
    assert "members" not in world.a.get(f"/Groups/{own}").json
    assert everything(world.b) == before
    assert names(world.b.get(f'/Groups?filter=members eq "{shared}"')) == ["B's"]


def test_a_manager_with_an_id_of_another_customer_gets_no_ref(world: World) -> None:
    before = everything(world.b)
    user = world.a.user("u", manager=world.things["user"])
    shown = world.a.get(f"/Users/{user['id']}")
    assert shown.json[ENTERPRISE]["manager"]["value"] == world.things["user"]
    quiet(world, shown, but=world.things["user"])
    assert everything(world.b) == before


def test_errors_contain_nothing_of_another_customer(world: World) -> None:
    for answer in (
        world.a.post("/Users", {"userName": "amiller"}),
        world.a.get(f"/Users/{world.things['user']}"),
        world.a.get("/Users?filter=foo eq 1"),
        world.a.get("/nowhere"),
    ):
        assert answer.status >= 400
        quiet(world, answer)


def test_pages_and_totals_count_the_customers_own(world: World) -> None:
    for number in range(15):
        world.b.user(f"b{number}", title="same")
        world.a.user(f"a{number}", title="same")
    for query in ("", "sortBy=title", 'filter=title eq "same"', 'filter=title eq "same"&sortBy=userName'):
        found: list[str] = []
        while len(found) < 15:
            answer = world.a.get(f"/Users?{query}&count=4&startIndex={len(found) + 1}")
            assert answer.json["totalResults"] == (15 if "filter" in query else 16)
            found += names(answer)
        assert all(name.startswith("a") for name in found)


def test_a_token_authenticates_its_own_customer_only(world: World) -> None:
    a, b = world.a.token, world.b.token
    assert names(world.a.get("/Users", token=b)) == ["bjensen"]
    assert names(world.b.get("/Users", token=a)) == ["amiller"]
    for token in (
        "contoso",
        "fabrikam",
        "$system",
        world.things["token"],
        b.upper(),
        f"{a}, {b}",
        f"{a}{b}",
        b[:-1],
        a[:-1],
    ):
        refused = world.a.get("/Users", token=token)
        is_error(refused, 401)
        quiet(world, refused, but="ecret")  # "secret token" is what B's is called


def test_records_of_customers_and_tokens_are_not_accessible(world: World) -> None:
    """No request reads or changes it, and no customer can be named as the partition that it lies in."""
    world.b.get("/Users")
    before = world.records()
    assert world.things["token"] in before
    record, user = world.things["token"], world.things["user"]
    for client in (world.a, world.b):
        for path in (f"/Users/{record}", "/Users/fabrikam", f"/SecretToken/{record}", "/$system/Users"):
            for method in ("GET", "PUT", "PATCH", "DELETE"):
                is_error(client.request(method, path, {"userName": "x"} if method == "PUT" else _operations({"op": "remove", "path": "title"})), 404)  # fmt: skip
        group = client.group("Records", record, "fabrikam", FABRIKAM)
        assert all(member.keys() == {"value"} for member in client.get(f"/Groups/{group['id']}").json["members"])
        assert client.patch(f"/Groups/{group['id']}", {"op": "remove", "path": "members"}).status == 204
        assert client.delete(f"/Groups/{group['id']}").status == 204
        for text in (f'id eq "{record}"', 'meta.resourceType eq "SecretToken"', 'meta.resourceType eq "Customer"'):
            assert resources(client.post("/.search", {"filter": text})) == []
    assert names(world.b.get(f'/Users?filter=id eq "{user}"')) == ["bjensen"]
    assert world.records() == before
    refused = CliRunner().invoke(main, ["customer", "create", "$system"])
    assert refused.exit_code == 2
    assert "a name must have 1 to 64 characters from a-z, 0-9 and -" in refused.output
