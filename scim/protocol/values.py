"""Converts one value of an attribute to canonical form: of its type, without unassigned parts. Knows no resources.

Accepts the forms of `tolerances`. A value that can't be stored as it was sent is `InvalidValue`.
"""

import base64
from collections.abc import Callable
from functools import cache
from math import isfinite

from scim.protocol import datetimes, search_fields, tolerances
from scim.protocol.elements import distinct, only_primary
from scim.protocol.errors import InvalidSyntax, InvalidValue
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema.model import Attribute

type Read = Callable[[Json], Json | None]


def value(raw: Json, attribute: Attribute) -> Json | None:
    """Return the value in canonical form; `None` if it is unassigned. Raises `InvalidValue`, `InvalidSyntax`."""
    return reader(attribute)(raw)


def many(raw: Json, attribute: Attribute) -> list[Json]:
    """Return the elements of a multi-valued attribute in canonical form, without unassigned ones. Raises the same
    errors.
    """
    read = _one_reader(attribute)
    elements = [element for item in tolerances.list_from_single(raw) if (element := read(item)) is not None]
    return _consistent(elements, attribute)


def many_with(raw: Json, attribute: Attribute, defaults: JsonObject) -> list[Json]:
    """Do the same for a complex attribute. `defaults` has sub-attributes for elements that don't have them."""
    elements = []
    for item in tolerances.list_from_single(raw):
        named = {} if tolerances.unassigned(item) else parts(item, attribute)
        if any(value is not None for value in named.values()):
            elements.append(_assigned({**defaults, **named}, attribute))
    return _consistent(elements, attribute)


def _consistent(elements: list[Json], attribute: Attribute) -> list[Json]:
    """Return the elements without duplicates, and with at most one primary."""
    elements = distinct(elements, attribute)
    if "primary" in attribute.sub_attributes:
        primaries = [index for index, element in enumerate(elements) if element.get("primary") is True]
        if len(primaries) > 1:
            return only_primary(elements, tolerances.first_primary(primaries), primaries)
    return elements


def one(raw: Json, attribute: Attribute) -> Json | None:
    """Return one value or one element in canonical form; `None` if it is unassigned. Raises `InvalidValue`,
    `InvalidSyntax`.
    """
    return _one_reader(attribute)(raw)


def parts(raw: Json, attribute: Attribute) -> dict[str, Json | None]:
    """Return the writable sub-attributes of a complex value in canonical form; `None` for unassigned ones. Raises the
    same errors.
    """
    by_name = attribute.by_name
    if not isinstance(raw, dict) or not raw.keys() <= by_name.keys():
        if attribute.value is not None:
            raw = tolerances.complex_from_text(raw if attribute.multi_valued else tolerances.single_from_list(raw))
        raw = json_object(raw, attribute.label)
        if "display" in attribute.sub_attributes:
            raw = tolerances.role_display_name(raw)
        raw = {sub.name: sub_raw for name, sub_raw in raw.items() if (sub := attribute.sub(name)) is not None}
    return {name: value(sub_raw, by_name[name]) for name, sub_raw in raw.items() if by_name[name].is_taken}


@cache
def reader(attribute: Attribute) -> Read:
    """Return the function that reads a value of the attribute. Cached, because every write needs it."""
    if not attribute.multi_valued:
        return _one_reader(attribute)
    return lambda raw: None if tolerances.unassigned(raw) else many(raw, attribute) or None


@cache
def _one_reader(attribute: Attribute) -> Read:
    if attribute.type == "complex":
        return _complex_reader(attribute)

    is_text = attribute.is_text

    def read(raw: Json) -> Json | None:
        if is_text and isinstance(raw, str) and raw and "\x00" not in raw:
            return raw
        if isinstance(raw, dict | list):
            raw = _unwrapped(raw, attribute)
        return None if tolerances.unassigned(raw) else _simple(raw, attribute)

    return read


def _unwrapped(raw: Json, attribute: Attribute) -> Json:
    """Return the simple value of an object with a `value`, or of an array of one such object; `None` if it has none."""
    if not attribute.multi_valued and isinstance(raw, list) and raw and isinstance(raw[0], dict):
        raw = tolerances.single_from_list(raw)
    return tolerances.simple_from_object(raw) if isinstance(raw, dict) else raw


def _complex_reader(attribute: Attribute) -> Read:
    readers = {sub.name: reader(sub) for sub in attribute.by_name.values() if sub.is_taken}
    names = readers.keys()

    def read(raw: Json) -> Json | None:
        if isinstance(raw, dict) and raw.keys() <= names:  # the usual spelling, that of the schema
            named = {name: readers[name](sub_raw) for name, sub_raw in raw.items()}
        elif tolerances.unassigned(raw):
            return None
        else:
            named = parts(raw, attribute)
        return _assigned(named, attribute) or None

    return read


def _assigned(named: dict[str, Json | None], attribute: Attribute) -> JsonObject:
    """Return the sub-attributes that have a value. Raises `InvalidValue` if a required one is missing."""
    assigned = {name: sub for name, sub in named.items() if sub is not None}
    for sub in attribute.required_subs:
        if assigned and sub.name not in assigned:
            raise InvalidValue(f"'{sub.label}' is required.")
    return assigned


def fitting(old: Json, attribute: Attribute) -> Json | None:
    """Return a stored value if it has the type of the attribute; `None` if it was written by another schema."""
    one = old[0] if isinstance(old, list) and old else old
    is_complex = attribute.type == "complex"
    fits = isinstance(old, list) is attribute.multi_valued and isinstance(one, dict) is is_complex
    return old if fits else None


def json_object(raw: Json, label: str) -> JsonObject:
    if not isinstance(raw, dict):
        raise InvalidValue(f"'{label}' must be a JSON object.")
    if len({name.lower() for name in raw}) != len(raw):
        raise InvalidSyntax(f"'{label}' has two names that differ only in letter case.")
    return raw


def _simple(raw: Json, attribute: Attribute) -> Json:
    label = attribute.label
    match attribute.type:
        case "boolean":
            raw = tolerances.boolean(raw)
            if isinstance(raw, bool):
                return raw
            raise InvalidValue(f"'{label}' must be true or false.")
        case "integer":
            if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) <= search_fields.EXACT:
                return raw
            raise InvalidValue(
                f"'{label}' must be a whole number from -{search_fields.EXACT} to {search_fields.EXACT}, without fraction and exponent."
            )
        case "decimal":
            if isinstance(raw, int | float) and not isinstance(raw, bool) and isfinite(raw):
                return search_fields.number(raw)
            raise InvalidValue(f"'{label}' must be a number.")
    if not isinstance(raw, str):
        raise InvalidValue(f"'{label}' must be a string.")
    if "\x00" in raw:
        raise InvalidValue(f"'{label}' contains U+0000, which can't be stored.")
    if attribute.type == "dateTime" and datetimes.normal(raw) is None:
        raise InvalidValue(f"'{label}' must be a dateTime such as 2026-01-31T09:30:00Z.")
    if attribute.type == "binary":
        try:
            # RFC 7643 §2.3.6: padding is optional.
            base64.b64decode(raw + "=" * (-len(raw) % 4), validate=True)
        except ValueError:  # raised for non-ASCII text
            raise InvalidValue(
                f"'{label}' must be base64 (RFC 4648 §4): A-Z a-z 0-9 + / with or without '=' at the end, no line breaks."
            ) from None
    return raw
