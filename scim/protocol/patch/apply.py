"""Applies resolved changes to a resource (RFC 7644 §3.5.2). Does not know paths or operations.

A change never edits the resource that it is given. It builds new values for the attributes that it changes, and shares
the rest with the old resource.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from scim.protocol import tolerances
from scim.protocol.errors import Mutability, NoTarget
from scim.protocol.filter.terms import created_values, eq_terms
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import DEFAULT, Limits
from scim.protocol.patch.multi_valued import added, merged, one_primary, requested_primary, shapes, with_sub, without
from scim.protocol.patch.operations import Change, Pick
from scim.protocol.patch.work import Work
from scim.protocol.schema.model import Attribute, ResourceType
from scim.protocol.validate import finished
from scim.protocol.values import fitting, many, many_with, one, parts, value as canonical

_PER_CHANGE: Final = 2
"""The comparisons that changing a sub-attribute of one element counts as."""


def apply(
    resource: JsonObject,
    steps: Iterable[Change],
    resource_type: ResourceType,
    limits: Limits = DEFAULT,
    work: Work | None = None,
) -> JsonObject:
    """Return the resource after all changes. Never edits its input. `work` counts comparisons and characters.

    Raises `InvalidValue`, `Mutability`, `NoTarget`, `PayloadTooLarge`.
    """
    applier = _Applier(resource_type, work or Work(limits))
    new = resource
    for change in steps:
        new = applier.apply(new, change)
    return resource if new is resource else finished(new, resource_type)


class _Applier:
    """Applies the changes of one request, one after another."""

    def __init__(self, resource_type: ResourceType, work: Work) -> None:
        self._resource_type = resource_type
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
        return (
            tolerances.empty_state_ignored(old) if new is None and self._resource_type.is_active(change.place) else new
        )

    def _complex(self, old: JsonObject, change: Change) -> JsonObject:
        attribute, sub = change.place.attribute, change.sub
        if sub is not None:
            named = {sub.name: None if change.op == "remove" else canonical(change.value, sub)}
        elif change.op == "remove" or tolerances.unassigned(change.value):
            named = dict.fromkeys(old)
        else:
            # RFC 7644 §3.5.2.3: sub-attributes that the value doesn't have are kept.
            named = parts(change.value, attribute)
        if change.pick is not None and not (old and self._work.hits(change.pick.bound, [old], attribute)):
            if not any(value is not None for value in named.values()):
                return old
            if old:
                raise NoTarget(
                    f"'{attribute.label}' has a value that the filter in brackets doesn't match; to replace it, leave "
                    "out the filter."
                )
            old = tolerances.created_by_value_path(created_values(change.pick.tree, attribute))
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
        """Change the elements that match the filter, or a sub-attribute of these, as in `emails[type eq
        "work"].display`.
        """
        attribute, sub = change.place.attribute, change.sub
        hits = self._work.hits(pick.bound, old, attribute)
        if sub is not None:
            value = None if change.op == "remove" else canonical(change.value, sub)
            if not hits and value is None:
                return old
            if hits:
                return self._with_sub_at(old, hits, sub, value)
            terms = tolerances.created_by_value_path(created_values(pick.tree, attribute))
            return self._with_new(old, [{**terms, sub.name: value}], change, pick)
        if not hits and change.op == "remove":
            return old
        picked = set(hits)
        rest = [element for index, element in enumerate(old) if index not in picked]
        if change.op == "remove":
            return rest
        if tolerances.unassigned(change.value):
            return rest if change.op == "replace" else old
        terms = eq_terms(pick.tree, attribute)
        # RFC 7644 §3.5.2.3: if the path selects elements, the value is one element. The `eq` terms of the filter are its
        # defaults, so that repeating the operation finds the element again.
        raw = change.value if isinstance(change.value, list) else [change.value]
        given = many_with(raw, attribute, terms) if attribute.type == "complex" else many(raw, attribute)
        if not hits:
            if given:
                tolerances.created_by_value_path(created_values(pick.tree, attribute))
            return self._with_new(old, given, change, pick)
        if change.op == "replace":
            return [*old[: hits[0]], *given, *rest[hits[0] :]]
        new = list(old)
        for element in given if attribute.type == "complex" else ():
            self._work.compare(_PER_CHANGE * len(hits) * len(element))
            for index in hits:
                new[index] = merged(new[index], element, attribute)
        return requested_primary(old, new, hits)

    def _with_new(self, old: list[Json], given: list[Json], change: Change, pick: Pick) -> list[Json]:
        """Append the elements that a value path creates."""
        attribute = change.place.attribute
        # An element that matches the filter doesn't exist yet. Other elements may exist, and are merged, so that repeating the
        # operation doesn't add them again.
        if len(self._work.hits(pick.bound, given, attribute)) == len(given):
            return [*old, *given]
        return added(old, given, attribute, self._work)

    def _with_sub_at(self, old: list[Json], places: Sequence[int], sub: Attribute, value: Json | None) -> list[Json]:
        """Assign a sub-attribute of the elements at these indexes. Remove elements that become empty."""
        self._work.compare(_PER_CHANGE * len(places))
        new = list(old)
        for index in places:
            new[index] = with_sub(new[index], sub, value)
        if sub.name == "primary":
            new = requested_primary(old, new, places)
        return new if value is not None else [element for element in new if element]


def _check_required(new: Json, attribute: Attribute) -> None:
    """Raise `Mutability` if a complex value lacks a required sub-attribute."""
    for sub in attribute.required_subs:
        values = new if isinstance(new, list) else [new]
        if any(value is not None and sub.name not in value for value in values):
            raise Mutability(f"'{sub.label}' is required and can't be without a value.")
