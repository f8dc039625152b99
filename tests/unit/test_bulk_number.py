"""The operations of a bulk request are counted in its text, before any value is made of it."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings, strategies as st

from scim.protocol.bulk_count import check_number
from scim.protocol.errors import PayloadTooLarge
from scim.protocol.limits import Limits

LIMITS = Limits(bulk_operations=3)


def refused(body: bytes, limits: Limits = LIMITS) -> bool:
    try:
        check_number(body, limits)
    except PayloadTooLarge:
        return True
    return False


TREES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text('{}[]"\\,:aé\n', max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text('{}[]"\\:o', max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(["Operations", "operations", "OPERATIONS", "schemas", "operation", '"Operations', "x"])


@settings(max_examples=300)
@given(
    st.lists(st.tuples(NAMES, st.one_of(TREES, st.lists(st.dictionaries(NAMES, TREES, max_size=2), max_size=6)))),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_the_text_is_counted_as_its_values_are(
    members: list[tuple[str, Any]], indent: int | None, escaped: bool
) -> None:
    """Objects and arrays among the operations count; anything else is refused once it is parsed."""
    body = (
        "{"
        + ",".join(f"{json.dumps(k)}:{json.dumps(v, indent=indent, ensure_ascii=escaped)}" for k, v in members)
        + "}"
    )
    counts = [
        sum(isinstance(one, dict | list) for one in value)
        for name, value in members
        if name.lower() == "operations" and isinstance(value, list)
    ]
    assert refused(body.encode()) is any(count > 3 for count in counts)
    if len({name for name, _ in members}) == len(members):
        assert orjson.loads(body) == dict(members)


@settings(max_examples=300)
@given(st.text('{}[]"\\,:O '))
def test_a_text_that_is_no_json_is_left_to_the_parser_or_refused(text: str) -> None:
    refused(text.encode())


def test_nothing_behind_the_first_operation_too_many_is_read() -> None:
    """What follows isn't even JSON."""
    assert refused(b'{"Operations":[{},{},{},{' + b'"' * 1_000_001)
    assert not refused(b'{"Operations":[{},{},{}' + b'"' * 1_000_001)


def test_a_name_may_be_escaped() -> None:
    assert refused(rb'{"\u004fperations" : [{},{},{},{}]}')


def test_a_text_that_is_not_a_bulk_request_is_left_to_the_parser() -> None:
    """Deeper than any operation, or with more members than a message has."""
    assert not refused(b'{"x":' + b"[" * 500_000 + b"]" * 500_000 + b',"Operations":[{},{},{},{}]}')
    assert not refused(b"{" + b'"a":{},' * 200_000 + b'"Operations":[{},{},{},{}]}')


@pytest.mark.parametrize("unit", [b"{},", b"[],", b'{"Operations":[{},{},{},{}]},'])
def test_two_megabytes_of_operations_are_refused(unit: bytes) -> None:
    assert refused(b'{"Operations":[' + unit * (2 * 2**20 // len(unit)) + b"{}]}", Limits())
