"""Turns a body into a canonical resource: names as in the schemas, values of their types, no unassigned values.

Reads bodies tolerantly: drops unknown and read-only attributes and unknown schema URNs. Knows no stores.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final

from scim.protocol import tolerances
from scim.protocol.errors import InvalidSyntax, InvalidValue, Mutability
from scim.protocol.filter.binding import locate
from scim.protocol.filter.syntax import attribute_path
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema.model import SCHEMAS, Attribute, Place, ResourceType
from scim.protocol.values import Read, json_object, reader

type Entry = tuple[Place, Attribute | None, Json]
"""An attribute, a sub-attribute if the name was dotted, and the value that the client sent."""

# A PUT keeps this attribute if the body doesn't have it: leaving it out must not enable a user.
# Members are separate items, which the service changes.
_ACTIVE: Final = "active"


def resource(body: Json, resource_type: ResourceType) -> JsonObject:
    """Return the canonical resource of a POST, without `id` and `meta`.

    Raises `InvalidSyntax`, `InvalidValue`. Source: RFC 7644 §3.3.
    """
    new, named = _read(body, resource_type)
    if resource_type.has_active and _ACTIVE not in new:
        new[_ACTIVE] = tolerances.empty_state_ignored(True) if _ACTIVE in named else True
    return finished(new, resource_type)


def replacement(body: Json, current: JsonObject, resource_type: ResourceType) -> JsonObject:
    """Return the canonical resource of a PUT that replaces `current`. It has `members` if the body has them, even if
    empty.

    Attributes that the body can't contain because they are never returned are taken from `current`, as the same
    objects. Raises `InvalidSyntax`, `InvalidValue`, `Mutability`. Source: RFC 7644 §3.5.1.
    """
    new, named = _read(body, resource_type)
    for name in ("id", "meta"):
        new[name] = current[name]
    if resource_type.has_active and _ACTIVE in current and _ACTIVE not in new:
        kept = current[_ACTIVE]
        new[_ACTIVE] = tolerances.empty_state_ignored(kept) if _ACTIVE in named else kept
    if resource_type.relation in named:
        new.setdefault(resource_type.relation, [])
    _keep_unseen(new, current, body, resource_type)
    for place in _places(resource_type):
        _keep_immutable(new, current, place)
    return finished(new, resource_type)


def finished(new: JsonObject, resource_type: ResourceType) -> JsonObject:
    """Return the resource with its `schemas` and without empty extensions. Raises `InvalidValue` if a required
    attribute is missing.
    """
    for attribute in resource_type.schema.attributes.values():
        if attribute.required and attribute.name not in new:
            raise InvalidValue(f"'{attribute.label}' is required.")
    urns = [resource_type.schema.id]
    for urn, extension in resource_type.extensions.items():
        values = new.get(urn)
        if values:
            urns.append(urn)
            for attribute in extension.attributes.values():
                if attribute.required and attribute.name not in values:
                    raise InvalidValue(f"'{attribute.label}' is required.")
        elif urn in resource_type.required_extensions:
            raise InvalidValue(f"A {resource_type.name} must have the extension '{urn}'.")
        else:
            new.pop(urn, None)
    return {SCHEMAS: urns, **{name: value for name, value in new.items() if name != SCHEMAS}}


def entries(body: Json, resource_type: ResourceType) -> Iterator[Entry]:
    """Yield the attributes that a body, or the value of a PATCH without path, assigns. Ignores unknown names. Raises
    `InvalidSyntax`.
    """
    if not isinstance(body, dict):
        raise InvalidSyntax("The resource must be a JSON object.")
    for name, raw in json_object(body, resource_type.name).items():
        place = resource_type.find(name)
        if place is not None:
            yield place, None, raw
            continue
        urn = resource_type.urns.get(name.lower())
        if urn is not None:
            yield from _schema_entries(urn, raw, resource_type)
            continue
        located = _dotted(name, resource_type)
        if located is not None:
            yield located[0], located[1], raw


def _schema_entries(urn: str, raw: Json, resource_type: ResourceType) -> Iterator[Entry]:
    if tolerances.unassigned(raw):
        for attribute in (resource_type.extension(urn) or resource_type.schema).attributes.values():
            yield Place(urn if urn in resource_type.extensions else None, attribute), None, None
        return
    for name, value in json_object(raw, urn).items():
        place = resource_type.find_in(urn, name)
        if place is not None:
            yield place, None, value
            continue
        located = _dotted(f"{urn}:{name}", resource_type) if ":" not in name else None
        if located is not None:
            yield located[0], located[1], value


def _dotted(name: str, resource_type: ResourceType) -> tuple[Place, Attribute | None] | None:
    """Return the attribute of a key that is a path; `None` if it isn't one."""
    if "." not in name and ":" not in name:
        return None
    path = attribute_path(name)
    located = locate(path, resource_type) if path is not None else None
    if located is not None:
        tolerances.path_as_key(name)
    return located


