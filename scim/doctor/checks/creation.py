"""POST /Users with the bodies that Entra sends, and what comes back."""

from functools import partial
from typing import Any, Final

from scim.doctor.catalogue import Check
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
from scim.doctor.expect import CORE, ENTERPRISE, at, same, status
from scim.doctor.verdicts import Fault, Outcome, Skip
from scim.doctor.visit import Visit

_PHONE: Final = "55555555555"


def create(visit: Visit) -> None:
    body = visit.user_body(
        "main",
        title="Tour Guide",
        phoneNumbers=[{"type": "work", "value": _PHONE}],
        roles=[],
        **{ENTERPRISE: {"department": "Tours", "employeeNumber": "701984"}},
    )
    answer = visit.objects.post("Users", body)
    visit.kept["created"] = answer
    visit.kept["body"] = body
    id = visit.accepted(answer)
    if not visit.objects.owns("Users", id):
        raise Fault("the id in the answer leads to another user, or to one without the userName that was sent")
    visit.kept["Users main"] = id


def location(visit: Visit) -> None:
    answer: Exchange = visit.kept["created"]
    visit.client.exchanges.append(answer)
    if not answer.headers.get("location", "").rstrip("/").endswith(f"/Users/{visit.kept['Users main']}"):
        raise Fault("the header Location is missing or leads elsewhere")


def meta(visit: Visit) -> None:
    answer: Exchange = visit.kept["created"]
    visit.client.exchanges.append(answer)
    found = answer.resource.get("meta")
    if not isinstance(found, dict) or found.get("resourceType") != "User":
        raise Fault("meta.resourceType isn't User")
    missing = [name for name in ("created", "lastModified") if not found.get(name)]
    if missing:
        raise Fault(f"meta has no {' and no '.join(missing)}")


def whole(visit: Visit) -> None:
    answer: Exchange = visit.kept["created"]
    visit.client.exchanges.append(answer)
    same(answer.resource, "userName", visit.kept["body"]["userName"])
    same(answer.resource, "externalId", visit.kept["body"]["externalId"])
    same(answer.resource, "active", True)


def values(visit: Visit) -> None:
    body = visit.kept["body"]
    found = visit.read("Users", visit.kept["Users main"])
    for path in ("userName", "externalId", "displayName", "title", "name.familyName", "name.givenName"):
        same(found, path, _at(body, path))
    same(found, "active", True)
    same(found, "emails[work].value", body["userName"])
    same(found, "phoneNumbers[work].value", _PHONE)
    same(found, f"{ENTERPRISE}.department", "Tours")
    same(found, f"{ENTERPRISE}.employeeNumber", "701984")


def _at(body: dict[str, Any], path: str) -> Any:
    for name in path.split("."):
        body = body[name]
    return body


def _accepts(visit: Visit, label: str, more: dict[str, Any]) -> dict[str, Any]:
    """The user that a body makes, as GET shows it."""
    answer = visit.objects.post("Users", visit.user_body(label, **more))
    return visit.read("Users", visit.accepted(answer))


def nulls(visit: Visit) -> None:
    _accepts(visit, "nulls", dict.fromkeys(("addresses", "phoneNumbers", "preferredLanguage", "title")))


def unknown(visit: Visit) -> None:
    # Entra's documentation shows the first two: a URN without its last colon, and department beside the core attributes.
    misspelt = f"{ENTERPRISE.removesuffix(':User')}User"
    urn = "urn:ietf:params:scim:schemas:extension:ScimDoctor:2.0:User"
    more = {"department": "Tours", "scimDoctorUnknown": "x", urn: {"scimDoctorUnknown": "x"}}
    _accepts(visit, "unknown", {"schemas": [CORE, misspelt, urn], **more})


def assigned(visit: Visit) -> None:
    sent = visit.guid()
    found = _accepts(visit, "assigned", {"id": sent, "groups": []})
    if found.get("id") == sent:
        raise Fault("the id that the client sent was taken", warning=True)


def active_as_string(visit: Visit) -> None:
    for word, value in (("True", True), ("False", False)):
        same(_accepts(visit, f"active-{word}", {"active": word}), "active", value)


def manager_as_string(visit: Visit) -> None:
    boss = visit.user("boss")
    found = _accepts(visit, "managed-string", {ENTERPRISE: {"manager": boss}})
    same(found, f"{ENTERPRISE}.manager.value", boss)


def roles(visit: Visit) -> None:
    role = {"primary": "True", "type": "WindowsAzureActiveDirectoryRole", "value": "Admin", "display": "Admin"}
    found = _accepts(visit, "roles-created", {"roles": [role]}).get("roles")
    if not isinstance(found, list) or [one.get("value") for one in found if isinstance(one, dict)] != ["Admin"]:
        raise Fault(f"roles are {found!r} instead of the one that was sent")


def undeclared_extension(visit: Visit) -> None:
    if at(visit.read("Users", visit.kept["Users main"]), f"{ENTERPRISE}.department") is None:
        raise Skip("the server doesn't keep an extension that schemas names either", needs="user-values")
    found = _accepts(visit, "undeclared", {"schemas": [CORE], ENTERPRISE: {"department": "Tours"}})
    same(found, f"{ENTERPRISE}.department", "Tours")


def duplicate(visit: Visit, label: str, turned: bool) -> None:
    visit.user(label)
    name = visit.objects.address(label)
    again = visit.user_body(label, userName=name.upper() if turned else name, emails=[])
    answer = visit.objects.post("Users", again)
    visit.kept["conflict"] = answer
    status(answer, 409)


def conflict_type(visit: Visit) -> None:
    answer: Exchange = visit.kept["conflict"]
    visit.client.exchanges.append(answer)
    if answer.resource.get("scimType") != "uniqueness":
        raise Fault("the 409 doesn't have the scimType uniqueness")


def shared_external_id(visit: Visit) -> None:
    shared = visit.guid()
    for label in ("shared-1", "shared-2", "shared-3", "shared-4", "shared-5"):
        visit.accepted(visit.objects.post("Users", visit.user_body(label, externalId=shared)))
    visit.kept["shared"] = shared


_WRITES: Final = partial(Check, only="write", needs=("user-create",))


def _created(accepted: str, impact: Impact) -> Effects:
    """Return the effects of a body that Entra sends, with one of its own for a body that was accepted."""
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
            "Entra takes the user as created: somebody who should be disabled has access, or the reverse.",
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
        _created("Entra takes the role as given: somebody lacks a role, or has another one.", Impact.ACCESS),
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
