"""Faults that servers have, each a function in front of a sound server, and the checks that must name it."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Barrier, current_thread, main_thread
from typing import Any
from urllib.parse import urlencode

from tests.doctor.served import Fault, Got, Sent, Serve, refused

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
type When = Callable[[Sent], bool]


@dataclass(frozen=True)
class Row:
    """`check` must name the fault, and no other check may."""

    check: str
    name: str
    fault: Fault
    options: str = ""


# --- ways to bend -----------------------------------------------------------------------------------------------


def answer(when: When, got: Callable[[Got], Got]) -> Fault:
    """Changes the answer to some requests."""

    def fault(sent: Sent, serve: Serve) -> Got:
        served = serve(sent)
        return got(served) if when(sent) else served

    return fault


def refuse(when: When, status: int = 400) -> Fault:
    """Refuses some requests that are authenticated."""

    def fault(sent: Sent, serve: Serve) -> Got:
        return refused(status) if when(sent) and _authenticated(sent) else serve(sent)

    return fault


def read(when: When, other: Callable[[Sent], Sent]) -> Fault:
    """Reads some requests as something else."""
    return lambda sent, serve: serve(other(sent) if when(sent) else sent)


def drop(op: Callable[[dict[str, Any]], bool], endpoint: str = "/Users") -> Fault:
    """Ignores some operations of a PATCH."""

    def fault(sent: Sent, serve: Serve) -> Got:
        kept = [one for one in sent.operations if not op(one)]
        if len(kept) == len(sent.operations) or not sent.path.startswith(endpoint):
            return serve(sent)
        return serve(sent.patching(*kept)) if kept else Got(204, None, {})

    return fault


def _authenticated(sent: Sent) -> bool:
    return sent.headers.get("authorization") == "Bearer a-token-for-tests"


def listing(endpoint: str) -> When:
    return lambda sent: sent.method == "GET" and sent.path.rstrip("/") == endpoint


def posting(endpoint: str, when: Callable[[dict[str, Any]], bool] = lambda body: True) -> When:
    return lambda sent: sent.method == "POST" and sent.path == endpoint and when(sent.body)


def filtering(part: str, endpoint: str = "/Users") -> When:
    return lambda sent: sent.method == "GET" and sent.path == endpoint and part in sent.filter


def patching(op: Callable[[dict[str, Any]], bool], endpoint: str = "/Users") -> When:
    return lambda sent: sent.path.startswith(endpoint) and any(map(op, sent.operations))


def one_of(endpoint: str, method: str = "GET") -> When:
    return lambda sent: sent.method == method and sent.path.startswith(f"{endpoint}/") and sent.path != f"{endpoint}/"


def with_filter(sent: Sent, filter: str) -> Sent:
    return sent.but(query=urlencode({**sent.parameters, "filter": filter}))


def each(got: Got, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Got:
    """Changes a resource, or all of a list."""
    if not isinstance(got.body, dict):
        return got
    if "Resources" in got.body:
        return got.having(Resources=[change(one) for one in got.body["Resources"]])
    return got.but(body=change(got.body))


def walked(value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Changes every object within."""
    if isinstance(value, list):
        return [walked(one, change) for one in value]
    return change({name: walked(one, change) for name, one in value.items()}) if isinstance(value, dict) else value


def empty(got: Got) -> Got:
    return got.having(totalResults=0, Resources=[], itemsPerPage=0)


def without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda value: {name: one for name, one in value.items() if name not in names}


def has_upper(sent: Sent) -> bool:
    return "SCIM-DOCTOR" in sent.filter


def path(op: dict[str, Any]) -> str:
    return str(op.get("path", ""))


def whole(op: dict[str, Any]) -> bool:
    return "path" not in op and isinstance(op.get("value"), dict)


# --- faults with a memory or of several requests ----------------------------------------------------------------


def doubles(turned: bool, endpoint: str, name: str) -> Fault:
    """Makes another object instead of answering 409."""

    def fault(sent: Sent, serve: Serve) -> Got:
        got = serve(sent)
        if got.status != 409 or sent.method != "POST" or sent.path != endpoint:
            return got
        if turned is not sent.body[name].startswith("SCIM-DOCTOR"):
            return got
        return serve(sent.but(body={**sent.body, name: f"{sent.body[name]}-2"}))

    return fault


def unique_external_id() -> Fault:
    seen: set[str] = set()

    def fault(sent: Sent, serve: Serve) -> Got:
        if sent.method == "POST" and sent.path == "/Users" and "userName" in sent.body:
            if sent.body["externalId"] in seen:
                return refused(409)
            got = serve(sent)
            if got.status == 201:
                seen.add(sent.body["externalId"])
            return got
        return serve(sent)

    return fault


def old_name_found() -> Fault:
    """A cache of names that a rename doesn't reach."""
    names: dict[str, str] = {}

    def fault(sent: Sent, serve: Serve) -> Got:
        if sent.method == "PATCH" and sent.path.startswith("/Users"):
            look = sent.but(method="GET", body=None, headers=without("if-match")(sent.headers))
            before = serve(look).body
            got = serve(sent)
            after = serve(look).body
            if before["userName"] != after["userName"]:
                names[before["userName"]] = after["userName"]
            return got
        for old, new in names.items():
            if f'"{old}"' in sent.filter:
                return serve(with_filter(sent, f'userName eq "{new}"'))
        return serve(sent)

    return fault


def half_done(sent: Sent, serve: Serve) -> Got:
    """Carries out one operation after the other, and stops at the first that fails."""
    got = Got(204, None, {})
    for op in sent.operations if sent.method == "PATCH" and sent.path.startswith("/Users") else []:
        got = serve(sent.patching(op))
        if got.status >= 400:
            return got
    return got if sent.method == "PATCH" and sent.path.startswith("/Users") else serve(sent)


