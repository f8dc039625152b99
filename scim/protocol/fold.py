"""What of a resource can be searched and sorted: the folded copy `f` and the sort keys `s`. Pure functions of it.

Filters are evaluated on `f` everywhere, by the reference evaluator (`match`) and by the stores' compilers.
"""

from collections.abc import Callable, Mapping
from functools import cache
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


type Fold = Callable[[Json], Json]


def folded(resource: JsonObject, kind: ResourceType) -> JsonObject:
    """The copy `f` of a canonical resource; relations (`members`, `groups`) are not in it."""
    folds = _folds(kind)
    return {name: folds[name](value) for name, value in resource.items() if name in folds}


def element(value: Json, attribute: Attribute) -> Json:
    """One element of a multi-valued attribute as it stands in `f`."""
    return _one(attribute)(value)


@cache
def _folds(kind: ResourceType) -> Mapping[str, Fold]:
    """How the values of a resource type fold: made once, because every write needs it."""
    extensions = {urn: _object(extension.by_name) for urn, extension in kind.extensions.items()}
    return {**{name: _of(attribute) for name, attribute in kind.by_name.items()}, **extensions}


@cache
def _of(attribute: Attribute) -> Fold:
    one = _one(attribute)
    return (lambda values: [one(value) for value in values]) if attribute.multi_valued else one


@cache
def _one(attribute: Attribute) -> Fold:
    """How one value, or one element, of the attribute folds."""
    if attribute.type == "complex":
        return _object(attribute.by_name)
    if attribute.is_text:
        return _comparable if attribute.case_exact else _folded_text
    if attribute.type == "dateTime":
        return datetimes.normal
    return _unsearchable if attribute.type == "binary" else _same


def _object(attributes: Mapping[str, Attribute]) -> Fold:
    folds = {name: _of(attribute) for name, attribute in attributes.items()}
    return lambda value: {name: folds[name](sub) for name, sub in value.items() if name in folds}


def _folded_text(value: str) -> Json:
    return value.lower() if len(value) <= MAX_BYTES and value.isascii() else _comparable(text(value))


def _comparable(value: str) -> Json:
    return value if len(value) * 4 <= MAX_BYTES or len(value.encode()) <= MAX_BYTES else _UNSEARCHABLE


def _unsearchable(value: Json) -> Json:  # noqa: ARG001 - one of the folds
    return _UNSEARCHABLE


def _same(value: Json) -> Json:
    return value


def sort_keys(resource: JsonObject, f: JsonObject, kind: ResourceType) -> dict[str, str]:
    """One key for each sortable path: type, presence, folded value, id. Ascending order puts missing values last."""
    there, missing, suffix = f"{kind.name}:0", f"{kind.name}:1\x01{f['id']}", f"\x01{f['id']}"
    keys: dict[str, str] = {}
    for path, names in kind.sort_paths.items():
        value = _sort_value(f, names)
        if value is _UNSEARCHABLE:
            # A boolean, or a string that is too long for `f`: that one sorts by how it begins.
            given = _sort_value(resource, names)
            value = text(given[:_SORT_CHARACTERS]) if isinstance(given, str) else "1"
        elif value is False:
            value = "0"
        keys[path] = f"{there}{value[:_SORT_CHARACTERS]}{suffix}" if isinstance(value, str) else missing
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
