"""A body becomes a canonical resource: names as the schemas spell them, values of their types, nothing unassigned.

Bodies are read tolerantly: unknown and read-only attributes and unknown schema URIs are dropped. Knows no store.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final

from scim.protocol import tolerances
from scim.protocol.errors import InvalidSyntax, InvalidValue, Mutability
from scim.protocol.filter import attribute_path
from scim.protocol.json import Json, JsonObject
from scim.protocol.query import locate
from scim.protocol.schema import SCHEMAS, Attribute, Place, ResourceType
from scim.protocol.values import Read, json_object, reader

type Entry = tuple[Place, Attribute | None, Json]
"""An attribute, a sub-attribute if the name was dotted, and the value as sent."""

# PUT keeps this when the body doesn't name it: leaving it out never means "enable", "reset" or "empty the group".
# Members are items of their own, so the service leaves them alone by itself.
_ACTIVE: Final = "active"


def resource(body: Json, kind: ResourceType) -> JsonObject:
    """The canonical resource that a POST describes, without `id` and `meta`.

    Raises `InvalidSyntax` or `InvalidValue`. Source: RFC 7644 §3.3.
    """
    new, named = _read(body, kind)
    if kind.has_active and _ACTIVE not in new:
        new[_ACTIVE] = tolerances.empty_state_ignored(True) if _ACTIVE in named else True
    return finished(new, kind)


def replacement(body: Json, current: JsonObject, kind: ResourceType) -> JsonObject:
    """The canonical resource that a PUT makes of `current`; it has `members` if the body names them, even if empty.

    Raises `InvalidSyntax`, `InvalidValue` or `Mutability`. Source: RFC 7644 §3.5.1.
    """
    new, named = _read(body, kind)
    for name in ("id", "meta"):
        new[name] = current[name]
    if kind.has_active and _ACTIVE in current and _ACTIVE not in new:
        kept = current[_ACTIVE]
        new[_ACTIVE] = tolerances.empty_state_ignored(kept) if _ACTIVE in named else kept
    if kind.relation in named:
        new.setdefault(kind.relation, [])
    _keep_unseen(new, current, body, kind)
    for place in _places(kind):
        _keep_immutable(new, current, place)
    return finished(new, kind)


def finished(new: JsonObject, kind: ResourceType) -> JsonObject:
    """The resource with its `schemas` and without empty extensions; raises `InvalidValue` if something required lacks."""
    for attribute in kind.schema.attributes.values():
        if attribute.required and attribute.name not in new:
            raise InvalidValue(f"'{attribute.label}' is required.")
    urns = [kind.schema.id]
    for urn, extension in kind.extensions.items():
        values = new.get(urn)
        if values:
            urns.append(urn)
            for attribute in extension.attributes.values():
                if attribute.required and attribute.name not in values:
                    raise InvalidValue(f"'{attribute.label}' is required.")
        elif urn in kind.required_extensions:
            raise InvalidValue(f"A {kind.name} must have the extension '{urn}'.")
        else:
            new.pop(urn, None)
    return {SCHEMAS: urns, **{name: value for name, value in new.items() if name != SCHEMAS}}


def entries(body: Json, kind: ResourceType) -> Iterator[Entry]:
    """What a body, or the value of a PATCH without path, assigns. Unknown names are left out."""
    if not isinstance(body, dict):
        raise InvalidSyntax("The resource must be a JSON object.")
    for name, raw in json_object(body, kind.name).items():
        place = kind.find(name)
        if place is not None:
            yield place, None, raw
            continue
        urn = kind.urns.get(name.lower())
        if urn is not None:
            yield from _schema_entries(urn, raw, kind)
            continue
        found = _dotted(name, kind)
        if found is not None:
            yield found[0], found[1], raw


def _schema_entries(urn: str, raw: Json, kind: ResourceType) -> Iterator[Entry]:
    if tolerances.unassigned(raw):
        for attribute in (kind.extension(urn) or kind.schema).attributes.values():
            yield Place(urn if urn in kind.extensions else None, attribute), None, None
        return
    for name, value in json_object(raw, urn).items():
        place = kind.find_in(urn, name)
        if place is not None:
            yield place, None, value
            continue
        found = _dotted(f"{urn}:{name}", kind) if ":" not in name else None
        if found is not None:
            yield found[0], found[1], value


def _dotted(name: str, kind: ResourceType) -> tuple[Place, Attribute | None] | None:
    """Resolve a key that isn't the name of an attribute as a path; `None` if it isn't one."""
    if "." not in name and ":" not in name:
        return None
    path = attribute_path(name)
    found = locate(path, kind) if path is not None else None
    if found is not None:
        tolerances.path_as_key(name)
    return found


def _read(body: Json, kind: ResourceType) -> tuple[JsonObject, set[str]]:
    """The assigned attributes, and the canonical names of all core attributes that the body names."""
    if not isinstance(body, dict):
        raise InvalidSyntax("The resource must be a JSON object.")
    new: JsonObject = {}
    named: set[str] = set()
    readers = _core_readers(kind)
    if not body.keys() <= readers.keys():
        json_object(body, kind.name)
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
            canonical = reader(attribute)(value if sub is None else {sub.name: value})
            if canonical is not None:
                _assign(new if urn is None else new.setdefault(urn, {}), attribute.name, canonical)
    return new, named


def _assign(level: JsonObject, name: str, value: Json | None) -> None:
    if isinstance(value, dict) and name in level:
        # The body names one attribute as an object and by dotted keys.
        level[name] = {**level[name], **value}
    elif value is not None:
        level[name] = value


@cache
def _core_readers(kind: ResourceType) -> dict[str, Read]:
    """What reads the core attributes that a client assigns, by the names that most clients use: the canonical ones."""
    readers = {
        name: reader(attribute) for name, attribute in kind.by_name.items() if attribute.mutability != "readOnly"
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
        _keep(target, attribute, old)
    elif attribute.type == "complex" and not attribute.multi_valued:
        for sub in attribute.by_name.values():
            if sub.mutability == "immutable" and sub.name in old:
                _keep(target.setdefault(attribute.name, {}), sub, old[sub.name])


type _Spot = tuple[str | None, str, str | None]
"""An attribute, or a sub-attribute of a single complex one: extension, name, name of the sub-attribute."""


@cache
def _unseen(kind: ResourceType) -> Sequence[_Spot]:
    """What no client can read, and so can't send back in a PUT."""
    spots: list[_Spot] = []
    for urn, attribute in _places(kind):
        if attribute.returned == "never":
            spots.append((urn, attribute.name, None))
        elif not attribute.multi_valued:
            spots += [(urn, attribute.name, s.name) for s in attribute.by_name.values() if s.returned == "never"]
    return spots