def lost_updates() -> Fault:
    """Reads the group, adds the member and writes the group: what came in between is lost."""
    all_have_read = Barrier(3, timeout=60)

    def fault(sent: Sent, serve: Serve) -> Got:
        if sent.method != "PATCH" or current_thread() is main_thread():
            return serve(sent)
        members = serve(sent.but(method="GET", body=None)).body.get("members", [])
        all_have_read.wait()
        value = [{"value": one["value"]} for one in members] + sent.operations[0]["value"]
        return serve(sent.patching({"op": "replace", "path": "members", "value": value}))

    return fault


def members_leave_when_disabled(sent: Sent, serve: Serve) -> Got:
    got = serve(sent)
    if sent.path.startswith("/Users/") and any("active" in str(op) for op in sent.operations):
        user = sent.path.rpartition("/")[2]
        groups = serve(sent.but(method="GET", path="/Groups", query=f'filter=members eq "{user}"', body=None)).body
        for group in groups["Resources"]:
            body = {"Operations": [{"op": "remove", "path": f'members[value eq "{user}"]'}]}
            serve(sent.but(path=f"/Groups/{group['id']}", body=body))
    return got


def second_member(sent: Sent, serve: Serve) -> Got:
    """Adding a member who is there already is an error."""
    if sent.method == "PATCH" and sent.path.startswith("/Groups"):
        there = {one["value"] for one in serve(sent.but(method="GET", body=None)).body.get("members", [])}
        for op in sent.operations:
            if op["op"].lower() == "add" and there & {one["value"] for one in op["value"]}:
                return refused(409)
    return serve(sent)


def soft_deletion(sent: Sent, serve: Serve) -> Got:
    """DELETE disables and keeps the user."""
    if sent.method == "DELETE" and sent.path.startswith("/Users"):
        body = {"Operations": [{"op": "replace", "path": "active", "value": False}]}
        return serve(sent.but(method="PATCH", body=body))
    return serve(sent)


def always_deleted(sent: Sent, serve: Serve) -> Got:
    got = serve(sent)
    return Got(204, None, {}) if sent.method == "DELETE" and got.status == 404 else got


def names_are_kept() -> Fault:
    """The name of a deleted user stays taken."""
    names: dict[str, str] = {}

    def fault(sent: Sent, serve: Serve) -> Got:
        if sent.method == "POST" and sent.path == "/Users" and sent.body["userName"] in names.values():
            return refused(409)
        if sent.method == "DELETE" and sent.path.startswith("/Users"):
            names.setdefault(sent.path, serve(sent.but(method="GET")).body.get("userName", ""))
        return serve(sent)

    return fault


def members_outlive_users() -> Fault:
    """A deleted user stays in the member list of its groups."""
    members: dict[str, list[str]] = {}

    def fault(sent: Sent, serve: Serve) -> Got:
        if sent.method == "DELETE" and sent.path.startswith("/Users"):
            user = sent.path.rpartition("/")[2]
            groups = serve(sent.but(method="GET", path="/Groups", query=f'filter=members eq "{user}"')).body
            for group in groups["Resources"]:
                members.setdefault(f"/Groups/{group['id']}", []).append(user)
        got = serve(sent)
        if sent.method == "GET" and sent.path in members and got.status == 200:
            return got.having(members=[{"value": user} for user in members[sent.path]])
        return got

    return fault


def page_totals(sent: Sent, serve: Serve) -> Got:
    got = serve(sent)
    if listing("/Users")(sent) and "count" in sent.parameters and got.body.get("Resources"):
        return got.having(totalResults=len(got.body["Resources"]))
    return got


def last_page_again(sent: Sent, serve: Serve) -> Got:
    got = serve(sent)
    if listing("/Users")(sent) and int(sent.parameters.get("startIndex", 1)) > 1000:
        return serve(sent.but(query="startIndex=1&count=1"))
    return got


def every_fifth() -> Fault:
    number = 0

    def fault(sent: Sent, serve: Serve) -> Got:
        nonlocal number
        if current_thread() is main_thread():
            return serve(sent)
        number += 1
        return refused(500) if number % 5 == 0 else serve(sent)

    return fault


def throttled(sent: Sent, serve: Serve) -> Got:
    return serve(sent) if current_thread() is main_thread() or sent.path != "/Users" or sent.body else refused(429)


def configured(name: str, **members: Any) -> Fault:
    """ServiceProviderConfig says something else of a feature."""
    return answer(
        lambda s: s.path == "/ServiceProviderConfig", lambda g: g.having(**{name: {**g.body[name], **members}})
    )