def _read(body: Json, resource_type: ResourceType) -> tuple[JsonObject, set[str]]:
    """Return the assigned attributes, and the canonical names of all core attributes in the body."""
    if not isinstance(body, dict):
        raise InvalidSyntax("The resource must be a JSON object.")
    new: JsonObject = {}
    named: set[str] = set()
    readers = _core_readers(resource_type)
    if not body.keys() <= readers.keys():
        json_object(body, resource_type.name)
    for name, raw in body.items():
        read = readers.get(name)
        if read is not None:
            named.add(name)
            _assign(new, name, read(raw))
            continue
        for (urn, attribute), sub, value in entries({name: raw}, resource_type):
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
        # The body has the attribute as an object and also by dotted keys.
        level[name] = {**level[name], **value}
    elif value is not None:
        level[name] = value


@cache
def _core_readers(resource_type: ResourceType) -> dict[str, Read]:
    """Return the functions that read core attributes, by canonical name."""
    readers = {
        name: reader(attribute)
        for name, attribute in resource_type.by_name.items()
        if attribute.mutability != "readOnly"
    }
    return {**readers, SCHEMAS: _check_schemas}


def _check_schemas(raw: Json) -> None:
    """Raise `InvalidSyntax` unless `schemas` is an array of URIs. Its content is ignored, because schemas follow from
    the attributes.
    """
    if tolerances.unassigned(raw):
        return
    if not isinstance(raw, list) or not all(isinstance(urn, str) for urn in raw):
        raise InvalidSyntax("'schemas' must be an array of URIs.")


def _places(resource_type: ResourceType) -> Iterable[Place]:
    yield from (Place(None, attribute) for attribute in resource_type.schema.attributes.values())
    for urn, extension in resource_type.extensions.items():
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
"""An attribute, or a sub-attribute of a single-valued complex one: extension, name, sub-attribute."""


@cache
def _unseen(resource_type: ResourceType) -> Sequence[_Spot]:
    """Return the attributes that are never returned, so that a client can't send them back in a PUT."""
    spots: list[_Spot] = []
    for urn, attribute in _places(resource_type):
        if attribute.returned == "never":
            spots.append((urn, attribute.name, None))
        elif not attribute.multi_valued:
            spots += [(urn, attribute.name, s.name) for s in attribute.by_name.values() if s.returned == "never"]
    return spots


def _keep_unseen(new: JsonObject, current: JsonObject, body: Json, resource_type: ResourceType) -> None:
    """Keep attributes that are never returned, unless the body has them. `null` clears them, also for the attribute
    around them.
    """
    named: set[_Spot] | None = None
    for spot in _unseen(resource_type):
        urn, name, sub = spot
        old = (current if urn is None else current.get(urn, {})).get(name)
        if old is None or (sub is not None and sub not in old):
            continue
        if named is None:
            named = set(_spots(body, resource_type))
        if spot in named or (urn, name, None) in named:
            continue
        level = new if urn is None else new.setdefault(urn, {})
        level[name] = old if sub is None else {**level.get(name, {}), sub: old[sub]}


def _spots(body: Json, resource_type: ResourceType) -> Iterator[_Spot]:
    """Yield the attributes in the body, as far as `_keep_unseen` needs them."""
    for (urn, attribute), sub, raw in entries(body, resource_type):
        if attribute.returned == "never" or (sub is None and tolerances.unassigned(raw)):
            yield urn, attribute.name, None
        elif sub is not None:
            yield urn, attribute.name, sub.name
        elif not attribute.multi_valued and isinstance(values := tolerances.single_from_list(raw), dict):
            yield from ((urn, attribute.name, s.name) for name in values if (s := attribute.sub(name)) is not None)


def _keep(level: JsonObject, attribute: Attribute, old: Json) -> None:
    if level.setdefault(attribute.name, old) != old:
        raise Mutability(f"'{attribute.label}' can't be changed once it has a value.")
