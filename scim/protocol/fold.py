"""What of a resource can be searched and sorted, and what is unique of it: the folded copy `f`, the sort keys `s`, the
key and the claims. Pure functions of it.

Filters are evaluated on `f` everywhere, by the reference evaluator (`match`) and by the stores' compilers.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from itertools import groupby
from math import inf
from struct import pack, unpack
from typing import Final
from unicodedata import combining, decomposition, is_normalized, normalize, unidata_version

from scim.protocol import datetimes
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema import Attribute, Place, ResourceType

VERSION: Final = 2
"""The version of these rules, a part of `rules`. A resource that was folded by other rules must be reindexed."""

MAX_BYTES: Final = 1024
"""A longer string can be tested for presence only."""

KEY_BYTES: Final = 1024
"""The longest folded value, in UTF-8, that can be a key or another unique value."""

EXACT: Final = 2**53 - 1
"""Databases keep numbers as doubles, which aren't exact for larger whole numbers."""

_MOST_CHARACTERS: Final = 4 * MAX_BYTES
"""A longer string is longer than `MAX_BYTES` when it is folded: NFC makes one character of four at most."""

_SORT_CHARACTERS: Final = 256
_SIGN: Final = 1 << 63
_ALL_BITS: Final = (1 << 64) - 1
_UNSEARCHABLE: Final = True
"""Stands in `f` for a value that is there but can't be compared."""


def text(value: str) -> str:
    """Return the string in the form in which strings are equal when letter case doesn't count.

    RFC 8265 §3.3 (UsernameCaseMapped, which RFC 7644 §5 points to), without its check of the allowed characters: map
    full- and half-width characters, then lower case with the final sigma as any other, and NFC last. No other compatibility mapping
    and no case folding: `Sales²` is not `Sales2`, and one character never becomes several. The result is the same for a
    string in NFC and in NFD, and folding it again changes nothing. Takes time in proportion to the length.
    """
    lowered = value.lower()
    if value.isascii():
        return lowered
    if _has_width(lowered):
        lowered = lowered.translate(_WIDTHS)
    if _FINAL_SIGMA in lowered:
        lowered = lowered.replace(_FINAL_SIGMA, _SIGMA)
    if len(lowered) > _FEW_CHARACTERS and not is_normalized("NFC", lowered):
        lowered = _in_order_of_marks(lowered)
    return normalize("NFC", lowered)


_WIDTHS: Final = {
    code: chr(int(mapping.removeprefix(tag), 16))
    for code in (0x3000, *range(0xFF00, 0xFFF0))
    for mapping in [decomposition(chr(code))]
    for tag in ("<wide> ", "<narrow> ")
    if mapping.startswith(tag)
}
"""The full- and half-width characters, by code point, and what each is mapped to (RFC 8264 §5.2.1)."""

_FINAL_SIGMA: Final = "\u03c2"
_SIGMA: Final = "\u03c3"
_has_width: Final = re.compile("[\u3000\uff00-\uffef]").search

_FEW_CHARACTERS: Final = 256
"""So many marks in disorder cost `normalize` no more than sorting them first."""


def _in_order_of_marks(value: str) -> str:
    """Return text with the same NFC in which the marks on each character stand in their canonical order.

    `normalize` takes time with the square of the number of marks that it finds in another order.
    """
    sorted_marks = (
        "".join(sorted(run, key=combining)) if is_mark else "".join(run)
        for is_mark, run in groupby(value.translate(_MADE_OF_MARKS), key=lambda character: combining(character) > 0)
    )
    return "".join(sorted_marks)


# Characters that don't count as marks, but consist of them.
_MADE_OF_MARKS: Final = {0x0F73: "\u0f71\u0f72", 0x0F75: "\u0f71\u0f74", 0x0F81: "\u0f71\u0f80"}


def number(value: float) -> int | float:
    """The number as every database gives it back: a double beyond `EXACT`, and no negative zero."""
    return (value or abs(value)) if abs(value) <= EXACT else float(value)


type Fold = Callable[[Json], Json]


def folded(resource: JsonObject, kind: ResourceType) -> JsonObject:
    """The copy `f` of a canonical resource; relations (`members`, `groups`), and what is never returned, aren't in it."""
    folds, emptied = _folds(kind), _emptied(kind)
    f = {name: folds[name](value) for name, value in resource.items() if name in folds}
    return {name: value for name, value in f.items() if value or name not in emptied} if emptied else f


def element(value: Json, attribute: Attribute) -> Json:
    """One element of a multi-valued attribute as it stands in `f`."""
    return _one(attribute)(value)


@cache
def _folds(kind: ResourceType) -> Mapping[str, Fold]:
    """How the values of a resource type fold: made once, because every write needs it."""
    extensions = {urn: _object(extension.by_name) for urn, extension in kind.extensions.items()}
    return {**{a.name: _of(a) for a in kind.by_name.values() if a.returned != "never"}, **extensions}


@cache
def _emptied(kind: ResourceType) -> frozenset[str]:
    """The names at the top of a folded copy where nothing may be left of a value."""
    core = {name for name, attribute in kind.by_name.items() if _hides(attribute.by_name)}
    return frozenset(core | {urn for urn, extension in kind.extensions.items() if _hides(extension.by_name)})


