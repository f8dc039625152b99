"""What a request changes in the members of a group: operations in, members to add and to remove out. Reads nothing."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from scim.protocol import filter as syntax, fold
from scim.protocol.errors import InvalidValue, Mutability, PayloadTooLarge
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.patch import Change, Pick
from scim.protocol.schema import Attribute, ResourceType
from scim.protocol.terms import described, eq_terms
from scim.protocol.tolerances import created_by_value_path, list_from_single, listed_for_removal, unassigned
from scim.protocol.values import one
from scim.protocol.work import Work
from scim.storage.interface import Member, MemberChanges

_MEMBER_BYTES: Final = fold.MAX_BYTES


def split(changes: Iterable[Change], kind: ResourceType) -> tuple[list[Change], list[Change]]:
    """The changes of attributes, and those of members."""
    attributes: list[Change] = []
    members: list[Change] = []
    for change in changes:
        is_relation = change.place.extension is None and change.place.attribute.name == kind.relation
        (members if is_relation else attributes).append(change)
    return attributes, members


def members_from(raw: Json, attribute: Attribute, limits: Limits) -> list[Member]:
    """The members that a body lists, each value once. Raises `InvalidValue` or `PayloadTooLarge`."""
    if unassigned(raw):
        return []
    found: dict[str, Member] = {}
    for item in list_from_single(raw):
        element = one(item, attribute) or {}
        value = element.get("value")
        if value is None:
            raise InvalidValue("Each member needs a 'value': the id of a user or group.")
        for name, text in element.items():
            if len(text.encode()) > _MEMBER_BYTES:
                raise InvalidValue(f"The '{name}' of a member may have at most {_MEMBER_BYTES} bytes.")
        found.setdefault(value, Member(value, element.get("type"), element.get("display")))
    if len(found) > limits.members:
        raise _too_many(limits)
    return list(found.values())


def _too_many(limits: Limits) -> PayloadTooLarge:
    return PayloadTooLarge(f"A request may name at most {limits.members} members.")


class UnknownTypes(Exception):
    """A filter asks for the `type` of these members, which no client has sent: it must be found out by their ids."""

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__(f"{len(values)} members")
        self.values = values


class MemberSteps:
    """Applies the member operations of one request in their order.

    How it works: only what the operations touch is kept, each value with the member that it stands for from then on, or
    `None` once it was removed. With the `current` members of the group this is laid over them. Without them, operations
    that name their members still lead to what is to be added and removed, whatever the group has. What depends on the
    group is computed from `current`, and must be written on the version that `current` belongs to.
    """

    def __init__(
        self,
        attribute: Attribute,
        limits: Limits,
        current: Sequence[Member] | None = None,
        types: Mapping[str, str | None] = MappingProxyType({}),
    ) -> None:
        """`types` are those of members without a type of their own; `None` for an id that is no resource's."""
        self._attribute = attribute
        self._limits = limits
        self._current = None if current is None else {member.value: member for member in current}
        self._types = types
        self._after: dict[str, Member | None] = {}
        self._named = 0
        self._work = Work(limits)
        self._elements: dict[str, tuple[Member, JsonObject]] = {}
        """Members as values of the attribute, each made once, so that it is folded once."""
        self.need_current = False
        """Whether a member was removed and then added: if it was there with another `type` or `display`, it changes."""

    def replace(self, members: Iterable[Member]) -> list[Member]:
        """Replace all members by these, and return them; one that is there already stays as it is."""
        new = {member.value: self._there(member.value) or member for member in members}
        self._clear()
        self._after.update(new)
        return list(new.values())

    def apply(self, change: Change) -> None:
        """Apply one PATCH operation on `members`. Raises `InvalidValue`, `Mutability`, `PayloadTooLarge` or `UnknownTypes`."""
        change = _on_whole_members(change)
        if change.pick is not None:
            self._picked(change, change.pick)
        elif change.op == "add":
            self._add(self._listed(change.value))
        elif change.op == "replace":
            self.replace(self._listed(change.value))
        elif change.value is None:
            self._clear()
        else:
            # A member without a value names nobody: an error where it would add, nothing where it would remove.
            raw = list_from_single(listed_for_removal(change.value))
            listed = [item for item in raw if one(item, self._attribute) is not None]
            self._remove(member.value for member in self._listed(listed))

    def changes(self) -> MemberChanges:
        """Return the changes to write; without those that are known to be done already."""
        before = self._current
        if before is None:
            gone = [value for value, member in self._after.items() if member is None]
            return MemberChanges(tuple(filter(None, self._after.values())), tuple(gone))
        changed = {value: member for value, member in self._after.items() if member != before.get(value)}
        return MemberChanges(
            tuple(filter(None, changed.values())), tuple(value for value in changed if value in before)
        )

    def _there(self, value: str) -> Member | None:
        """Return the member with this value as the operations so far have left it, if it is known to be there."""
        if value in self._after:
            return self._after[value]
        return self._current.get(value) if self._current is not None else None

    def _listed(self, raw: Json) -> list[Member]:
        listed = members_from(raw, self._attribute, self._limits)
        self._named += len(listed)
        if self._named > self._limits.members:
            raise _too_many(self._limits)
        return listed

    def _add(self, members: Iterable[Member]) -> None:
        for member in members:
            if self._there(member.value) is None:
                self.need_current = self.need_current or member.value in self._after
                self._after[member.value] = member

    def _remove(self, values: Iterable[str]) -> None:
        self._after.update(dict.fromkeys(values))

    def _clear(self) -> None:
        self._work.compare(len(self._current or ()) + len(self._after))
        self._after = dict.fromkeys([*(self._current or ()), *self._after])

    def _picked(self, change: Change, pick: Pick) -> None:
        """Apply an operation on `members[...]`. An add or a replace that finds nothing creates what the filter describes."""
        values = _listed_values(pick.tree)
        hits = self._matching(pick) if values is None else values
        if change.op == "remove" or (change.op == "replace" and unassigned(change.value)):
            self._remove(hits)
            return
        named: JsonObject = {"value": values[0]} if values and len(values) == 1 else {}
        if values is None:
            named = (
                eq_terms(pick.tree, self._attribute)
                if hits
                else created_by_value_path(described(pick.tree, self._attribute))
            )
        raw = [{}] if unassigned(change.value) else list_from_single(change.value)
        given = self._listed([{**named, **(item if isinstance(item, dict) else {"value": item})} for item in raw])
        if change.op == "replace":
            # As in a replacement of all members, one that is there already stays as it is.
            kept = {member.value for member in given}
            self._remove(value for value in hits if value not in kept)
        self._add(given)

    def _matching(self, pick: Pick) -> list[str]:
        present = [member for member in {**(self._current or {}), **self._after}.values() if member is not None]
        if _asks_for_type(pick.tree):
            unknown = [m.value for m in present if m.type is None and m.value not in self._types]
            if unknown:
                raise UnknownTypes(unknown)
        hits = self._work.hits(pick.bound, [self._element(member) for member in present], self._attribute)
        return [present[at].value for at in hits]

    def _element(self, member: Member) -> JsonObject:
        known = self._elements.get(member.value)
        if known is None or known[0] is not member:
            type = member.type or self._types.get(member.value)
            fields = {"value": member.value, "type": type, "display": member.display}
            known = member, {name: value for name, value in fields.items() if value is not None}
            self._elements[member.value] = known
        return known[1]


