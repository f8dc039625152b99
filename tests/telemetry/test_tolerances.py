"""A bend from the RFCs that a request needs is named in its line; the same request in the RFCs' own form names none."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from scim.edge.handler import Handler, Unconfigured
from scim.edge.http import Request
from scim.protocol import tolerances
from tests.conftest import TOKEN, Client
from tests.recorded.replay import Client as ReplayClient, load, replay
from tests.telemetry.lines import Lines
from tests.telemetry.stores import MeetingStore, serving

ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CUSTOM: Final = "urn:ietf:params:scim:schemas:extension:CustomExtensionName:2.0:User"
PATCH_OP: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
CASES: Final = {case.name: case for case in load() if case.name}

type Send = Callable[[Client, str], Any]
"""Sends one request; it is given the id of a user that is there."""


def patched(op: str, path: str | None, value: Any = None) -> Send:
    operation = {"op": op, "path": path, "value": value}
    return lambda client, id: client.patch(f"/Users/{id}", {k: v for k, v in operation.items() if v is not None})


def operations(*sent: tuple[str, str, Any]) -> Send:
    listed = [{k: v for k, v in zip(("op", "path", "value"), one, strict=True) if v is not None} for one in sent]
    return lambda client, id: client.patch(f"/Users/{id}", *listed)


def created(**attributes: Any) -> Send:
    body = {"schemas": [USER, ENTERPRISE], "userName": "carla", **attributes}
    return lambda client, id: client.post("/Users", body)


def listed(filter: str) -> Send:
    return lambda client, id: client.get(f"/Users?filter={filter}")


@dataclass(frozen=True)
class Row:
    """A request that needs the tolerance, the same in plain form, and the recorded case that has the first."""

    bent: Send
    plain: Send
    recorded: Mapping[str, int] = field(default_factory=dict)
    """Cases by name, and how many of the first case's requests need it at least."""


MANAGER: Final = "01900000-0000-7000-8000-000000000000"

