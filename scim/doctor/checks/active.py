"""Disable, still visible, restore: how Entra takes access away and gives it back."""

from functools import partial
from typing import Any, Final

from scim.doctor.catalogue import Check
from scim.doctor.effects import DISABLE, READ, RESTORE, Effect, Impact, by_outcome
from scim.doctor.expect import one, same
from scim.doctor.verdicts import Outcome, Skip
from scim.doctor.visit import Visit


def _set(visit: Visit, label: str, before: bool, operation: dict[str, Any]) -> None:
    user = visit.user(label, active=before)
    if visit.read("Users", user).get("active") is not before:
        raise Skip(f"POST with active {str(before).lower()} doesn't make such a user")
    same(visit.changed(user, operation), "active", not before)


def still_visible(visit: Visit) -> None:
    user = visit.user("disabled", active=False)
    visit.read("Users", user)
    one(visit.client.get("/Users", filter=f'userName eq "{visit.objects.address("disabled")}"'), user)


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
        'Replace of active by the string "False" disables (the default job\'s form)',
        True,
        {"op": "Replace", "path": "active", "value": "False"},
        ("patch-replace", "disable-boolean"),
    ),
    (
        "disable-no-path",
        "replace without a path disables (the flag's form)",
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
        'Replace of active by the string "True" restores (the default job\'s form)',
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
