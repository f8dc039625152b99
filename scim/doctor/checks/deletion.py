"""DELETE, and what is left afterwards: nothing."""

from functools import partial
from typing import Final

from scim.doctor.catalogue import ACCESS, ANCHOR, DOUBLED, ESCROW, RETRY, Check
from scim.doctor.client import in_path
from scim.doctor.expect import none, status
from scim.doctor.verdicts import Fault, Skip
from scim.doctor.visit import Visit


def delete(visit: Visit, endpoint: str, label: str) -> None:
    id = visit.user(label) if endpoint == "Users" else visit.group(label)
    status(visit.objects.delete(endpoint, id), 204)


def gone(visit: Visit, endpoint: str, label: str) -> None:
    status(visit.client.get(f"/{endpoint}/{in_path(visit.kept[f'{endpoint} {label}'])}"), 404)


def not_found(visit: Visit) -> None:
    none(visit.client.get("/Users", filter=f'userName eq "{visit.objects.address("deleted")}"'))


def twice(visit: Visit) -> None:
    status(visit.objects.delete("Users", visit.kept["Users deleted"]), 404)


def again(visit: Visit) -> None:
    answer = visit.objects.post("Users", visit.user_body("deleted"))
    if visit.accepted(answer) == visit.kept["Users deleted"]:
        raise Fault("a new user has the id of the one that was deleted", warning=True)


def no_member(visit: Visit) -> None:
    user = visit.user("deleted-member")
    group = visit.group("after-deletion", user)
    if visit.objects.delete("Users", user).status != 204:
        raise Skip("the member couldn't be deleted")
    if user in visit.members(group):
        raise Fault("a deleted user is still a member")


_WRITES: Final = partial(Check, only="write", needs=("user-delete",))

CHECKS: Final = (
    _WRITES(
        "user-delete",
        "DELETE of a user is 204",
        RETRY,
        "Answer DELETE with 204 and no body. If people may not be deleted, take Delete out of the job's target object actions.",
        partial(delete, endpoint="Users", label="deleted"),
        needs=("user-create",),
    ),
    _WRITES(
        "user-delete-gone",
        "A deleted user is 404",
        ACCESS,
        "Let GET answer 404 after DELETE, also if the row is kept for a while.",
        partial(gone, endpoint="Users", label="deleted"),
    ),
    _WRITES(
        "user-delete-filter",
        "A deleted user isn't found by a filter",
        ANCHOR,
        "Leave deleted users out of searches.",
        not_found,
        needs=("user-delete", "match-user-name"),
    ),
    _WRITES(
        "user-delete-twice",
        "A second DELETE is 404",
        RETRY,
        "Answer 404 if the user is gone already; Entra takes that for done.",
        twice,
        needs=("user-delete", "user-delete-gone"),
    ),
    _WRITES(
        "user-delete-again",
        "The userName of a deleted user can be used again",
        f"{ESCROW} {DOUBLED}",
        "Let a deleted user's name go, or restore the user on POST under a new id.",
        again,
        needs=("user-delete", "user-delete-gone"),
    ),
    _WRITES(
        "user-delete-member",
        "A deleted user is no member any more",
        ACCESS,
        "Take a user out of its groups when it is deleted.",
        no_member,
        needs=("user-delete", "group-create"),
        warning=True,
    ),
    _WRITES(
        "group-delete",
        "DELETE of a group is 204",
        RETRY,
        "Answer DELETE /Groups/{id} with 204 and no body.",
        partial(delete, endpoint="Groups", label="deleted-group"),
        needs=("group-create",),
    ),
    _WRITES(
        "group-delete-gone",
        "A deleted group is 404",
        ACCESS,
        "Let GET answer 404 after DELETE.",
        partial(gone, endpoint="Groups", label="deleted-group"),
        needs=("group-delete",),
    ),
)
