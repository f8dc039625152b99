"""PATCH (RFC 7644 §3.5.2): operations resolved into changes, and changes applied to a resource. Pure.

A change never edits the resource it is given: what it touches is built anew, the rest is shared.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from scim.protocol import filter as syntax, fold, tolerances
from scim.protocol.errors import InvalidPath, InvalidValue, Mutability, NoTarget, PayloadTooLarge
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import DEFAULT, Limits
from scim.protocol.match import matches
from scim.protocol.messages import Op, Operation
from scim.protocol.query import elements, locate
from scim.protocol.schema import Attribute, Place, ResourceType
from scim.protocol.validate import entries, finished, many, one, parts, value as canonical


@dataclass(frozen=True, slots=True)
class Change:
    """One operation on one attribute: all of it, the elements that `filter` picks, or a sub-attribute of either."""

    op: Op
    place: Place
    value: Json
    filter: syntax.Filter | None = None
    sub: Attribute | None = None


def changes(operations: Iterable[Operation], kind: ResourceType, limits: Limits = DEFAULT) -> list[Change]:
    """The operations with their paths resolved. Raises `InvalidPath`, `InvalidFilter`, `Mutability`, `NoTarget`."""
    return [change for operation in operations for change in _resolve(operation, kind, limits)]


def apply(resource: JsonObject, steps: Iterable[Change], kind: ResourceType, limits: Limits = DEFAULT) -> JsonObject:
    """The resource after all changes, or the first error and no change at all."""
    new = resource
    looked_through = 0
    for change in steps:
        new, values = _apply(new, change)
        looked_through += values
        if looked_through > limits.patch_values:
            raise too_much_work(limits)
    return resource if new is resource else finished(new, kind)


# --- from operations to changes ---------------------------------------------------------------------------------


def _resolve(operation: Operation, kind: ResourceType, limits: Limits) -> Iterator[Change]:
    if operation.path is None:
        if operation.op == "remove":
            raise NoTarget("An operation 'remove' needs a 'path'.")
        yield from _without_path(operation, kind, limits)
        return
    urn = kind.urns.get(operation.path.strip().lower())
    if urn is not None:
        yield from _whole_schema(operation, urn, kind)
        return
    yield from _with_path(operation, operation.path, kind, limits)


def _without_path(operation: Operation, kind: ResourceType, limits: Limits) -> Iterator[Change]:
    if not isinstance(operation.value, dict):
        raise InvalidValue("Without 'path' the 'value' of an operation must be a JSON object.")
    for place, sub, raw in entries(operation.value, kind):
        if _writable(place.attribute, sub):
            yield Change(operation.op, place, raw, sub=sub)
    for name, raw in operation.value.items():
        # As with other keys of a body: what nobody knows, or nobody may change, is dropped.
        found = locate(syntax.parse_path(name, limits).path, kind) if "[" in name else None
        if found is not None and _writable(found[0].attribute, found[1]):
            yield from _with_path(Operation(operation.op, name, raw), name, kind, limits)


def _whole_schema(operation: Operation, urn: str, kind: ResourceType) -> Iterator[Change]:
    value = None if operation.op == "remove" else operation.value
    for place, sub, raw in entries({urn: value}, kind):
        if _writable(place.attribute, sub):
            yield Change(operation.op, place, raw, sub=sub)


def _with_path(operation: Operation, text: str, kind: ResourceType, limits: Limits) -> Iterator[Change]:
    path = syntax.parse_path(text, limits)
    found = locate(path.path, kind)
    if found is None:
        raise InvalidPath(f"{kind.name} has no attribute '{path.path}'.")
    place, sub = found
    if path.filter is not None:
        if not place.attribute.multi_valued:
            raise InvalidPath(
                f"'{path.path}' has one value, so there are no elements for a filter in brackets to pick."
            )
        if path.sub is not None:
            sub = place.attribute.sub(path.sub)
            if sub is None:
                raise InvalidPath(f"'{path.path}' has no sub-attribute '{path.sub}'.")
        elements(path.filter, place.attribute)  # a wrong filter is an error even if nothing is there to be picked
    if place.attribute.mutability == "readOnly" or (sub is not None and sub.mutability == "readOnly"):
        raise Mutability(f"'{path.path}' is assigned by the service and can't be changed.")
    if _writable(place.attribute, sub):
        yield Change(operation.op, place, operation.value, path.filter, sub)


def _writable(attribute: Attribute, sub: Attribute | None) -> bool:
    if attribute.mutability == "readOnly":
        return False
    # `$ref` follows from the id: what a client sends there is ignored.
    return sub is None or (sub.mutability != "readOnly" and sub.name != "$ref")


# --- one change -------------------------------------------------------------------------------------------------


def too_much_work(limits: Limits) -> PayloadTooLarge:
    """The answer to operations that would keep everybody else waiting: many of them on attributes with many values."""
    return PayloadTooLarge(
        f"The operations of a PATCH may look through at most {limits.patch_values} values; send fewer at a time."
    )


def _apply(resource: JsonObject, change: Change) -> tuple[JsonObject, int]:
    """The resource after one change, and how many values had to be looked through."""
    attribute, urn = change.place.attribute, change.place.extension
    container = resource if urn is None else resource.get(urn, {})
    old = container.get(attribute.name)
    new = _changed(old, change)
    looked_through = len(old) if isinstance(old, list) else 0
    if attribute.returned == "never" or new == old:
        return resource, looked_through
    if new is None and attribute.required:
        raise Mutability(f"'{attribute.name}' is required and can't be removed.")
    if attribute.mutability == "immutable" and old is not None:
        raise Mutability(f"'{attribute.name}' can't be changed once it has a value.")
    _check_required(new, attribute)
    changed = {name: value for name, value in container.items() if name != attribute.name or new is not None}
    if new is not None:
        changed[attribute.name] = new
    return (changed if urn is None else {**resource, urn: changed}), looked_through


def _check_required(new: Json, attribute: Attribute) -> None:
    """Raises `Mutability` if a complex value has lost, or never got, a sub-attribute that is required."""
    for sub in attribute.required_subs:
        values = new if isinstance(new, list) else [new]
        if any(value is not None and sub.name not in value for value in values):
            raise Mutability(f"'{attribute.name}.{sub.name}' is required and can't be without a value.")


def _changed(old: Json, change: Change) -> Json | None:
    """The attribute's value after the change; `None` if it has none."""
    attribute = change.place.attribute
    if attribute.multi_valued:
        return _multi_valued(old or [], change) or None
    if attribute.type == "complex":
        return _complex(old or {}, change) or None
    return None if change.op == "remove" else canonical(change.value, attribute)


