"""Checks that change a userName, and changes that must fail because the new one is taken."""

from functools import partial
from typing import Any, Final

from scim.doctor.catalogue import Check
from scim.doctor.effects import CHANGE, DUPLICATE_USER, MATCH, Effect, Impact, always
from scim.doctor.expect import none, one, same, status
from scim.doctor.verdicts import Fault, Outcome, Skip
from scim.doctor.visit import Visit


def _named(name: str) -> dict[str, Any]:
    return {"op": "Replace", "path": "userName", "value": name}


def _rename(visit: Visit, label: str, whole: bool) -> None:
    user = visit.user(label)
    old, new = visit.objects.address(label), visit.objects.address(f"{label}-new")
    operation = {"op": "replace", "value": {"userName": new}} if whole else _named(new)
    same(visit.changed(user, operation), "userName", new)
    visit.kept[f"{label} names"] = (user, old, new)


def found_by_new_name(visit: Visit) -> None:
    user, old, new = visit.kept["rename names"]
    one(visit.client.get("/Users", filter=f'userName eq "{new}"'), user)
    none(visit.client.get("/Users", filter=f'userName eq "{old}"'))


def taken(visit: Visit) -> None:
    user = visit.user("rename-taken")
    status(visit.objects.patch("Users", user, [_named(visit.objects.address("main"))]), 409)


def atomic(visit: Visit) -> None:
    user = visit.user("patch-atomic")
    before = visit.read("Users", user).get("displayName")
    operations = [{"op": "Replace", "path": "displayName", "value": "Half"}, _named(visit.objects.address("main"))]
    answer = visit.objects.patch("Users", user, operations)
    if answer.status < 400:
        raise Skip("a userName that is taken wasn't refused")
    if visit.read("Users", user).get("displayName") != before:
        raise Fault("a PATCH that was refused has changed the user")


_WRITES: Final = partial(Check, only="write")

CHECKS: Final = (
    _WRITES(
        "rename",
        "Replace of userName renames",
        CHANGE,
        "Let userName be changed; it is the matching attribute, and people's names change.",
        partial(_rename, label="rename", whole=False),
        needs=("user-create", "patch-replace"),
    ),
    _WRITES(
        "rename-found",
        "A renamed user is found by the new name and not by the old one",
        MATCH,
        "Change index and cache together with the name.",
        found_by_new_name,
        needs=("user-create", "match-user-name", "rename", "test-connection"),
    ),
    _WRITES(
        "rename-no-path",
        "replace of userName without a path renames",
        CHANGE,
        "Treat userName in an operation without a path like any other attribute.",
        partial(_rename, label="rename-whole", whole=True),
        needs=("user-create", "rename", "patch-no-path"),
    ),
    _WRITES(
        "rename-taken",
        "Renaming to a name that is taken is 409",
        {
            **DUPLICATE_USER,
            Outcome.ACCEPTED: Effect(
                Impact.OBJECTS,
                "Entra takes the user as renamed: two users have the name, or one has another name than in the directory.",
            ),
        },
        "Check uniqueness on PATCH as well as on POST.",
        taken,
        needs=("user-create", "user-duplicate", "rename"),
    ),
    _WRITES(
        "patch-atomic",
        "A PATCH that is refused changes nothing",
        always(
            Impact.VALUES,
            "Entra takes the change as failed and repeats it; until it succeeds, the user has some of the new values and some of "
            "the old ones.",
        ),
        "Carry out all operations of a request or none (RFC 7644 §3.5.2).",
        atomic,
        needs=("user-create", "patch-several", "rename-taken"),
    ),
)
