"""Checks disabling, finding and restoring users."""

from functools import partial
from typing import Any, Final

from scim.doctor.assertions import has_value, only_one
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import DISABLE, READ, RESTORE, Effect, Impact, by_outcome
from scim.doctor.verdicts import Outcome, Skip


def _set(context: CheckContext, label: str, before: bool, operation: dict[str, Any]) -> None:
    user = context.user(label, active=before)
    if context.read("Users", user).get("active") is not before:
        raise Skip(f"POST with active {str(before).lower()} doesn't make such a user")
    has_value(context.changed(user, operation), "active", not before)


def still_visible(context: CheckContext) -> None:
    user = context.user("disabled", active=False)
    context.read("Users", user)
    only_one(context.client.get("/Users", filter=f'userName eq "{context.objects.address("disabled")}"'), user)


_WRITES: Final = partial(Check, only="write", needs=("user-create",))
_FIX: Final = 'Read "True", "False", true and false as booleans, with a path and without, and answer a JSON boolean.'
_ROWS: Final = (
    (
        "disable-boolean",
        "replace of active by false disables",
        True,
        {"op": "replace", "path": "active", "value": False},
        (),
    ),
    (
        "disable",
        'Replace of active by the string "False" disables (Entra\'s default form)',
        True,
        {"op": "Replace", "path": "active", "value": "False"},
        ("patch-replace", "disable-boolean"),
    ),
    (
        "disable-no-path",
        "replace without a path disables (form with the aadOptscim062020 flag)",
        True,
        {"op": "replace", "value": {"active": False}},
        ("patch-no-path", "disable-boolean"),
    ),
    (
        "restore-boolean",
        "replace of active by true restores",
        False,
        {"op": "replace", "path": "active", "value": True},
        ("disable-boolean",),
    ),
    (
        "restore",
        'Replace of active by the string "True" restores (Entra\'s default form)',
        False,
        {"op": "Replace", "path": "active", "value": "True"},
        ("disable", "restore-boolean"),
    ),
)

CHECKS: Final = (
    *(
        _WRITES(
            id,
            title,
            DISABLE if before else RESTORE,
            _FIX,
            partial(_set, label=id, before=before, operation=operation),
            needs=("user-create", *needs),
        )
        for id, title, before, operation, needs in _ROWS
    ),
    _WRITES(
        "disabled-visible",
        "A disabled user is still found, by id and by filter",
        by_outcome(
            Effect(
                Impact.OBJECTS,
                "Entra takes the disabled user as missing: when the person comes back, it creates the user again and gets a 409 "
                "(EntryConflict), or makes a second account.",
            ),
            READ[Outcome.REFUSED],
            not_found=READ[Outcome.NOT_FOUND],
        ),
        "Leave active out of queries: only a deleted user is gone.",
        still_visible,
        needs=("user-create", "match-user-name"),
    ),
)
