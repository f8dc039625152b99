"""PATCH: the input stays as it is, all or nothing happens, the result is a proper resource, and the referee agrees."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import event, example, given, settings, strategies as st

from scim.protocol import patch, search_fields, validate
from scim.protocol.errors import ScimError
from scim.protocol.filter import binding, syntax
from scim.protocol.filter.evaluate import matches
from scim.protocol.json import Json, JsonObject
from scim.protocol.messages import PatchOperation
from scim.protocol.schema.model import Attribute, ResourceType
from tests.properties import referee
from tests.properties.differences import PATCHES, PatchDifference, patch_excused
from tests.properties.strategies import GROUP, JSON, USER, bodies, operations, resource, resources, same

PATHS = st.sampled_from(
    [
        "userName",
        "name",
        "name.familyName",
        "emails",
        "emails.value",
        "active",
        "manager",
        "manager.value",
        "schemas",
        "id",
        "meta.created",
        "password",
        "groups",
        "members",
        "displayName",
        "x509Certificates",
        "shoeSize",
        "emails[",
        'emails[type eq "work"]',
        'emails[type eq "work"].value',
        'emails[type eq ""].value',
        "emails[type eq 5].display",
        'emails[primary eq "True"].value',
        'emails[type eq "a" or type eq "b"]',
        "emails[not (type pr)]",
        "emails[x pr]",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:a:b",
        "",
        " ",
        "emails.$ref",
        'schemas[value eq "x"]',
        'photos[value eq "x"].type',
        "profileUrl.x",
        "addresses[country pr].region",
    ]
)
WILD = st.builds(
    PatchOperation,
    st.sampled_from(["add", "replace", "remove"]),
    st.one_of(st.none(), PATHS, st.text(max_size=10)),
    JSON,
)


def apply(old: JsonObject, *steps: PatchOperation, resource_type: ResourceType = USER) -> JsonObject:
    return patch.apply(old, patch.changes(steps, resource_type), resource_type)


def check(new: JsonObject, resource_type: ResourceType) -> None:
    """What holds for every resource that the service stores."""
    urns = [resource_type.schema.id, *(urn for urn in resource_type.extensions if urn in new)]
    assert new["schemas"] == urns
    for attribute in resource_type.attributes.values():
        assert not attribute.required or attribute.name in new
        assert attribute.returned != "never" or attribute.name not in new
    for name, value in new.items():
        if name in resource_type.extensions:
            assert value
            for inner, sub in value.items():
                check_value(sub, resource_type.extensions[name].by_name[inner])
        else:
            check_value(value, resource_type.by_name[name])
    orjson.dumps(search_fields.build(new, resource_type))


def check_value(value: Json, attribute: Attribute) -> None:
    assert value is not None
    assert value not in ("", [], {})
    if attribute.multi_valued:
        assert sum(isinstance(e, dict) and e.get("primary") is True for e in value) <= 1
    for element in value if attribute.multi_valued else [value]:
        if attribute.type != "complex":
            assert isinstance(element, bool if attribute.type == "boolean" else str)
            continue
        assert element
        for name, sub in element.items():
            check_value(sub, attribute.by_name[name])


@settings(max_examples=150)
@given(resources(), st.lists(operations(), min_size=1, max_size=4))
def test_proper_operations_make_a_proper_resource_and_leave_the_old_one(
    old: JsonObject, steps: list[PatchOperation]
) -> None:
    before = copy.deepcopy(old)
    sent = copy.deepcopy(steps)
    try:
        new = apply(old, *steps)
    except ScimError as error:
        event(f"refused: {type(error).__name__}")
    else:
        check(new, USER)
        assert (new["id"], new["meta"]) == (old["id"], old["meta"])
        again = validate.resource(new, USER) | {"id": new["id"], "meta": new["meta"]}
        # Elements that the change of a sub-attribute has made the same stay two, until they are sent.
        once = {n: v for n, v in new.items() if not isinstance(v, list) or len(set(map(same, v))) == len(v)}
        assert again.keys() == new.keys() | {"active"}
        assert {name: again[name] for name in once} == once
    assert old == before
    assert steps == sent


@settings(max_examples=250)
@given(resources(), WILD)
@example(resource({"userName": "x"}), PatchOperation("add", 'emails[type eq ""].value', "x"))
@example(resource({"userName": "x"}), PatchOperation("add", "emails[type eq 5].value", "x"))
@example(resource({"userName": "x"}), PatchOperation("add", 'emails[$ref eq "x"].value', "x"))
@example(resource({"userName": "x"}), PatchOperation("add", None, {'emails[type eq "work"].value': None}))
def test_any_operation_on_a_user_makes_a_proper_one_or_a_scim_error(old: JsonObject, step: PatchOperation) -> None:
    tried(old, step, USER)


@settings(max_examples=150)
@given(resources(GROUP), WILD)
def test_any_operation_on_a_group_makes_a_proper_one_or_a_scim_error(old: JsonObject, step: PatchOperation) -> None:
    tried(old, step, GROUP)


def tried(old: JsonObject, step: PatchOperation, resource_type: ResourceType) -> None:
    before = copy.deepcopy(old)
    try:
        new = apply(old, step, resource_type=resource_type)
    except ScimError:
        event("refused")
    else:
        if new is not old and "members" not in new:
            check(new, resource_type)
    assert old == before


@settings(max_examples=100)
@given(resources(), st.lists(operations(), min_size=2, max_size=5))
def test_all_operations_happen_one_after_another_or_none_does(old: JsonObject, steps: list[PatchOperation]) -> None:
    try:
        new = apply(old, *steps)
    except ScimError as error:
        together: JsonObject | type[ScimError] = type(error)
    else:
        together = new
    one_by_one: JsonObject | type[ScimError] = old
    for step in steps:
        try:
            one_by_one = apply(one_by_one, step)  # type: ignore[arg-type]
        except ScimError as error:
            one_by_one = type(error)
            break
    assert together == one_by_one


def still_picked(new: JsonObject, step: PatchOperation) -> bool:
    """Whether what a path in brackets picked is what it picks afterwards."""
    path = syntax.parse_path(step.path or "x")
    if path.filter is None:
        return True
    found = binding.locate(path.path, USER)
    assert found is not None
    attribute = found[0].attribute
    bound = binding.elements(path.filter, attribute)
    return any(matches(bound, search_fields.element(e, attribute)) for e in new.get(attribute.name, []))


@settings(max_examples=150)
@given(resources(), operations().filter(lambda step: step.op != "add"))
def test_a_replace_or_remove_that_is_repeated_changes_nothing_more(old: JsonObject, step: PatchOperation) -> None:
    try:
        new = apply(old, step)
    except ScimError:
        return
    if step.op == "remove" or still_picked(new, step):
        assert apply(new, step) is new or apply(new, step) == new


@settings(max_examples=100)
@given(resources(), operations().filter(lambda step: step.op == "add" and "[" not in (step.path or "")))
def test_an_add_that_is_repeated_changes_nothing_more(old: JsonObject, step: PatchOperation) -> None:
    try:
        new = apply(old, step)
    except ScimError:
        return
    assert apply(new, step) == new


@given(resources())
def test_replacing_everything_by_what_is_there_changes_nothing(old: JsonObject) -> None:
    assert apply(old, PatchOperation("replace", None, old)) == old
    assert apply(old, PatchOperation("add", None, old)) == old
    for name, value in old.items():
        if name not in {"id", "meta", "schemas"}:
            assert apply(old, PatchOperation("replace", name, value)) == old


@given(bodies(GROUP), bodies(GROUP))
def test_a_group_takes_the_attributes_of_another_one(one: JsonObject, other: JsonObject) -> None:
    new = apply(resource(one, GROUP), PatchOperation("replace", None, other), resource_type=GROUP)
    assert new == resource({**one, **other}, GROUP)


def test_a_new_primary_unsets_the_old_one_even_if_that_is_named_too() -> None:
    old = resource({"userName": "x", "emails": [{"type": "work", "value": "a@example.com", "primary": True}]})
    named = {"type": "work", "value": "a@example.com", "display": "A"}
    new = apply(
        old, PatchOperation("add", "emails", [named, {"type": "home", "value": "b@example.com", "primary": True}])
    )
    assert new["emails"] == [
        {**named, "primary": False},
        {"type": "home", "value": "b@example.com", "primary": True},
    ]


# --- the referee ---


def ours(old: JsonObject, step: PatchOperation) -> JsonObject | str:
    try:
        after: JsonObject = referee.canonical(apply(old, step))
    except ScimError:
        return referee.ERROR
    return after


def comparable(outcome: JsonObject | str) -> Any:
    """Without what the two write differently everywhere: the order of schemas, the letter case of types, dates."""
    if isinstance(outcome, str):
        return outcome
    shown = {name: value for name, value in outcome.items() if name != "meta"}
    for value in shown.values():
        for element in value if isinstance(value, list) else []:
            if isinstance(element, dict) and "type" in element:
                element["type"] = element["type"].lower()
    return {**shown, "schemas": sorted(shown["schemas"])}


@settings(max_examples=200)
@given(resources(), st.lists(operations(), min_size=1, max_size=3))
def test_patch_agrees_with_scim2_models_but_for_the_recorded_differences(
    old: JsonObject, steps: list[PatchOperation]
) -> None:
    for step in steps:
        row = patch_excused(step, old)
        if row is not None:
            event(f"left out: {row.name}")
            return
        outcome = ours(old, step)
        assert comparable(copy.deepcopy(outcome)) == comparable(referee.patched(old, [step]))
        event("compared")
        if outcome == referee.ERROR:
            return
        old = apply(old, step)


@pytest.mark.parametrize("row", PATCHES, ids=lambda row: row.name)
def test_each_recorded_difference_still_differs(row: PatchDifference) -> None:
    old = resource({"userName": "x", **row.user})

    def shown(outcome: JsonObject | str) -> Any:
        return outcome if isinstance(outcome, str) else outcome.get(row.shown)

    assert shown(ours(old, row.operation)) == row.ours
    assert shown(referee.patched(old, [row.operation])) == row.theirs
    assert row.ours != row.theirs