ROWS: Final[dict[str, list[Row]]] = {
    "unquoted_value": [
        Row(listed("externalId eq jyoung"), listed('externalId eq "jyoung"'), {"filter-without-quotes": 3}),
        Row(listed("externalId eq 0042"), listed('externalId eq "0042"')),
    ],
    "boolean": [
        Row(
            patched("replace", "active", "False"),
            patched("replace", "active", value=False),
            {"disable-with-a-string": 1},
        ),
        Row(
            patched("remove", 'roles[primary eq "True"]'),
            patched("remove", "roles[primary eq true]"),
            {"quoted-boolean-in-a-value-path": 1},
        ),
        Row(listed('active eq "true"'), listed("active eq true")),
        Row(created(active="True"), created(active=True)),
    ],
    "dot_before_extension_attribute": [
        Row(
            patched("replace", f"{ENTERPRISE}.department", "Sales"),
            patched("replace", f"{ENTERPRISE}:department", "Sales"),
            {"dot-before-extension-attribute": 1},
        ),
        Row(listed(f'{ENTERPRISE}.department eq "Sales"'), listed(f'{ENTERPRISE}:department eq "Sales"')),
    ],
    "complex_from_text": [
        Row(
            created(**{ENTERPRISE: {"manager": MANAGER}}),
            created(**{ENTERPRISE: {"manager": {"value": MANAGER}}}),
            {"manager-as-a-string": 1},
        ),
        Row(patched("replace", "manager", MANAGER), patched("replace", "manager", {"value": MANAGER})),
    ],
    "single_from_list": [
        Row(
            patched("add", "manager", [{"value": MANAGER}]),
            patched("add", "manager", {"value": MANAGER}),
            {"manager-as-a-list-of-one": 1},
        ),
    ],
    "list_from_single": [
        Row(
            patched("add", "phoneNumbers", {"type": "mobile", "value": "+1 555 0100"}),
            patched("add", "phoneNumbers", [{"type": "mobile", "value": "+1 555 0100"}]),
            {"single-object-for-a-multi-valued-attribute": 2},
        ),
        Row(
            created(emails={"type": "work", "value": "carla@contoso.com"}),
            # RFC 7644 §3.5.2.3 has one element for a path that picks elements.
            patched("replace", "emails[value pr]", {"type": "work", "value": "carla@contoso.com"}),
        ),
    ],
    "unassigned": [
        Row(
            patched("replace", "title", ""),
            patched("replace", "title", []),
            {"clear-with-empty-text": 1},
        ),
        Row(created(title=""), created(title=None)),
    ],
    "role_display_name": [
        Row(
            created(roles=[{"value": "Admin", "displayName": "Admin"}]),
            created(roles=[{"value": "Admin", "display": "Admin"}]),
            {"roles-complex-on-create": 1},
        ),
    ],
    "filter_after_brackets": [
        Row(
            listed('emails[type eq "work"].value eq "carla@contoso.com"'),
            listed('emails[type eq "work" and value eq "carla@contoso.com"]'),
            {"comparison-behind-brackets": 1},
        ),
    ],
    "unknown_attribute": [
        Row(
            operations(("replace", "title", "Guide"), ("add", f"{CUSTOM}:badge", "701984")),
            operations(("replace", "title", "Guide")),
            {"unknown-attribute-beside-active": 1},
        ),
        Row(operations(("add", "badge", "701984"), ("remove", "title", None)), operations(("remove", "title", None))),
    ],
    "path_as_key": [
        Row(
            patched("replace", None, {"name.givenName": "Carla"}),
            patched("replace", None, {"name": {"givenName": "Carla"}}),
            {"paths-as-keys": 1},
        ),
        Row(
            patched("replace", None, {"emails[value pr].display": "Carla"}),
            patched("replace", "emails[value pr].display", "Carla"),
            {"brackets-as-keys": 1},
        ),
        Row(created(**{f"{ENTERPRISE}:department": "Sales"}), created(**{ENTERPRISE: {"department": "Sales"}})),
    ],
    "created_by_value_path": [
        Row(
            patched("add", 'phoneNumbers[type eq "mobile"].value', "+1 555 0100"),
            patched("add", "phoneNumbers", [{"type": "mobile", "value": "+1 555 0100"}]),
            {"value-path-that-creates": 1},
        ),
        Row(
            patched("replace", 'phoneNumbers[type eq "mobile"]', {"value": "+1 555 0100"}),
            patched("remove", 'phoneNumbers[type eq "mobile"]'),
        ),
        Row(
            patched("replace", 'name[familyName eq "Doe"].givenName', "Dora"),
            patched("replace", "name", {"givenName": "Dora"}),
        ),
    ],
    "listed_for_removal": [
        Row(
            patched("remove", "emails", [{"value": "dora@contoso.com"}]),
            patched("remove", "emails"),
            {"remove-with-a-list": 1},
        ),
    ],
    "empty_state_ignored": [
        Row(
            patched("replace", None, {"active": None}),
            patched("replace", None, {"active": True}),
        ),
        Row(created(active=None), created(), {"active-without-a-value": 2}),
    ],
    "first_primary": [
        Row(
            created(emails=[{"value": "a@contoso.com", "primary": True}, {"value": "b@contoso.com", "primary": True}]),
            created(emails=[{"value": "a@contoso.com", "primary": True}, {"value": "b@contoso.com"}]),
            {"two-primary-emails": 1},
        ),
    ],
    "simple_from_object": [
        Row(
            patched("add", "title", {"$ref": None, "value": "Guide"}),
            patched("add", "title", "Guide"),
            {"simple-values-as-objects": 1},
        ),
        Row(created(title={}), created(title=None)),
    ],
    "operation": [
        Row(patched("Add", "nickName", "Babs"), patched("add", "nickName", "Babs"), {"op-with-a-capital": 1}),
    ],
    "envelope": [
        Row(
            lambda client, id: client.request(
                "PATCH",
                f"/Users/{id}",
                {"schemas": [PATCH_OP], "operations": [{"op": "add", "path": "nickName", "value": "Babs"}]},
            ),
            lambda client, id: client.request(
                "PATCH",
                f"/Users/{id}",
                {"Operations": [{"op": "add", "path": "nickName", "value": "Babs"}], "schemas": [PATCH_OP]},
            ),
        ),
        Row(
            lambda client, id: client.post("/.search", {"Filter": "userName pr"}),
            lambda client, id: client.post("/.search", {"filter": "userName pr"}),
        ),
    ],
}
EACH: Final = [(name, row) for name, rows in ROWS.items() for row in rows]
IDS: Final = [f"{name}-{at}" for name, rows in ROWS.items() for at, _ in enumerate(rows, 1)]


