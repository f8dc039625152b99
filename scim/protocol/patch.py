"""PATCH (RFC 7644 §3.5.2): operations resolved into changes, and changes applied to a resource. Pure.

A change never edits the resource it is given: what it touches is built anew, the rest is shared.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from scim.protocol import filter as syntax, tolerances
from scim.protocol.errors import InvalidPath, InvalidValue, Mutability, NoTarget, UnknownAttribute
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import DEFAULT, Limits
from scim.protocol.messages import Op, Operation
from scim.protocol.plural import added, asked_primary, merged, one_primary, shapes, with_sub, without
from scim.protocol.query import Bound, elements, locate
from scim.protocol.schema import Attribute, Place, ResourceType
from scim.protocol.terms import described, eq_terms
from scim.protocol.validate import entries, finished
from scim.protocol.values import fitting, many, many_with, one, parts, value as canonical
from scim.protocol.work import Work

_PER_CHANGE: Final = 2
"""Comparisons that changing a sub-attribute of one element counts as."""


class Pick(NamedTuple):
    """A filter in brackets, and the same bound to the elements of the attribute."""

    tree: syntax.Filter
    bound: Bound


class Change(NamedTuple):
    """One operation on one attribute: all of it, the elements that are picked, or a sub-attribute of either."""

    op: Op
    place: Place
    value: Json
    pick: Pick | None = None
    sub: Attribute | None = None


def changes(
    operations: Iterable[Operation], kind: ResourceType, limits: Limits = DEFAULT, work: Work | None = None
) -> list[Change]:
    """Resolve the paths of operations. An unknown attribute is skipped if another operation names a known one.

    Raises `InvalidPath`, `InvalidFilter`, `Mutability`, `NoTarget`, `PayloadTooLarge`.
    """
    resolver = _Resolver(kind, limits, work or Work(limits))
    found: list[Change] = []
    unknown: list[UnknownAttribute] = []
    for operation in operations:
        try:
            found += resolver.resolve(operation)
        except UnknownAttribute as error:
            if limits.unknown_paths == "refuse":
                raise
            unknown.append(error)
    if unknown and not found:
        raise unknown[0]
    for _ in unknown:
        tolerances.unknown_attribute()
    return found


def apply(
    resource: JsonObject,
    steps: Iterable[Change],
    kind: ResourceType,
    limits: Limits = DEFAULT,
    work: Work | None = None,
) -> JsonObject:
    """Return the resource after all changes; raise the first error. `work` counts comparisons and characters."""
    applier = _Applier(kind, work or Work(limits))
    new = resource
    for change in steps:
        new = applier.apply(new, change)
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


class _Target(NamedTuple):
    """What a path leads to."""

    place: Place
    sub: Attribute | None
    pick: Pick | None


class _Resolver:
    """Resolves the operations of one request; a path that comes again is parsed and bound once."""

    def __init__(self, kind: ResourceType, limits: Limits, work: Work) -> None:
        self._kind = kind
        self._limits = limits
        self._work = work
        self._targets: dict[str, _Target] = {}

    def resolve(self, operation: Operation) -> list[Change]:
        """Resolve one operation. Raises `UnknownAttribute` if its path names an unknown attribute or extension."""
        if operation.path is None:
            if operation.op == "remove":
                raise NoTarget("An operation 'remove' needs a 'path'.")
            return self._without_path(operation)
        urn = self._kind.urns.get(operation.path.strip().lower())
        if urn is not None:
            return self._of_keys(operation.op, {urn: None if operation.op == "remove" else operation.value})
        return self._with_path(operation, operation.path)

    def _without_path(self, operation: Operation) -> list[Change]:
        if not isinstance(operation.value, dict):
            raise InvalidValue("Without 'path' the 'value' of an operation must be a JSON object.")
        found = self._of_keys(operation.op, operation.value)
        for name, raw in operation.value.items():
            # As with other keys of a body: unknown and read-only attributes are dropped.
            if "[" not in name:
                continue
            self._work.parse(name)
            located = locate(syntax.parse_path(name, self._limits).path, self._kind)
            if located is not None and _writable(located[0].attribute, located[1]):
                found += self._with_path(Operation(operation.op, name, raw), tolerances.path_as_key(name))
        return found

    def _of_keys(self, op: Op, values: JsonObject) -> list[Change]:
        return [
            Change(op, place, raw, sub=sub)
            for place, sub, raw in entries(values, self._kind)
            if _writable(place.attribute, sub)
        ]

    def _with_path(self, operation: Operation, text: str) -> list[Change]:
        target = self._targets.get(text)
        if target is None:
            self._work.parse(text)
            target = self._targets[text] = self._target(text)
        place, sub, pick = target
        return [Change(operation.op, place, operation.value, pick, sub)] if _writable(place.attribute, sub) else []

    def _target(self, text: str) -> _Target:
        path = syntax.parse_path(text, self._limits)
        place, sub = self._located(path.path)
        attribute = place.attribute
        pick = None
        if path.filter is not None:
            if not attribute.multi_valued and attribute.type != "complex":
                raise InvalidPath(f"'{path.path}' has one simple value; leave out the filter in brackets.")
            if path.sub is not None:
                sub = attribute.sub(path.sub)
                if sub is None:
                    raise InvalidPath(f"'{path.path}' has no sub-attribute '{path.sub}'.")
            # A wrong filter is an error even if nothing is there to be picked.
            pick = Pick(path.filter, elements(path.filter, attribute))
        if attribute.mutability == "readOnly" or (sub is not None and sub.mutability == "readOnly"):
            raise Mutability(f"'{(sub or attribute).label}' is assigned by the service and can't be changed.")
        return _Target(place, sub, pick)

    def _located(self, path: syntax.Path) -> tuple[Place, Attribute | None]:
        found = locate(path, self._kind)
        if found is not None:
            return found
        place = self._kind.find_in(path.urn, path.attribute) if path.urn else self._kind.find(path.attribute)
        if place is not None:
            raise InvalidPath(f"{self._kind.name} has no attribute '{path}'.")
        raise UnknownAttribute(f"{self._kind.name} has no attribute '{path}'.")


def _writable(attribute: Attribute, sub: Attribute | None) -> bool:
    if attribute.mutability == "readOnly":
        return False
    # `$ref` follows from the id: what a client sends there is ignored.
    return sub is None or (sub.mutability != "readOnly" and sub.name != "$ref")


# --- one change -------------------------------------------------------------------------------------------------


class _Applier:
    """Applies the changes of one request, one after another."""

    def __init__(self, kind: ResourceType, work: Work) -> None:
        self._kind = kind
        self._work = work

    def apply(self, resource: JsonObject, change: Change) -> JsonObject:
        """Return the resource after one change."""
        attribute, urn = change.place.attribute, change.place.extension
        container = resource if urn is None else resource.get(urn, {})
        old = fitting(container.get(attribute.name), attribute)
        new = self._changed(old, change)
        if new == old:
            return resource
        if new is None and attribute.required:
            raise Mutability(f"'{attribute.label}' is required and can't be removed.")
        if attribute.mutability == "immutable" and old is not None:
            raise Mutability(f"'{attribute.label}' can't be changed once it has a value.")
        _check_required(new, attribute)
        changed = {name: value for name, value in container.items() if name != attribute.name or new is not None}
        if new is not None:
            changed[attribute.name] = new
        return changed if urn is None else {**resource, urn: changed}

    def _changed(self, old: Json, change: Change) -> Json | None:
        """Return the attribute's value after the change; `None` if it has none."""
        attribute = change.place.attribute
        if attribute.multi_valued:
            return self._multi_valued(old or [], change) or None
        if attribute.type == "complex":
            return self._complex(old or {}, change) or None
        if change.op == "remove":
            return None
        new = canonical(change.value, attribute)
        return tolerances.empty_state_ignored(old) if new is None and self._kind.is_active(change.place) else new

    def _complex(self, old: JsonObject, change: Change) -> JsonObject:
        attribute, sub = change.place.attribute, change.sub
        if sub is not None:
            named = {sub.name: None if change.op == "remove" else canonical(change.value, sub)}
        elif change.op == "remove" or tolerances.unassigned(change.value):
            named = dict.fromkeys(old)
        else:
            # RFC 7644 §3.5.2.3: sub-attributes that the value doesn't name stay as they are.
            named = parts(change.value, attribute)
        if change.pick is not None and not (old and self._work.hits(change.pick.bound, [old], attribute)):
            if not any(value is not None for value in named.values()):
                return old
            if old:
                raise NoTarget(
                    f"'{attribute.label}' has a value that the filter in brackets doesn't match; to replace it, leave "
                    "out the filter."
                )
            old = tolerances.created_by_value_path(described(change.pick.tree, attribute))
        if sub is None and (change.op == "remove" or tolerances.unassigned(change.value)):
            return {}
        new = old
        for name, value in named.items():
            new = with_sub(new, attribute.by_name[name], value)
        return new

    def _multi_valued(self, old: list[Json], change: Change) -> list[Json]:
        attribute = change.place.attribute
        if change.pick is not None:
            new = self._picked(old, change, change.pick)
        elif change.sub is not None:
            new = self._every(old, change, change.sub)
        elif change.op == "remove":
            new = [] if change.value is None else self._without(old, change)
        elif change.op == "replace":
            new = [] if tolerances.unassigned(change.value) else many(change.value, attribute)
        elif tolerances.unassigned(change.value):
            new = old
        else:
            new = added(old, many(change.value, attribute), attribute, self._work)
        return new if change.op == "remove" or new is old else one_primary(old, new, attribute)

    def _without(self, old: list[Json], change: Change) -> list[Json]:
        attribute = change.place.attribute
        listed = tolerances.list_from_single(tolerances.listed_for_removal(change.value))
        self._work.compare(len(old) * shapes(listed))
        given = [element for item in listed if (element := one(item, attribute)) is not None]
        return without(old, given, attribute, self._work)

    def _every(self, old: list[Json], change: Change, sub: Attribute) -> list[Json]:
        """Change a sub-attribute of every element, as in `emails.type`."""
        value = None if change.op == "remove" else canonical(change.value, sub)
        if not old:
            return [] if value is None else [{sub.name: value}]
        return self._with_sub_at(old, range(len(old)), sub, value)

    def _picked(self, old: list[Json], change: Change, pick: Pick) -> list[Json]:
        """Change the elements that a filter picks, as in `emails[type eq "work"]`, or a sub-attribute of them."""
        attribute, sub = change.place.attribute, change.sub
        hits = self._work.hits(pick.bound, old, attribute)
        if sub is not None:
            value = None if change.op == "remove" else canonical(change.value, sub)
            if not hits and value is None:
                return old
            if hits:
                return self._with_sub_at(old, hits, sub, value)
            terms = tolerances.created_by_value_path(described(pick.tree, attribute))
            return self._with_new(old, [{**terms, sub.name: value}], change, pick)
        if not hits and change.op == "remove":
            return old
        picked = set(hits)
        rest = [element for at, element in enumerate(old) if at not in picked]
        if change.op == "remove":
            return rest
        if tolerances.unassigned(change.value):
            return rest if change.op == "replace" else old
        terms = eq_terms(pick.tree, attribute)
        # RFC 7644 §3.5.2.3: the value is one element where the path picks elements. What the filter says of it needn't be
        # said again, and repeating the operation finds it again.
        raw = change.value if isinstance(change.value, list) else [change.value]
        given = many_with(raw, attribute, terms) if attribute.type == "complex" else many(raw, attribute)
        if not hits:
            if given:
                tolerances.created_by_value_path(described(pick.tree, attribute))
            return self._with_new(old, given, change, pick)
        if change.op == "replace":
            return [*old[: hits[0]], *given, *rest[hits[0] :]]
        new = list(old)
        for element in given if attribute.type == "complex" else ():
            self._work.compare(_PER_CHANGE * len(hits) * len(element))
            for at in hits:
                new[at] = merged(new[at], element, attribute)
        return asked_primary(old, new, hits)

    def _with_new(self, old: list[Json], given: list[Json], change: Change, pick: Pick) -> list[Json]:
        """Append the elements that a value path creates."""
        attribute = change.place.attribute
        # An element that the filter picks isn't there yet, or it would have been found. Others are looked for, so that
        # repeating the operation doesn't add them again.
        if len(self._work.hits(pick.bound, given, attribute)) == len(given):
            return [*old, *given]
        return added(old, given, attribute, self._work)

    def _with_sub_at(self, old: list[Json], places: Sequence[int], sub: Attribute, value: Json | None) -> list[Json]:
        """Assign a sub-attribute at these places; drop elements that are left empty."""
        self._work.compare(_PER_CHANGE * len(places))
        new = list(old)
        for at in places:
            new[at] = with_sub(new[at], sub, value)
        if sub.name == "primary":
            new = asked_primary(old, new, places)
        return new if value is not None else [element for element in new if element]


def _check_required(new: Json, attribute: Attribute) -> None:
    """Raises `Mutability` if a complex value has lost, or never got, a sub-attribute that is required."""
    for sub in attribute.required_subs:
        values = new if isinstance(new, list) else [new]
        if any(value is not None and sub.name not in value for value in values):
            raise Mutability(f"'{sub.label}' is required and can't be without a value.")
