"""What of a resource can be searched and sorted: the folded copy `f` and the sort keys `s`. Pure functions of it.

Filters are evaluated on `f` everywhere, by the reference evaluator (`match`) and by the stores' compilers.
"""

from collections.abc import Mapping
from typing import Final
from unicodedata import normalize

from scim.protocol import datetimes
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema import Attribute, ResourceType

VERSION: Final = 1
"""The version of these rules; items folded by older ones are rewritten by a reindex."""

MAX_BYTES: Final = 1024
"""A longer string can be tested for presence only."""

_SORT_CHARACTERS: Final = 256
_UNSEARCHABLE: Final = True
"""Stands in `f` for a value that is there but can't be compared."""


def text(value: str) -> str:
    """The string as it compares when letter case doesn't count: NFKC, then casefold."""
    if value.isascii():
        return value.lower()
    # Casefolding can undo the normal form ("ΐ"), so it is taken again.
    return normalize("NFKC", normalize("NFKC", value).casefold())


def scalar(value: Json, attribute: Attribute) -> Json:
    """One simple value as it stands in `f`."""
    if attribute.is_text:
        if not attribute.case_exact:
            value = text(value)
        return value if len(value) * 4 <= MAX_BYTES or len(value.encode()) <= MAX_BYTES else _UNSEARCHABLE
    match attribute.type:
        case "boolean" | "integer" | "decimal":
            return value
        case "dateTime":
            return datetimes.normal(value)
    return _UNSEARCHABLE  # binary


def folded(resource: JsonObject, kind: ResourceType) -> JsonObject:
    """The copy `f` of a canonical resource; relations (`members`, `groups`) are not in it."""
    copy: JsonObject = {}
    by_name = kind.by_name
    for name, value in resource.items():
        attribute = by_name.get(name)
        if attribute is not None:
            copy[name] = _value(value, attribute)
        elif name in kind.extensions:
            copy[name] = _complex(value, kind.extensions[name].by_name)
    return copy


def _value(value: Json, attribute: Attribute) -> Json:
    if isinstance(value, dict):
        return _complex(value, attribute.by_name)
    if isinstance(value, list):
        return [_value(element, attribute) for element in value]
    return scalar(value, attribute)


def _complex(value: JsonObject, attributes: Mapping[str, Attribute]) -> JsonObject:
    return {name: _value(sub, attributes[name]) for name, sub in value.items() if name in attributes}


def sort_keys(resource: JsonObject, f: JsonObject, kind: ResourceType) -> dict[str, str]:
    """One key for each sortable path: type, presence, folded value, id. Ascending order puts missing values last."""
    keys: dict[str, str] = {}
    suffix = f"\x01{f['id']}"
    for path, names in kind.sort_paths.items():
        value = _sort_value(f, names)
        if value is _UNSEARCHABLE:
            # A boolean, or a string that is too long for `f`: that one sorts by how it begins.
            given = _sort_value(resource, names)
            value = text(given[:_SORT_CHARACTERS]) if isinstance(given, str) else "1"
        elif value is False:
            value = "0"
        if isinstance(value, str):
            keys[path] = f"{kind.name}:0{value[:_SORT_CHARACTERS]}{suffix}"
        else:
            keys[path] = f"{kind.name}:1{suffix}"
    return keys


def _sort_value(values: JsonObject, names: tuple[str, ...]) -> Json:
    value: Json = values
    for name in names:
        value = value.get(name)
        if value is None:
            return None
    if isinstance(value, list):
        # RFC 7644 §3.4.2.3: a multi-valued attribute sorts by its primary value, else by its first.
        element = next((e for e in value if isinstance(e, dict) and e.get("primary") is True), value[0])
        value = element.get("value") if isinstance(element, dict) else element
    return value


def key(resource: JsonObject, kind: ResourceType) -> str:
    """What is unique within a tenant: the type and the folded `userName` or `displayName`."""
    return f"{kind.name}:{text(resource[kind.unique])}"


def element(value: Json, attribute: Attribute) -> Json:
    """One element of a multi-valued attribute as it stands in `f`."""
    return _complex(value, attribute.by_name) if attribute.type == "complex" else scalar(value, attribute)