def _complex(old: JsonObject, change: Change) -> JsonObject:
    attribute, sub = change.place.attribute, change.sub
    if sub is not None:
        return _with_sub(old, sub, None if change.op == "remove" else canonical(change.value, sub))
    if change.op == "remove" or tolerances.unassigned(change.value):
        return {}
    # RFC 7644 §3.5.2.3: sub-attributes that the value doesn't name stay as they are.
    new = old
    for name, value in parts(change.value, attribute).items():
        new = _with_sub(new, attribute.by_name[name], value)
    return new


def _with_sub(old: JsonObject, sub: Attribute, value: Json | None) -> JsonObject:
    if old.get(sub.name) == value:
        return old
    if sub.mutability == "immutable" and sub.name in old:
        raise Mutability(f"'{sub.name}' can't be changed once it has a value.")
    if value is None:
        return {name: kept for name, kept in old.items() if name != sub.name}
    return {**old, sub.name: value}


def _multi_valued(old: list[Json], change: Change) -> list[Json]:
    attribute = change.place.attribute
    if change.filter is not None:
        new = _picked(old, change, change.filter)
    elif change.sub is not None:
        new = _every(old, change, change.sub)
    elif change.op == "remove":
        new = [] if change.value is None else _without(old, change.value, attribute)
    elif change.op == "replace":
        new = [] if tolerances.unassigned(change.value) else many(change.value, attribute)
    else:
        new = old if tolerances.unassigned(change.value) else _added(old, many(change.value, attribute), attribute)
    return _one_primary(old, new, attribute)


def _every(old: list[Json], change: Change, sub: Attribute) -> list[Json]:
    """`emails.type`: the sub-attribute of every element."""
    value = None if change.op == "remove" else canonical(change.value, sub)
    if not old:
        return [] if value is None else [{sub.name: value}]
    return [new for element in old if (new := _with_sub(element, sub, value))]


def _picked(old: list[Json], change: Change, tree: syntax.Filter) -> list[Json]:
    """`emails[type eq "work"]`, with or without a sub-attribute."""
    attribute, sub = change.place.attribute, change.sub
    bound = elements(tree, attribute)
    hits = [matches(bound, fold.element(element, attribute)) for element in old]
    if sub is not None:
        value = None if change.op == "remove" else canonical(change.value, sub)
        if value is not None and not any(hits):
            return [*old, {**described(tree, attribute), sub.name: value}]
        changed = [_with_sub(e, sub, value) if hit else e for e, hit in zip(old, hits, strict=True)]
        return [element for element in changed if element]
    rest = [element for element, hit in zip(old, hits, strict=True) if not hit]
    if change.op == "remove":
        return rest
    if tolerances.unassigned(change.value):
        return rest if change.op == "replace" else old
    # RFC 7644 §3.5.2.3: the value is one element where the path picks elements.
    given = many(change.value if isinstance(change.value, list) else [change.value], attribute)
    if not any(hits):
        terms = described(tree, attribute)
        return [*old, *({**terms, **element} if isinstance(element, dict) else element for element in given)]
    if change.op == "replace":
        first = hits.index(True)
        return [*old[:first], *given, *rest[first:]]
    new = old
    for element in given:
        new = [
            _merged(e, element, attribute) if hit and isinstance(e, dict) else e
            for e, hit in zip(new, hits, strict=True)
        ]
    return new


