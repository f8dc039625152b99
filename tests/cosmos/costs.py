"""The maximum database calls of each SCIM request on Cosmos DB, and a service on the emulator to measure them.

Each row of the table is one request for a customer whose data is stored directly. Knows no SDK: the emulator counts
calls.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from benchmarks import people
from scim.app import App, Collaborators, build, utc_now
from scim.edge.http import Request, Response
from scim.security.customers.records import AccessRule, EntraTenant
from scim.security.customers.repository import Customers
from scim.settings import Settings
from scim.storage.cosmos.container import CONTAINER
from scim.storage.cosmos.items import member_item, resource_item
from scim.storage.interface import Member
from tests.contract.write_models import write_model
from tests.cosmos_emulator import Emulator
from tests.security.issuer import CONTOSO, Issuer

_ORIGIN: Final = "https://scim.example.com"
BATCH: Final = 98
PAGE: Final = 1_000


def user_id(number: int) -> str:
    """Return the id of a user."""
    return f"01900000-0000-7000-8000-{number:012x}"


def group_id(number: int) -> str:
    """Return the id of a group."""
    return f"01900000-0000-7000-9000-{number:012x}"


USER: Final = user_id(0)
GROUP: Final = group_id(0)


@dataclass(frozen=True, slots=True)
class Calls:
    """The number of database calls by operation. Each page of a query, of at most 1,000 rows, is one call."""

    reads: int = 0
    queries: int = 0
    batches: int = 0

    def by_operation(self) -> Counter[str]:
        """Return the calls with the emulator's names of operations."""
        return Counter({"item.read": self.reads, "query": self.queries, "batch": self.batches})


