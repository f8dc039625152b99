"""Checks application roles in the forms of Entra's three ways to map them."""

from functools import partial
from typing import Any, Final

from scim.doctor.assertions import status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import ROLES
from scim.doctor.verdicts import Fault, Skip

_KIND: Final = "WindowsAzureActiveDirectoryRole"


def _role(value: str, primary: bool = False) -> dict[str, Any]:
    return {"primary": primary, "type": _KIND, "display": value, "value": value}


def _values(context: CheckContext, user: str) -> list[Any]:
    found = context.read("Users", user).get("roles") or []
    return sorted(str(one.get("value")) for one in found if isinstance(one, dict))


def as_text(context: CheckContext) -> None:
    user = context.user("roles-text")
    value = '{"id":"06b07648-ecfe-589f-9d2f-6325724a46ee","value":"Admin","displayName":"Admin"}'
    status(
        context.objects.patch("Users", user, [{"op": "Add", "path": "roles", "value": [{"value": value}]}]), 200, 204
    )
    if not _values(context, user):
        raise Fault("there is no role")


def replaced(context: CheckContext) -> None:
    user = context.user("roles-list")
    for wanted in (["Admin", "User"], ["User"]):
        value = [_role(role) for role in wanted]
        status(context.objects.patch("Users", user, [{"op": "replace", "path": "roles", "value": value}]), 200, 204)
        if _values(context, user) != wanted:
            raise Fault(f"the roles are {_values(context, user)} instead of {wanted}")


def quoted_primary(context: CheckContext) -> None:
    user = context.user("roles-primary", roles=[_role("Reader", primary=True)])
    if _values(context, user) != ["Reader"]:
        raise Skip("the server doesn't keep the roles that a POST names", needs="user-create-roles")
    operation = {"op": "Replace", "path": 'roles[primary eq "True"].value', "value": "Writer"}
    status(context.objects.patch("Users", user, [operation]), 200, 204)
    if _values(context, user) != ["Writer"]:
        raise Fault(f"the roles are {_values(context, user)} instead of ['Writer']")


_ROLES: Final = ("user-create", "user-create-roles")
_WRITES: Final = partial(Check, only="write", needs=("user-create",))

CHECKS: Final = (
    _WRITES(
        "roles-text",
        "A role given as JSON in a string",
        ROLES,
        "Accept a string of any content as the value of a role; read the JSON in it if the application needs it.",
        as_text,
        needs=("user-create", "patch-add"),
    ),
    _WRITES(
        "roles-replace",
        "replace of roles replaces the whole list",
        ROLES,
        "Replace the list: remove the roles that aren't in the new one.",
        replaced,
        needs=_ROLES,
    ),
    _WRITES(
        "roles-quoted-primary",
        'A path with [primary eq "True"]',
        ROLES,
        "Compare a quoted True or False with a boolean as a boolean.",
        quoted_primary,
        needs=(*_ROLES, "patch-replace", "patch-value-path"),
    ),
)
