"""What of a stored resource its schemas describe: the rest was written under others, which a deployment has changed since."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from scim.protocol import datetimes
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema import SCHEMAS, Attribute, ResourceType

_EMPTY: Final[tuple[Json, ...]] = (None, {}, [])
_JSON_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "boolean": (bool,),
    "integer": (int,),
    "decimal": (int, float),
    "complex": (dict,),
}
"""How values stand in a resource (RFC 7643 §2.3); those of all other types are strings."""


@dataclass(frozen=True, slots=True)
class _Value:
    """What the values of one name are, and of complex ones the names below."""

    several: bool
    types: tuple[type, ...]
    below: "Mapping[str, _Value] | None" = None
    is_date: bool = False

    def holds(self, value: Json) -> bool:
        """Whether it is of the type, whatever is in it."""
        # Not `isinstance`: `True` is no number.
        return type(value) in self.types and (not self.is_date or datetimes.normal(str(value)) is not None)


type _Level = Mapping[str, _Value]


def described(resource: JsonObject, kind: ResourceType) -> JsonObject:
    """The resource itself if its schemas describe all of it, as is usual, or a copy of what they describe."""
    level = _of_kind(kind)
    if _fits(resource, level):
        return resource
    kept = _cut(resource, level)
    return {**kept, SCHEMAS: [urn for urn in resource[SCHEMAS] if urn == kind.schema.id or urn in kept]}


@cache
def _of_kind(kind: ResourceType) -> _Level:
    extensions = {urn: _Value(False, (dict,), _level(schema.by_name)) for urn, schema in kind.extensions.items()}
    return {**_level(kind.by_name), **extensions}


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
    """A value, or several, without what isn't of the type that its attribute has now; `None` if there is nothing else."""
    if isinstance(value, list) is not known.several:
        return None
    if isinstance(value, list):
        return [cut for element in value if (cut := _cut_one(element, known)) not in _EMPTY]
    return _cut_one(value, known)


def _cut_one(value: Json, known: _Value) -> Json:
    if not known.holds(value):
        return None
    return value if known.below is None else _cut(value, known.below)