@cache
def _of(attribute: Attribute) -> Fold:
    one = _one(attribute)
    if not attribute.multi_valued:
        return one
    if _hides(attribute.by_name):
        return lambda values: [folded for value in values if (folded := one(value))]
    return lambda values: [one(value) for value in values]


def _hides(attributes: Mapping[str, Attribute]) -> bool:
    """Whether one of them, or a part of one, is never returned: a filter on it would tell what it is."""
    return any(a.returned == "never" or _hides(a.by_name) for a in attributes.values())


@cache
def _one(attribute: Attribute) -> Fold:
    """How one value, or one element, of the attribute folds."""
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
        # Nothing empty stands in `f`. Zero and `false` aren't empty.
        return lambda value: {
            name: folded
            for name, sub in value.items()
            if name in folds and (folded := folds[name](sub)) not in ({}, [])
        }
    return lambda value: {name: folds[name](sub) for name, sub in value.items() if name in folds}


def _folded_text(value: str) -> Json:
    if value.isascii() and len(value) <= MAX_BYTES:
        return value.lower()  # the same as below, for nearly all values
    return _UNSEARCHABLE if len(value) > _MOST_CHARACTERS else comparable(text(value))


def comparable(value: str) -> Json:
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
        if value is None:
            keys[path] = missing
            continue
        if not isinstance(value, str):
            value = _sort_text(value, resource, names)
        keys[path] = f"{there}{value[:_SORT_CHARACTERS]}{suffix}"
    return keys


def _sort_text(value: Json, resource: JsonObject, names: tuple[str, ...]) -> str:
    """A text that orders what isn't a string in the folded copy."""
    if value is _UNSEARCHABLE:
        # A boolean, or a string that is too long for `f`: that one sorts by how it begins.
        given = _sort_value(resource, names)
        return text(given[:_SORT_CHARACTERS]) if isinstance(given, str) else "1"
    return "0" if value is False else _ordered(value)


def _ordered(number: float) -> str:
    """A text that comes before another as the number does: the bits of the double, turned round if it is negative."""
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
        # RFC 7644 §3.4.2.3: a multi-valued attribute sorts by its primary value, else by its first.
        element = next((e for e in value if isinstance(e, dict) and e.get("primary") is True), value[0])
        value = element.get("value") if isinstance(element, dict) else element
    return value


def key(resource: JsonObject, kind: ResourceType) -> str:
    """What is unique within a tenant: the type and the folded `userName` or `displayName`, or the id if there is no such."""
    if kind.unique is None:
        return f"{kind.name}:{resource['id']}"
    value = resource[kind.unique]
    return f"{kind.name}:{value if kind.by_name[kind.unique].case_exact else text(value)}"


def unique_values(key: str, claims: Mapping[str, str], kind: ResourceType) -> Mapping[str, str]:
    """Return the values of all unique attributes as they compare, by path: the one in the key, and the claims."""
    return claims if kind.unique is None else {kind.unique: key.removeprefix(f"{kind.name}:"), **claims}


def claims(resource: JsonObject, kind: ResourceType) -> dict[str, str]:
    """Further values that are unique within a tenant, as texts: each by its attribute's path (`employeeId`, `urn:badge`)."""
    found: dict[str, str] = {}
    for path, place in _claimed(kind):
        level = resource if place.extension is None else resource.get(place.extension, {})
        value = level.get(place.attribute.name)
        if value is not None:
            found[path] = _claim(value, place.attribute)
    return found


@cache
def _claimed(kind: ResourceType) -> Sequence[tuple[str, Place]]:
    return [
        (f"{at}:{attribute.name}" if at else attribute.name, Place(at, attribute)) for at, attribute in kind.claimed
    ]


def _claim(value: Json, attribute: Attribute) -> str:
    """The text that equal values share."""
    if attribute.type == "dateTime":
        return datetimes.normal(value) or str(value)
    if isinstance(value, str):
        # Neither cut nor left out when it is long, as in `f`: two that differ must not collide.
        return value if attribute.case_exact or not attribute.is_text else text(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON's 1 and 1.0 are one number
    return json.dumps(value)


@cache
def rules(kind: ResourceType) -> str:
    """Return the fingerprint of the rules that make `f`, `s`, key and claims of this type.

    A resource with another fingerprint must be reindexed. Letter case and NFC are those of Python's version of Unicode.
    """
    decides = [
        unidata_version,
        [_shape(attribute) for attribute in _in_order(kind.by_name.values())],
        [
            [urn, [_shape(a) for a in _in_order(kind.extensions[urn].by_name.values())]]
            for urn in sorted(kind.extensions)
        ],
        sorted(kind.sort_paths.items()),
        kind.unique,
        sorted(path for path, _ in _claimed(kind)),
    ]
    return f"{VERSION}.{sha256(json.dumps(decides).encode()).hexdigest()[:16]}"


def _shape(attribute: Attribute) -> Json:
    """What of an attribute decides how its values fold."""
    subs = [_shape(sub) for sub in _in_order(attribute.by_name.values())]
    never = attribute.returned == "never"
    return [attribute.name, attribute.type, attribute.multi_valued, attribute.case_exact, never, subs]


def _in_order(attributes: Iterable[Attribute]) -> Sequence[Attribute]:
    return sorted(attributes, key=lambda attribute: attribute.name)
