"""What of a stored resource its schemas describe: the rest was written under others, which a deployment has changed since."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from scim.protocol.json import Json, JsonObject
from scim.protocol.schema import SCHEMAS, Attribute, ResourceType


@dataclass(frozen=True, slots=True)
class _Level:
    """The names of a level, and of the complex ones the level below."""

    names: frozenset[str]
    below: "Mapping[str, _Level]"


def described(resource: JsonObject, kind: ResourceType) -> JsonObject:
    """The resource itself if its schemas describe all of it, as is usual, or a copy of what they describe."""
    level = _of_kind(kind)
    if _fits(resource, level):
        return resource
    kept = _cut(resource, level)
    return {**kept, SCHEMAS: [urn for urn in resource[SCHEMAS] if urn == kind.schema.id or urn in kept]}


@cache
def _of_kind(kind: ResourceType) -> _Level:
    extensions = {urn: _level(schema.by_name) for urn, schema in kind.extensions.items()}
    core = _level(kind.by_name)
    return _Level(core.names | extensions.keys(), {**core.below, **extensions})


def _level(attributes: Mapping[str, Attribute]) -> _Level:
    below = {name: _level(a.by_name) for name, a in attributes.items() if a.type == "complex"}
    return _Level(frozenset(attributes), below)


def _fits(values: dict[str, Any], level: _Level) -> bool:
    """Every resource that is shown or written goes through this, so it takes the shortest way."""
    if not values.keys() <= level.names:
        return False
    for name, value in values.items():
        inner = level.below.get(name)
        if inner is None:
            if type(value) is dict or (type(value) is list and value and type(value[0]) is dict):
                return False
        else:
            for element in value if type(value) is list else (value,):
                if type(element) is not dict or not _fits(element, inner):
                    return False
    return True


def _cut(values: JsonObject, level: _Level) -> JsonObject:
    known = {name: _cut_value(value, level.below.get(name)) for name, value in values.items() if name in level.names}
    return {name: value for name, value in known.items() if value not in (None, {}, [])}


def _cut_value(value: Json, level: _Level | None) -> Json:
    """A value, or several, without what isn't of the kind that its attribute is now: simple or complex."""
    if isinstance(value, list):
        return [cut for element in value if (cut := _cut_value(element, level)) not in (None, {}, [])]
    if level is None or not isinstance(value, dict):
        return value if level is None and not isinstance(value, dict) else None
    return _cut(value, level)