def that_note_themselves() -> set[str]:
    members = inspect.getmembers(tolerances, inspect.isfunction)
    return {name for name, function in members if not name.startswith("_") and "_note(" in inspect.getsource(function)}


def test_every_tolerance_has_a_row() -> None:
    assert set(ROWS) == that_note_themselves()


def test_every_function_there_notes_itself_by_its_own_name() -> None:
    members = dict(inspect.getmembers(tolerances, inspect.isfunction))
    public = {name for name in members if not name.startswith("_")}
    assert public - that_note_themselves() == {"begin"}
    for name in that_note_themselves():
        assert f'_note("{name}")' in inspect.getsource(members[name])


@pytest.mark.parametrize(("name", "row"), EACH, ids=IDS)
def test_the_line_names_what_the_request_needed_and_names_nothing_for_the_plain_form(
    client: Client, lines: Lines, name: str, row: Row
) -> None:
    """Twice each, since filters and paths are parsed once and kept."""
    for sent, expected in ((row.bent, {name}), (row.plain, set()), (row.bent, {name}), (row.plain, set())):
        id = client.user("dora", emails=[{"value": "dora@contoso.com"}])["id"]
        lines.taken()
        answer = sent(client, id)
        assert answer.status < 300, answer.body
        assert lines.one().tolerances == expected
        for each in client.get("/Users").json["Resources"]:
            client.delete(f"/Users/{each['id']}")


RECORDED: Final = [(name, case, times) for name, row in EACH for case, times in row.recorded.items()]


@pytest.mark.parametrize(("name", "case", "times"), RECORDED, ids=[case for _, case, _ in RECORDED])
def test_a_recorded_request_leaves_the_name_that_it_stands_for(
    client: ReplayClient, lines: Lines, name: str, case: str, times: int
) -> None:
    replay(CASES[case], client)
    assert sum(name in line.tolerances for line in lines.taken()) >= times


# What strict clients send, much of it from the examples of RFC 7644: nothing of it is a bend.
PLAIN: Final[dict[str, Send]] = {
    "page": lambda client, id: client.get("/Users?startIndex=1&count=3&sortBy=userName&sortOrder=descending"),
    "excluded": lambda client, id: client.get("/Users?excludedAttributes=emails"),
    "one-excluded": lambda client, id: client.get(f"/Users/{id}?attributes=userName&excludedAttributes=name"),
    "search": lambda client, id: client.post("/.search", {"startIndex": 1, "excludedAttributes": ["emails"]}),
    "filter": lambda client, id: client.get('/Users?filter=userType eq "Employee" and emails[type eq "work"]'),
    "filter-boolean": lambda client, id: client.get('/Users?filter=name.familyName co "O\'Malley" and active eq true'),
    "filter-urn": lambda client, id: client.get(f'/Users?filter={USER}:name.familyName sw "J"'),
    "filter-time": lambda client, id: client.get('/Users?filter=meta.lastModified gt "2011-05-13T04:42:34Z"'),
    "add": patched("add", None, {"emails": [{"value": "babs@jensen.org", "type": "home"}], "nickName": "Babs"}),
    "replace-picked": patched("replace", 'addresses[type eq "work"]', {"type": "work", "locality": "Hollywood"}),
    "add-to-picked": patched("add", 'addresses[type eq "work"].streetAddress', "911 Universal City Plaza"),
    "remove-picked": patched("remove", 'emails[type eq "work" and value ew "example.com"]'),
    "remove": patched("remove", "title"),
    "replace-complex": patched("replace", "name", {"givenName": "Barbara"}),
    "put": lambda client, id: client.put(f"/Users/{id}", {"userName": "dora", "emails": [], "title": None}),
    "group": lambda client, id: client.post("/Groups", {"displayName": "Guides", "members": [{"value": id}]}),
}