def batches(changes: int) -> int:
    """Return the number of batches for this number of member changes, at least one."""
    return max(1, -(-changes // BATCH))


def pages(rows: int) -> int:
    """Return the number of query pages for this number of rows. After a full page, one more page is read."""
    return rows // PAGE + 1


@dataclass(frozen=True, slots=True)
class Given:
    """The data of the customer: users, groups, the number of members of group 0, and of groups of user 0."""

    users: int = 1
    groups: int = 1
    members: int = 0
    memberships: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A request, the maximum of its calls, and the formula for this maximum."""

    id: str
    operation: str
    formula: str
    ceiling: Calls
    method: str
    path: str
    body: Any = None
    status: int = 200
    given: Given = field(default_factory=Given)
    query: Mapping[str, str] = field(default_factory=dict)
    authorized: bool = True
    pages_before: int = 0
    """How often `nextCursor` is followed before the measured request."""
    linked: bool = False
    """Whether the request has a token of Entra ID with a Me mapping to user 0. It was authenticated before."""


def _group_patch(id: str, operation: str, formula: str, ceiling: Calls, given: Given, *operations: Any) -> Row:
    return Row(id, operation, formula, ceiling, "PATCH", f"/Groups/{GROUP}", people.patch(*operations), 204, given)


def _add(start: int, count: int) -> dict[str, Any]:
    return {"op": "add", "path": "members", "value": [{"value": user_id(n)} for n in range(start, start + count)]}


def _remove(start: int, count: int) -> dict[str, Any]:
    return {**_add(start, count), "op": "remove"}


_END: Final = ", and 1 more behind a last page that is full"


def _remove_one_by(filter: str) -> dict[str, Any]:
    return {"op": "remove", "path": f'members[{filter} "{user_id(7)}"]'}


def _get_user(links: int) -> Row:
    ceiling = Calls(reads=1, queries=pages(links) + -(-links // PAGE))
    given = Given(groups=links, memberships=links)
    operation, formula = f"GET user with {links:,} `groups`", f"1 read + 2 queries per 1,000 groups{_END}"
    return Row(f"get-user-{links}-groups", operation, formula, ceiling, "GET", f"/Users/{USER}", given=given)


def _get_group(links: int) -> Row:
    ceiling = Calls(reads=1, queries=pages(links) + -(-links // PAGE))
    given = Given(users=links, members=links)
    operation, formula = f"GET group with {links:,} `members`", f"1 read + 2 queries per 1,000 members{_END}"
    return Row(f"get-group-{links}-members", operation, formula, ceiling, "GET", f"/Groups/{GROUP}", given=given)


def _filtered(id: str, endpoint: str, derived: str, text: str, ceiling: Calls, **query: str) -> Row:
    formula = "1 query; + 1 COUNT when the page is full" if ceiling.queries > 1 else "1 query, no COUNT"
    if ceiling.reads:
        formula = "1 query, or 1 read"
    given = Given(users=20, groups=20, members=20)
    asked = {"filter": text, "excludedAttributes": derived, **query}
    operation = f"filter without `{derived}`"
    return Row(f"filter-{id}", operation, formula, ceiling, "GET", endpoint, given=given, query=asked)


def _members_only(id: str, n: int, operation: dict[str, Any], *, members: int = 0) -> Row:
    given = Given(users=members, members=members)
    formula = "⌈n/98⌉ batches"
    name = f"PATCH group, members only, n = {n}"
    return _group_patch(f"patch-group-{id}", name, formula, Calls(batches=batches(n)), given, operation)


def _done_already(id: str, n: int, touched: int, *operations: dict[str, Any], members: int) -> Row:
    """`touched` is the number of batches with changes that are done already."""
    ceiling = Calls(queries=touched, batches=batches(n) + touched)
    formula = "⌈n/98⌉ batches, + 1 query and 1 batch for each batch in which something was so already"
    name = f"PATCH group, members only, n = {n}, some already so"
    return _group_patch(f"patch-group-{id}", name, formula, ceiling, Given(users=members, members=members), *operations)


def _through_current(id: str, name: str, members: int, n: int, *operations: dict[str, Any]) -> Row:
    ceiling = Calls(reads=1, queries=pages(members), batches=batches(n))
    formula = "1 read + ⌈n/98⌉ batches + 1 query per 1,000 members"
    given = Given(users=members, members=members)
    return _group_patch(f"patch-group-{id}", f"{name}, {members:,} members", formula, ceiling, given, *operations)


def _put_group(id: str, members: int, n: int, body: dict[str, Any]) -> Row:
    ceiling = Calls(reads=1, queries=pages(members), batches=batches(n))
    formula = "1 read + ⌈n/98⌉ batches + 1 query per 1,000 members"
    given = Given(users=members, members=members)
    return Row(f"put-group-{id}", "PUT group", formula, ceiling, "PUT", f"/Groups/{GROUP}", body, given=given)


def _delete_user(memberships: int) -> Row:
    ceiling = Calls(queries=pages(memberships), batches=batches(memberships + 2))
    name = f"DELETE user in {memberships:,} groups"
    formula = "1 query per 1,000 groups + ⌈(memberships + 2)/98⌉ batches"
    given = Given(groups=memberships, memberships=memberships)
    return Row(
        f"delete-user-{memberships}", name, formula, ceiling, "DELETE", f"/Users/{USER}", status=204, given=given
    )


def _delete_group(members: int) -> Row:
    ceiling = Calls(queries=2, batches=batches(members + 2))
    name, formula = (
        f"DELETE group of {members}",
        "2 queries + ⌈(members + 2)/98⌉ batches: members may come in meanwhile",
    )
    given = Given(users=members, members=members)
    return Row(f"delete-group-{members}", name, formula, ceiling, "DELETE", f"/Groups/{GROUP}", status=204, given=given)


def _listed(id: str, memberships: int, ceiling: Calls, formula: str, **query: str) -> Row:
    given = Given(users=150, groups=max(1, memberships), memberships=memberships)
    return Row(f"list-{id}", "list page of 100", formula, ceiling, "GET", "/Users", given=given, query=query)


def _by_cursor(
    id: str, what: str, users: int, ceiling: Calls, formula: str, pages_before: int = 0, **query: str
) -> Row:
    asked = {"excludedAttributes": "groups", **query, "cursor": ""}
    given = Given(users=users, groups=1, memberships=1)
    return Row(f"cursor-{id}", f"by cursor, {what}", formula, ceiling, "GET", "/Users", given=given, query=asked, pages_before=pages_before)  # fmt: skip


def _patch_user(id: str, ceiling: Calls, formula: str, *operations: dict[str, Any]) -> Row:
    body = people.patch(*operations)
    return Row(f"patch-user-{id}", "PATCH user", formula, ceiling, "PATCH", f"/Users/{USER}", body, 204)


def _bulk(id: str, operation: str, formula: str, ceiling: Calls, *operations: dict[str, Any]) -> Row:
    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}
    return Row(f"bulk-{id}", operation, formula, ceiling, "POST", "/Bulk", body, given=Given(users=2))


def _me() -> Iterator[Row]:
    """Each needs one query more than the same request on `/Users/{id}`."""
    without = {"excludedAttributes": "groups"}
    change = people.patch({"op": "replace", "path": "title", "value": "Guide"})
    changed = {**people.user(0), "title": "Guide"}
    read, write = Calls(reads=1, queries=1), Calls(reads=1, queries=1, batches=1)
    more = "1 query more than by id:"
    for id, operation, formula, ceiling, method, body, status, query, given in (
        ("get", "GET /Me without `groups`", f"{more} + 1 read", read, "GET", None, 200, without, Given(users=20)),
        ("get-groups", "GET /Me", f"{more} + 1 read + 1 query", Calls(reads=1, queries=2), "GET", None, 200, {}, Given()),
        ("put", "PUT /Me", f"{more} + 1 read + 1 batch", write, "PUT", changed, 200, {}, Given()),
        ("patch", "PATCH /Me", f"{more} + 1 read + 1 batch", write, "PATCH", change, 204, {}, Given()),
        ("delete", "DELETE /Me", f"{more} + 1 query + 1 batch", Calls(queries=2, batches=1), "DELETE", None, 204, {}, Given()),
        ("post", "POST /Me", "0", Calls(), "POST", people.user(1), 501, {}, Given()),
        ("nobody", "GET /Me of nobody", "1 query", Calls(queries=1), "GET", None, 404, {}, Given(users=0)),
    ):  # fmt: skip
        yield Row(f"me-{id}", operation, formula, ceiling, method, "/Me", body, status, given, query, linked=True)


def _discovery() -> Iterator[Row]:
    user = f"/Schemas/{people.USER}"
    for path in ("/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", user):
        id = path.removeprefix("/").partition(":")[0].replace("/", "-").lower()
        yield Row(f"discovery-{id}", "discovery", "0", Calls(), "GET", path)


_ONE_READ: Final = "1 read"
_READ_AND_BATCH: Final = "1 read + 1 batch"
_CREATED: Final = {"schemas": [people.GROUP], "displayName": "New"}
_FULL: Final = 2_500
_ADD_NEW: Final = {"op": "add", "path": "members", "value": [{"value": "bulkId:new"}]}
_MANAGED_BY_NEW: Final = {"op": "replace", "path": "manager", "value": {"value": "bulkId:new"}}

ROWS: Final[tuple[Row, ...]] = (
    # one resource
    Row(
        "get-user",
        "GET user without `groups`",
        _ONE_READ,
        Calls(reads=1),
        "GET",
        f"/Users/{USER}",
        query={"excludedAttributes": "groups"},
    ),
    Row(
        "get-group",
        "GET group without `members`",
        _ONE_READ,
        Calls(reads=1),
        "GET",
        f"/Groups/{GROUP}",
        given=Given(users=150, members=150),
        query={"excludedAttributes": "members"},
    ),
    Row(
        "get-missing", "GET user that isn't there", _ONE_READ, Calls(reads=1), "GET", f"/Users/{user_id(9)}", status=404
    ),
    Row("get-no-id", "GET with what can't be an id", "0", Calls(), "GET", "/Users/..%2f..", status=404),
    *(_get_user(links) for links in (0, 1, PAGE, PAGE + 1)),
    *(_get_group(links) for links in (0, 1, PAGE, PAGE + 1)),
    Row("create-user", "POST user", "1 batch", Calls(batches=1), "POST", "/Users", people.user(1), 201),
    Row(
        "create-user-taken",
        "POST user whose name is taken",
        "1 batch",
        Calls(batches=1),
        "POST",
        "/Users",
        people.user(0),
        409,
    ),
    Row("create-group", "POST group", "1 batch", Calls(batches=1), "POST", "/Groups", _CREATED, 201),
    Row(
        "create-group-98",
        "POST group with 98 members",
        "1 batch",
        Calls(batches=1),
        "POST",
        "/Groups",
        {**_CREATED, "members": _add(0, 98)["value"]},
        201,
    ),
    Row(
        "create-group-300",
        "POST group with 300 members",
        "⌈n/97⌉ batches: a pending marker goes with each",
        Calls(batches=-(-300 // (BATCH - 1))),
        "POST",
        "/Groups",
        {**_CREATED, "members": _add(0, 300)["value"]},
        201,
    ),
    _patch_user(
        "one-change", Calls(reads=1, batches=1), _READ_AND_BATCH, {"op": "replace", "path": "title", "value": "Guide"}
    ),
    _patch_user(
        "disable", Calls(reads=1, batches=1), _READ_AND_BATCH, {"op": "Replace", "path": "active", "value": "False"}
    ),
    _patch_user("no-op", Calls(reads=1), "1 read, no write", {"op": "replace", "path": "active", "value": True}),
    Row(
        "put-user",
        "PUT user",
        _READ_AND_BATCH,
        Calls(reads=1, batches=1),
        "PUT",
        f"/Users/{USER}",
        {**people.user(0), "title": "Guide"},
    ),
    Row("put-user-no-op", "PUT user", "1 read, no write", Calls(reads=1), "PUT", f"/Users/{USER}", people.user(0)),
    *(_delete_user(memberships) for memberships in (0, 10, 96, 97, 150, PAGE + 1)),
    *(_delete_group(members) for members in (0, 150)),
    # lists and bulk requests
    _bulk(
        "create-100",
        "bulk: 100 users created",
        "what its operations cost: 100 batches",
        Calls(batches=100),
        *({"method": "POST", "path": "/Users", "bulkId": f"u{n}", "data": people.user(n)} for n in range(1_000, 1_100)),
    ),
    _bulk(
        "mixed",
        "bulk: a user created, made a member and its colleague's manager; another one deleted",
        "what its operations cost: 4 batches, 1 read, 1 query",
        Calls(reads=1, queries=1, batches=4),
        {"method": "PATCH", "path": f"/Groups/{GROUP}", "data": people.patch(_ADD_NEW)},
        {"method": "POST", "path": "/Users", "bulkId": "new", "data": people.user(1_000)},
        {"method": "PATCH", "path": f"/Users/{USER}", "data": people.patch(_MANAGED_BY_NEW)},
        {"method": "DELETE", "path": f"/Users/{user_id(1)}"},
    ),
    _bulk(
        "circle",
        "bulk: two groups that are members of each other",
        "what its operations cost: 2 batches",
        Calls(batches=2),
        *(
            {
                "method": "POST",
                "path": "/Groups",
                "bulkId": one,
                "data": {**_CREATED, "displayName": one, "members": [{"value": f"bulkId:{other}"}]},
            }
            for one, other in (("a", "b"), ("b", "a"))
        ),
    ),
    # members
    *(_members_only(f"add-{n}", n, _add(5_000, n), members=10) for n in (1, 98, 99, 300)),
    *(_members_only(f"remove-{n}", n, _remove(0, n), members=300) for n in (1, 98, 99, 300)),
    _members_only("remove-by-value", 1, {"op": "Remove", "path": f'members[value eq "{user_id(7)}"]'}, members=_FULL),
    _done_already("add-2-one-there", 2, 1, _add(9, 2), members=10),
    _done_already("add-300-one-there", 300, 1, _add(9, 300), members=10),
    _done_already("add-300-half-there", 300, 4, *(_add(n if n % 2 else 5_000 + n, 1) for n in range(300)), members=300),
    _done_already("remove-2-one-gone", 2, 1, _remove(9, 2), members=10),
    _done_already("remove-none-there", 2, 1, _remove(10, 2), members=10),
    _group_patch(
        "patch-group-add-there-already",
        "PATCH group, members only, nothing to change",
        "1 batch, 1 query",
        Calls(queries=1, batches=1),
        Given(users=10, members=10),
        _add(3, 1),
    ),
    _group_patch(
        "patch-group-attributes",
        "PATCH group, attributes only",
        _READ_AND_BATCH,
        Calls(reads=1, batches=1),
        Given(users=10, members=10),
        {"op": "replace", "path": "displayName", "value": "Other"},
    ),
    _group_patch(
        "patch-group-both",
        "PATCH group, attributes and members, n = 99",
        "1 read + ⌈n/98⌉ batches",
        Calls(reads=1, batches=batches(99)),
        Given(users=10, members=10),
        {"op": "replace", "path": "displayName", "value": "Other"},
        _add(5_000, 99),
    ),
    _group_patch(
        "patch-group-both-same-name",
        "PATCH group, attributes and members, n = 1",
        "1 read + ⌈n/98⌉ batches",
        Calls(reads=1, batches=1),
        Given(users=10, members=10),
        {"op": "replace", "path": "displayName", "value": people.group(0)["displayName"]},
        _add(5_000, 1),
    ),
    _through_current("replace", "replace members", _FULL, 2_500, {**_add(2_400, 200), "op": "replace"}),
    _through_current("clear", "clear members", _FULL, _FULL, {"op": "remove", "path": "members"}),
    _through_current("remove-by-filter", "remove members by filter", _FULL, 1, _remove_one_by("value sw")),
    _group_patch(
        "patch-group-remove-nobody-by-filter",
        "remove members by filter, nobody is meant",
        "2 reads + 1 query per 1,000 members: the version is read again",
        Calls(reads=2, queries=1),
        Given(users=10, members=10),
        _remove_one_by("display eq"),
    ),
    _group_patch(
        "patch-group-remove-by-type",
        f"remove members by filter on `type`, {_FULL:,} members",
        "1 read + ⌈n/98⌉ batches + 2 queries per 1,000 members: one finds out what each is",
        Calls(reads=1, queries=2 * pages(_FULL), batches=1),
        Given(users=_FULL, members=_FULL),
        _remove_one_by('type eq "User" and value sw'),
    ),
    _put_group("members", _FULL, 200, {**people.group(0), "members": _add(100, _FULL)["value"]}),
    _put_group("name-and-members", 10, 2, {**people.group(0), "displayName": "Other", "members": _add(1, 10)["value"]}),
    Row(
        "put-group-no-op",
        "PUT group, nothing to change",
        "2 reads + 1 query per 1,000 members: the version is read again",
        Calls(reads=2, queries=1),
        "PUT",
        f"/Groups/{GROUP}",
        {**people.group(0), "members": _add(0, 10)["value"]},
        given=Given(users=10, members=10),
    ),
    # searches
    _filtered("user-name-hit", "/Users", "groups", f'userName eq "{people.user_name(3).upper()}"', Calls(queries=1)),
    _filtered("user-name-none", "/Users", "groups", 'userName eq "nobody"', Calls(queries=1)),
    _filtered("external-id", "/Users", "groups", f'externalId eq "{people.external_id(3)}"', Calls(queries=1)),
    _filtered(
        "email", "/Users", "groups", f'emails[type eq "work"].value eq "{people.work_email(3)}"', Calls(queries=1)
    ),
    _filtered("employee-number", "/Users", "groups", 'employeeNumber eq "0000003"', Calls(queries=1)),
    _filtered("display-name", "/Groups", "members", 'displayName eq "group 3"', Calls(queries=1)),
    _filtered("display-name-none", "/Groups", "members", 'displayName eq "nothing"', Calls(queries=1)),
    _filtered("one-asked-for", "/Users", "groups", f'userName eq "{people.user_name(3)}"', Calls(queries=2), count="1"),
    _filtered("id", "/Users", "groups", f'id eq "{user_id(3)}"', Calls(reads=1)),
    _filtered("id-and-members", "/Groups", "members", f'id eq "{GROUP}" and members eq "{user_id(3)}"', Calls(reads=2)),
    Row(
        "filter-with-groups",
        "filter, a user in 10 groups",
        "1 query + 2 for the `groups`",
        Calls(queries=3),
        "GET",
        "/Users",
        given=Given(users=20, groups=10, memberships=10),
        query={"filter": f'userName eq "{people.user_name(0)}"'},
    ),
    _listed("no-groups", 0, Calls(queries=2), "1 query + 1 COUNT", excludedAttributes="groups"),
    _listed("groups", 30, Calls(queries=4), "1 query + 1 COUNT + 2 queries for the `groups` of the page"),
    _listed("by-id", 0, Calls(queries=2), "1 query + 1 COUNT", excludedAttributes="groups", sortBy="id"),
    Row(
        "list-groups-members",
        "list page of groups, one with 2,500 `members`",
        "1 query + 2 queries per 1,000 members",
        Calls(queries=1 + 2 * pages(_FULL)),
        "GET",
        "/Groups",
        given=Given(users=_FULL, groups=10, members=_FULL),
    ),
    Row(
        "list-groups-no-members",
        "list page of groups without `members`",
        "1 query",
        Calls(queries=1),
        "GET",
        "/Groups",
        given=Given(users=_FULL, groups=10, members=_FULL),
        query={"excludedAttributes": "members"},
    ),
    Row(
        "root",
        "query of the server root",
        "1 query per resource type",
        Calls(queries=2),
        "GET",
        "/",
        given=Given(users=20, groups=20),
        query={"filter": f'userName eq "{people.user_name(3)}"', "excludedAttributes": "groups"},
    ),
    _by_cursor("all", "all on one page of 100", 100, Calls(queries=1), "1 query, no COUNT"),
    _by_cursor("first", "first page of 100", 250, Calls(queries=2), "1 query + 1 COUNT"),
    _by_cursor("next", "next page of 100", 250, Calls(queries=1), "1 query", 1),
    _by_cursor("last", "last page of 100", 250, Calls(queries=1), "1 query", 2),
    _by_cursor("sorted", "next page of 100, sorted", 250, Calls(queries=1), "1 query", 1, sortBy="userName"),
    _by_cursor(
        "large", "next page of 1,000", 2_500, Calls(queries=2), "1 query, or 2: it asks for 1,001", 1, count="1000"
    ),
    *_me(),
    # none
    *_discovery(),
    Row(
        "token", "customer and token", "at most 2 reads", Calls(reads=2), "GET", "/Users", status=401, authorized=False
    ),
)


class Service:
    """The service on an emulator. The token of each customer is its name."""

    def __init__(self, app: App, emulator: Emulator, linked: Mapping[str, str]) -> None:
        """`linked` are the tokens of customers with another token than their name."""
        self._app = app
        self.linked = linked
        self.emulator = emulator

    async def send(
        self, tenant: str, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Response:
        """Send one request as the triggers do."""
        sent = "&".join(f"{name}={quote(value)}" for name, value in (query or {}).items())
        headers = {"content-type": "application/scim+json", "authorization": f"Bearer {tenant}"}
        content = b"" if body is None else json.dumps(body).encode()
        parameters = dict(parse_qsl(sent, keep_blank_values=True))
        request = Request(method, f"/scim/v2{path}", parameters, headers, content, _ORIGIN)
        return await self._app.handler.handle(request)

    async def cost(self, row: Row) -> tuple[Response, Counter[str], float]:
        """Send the request of a row. Return the response, its calls and their request units."""
        token = self.linked.get(row.id, row.id) if row.authorized else "a-token-of-nobody"
        query = dict(row.query)
        for _ in range(row.pages_before):
            page = await self.send(token, row.method, row.path, row.body, query)
            query["cursor"] = json.loads(page.body)["nextCursor"]
        self.emulator.requests.clear()
        answer = await self.send(token, row.method, row.path, row.body, query)
        return answer, self.emulator.counts(), self.emulator.charge()

    def fill(self, tenant: str, given: Given) -> None:
        """Store the data of a customer directly in the emulator."""
        users = [write_model("User", people.user(n), id=user_id(n)) for n in range(given.users)]
        groups = [write_model("Group", people.group(n), id=group_id(n)) for n in range(given.groups)]
        links = [(GROUP, user_id(n)) for n in range(given.members)]
        links += [(group_id(n), USER) for n in range(given.memberships) if (group_id(n), USER) not in links[:1]]
        self.emulator.seed(
            [
                *(resource_item(tenant, new, "seed") for new in [*users, *groups]),
                *(member_item(tenant, group, Member(value)) for group, value in links),
            ]
        )


@asynccontextmanager
async def instance(
    emulator: Emulator, endpoint: str, tenants: list[str], linked: Set[str] = frozenset()
) -> AsyncIterator[Service]:
    """Yield the service as `scim.app` builds it, with the SDK over a socket. Without `linked` it has made no call yet.

    The customers of `linked` also accept a token of Entra ID with a Me mapping to user 0.
    """
    issuer = Issuer()
    settings = Settings(
        store="cosmos", cosmos_endpoint=endpoint, cosmos_key=emulator.key, dev_keys=await issuer.start()
    )
    # Time stands still, so that authenticated tokens remain in the cache.
    given = Collaborators(timer=lambda: 0.0)
    app = build(settings, given, tokens={tenant: tenant for tenant in tenants})
    subject = people.external_id(0)
    try:
        await _authenticated(app, linked)
        yield Service(app, emulator, {name: issuer.token(aud=name, oid=subject, sub=subject) for name in linked})
    finally:
        await app.close()
        await issuer.stop()


@asynccontextmanager
async def running_emulator() -> AsyncIterator[tuple[Emulator, str]]:
    """Yield an emulator with the service's container, and its endpoint."""
    emulator = Emulator()
    emulator.create("scim", {"id": "resources", **CONTAINER})
    endpoint = await emulator.start()
    try:
        yield emulator, endpoint
    finally:
        await emulator.stop()


@asynccontextmanager
async def service(tenants: list[str]) -> AsyncIterator[Service]:
    """Yield a warm instance on an emulator: container open, cursor key read, tokens of `linked` authenticated."""
    linked = {row.id for row in ROWS if row.linked} & set(tenants)
    async with (
        running_emulator() as (emulator, endpoint),
        instance(emulator, endpoint, [*tenants, "opened"], linked) as opened,
    ):
        opened.fill("opened", Given(users=2))
        await opened.send("opened", "GET", "/Users", query={"cursor": "", "count": "1"})
        for token in opened.linked.values():
            await opened.send(token, "GET", f"/Users/{USER}")
        yield opened


async def _authenticated(app: App, customers: Set[str]) -> None:
    """Return an authenticator for Entra tokens whose audience is the name of one of these customers."""
    if app.store is None or not customers:
        return
    records = Customers(app.store, utc_now)
    for name in customers:
        await records.create(name)
    ways = tuple(AccessRule(customer=name, audience=name) for name in customers)
    await records.allow(EntraTenant(id=CONTOSO, cloud="global", access_rules=ways))
