"""Checks DELETE, and that nothing of the resource remains."""

from functools import partial
from typing import Final

from scim.doctor.assertions import no_resources, status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.client import in_path
from scim.doctor.effects import CREATE, DELETE, DELETED, MATCH, Effect, Impact, by_outcome
from scim.doctor.verdicts import Fault, Outcome, Skip


def delete(context: CheckContext, endpoint: str, label: str) -> None:
    id = context.user(label) if endpoint == "Users" else context.group(label)
    status(context.objects.delete(endpoint, id), 204)


def gone(context: CheckContext, endpoint: str, label: str) -> None:
    status(context.client.get(f"/{endpoint}/{in_path(context.kept[f'{endpoint} {label}'])}"), 404)


def not_found(context: CheckContext) -> None:
    no_resources(context.client.get("/Users", filter=f'userName eq "{context.objects.address("deleted")}"'))


def twice(context: CheckContext) -> None:
    answer = context.objects.delete("Users", context.kept["Users deleted"])
    if 200 <= answer.status < 300:
        raise Fault(f"the second DELETE was answered {answer.status} instead of 404", warning=True)
    status(answer, 404)


def again(context: CheckContext) -> None:
    answer = context.objects.post("Users", context.user_body("deleted"))
    if context.accepted(answer) == context.kept["Users deleted"]:
        raise Fault("a new user has the id of the one that was deleted", warning=True)


def no_member(context: CheckContext) -> None:
    user = context.user("deleted-member")
    group = context.group("after-deletion", user)
    if context.objects.delete("Users", user).status != 204:
        raise Skip("the member couldn't be deleted")
    if user in context.members(group):
        raise Fault("a deleted user is still a member")


_WRITES: Final = partial(Check, only="write", needs=("user-delete",))

CHECKS: Final = (
    _WRITES(
        "user-delete",
        "DELETE of a user is 204",
        DELETE,
        "Answer DELETE with 204 and no body. If people may not be deleted, take Delete out of the job's target object actions.",
        partial(delete, endpoint="Users", label="deleted"),
        needs=("user-create",),
    ),
    _WRITES(
        "user-delete-gone",
        "A deleted user is 404",
        DELETED,
        "Answer GET with 404 after DELETE, also if the row is kept for a while.",
        partial(gone, endpoint="Users", label="deleted"),
        needs=("user-delete", "unknown-id"),
    ),
    _WRITES(
        "user-delete-filter",
        "A deleted user isn't found by a filter",
        by_outcome(
            Effect(
                Impact.OBJECTS,
                "If the person comes back, Entra links to the deleted user; every change of it is 404 then (InvalidAnchor).",
            ),
            MATCH[Outcome.REFUSED],
            not_found=MATCH[Outcome.NOT_FOUND],
        ),
        "Leave deleted users out of searches.",
        not_found,
        needs=("user-delete-gone", "match-user-name", "test-connection"),
    ),
    _WRITES(
        "user-delete-twice",
        "A second DELETE is 404",
        by_outcome(
            Effect(Impact.VALIDATION, "None on a job; Microsoft's validator expects 404."),
            DELETED[Outcome.REFUSED],
        ),
        "Answer 404 if the user is gone already; Entra takes that as done.",
        twice,
        needs=("user-delete", "user-delete-gone"),
    ),
    _WRITES(
        "user-delete-again",
        "The userName of a deleted user can be used again",
        by_outcome(
            Effect(
                Impact.OTHER_CLIENTS,
                "A job goes on. Clients that keep the id of the deleted user take the new one for the same.",
            ),
            CREATE[Outcome.REFUSED],
        ),
        "Release the name of a deleted user, or restore the user on POST under a new id.",
        again,
        needs=("user-delete", "user-delete-gone"),
    ),
    _WRITES(
        "user-delete-member",
        "A deleted user is no longer a member",
        by_outcome(
            Effect(
                Impact.VALUES,
                "None on a job. The application lists a member that doesn't exist, and may give its access to a later user.",
            ),
            MATCH[Outcome.REFUSED],
        ),
        "Remove a user from its groups when it is deleted.",
        no_member,
        needs=("user-delete-gone", "group-create"),
        warning=True,
    ),
    _WRITES(
        "group-delete",
        "DELETE of a group is 204",
        DELETE,
        "Answer DELETE /Groups/{id} with 204 and no body.",
        partial(delete, endpoint="Groups", label="deleted-group"),
        needs=("group-create",),
    ),
    _WRITES(
        "group-delete-gone",
        "A deleted group is 404",
        DELETED,
        "Answer GET with 404 after DELETE.",
        partial(gone, endpoint="Groups", label="deleted-group"),
        needs=("group-delete",),
    ),
)
