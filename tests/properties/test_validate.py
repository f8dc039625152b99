"""Bodies: any JSON value becomes a proper resource or a SCIM error, and a proper resource is left as it is."""

import copy
import json
from typing import Any

import orjson
import pytest
from hypothesis import event, example, given, settings, strategies as st

from scim.protocol import folding, search_fields, tolerances, validate
from scim.protocol.errors import ScimError
from scim.protocol.filter import binding, evaluate
from scim.protocol.filter.syntax import Path, Present
from scim.protocol.json import JsonObject
from scim.protocol.schema.model import ResourceType
from tests.properties.strategies import ENTERPRISE, JSON, RESOURCE_TYPES, TEXTS, USER, bodies, resource, resources
from tests.properties.test_patch import check

NAMES = sorted(
    {
        name
        for resource_type in RESOURCE_TYPES.values()
        for name in (*resource_type.by_name, *resource_type.extensions, resource_type.schema.id)
    }
    | {"manager", "department", "name.familyName", "emails.value", "meta.created", "active.x", "USERNAME", "emails[x]"}
    | {f"{ENTERPRISE}:manager", f"{ENTERPRISE}.department", "", " ", "urn:a", "\ud800", "schemas"}
)
SUBS = ["value", "type", "primary", "display", "displayName", "familyName", "$ref", "VALUE", "manager", "country", "x"]
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.sampled_from(["", "\x00", "YQ==", "1e5"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(SUBS), inner, max_size=3)),
    max_leaves=6,
)
WILD = st.one_of(
    JSON,
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
    st.builds(lambda a, b: {**a, **b}, bodies(), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2)),
)


@pytest.mark.parametrize("name", RESOURCE_TYPES)
@settings(max_examples=200)
@given(body=WILD)
@example(body={"userName": "x", "emails": [{"value": "a", "primary": "TRUE"}, {"value": "b", "primary": True}]})
@example(body={"userName": "x", "manager": [[[]]]})
@example(body={"userName": "x", "displayName": "g", "roles": [{}, None, "", [], "a"]})
@example(body={"userName": "x", "name": {"familyName": None, "FAMILYNAME": "x"}})
@example(body=[])
@example(body={"userName": "x", ENTERPRISE: {"manager": {"$ref": "x"}}})
@example(body={"userName": "x", "displayName": "x", "schemas": None})
def test_any_json_is_a_proper_resource_or_a_scim_error(name: str, body: Any) -> None:
    resource_type = RESOURCE_TYPES[name]
    before = copy.deepcopy(body)
    try:
        new = validate.resource(body, resource_type)
    except ScimError as error:
        event(f"refused: {type(error).__name__}")
        error.detail.encode(errors="backslashreplace")
    else:
        event("accepted")
        members = new.pop("members", None)
        check_if_it_can_be_sent(new, resource_type)
        assert members is None or members
        assert validate.resource(new, resource_type) == new
        assert validate.resource(json.loads(json.dumps(new)), resource_type) == new
    # `repr`, because a NaN isn't equal to itself.
    assert repr(body) == repr(before)


def check_if_it_can_be_sent(new: JsonObject, resource_type: ResourceType) -> None:
    """A lone surrogate can't come in: orjson refuses it at the door."""
    try:
        orjson.dumps(new)
    except TypeError:
        event("a lone surrogate")
        return
    check(new, resource_type)


@settings(max_examples=100)
@given(bodies())
def test_a_proper_body_is_kept_as_it_is(body: JsonObject) -> None:
    new = validate.resource(body, USER)
    assert {name: value for name, value in new.items() if name in body} == body
    assert set(new) - set(body) <= {"schemas", "active"}


@settings(max_examples=50)
@given(bodies())
def test_saying_everything_twice_makes_no_difference(body: JsonObject) -> None:
    """RFC 7643 §2.4: the same type and value is one element. Of two that are primary the first stays it."""
    twice = {name: [*value, *value] if isinstance(value, list) else value for name, value in body.items()}
    assert validate.resource(twice, USER) == validate.resource(body, USER)


@settings(max_examples=100)
@given(bodies(), st.data())
def test_letter_case_of_names_makes_no_difference(body: JsonObject, data: st.DataObject) -> None:
    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return [shuffled(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {data.draw(st.sampled_from([n, n.upper(), n.lower()])): shuffled(v) for n, v in value.items()}

    assert validate.resource(shuffled(body), USER) == validate.resource(body, USER)


@settings(max_examples=100)
@given(resources(), bodies())
def test_a_replacement_is_what_a_post_of_the_body_would_have_made(current: JsonObject, body: JsonObject) -> None:
    before = copy.deepcopy(current)
    new = validate.replacement(body, current, USER)
    expected = {**resource(body), "id": current["id"], "meta": current["meta"]}
    if "active" not in body:
        expected["active"] = current["active"]
    assert new == expected
    assert validate.replacement(new, new, USER) == new
    assert current == before


@settings(max_examples=100)
@given(resources())
def test_the_folded_copy_holds_nothing_unassigned_and_every_name_that_is_there(new: JsonObject) -> None:
    f = search_fields.build(new, USER)
    assert set(f) == set(new)
    assert not [value for value in leaves(f) if tolerances.unassigned(value)]
    for name in f:
        if name in USER.by_name:
            assert evaluate.matches(binding.bind(Present(Path(None, name)), USER), f)
    keys = search_fields.sort_keys(new, f, USER)
    assert set(keys) == set(USER.sort_paths)
    assert orjson.loads(orjson.dumps([f, keys])) == [f, keys]


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for sub in value.values() for leaf in leaves(sub)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


@settings(max_examples=150)
@given(st.text(), st.text())
def test_folding_twice_is_folding_once(one: str, other: str) -> None:
    assert folding.fold(folding.fold(one)) == folding.fold(one)
    assert folding.fold(one.upper()) == folding.fold(folding.fold(one).upper()) or not one.isascii()
    if one.casefold() == other.casefold():
        assert folding.fold(one) == folding.fold(other)
