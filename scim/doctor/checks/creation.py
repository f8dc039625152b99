"""Checks POST /Users with the bodies that Entra sends, and the responses."""

from functools import partial
from typing import Any, Final

from scim.doctor.assertions import CORE, ENTERPRISE, has_value, status, value_at
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import (
    CREATE,
    DUPLICATE_USER,
    GALLERY,
    HARMLESS,
    Effect,
    Effects,
    Impact,
    always,
    by_outcome,
)
from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault, Outcome, Skip

_PHONE: Final = "55555555555"


def create(context: CheckContext) -> None:
    body = context.user_body(
        "main",
        title="Tour Guide",
        phoneNumbers=[{"type": "work", "value": _PHONE}],
        roles=[],
        **{ENTERPRISE: {"department": "Tours", "employeeNumber": "701984"}},
    )
    answer = context.objects.post("Users", body)
    context.kept["created"] = answer
    context.kept["body"] = body
    id = context.accepted(answer)
    if not context.objects.owns("Users", id):
        raise Fault("the id in the answer leads to another user, or to one without the userName that was sent")
    context.kept["Users main"] = id


def location(context: CheckContext) -> None:
    answer: Exchange = context.kept["created"]
    context.client.exchanges.append(answer)
    if not answer.headers.get("location", "").rstrip("/").endswith(f"/Users/{context.kept['Users main']}"):
        raise Fault("the header Location is missing or leads elsewhere")


def meta(context: CheckContext) -> None:
    answer: Exchange = context.kept["created"]
    context.client.exchanges.append(answer)
    found = answer.resource.get("meta")
    if not isinstance(found, dict) or found.get("resourceType") != "User":
        raise Fault("meta.resourceType isn't User")
    missing = [name for name in ("created", "lastModified") if not found.get(name)]
    if missing:
        raise Fault(f"meta has no {' and no '.join(missing)}")


def whole(context: CheckContext) -> None:
    answer: Exchange = context.kept["created"]
    context.client.exchanges.append(answer)
    has_value(answer.resource, "userName", context.kept["body"]["userName"])
    has_value(answer.resource, "externalId", context.kept["body"]["externalId"])
    has_value(answer.resource, "active", True)


def values(context: CheckContext) -> None:
    body = context.kept["body"]
    found = context.read("Users", context.kept["Users main"])
    for path in ("userName", "externalId", "displayName", "title", "name.familyName", "name.givenName"):
        has_value(found, path, _at(body, path))
    has_value(found, "active", True)
    has_value(found, "emails[work].value", body["userName"])
    has_value(found, "phoneNumbers[work].value", _PHONE)
    has_value(found, f"{ENTERPRISE}.department", "Tours")
    has_value(found, f"{ENTERPRISE}.employeeNumber", "701984")


def _at(body: dict[str, Any], path: str) -> Any:
    for name in path.split("."):
        body = body[name]
    return body


def _accepts(context: CheckContext, label: str, more: dict[str, Any]) -> dict[str, Any]:
    """Return the user that a body creates, as GET returns it."""
    answer = context.objects.post("Users", context.user_body(label, **more))
    return context.read("Users", context.accepted(answer))


def nulls(context: CheckContext) -> None:
    _accepts(context, "nulls", dict.fromkeys(("addresses", "phoneNumbers", "preferredLanguage", "title")))


def unknown(context: CheckContext) -> None:
    # Entra's documentation shows the first two: a URN without its last colon, and department beside the core attributes.
    misspelt = f"{ENTERPRISE.removesuffix(':User')}User"
    urn = "urn:ietf:params:scim:schemas:extension:ScimDoctor:2.0:User"
    more = {"department": "Tours", "scimDoctorUnknown": "x", urn: {"scimDoctorUnknown": "x"}}
    _accepts(context, "unknown", {"schemas": [CORE, misspelt, urn], **more})


def assigned(context: CheckContext) -> None:
    sent = context.guid()
    found = _accepts(context, "assigned", {"id": sent, "groups": []})
    if found.get("id") == sent:
        raise Fault("the id that the client sent was taken", warning=True)


def active_as_string(context: CheckContext) -> None:
    for word, value in (("True", True), ("False", False)):
        has_value(_accepts(context, f"active-{word}", {"active": word}), "active", value)


def manager_as_string(context: CheckContext) -> None:
    boss = context.user("boss")
    found = _accepts(context, "managed-string", {ENTERPRISE: {"manager": boss}})
    has_value(found, f"{ENTERPRISE}.manager.value", boss)


def roles(context: CheckContext) -> None:
    role = {"primary": "True", "type": "WindowsAzureActiveDirectoryRole", "value": "Admin", "display": "Admin"}
    found = _accepts(context, "roles-created", {"roles": [role]}).get("roles")
    if not isinstance(found, list) or [one.get("value") for one in found if isinstance(one, dict)] != ["Admin"]:
        raise Fault(f"roles are {found!r} instead of the one that was sent")


def undeclared_extension(context: CheckContext) -> None:
    if value_at(context.read("Users", context.kept["Users main"]), f"{ENTERPRISE}.department") is None:
        raise Skip("the server doesn't keep an extension that schemas names either", needs="user-values")
    found = _accepts(context, "undeclared", {"schemas": [CORE], ENTERPRISE: {"department": "Tours"}})
    has_value(found, f"{ENTERPRISE}.department", "Tours")