@pytest.mark.parametrize("sent", PLAIN.values(), ids=PLAIN)
def test_plain_rfc_requests_need_no_tolerance(client: Client, lines: Lines, sent: Send) -> None:
    id = client.user("dora", addresses=[{"type": "work", "locality": "Hollywood"}])["id"]
    lines.taken()
    answer = sent(client, id)
    assert answer.status < 300, answer.body
    assert lines.one().tolerances == set()


def test_ignored_operations_are_counted_in_the_line_of_their_request(client: Client, lines: Lines) -> None:
    """Those of a bulk request too; and the text of the client doesn't get there."""
    id = client.user("dora")["id"]
    sent = operations(("add", "badgeNumber", "1"), ("add", f"{CUSTOM}:badgeNumber", "1"), ("add", "title", "Guide"))
    lines.taken()
    assert sent(client, id).status == 204
    one = lines.one()
    assert (one["ignored_operations"], "badge" in str(one.values)) == ("2", False)

    data = {
        "Operations": [{"op": "add", "path": "badgeNumber", "value": "1"}, {"op": "add", "path": "title", "value": "x"}]
    }
    bulk = [{"method": "PATCH", "path": f"/Users/{id}", "data": data}] * 2
    answer = client.post(
        "/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": bulk}
    )
    assert [operation["status"] for operation in answer.json["Operations"]] == ["204", "204"]
    assert lines.one()["ignored_operations"] == "2"


def test_an_operation_that_is_refused_is_not_ignored(client: Client, lines: Lines) -> None:
    id = client.user("dora")["id"]
    lines.taken()
    assert operations(("add", "badgeNumber", "1"))(client, id).status == 400
    assert lines.one()["ignored_operations"] == "0"


def test_an_unknown_path_does_not_count_as_the_dot_tolerance(client: Client, lines: Lines) -> None:
    assert client.get('/Users?filter=nothing.there eq "x"').status == 400
    assert lines.one().tolerances == set()


def test_several_are_in_alphabetical_order(client: Client, lines: Lines) -> None:
    id = client.user("dora")["id"]
    lines.taken()
    client.patch(
        f"/Users/{id}",
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": "title", "value": ""},
    )
    assert lines.one()["tolerances"] == "boolean,operation,unassigned"


async def test_concurrent_requests_do_not_mix(lines: Lines) -> None:
    """Every second one needs a tolerance. Each has come as far as the store when the first is answered."""

    async def search(handler: Handler | Unconfigured, number: int) -> None:
        text = f"externalId eq e{number}" if number % 2 else f'externalId eq "e{number}"'
        headers = {"authorization": f"Bearer {TOKEN}", "x-request-id": str(number)}
        response = await handler.handle(
            Request("GET", "/scim/v2/Users", {"filter": text}, headers, b"", "https://scim.example.com")
        )
        assert response.status == 200

    async with serving(MeetingStore(20)) as app:
        await asyncio.gather(*(search(app.handler, number) for number in range(20)))
    told = {int(line["request_id"]): line.tolerances for line in lines.taken()}
    assert told == {number: {"unquoted_value"} if number % 2 else set() for number in range(20)}
