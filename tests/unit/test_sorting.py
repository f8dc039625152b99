"""Sort keys: numbers in their order, and one key for each path that a schema marks, in an extension too."""

from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, strategies as st

from scim.protocol import search_fields
from scim.protocol.schema.registry import read
from tests.unit.tables import ID, RESOURCE_TYPES, whole

EXAMPLES: Final = read(Path(__file__).parents[2] / "examples" / "schemas").resource_types
STAFF: Final = "urn:example:params:scim:schemas:extension:staff:1.0:User"


def key(value: Any, path: str) -> str:
    gadget = RESOURCE_TYPES["Gadget"]
    resource = whole({} if value is None else {path: value}, gadget)
    return search_fields.sort_keys(resource, search_fields.build(resource, gadget), gadget)[path]


@given(st.integers(), st.integers())
def test_whole_numbers_sort_as_numbers(one: int, other: int) -> None:
    """As far as a double tells them apart; missing ones come after all."""
    assert (key(one, "count") < key(other, "count")) == (_double(one) < _double(other))
    assert key(one, "count") < key(None, "count")


def _double(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def test_the_ends_of_the_numbers() -> None:
    numbers = [-(10**400), -1e308, -1.5, -1, -5e-324, 0, 5e-324, 1, 1.5, 2, 1e308, 10**400]
    keys = [key(number, "count") for number in numbers]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert key(-0.0, "count") == key(0, "count")
    assert key(2.0, "count") == key(2, "count")


@pytest.mark.parametrize("name", ["User", "Device"])
def test_there_is_one_key_for_each_path_that_a_schema_marks(name: str) -> None:
    resource_type = EXAMPLES[name]
    resource = {"id": ID, "schemas": [], "meta": {}}
    assert (
        search_fields.sort_keys(resource, search_fields.build(resource, resource_type), resource_type).keys()
        == resource_type.sort_paths.keys()
    )
    assert {"externalId", "meta.created", "meta.lastModified"} <= resource_type.sort_paths.keys()


def test_a_path_into_an_extension_leads_to_its_value() -> None:
    assert EXAMPLES["User"].sort_paths[f"{STAFF}:desk"] == (STAFF, "desk")
    assert EXAMPLES["User"].sort_paths["name.familyName"] == ("name", "familyName")
    assert EXAMPLES["Device"].sort_paths["firmware.version"] == ("firmware", "version")
    resource = {"id": ID, "schemas": [], "meta": {}, STAFF: {"desk": "Attic", "level": 3}}
    keys = search_fields.sort_keys(resource, search_fields.build(resource, EXAMPLES["User"]), EXAMPLES["User"])
    assert keys[f"{STAFF}:desk"] == f"User:0attic\x01{ID}"
    assert keys[f"{STAFF}:level"].startswith("User:0c008")
    assert keys[f"{STAFF}:hired"] == f"User:1\x01{ID}"
