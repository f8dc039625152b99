"""Removes attributes and values from stored resources that the current schemas don't define.

How it works: a deployment can change its schemas, so a stored resource can have attributes that are no longer defined,
or values of another type. They stay in the store, but are neither returned nor searched nor unique.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from scim.protocol import datetimes
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema.model import SCHEMAS, Attribute, ResourceType

_EMPTY: Final[tuple[Json, ...]] = (None, {}, [])
_JSON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "boolean": (bool,),
    "integer": (int,),
    "decimal": (int, float),
    "complex": (dict,),
}
"""The JSON types of values by SCIM type (RFC 7643 §2.3). All other types are strings."""


@dataclass(frozen=True, slots=True)
class _Value:
    """The types of the values of one attribute, and the sub-attributes of complex ones."""

    several: bool
    types: tuple[type, ...]
    below: "Mapping[str, _Value] | None" = None
    is_date: bool = False

    def holds(self, value: Json) -> bool:
        """Return whether the value has the type, without looking into it."""
        # Not `isinstance`, because `True` is an instance of `int`.
        return type(value) in self.types and (not self.is_date or datetimes.normal(str(value)) is not None)


type _Level = Mapping[str, _Value]


def conform(resource: JsonObject, resource_type: ResourceType) -> JsonObject:
    """Return the resource without values that its schemas don't define; the same object if there are none."""
    level = _of_kind(resource_type)
    if _fits(resource, level):
        return resource
    kept = _cut(resource, level)
    return {**kept, SCHEMAS: [urn for urn in resource[SCHEMAS] if urn == resource_type.schema.id or urn in kept]}


@cache
def _of_kind(resource_type: ResourceType) -> _Level:
    extensions = {
        urn: _Value(False, (dict,), _level(schema.by_name)) for urn, schema in resource_type.extensions.items()
    }
    return {**_level(resource_type.by_name), **extensions}


def _level(attributes: Mapping[str, Attribute]) -> _Level:
    return {
        name: _Value(
            a.multi_valued,
            _JSON_TYPES.get(a.type, (str,)),
            _level(a.by_name) if a.type == "complex" else None,
            is_date=a.type == "dateTime",
        )
        for name, a in attributes.items()
    }


def _fits(values: dict[str, Any], level: _Level) -> bool:
    for name, value in values.items():
        known = level.get(name)
        if known is None or (type(value) is list) is not known.several:
            return False
        for element in value if known.several else (value,):
            if not known.holds(element) or (known.below is not None and not _fits(element, known.below)):
                return False
    return True


def _cut(values: JsonObject, level: _Level) -> JsonObject:
    kept = {name: _cut_value(value, level[name]) for name, value in values.items() if name in level}
    return {name: value for name, value in kept.items() if value not in _EMPTY}


def _cut_value(value: Json, known: _Value) -> Json:
    """Return a value without parts of another type than the attribute has now; `None` if nothing is left."""
    if isinstance(value, list) is not known.several:
        return None
    if isinstance(value, list):
        return [cut for element in value if (cut := _cut_one(element, known)) not in _EMPTY]
    return _cut_one(value, known)


def _cut_one(value: Json, known: _Value) -> Json:
    if not known.holds(value):
        return None
    return value if known.below is None else _cut(value, known.below)
