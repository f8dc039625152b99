"""Counts and limits the work of the operations of one PATCH. Knows no paths and no operations.

How it works: an operation such as `emails[value eq "x"].display` compares every element of the attribute, and a PATCH
can have 1,000 operations on an attribute with thousands of elements. To keep the event loop free for other requests,
each string is folded at most once in a request, and comparisons and characters are counted. The request is refused
before the operation that would exceed a limit. Unlike a time limit, counts don't depend on the machine.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Final, cast

from scim.protocol import folding, search_fields
from scim.protocol.elements import identify
from scim.protocol.errors import PayloadTooLarge
from scim.protocol.filter.binding import All, AnyElement, AnyOf, Bound, Test, Where
from scim.protocol.filter.evaluate import Predicate, predicate
from scim.protocol.json import Json
from scim.protocol.limits import DEFAULT, Limits
from scim.protocol.schema.model import Attribute

_CHARACTERS_AT_ONCE: Final = 4
"""The characters of a `co` literal that count as one comparison, because it is searched at each position of the value."""


class Work:
    """Counts the work of one request, and caches folded strings."""

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._texts: dict[str, str] = {}
        self._searchable: dict[str, Json] = {}
        self._predicates: dict[int, tuple[Bound, Predicate]] = {}
        self.comparisons = 0
        """The number of compared elements, times the comparisons of the filter."""
        self.characters = 0
        """The number of folded characters."""
        self.path_characters = 0
        """The number of parsed characters of paths."""

    def compare(self, number: int) -> None:
        """Count comparisons before they are made. Raises `PayloadTooLarge`."""
        self.comparisons += number
        if self.comparisons > self._limits.patch_values:
            raise PayloadTooLarge(
                f"The operations of a PATCH may compare at most {self._limits.patch_values} values; "
                "send fewer at a time."
            )

    def parse(self, path: str) -> None:
        """Count the characters of a path before it is parsed. Raises `PayloadTooLarge`."""
        if len(path) > self._limits.filter_characters:
            return  # refused without parsing
        self.path_characters += len(path)
        if self.path_characters > self._limits.patch_path_characters:
            raise PayloadTooLarge(
                f"The paths of a PATCH may have at most {self._limits.patch_path_characters} characters in all, each different "
                "path counted once. Send fewer operations at a time."
            )

    def text(self, value: str) -> str:
        """Return the folded string. Raises `PayloadTooLarge`."""
        known = self._texts.get(value)
        if known is None:
            self.characters += len(value)
            if self.characters > self._limits.patch_characters:
                raise PayloadTooLarge(
                    f"The operations of a PATCH may compare at most {self._limits.patch_characters} characters of "
                    "different strings. Send fewer operations at a time."
                )
            known = self._texts[value] = folding.fold(value)
        return known

    def hits(self, bound: Bound, elements: Sequence[Json], attribute: Attribute) -> list[int]:
        """Return the indexes of the elements that match a filter. Count the comparisons first; raise `PayloadTooLarge`
        over the limit.

        Caches by the identity of `bound`, which it keeps alive.
        """
        self.compare(cost(bound) * len(elements))
        known = self._predicates.get(id(bound))
        if known is None:
            # The filter is kept together with its function, so that its `id` isn't reused.
            known = self._predicates[id(bound)] = (
                bound,
                predicate(bound, lambda where: self._value_at(where, attribute)),
            )
        holds = known[1]
        return [index for index, element in enumerate(elements) if holds(element)]

    def _value_at(self, where: Where, attribute: Attribute) -> Callable[[Json], Json]:
        """Return a function that reads a value of an element in the form that it has in search fields."""
        read = self._reader(attribute.by_name[where[0]] if where else attribute)
        if not where:
            return read
        name, searchable = where[0], self._searchable
        is_folded = _folds(attribute.by_name[name])

        def value(element: Json) -> Json:
            found = element.get(name)
            if found is None:
                return None
            # A shortcut, because this runs a million times.
            known = searchable.get(found) if is_folded else None
            return read(found) if known is None else known

        return value

    def _reader(self, attribute: Attribute) -> Callable[[Json], Json]:
        if not _folds(attribute):
            return lambda value: search_fields.element(value, attribute)
        searchable = self._searchable

        def read(value: Json) -> Json:
            known = searchable.get(value)
            if known is None:
                known = searchable[value] = search_fields.comparable(self.text(value))
            return known

        return read

    def identify(self, attribute: Attribute) -> Callable[[Json], Hashable]:
        """Return the function of `elements.identify`, with each string folded at most once."""
        return identify(attribute, self.text)


def _folds(attribute: Attribute) -> bool:
    """Return whether values of the attribute are strings that compare without regard to case."""
    return attribute.is_text and not attribute.case_exact


def cost(bound: Bound) -> int:
    """Return the largest number of comparisons that a filter makes for one element; at least one."""
    match bound:
        case All(terms) | AnyOf(terms):
            return max(1, sum(map(cost, terms)))
        case AnyElement(_, inner):
            return cost(inner)
        case Test(_, "co", literal):
            return 1 + len(cast(str, literal)) // _CHARACTERS_AT_ONCE
    return 1
