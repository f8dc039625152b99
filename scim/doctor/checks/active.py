"""Disable, still visible, restore: how Entra takes access away and gives it back."""

from functools import partial
from typing import Any, Final

from scim.doctor.catalogue import ACCESS, ANCHOR, ESCROW, Check
from scim.doctor.expect import one, same
from scim.doctor.verdicts import Skip
from scim.doctor.visit import Visit

_STRING_OFF: Final = {"op": "Replace", "path": "active", "value": "False"}
_STRING_ON: Final = {"op": "Replace", "path": "active", "value": "True"}


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
    ("disable", 'Replace of active by the string "False" disables', True, _STRING_OFF),
    (
        "disable-boolean",
        "replace of active by false disables",
        True,
        {"op": "replace", "path": "active", "value": False},
    ),
    ("disable-no-path", "replace without a path disables", True, {"op": "replace", "value": {"active": False}}),
    ("restore", 'Replace of active by the string "True" restores', False, _STRING_ON),
    (
        "restore-boolean",
        "replace of active by true restores",
        False,
        {"op": "replace", "path": "active", "value": True},
    ),
)

CHECKS: Final = (
    *(
        _WRITES(id, title, ACCESS, _FIX, partial(_set, label=id, before=before, operation=operation))
        for id, title, before, operation in _ROWS
    ),
    _WRITES(
        "disabled-visible",
        "A disabled user is still found, by id and by filter",
        f"{ANCHOR} {ESCROW}",
        "Leave active out of queries: only a deleted user is gone.",
        still_visible,
        needs=("user-create", "match-user-name"),
    ),
)
