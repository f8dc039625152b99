"""Checks changes of userName, and changes that must fail because the name exists."""

from functools import partial
from typing import Any, Final

from scim.doctor.assertions import has_value, no_resources, only_one, status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import CHANGE, DUPLICATE_USER, MATCH, Effect, Impact, always
from scim.doctor.verdicts import Fault, Outcome, Skip


def _named(name: str) -> dict[str, Any]:
    return {"op": "Replace", "path": "userName", "value": name}


def _rename(context: CheckContext, label: str, whole: bool) -> None:
    user = context.user(label)
    old, new = context.objects.address(label), context.objects.address(f"{label}-new")
    operation = {"op": "replace", "value": {"userName": new}} if whole else _named(new)
    has_value(context.changed(user, operation), "userName", new)
    context.kept[f"{label} names"] = (user, old, new)


def found_by_new_name(context: CheckContext) -> None:
    user, old, new = context.kept["rename names"]
    only_one(context.client.get("/Users", filter=f'userName eq "{new}"'), user)
    no_resources(context.client.get("/Users", filter=f'userName eq "{old}"'))


def taken(context: CheckContext) -> None:
    user = context.user("rename-taken")
    status(context.objects.patch("Users", user, [_named(context.objects.address("main"))]), 409)


def atomic(context: CheckContext) -> None:
    user = context.user("patch-atomic")
    before = context.read("Users", user).get("displayName")
    operations = [{"op": "Replace", "path": "displayName", "value": "Half"}, _named(context.objects.address("main"))]
    answer = context.objects.patch("Users", user, operations)
    if answer.status < 400:
        raise Skip("a userName that is taken wasn't refused")
    if context.read("Users", user).get("displayName") != before:
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
