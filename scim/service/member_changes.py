"""Turns the member operations of a request into members to add and values to remove. Does not read the store."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from scim.protocol import search_fields
from scim.protocol.errors import InvalidValue, Mutability, PayloadTooLarge
from scim.protocol.filter import syntax
from scim.protocol.filter.terms import created_values, eq_terms
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.patch import Change, Pick, Work
from scim.protocol.schema.model import Attribute, ResourceType
from scim.protocol.tolerances import created_by_value_path, list_from_single, listed_for_removal, unassigned
from scim.protocol.values import one
from scim.storage.interface import Member, MemberChanges

_MEMBER_BYTES: Final = search_fields.MAX_BYTES


def split(changes: Iterable[Change], resource_type: ResourceType) -> tuple[list[Change], list[Change]]:
    """Return the changes of stored attributes, and the changes of `members`."""
    attributes: list[Change] = []
    members: list[Change] = []
    for change in changes:
        is_relation = change.place.extension is None and change.place.attribute.name == resource_type.relation
        (members if is_relation else attributes).append(change)
    return attributes, members


def members_from(raw: Json, attribute: Attribute, limits: Limits) -> list[Member]:
    """Return the members in a value of `members`, each `value` once. Raises `InvalidValue`, `PayloadTooLarge`."""
    if unassigned(raw):
        return []
    members: dict[str, Member] = {}
    for item in list_from_single(raw):
        element = one(item, attribute) or {}
        value = element.get("value")
        if value is None:
            raise InvalidValue("Each member needs a 'value': the id of a user or group.")
        for name, text in element.items():
            if len(text.encode()) > _MEMBER_BYTES:
                raise InvalidValue(
                    f"The '{name}' of a member may have at most {_MEMBER_BYTES} bytes; one has {len(text.encode())}."
                )
        members.setdefault(value, Member(value, element.get("type"), element.get("display")))
    if len(members) > limits.members:
        raise _too_many(limits)
    return list(members.values())


def _too_many(limits: Limits) -> PayloadTooLarge:
    return PayloadTooLarge(f"A request may name at most {limits.members} members.")


class UnknownTypes(Exception):
    """A filter compares the `type` of these members, which no client has sent. The caller looks it up by their ids."""

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__(f"{len(values)} members")
        self.values = values


class MemberOperations:
    """Applies the member operations of one request in their order.

    How it works: `_after` maps each value that an operation touched to its member, or to `None` if it was removed. The rest
    of the group stays. Operations that name their members need no more: the result is the members to add and the values to
    remove, whatever the group contains. Operations that depend on the group need its `current` members, and their result
    must be written conditionally on the version that `current` belongs to.
    """

    def __init__(
        self,
        attribute: Attribute,
        limits: Limits,
        current: Sequence[Member] | None = None,
        types: Mapping[str, str | None] = MappingProxyType({}),
    ) -> None:
        """`types` has the resource types of members that were stored without one; `None` if no resource has the id."""
        self._attribute = attribute
        self._limits = limits
        self._current = None if current is None else {member.value: member for member in current}
        self._types = types
        self._after: dict[str, Member | None] = {}
        self._named_count = 0
        self._work = Work(limits)
        self._elements: dict[str, tuple[Member, JsonObject]] = {}
        """Members as values of the attribute. Each is built once, so that its strings are folded once."""
        self.need_current = False
        """Whether a member was removed and then added. If the group has it with another `type` or `display`, it changes."""

    def replace(self, members: Iterable[Member]) -> list[Member]:
        """Replace all members, and return the new ones. A member that the group has already keeps its `type` and `display`."""
        new = {member.value: self._member(member.value) or member for member in members}
        self._clear()
        self._after.update(new)
        return list(new.values())

    def apply(self, change: Change) -> None:
        """Apply one PATCH operation on `members`. Raises `InvalidValue`, `Mutability`, `PayloadTooLarge`, `UnknownTypes`."""
        change = _on_member(change)
        if change.pick is not None:
            self._apply_to_matches(change, change.pick)
        elif change.op == "add":
            self._add(self._members_in(change.value))
        elif change.op == "replace":
            self.replace(self._members_in(change.value))
        elif change.value is None:
            self._clear()
        else:
            # A member without a `value` is an error in an `add`; in a `remove` it is ignored.
            raw = list_from_single(listed_for_removal(change.value))
            listed = [item for item in raw if one(item, self._attribute) is not None]
            self._remove(member.value for member in self._members_in(listed))

    def changes(self) -> MemberChanges:
        """Return the changes to write, without those that the current members already have."""
        before = self._current
        if before is None:
            removed = [value for value, member in self._after.items() if member is None]
            return MemberChanges(tuple(filter(None, self._after.values())), tuple(removed))
        changed = {value: member for value, member in self._after.items() if member != before.get(value)}
        return MemberChanges(
            tuple(filter(None, changed.values())), tuple(value for value in changed if value in before)
        )

    def _member(self, value: str) -> Member | None:
        """Return the member with this value after the operations so far; `None` if it is absent or not known."""
        if value in self._after:
            return self._after[value]
        return self._current.get(value) if self._current is not None else None

    def _members_in(self, raw: Json) -> list[Member]:
        listed = members_from(raw, self._attribute, self._limits)
        self._named_count += len(listed)
        if self._named_count > self._limits.members:
            raise _too_many(self._limits)
        return listed

    def _add(self, members: Iterable[Member]) -> None:
        for member in members:
            if self._member(member.value) is None:
                self.need_current = self.need_current or member.value in self._after
                self._after[member.value] = member

    def _remove(self, values: Iterable[str]) -> None:
        self._after.update(dict.fromkeys(values))

    def _clear(self) -> None:
        self._work.compare(len(self._current or ()) + len(self._after))
        self._after = dict.fromkeys([*(self._current or ()), *self._after])

    def _apply_to_matches(self, change: Change, pick: Pick) -> None:
        """Apply an operation on `members[...]`. An `add` or a `replace` without a match creates the member of the filter."""
        values = _listed_values(pick.tree)
        matches = self._matching_values(pick) if values is None else values
        if change.op == "remove" or (change.op == "replace" and unassigned(change.value)):
            self._remove(matches)
            return
        terms: JsonObject = {"value": values[0]} if values and len(values) == 1 else {}
        if values is None:
            terms = (
                eq_terms(pick.tree, self._attribute)
                if matches
                else created_by_value_path(created_values(pick.tree, self._attribute))
            )
        raw = [{}] if unassigned(change.value) else list_from_single(change.value)
        members = self._members_in([{**terms, **(item if isinstance(item, dict) else {"value": item})} for item in raw])
        if change.op == "replace":
            # As in a replacement of all members, an existing member keeps its `type` and `display`.
            kept = {member.value for member in members}
            self._remove(value for value in matches if value not in kept)
        self._add(members)

    def _matching_values(self, pick: Pick) -> list[str]:
        present = [member for member in {**(self._current or {}), **self._after}.values() if member is not None]
        if _compares_type(pick.tree):
            unknown = [m.value for m in present if m.type is None and m.value not in self._types]
            if unknown:
                raise UnknownTypes(unknown)
        matches = self._work.hits(pick.bound, [self._element(member) for member in present], self._attribute)
        return [present[index].value for index in matches]

    def _element(self, member: Member) -> JsonObject:
        cached = self._elements.get(member.value)
        if cached is None or cached[0] is not member:
            type = member.type or self._types.get(member.value)
            fields = {"value": member.value, "type": type, "display": member.display}
            cached = member, {name: value for name, value in fields.items() if value is not None}
            self._elements[member.value] = cached
        return cached[1]


def named_changes(changes: Sequence[Change], attribute: Attribute, limits: Limits) -> MemberChanges | None:
    """Return the changes of operations that name their members; `None` if they depend on the current members.

    Raises `InvalidValue`, `Mutability`, `PayloadTooLarge`.
    """
    if any(_needs_current(change) for change in changes):
        return None
    steps = MemberOperations(attribute, limits)
    for change in changes:
        steps.apply(change)
    return None if steps.need_current else steps.changes()


def _compares_type(tree: syntax.Filter) -> bool:
    # Also true if only a literal has the word. Then the types are looked up needlessly.
    return "type" in str(tree).lower()


def _needs_current(change: Change) -> bool:
    if change.pick is not None:
        return _listed_values(change.pick.tree) is None
    return change.op == "replace" or (change.op == "remove" and change.value is None)


def _on_member(change: Change) -> Change:
    """Return the change with a path that ends in `.value` as a change of the member. Raises `Mutability` for others."""
    if change.sub is None:
        return change
    if change.sub.name == "value" and change.op == "remove" and change.pick is not None:
        return change._replace(value=None, sub=None)
    if change.sub.name == "value" and change.op != "remove" and change.pick is None:
        return change._replace(sub=None)
    raise Mutability("The sub-attributes of a member can't be changed. Remove the member and add it again.")


def _listed_values(tree: syntax.Filter) -> list[str] | None:
    """Return the values of a filter that is `value eq "..."`, or several of these joined by `or`; else `None`."""
    terms = tree.terms if isinstance(tree, syntax.Or) else (tree,)
    values = []
    for term in terms:
        if not (isinstance(term, syntax.Compare) and term.op == "eq" and str(term.path).lower() == "value"):
            return None
        value = term.value.text if isinstance(term.value, syntax.Number) else term.value
        if not isinstance(value, str):
            return None
        values.append(value)
    return values