def duplicate(context: CheckContext, label: str, turned: bool) -> None:
    context.user(label)
    name = context.objects.address(label)
    again = context.user_body(label, userName=name.upper() if turned else name, emails=[])
    answer = context.objects.post("Users", again)
    context.kept["conflict"] = answer
    status(answer, 409)


def conflict_type(context: CheckContext) -> None:
    answer: Exchange = context.kept["conflict"]
    context.client.exchanges.append(answer)
    if answer.resource.get("scimType") != "uniqueness":
        raise Fault("the 409 doesn't have the scimType uniqueness")


def shared_external_id(context: CheckContext) -> None:
    shared = context.guid()
    for label in ("shared-1", "shared-2", "shared-3", "shared-4", "shared-5"):
        context.accepted(context.objects.post("Users", context.user_body(label, externalId=shared)))
    context.kept["shared"] = shared


_WRITES: Final = partial(Check, only="write", needs=("user-create",))


def _created(accepted: str, impact: Impact) -> Effects:
    """Return the effects of a body that Entra sends, with a separate one for a body that was accepted."""
    return by_outcome(Effect(impact, accepted), CREATE[Outcome.REFUSED])


CHECKS: Final = (
    Check(
        "user-create",
        "POST of Entra's body creates a user: 201 with an id",
        _created(
            "Entra reads the id of the new user from the answer: without it the user can't be changed or disabled. With an id "
            "and another code than 201 a job may go on, and validators fail.",
            Impact.OBJECTS,
        ),
        "Answer POST /Users with 201 and the resource with its id; require nothing but userName, and name what is wrong in detail.",
        create,
        only="write",
    ),
    _WRITES(
        "user-create-answer",
        "The answer to POST holds what was stored",
        always(
            Impact.VALIDATION,
            "Microsoft's validator compares the answer with what it sent, and fails; a client that goes by the answer sends "
            "values again, or takes the user as disabled.",
        ),
        "Answer with the whole resource: userName, externalId and active among the rest.",
        whole,
    ),
    _WRITES(
        "user-create-location",
        "The answer to POST has a Location",
        GALLERY,
        "Send Location with the address of the new user (RFC 7644 §3.3).",
        location,
        warning=True,
    ),
    _WRITES(
        "user-create-meta",
        "The answer to POST has meta",
        GALLERY,
        "Give every resource meta with resourceType, created and lastModified.",
        meta,
        warning=True,
    ),
    _WRITES(
        "user-values",
        "GET shows the values as they were sent",
        CREATE,
        "Store values exactly as sent: no formatting of telephone numbers, no change of letter case, nothing left out.",
        values,
    ),
    _WRITES(
        "user-create-nulls",
        "Attributes that are null in a body are accepted",
        CREATE,
        "Read null as: no value.",
        nulls,
    ),
    _WRITES(
        "user-create-unknown",
        "Unknown attributes, extensions and schema URIs are accepted",
        CREATE,
        "Ignore attributes, extensions and schema URIs that you don't know instead of answering 400.",
        unknown,
    ),
    _WRITES(
        "user-create-assigned",
        "id and groups in a body are accepted, and the server assigns its own id",
        _created(
            "A job goes on: Entra reads the id from the answer. Clients that choose the same id take each other's user.",
            Impact.OTHER_CLIENTS,
        ),
        "Ignore what only the server assigns (id, meta, groups) instead of answering 400.",
        assigned,
    ),
    _WRITES(
        "user-create-active-string",
        'active may be "True" or "False", and is returned as a boolean',
        _created(
            "Entra takes the user as created: a user who should be disabled has access, or the reverse.",
            Impact.ACCESS,
        ),
        'Read "True" and "False" in any letter case as booleans where the schema says boolean.',
        active_as_string,
    ),
    _WRITES(
        "user-create-manager-string",
        "manager may be the bare id",
        CREATE,
        'Read a string where the manager should be as {"value": string}.',
        manager_as_string,
    ),
    _WRITES(
        "user-create-roles",
        'roles may be sent with primary "True"',
        _created("Entra takes the role as given: a user lacks a role, or has another one.", Impact.ACCESS),
        "Read the strings True and False as booleans in elements of lists too, and accept any text as the type of a role.",
        roles,
        needs=("user-create", "user-create-active-string"),
    ),
    _WRITES(
        "user-create-undeclared",
        "An extension that schemas doesn't name is stored",
        CREATE,
        "Go by the URN as a key of the body; Entra leaves URNs of custom extensions out of schemas.",
        undeclared_extension,
    ),
    _WRITES(
        "user-duplicate",
        "A POST with a userName that is taken is 409",
        DUPLICATE_USER,
        "Make userName unique in the database, and answer 409 with scimType uniqueness.",
        partial(duplicate, label="twice", turned=False),
    ),
    _WRITES(
        "user-duplicate-type",
        "The 409 has the scimType uniqueness",
        HARMLESS,
        "Add scimType: uniqueness to the 409 (RFC 7644 §3.12).",
        conflict_type,
        warning=True,
        needs=("user-create", "user-duplicate"),
    ),
    _WRITES(
        "user-duplicate-case",
        "A POST with a userName that is taken in other letter case is 409",
        DUPLICATE_USER,
        "Compare userName without letter case where it must be unique.",
        partial(duplicate, label="twice-case", turned=True),
        needs=("user-create", "user-duplicate"),
    ),
    _WRITES(
        "user-external-id-shared",
        "Users may have the same externalId",
        CREATE,
        "Don't make externalId unique: Entra's default is the mail nickname, which isn't.",
        shared_external_id,
    ),
)
