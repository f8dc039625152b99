"""What a PATCH makes of the values of one attribute: which elements count as one, what merges, which is the primary one.

Pure; knows no paths and no operations. A value is never edited: what changes is built anew.
"""

from collections.abc import Hashable
from typing import cast

from scim.protocol import fold, tolerances
from scim.protocol.errors import InvalidValue, Mutability
from scim.protocol.json import Json, JsonObject
from scim.protocol.schema import Attribute
from scim.protocol.values import one


def added(old: list[Json], given: list[Json], attribute: Attribute) -> list[Json]:
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
            new[at] = merged(new[at], element, attribute)
        equal.add(_exactly(new[at]))
    return new


def without(old: list[Json], listed: Json, attribute: Attribute) -> list[Json]:
    """The elements that a `remove` with a value doesn't list, by `value` or, if that isn't given, by all that is."""
    given = [one(item, attribute) for item in tolerances.list_from_single(listed)]
    wanted = [_compared(element, attribute) for element in given if element is not None]
    values = {fields["value"] for fields in wanted if "value" in fields}
    # By the names that they give: an element is looked up once for each such set of names, however many are listed.
    others: dict[tuple[str, ...], set[tuple[Json, ...]]] = {}
    for fields in wanted:
        if "value" not in fields:
            names = tuple(sorted(fields))
            others.setdefault(names, set()).add(tuple(fields[name] for name in names))
    kept = []
    for element in old:
        fields = _compared(element, attribute)
        is_listed = any(tuple(map(fields.get, names)) in given for names, given in others.items())
        if fields.get("value") not in values and not is_listed:
            kept.append(element)
    return kept


def shapes(listed: list[Json]) -> int:
    """How many different sets of names the listed elements have; at least one."""
    return len({frozenset(item) for item in listed if isinstance(item, dict)}) or 1


def one_primary(old: list[Json], new: list[Json], attribute: Attribute) -> list[Json]:
    """A new primary value unsets the old one; two new ones contradict each other (RFC 7643 §2.4)."""
    if "primary" not in attribute.sub_attributes:
        return new
    untouched = {id(element) for element in old}
    fresh = {id(e) for e in new if e.get("primary") is True and id(e) not in untouched}
    if len(fresh) > 1:
        # An element that was primary before, and was merely merged into, gives way.
        before = {at for at, element in enumerate(old) if element.get("primary") is True}
        fresh = {id(e) for at, e in enumerate(new) if id(e) in fresh and at not in before}
    if len(fresh) > 1:
        raise InvalidValue(f"'{attribute.name}' can have only one primary value.")
    if not fresh:
        return new
    return [{**e, "primary": False} if e.get("primary") is True and id(e) not in fresh else e for e in new]


def with_sub(old: JsonObject, sub: Attribute, value: Json | None) -> JsonObject:
    """The complex value with one sub-attribute assigned, or without it if `value` is `None`. Raises `Mutability`."""
    if old.get(sub.name) == value:
        return old
    if sub.mutability == "immutable" and sub.name in old:
        raise Mutability(f"'{sub.name}' can't be changed once it has a value.")
    if value is None:
        return {name: kept for name, kept in old.items() if name != sub.name}
    return {**old, sub.name: value}


def merged(old: JsonObject, new: JsonObject, attribute: Attribute) -> JsonObject:
    """The complex value with the sub-attributes of another. Raises `Mutability`."""
    result = old
    for name, value in new.items():
        result = with_sub(result, attribute.by_name[name], value)
    return result


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
    # A stored element may have what its schema doesn't describe any more.
    folds = {name for name, sub in subs.items() if not sub.case_exact}
    return {n: fold.text(v) if isinstance(v, str) and n in folds else v for n, v in values.items()}
