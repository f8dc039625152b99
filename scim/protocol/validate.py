"""A body becomes a canonical resource: names as the schemas spell them, values of their types, nothing unassigned.

Bodies are read tolerantly: unknown and read-only attributes and unknown schema URIs are dropped. Knows no store.
"""

import base64
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from math import isfinite
from typing import Final

from scim.protocol import datetimes, tolerances
from scim.protocol.errors import InvalidSyntax, InvalidValue, Mutability
from scim.protocol.filter import attribute_path
from scim.protocol.json import Json, JsonObject
from scim.protocol.query import locate
from scim.protocol.schema import SCHEMAS, Attribute, Place, ResourceType

type Entry = tuple[Place, Attribute | None, Json]
"""An attribute, a sub-attribute if the name was dotted, and the value as sent."""

# PUT keeps these when the body doesn't name them: leaving them out never means "enable", "reset" or "empty the group".
# Members are items of their own, so the service leaves them alone by itself, and a password is never stored.
_KEPT_BY_PUT: Final = frozenset({"active"})


def resource(body: Json, kind: ResourceType) -> JsonObject:
    """The canonical resource that a POST describes, without `id` and `meta`.

    Raises `InvalidSyntax` or `InvalidValue`. Source: RFC 7644 §3.3.
    """
    new, _ = _read(body, kind)
    if "active" in kind.by_name:
        new.setdefault("active", True)
    return finished(new, kind)


def replacement(body: Json, current: JsonObject, kind: ResourceType) -> JsonObject:
    """The canonical resource that a PUT makes of `current`; it has `members` if the body names them, even if empty.

    Raises `InvalidSyntax`, `InvalidValue` or `Mutability`. Source: RFC 7644 §3.5.1.
    """
    new, named = _read(body, kind)
    for name in ("id", "meta"):
        new[name] = current[name]
    for name in _KEPT_BY_PUT & current.keys() - named:
        new[name] = current[name]
    if kind.relation in named:
        new.setdefault(kind.relation, [])
    for place in _places(kind):
        _keep_immutable(new, current, place)
    return finished(new, kind)


def finished(new: JsonObject, kind: ResourceType) -> JsonObject:
    """The resource with its `schemas` and without empty extensions; raises `InvalidValue` if something required lacks."""
    for attribute in kind.schema.attributes.values():
        if attribute.required and attribute.name not in new:
            raise InvalidValue(f"'{attribute.name}' is required.")
    urns = [kind.schema.id]
    for urn, extension in kind.extensions.items():
        values = new.get(urn)
        if values:
            urns.append(urn)
            for attribute in extension.attributes.values():
                if attribute.required and attribute.name not in values:
                    raise InvalidValue(f"'{urn}:{attribute.name}' is required.")
        else:
            new.pop(urn, None)
    return {SCHEMAS: urns, **{name: value for name, value in new.items() if name != SCHEMAS}}


def entries(body: Json, kind: ResourceType) -> Iterator[Entry]:
    """What a body, or the value of a PATCH without path, assigns. Unknown names are left out."""
    if not isinstance(body, dict):
        raise InvalidSyntax("The resource must be a JSON object.")
    for name, raw in _object(body, kind.name).items():
        place = kind.find(name)
        if place is not None:
            yield place, None, raw
            continue
        urn = kind.urns.get(name.lower())
        if urn is not None:
            yield from _schema_entries(urn, raw, kind)
            continue
        path = attribute_path(name)
        found = locate(path, kind) if path is not None else None
        if found is not None:
            yield found[0], found[1], raw


def _schema_entries(urn: str, raw: Json, kind: ResourceType) -> Iterator[Entry]:
    if tolerances.unassigned(raw):
        for attribute in (kind.extension(urn) or kind.schema).attributes.values():
            yield Place(urn if urn in kind.extensions else None, attribute), None, None
        return
    for name, value in _object(raw, urn).items():
        place = kind.find_in(urn, name)
        if place is not None:
            yield place, None, value
            continue
        path = attribute_path(f"{urn}:{name}") if ":" not in name else None
        found = locate(path, kind) if path is not None else None
        if found is not None:
            yield found[0], found[1], value


def _read(body: Json, kind: ResourceType) -> tuple[JsonObject, set[str]]:
    """The assigned attributes, and the canonical names of all core attributes that the body names."""
    if not isinstance(body, dict):
        raise InvalidSyntax("The resource must be a JSON object.")
    new: JsonObject = {}
    named: set[str] = set()
    readers = _core_readers(kind)
    if not body.keys() <= readers.keys():
        _object(body, kind.name)
    for name, raw in body.items():
        read = readers.get(name)
        if read is not None:
            named.add(name)
            _assign(new, name, read(raw))
            continue
        for (urn, attribute), sub, value in entries({name: raw}, kind):
            if attribute.mutability == "readOnly":
                continue
            if urn is None:
                named.add(attribute.name)
            canonical = _reader(attribute)(value if sub is None else {sub.name: value})
            if canonical is not None and attribute.returned != "never":
                _assign(new if urn is None else new.setdefault(urn, {}), attribute.name, canonical)
    return new, named


def _assign(level: JsonObject, name: str, value: Json | None) -> None:
    if isinstance(value, dict) and name in level:
        # The body names one attribute as an object and by dotted keys.
        level[name] = {**level[name], **value}
    elif value is not None:
        level[name] = value


