"""PATCH (RFC 7644 §3.5.2): operations resolved into changes, and changes applied to a resource. Pure.

A change never edits the resource it is given: what it touches is built anew, the rest is shared.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from scim.protocol import filter as syntax, fold, tolerances
from scim.protocol.errors import InvalidPath, InvalidValue, Mutability, NoTarget, PayloadTooLarge
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import DEFAULT, Limits
from scim.protocol.match import matches
from scim.protocol.messages import Op, Operation
from scim.protocol.plural import added, merged, one_primary, shapes, with_sub, without
from scim.protocol.query import Bound, elements, leaves, locate
from scim.protocol.schema import Attribute, Place, ResourceType
from scim.protocol.validate import entries, finished
from scim.protocol.values import many, parts, value as canonical


class Pick(NamedTuple):
    """A filter in brackets, and the same bound to the elements of the attribute."""

    tree: syntax.Filter
    bound: Bound

    def work(self, values: int) -> int:
        """How many values are looked at to find those that the filter picks: every term may look at each."""
        return values * leaves(self.bound)


class Change(NamedTuple):
    """One operation on one attribute: all of it, the elements that are picked, or a sub-attribute of either."""

    op: Op
    place: Place
    value: Json
    pick: Pick | None = None
    sub: Attribute | None = None


def changes(operations: Iterable[Operation], kind: ResourceType, limits: Limits = DEFAULT) -> list[Change]:
    """The operations with their paths resolved. Raises `InvalidPath`, `InvalidFilter`, `Mutability`, `NoTarget`."""
    return [change for operation in operations for change in _resolve(operation, kind, limits)]


def apply(resource: JsonObject, steps: Iterable[Change], kind: ResourceType, limits: Limits = DEFAULT) -> JsonObject:
    """The resource after all changes, or the first error and no change at all."""
    new = resource
    looked_through = 0
    for change in steps:
        looked_through += _work(new, change)
        if looked_through > limits.patch_values:  # before it is done: one operation alone can be too much
            raise too_much_work(limits)
        new = _apply(new, change)
    return resource if new is resource else finished(new, kind)


def targets(steps: Iterable[Change]) -> Iterator[tuple[Place, Attribute | None]]:
    """The attributes that the changes name, and the sub-attributes: by their paths, or within values."""
    for change in steps:
        yield change.place, change.sub
        values = change.value if isinstance(change.value, list) else [change.value]
        for name in {name for value in values if isinstance(value, dict) for name in value}:
            sub = change.place.attribute.sub(name) if change.sub is None else None
            if sub is not None:
                yield change.place, sub


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
    pick = None
    if path.filter is not None:
        if not place.attribute.multi_valued:
            raise InvalidPath(
                f"'{path.path}' has one value, so there are no elements for a filter in brackets to pick."
            )
        if path.sub is not None:
            sub = place.attribute.sub(path.sub)
            if sub is None:
                raise InvalidPath(f"'{path.path}' has no sub-attribute '{path.sub}'.")
        # A wrong filter is an error even if nothing is there to be picked.
        pick = Pick(path.filter, elements(path.filter, place.attribute))
    if place.attribute.mutability == "readOnly" or (sub is not None and sub.mutability == "readOnly"):
        raise Mutability(f"'{path.path}' is assigned by the service and can't be changed.")
    if _writable(place.attribute, sub):
        yield Change(operation.op, place, operation.value, pick, sub)


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


def _work(resource: JsonObject, change: Change) -> int:
    """How many values have to be looked through for one change."""
    attribute, urn = change.place.attribute, change.place.extension
    old = (resource if urn is None else resource.get(urn, {})).get(attribute.name)
    if not isinstance(old, list):
        return 0
    if change.pick is not None:
        return change.pick.work(len(old))
    if change.op == "remove" and isinstance(change.value, list):
        return len(old) * shapes(change.value)
    return len(old)


def _apply(resource: JsonObject, change: Change) -> JsonObject:
    attribute, urn = change.place.attribute, change.place.extension
    container = resource if urn is None else resource.get(urn, {})
    old = _fitting(container.get(attribute.name), attribute)
    new = _changed(old, change)
    if new == old:
        return resource
    if new is None and attribute.required:
        raise Mutability(f"'{attribute.name}' is required and can't be removed.")
    if attribute.mutability == "immutable" and old is not None:
        raise Mutability(f"'{attribute.name}' can't be changed once it has a value.")
    _check_required(new, attribute)
    changed = {name: value for name, value in container.items() if name != attribute.name or new is not None}
    if new is not None:
        changed[attribute.name] = new
    return changed if urn is None else {**resource, urn: changed}


def _fitting(old: Json, attribute: Attribute) -> Json | None:
    """The value, unless it was written when the attribute was single-valued, multi-valued or complex and now isn't."""
    one = old[0] if isinstance(old, list) and old else old
    is_complex = attribute.type == "complex"
    fits = isinstance(old, list) is attribute.multi_valued and isinstance(one, dict) is is_complex
    return old if fits else None


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
        return with_sub(old, sub, None if change.op == "remove" else canonical(change.value, sub))
    if change.op == "remove" or tolerances.unassigned(change.value):
        return {}
    # RFC 7644 §3.5.2.3: sub-attributes that the value doesn't name stay as they are.
    new = old
    for name, value in parts(change.value, attribute).items():
        new = with_sub(new, attribute.by_name[name], value)
    return new


