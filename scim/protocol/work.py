"""Counts and bounds the work of the operations of one PATCH. Knows no paths and no operations.

How it works. An operation such as `emails[value eq "x"].display` compares every element of the attribute, and a PATCH may
have 1,000 operations on an attribute with thousands of elements. So that no request delays the others:

- each text is folded at most once for a request, however many elements and operations it is part of;
- comparisons and characters are counted, and a request is refused before the operation that would go beyond a limit.
  Counts don't depend on the machine, as seconds would.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Final, cast

from scim.protocol import fold
from scim.protocol.errors import PayloadTooLarge
from scim.protocol.json import Json
from scim.protocol.limits import DEFAULT, Limits
from scim.protocol.match import Predicate, predicate
from scim.protocol.query import All, AnyOf, Bound, Some, Test, Where
from scim.protocol.schema import Attribute

_CHARACTERS_AT_ONCE: Final = 4
"""Characters of the literal of a `co` that cost as much as a comparison: it is looked for at each place of the value."""


class Work:
    """Counts the work of one request, and caches the texts that it has folded."""

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._texts: dict[str, str] = {}
        self._searchable: dict[str, Json] = {}
        self._predicates: dict[int, tuple[Bound, Predicate]] = {}
        self.comparisons = 0
        """Elements looked at, each as often as a filter has comparisons."""
        self.characters = 0
        """Characters folded."""
        self.path_characters = 0
        """Characters of paths parsed."""

    def compare(self, number: int) -> None:
        """Count comparisons that are about to be made. Raises `PayloadTooLarge`."""
        self.comparisons += number
        if self.comparisons > self._limits.patch_values:
            raise PayloadTooLarge(
                f"The operations of a PATCH may look through at most {self._limits.patch_values} values; "
                "send fewer at a time."
            )

    def parse(self, path: str) -> None:
        """Count a path that is about to be parsed. Raises `PayloadTooLarge`."""
        if len(path) > self._limits.filter_characters:
            return  # it is refused unparsed
        self.path_characters += len(path)
        if self.path_characters > self._limits.patch_path_characters:
            raise PayloadTooLarge(
                f"The paths of a PATCH may have at most {self._limits.patch_path_characters} characters in all, each "
                "path counted once; send fewer operations at a time."
            )

    def text(self, value: str) -> str:
        """Return the folded text, as it compares when letter case doesn't count. Raises `PayloadTooLarge`."""
        known = self._texts.get(value)
        if known is None:
            self.characters += len(value)
            if self.characters > self._limits.patch_characters:
                raise PayloadTooLarge(
                    f"The operations of a PATCH may compare at most {self._limits.patch_characters} characters of "
                    "different texts; send fewer operations at a time."
                )
            known = self._texts[value] = fold.text(value)
        return known

    def hits(self, bound: Bound, elements: Sequence[Json], attribute: Attribute) -> list[int]:
        """Return the places of the elements for which a filter holds. Raises `PayloadTooLarge`."""
        self.compare(cost(bound) * len(elements))
        known = self._predicates.get(id(bound))
        if known is None:
            # The filter is kept beside its function, so that its identity isn't taken by another one.
            known = self._predicates[id(bound)] = (
                bound,
                predicate(bound, lambda where: self._value_at(where, attribute)),
            )
        holds = known[1]
        return [at for at, element in enumerate(elements) if holds(element)]

    def _value_at(self, where: Where, attribute: Attribute) -> Callable[[Json], Json]:
        """Return a function that reads a value of an element as it stands in a folded copy."""
        read = self._reader(attribute.by_name[where[0]] if where else attribute)
        if not where:
            return read
        name, searchable = where[0], self._searchable
        is_folded = _folds(attribute.by_name[name])

        def value(element: Json) -> Json:
            found = element.get(name)
            if found is None:
                return None
            # Looked up here already, because this is done a million times.
            known = searchable.get(found) if is_folded else None
            return read(found) if known is None else known

        return value

    def _reader(self, attribute: Attribute) -> Callable[[Json], Json]:
        if not _folds(attribute):
            return lambda value: fold.element(value, attribute)
        searchable = self._searchable

        def read(value: Json) -> Json:
            known = searchable.get(value)
            if known is None:
                known = searchable[value] = fold.comparable(self.text(value))
            return known

        return read

    def identify(self, attribute: Attribute) -> Callable[[Json], Hashable]:
        """Do the same as the function `identify`, with texts folded at most once."""
        return identify(attribute, self.text)


def _folds(attribute: Attribute) -> bool:
    """Whether its values are texts whose letter case doesn't count."""
    return attribute.is_text and not attribute.case_exact


def identify(attribute: Attribute, text: Callable[[str], str]) -> Callable[[Json], Hashable]:
    """Return a function to the identity of an element: `type` and `value`, or all sub-attributes if there is no `value`.

    Elements with equal identities count as one. `text` folds a text.
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
    """Return a function to what a value of the attribute compares by: folded whatever its length, unlike in filters."""
    if attribute is None or attribute.case_exact:
        return lambda value: cast(Hashable, value)
    return lambda value: text(value) if isinstance(value, str) else value


def cost(bound: Bound) -> int:
    """Return the largest number of comparisons that a filter makes for one element; at least one."""
    match bound:
        case All(terms) | AnyOf(terms):
            return max(1, sum(map(cost, terms)))
        case Some(_, inner):
            return cost(inner)
        case Test(_, "co", literal):
            return 1 + len(cast(str, literal)) // _CHARACTERS_AT_ONCE
    return 1
