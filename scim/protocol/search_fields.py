"""Derives the indexed values of a resource: search fields, sort keys, the key and the other unique values. Pure
functions.

How it works: `build` returns a copy of the resource with folded strings, normalised times and numbers, and without
attributes that can't be searched. Filters are evaluated on this copy only: by the reference evaluator and by the SQL
that the stores compile. `index_version` is the fingerprint of these rules. Stored names are short: `f` for the search
fields, `s` for the sort keys, `v` for the index version.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from math import inf
from struct import pack, unpack
from typing import Final
from unicodedata import unidata_version

from scim.protocol import datetimes
from scim.protocol.folding import fold
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema.model import Attribute, Place, ResourceType

VERSION: Final = 2
"""The version of these rules, which is part of the index version. Increment it when the rules change: all resources are
then reindexed.
"""

MAX_BYTES: Final = 1024
"""The longest folded string that can be compared. A longer one can only be tested with `pr`."""

KEY_BYTES: Final = 1024
"""The longest folded value, in UTF-8, of the key and of other unique attributes."""

EXACT: Final = 2**53 - 1
"""The largest integer that a double represents exactly. Databases store numbers as doubles."""

_MOST_CHARACTERS: Final = 4 * MAX_BYTES
"""A string with more characters has more than `MAX_BYTES` bytes when folded, because NFC makes at most one character of
four.
"""

_SORT_CHARACTERS: Final = 256
_SIGN: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1
_UNSEARCHABLE: Final = True
"""Stands for a value that exists but can't be compared."""


def number(value: float) -> int | float:
    """Return the number as every database returns it: a double beyond `EXACT`, and zero instead of negative zero."""
    return (value or abs(value)) if abs(value) <= EXACT else float(value)


type Fold = Callable[[Json], Json]


def build(resource: JsonObject, resource_type: ResourceType) -> JsonObject:
    """Return the search fields of a canonical resource, without `members`, `groups` and attributes that are never
    returned.
    """
    folds, emptied = _folds(resource_type), _emptied(resource_type)
    fields = {name: folds[name](value) for name, value in resource.items() if name in folds}
    return {name: value for name, value in fields.items() if value or name not in emptied} if emptied else fields


def element(value: Json, attribute: Attribute) -> Json:
    """Return one element of a multi-valued attribute as in the search fields."""
    return _one(attribute)(value)


@cache
def _folds(resource_type: ResourceType) -> Mapping[str, Fold]:
    """Return the functions that fold the values of a resource type. Cached, because every write needs them."""
    extensions = {urn: _object(extension.by_name) for urn, extension in resource_type.extensions.items()}
    return {**{a.name: _of(a) for a in resource_type.by_name.values() if a.returned != "never"}, **extensions}


@cache
def _emptied(resource_type: ResourceType) -> frozenset[str]:
    """Return the top-level names whose folded value can be empty."""
    core = {name for name, attribute in resource_type.by_name.items() if _hides(attribute.by_name)}
    return frozenset(core | {urn for urn, extension in resource_type.extensions.items() if _hides(extension.by_name)})


@cache
def _of(attribute: Attribute) -> Fold:
    one = _one(attribute)
    if not attribute.multi_valued:
        return one
    if _hides(attribute.by_name):
        return lambda values: [folded for value in values if (folded := one(value))]
    return lambda values: [one(value) for value in values]


def _hides(attributes: Mapping[str, Attribute]) -> bool:
    """Return whether an attribute or sub-attribute is never returned. A filter on it would reveal its value."""
    return any(a.returned == "never" or _hides(a.by_name) for a in attributes.values())


@cache
def _one(attribute: Attribute) -> Fold:
    """Return the function that folds one value or one element of the attribute."""
    if attribute.type == "complex":
        return _object(attribute.by_name)
    if attribute.is_text:
        return comparable if attribute.case_exact else _folded_text
    if attribute.type == "dateTime":
        return datetimes.normal
    return _unsearchable if attribute.type == "binary" else _same


def _object(attributes: Mapping[str, Attribute]) -> Fold:
    folds = {name: _of(attribute) for name, attribute in attributes.items() if attribute.returned != "never"}
    if _hides(attributes):
        # Search fields have no empty values. Zero and `false` aren't empty.
        return lambda value: {
            name: folded
            for name, sub in value.items()
            if name in folds and (folded := folds[name](sub)) not in ({}, [])
        }
    return lambda value: {name: folds[name](sub) for name, sub in value.items() if name in folds}


def _folded_text(value: str) -> Json:
    if value.isascii() and len(value) <= MAX_BYTES:
        return value.lower()  # a shortcut for nearly all values
    return _UNSEARCHABLE if len(value) > _MOST_CHARACTERS else comparable(fold(value))


def comparable(value: str) -> Json:
    return value if len(value) * 4 <= MAX_BYTES or len(value.encode()) <= MAX_BYTES else _UNSEARCHABLE


def _unsearchable(value: Json) -> Json:  # noqa: ARG001 - one of the folds
    return _UNSEARCHABLE


def _same(value: Json) -> Json:
    return value


