"""Indexes for equal values and for orders, built on first use, so that queries need no scan. Knows no SQL, no charges.

An index contains sequence numbers of items. These indexes only make the emulator faster: `policy` decides whether a
path is indexed in Cosmos DB, and the result of a query never depends on the index that was used.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import Any

from tests.cosmos_emulator.policy import ELEMENT, Names
from tests.cosmos_emulator.values import UNDEFINED, OrderKey, Value, follow, hash_key, is_scalar, order_key

type Document = dict[str, Any]
type Entry = tuple[int, Any, int]  # an order key and a sequence number


class HashIndex:
    """The items by scalar value at a path. The path may include the elements of arrays (`ELEMENT`)."""

    def __init__(self, path: Names) -> None:
        self._path = path
        self._plain = ELEMENT not in path
        self._found: dict[Any, set[int]] = {}

    def _values(self, document: Document) -> Iterator[Value]:
        if self._plain:
            yield follow(document, self._path)
        else:
            yield from _spread(document, self._path)

    def add(self, document: Document, number: int) -> None:
        for value in self._values(document):
            if value is not UNDEFINED and is_scalar(value):
                self._found.setdefault(hash_key(value), set()).add(number)

    def remove(self, document: Document, number: int) -> None:
        for value in self._values(document):
            if value is not UNDEFINED and is_scalar(value):
                key = hash_key(value)
                numbers = self._found.get(key)
                if numbers is not None:
                    numbers.discard(number)
                    if not numbers:
                        del self._found[key]

    def find(self, value: Value) -> set[int]:
        """Return the items that have exactly this scalar. Callers must not change the result."""
        return self._found.get(hash_key(value), set())


def _spread(value: Value, path: Names) -> Iterator[Value]:
    if not path:
        yield value
    elif path[0] == ELEMENT:
        if isinstance(value, list):
            for element in value:
                yield from _spread(element, path[1:])
    elif isinstance(value, dict):
        yield from _spread(value.get(path[0], UNDEFINED), path[1:])


type Bound = tuple[Any, ...]


def below(key: OrderKey) -> Bound:
    """Return a bound before all entries with this value."""
    return key


def above(key: OrderKey) -> Bound:
    """Return a bound behind all entries with this value."""
    return (*key, math.inf)


def behind(key: OrderKey, number: int) -> Bound:
    """Return a bound directly behind one entry."""
    return (*key, number, 0)


class SortedIndex:
    """The items in the order of the values at a path; equal values in the order of creation.

    A bound is a tuple that begins like an entry; a shorter one sorts before all entries that begin with it.
    """

    def __init__(self, path: Names, documents: Iterable[tuple[Document, int]]) -> None:
        self._path = path
        self._entries: list[Entry] = sorted(self._entry(document, number) for document, number in documents)

    def _entry(self, document: Document, number: int) -> Entry:
        return (*order_key(follow(document, self._path)), number)

    def add(self, document: Document, number: int) -> None:
        insort(self._entries, self._entry(document, number))

    def remove(self, document: Document, number: int) -> None:
        del self._entries[bisect_left(self._entries, self._entry(document, number))]

    def span(self, low: Bound, high: Bound) -> tuple[int, int]:
        """Return the positions of the entries between two bounds."""
        start = bisect_left(self._entries, low)
        return start, max(start, bisect_left(self._entries, high))

    def numbers(self, start: int, end: int, *, backward: bool) -> Iterator[int]:
        """Yield the items between two positions, forwards or backwards."""
        positions = range(end - 1, start - 1, -1) if backward else range(start, end)
        for position in positions:
            yield self._entries[position][2]
