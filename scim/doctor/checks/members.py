"""Checks adding and removing members of groups in every form."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from scim.doctor.assertions import no_resources, only_one, status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import MEMBERS, PROBE, SLOW, Effect, Impact
from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault, Outcome, Skip


def _listed(*users: str) -> list[dict[str, Any]]:
    return [{"$ref": None, "value": user} for user in users]  # as Entra writes them


def _then(context: CheckContext, group: str, operations: Sequence[dict[str, Any]], wanted: set[str]) -> None:
    """Assert that the group has these members after a PATCH."""
    status(context.objects.patch("Groups", group, operations), 200, 204)
    _holds(context, group, wanted)


def _holds(context: CheckContext, group: str, wanted: set[str]) -> None:
    found = context.members(group)
    if found == wanted:
        return
    missing, extra = len(wanted - found), len(found - wanted)
    raise Fault(f"the group has {len(found)} members instead of {len(wanted)}: {missing} missing, {extra} too many")


def _three(context: CheckContext) -> tuple[str, str, str]:
    return context.user("member-a"), context.user("member-b"), context.user("member-c")


def add(context: CheckContext) -> None:
    a, _, _ = _three(context)
    _then(context, context.group("add"), [{"op": "Add", "path": "members", "value": _listed(a)}], {a})


def add_many(context: CheckContext) -> None:
    a, b, c = _three(context)
    _then(context, context.group("add-many"), [{"op": "Add", "path": "members", "value": _listed(a, b, c)}], {a, b, c})


def add_again(context: CheckContext) -> None:
    a, b, _ = _three(context)
    group = context.group("add-again", a)
    _then(context, group, [{"op": "Add", "path": "members", "value": _listed(a, b)}], {a, b})
    members = context.read("Groups", group).get("members") or []
    if len(members) != 2:
        raise Fault(f"a member that was added twice is in the list twice: {len(members)} members instead of 2")


def at_once(context: CheckContext) -> None:
    users, group = _three(context), context.group("at-once")

    def one_more(user: str) -> Exchange:
        return context.objects.patch(
            "Groups", group, [{"op": "Add", "path": "members", "value": _listed(user)}], paced=False
        )

    with ThreadPoolExecutor(len(users)) as workers:
        for answer in list(workers.map(one_more, users)):
            status(answer, 200, 204)
    _holds(context, group, set(users))


def _remove(context: CheckContext, label: str, rows: Sequence[tuple[str, str, str | None]], wanted: str) -> None:
    """Check operations on a group of a and b. Letters stand for users, None for no value."""
    users = dict(zip("abc", _three(context), strict=True))
    group = context.group(label, users["a"], users["b"])
    operations: list[dict[str, Any]] = []
    for op, path, letters in rows:
        value = {} if letters is None else {"value": _listed(*(users[letter] for letter in letters))}
        operations.append({"op": op, "path": path.replace("{a}", users["a"]), **value})
    _then(context, group, operations, {users[letter] for letter in wanted})


def nested(context: CheckContext) -> None:
    inner, outer = context.group("nested-inner"), context.group("nested-outer")
    _then(context, outer, [{"op": "Add", "path": "members", "value": _listed(inner)}], {inner})


def probe(context: CheckContext) -> None:
    a, b, c = _three(context)
    group = context.group("probe", a, b)
    filter = f'id eq "{group}" and members eq '
    only_one(context.client.get("/Groups", excludedAttributes="members", filter=f'{filter}"{a}"'), group)
    no_resources(context.client.get("/Groups", excludedAttributes="members", filter=f'{filter}"{c}"'))


def kept_while_disabled(context: CheckContext) -> None:
    user = context.user("member-disabled")
    group = context.group("while-disabled", user)
    found = context.changed(user, {"op": "replace", "path": "active", "value": False})
    if found.get("active") is not False:
        raise Skip("the user couldn't be disabled", needs="disable-boolean")
    _holds(context, group, {user})


_BY_BODY: Final = ("member-remove-body",)
# id, title, fix, operations, members that stay; then the checks of the forms that the operations are made of.
_REMOVED: Final[tuple[tuple[str, str, str, tuple[tuple[str, str, str | None], ...], str, tuple[str, ...]], ...]] = (
    (
        "member-remove-body",
        "Remove with the member in the body (Entra's default form)",
        "Remove the members that the value lists, and no others.",
        (("Remove", "members", "a"),),
        "b",
        (),
    ),
    (
        "member-remove-path",
        'remove at members[value eq "id"] (form with the aadOptscim062020 flag)',
        "Read a filter in the path of remove, and remove what it matches.",
        (("remove", 'members[value eq "{a}"]', None),),
        "b",
        (),
    ),
    (
        "member-remove-absent",
        "Removing a user who is no member changes nothing and is no error",
        "Answer 204 if there is nothing to remove; Entra repeats requests.",
        (("Remove", "members", "c"),),
        "ab",
        _BY_BODY,
    ),
    (
        "member-remove-all",
        "remove of members without a value removes all",
        "Remove all members when neither a value nor a filter is given.",
        (("remove", "members", None),),
        "",
        (),
    ),
    (
        "member-remove-empty",
        "remove with an empty list removes no member",
        "Treat an empty list as no members, not as a missing value.",
        (("Remove", "members", ""),),
        "ab",
        _BY_BODY,
    ),
    (
        "member-replace",
        "replace of members replaces the whole list",
        "Replace the list by the members in the value.",
        (("replace", "members", "bc"),),
        "bc",
        (),
    ),
    (
        "member-add-and-remove",
        "Add and Remove in one request",
        "Carry out all operations of a request, in their order.",
        (("Add", "members", "c"), ("Remove", "members", "a")),
        "bc",
        ("member-add", *_BY_BODY),
    ),
)


def answer(context: CheckContext) -> None:
    group = context.group("group-answer")
    operation = {"op": "Add", "path": "members", "value": _listed(context.user("member-a"))}
    found = status(context.objects.patch("Groups", group, [operation]), 200, 204)
    if found.status == 200 and found.resource.get("members"):
        raise Fault("a PATCH of a group was answered with all its members")


_WRITES: Final = partial(Check, only="write", needs=("group-create",))
_ADDS: Final = ("group-create", "member-add")

CHECKS: Final = (
    _WRITES("member-add", "Add of one member", MEMBERS, 'Accept members with "$ref": null; store value.', add),
    _WRITES(
        "group-patch-answer",
        "PATCH of a group is answered without its members",
        SLOW,
        "Answer 204 without a body; a list of all members with every change is slow.",
        answer,
        needs=("group-create", "member-add"),
        warning=True,
    ),
    _WRITES(
        "member-add-many",
        "Add of several members at once",
        MEMBERS,
        "Add every element of the list.",
        add_many,
        needs=_ADDS,
    ),
    _WRITES(
        "member-add-again",
        "Adding a user who is a member already changes nothing and is no error",
        {
            **MEMBERS,
            Outcome.ACCEPTED: Effect(
                Impact.ACCESS,
                "Entra repeats requests that got no answer in time: the member is listed twice, and after a removal perhaps still.",
            ),
        },
        "Compare members by value, and keep each once.",
        add_again,
        needs=_ADDS,
    ),
    _WRITES(
        "member-add-parallel",
        "Members added at the same time are all there afterwards",
        MEMBERS,
        "Add a member as one write of its own; a group that is read and written whole loses changes made in between.",
        at_once,
        needs=_ADDS,
    ),
    *(
        _WRITES(
            id,
            title,
            MEMBERS,
            fix,
            partial(_remove, label=id, rows=rows, wanted=wanted),
            needs=("group-create", *needs),
        )
        for id, title, fix, rows, wanted, needs in _REMOVED
    ),
    _WRITES(
        "member-nested",
        "A group may be a member",
        MEMBERS,
        "Accept the id of a group as the value of a member.",
        nested,
        needs=_ADDS,
        warning=True,
    ),
    _WRITES(
        "member-probe",
        "id eq G and members eq U finds G if U is a member, and no group if not",
        PROBE,
        "Support filters on members (compare their value), and ask the database for this one member instead of loading all.",
        probe,
        needs=("group-create", "test-connection-groups"),
    ),
    _WRITES(
        "member-disabled",
        "A disabled user stays a member",
        MEMBERS,
        "Leave memberships alone when active changes: Entra doesn't send them again when it restores a user.",
        kept_while_disabled,
    ),
)
