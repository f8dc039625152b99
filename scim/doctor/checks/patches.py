"""Checks PATCH of a user in Entra's two forms: the default one (capitals, one operation per attribute), and that of the
aadOptscim062020 flag.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from scim.doctor.assertions import CORE, ENTERPRISE, has_value, status, value_at
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import CHANGE, Effect, Effects, Impact
from scim.doctor.verdicts import Fault, Outcome, Skip

_TEXTS: Final = "Read op in any letter case: RFC 7644 §3.5.2 has small letters, Entra sends a capital."
_MOBILE: Final = 'phoneNumbers[type eq "mobile"].value'


@dataclass(frozen=True, slots=True)
class _Row:
    """Operations, and the values that GET returns afterwards (None: no value)."""

    operations: tuple[dict[str, Any], ...]
    then: Mapping[str, Any]
    given: Mapping[str, Any] | None = None
    """The values of the user before, in its POST."""


def _op(op: str, path: str | None = None, value: Any = ...) -> dict[str, Any]:
    parts = {"op": op, "path": path, "value": value}
    return {name: part for name, part in parts.items() if not (part is ... or (name == "path" and part is None))}


def _patch(context: CheckContext, label: str, row: _Row) -> None:
    user = context.user(label, **(row.given or {}))
    if row.given and any(value_at(context.read("Users", user), path) in (None, "") for path in row.then):
        raise Skip("the server doesn't keep the value that is to be cleared", needs="user-values")
    found = context.changed(user, *row.operations)
    for path, value in row.then.items():
        has_value(found, path, value)


# id, title, fix, operations; then the checks of the forms that the operations are made of.
_ROWS: Final[tuple[tuple[str, str, str, _Row, tuple[str, ...]], ...]] = (
    (
        "patch-replace",
        "Replace with a capital letter",
        _TEXTS,
        _Row((_op("Replace", "displayName", "Barbara"),), {"displayName": "Barbara"}),
        (),
    ),
    (
        "patch-add",
        "Add, with a capital letter, of an attribute without a value",
        _TEXTS,
        _Row((_op("Add", "title", "Guide"),), {"title": "Guide"}),
        (),
    ),
    (
        "patch-value-path",
        "A path with a filter in brackets",
        "Support value paths in PATCH: the filter selects the element, the name after it the sub-attribute.",
        _Row(
            (_op("Replace", 'emails[type eq "work"].value', "new@example.com"),),
            {"emails[work].value": "new@example.com"},
        ),
        ("patch-replace",),
    ),
    (
        "patch-dotted-path",
        "A path with a dot",
        "Support paths of a sub-attribute, and leave the other sub-attributes as they are.",
        _Row(
            (_op("Replace", "name.familyName", "Jensen"),),
            {"name.familyName": "Jensen", "name.givenName": "givenName"},
        ),
        ("patch-replace",),
    ),
    (
        "patch-several",
        "Several operations in one request",
        "Carry out every operation of the list, in its order.",
        _Row(
            (_op("Replace", "displayName", "Babs"), _op("Replace", "title", "Second")),
            {"displayName": "Babs", "title": "Second"},
        ),
        ("patch-replace",),
    ),
    (
        "patch-extension-path",
        "A path that is the extension's URN and an attribute",
        "Split a path that begins with urn: at the colon after the schema's name (RFC 7644 §3.10).",
        _Row((_op("Replace", f"{ENTERPRISE}:department", "Tours"),), {f"{ENTERPRISE}.department": "Tours"}),
        ("patch-replace",),
    ),
    (
        "patch-core-path",
        "A path that is the User schema's URN and an attribute",
        "Accept the URN of the User schema before an attribute as well.",
        _Row((_op("Replace", f"{CORE}:title", "Lead"),), {"title": "Lead"}),
        ("patch-replace",),
    ),
    (
        "patch-path-case",
        "Attribute names in a path in other letter case",
        "Compare attribute names without letter case (RFC 7643 §2.1); Entra's default mapping has .Value and .Formatted.",
        _Row(
            (_op("Replace", 'Emails[Type eq "work"].Value', "c@example.com"),), {"emails[work].value": "c@example.com"}
        ),
        ("patch-value-path",),
    ),
    (
        "patch-path-creates",
        "Replace at a value path that matches nothing creates the element",
        "Create the element, with the type that the filter names, instead of answering 400 noTarget or doing nothing.",
        _Row((_op("Replace", _MOBILE, "+1 555 0100"),), {"phoneNumbers[mobile].value": "+1 555 0100"}),
        ("patch-value-path",),
    ),
    (
        "patch-path-adds",
        "Add at a value path that matches nothing creates the element",
        "Treat Add at a value path without a match like Replace: create the element.",
        _Row(
            (_op("Add", 'addresses[type eq "other"].formatted', "Hollywood"),),
            {"addresses[other].formatted": "Hollywood"},
        ),
        ("patch-add", "patch-value-path"),
    ),
    (
        "patch-no-path",
        "replace without a path",
        "Without a path, read every key of the value as the path of an operation of its own.",
        _Row((_op("replace", None, {"displayName": "Bjfe"}),), {"displayName": "Bjfe"}),
        (),
    ),
    (
        "patch-no-path-dotted",
        "replace without a path, with dotted and URN keys (form with the aadOptscim062020 flag)",
        "Without a path, read every key of the value like a path: name.givenName, URN:attribute.",
        _Row(
            (_op("replace", None, {"name.givenName": "Kkom", f"{ENTERPRISE}:employeeNumber": "Aklq"}),),
            {"name.givenName": "Kkom", "name.familyName": "familyName", f"{ENTERPRISE}.employeeNumber": "Aklq"},
        ),
        ("patch-no-path",),
    ),
    (
        "patch-no-path-add",
        "add without a path",
        "Treat add without a path like replace for attributes with one value.",
        _Row((_op("add", None, {"title": "Chief"}),), {"title": "Chief"}),
        ("patch-no-path",),
    ),
    (
        "patch-no-path-object",
        "replace without a path, with an object for the extension",
        "Merge an object under the extension's URN into the values that are there.",
        _Row((_op("replace", None, {ENTERPRISE: {"department": "Sales"}}),), {f"{ENTERPRISE}.department": "Sales"}),
        ("patch-no-path",),
    ),
    (
        "patch-no-path-unknown",
        "replace without a path with an unknown attribute and null",
        "Ignore unknown keys, read null as: no value, and carry out the rest.",
        _Row(
            (_op("replace", None, {"scimDoctorUnknown": "x", "displayName": "Known", "nickName": None}),),
            {"displayName": "Known"},
        ),
        ("patch-no-path",),
    ),
    (
        "clear-empty-string",
        'Replace with "" clears an attribute',
        'Read the value "" of an optional attribute as: no value.',
        _Row((_op("Replace", "title", ""),), {"title": None}, {"title": "to be cleared"}),
        ("patch-replace",),
    ),
    (
        "clear-null",
        "replace with null clears an attribute",
        "Read a value of null as: no value, with a path too.",
        _Row((_op("replace", "title", None),), {"title": None}, {"title": "to be cleared"}),
        (),
    ),
    (
        "clear-remove",
        "Remove clears an attribute",
        "Carry out Remove, in any letter case.",
        _Row((_op("Remove", "title"),), {"title": None}, {"title": "to be cleared"}),
        (),
    ),
    (
        "clear-no-path",
        'replace without a path clears an attribute by ""',
        'Read "" and null as: no value, in operations without a path too.',
        _Row((_op("replace", None, {"title": ""}),), {"title": None}, {"title": "to be cleared"}),
        ("patch-no-path",),
    ),
    (
        "clear-extension",
        "Remove of an extension's attribute",
        "Carry out Remove on a path that begins with the extension's URN.",
        _Row(
            (_op("Remove", f"{ENTERPRISE}:department"),),
            {f"{ENTERPRISE}.department": None},
            {ENTERPRISE: {"department": "Tours"}},
        ),
        ("clear-remove", "patch-extension-path"),
    ),
)
_MERGES: Final = _Row(
    (
        _op("Add", 'addresses[type eq "work"].streetAddress', "Main 1"),
        _op("Add", 'addresses[type eq "work"].postalCode', "12345"),
    ),
    {"addresses[work].streetAddress": "Main 1", "addresses[work].postalCode": "12345"},
)


def one_element(context: CheckContext) -> None:
    _patch(context, "patch-path-merges", _MERGES)
    found = context.read("Users", context.user("patch-path-merges")).get("addresses")
    if not isinstance(found, list) or len(found) != 1:
        raise Fault("there are several addresses of the type work")


def answer(context: CheckContext) -> None:
    user = context.user("patch-answer")
    found = status(context.objects.patch("Users", user, [_op("Replace", "title", "Answered")]), 200, 204)
    if found.status == 200 and found.resource.get("id") != user:
        raise Fault("a PATCH was answered 200 without the resource")


def repeated(context: CheckContext) -> None:
    user = context.user("patch-repeat")
    operation = _op("Add", 'emails[type eq "other"].value', "again@example.com")
    context.changed(user, operation)
    emails = context.changed(user, operation).get("emails") or []
    if len([one for one in emails if isinstance(one, dict) and one.get("type") == "other"]) != 1:
        raise Fault("the second time made a second element")


def one_primary(context: CheckContext) -> None:
    user = context.user("patch-primary")
    new = {"type": "home", "value": "primary@example.com", "primary": True}
    emails = context.changed(user, _op("add", "emails", [new])).get("emails") or []
    primary = [one.get("value") for one in emails if isinstance(one, dict) and one.get("primary") is True]
    if primary != [new["value"]]:
        raise Fault(f"{len(primary)} e-mail addresses are primary instead of the new one alone")


_WRITES: Final = partial(Check, only="write", needs=("user-create",))


def _own(impact: Impact, accepted: str) -> Effects:
    """Return the effects of a change, with a separate one for a change that was accepted."""
    return {**CHANGE, Outcome.ACCEPTED: Effect(impact, accepted)}


CHECKS: Final = (
    *(
        _WRITES(id, title, CHANGE, fix, partial(_patch, label=id, row=row), needs=("user-create", *needs))
        for id, title, fix, row, needs in _ROWS
    ),
    _WRITES(
        "patch-path-merges",
        "Two operations on one new element create one element",
        CHANGE,
        "Look for the element again before each operation, so that the second finds the one that the first has created.",
        one_element,
        needs=("user-create", "patch-several", "patch-path-adds"),
    ),
    _WRITES(
        "patch-answer",
        "PATCH of a user is answered 204, or 200 with the resource",
        _own(
            Impact.CHANGES, "Entra expects the resource in a 200; the change may be recorded as a failure and repeated."
        ),
        "Answer 204 without a body, or 200 with the whole resource.",
        answer,
        needs=("user-create", "patch-replace"),
    ),
    _WRITES(
        "patch-repeat",
        "The same PATCH twice leaves one element",
        _own(
            Impact.VALUES, "Entra repeats requests that got no answer in time: each time the value is there once more."
        ),
        "Change the element that the first request created instead of appending another; Entra repeats requests.",
        repeated,
        needs=("user-create", "patch-path-adds"),
    ),
    _WRITES(
        "patch-primary",
        "A new primary element unsets the old one",
        _own(
            Impact.VALUES,
            "Entra takes the change as done. The application has two primary addresses, and which of them gets mail is up to "
            "chance; strict clients refuse the user.",
        ),
        "When a PATCH sets primary to true, set it to false on every other element (RFC 7644 §3.5.2).",
        one_primary,
    ),
)