@cache
def _core_readers(kind: ResourceType) -> "dict[str, Read]":
    """What reads the core attributes that a client assigns, by the names that most clients use: the canonical ones."""
    readers = {
        name: _reader(attribute)
        for name, attribute in kind.by_name.items()
        if attribute.mutability != "readOnly" and attribute.returned != "never"
    }
    return {**readers, SCHEMAS: _check_schemas}


def _check_schemas(raw: Json) -> None:
    """What a body says of its schemas must be an array of URIs; which they are follows from the attributes."""
    if tolerances.unassigned(raw):
        return
    if not isinstance(raw, list) or not all(isinstance(urn, str) for urn in raw):
        raise InvalidSyntax("'schemas' must be an array of URIs.")


def _places(kind: ResourceType) -> Iterable[Place]:
    yield from (Place(None, attribute) for attribute in kind.schema.attributes.values())
    for urn, extension in kind.extensions.items():
        yield from (Place(urn, attribute) for attribute in extension.attributes.values())


def _keep_immutable(new: JsonObject, current: JsonObject, place: Place) -> None:
    attribute, urn = place.attribute, place.extension
    old = (current if urn is None else current.get(urn, {})).get(attribute.name)
    if old is None:
        return
    target = new if urn is None else new.setdefault(urn, {})
    if attribute.mutability == "immutable":
        _keep(target, attribute.name, old)
    elif attribute.type == "complex" and not attribute.multi_valued:
        for name in old.keys() & {sub.name for sub in attribute.by_name.values() if sub.mutability == "immutable"}:
            _keep(target.setdefault(attribute.name, {}), name, old[name])


def _keep(level: JsonObject, name: str, old: Json) -> None:
    if level.setdefault(name, old) != old:
        raise Mutability(f"'{name}' can't be changed once it has a value.")


# --- values -----------------------------------------------------------------------------------------------------


type Read = Callable[[Json], Json | None]


def value(raw: Json, attribute: Attribute) -> Json | None:
    """The value in canonical form; `None` if it is unassigned. Raises `InvalidValue` or `InvalidSyntax`."""
    return _reader(attribute)(raw)


def many(raw: Json, attribute: Attribute) -> list[Json]:
    """The elements of a multi-valued attribute in canonical form, unassigned ones left out."""
    read = _one_reader(attribute)
    elements = [element for item in tolerances.list_from_single(raw) if (element := read(item)) is not None]
    if "primary" in attribute.sub_attributes and sum(e.get("primary") is True for e in elements) > 1:
        raise InvalidValue(f"'{attribute.label}' has more than one primary value.")
    return elements


def one(raw: Json, attribute: Attribute) -> Json | None:
    """One value, or one element of a multi-valued attribute; `None` if it is unassigned."""
    return _one_reader(attribute)(raw)


def parts(raw: Json, attribute: Attribute) -> dict[str, Json | None]:
    """The writable sub-attributes that a complex value names, in canonical form; `None` for unassigned ones."""
    by_name = attribute.by_name
    if not isinstance(raw, dict) or not raw.keys() <= by_name.keys():
        if attribute.value is not None:
            raw = tolerances.complex_from_text(raw if attribute.multi_valued else tolerances.single_from_list(raw))
        raw = _object(raw, attribute.label)
        if "display" in attribute.sub_attributes:
            raw = tolerances.role_display_name(raw)
        raw = {sub.name: sub_raw for name, sub_raw in raw.items() if (sub := attribute.sub(name)) is not None}
    return {name: value(sub_raw, by_name[name]) for name, sub_raw in raw.items() if by_name[name].is_taken}


@cache
def _reader(attribute: Attribute) -> Read:
    """What reads a value of the attribute: made once, because every write needs it."""
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
        return None if tolerances.unassigned(raw) else _simple(raw, attribute)

    return read


def _complex_reader(attribute: Attribute) -> Read:
    readers = {sub.name: _reader(sub) for sub in attribute.by_name.values() if sub.is_taken}

    def read(raw: Json) -> Json | None:
        if tolerances.unassigned(raw):
            return None
        if isinstance(raw, dict) and raw.keys() <= readers.keys():  # spelled as the schema does, as is usual
            named = {name: readers[name](sub_raw) for name, sub_raw in raw.items()}
        else:
            named = parts(raw, attribute)
        assigned = {name: sub for name, sub in named.items() if sub is not None}
        for sub in attribute.required_subs:
            if assigned and sub.name not in assigned:
                raise InvalidValue(f"'{sub.label}' is required.")
        return assigned or None

    return read


def _object(raw: Json, label: str) -> JsonObject:
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
            if isinstance(raw, int) and not isinstance(raw, bool):
                return raw
            raise InvalidValue(f"'{label}' must be a whole number.")
        case "decimal":
            if isinstance(raw, int | float) and not isinstance(raw, bool) and isfinite(raw):
                return raw
            raise InvalidValue(f"'{label}' must be a number.")
    if not isinstance(raw, str):
        raise InvalidValue(f"'{label}' must be a string.")
    if "\x00" in raw:
        raise InvalidValue(f"'{label}' has U+0000 in it, which can't be stored.")
    if attribute.type == "dateTime" and datetimes.normal(raw) is None:
        raise InvalidValue(f"'{label}' must be a dateTime such as 2026-01-31T09:30:00Z.")
    if attribute.type == "binary":
        try:
            # RFC 7643 §2.3.6: the padding may be left out.
            base64.b64decode(raw + "=" * (-len(raw) % 4), validate=True)
        except ValueError:  # text outside ASCII raises it as it is
            raise InvalidValue(f"'{label}' must be base64 (RFC 4648 §4).") from None
    return raw