def sort_keys(resource: JsonObject, fields: JsonObject, resource_type: ResourceType) -> dict[str, str]:
    """Return one key for each sort path: type, presence, folded value, id. In ascending order, missing values come last."""
    there, missing, suffix = (
        f"{resource_type.name}:0",
        f"{resource_type.name}:1\x01{fields['id']}",
        f"\x01{fields['id']}",
    )
    keys: dict[str, str] = {}
    for path, names in resource_type.sort_paths.items():
        value = _sort_value(fields, names)
        if value is None:
            keys[path] = missing
            continue
        if not isinstance(value, str):
            value = _sort_text(value, resource, names)
        keys[path] = f"{there}{value[:_SORT_CHARACTERS]}{suffix}"
    return keys


def _sort_text(value: Json, resource: JsonObject, names: tuple[str, ...]) -> str:
    """Return a string that sorts like a value that isn't a string in the search fields."""
    if value is _UNSEARCHABLE:
        # A boolean, or a string that is too long to compare, which is sorted by its beginning.
        given = _sort_value(resource, names)
        return fold(given[:_SORT_CHARACTERS]) if isinstance(given, str) else "1"
    return "0" if value is False else _ordered(value)


def _ordered(number: float) -> str:
    """Return a string that sorts like the number: the bits of the double, inverted if it is negative."""
    try:
        exact = float(number) + 0.0  # -0.0 is 0.0
    except OverflowError:
        exact = inf if number > 0 else -inf
    [bits] = unpack(">Q", pack(">d", exact))
    return f"{bits ^ (_ALL_BITS if bits & _SIGN else _SIGN):016x}"


def _sort_value(values: JsonObject, names: tuple[str, ...]) -> Json:
    value: Json = values
    for name in names:
        value = value.get(name)
        if value is None:
            return None
    if isinstance(value, list):
        # RFC 7644 §3.4.2.3: a multi-valued attribute is sorted by its primary value, else by its first.
        element = next((e for e in value if isinstance(e, dict) and e.get("primary") is True), value[0])
        value = element.get("value") if isinstance(element, dict) else element
    return value


def key(resource: JsonObject, resource_type: ResourceType) -> str:
    """Return the key, which is unique within a customer: the type, and the folded `userName` or `displayName`, or else
    the id.
    """
    if resource_type.unique is None:
        return f"{resource_type.name}:{resource['id']}"
    value = resource[resource_type.unique]
    return f"{resource_type.name}:{value if resource_type.by_name[resource_type.unique].case_exact else fold(value)}"


def all_unique_values(key: str, beside_key: Mapping[str, str], resource_type: ResourceType) -> Mapping[str, str]:
    """Return the values of all unique attributes by path: the one in the key, and those besides it."""
    return (
        beside_key
        if resource_type.unique is None
        else {resource_type.unique: key.removeprefix(f"{resource_type.name}:"), **beside_key}
    )


def unique_values(resource: JsonObject, resource_type: ResourceType) -> dict[str, str]:
    """Return the unique values besides the key as strings, by attribute path (`employeeId`, `urn:badge`)."""
    by_path: dict[str, str] = {}
    for path, place in _unique_attributes(resource_type):
        level = resource if place.extension is None else resource.get(place.extension, {})
        value = level.get(place.attribute.name)
        if value is not None:
            by_path[path] = _unique_value(value, place.attribute)
    return by_path


@cache
def _unique_attributes(resource_type: ResourceType) -> Sequence[tuple[str, Place]]:
    return [
        (f"{urn}:{attribute.name}" if urn else attribute.name, Place(urn, attribute))
        for urn, attribute in resource_type.unique_attributes
    ]


def _unique_value(value: Json, attribute: Attribute) -> str:
    """Return the string that equal values share."""
    if attribute.type == "dateTime":
        return datetimes.normal(value) or str(value)
    if isinstance(value, str):
        # Unlike in the search fields, long values are complete, because different values must not collide.
        return value if attribute.case_exact or not attribute.is_text else fold(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON's 1 and 1.0 are one number
    return json.dumps(value)


@cache
def index_version(resource_type: ResourceType) -> str:
    """Return the fingerprint of the rules for the search fields, sort keys, key and unique values of this type.

    A resource with another fingerprint must be reindexed. Includes the version of Unicode in Python, which decides
    about case and NFC.
    """
    decides = [
        unidata_version,
        [_shape(attribute) for attribute in _in_order(resource_type.by_name.values())],
        [
            [urn, [_shape(a) for a in _in_order(resource_type.extensions[urn].by_name.values())]]
            for urn in sorted(resource_type.extensions)
        ],
        sorted(resource_type.sort_paths.items()),
        resource_type.unique,
        sorted(path for path, _ in _unique_attributes(resource_type)),
    ]
    return f"{VERSION}.{sha256(json.dumps(decides).encode()).hexdigest()[:16]}"


def _shape(attribute: Attribute) -> Json:
    """Return the characteristics of an attribute that decide how its values are folded."""
    subs = [_shape(sub) for sub in _in_order(attribute.by_name.values())]
    never = attribute.returned == "never"
    return [attribute.name, attribute.type, attribute.multi_valued, attribute.case_exact, never, subs]


def _in_order(attributes: Iterable[Attribute]) -> Sequence[Attribute]:
    return sorted(attributes, key=lambda attribute: attribute.name)
