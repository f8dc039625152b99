"""PATCH of a user in both dialects: the default job's (capitals, one operation per attribute) and the flag's."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from scim.doctor.catalogue import DOUBLED, ESCROW, NOT_FOUND, RETRY, SILENT, Check
from scim.doctor.expect import CORE, ENTERPRISE, at, none, one, same, status
from scim.doctor.verdicts import Fault, Skip
from scim.doctor.visit import Visit

_TEXTS: Final = "Read op in any letter case: RFC 7644 §3.5.2 writes it small, Entra with a capital."


@dataclass(frozen=True, slots=True)
class _Row:
    """Operations, and what GET shows afterwards (None: nothing is there)."""

    operations: tuple[dict[str, Any], ...]
    then: Mapping[str, Any]
    given: Mapping[str, Any] | None = None
    """What the user has before, in its POST."""


def _op(op: str, path: str | None = None, value: Any = ...) -> dict[str, Any]:
    parts = {"op": op, "path": path, "value": value}
    return {name: part for name, part in parts.items() if not (part is ... or (name == "path" and part is None))}


def _patch(visit: Visit, label: str, row: _Row) -> None:
    user = visit.user(label, **(row.given or {}))
    if row.given and any(at(visit.read("Users", user), path) in (None, "") for path in row.then):
        raise Skip("the server doesn't keep the value that is to be cleared")
    found = visit.changed(user, *row.operations)
    for path, value in row.then.items():
        same(found, path, value)


_MOBILE: Final = 'phoneNumbers[type eq "mobile"].value'
_ROWS: Final[tuple[tuple[str, str, str, str, _Row], ...]] = (
    (
        "patch-replace",
        "Replace with a capital letter",
        ESCROW,
        _TEXTS,
        _Row((_op("Replace", "displayName", "Barbara"),), {"displayName": "Barbara"}),
    ),
    (
        "patch-add",
        "Add of an attribute that isn't there",
        ESCROW,
        _TEXTS,
        _Row((_op("Add", "title", "Guide"),), {"title": "Guide"}),
    ),
    (
        "patch-several",
        "A value path and a dotted path in one request",
        ESCROW,
        "Carry out every operation of the list, and read paths with a filter and with a dot.",
        _Row(
            (
                _op("Replace", 'emails[type eq "work"].value', "new@example.com"),
                _op("Replace", "name.familyName", "Jensen"),
            ),
            {"emails[work].value": "new@example.com", "name.familyName": "Jensen", "name.givenName": "givenName"},
        ),
    ),
    (
        "patch-extension-path",
        "A path that is the extension's URN and an attribute",
        ESCROW,
        "Split a path that begins with urn: at the colon behind the schema's name (RFC 7644 §3.10).",
        _Row((_op("Replace", f"{ENTERPRISE}:department", "Tours"),), {f"{ENTERPRISE}.department": "Tours"}),
    ),
    (
        "patch-core-path",
        "A path that is the User schema's URN and an attribute",
        ESCROW,
        "Accept the URN of the User schema before an attribute as well.",
        _Row((_op("Replace", f"{CORE}:title", "Lead"),), {"title": "Lead"}),
    ),
    (
        "patch-path-case",
        "Attribute names in a path in other letter case",
        ESCROW,
        "Find attributes without letter case (RFC 7643 §2.1); Entra's default mapping writes .Value and .Formatted.",
        _Row(
            (_op("Replace", 'Emails[Type eq "work"].Value', "c@example.com"),), {"emails[work].value": "c@example.com"}
        ),
    ),
    (
        "patch-path-creates",
        "Replace at a value path that matches nothing makes the element",
        ESCROW,
        "Make the element, with the type that the filter names, instead of answering 400 noTarget or doing nothing.",
        _Row((_op("Replace", _MOBILE, "+1 555 0100"),), {"phoneNumbers[mobile].value": "+1 555 0100"}),
    ),
    (
        "patch-path-adds",
        "The same with Add",
        ESCROW,
        "Treat Add at a value path without a match like Replace: make the element.",
        _Row(
            (_op("Add", 'addresses[type eq "other"].Formatted', "Hollywood"),),
            {"addresses[other].formatted": "Hollywood"},
        ),
    ),
    (
        "patch-path-merges",
        "Two operations on one new element make one element",
        SILENT,
        "Look for the element again before each operation, so that the second finds what the first has made.",
        _Row(
            (
                _op("Add", 'addresses[type eq "work"].streetAddress', "Main 1"),
                _op("Add", 'addresses[type eq "work"].postalCode', "12345"),
            ),
            {"addresses[work].streetAddress": "Main 1", "addresses[work].postalCode": "12345"},
        ),
    ),
    (
        "patch-no-path",
        "replace without a path, with dotted and URN keys (the flag's form)",
        SILENT,
        "Without a path, read every key of the value like a path: name.givenName, URN:attribute.",
        _Row(
            (
                _op(
                    "replace",
                    None,
                    {"displayName": "Bjfe", "name.givenName": "Kkom", f"{ENTERPRISE}:employeeNumber": "Aklq"},
                ),
            ),
            {
                "displayName": "Bjfe",
                "name.givenName": "Kkom",
                "name.familyName": "familyName",
                f"{ENTERPRISE}.employeeNumber": "Aklq",
            },
        ),
    ),
    (
        "patch-no-path-add",
        "add without a path",
        SILENT,
        "Treat add without a path like replace for attributes with one value.",
        _Row(
            (_op("add", None, {"title": "Chief", "name.familyName": "Unua"}),),
            {"title": "Chief", "name.familyName": "Unua"},
        ),
    ),
    (
        "patch-no-path-object",
        "replace without a path, with an object for the extension",
        SILENT,
        "Merge an object under the extension's URN into what is there.",
        _Row((_op("replace", None, {ENTERPRISE: {"department": "Sales"}}),), {f"{ENTERPRISE}.department": "Sales"}),
    ),
    (
        "patch-no-path-unknown",
        "replace without a path with an unknown attribute and null",
        ESCROW,
        "Drop unknown keys, read null as: no value, and carry out the rest.",
        _Row(
            (_op("replace", None, {"scimDoctorUnknown": "x", "displayName": "Known", "nickName": None}),),
            {"displayName": "Known"},
        ),
    ),
    (
        "clear-empty-string",
        'Replace with "" clears an attribute',
        SILENT,
        'Take the value "" of an optional attribute for no value.',
        _Row((_op("Replace", "title", ""),), {"title": None}, {"title": "to be cleared"}),
    ),
    (
        "clear-null",
        "replace with null clears an attribute",
        SILENT,
        "Take null as a value for no value, with a path as well.",
        _Row((_op("replace", "title", None),), {"title": None}, {"title": "to be cleared"}),
    ),
    (
        "clear-remove",
        "Remove clears an attribute",
        SILENT,
        "Carry out Remove, in any letter case.",
        _Row((_op("Remove", "title"),), {"title": None}, {"title": "to be cleared"}),
    ),
    (
        "clear-no-path",
        'replace without a path clears an attribute by ""',
        SILENT,
        'Take "" and null for no value in operations without a path too.',
        _Row((_op("replace", None, {"title": ""}),), {"title": None}, {"title": "to be cleared"}),
    ),
    (
        "clear-extension",
        "Remove of an extension's attribute",
        SILENT,
        "Carry out Remove on a path that begins with the extension's URN.",
        _Row(
            (_op("Remove", f"{ENTERPRISE}:department"),),
            {f"{ENTERPRISE}.department": None},
            {ENTERPRISE: {"department": "Tours"}},
        ),
    ),
)


def one_element(visit: Visit) -> None:
    _patch(visit, "patch-path-merges", _by_id("patch-path-merges"))
    found = visit.read("Users", visit.user("patch-path-merges")).get("addresses")
    if not isinstance(found, list) or len(found) != 1:
        raise Fault("there are several addresses of the type work")


def _by_id(id: str) -> _Row:
    return next(row for name, _, _, _, row in _ROWS if name == id)


def answer(visit: Visit) -> None:
    user = visit.user("patch-answer")
    found = status(visit.objects.patch("Users", user, [_op("Replace", "title", "Answered")]), 200, 204)
    if found.status == 200 and found.resource.get("id") != user:
        raise Fault("a PATCH was answered 200 without the resource")


def repeated(visit: Visit) -> None:
    user = visit.user("patch-repeat")
    operation = _op("Add", 'emails[type eq "other"].value', "again@example.com")
    visit.changed(user, operation)
    emails = visit.changed(user, operation).get("emails") or []
    if len([one for one in emails if isinstance(one, dict) and one.get("type") == "other"]) != 1:
        raise Fault("the second time made a second element")


def atomic(visit: Visit) -> None:
    user = visit.user("patch-atomic")
    before = visit.read("Users", user).get("displayName")
    taken = visit.objects.address("main")
    answer = visit.objects.patch(
        "Users", user, [_op("Replace", "displayName", "Half"), _op("Replace", "userName", taken)]
    )
    if answer.status < 400:
        raise Skip("a userName that is taken wasn't refused")
    if visit.read("Users", user).get("displayName") != before:
        raise Fault("a PATCH that was refused has changed the user")


def etag(visit: Visit) -> None:
    user = visit.user("patch-etag")
    status(visit.objects.patch("Users", user, [_op("Replace", "title", "1")], headers={"If-Match": "*"}), 200, 204)
    status(visit.objects.patch("Users", user, [_op("Replace", "title", "2")]), 200, 204)


def rename(visit: Visit, label: str, whole: bool) -> None:
    user = visit.user(label)
    old, new = visit.objects.address(label), visit.objects.address(f"{label}-new")
    operation = _op("replace", None, {"userName": new}) if whole else _op("Replace", "userName", new)
    same(visit.changed(user, operation), "userName", new)
    visit.kept[f"{label} names"] = (user, old, new)


def found_by_new_name(visit: Visit) -> None:
    user, old, new = visit.kept["rename names"]
    one(visit.client.get("/Users", filter=f'userName eq "{new}"'), user)
    none(visit.client.get("/Users", filter=f'userName eq "{old}"'))


def rename_taken(visit: Visit) -> None:
    user = visit.user("rename-taken")
    status(visit.objects.patch("Users", user, [_op("Replace", "userName", visit.objects.address("main"))]), 409)


_WRITES: Final = partial(Check, only="write", needs=("user-create",))
_OWN: Final = {"patch-path-merges": one_element}

CHECKS: Final = (
    *(
        _WRITES(id, title, effect, fix, _OWN.get(id) or partial(_patch, label=id, row=row))
        for id, title, effect, fix, row in _ROWS
    ),
    _WRITES(
        "patch-answer",
        "PATCH of a user is answered 204, or 200 with the resource",
        RETRY,
        "Answer 204 without a body, or 200 with the whole resource.",
        answer,
    ),
    _WRITES(
        "patch-repeat",
        "The same PATCH twice is harmless",
        SILENT,
        "Change the element that the first request made instead of appending another; Entra repeats requests.",
        repeated,
    ),
    _WRITES(
        "patch-atomic",
        "A PATCH that is refused changes nothing",
        SILENT,
        "Carry out all operations of a request or none (RFC 7644 §3.5.2).",
        atomic,
        needs=("user-create", "user-duplicate"),
    ),
    _WRITES(
        "patch-if-match",
        "PATCH works with If-Match: * and without If-Match",
        ESCROW,
        "Compare entity tags only if the client sends one; Entra sends none. * fits every resource.",
        etag,
        warning=True,
    ),
    _WRITES(
        "rename",
        "Replace of userName renames",
        ESCROW,
        "Let userName be changed; it is the matching attribute, and people marry.",
        partial(rename, label="rename", whole=False),
    ),
    _WRITES(
        "rename-found",
        "A renamed user is found by the new name and not by the old one",
        NOT_FOUND,
        "Change index and cache together with the name.",
        found_by_new_name,
        needs=("user-create", "match-user-name", "rename"),
    ),
    _WRITES(
        "rename-no-path",
        "replace of userName without a path renames",
        SILENT,
        "Treat userName in an operation without a path like any other attribute.",
        partial(rename, label="rename-whole", whole=True),
    ),
    _WRITES(
        "rename-taken",
        "Renaming to a name that is taken is 409",
        DOUBLED,
        "Check uniqueness on PATCH as well as on POST.",
        rename_taken,
        needs=("user-create", "user-duplicate"),
    ),
)
