"""Projections: an answer carries a part of the resource, and what two complementary ones carry is the whole."""

import copy
from typing import Any

from hypothesis import given, settings, strategies as st

from scim.protocol.json import JsonObject
from scim.protocol.projection import projection
from tests.properties.strategies import USER, resources

ALWAYS = {"id", "schemas"}
NAMES = sorted(
    {
        *USER.by_name,
        *(f"{a.name}.{s.name}" for a in USER.by_name.values() for s in a.by_name.values()),
        *USER.extensions,
        USER.schema.id,
        *(f"{urn}:{name}" for urn, schema in USER.extensions.items() for name in schema.by_name),
        *(f"{urn}:manager.value" for urn in USER.extensions),
        *("department", "manager", "manager.value", f"{USER.schema.id}:name.familyName"),
        *("noSuchName", "emails.noSuchName", "urn:no:such:schema", "", "emails[type pr]", "\ud800", ".", ":"),
    }
)
LISTS = st.lists(st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES).map(str.swapcase)), max_size=4)


def part_of(part: Any, whole: Any) -> bool:
    """Whether all that is there is there in the whole too, in the same order."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(n in whole and part_of(v, whole[n]) for n, v in part.items())
    if isinstance(part, list):
        rest = iter(whole)
        return isinstance(whole, list) and all(any(part_of(item, other) for other in rest) for item in part)
    return bool(part == whole)


def carries_nothing_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(carries_nothing_empty(v) for v in value.values())
    if isinstance(value, list):
        return bool(value) and all(carries_nothing_empty(v) for v in value)
    return value is not None


@settings(max_examples=150)
@given(resources(), LISTS, LISTS)
def test_an_answer_is_a_part_of_the_resource_with_id_and_schemas(
    whole: JsonObject, attributes: list[str], excluded: list[str]
) -> None:
    before = copy.deepcopy(whole)
    wanted = projection(attributes, excluded, USER)
    shown = wanted.apply(whole)
    assert part_of(shown, whole)
    assert set(shown) >= ALWAYS
    assert all(shown[name] == whole[name] for name in ALWAYS)
    assert carries_nothing_empty(shown)
    assert wanted.apply(shown) == shown
    assert whole == before
    assert {name for name in whole if name in shown} >= {n for n in USER.by_name if wanted.names(n) and n in shown}


@settings(max_examples=150)
@given(resources(), LISTS.filter(bool))
def test_what_attributes_keeps_excluded_attributes_leaves_out(whole: JsonObject, names: list[str]) -> None:
    kept = leaves(projection(names, [], USER).apply(whole))
    left = leaves(projection([], names, USER).apply(whole))
    assert sorted(kept + left, key=repr) == sorted(leaves(whole), key=repr)


def leaves(value: JsonObject) -> list[tuple[str, str]]:
    """All values with their names, elements without their position; what is always there is left out."""
    found: list[tuple[str, str]] = []

    def walk(path: str, inner: Any) -> None:
        if isinstance(inner, dict):
            for name, sub in inner.items():
                walk(f"{path}/{name}", sub)
        elif isinstance(inner, list):
            for item in inner:
                walk(path, item)
        else:
            found.append((path, repr(inner)))

    walk("", {name: sub for name, sub in value.items() if name not in ALWAYS})
    return found


@settings(max_examples=100)
@given(resources(), LISTS.filter(bool), LISTS)
def test_both_together_keep_what_one_keeps_and_the_other_does_not_leave_out(
    whole: JsonObject, attributes: list[str], excluded: list[str]
) -> None:
    both = projection(attributes, excluded, USER).apply(whole)
    assert both == projection([], excluded, USER).apply(projection(attributes, [], USER).apply(whole))


@given(resources(), LISTS)
def test_letter_case_and_order_of_names_make_no_difference(whole: JsonObject, names: list[str]) -> None:
    shown = projection(names, [], USER).apply(whole)
    assert projection([n.upper() for n in reversed(names)], [], USER).apply(whole) == shown
    hidden = projection([], names, USER).apply(whole)
    assert projection([], [n.lower() for n in reversed(names)], USER).apply(whole) == hidden
