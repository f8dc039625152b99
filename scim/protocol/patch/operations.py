"""Resolves the operations of a PATCH request into changes (RFC 7644 §3.5.2). Does not apply them: see `apply`."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from scim.protocol import tolerances
from scim.protocol.errors import InvalidPath, InvalidValue, Mutability, NoTarget, UnknownAttribute
from scim.protocol.filter import syntax
from scim.protocol.filter.binding import Bound, elements, locate
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import DEFAULT, Limits
from scim.protocol.messages import Op, PatchOperation
from scim.protocol.patch.work import Work
from scim.protocol.schema.model import Attribute, Place, ResourceType
from scim.protocol.validate import entries


class Pick(NamedTuple):
    """A filter in brackets, as a tree and bound to the elements of the attribute."""

    tree: syntax.Filter
    bound: Bound


class Change(NamedTuple):
    """A change of one attribute: of all of it, of the elements that match `pick`, or of a sub-attribute of either."""

    op: Op
    place: Place
    value: Json
    pick: Pick | None = None
    sub: Attribute | None = None


def changes(
    operations: Iterable[PatchOperation],
    resource_type: ResourceType,
    limits: Limits = DEFAULT,
    work: Work | None = None,
) -> list[Change]:
    """Resolve the operations of a request into changes. Skip unknown attributes if another operation has a known one.

    Raises `InvalidPath`, `InvalidFilter`, `InvalidValue`, `Mutability`, `NoTarget`, `PayloadTooLarge`.
    """
    resolver = _Resolver(resource_type, limits, work or Work(limits))
    resolved: list[Change] = []
    unknown: list[UnknownAttribute] = []
    for operation in operations:
        try:
            resolved += resolver.resolve(operation)
        except UnknownAttribute as error:
            if limits.unknown_paths == "refuse":
                raise
            unknown.append(error)
    if unknown and not resolved:
        raise unknown[0]
    for _ in unknown:
        tolerances.unknown_attribute()
    return resolved


def targets(steps: Iterable[Change]) -> Iterator[tuple[Place, Attribute | None]]:
    """Yield the attributes and sub-attributes that the changes name, in their paths or in their values."""
    for change in steps:
        yield change.place, change.sub
        values = change.value if isinstance(change.value, list) else [change.value]
        for name in {name for value in values if isinstance(value, dict) for name in value}:
            sub = change.place.attribute.sub(name) if change.sub is None else None
            if sub is not None:
                yield change.place, sub


class _Target(NamedTuple):
    """The target of a path."""

    place: Place
    sub: Attribute | None
    pick: Pick | None


class _Resolver:
    """Resolves the operations of one request. Parses and binds each different path once."""

    def __init__(self, resource_type: ResourceType, limits: Limits, work: Work) -> None:
        self._resource_type = resource_type
        self._limits = limits
        self._work = work
        self._targets: dict[str, _Target] = {}

    def resolve(self, operation: PatchOperation) -> list[Change]:
        """Resolve one operation. Raises `UnknownAttribute` if its path names an unknown attribute or extension."""
        if operation.path is None:
            if operation.op == "remove":
                raise NoTarget("A 'remove' operation needs a 'path'.")
            return self._without_path(operation)
        urn = self._resource_type.urns.get(operation.path.strip().lower())
        if urn is not None:
            return self._of_keys(operation.op, {urn: None if operation.op == "remove" else operation.value})
        return self._with_path(operation, operation.path)

    def _without_path(self, operation: PatchOperation) -> list[Change]:
        if not isinstance(operation.value, dict):
            raise InvalidValue("The 'value' of an operation without 'path' must be a JSON object.")
        resolved = self._of_keys(operation.op, operation.value)
        for name, raw in operation.value.items():
            # As in a body, unknown and read-only attributes are dropped.
            if "[" not in name:
                continue
            self._work.parse(name)
            located = locate(syntax.parse_path(name, self._limits).path, self._resource_type)
            if located is not None and _writable(located[0].attribute, located[1]):
                resolved += self._with_path(PatchOperation(operation.op, name, raw), tolerances.path_as_key(name))
        return resolved

    def _of_keys(self, op: Op, values: JsonObject) -> list[Change]:
        return [
            Change(op, place, raw, sub=sub)
            for place, sub, raw in entries(values, self._resource_type)
            if _writable(place.attribute, sub)
        ]

    def _with_path(self, operation: PatchOperation, text: str) -> list[Change]:
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
                raise InvalidPath(f"'{path.path}' is a simple, single-valued attribute. Remove the filter in brackets.")
            if path.sub is not None:
                sub = attribute.sub(path.sub)
                if sub is None:
                    raise InvalidPath(f"'{path.path}' has no sub-attribute '{path.sub}'.")
            # An invalid filter is an error even if the attribute has no elements.
            pick = Pick(path.filter, elements(path.filter, attribute))
        if attribute.mutability == "readOnly" or (sub is not None and sub.mutability == "readOnly"):
            raise Mutability(f"'{(sub or attribute).label}' is read-only.")
        return _Target(place, sub, pick)

    def _located(self, path: syntax.Path) -> tuple[Place, Attribute | None]:
        located = locate(path, self._resource_type)
        if located is not None:
            return located
        place = (
            self._resource_type.find_in(path.urn, path.attribute)
            if path.urn
            else self._resource_type.find(path.attribute)
        )
        if place is not None:
            raise InvalidPath(f"{self._resource_type.name} has no attribute '{path}'.")
        raise UnknownAttribute(f"{self._resource_type.name} has no attribute '{path}'.")


def _writable(attribute: Attribute, sub: Attribute | None) -> bool:
    if attribute.mutability == "readOnly":
        return False
    # `$ref` follows from the id. A `$ref` from a client is ignored.
    return sub is None or (sub.mutability != "readOnly" and sub.name != "$ref")