def _multi_valued(old: list[Json], change: Change) -> list[Json]:
    attribute = change.place.attribute
    if change.pick is not None:
        new = _picked(old, change, change.pick)
    elif change.sub is not None:
        new = _every(old, change, change.sub)
    elif change.op == "remove":
        new = [] if change.value is None else without(old, change.value, attribute)
    elif change.op == "replace":
        new = [] if tolerances.unassigned(change.value) else many(change.value, attribute)
    else:
        new = old if tolerances.unassigned(change.value) else added(old, many(change.value, attribute), attribute)
    return one_primary(old, new, attribute)


def _every(old: list[Json], change: Change, sub: Attribute) -> list[Json]:
    """`emails.type`: the sub-attribute of every element."""
    value = None if change.op == "remove" else canonical(change.value, sub)
    if not old:
        return [] if value is None else [{sub.name: value}]
    return [new for element in old if (new := with_sub(element, sub, value))]


def _picked(old: list[Json], change: Change, pick: Pick) -> list[Json]:
    """`emails[type eq "work"]`, with or without a sub-attribute."""
    attribute, sub = change.place.attribute, change.sub
    hits = [matches(pick.bound, fold.element(element, attribute)) for element in old]
    if sub is not None:
        value = None if change.op == "remove" else canonical(change.value, sub)
        if value is not None and not any(hits):
            return [*old, {**described(pick.tree, attribute), sub.name: value}]
        changed = [with_sub(e, sub, value) if hit else e for e, hit in zip(old, hits, strict=True)]
        return [element for element in changed if element]
    rest = [element for element, hit in zip(old, hits, strict=True) if not hit]
    if change.op == "remove":
        return rest
    if tolerances.unassigned(change.value):
        return rest if change.op == "replace" else old
    # RFC 7644 §3.5.2.3: the value is one element where the path picks elements.
    given = many(change.value if isinstance(change.value, list) else [change.value], attribute)
    if not any(hits):
        terms = described(pick.tree, attribute)
        return [*old, *({**terms, **element} if isinstance(element, dict) else element for element in given)]
    if change.op == "replace":
        first = hits.index(True)
        return [*old[:first], *given, *rest[first:]]
    new = old
    for element in given:
        new = [
            merged(e, element, attribute) if hit and isinstance(e, dict) else e
            for e, hit in zip(new, hits, strict=True)
        ]
    return new


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
                literal = _number(literal) if sub is not None and sub.type in {"integer", "decimal"} else literal.text
            value = canonical(literal, sub) if sub is not None else None
            if sub is not None and value is not None:
                terms[sub.name] = value
    if not terms and attribute.type == "complex":
        raise NoTarget(f"No element of '{attribute.name}' matches the filter, and it doesn't say how to make one.")
    return terms


def _number(literal: syntax.Number) -> Json:
    """A filter may write a whole number with an exponent, which a body may not."""
    value = literal.value
    return int(value) if isinstance(value, float) and value.is_integer() else value