def _keep_unseen(new: JsonObject, current: JsonObject, body: Json, kind: ResourceType) -> None:
    """What is never returned stays unless the body names it; `null` for it, or for all around it, clears it."""
    named: set[_Spot] | None = None
    for spot in _unseen(kind):
        urn, name, sub = spot
        old = (current if urn is None else current.get(urn, {})).get(name)
        if old is None or (sub is not None and sub not in old):
            continue
        if named is None:
            named = set(_spots(body, kind))
        if spot in named or (urn, name, None) in named:
            continue
        level = new if urn is None else new.setdefault(urn, {})
        level[name] = old if sub is None else {**level.get(name, {}), sub: old[sub]}


def _spots(body: Json, kind: ResourceType) -> Iterator[_Spot]:
    """What a body names, as far as that matters for what it can't have been read from."""
    for (urn, attribute), sub, raw in entries(body, kind):
        if attribute.returned == "never" or (sub is None and tolerances.unassigned(raw)):
            yield urn, attribute.name, None
        elif sub is not None:
            yield urn, attribute.name, sub.name
        elif not attribute.multi_valued and isinstance(values := tolerances.single_from_list(raw), dict):
            yield from ((urn, attribute.name, s.name) for name in values if (s := attribute.sub(name)) is not None)


def _keep(level: JsonObject, attribute: Attribute, old: Json) -> None:
    if level.setdefault(attribute.name, old) != old:
        raise Mutability(f"'{attribute.label}' can't be changed once it has a value.")
