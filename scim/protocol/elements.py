"""Decides which elements of a multi-valued attribute are the same, and which one is primary (RFC 7643 §2.4).

Pure functions. Does not know bodies or PATCH operations.
"""

from collections.abc import Callable, Hashable, Iterable
from functools import cache
from typing import Any, Final, cast

from scim.protocol import folding
from scim.protocol.json import Json
from scim.protocol.schema.model import Attribute

PRIMARY: Final = "primary"


def distinct(elements: list[Any], attribute: Attribute) -> list[Any]:
    """Return the elements of a body without duplicates: each `type` and `value` once (RFC 7643 §2.4).

    The first of several duplicates stays, and gets the sub-attributes that only later ones have.
    """
    if len(elements) < 2:
        return elements
    by_identity: dict[Hashable, Any] = {}
    identity = _identity_in_bodies(attribute)
    for element in elements:
        same = identity(element)
        first = by_identity.setdefault(same, element)
        if first is not element and isinstance(element, dict):
            by_identity[same] = {**first, **{name: value for name, value in element.items() if name not in first}}
    return list(by_identity.values())


@cache
def _identity_in_bodies(attribute: Attribute) -> Callable[[Json], Hashable]:
    """Return the function that gives the identity of an element. Cached, because every write needs it."""
    return identify(attribute, folding.fold)


def identify(attribute: Attribute, text: Callable[[str], str]) -> Callable[[Json], Hashable]:
    """Return a function that gives the identity of an element: its `type` and `value`, or all sub-attributes if it has
    no `value`.

    Elements with equal identities are the same. `text` folds a string.
    """
    as_one = comparable(attribute, text)
    as_value, as_type = comparable(attribute.value, text), comparable(attribute.sub("type"), text)

    def identity(element: Json) -> Hashable:
        if not isinstance(element, dict):
            return as_one(element)
        value = element.get("value")
        return frozenset(element.items()) if value is None else (as_type(element.get("type")), as_value(value))

    return identity


def comparable(attribute: Attribute | None, text: Callable[[str], str]) -> Callable[[Json], Hashable]:
    """Return a function that gives the value by which values of the attribute compare: folded, whatever its length."""
    if attribute is None or attribute.case_exact:
        return lambda value: cast(Hashable, value)
    return lambda value: text(value) if isinstance(value, str) else value


def only_primary(elements: list[Json], kept: int, primaries: Iterable[int]) -> list[Json]:
    """Return the elements with `primary: false` in all primary elements but the one at index `kept`."""
    new = list(elements)
    for index in primaries:
        if index != kept:
            new[index] = {**new[index], PRIMARY: False}
    return new
