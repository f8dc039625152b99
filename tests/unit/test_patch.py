"""PATCH: what operations make of a resource and of a group's members. The resource given is never edited."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pytest

from scim.protocol import patch
from scim.protocol.errors import PayloadTooLarge, ScimError
from scim.protocol.limits import DEFAULT, Limits
from scim.protocol.messages import patch_request
from scim.protocol.schema.model import ResourceType
from scim.service.member_changes import MemberOperations, UnknownTypes, named_changes, split
from scim.storage.interface import NO_CHANGES, Member, MemberChanges
from tests.unit.tables import RESOURCE_TYPES, Row, kind_of, rows, whole


def members_of(values: Row) -> list[Member]:
    """The members of a row: an id alone, or an object."""
    return [Member(m) if isinstance(m, str) else Member(**m) for m in values.get("members", ())]


def message(operations: Sequence[Any]) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}


def member_changes(
    changes: Sequence[patch.Change],
    resource_type: ResourceType,
    current: Sequence[Member] | None,
    limits: Limits = DEFAULT,
) -> MemberChanges:
    """What the changes come to if no member is a resource."""
    if not changes:
        return NO_CHANGES
    types: dict[str, str | None] = {}
    while True:
        steps = MemberOperations(resource_type.by_name[resource_type.relation], limits, current, types)
        try:
            for change in changes:
                steps.apply(change)
        except UnknownTypes as unknown:
            types |= dict.fromkeys(unknown.values)
        else:
            return steps.changes()


def changed(members: Sequence[Member], changes: MemberChanges) -> dict[str, Member]:
    """What a store makes of the members: one that is there, and isn't removed, stays as it is."""
    by_value = {m.value: m for m in members if m.value not in changes.remove}
    return {**{m.value: m for m in changes.add}, **by_value}


@pytest.mark.parametrize("row", rows("patches"))
def test_operations_make_the_target_of_the_source(row: Row) -> None:
    resource_type = kind_of(row)
    members = members_of(row["source"])
    source = whole({name: value for name, value in row["source"].items() if name != "members"}, resource_type)
    before, operations = deepcopy(source), deepcopy(row["ops"])

    def run() -> tuple[dict[str, Any], list[patch.Change]]:
        attributes, of_members = split(
            patch.changes(patch_request(message(operations), DEFAULT), resource_type), resource_type
        )
        return patch.apply(source, attributes, resource_type), of_members

    if "error" in row:
        with pytest.raises(ScimError) as raised:
            member_changes(run()[1], resource_type, members)
        assert {"status": raised.value.status, "scimType": raised.value.scim_type} == row["error"]
        assert "S3cret" not in raised.value.detail
        assert (source, operations) == (before, row["ops"])
        return

    result, of_members = run()
    target = row["source"] if row["target"] == "same" else row["target"]
    assert result == whole({name: value for name, value in target.items() if name != "members"}, resource_type)
    assert (source, operations) == (before, row["ops"])
    if result == source:
        assert result is source  # a change that changes nothing is none, so nothing is written
    wanted = {member.value: member for member in members_of(target)}
    attribute = resource_type.by_name.get(resource_type.relation)
    named = named_changes(of_members, attribute, DEFAULT) if of_members and attribute else NO_CHANGES
    reads = named is None
    assert reads is row.get("reads", reads)
    known = member_changes(of_members, resource_type, members)
    assert changed(members, known) == wanted
    if row["target"] == "same":
        assert not known
    assert [[m.value for m in known.add], list(known.remove)] == row.get(
        "writes", [[m.value for m in known.add], list(known.remove)]
    )
    if named is not None:
        # Without reading the group it comes to the same.
        assert changed(members, named) == wanted


def test_a_thousand_operations_pass_and_one_more_is_too_large() -> None:
    operation = {"op": "add", "path": "title", "value": "x"}
    assert len(patch_request(message([operation] * 1_000), DEFAULT)) == 1_000
    with pytest.raises(PayloadTooLarge, match="1000 operations"):
        patch_request(message([operation] * 1_001), DEFAULT)


@pytest.mark.parametrize("op", ["add", "remove", "replace"])
def test_a_request_may_name_so_many_members_and_no_more(op: str) -> None:
    resource_type, limits = RESOURCE_TYPES["Group"], Limits(members=3)
    for count in (3, 4):
        value = [{"value": f"m{number}"} for number in range(count)]
        changes = patch.changes(
            patch_request(message([{"op": op, "path": "members", "value": value}]), limits), resource_type
        )
        if count == 3:
            member_changes(changes, resource_type, [], limits)
        else:
            with pytest.raises(PayloadTooLarge, match="3 members"):
                member_changes(changes, resource_type, [], limits)


def test_members_of_several_operations_count_together() -> None:
    resource_type, limits = RESOURCE_TYPES["Group"], Limits(members=3)
    operations = [{"op": "add", "path": "members", "value": [{"value": f"m{n}"}, {"value": f"n{n}"}]} for n in range(2)]
    with pytest.raises(PayloadTooLarge, match="3 members"):
        member_changes(
            patch.changes(patch_request(message(operations), limits), resource_type), resource_type, None, limits
        )


def test_ten_thousand_elements_are_added_and_removed_in_one_operation_each() -> None:
    """The work grows with the elements, not with their square: this would take minutes."""
    resource_type = RESOURCE_TYPES["User"]
    value = [{"value": f"{number}@example.com", "type": "work"} for number in range(10_000)]
    operations = [{"op": "add", "path": "emails", "value": value}, {"op": "remove", "path": "emails", "value": value}]
    steps = patch.changes(patch_request(message(operations), DEFAULT), resource_type)
    source = whole({}, resource_type)
    assert len(patch.apply(source, steps[:1], resource_type)["emails"]) == 10_000
    assert patch.apply(source, steps, resource_type) == source