def named_changes(changes: Sequence[Change], attribute: Attribute, limits: Limits) -> MemberChanges | None:
    """Return the changes of operations that name their members; `None` if they depend on the members of the group."""
    if any(_needs_current(change) for change in changes):
        return None
    steps = MemberSteps(attribute, limits)
    for change in changes:
        steps.apply(change)
    return None if steps.need_current else steps.changes()


def _asks_for_type(tree: syntax.Filter) -> bool:
    # A text that mentions the word is taken for a filter that asks: at worst the types are found in vain.
    return "type" in str(tree).lower()


def _needs_current(change: Change) -> bool:
    if change.pick is not None:
        return _listed_values(change.pick.tree) is None
    return change.op == "replace" or (change.op == "remove" and change.value is None)


def _on_whole_members(change: Change) -> Change:
    """A path that ends in `.value` means the member; the other sub-attributes of a member never change."""
    if change.sub is None:
        return change
    if change.sub.name == "value" and change.op == "remove" and change.pick is not None:
        return change._replace(value=None, sub=None)
    if change.sub.name == "value" and change.op != "remove" and change.pick is None:
        return change._replace(sub=None)
    raise Mutability("A member can't be changed; remove it and add it again.")


def _listed_values(tree: syntax.Filter) -> list[str] | None:
    """The values of a filter that is `value eq "…"`, or several of these joined by `or`; else `None`."""
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
