"""What a PATCH makes of the values of one attribute: which elements count as one, what merges, which is the primary one.

Pure; knows no paths and no operations. A value is never edited: what changes is built anew.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cache
from typing import Any, Final

from scim.protocol import fold, tolerances
from scim.protocol.errors import Mutability
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema import Attribute
from scim.protocol.work import Work, comparable, identify

_PRIMARY: Final = "primary"
_PER_ELEMENT: Final = 3
"""Comparisons that finding out what an element has in common with others counts as."""


def distinct(elements: list[Any], attribute: Attribute) -> list[Any]:
    """Return the elements of one body with each `type` and `value` once (RFC 7643 §2.4).

    The first of several stays, and gets the sub-attributes that only the later ones have.
    """
    if len(elements) < 2:
        return elements
    found: dict[Hashable, Any] = {}
    identity = _identity_in_bodies(attribute)
    for element in elements:
        same = identity(element)
        first = found.setdefault(same, element)
        if first is not element and isinstance(element, dict):
            found[same] = {**first, **{name: value for name, value in element.items() if name not in first}}
    return list(found.values())


@cache
def _identity_in_bodies(attribute: Attribute) -> Callable[[Json], Hashable]:
    """Return what elements are compared by; made once for each attribute, because every write needs it."""
    return identify(attribute, fold.text)


def added(old: list[Json], given: list[Json], attribute: Attribute, work: Work) -> list[Json]:
    """Merge the given elements into those that count as the same, and append the others. The given ones are distinct."""
    work.compare(_PER_ELEMENT * (len(old) + len(given)))
    identity = work.identify(attribute)
    wanted = {identity(element): element for element in given}
    alike: dict[Hashable, list[int]] = {}
    for at, element in enumerate(old):
        same = identity(element)
        if same in wanted:
            alike.setdefault(same, []).append(at)
    new = list(old)
    for same, element in wanted.items():
        places = alike.get(same, ())
        if not places:
            new.append(element)
        # Several may be alike in type and value; an equal one changes none of them.
        elif isinstance(element, dict) and not any(old[at] == element for at in places):
            new[places[0]] = merged(new[places[0]], element, attribute)
    return new


def without(old: list[Json], listed: Iterable[Json], attribute: Attribute, work: Work) -> list[Json]:
    """Remove the listed elements: by `value`, or without one by all sub-attributes that are listed."""
    compared = {name: comparable(sub, work.text) for name, sub in attribute.by_name.items()}
    values: set[Hashable] = set()
    # By the names that they give: an element is looked up once for each such set of names, however many are listed.
    others: dict[tuple[str, ...], set[tuple[Hashable, ...]]] = {}
    as_value = comparable(attribute.value if attribute.type == "complex" else attribute, work.text)
    for item in listed:
        if not isinstance(item, dict):
            values.add(as_value(item))
        elif "value" in item:
            values.add(as_value(item["value"]))
        else:
            names = tuple(sorted(item))
            others.setdefault(names, set()).add(tuple(compared[name](item[name]) for name in names))
    work.compare(_PER_ELEMENT * len(old) * (1 + len(others)))
    return [
        element
        for element in old
        if as_value(element.get("value") if isinstance(element, dict) else element) not in values
        and not any(
            all(name in element for name in names) and tuple(compared[name](element[name]) for name in names) in given
            for names, given in others.items()
        )
    ]


def shapes(listed: list[Json]) -> int:
    """Count the different sets of names that the listed elements have; at least one."""
    return len({frozenset(item) for item in listed if isinstance(item, dict)}) or 1


def one_primary(old: list[Json], new: list[Json], attribute: Attribute) -> list[Json]:
    """Return the elements with the old primary one unset if there is a new one (RFC 7643 §2.4)."""
    if _PRIMARY not in attribute.sub_attributes:
        return new
    primaries = [at for at, element in enumerate(new) if element.get(_PRIMARY) is True]
    if len(primaries) < 2:
        return new
    untouched = {id(element) for element in old}
    fresh = [at for at in primaries if id(new[at]) not in untouched]
    # An element that was primary before, and was merely merged into, gives way.
    before = {at for at, element in enumerate(old) if element.get(_PRIMARY) is True}
    fresh = [at for at in fresh if at not in before] or fresh
    return only_primary(new, fresh[0], primaries) if fresh else new


def asked_primary(old: list[Json], new: list[Json], asked: Sequence[int]) -> list[Json]:
    """Leave one of the elements primary that an operation makes primary all at once; `new` has the places of `old`.

    That is the one that was primary before, so that repeating the operation changes nothing, else the first.
    """
    primaries = [at for at in asked if isinstance(new[at], dict) and new[at].get(_PRIMARY) is True]
    if len(primaries) < 2:
        return new
    before = [at for at in primaries if old[at].get(_PRIMARY) is True]
    return only_primary(new, tolerances.first_primary(before or primaries), primaries)


def only_primary(elements: list[Json], kept: int, primaries: Iterable[int]) -> list[Json]:
    """Set `primary` of all primary elements but one to `false`."""
    new = list(elements)
    for at in primaries:
        if at != kept:
            new[at] = {**new[at], _PRIMARY: False}
    return new


def with_sub(old: JsonObject, sub: Attribute, value: Json | None) -> JsonObject:
    """The complex value with one sub-attribute assigned, or without it if `value` is `None`. Raises `Mutability`."""
    if old.get(sub.name) == value:
        return old
    if sub.mutability == "immutable" and sub.name in old:
        raise Mutability(f"'{sub.label}' can't be changed once it has a value.")
    if value is None:
        return {name: kept for name, kept in old.items() if name != sub.name}
    return {**old, sub.name: value}


def merged(old: JsonObject, new: JsonObject, attribute: Attribute) -> JsonObject:
    """The complex value with the sub-attributes of another. Raises `Mutability`."""
    result = old
    for name, value in new.items():
        result = with_sub(result, attribute.by_name[name], value)
    return result