def _merged(old: JsonObject, new: JsonObject, attribute: Attribute) -> JsonObject:
    merged = old
    for name, value in new.items():
        merged = _with_sub(merged, attribute.by_name[name], value)
    return merged


def _added(old: list[Json], given: list[Json], attribute: Attribute) -> list[Json]:
    """Elements that are there already are merged into, the others are appended."""
    new = list(old)
    places: dict[Hashable, int] = {}
    for at, element in enumerate(old):
        places.setdefault(_identity(element, attribute), at)
    equal = {_exactly(element) for element in old}
    for element in given:
        if _exactly(element) in equal:  # several may be alike in type and value; an equal one changes none of them
            continue
        at = places.setdefault(_identity(element, attribute), len(new))
        if at == len(new):
            new.append(element)
        elif isinstance(element, dict):
            equal.discard(_exactly(new[at]))
            new[at] = _merged(new[at], element, attribute)
        equal.add(_exactly(new[at]))
    return new


def _identity(element: Json, attribute: Attribute) -> Hashable:
    """What elements that count as one have in common: `type` and `value`, or everything if there is no `value`."""
    fields = _compared(element, attribute)
    return (fields.get("type"), fields["value"]) if "value" in fields else _exactly(element)


def _exactly(element: Json) -> Hashable:
    return frozenset(element.items()) if isinstance(element, dict) else cast(Hashable, element)


def _compared(element: Json, attribute: Attribute) -> JsonObject:
    """The element as it compares with others: folded, but, unlike in the folded copy, whatever its length and type."""
    subs = attribute.by_name if isinstance(element, dict) else {"value": attribute}
    values = element if isinstance(element, dict) else {"value": element}
    return {n: fold.text(v) if isinstance(v, str) and not subs[n].case_exact else v for n, v in values.items()}


def _without(old: list[Json], listed: Json, attribute: Attribute) -> list[Json]:
    """The elements that a `remove` with a value doesn't list, by `value` or, if that isn't given, by all that is."""
    given = [one(item, attribute) for item in tolerances.list_from_single(listed)]
    wanted = [_compared(element, attribute) for element in given if element is not None]
    values = {fields["value"] for fields in wanted if "value" in fields}
    others = [fields for fields in wanted if "value" not in fields]
    kept = []
    for element in old:
        fields = _compared(element, attribute)
        if fields.get("value") not in values and not any(other.items() <= fields.items() for other in others):
            kept.append(element)
    return kept


def described(tree: syntax.Filter, attribute: Attribute) -> JsonObject:
    """The values that the filter's `eq` terms give to an element that it would pick (Entra relies on that)."""
    terms: JsonObject = {}
    for term in tree.terms if isinstance(tree, syntax.And) else (tree,):
        if isinstance(term, syntax.And):
            terms.update(described(term, attribute))
        elif isinstance(term, syntax.Compare) and term.op == "eq" and term.value is not None:
            sub = attribute.sub(term.path.attribute)
            literal: Json = term.value
            if isinstance(literal, syntax.Number):
                literal = literal.value if sub is not None and sub.type in {"integer", "decimal"} else literal.text
            value = canonical(literal, sub) if sub is not None else None
            if sub is not None and value is not None:
                terms[sub.name] = value
    if not terms and attribute.type == "complex":
        raise NoTarget(f"No element of '{attribute.name}' matches the filter, and it doesn't say how to make one.")
    return terms


def _one_primary(old: list[Json], new: list[Json], attribute: Attribute) -> list[Json]:
    """A new primary value unsets the old one; two new ones contradict each other (RFC 7643 §2.4)."""
    if "primary" not in attribute.sub_attributes:
        return new
    untouched = {id(element) for element in old}
    fresh = [id(e) for e in new if e.get("primary") is True and id(e) not in untouched]
    if len(fresh) > 1:
        # An element that was primary before, and was merely merged into, gives way.
        before = {at for at, element in enumerate(old) if element.get("primary") is True}
        fresh = [id(e) for at, e in enumerate(new) if id(e) in fresh and at not in before]
    if len(fresh) > 1:
        raise InvalidValue(f"'{attribute.name}' can have only one primary value.")
    if not fresh:
        return new
    return [{**e, "primary": False} if e.get("primary") is True and id(e) != fresh[0] else e for e in new]
