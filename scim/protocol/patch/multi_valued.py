"""Changes the values of a multi-valued attribute: merges, appends, removes, and keeps one primary element.

Pure functions, which never edit their input. Know no paths and no operations.
"""

from collections.abc import Hashable, Iterable, Sequence
from typing import Final

from scim.protocol import tolerances
from scim.protocol.elements import PRIMARY, comparable, only_primary
from scim.protocol.errors import Mutability
from scim.protocol.json import Json, JsonObject
from scim.protocol.patch.work import Work
from scim.protocol.schema.model import Attribute

_PER_ELEMENT: Final = 3
"""The comparisons that identifying one element counts as."""


def added(old: list[Json], given: list[Json], attribute: Attribute, work: Work) -> list[Json]:
    """Return the elements with the given ones merged into those with the same identity, or appended. The given ones are
    distinct.

    Raises `Mutability`, `PayloadTooLarge`.
    """
    work.compare(_PER_ELEMENT * (len(old) + len(given)))
    identity = work.identify(attribute)
    wanted = {identity(element): element for element in given}
    alike: dict[Hashable, list[int]] = {}
    for index, element in enumerate(old):
        same = identity(element)
        if same in wanted:
            alike.setdefault(same, []).append(index)
    new = list(old)
    for same, element in wanted.items():
        places = alike.get(same, ())
        if not places:
            new.append(element)
        # Several elements can have the same type and value. An equal one changes none of them.
        elif isinstance(element, dict) and not any(old[index] == element for index in places):
            new[places[0]] = merged(new[places[0]], element, attribute)
    return new


def without(old: list[Json], listed: Iterable[Json], attribute: Attribute, work: Work) -> list[Json]:
    """Return the elements without the listed ones, which are compared by `value`, or by all listed sub-attributes
    without one.
    """
    compared = {name: comparable(sub, work.text) for name, sub in attribute.by_name.items()}
    values: set[Hashable] = set()
    # Grouped by their names: each element is looked up once for each set of names, however many elements are listed.
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
    """Return the number of different sets of names in the listed elements; at least one."""
    return len({frozenset(item) for item in listed if isinstance(item, dict)}) or 1


def one_primary(old: list[Json], new: list[Json], attribute: Attribute) -> list[Json]:
    """Return the elements with at most one primary. A new primary element replaces the old one (RFC 7643 §2.4)."""
    if PRIMARY not in attribute.sub_attributes:
        return new
    primaries = [index for index, element in enumerate(new) if element.get(PRIMARY) is True]
    if len(primaries) < 2:
        return new
    untouched = {id(element) for element in old}
    fresh = [index for index in primaries if id(new[index]) not in untouched]
    # An element that was primary before, and was only merged, gives way.
    before = {index for index, element in enumerate(old) if element.get(PRIMARY) is True}
    fresh = [index for index in fresh if index not in before] or fresh
    return only_primary(new, fresh[0], primaries) if fresh else new


def requested_primary(old: list[Json], new: list[Json], requested: Sequence[int]) -> list[Json]:
    """Return the elements with at most one primary among those that one operation makes primary; `new` has the indexes
    of `old`.

    The one that was primary before stays, so that repeating the operation changes nothing; otherwise the first.
    """
    primaries = [index for index in requested if isinstance(new[index], dict) and new[index].get(PRIMARY) is True]
    if len(primaries) < 2:
        return new
    before = [index for index in primaries if old[index].get(PRIMARY) is True]
    return only_primary(new, tolerances.first_primary(before or primaries), primaries)


def with_sub(old: JsonObject, sub: Attribute, value: Json | None) -> JsonObject:
    """Return the complex value with a sub-attribute assigned, or without it if `value` is `None`. Raises `Mutability`."""
    if old.get(sub.name) == value:
        return old
    if sub.mutability == "immutable" and sub.name in old:
        raise Mutability(f"'{sub.label}' can't be changed once it has a value.")
    if value is None:
        return {name: kept for name, kept in old.items() if name != sub.name}
    return {**old, sub.name: value}


def merged(old: JsonObject, new: JsonObject, attribute: Attribute) -> JsonObject:
    """Return the complex value with the sub-attributes of another. Raises `Mutability`."""
    result = old
    for name, value in new.items():
        result = with_sub(result, attribute.by_name[name], value)
    return result