def bulk_answers(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Fault:
    """Changes what a BulkResponse says of each operation."""
    return answer(
        lambda s: s.path == "/Bulk",
        lambda g: g.having(Operations=[change(one) for one in g.body["Operations"]]) if g.status == 200 else g,
    )


def bulk_reads(**members: Any) -> Fault:
    """Reads a bulk request with other members; those of None are left out."""
    gone = [name for name, value in members.items() if value is None]
    return read(lambda s: s.path == "/Bulk", lambda s: s.but(body=without(*gone)({**s.body, **members})))


def bulk_takes_text(reference: str) -> Fault:
    """Takes a reference for text and stores it as it is."""

    def plain(one: dict[str, Any]) -> dict[str, Any]:
        return {**one, "value": "text"} if one.get("value") == reference else one

    return read(lambda s: s.path == "/Bulk", lambda s: s.but(body=walked(s.body, plain)))


def bulk_without_patches(sent: Sent, serve: Serve) -> Got:
    """Doesn't find what a bulkId in a path means."""
    if sent.path != "/Bulk":
        return serve(sent)
    kept = [one for one in sent.body["Operations"] if one["method"] != "PATCH"]
    got = serve(sent.but(body={**sent.body, "Operations": kept}))
    if len(kept) < len(sent.body["Operations"]):
        return got.having(Operations=[*got.body["Operations"], {"method": "PATCH", "status": "404"}])
    return got


def bulk_pretended(sent: Sent, serve: Serve) -> Got:
    """Says that it is done."""
    if sent.path == "/Bulk" and "bulk-one" in str(sent.body):
        answers = [
            {"method": one["method"], "bulkId": one["bulkId"], "status": "201"} for one in sent.body["Operations"]
        ]
        return Got(200, {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"], "Operations": answers})
    return serve(sent)


def bulk_cut_short(sent: Sent, serve: Serve) -> Got:
    """Takes as many operations as it can and forgets the rest."""
    if sent.path == "/Bulk" and len(sent.body["Operations"]) > 1000:
        return serve(sent.but(body={**sent.body, "Operations": sent.body["Operations"][:1000]}))
    return serve(sent)


def two_primaries(got: Got) -> Got:
    """A new primary doesn't unset the old one."""
    if got.status != 200 or "primary@example.com" not in str(got.body):
        return got
    return got.having(emails=[{**one, "primary": True} for one in got.body["emails"]])


def _of_a_version(sent: Sent) -> bool:
    return sent.headers.get("if-match", "*") != "*"


def _of_more_than(most: int) -> When:
    """Pages by index of more than so many."""
    return lambda sent: (
        listing("/Users")(sent) and "cursor" not in sent.parameters and int(sent.parameters.get("count", 0)) > most
    )


def with_count(sent: Sent, count: int) -> Sent:
    return sent.but(query=urlencode({**sent.parameters, "count": count}))


def with_cursor(sent: Sent, cursor: str) -> Sent:
    return sent.but(query=urlencode({**sent.parameters, "cursor": cursor}))


def made_up(sent: Sent) -> bool:
    return sent.parameters.get("cursor", "").startswith("scim-doctor-")


def padded_cursors(sent: Sent, serve: Serve) -> Got:
    """Cursors in base64 with its padding."""
    got = serve(with_cursor(sent, sent.parameters["cursor"].rstrip("=")) if "cursor" in sent.parameters else sent)
    return got.having(nextCursor=f"{got.body['nextCursor']}==") if "nextCursor" in (got.body or {}) else got


def with_resource_type(**members: Any) -> Fault:
    """/ResourceTypes lists one more."""
    resource_type = {"id": "Role", "name": "Role", "endpoint": "/Roles", "schema": ENTERPRISE, **members}
    return answer(
        lambda s: s.path == "/ResourceTypes", lambda g: g.having(Resources=[*g.body["Resources"], resource_type])
    )


def me(got: Got) -> Fault:
    return lambda sent, serve: got if sent.path == "/Me" and _authenticated(sent) else serve(sent)


# --- the faults -------------------------------------------------------------------------------------------------
_MOBILE = 'phoneNumbers[type eq "mobile"].value'
_OTHER_ADDRESS = 'addresses[type eq "other"].formatted'
_TYPES = without("canonicalValues")


def _manager(op: dict[str, Any]) -> bool:
    return path(op).endswith("manager")


def _members(op: dict[str, Any]) -> bool:
    return path(op) == "members"


def _bare(one: dict[str, Any]) -> dict[str, Any]:
    return without("subAttributes")(one)


def _small(op: dict[str, Any]) -> bool:
    return str(op["op"]).lower() == "remove"


ROWS = [
    Row("reachable", "redirects", lambda sent, serve: Got(301, None, {"location": "https://other.example.com"})),
    Row(
        "token-accepted", "refuses the token", lambda sent, serve: refused(403) if _authenticated(sent) else serve(sent)
    ),
    Row(
        "no-token",
        "needs no token",
        lambda sent, serve: (
            serve(sent.but(headers={"authorization": "Bearer a-token-for-tests"}))
            if "authorization" not in sent.headers
            else serve(sent)
        ),
    ),
    Row(
        "wrong-token",
        "takes any token",
        lambda sent, serve: (
            serve(sent.but(headers={**sent.headers, "authorization": "Bearer a-token-for-tests"}))
            if "authorization" in sent.headers
            else serve(sent)
        ),
    ),
    Row(
        "unauthorized-form",
        "a gateway's page for 401",
        answer(lambda s: not _authenticated(s), lambda g: g.but(body=b"<html>401</html>")),
    ),
    Row(
        "www-authenticate",
        "a 401 without a challenge",
        answer(lambda s: not _authenticated(s), lambda g: g.but(headers={"content-type": "application/scim+json"})),
    ),
    Row(
        "test-connection",
        "404 for an empty search",
        answer(listing("/Users"), lambda g: refused(404) if g.status == 200 and g.body["totalResults"] == 0 else g),
    ),
    Row(
        "test-connection-groups",
        "404 for groups when there are none",
        answer(listing("/Groups"), lambda g: refused(404) if g.body["totalResults"] == 0 else g),
    ),
    Row(
        "content-type",
        "application/json",
        answer(
            listing("/Users"), lambda g: g.but(headers={"content-type": "application/json"}) if g.status == 200 else g
        ),
    ),
    Row(
        "accept-json", "406 for application/json", refuse(lambda s: s.headers.get("accept") == "application/json", 406)
    ),
    Row(
        "schemas",
        "a bare array of schemas",
        answer(lambda s: s.path == "/Schemas", lambda g: g.but(body=g.body["Resources"])),
    ),
    Row(
        "schemas-nulls",
        "nulls in schemas",
        answer(
            lambda s: s.path == "/Schemas",
            lambda g: g.but(
                body=walked(g.body, lambda one: {**one, "referenceTypes": None} if "mutability" in one else one)
            ),
        ),
    ),
    Row(
        "schemas-words",
        "READ_WRITE",
        answer(
            lambda s: s.path == "/Schemas",
            lambda g: g.but(
                body=walked(g.body, lambda one: {**one, "mutability": "READ_WRITE"} if "mutability" in one else one)
            ),
        ),
    ),
    Row(
        "schemas-attributes",
        "attributes without multiValued",
        answer(lambda s: s.path == "/Schemas", lambda g: g.but(body=walked(g.body, without("multiValued")))),
    ),
    Row(
        "schemas-attributes",
        "a complex attribute without sub-attributes",
        answer(
            lambda s: s.path == "/Schemas",
            lambda g: g.but(body=walked(g.body, lambda one: _bare(one) if one.get("name") == "roles" else one)),
        ),
    ),
    Row(
        "schemas-types",
        "no canonicalValues",
        answer(lambda s: s.path == "/Schemas", lambda g: g.but(body=walked(g.body, _TYPES))),
    ),
    Row(
        "schemas-mapping",
        "no enterprise extension",
        answer(
            lambda s: s.path == "/Schemas",
            lambda g: g.having(Resources=[one for one in g.body["Resources"] if one["id"] != ENTERPRISE]),
        ),
    ),
    Row(
        "schemas-mapping",
        "no externalId",
        answer(
            lambda s: s.path == "/Schemas",
            lambda g: g.but(
                body=walked(
                    g.body,
                    lambda one: (
                        {**one, "attributes": [a for a in one["attributes"] if a["name"] != "externalId"]}
                        if "attributes" in one
                        else one
                    ),
                )
            ),
        ),
    ),
    Row(
        "schemas-mapping",
        "types of roles",
        answer(
            lambda s: s.path == "/Schemas",
            lambda g: g.but(
                body=walked(
                    g.body,
                    lambda one: (
                        {**one, "subAttributes": [{**a, "canonicalValues": ["work"]} for a in one["subAttributes"]]}
                        if one.get("name") == "roles"
                        else one
                    ),
                )
            ),
        ),
    ),
    Row(
        "schemas-group",
        "no Group schema",
        answer(
            lambda s: s.path == "/Schemas",
            lambda g: g.having(Resources=[one for one in g.body["Resources"] if not one["id"].endswith("Group")]),
        ),
    ),
    Row(
        "resource-types",
        "a bare array of resource types",
        answer(lambda s: s.path == "/ResourceTypes", lambda g: g.but(body=g.body["Resources"])),
    ),
    Row(
        "resource-types-schemas",
        "an extension without a schema",
        answer(
            lambda s: s.path == "/ResourceTypes",
            lambda g: g.having(
                Resources=[
                    {**one, "schemaExtensions": [{"schema": "urn:example:2.0:Ours"}]} for one in g.body["Resources"]
                ]
            ),
        ),
    ),
    Row("resource-types-served", "a resource type that isn't served", with_resource_type()),
    Row(
        "resource-types-served",
        "a resource type at another host",
        with_resource_type(endpoint="https://roles.example.com/Roles"),
    ),
    Row(
        "service-provider-config",
        "no PATCH",
        answer(lambda s: s.path == "/ServiceProviderConfig", lambda g: g.having(patch={"supported": False})),
    ),
    Row(
        "user-create",
        "200 for a creation",
        answer(posting("/Users"), lambda g: g.but(status=200) if g.status == 201 else g),
    ),
    Row(
        "user-create-answer",
        "a creation answered with the id alone",
        answer(
            posting("/Users"),
            lambda g: g.but(body={name: g.body[name] for name in ("id", "meta", "schemas")}) if g.status == 201 else g,
        ),
    ),
    Row(
        "user-create-location",
        "no Location",
        answer(posting("/Users"), lambda g: g.but(headers={"content-type": "application/scim+json"})),
    ),
    Row(
        "user-create-meta", "no meta", answer(lambda s: s.path.startswith("/Users"), lambda g: each(g, without("meta")))
    ),
    Row(
        "user-values",
        "numbers made pretty",
        answer(
            one_of("/Users"),
            lambda g: each(
                g,
                lambda one: (
                    {
                        **one,
                        "phoneNumbers": [
                            {**phone, "value": "+5 (555) 555-5555"} if phone["value"] == "55555555555" else phone
                            for phone in one["phoneNumbers"]
                        ],
                    }
                    if "phoneNumbers" in one
                    else one
                ),
            ),
        ),
    ),
    Row("user-create-nulls", "400 for null", refuse(posting("/Users", lambda b: None in b.values()))),
    Row(
        "user-create-unknown",
        "400 for unknown attributes",
        refuse(posting("/Users", lambda b: "scimDoctorUnknown" in b)),
    ),
    Row("user-create-assigned", "400 for an id", refuse(posting("/Users", lambda b: "id" in b))),
    Row(
        "user-create-active-string",
        "400 for a boolean as a string",
        refuse(posting("/Users", lambda b: isinstance(b["active"], str))),
    ),
    Row(
        "user-create-manager-string",
        "400 for a manager as a string",
        refuse(posting("/Users", lambda b: isinstance(b.get(ENTERPRISE, {}).get("manager"), str))),
    ),
    Row(
        "user-create-roles",
        "400 for a primary as a string",
        refuse(posting("/Users", lambda b: any(role["primary"] == "True" for role in b.get("roles", [])))),
    ),
    Row(
        "user-create-undeclared",
        "an extension dropped",
        read(
            posting("/Users", lambda b: ENTERPRISE not in b["schemas"]),
            lambda s: s.but(body=without(ENTERPRISE)(s.body)),
        ),
    ),
    Row("user-duplicate", "the same userName twice", doubles(False, "/Users", "userName")),
    Row("user-duplicate-case", "userName is unique by the letter", doubles(True, "/Users", "userName")),
    Row(
        "user-duplicate-type",
        "no scimType",
        answer(posting("/Users"), lambda g: g.but(body=without("scimType")(g.body))),
    ),
    Row("user-external-id-shared", "externalId is unique", unique_external_id()),
    Row(
        "read-by-id",
        "another id in the answer",
        answer(one_of("/Users"), lambda g: g.having(id="1") if g.status == 200 else g),
    ),
    Row(
        "match-user-name",
        "a filter on userName that finds everybody",
        read(
            filtering("userName eq"),
            lambda s: with_filter(s, "userName pr") if "-main@" in s.filter or "-rename" in s.filter else s,
        ),
    ),
    Row("match-user-name-case", "filters by the letter", answer(lambda s: has_upper(s) and s.path == "/Users", empty)),
    Row(
        "match-whole",
        "eq as the beginning",
        read(
            lambda s: filtering("userName eq")(s) and s.filter.endswith('-main"'),
            lambda s: with_filter(s, s.filter.replace(" eq ", " sw ")),
        ),
    ),
    Row("match-external-id", "externalId can't be searched", refuse(filtering("externalId"))),
    Row("match-external-id-unquoted", "a value needs quotes", refuse(lambda s: "externalId eq d" in s.filter)),
    Row("match-mail", "no value paths in filters", refuse(filtering("emails["))),
    Row(
        "match-odd-letters",
        "decodes twice",
        read(lambda s: "+" in s.filter and "neil" in s.filter, lambda s: with_filter(s, s.filter.replace("+", " "))),
    ),
    Row("reference-probe", "manager can't be searched", refuse(filtering("manager eq"))),
    Row(
        "patch-replace",
        "ignores Replace with a capital",
        drop(lambda op: op["op"] == "Replace" and path(op) == "displayName"),
    ),
    Row(
        "patch-add",
        "400 for Add with a capital",
        refuse(patching(lambda op: op["op"] == "Add" and path(op) == "title")),
    ),
    Row("patch-value-path", "no filters in paths", refuse(patching(lambda op: "[" in path(op)))),
    Row("patch-dotted-path", "ignores paths with a dot", drop(lambda op: path(op) == "name.familyName")),
    Row(
        "patch-several",
        "carries out the first operation only",
        lambda sent, serve: (
            serve(sent.patching(sent.operations[0]))
            if sent.method == "PATCH" and sent.path.startswith("/Users")
            else serve(sent)
        ),
    ),
    Row(
        "patch-extension-path",
        "no URNs in paths",
        refuse(patching(lambda op: path(op).startswith(ENTERPRISE) and not _manager(op) and op["op"] == "Replace")),
    ),
    Row("patch-core-path", "no core URNs in paths", refuse(patching(lambda op: ":core:" in path(op)))),
    Row("patch-path-case", "paths by the letter", refuse(patching(lambda op: path(op)[:1].isupper()))),
    Row("patch-path-creates", "noTarget for a new number", refuse(patching(lambda op: path(op) == _MOBILE))),
    Row("patch-path-adds", "ignores Add at a value path", drop(lambda op: path(op) == _OTHER_ADDRESS)),
    Row(
        "patch-path-merges",
        "appends instead of merging",
        lambda sent, serve: (
            serve(
                sent.patching(
                    *(
                        {
                            "op": "add",
                            "path": "addresses",
                            "value": [{"type": "work", path(op).rpartition(".")[2]: op["value"]}],
                        }
                        if 'addresses[type eq "work"]' in path(op)
                        else op
                        for op in sent.operations
                    )
                )
            )
            if sent.method == "PATCH"
            else serve(sent)
        ),
    ),
    Row("patch-no-path", "ignores operations without a path", drop(whole)),
    Row(
        "patch-no-path-dotted",
        "ignores dotted keys",
        lambda sent, serve: (
            serve(
                sent.patching(
                    *(
                        {**op, "value": {n: v for n, v in op["value"].items() if "." not in n or n.startswith("urn")}}
                        if whole(op) and op["op"] == "replace"
                        else op
                        for op in sent.operations
                    )
                )
            )
            if sent.method == "PATCH"
            else serve(sent)
        ),
    ),
    Row("patch-no-path-add", "ignores add without a path", drop(lambda op: whole(op) and op["op"] == "add")),
    Row(
        "patch-no-path-object",
        "400 for an extension's object",
        refuse(patching(lambda op: whole(op) and ENTERPRISE in op["value"])),
    ),
    Row(
        "patch-no-path-unknown",
        "400 for unknown keys",
        refuse(patching(lambda op: whole(op) and "scimDoctorUnknown" in op["value"])),
    ),
    Row("clear-empty-string", 'ignores ""', drop(lambda op: op.get("value") == "" and path(op) == "title")),
    Row(
        "clear-null",
        "400 for null",
        refuse(patching(lambda op: "value" in op and op["value"] is None and path(op) == "title")),
    ),
    Row("clear-remove", "ignores Remove", drop(lambda op: op["op"] == "Remove" and path(op) == "title")),
    Row("clear-no-path", 'ignores "" without a path', drop(lambda op: whole(op) and op["value"].get("title") == "")),
    Row(
        "clear-extension",
        "ignores Remove of an extension's attribute",
        drop(lambda op: op["op"] == "Remove" and path(op).endswith(":department")),
    ),
    Row(
        "patch-answer",
        "200 without the resource",
        answer(
            lambda s: s.method == "PATCH" and s.path.startswith("/Users"),
            lambda g: Got(200, {}) if g.status == 204 else g,
        ),
    ),
    Row(
        "patch-repeat",
        "appends each time",
        read(
            patching(lambda op: path(op) == 'emails[type eq "other"].value'),
            lambda s: s.patching(
                {
                    "op": "add",
                    "path": "emails",
                    "value": [{"type": "other", "value": f"{len(s.headers)}{id(s)}@example.com"}],
                }
            ),
        ),
    ),
    Row("patch-atomic", "half done", half_done),
    Row("patch-if-match", "no *", refuse(lambda s: s.headers.get("if-match") == "*", 412)),
    Row(
        "patch-stale",
        "ignores If-Match",
        read(_of_a_version, lambda s: s.but(headers=without("if-match")(s.headers))),
    ),
    Row("patch-stale", "400 instead of 412", answer(_of_a_version, lambda g: refused(400) if g.status == 412 else g)),
    Row(
        "patch-stale",
        "one version for ever",
        answer(one_of("/Users"), lambda g: g.but(headers={**g.headers, "etag": 'W/"1"'}) if g.status == 200 else g),
    ),
    Row("patch-primary", "two primaries", answer(one_of("/Users"), two_primaries)),
    Row(
        "attributes-schemas",
        "no schemas with attributes",
        answer(lambda s: "attributes" in s.parameters, lambda g: each(g, without("schemas"))),
    ),
    Row(
        "attributes-schemas",
        "no schemas with attributes in lists",
        answer(lambda s: "attributes" in s.parameters and listing("/Users")(s), lambda g: each(g, without("schemas"))),
    ),
    Row("limits", "no maxResults", configured("filter", maxResults=None)),
    Row("limits-kept", "pages above maxResults", configured("filter", maxResults=1)),
    Row("limits-kept", "pages above maxPageSize", configured("pagination", maxPageSize=1)),
    Row("paging-full", "pages of one", read(_of_more_than(1), lambda s: with_count(s, 1))),
    Row("paging-full", "pages of three", read(_of_more_than(3), lambda s: with_count(s, 3))),
    Row(
        "rename",
        "ignores a new userName",
        drop(lambda op: path(op) == "userName" and op["value"].endswith("-new@example.com")),
    ),
    Row("rename-found", "a cache of names", old_name_found()),
    Row("rename-no-path", "ignores userName without a path", drop(lambda op: whole(op) and "userName" in op["value"])),
    Row(
        "rename-taken",
        "ignores a name that is taken",
        answer(
            lambda s: s.method == "PATCH" and s.path.startswith("/Users"),
            lambda g: Got(204, None, {}) if g.status == 409 else g,
        ),
    ),
    Row("disable", 'ignores "False"', drop(lambda op: op.get("value") == "False")),
    Row("disable-boolean", "ignores false", drop(lambda op: path(op) == "active" and op["value"] is False)),
    Row("disable-no-path", "ignores active without a path", drop(lambda op: whole(op) and "active" in op["value"])),
    Row("restore", '400 for "True"', refuse(patching(lambda op: op.get("value") == "True"))),
    Row("restore-boolean", "can't be restored", drop(lambda op: path(op) == "active" and op["value"] is True)),
    Row(
        "disabled-visible",
        "hides disabled users",
        answer(
            listing("/Users"),
            lambda g: (
                g.having(
                    Resources=[one for one in g.body["Resources"] if one.get("active", True)],
                    totalResults=sum(one.get("active", True) for one in g.body["Resources"]),
                )
                if g.status == 200 and len(g.body["Resources"]) == 1 and "disabled" in str(g.body)
                else g
            ),
        ),
    ),
    Row(
        "manager-string",
        "400 for a manager as a string",
        refuse(patching(lambda op: _manager(op) and isinstance(op.get("value"), str) and op["value"] != "")),
    ),
    Row(
        "manager-object",
        "ignores a manager as an object",
        drop(lambda op: _manager(op) and isinstance(op.get("value"), dict) and op["value"]["value"] != ""),
    ),
    Row("manager-array", "400 for a manager in an array", refuse(patching(lambda op: path(op) == "manager"))),
    Row("manager-clear-empty", 'ignores ""', drop(lambda op: _manager(op) and op.get("value") == "")),
    Row(
        "manager-clear-object",
        "ignores an empty value",
        drop(lambda op: _manager(op) and op.get("value") == {"value": ""}),
    ),
    Row("manager-clear-null", "ignores null", drop(lambda op: _manager(op) and "value" in op and op["value"] is None)),
    Row(
        "manager-clear-remove",
        "500 for Remove",
        refuse(patching(lambda op: _manager(op) and op["op"] == "Remove"), 500),
    ),
    Row(
        "roles-text",
        "400 for JSON in a string",
        refuse(patching(lambda op: path(op) == "roles" and "{" in op["value"][0]["value"])),
    ),
    Row(
        "roles-replace",
        "replace appends",
        read(
            patching(lambda op: path(op) == "roles"),
            lambda s: s.patching(*({**op, "op": "add"} for op in s.operations)),
        ),
    ),
    Row("roles-quoted-primary", '400 for "True" in a path', refuse(patching(lambda op: 'primary eq "' in path(op)))),
    Row("group-create", "400 for a group", refuse(posting("/Groups"))),
    Row("group-create-schema", "400 for Entra's schema", refuse(posting("/Groups", lambda b: len(b["schemas"]) > 1))),
    Row("group-duplicate", "the same displayName twice", doubles(False, "/Groups", "displayName")),
    Row("group-duplicate-case", "displayName is unique by the letter", doubles(True, "/Groups", "displayName")),
    Row(
        "group-match",
        "ignores the filter",
        read(filtering('-group"', "/Groups"), lambda s: with_filter(s, "displayName pr")),
    ),
    Row("group-match-case", "filters by the letter", answer(lambda s: has_upper(s) and s.path == "/Groups", empty)),
    Row(
        "group-match-external-id", "externalId of groups can't be searched", refuse(filtering("externalId", "/Groups"))
    ),
    Row(
        "group-excluded-members",
        "ignores excludedAttributes",
        read(
            lambda s: s.path.startswith("/Groups") and "excludedAttributes" in s.query,
            lambda s: s.but(query=urlencode({n: v for n, v in s.parameters.items() if n != "excludedAttributes"})),
        ),
    ),
    Row(
        "group-rename",
        "displayName can't be changed",
        refuse(patching(lambda op: path(op) == "displayName", "/Groups")),
    ),
    Row("group-no-path", "ignores operations without a path", drop(whole, "/Groups")),
    Row(
        "group-patch-answer",
        "200 with all members",
        lambda sent, serve: (
            (serve(sent), serve(sent.but(method="GET", body=None)))[1]
            if sent.method == "PATCH" and sent.path.startswith("/Groups")
            else serve(sent)
        ),
    ),
    Row(
        "member-add",
        "members are read only",
        refuse(
            patching(
                lambda op: (
                    op["op"] == "Add"
                    and len(op["value"]) == 1
                    and current_thread() is main_thread()
                    and "$ref" in op["value"][0]
                ),
                "/Groups",
            )
        ),
    ),
    Row(
        "member-add-many",
        "adds the first only",
        lambda sent, serve: (
            serve(
                sent.patching(
                    *(
                        {**op, "value": op["value"][:1]} if op["op"] == "Add" and len(op["value"]) == 3 else op
                        for op in sent.operations
                    )
                )
            )
            if sent.path.startswith("/Groups/") and sent.method == "PATCH"
            else serve(sent)
        ),
    ),
    Row("member-add-again", "409 for a member who is there", second_member),
    Row("member-add-parallel", "lost updates", lost_updates()),
    Row(
        "member-remove-body",
        "removes all for one",
        lambda sent, serve: (
            serve(
                sent.patching(
                    *(
                        without("value")(op) if _members(op) and _small(op) and op.get("value") else op
                        for op in sent.operations
                    )
                )
            )
            if sent.method == "PATCH"
            else serve(sent)
        ),
    ),
    Row(
        "member-remove-path", "ignores a filter in remove", drop(lambda op: path(op).startswith("members["), "/Groups")
    ),
    Row(
        "member-remove-absent",
        "404 for nobody",
        lambda sent, serve: (
            refused(404)
            if sent.method == "PATCH"
            and any(
                _small(op)
                and op.get("value")
                and not {one["value"] for one in op["value"]}
                & {one["value"] for one in serve(sent.but(method="GET", body=None)).body.get("members", [])}
                for op in sent.operations
            )
            else serve(sent)
        ),
    ),
    Row(
        "member-remove-all",
        "400 without a value",
        refuse(patching(lambda op: _members(op) and "value" not in op, "/Groups")),
    ),
    Row(
        "member-remove-empty",
        "an empty list wipes the group",
        lambda sent, serve: (
            serve(
                sent.patching(
                    *(without("value")(op) if _small(op) and op.get("value") == [] else op for op in sent.operations)
                )
            )
            if sent.method == "PATCH"
            else serve(sent)
        ),
    ),
    Row(
        "member-replace",
        "replace adds",
        read(
            patching(lambda op: op["op"] == "replace" and _members(op), "/Groups"),
            lambda s: s.patching(*({**op, "op": "add"} for op in s.operations)),
        ),
    ),
    Row(
        "member-add-and-remove",
        "the first operation only",
        lambda sent, serve: (
            serve(sent.patching(sent.operations[0]))
            if sent.method == "PATCH" and sent.path.startswith("/Groups")
            else serve(sent)
        ),
    ),
    Row(
        "member-nested",
        "users only",
        lambda sent, serve: (
            refused(400)
            if sent.method == "PATCH"
            and sent.path.startswith("/Groups")
            and any(
                serve(sent.but(method="GET", path=f"/Groups/{one['value']}", body=None)).status == 200
                for op in sent.operations
                if isinstance(op.get("value"), list)
                for one in op["value"]
            )
            else serve(sent)
        ),
    ),
    Row("member-probe", "members can't be searched", refuse(filtering("members eq", "/Groups"))),
    Row("member-disabled", "disabling empties groups", members_leave_when_disabled),
    Row(
        "unknown-id",
        "400 for an unknown id",
        answer(one_of("/Users"), lambda g: refused(400) if g.status == 404 else g),
    ),
    Row(
        "error-form",
        "status as a number",
        answer(lambda s: True, lambda g: g.having(status=int(g.body["status"])) if g.status >= 400 else g),
    ),
    Row(
        "error-content-type",
        "errors as text",
        answer(
            lambda s: True,
            lambda g: g.but(headers={**g.headers, "content-type": "text/html"}) if g.status >= 400 else g,
        ),
    ),
    Row("strange-id", "500 for an id that is no UUID", refuse(lambda s: s.path.endswith("/00919288221112222"), 500)),
    Row(
        "unknown-filter-attribute",
        "unknown conditions are left out",
        read(filtering("scimDoctor"), lambda s: s.but(query="count=2")),
    ),
    Row("unknown-parameter", "400 for unknown parameters", refuse(lambda s: "scimDoctor=" in s.query)),
    Row("flag-parameter", "400 for the flag", refuse(lambda s: "aadOptscim" in s.query)),
    Row("trailing-slash", "404 for a slash at the end", refuse(lambda s: s.path.endswith("/"), 404)),
    Row("query-encoding", "+ isn't decoded", refuse(lambda s: "+eq+" in s.query)),
    Row(
        "list-form",
        "count as text",
        answer(
            lambda s: listing("/Users")(s) and _authenticated(s),
            lambda g: g.having(itemsPerPage=str(g.body["itemsPerPage"])) if g.status == 200 else g,
        ),
    ),
    Row(
        "count-zero",
        "count=0 is ignored",
        read(lambda s: s.parameters.get("count") == "0", lambda s: s.but(query="count=1")),
    ),
    Row(
        "start-below-one",
        "startIndex 0",
        answer(lambda s: s.parameters.get("startIndex") == "0", lambda g: g.having(startIndex=0)),
    ),
    Row("me", "a page of HTML for what isn't there", me(Got(404, b"<html>404</html>", {"content-type": "text/html"}))),
    Row("me", "500", me(refused(500))),
    Row("me", "redirects to a portal", me(Got(302, None, {"location": "https://portal.example.com/me"}))),
    Row("me-location", "no Location", me(Got(200, {"id": "1", "userName": "somebody"}))),
    Row("paging-walk", "totals of a page", page_totals),
    Row(
        "paging-start-index",
        "startIndex is always 1",
        answer(lambda s: listing("/Users")(s) and "externalId" in s.filter, lambda g: g.having(startIndex=1)),
    ),
    Row("paging-past-the-end", "the first page again", last_page_again),
    Row("pagination-config", "cursors unless asked", configured("pagination", defaultPaginationMethod="cursor")),
    Row("pagination-config", "no index", configured("pagination", index=False)),
    Row("pagination-config", "a timeout of nothing", configured("pagination", cursorTimeout=0)),
    Row(
        "cursor-index",
        "startIndex is ignored",
        read(
            lambda s: listing("/Users")(s) and s.parameters.get("startIndex") == "2" and s.parameters["count"] == "1",
            lambda s: s.but(query="startIndex=1&count=1"),
        ),
    ),
    Row("cursor-unknown", "the first page for any cursor", read(made_up, lambda s: with_cursor(s, ""))),
    Row("cursor-unknown", "no scimType", answer(made_up, lambda g: g.but(body=without("scimType")(g.body)))),
    Row(
        "cursor-walk",
        "the first page again",
        read(
            lambda s: bool(s.parameters.get("cursor")) and not made_up(s),
            lambda s: with_cursor(s, ""),
        ),
    ),
    Row(
        "cursor-walk",
        "no end",
        answer(
            lambda s: bool(s.parameters.get("cursor")) and not made_up(s),
            lambda g: g if "nextCursor" in g.body else g.having(nextCursor=""),
        ),
    ),
    Row(
        "cursor-walk",
        "no second page",
        answer(lambda s: "cursor" in s.parameters, lambda g: g.but(body=without("nextCursor")(g.body))),
    ),
    Row("cursor-letters", "cursors with padding", padded_cursors),
    Row(
        "cursor-first-page",
        "a way back from the first page",
        answer(lambda s: s.parameters.get("cursor") == "", lambda g: g.having(previousCursor="first")),
    ),
    Row("bulk-config", "bulk without a limit", configured("bulk", maxOperations=0)),
    Row("bulk-config", "nothing said", configured("bulk", supported=None)),
    Row("bulk-endpoint", "offered and not there", refuse(lambda s: s.path == "/Bulk", 404)),
    Row(
        "bulk-endpoint",
        "not offered and a fault",
        lambda sent, serve: (
            Got(500, b"<html>500</html>") if sent.path == "/Bulk" else configured("bulk", supported=False)(sent, serve)
        ),
    ),
    Row(
        "bulk-create",
        "200 for a creation",
        bulk_answers(lambda one: {**one, "status": "200"} if one["status"] == "201" else one),
    ),
    Row("bulk-create", "answered and not done", bulk_pretended),
    Row("bulk-id", "no bulkId", bulk_answers(without("bulkId"))),
    Row("bulk-status", "status as a number", bulk_answers(lambda one: {**one, "status": int(one["status"])})),
    Row("bulk-location", "no location", bulk_answers(without("location"))),
    Row("bulk-reference", "no references in paths", bulk_without_patches),
    Row("bulk-member", "no references in data", bulk_takes_text("bulkId:member")),
    Row("bulk-goes-on", "stops at the first error", bulk_reads(failOnErrors=1)),
    Row("bulk-error", "no response", bulk_answers(without("response"))),
    Row("bulk-stop", "ignores failOnErrors", bulk_reads(failOnErrors=None)),
    Row("bulk-unknown-reference", "stores what it can't find", bulk_takes_text("bulkId:nobody")),
    Row("bulk-too-many", "cut short", bulk_cut_short),
    Row(
        "user-delete",
        "200 for DELETE",
        answer(one_of("/Users", "DELETE"), lambda g: Got(200, {}) if g.status == 204 else g),
    ),
    Row("user-delete-gone", "DELETE disables", soft_deletion),
    Row(
        "user-delete-filter",
        "a stale index",
        lambda sent, serve: (
            serve(sent).having(totalResults=1, Resources=[{"id": "1"}])
            if "-deleted@" in sent.filter and filtering("userName")(sent)
            else serve(sent)
        ),
    ),
    Row("user-delete-twice", "204 each time", always_deleted),
    Row("user-delete-again", "names are never free again", names_are_kept()),
    Row("user-delete-member", "members outlive users", members_outlive_users()),
    Row(
        "group-delete-gone",
        "a deleted group is shown",
        lambda sent, serve: (
            Got(200, {"id": sent.path[8:], "displayName": "gone"})
            if one_of("/Groups")(sent) and serve(sent).status == 404
            else serve(sent)
        ),
        options="phantom",  # what is shown isn't there
    ),
    Row(
        "group-delete",
        "405 for DELETE of a group",
        answer(one_of("/Groups", "DELETE"), lambda g: Got(202, None, {}) if g.status == 204 else g),
    ),
    Row("load-errors", "gives out under load", every_fifth(), options="load"),
    Row("load-429", "429 without Retry-After", throttled, options="load"),
]
