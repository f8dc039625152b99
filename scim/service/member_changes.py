"""What a request changes in the members of a group: operations in, members to add and to remove out. Reads nothing."""

from collections.abc import Iterable, Sequence
from typing import Final

from scim.protocol import filter as syntax, fold
from scim.protocol.errors import InvalidValue, Mutability, PayloadTooLarge
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.match import matches
from scim.protocol.patch import Change, Pick, described, too_much_work
from scim.protocol.schema import Attribute, ResourceType
from scim.protocol.tolerances import list_from_single, unassigned
from scim.protocol.values import one
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


class MemberSteps:
    """The member changes of one request, applied in their order without knowing the group, where that is possible."""

    def __init__(self, attribute: Attribute, limits: Limits, current: Sequence[Member] | None = None) -> None:
        self._attribute = attribute
        self._limits = limits
        self._current = None if current is None else {member.value: member for member in current}
        self._after: dict[str, Member | None] = {}
        self._named = 0
        self._looked_through = 0

    @staticmethod
    def need_current(changes: Iterable[Change]) -> bool:
        """Whether the changes can only be told by reading the group's members first."""
        return any(_needs_current(change) for change in changes)

    @staticmethod
    def need_types(changes: Iterable[Change]) -> bool:
        """Whether a filter may ask for the `type` of members, which has to be found out for those without one."""
        # A text that mentions the word is taken for a filter that asks: at worst the types are found in vain.
        return any(change.pick is not None and "type" in str(change.pick.tree).lower() for change in changes)

    def replace(self, members: Iterable[Member]) -> None:
        """These members and no others."""
        self._clear()
        self._add(members)

    def apply(self, change: Change) -> None:
        """One PATCH operation on `members`. Raises `InvalidValue`, `Mutability` or `PayloadTooLarge`."""
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
            listed = [item for item in list_from_single(change.value) if one(item, self._attribute) is not None]
            self._remove(member.value for member in self._listed(listed))

    def changes(self) -> MemberChanges:
        """What is to be written; without what is known to be so already."""
        known = self._current
        add = [m for v, m in self._after.items() if m is not None and (known is None or v not in known)]
        gone = [v for v, m in self._after.items() if m is None and (known is None or v in known)]
        return MemberChanges(tuple(add), tuple(gone))

    def _listed(self, raw: Json) -> list[Member]:
        listed = members_from(raw, self._attribute, self._limits)
        self._named += len(listed)
        if self._named > self._limits.members:
            raise _too_many(self._limits)
        return listed

    def _add(self, members: Iterable[Member]) -> None:
        for member in members:
            if self._after.get(member.value) is None:
                self._after[member.value] = member

    def _remove(self, values: Iterable[str]) -> None:
        self._after.update(dict.fromkeys(values))

    def _clear(self) -> None:
        self._look_through(len(self._current or ()) + len(self._after))
        self._remove([*(self._current or ()), *self._after])

    def _picked(self, change: Change, pick: Pick) -> None:
        """`members[...]`: an add or a replace that finds nothing creates what the filter describes."""
        values = _listed_values(pick.tree)
        hits = self._matching(pick) if values is None else values
        if change.op == "remove" or (change.op == "replace" and unassigned(change.value)):
            self._remove(hits)
            return
        named: JsonObject = {"value": values[0]} if values and len(values) == 1 else {}
        if not hits:
            named = described(pick.tree, self._attribute)
        raw = [{}] if unassigned(change.value) else list_from_single(change.value)
        given = self._listed([{**named, **(item if isinstance(item, dict) else {"value": item})} for item in raw])
        if change.op == "replace":
            self._remove(hits)
        self._add(given)

    def _matching(self, pick: Pick) -> list[str]:
        present = {**(self._current or {}), **self._after}
        self._look_through(pick.work(len(present)))
        return [v for v, m in present.items() if m and matches(pick.bound, fold.element(_element(m), self._attribute))]

    def _look_through(self, values: int) -> None:
        self._looked_through += values
        if self._looked_through > self._limits.patch_values:
            raise too_much_work(self._limits)


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


def _element(member: Member) -> JsonObject:
    fields = {"value": member.value, "type": member.type, "display": member.display}
    return {name: value for name, value in fields.items() if value is not None}
