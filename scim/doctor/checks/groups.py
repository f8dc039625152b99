"""Checks creating, finding and renaming groups. Their members are in `members`."""

from functools import partial
from typing import Final

from scim.doctor.assertions import ENTRA_GROUP, GROUP, has_value, only_one, resources_of, status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.checks.discovery import needs_groups
from scim.doctor.client import in_path
from scim.doctor.effects import CHANGE, CREATE, DUPLICATE_GROUP, MATCH, Effect, Impact, by_outcome
from scim.doctor.verdicts import Fault, Outcome


def create(context: CheckContext) -> None:
    answer = context.objects.post("Groups", context.group_body("group"))
    if answer.status in {404, 405, 501}:
        needs_groups(context)
    id = context.accepted(answer)
    if not context.objects.owns("Groups", id):
        raise Fault("the id in the answer leads to another group, or to one without the displayName that was sent")
    has_value(answer.resource, "displayName", context.objects.name("group"))
    context.kept["Groups group"] = id


def own_schema(context: CheckContext) -> None:
    body = context.group_body("group-schema", schemas=[GROUP, ENTRA_GROUP])
    context.accepted(context.objects.post("Groups", body))


def duplicate(context: CheckContext, label: str, turned: bool) -> None:
    context.group(label)
    name = context.objects.name(label)
    body = context.group_body(label, displayName=name.upper() if turned else name)
    status(context.objects.post("Groups", body), 409)


def match(context: CheckContext, turned: bool) -> None:
    context.group("group-other")  # a filter that is ignored finds this one too
    name = context.objects.name("group")
    filter = f'displayName eq "{name.upper() if turned else name}"'
    only_one(context.client.get("/Groups", excludedAttributes="members", filter=filter), context.group("group"))


def match_external_id(context: CheckContext) -> None:
    known = context.guid()
    id = context.accepted(context.objects.post("Groups", context.group_body("group-external", externalId=known)))
    only_one(context.client.get("/Groups", excludedAttributes="members", filter=f'externalId eq "{known}"'), id)


def without_members(context: CheckContext) -> None:
    group = context.group("group-full", context.user("member-a"))
    path = f"/Groups/{in_path(group)}"
    if status(context.client.get(path, excludedAttributes="members"), 200).resource.get("members"):
        raise Fault("GET by id shows members although they are excluded")
    filter = f'displayName eq "{context.objects.name("group-full")}"'
    for found in resources_of(context.client.get("/Groups", excludedAttributes="members", filter=filter)):
        if found.get("members"):
            raise Fault("a list shows members although they are excluded")


def rename(context: CheckContext) -> None:
    group, new = context.group("group-rename"), context.objects.name("group-renamed")
    operation = {"op": "Replace", "path": "displayName", "value": new}
    status(context.objects.patch("Groups", group, [operation]), 200, 204)
    has_value(context.read("Groups", group), "displayName", new)
    only_one(context.client.get("/Groups", excludedAttributes="members", filter=f'displayName eq "{new}"'), group)


def rename_whole(context: CheckContext) -> None:
    group, known = context.group("group-no-path"), context.guid()
    new = context.objects.name("group-no-path-renamed")
    operation = {"op": "replace", "value": {"displayName": new, "externalId": known}}
    status(context.objects.patch("Groups", group, [operation]), 200, 204)
    found = context.read("Groups", group)
    has_value(found, "displayName", new)
    has_value(found, "externalId", known)


_NEEDS: Final = ("group-create",)
_WRITES: Final = partial(Check, only="write", needs=_NEEDS)

CHECKS: Final = (
    Check(
        "group-create",
        "POST creates a group: 201 with an id",
        by_outcome(
            Effect(
                Impact.OBJECTS,
                "Entra reads the id of the new group from the answer: without it the group gets no members. With an id and "
                "another code than 201 a job may go on, and validators fail.",
            ),
            CREATE[Outcome.REFUSED],
        ),
        "Answer POST /Groups with 201 and the group. If there are no groups, leave Group out of /ResourceTypes, and disable "
        "the job's group mapping.",
        create,
        ("user-create",),
        only="write",
    ),
    _WRITES(
        "group-create-schema",
        "The schema URI that Entra adds to groups is accepted",
        CREATE,
        "Ignore schema URIs that you don't know, as http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group.",
        own_schema,
    ),
    _WRITES(
        "group-duplicate",
        "A POST with the displayName of another group is 409",
        DUPLICATE_GROUP,
        "Make displayName of groups unique, and answer 409 with scimType uniqueness.",
        partial(duplicate, label="twice", turned=False),
    ),
    _WRITES(
        "group-duplicate-case",
        "A POST with the displayName of another group in other letter case is 409",
        DUPLICATE_GROUP,
        "Compare displayName without letter case where it must be unique.",
        partial(duplicate, label="twice-case", turned=True),
        needs=(*_NEEDS, "group-duplicate"),
    ),
    _WRITES(
        "group-match",
        "A filter on displayName finds the group",
        MATCH,
        "Support displayName eq together with excludedAttributes=members.",
        partial(match, turned=False),
    ),
    _WRITES(
        "group-match-case",
        "A filter on displayName in other letter case finds the group",
        MATCH,
        "Compare displayName without letter case.",
        partial(match, turned=True),
        needs=(*_NEEDS, "group-match"),
    ),
    _WRITES(
        "group-match-external-id",
        "A filter on a group's externalId finds it",
        MATCH,
        "Store externalId of groups, and support externalId eq.",
        match_external_id,
    ),
    _WRITES(
        "group-excluded-members",
        "excludedAttributes=members keeps members out",
        by_outcome(
            Effect(
                Impact.OBJECTS,
                "An error that ends in MultipleEntriesInResponse: the group fails. The answers for large groups are slow (Timeout).",
            ),
            MATCH[Outcome.REFUSED],
            not_found=MATCH[Outcome.NOT_FOUND],
        ),
        "Honour excludedAttributes=members for one group and for lists, without loading the members.",
        without_members,
    ),
    _WRITES(
        "group-rename",
        "Replace of displayName renames the group, and it is found by the new name",
        CHANGE,
        "Let displayName be changed by PATCH.",
        rename,
        needs=(*_NEEDS, "patch-replace", "group-match"),
    ),
    _WRITES(
        "group-no-path",
        "replace without a path changes displayName and externalId",
        CHANGE,
        "Read operations without a path for groups as for users.",
        rename_whole,
        needs=(*_NEEDS, "patch-no-path"),
    ),
)
