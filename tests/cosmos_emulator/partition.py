"""The items of one partition key value: point operations, unique keys, time to live, rollback. Knows no HTTP, no SQL.

Every change of an item goes through `_swap`, so that indexes, unique keys and the journal of a batch stay consistent.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.cosmos_emulator.indexes import Document, HashIndex, SortedIndex
from tests.cosmos_emulator.policy import Definition, Names
from tests.cosmos_emulator.values import UNDEFINED, follow, order_key
from tests.cosmos_emulator.wire import CosmosError, dump, refuse

MAX_ITEM_BYTES = 2 * 1024 * 1024  # service limits: item size 2 MB, UTF-8 length of the JSON
MAX_ID_BYTES = 1023
MAX_NESTING = 128

type Clock = Callable[[], float]
type Stamp = Callable[[Document, int], None]  # sets the system properties of an item


class Item:
    """A stored version of an item. A change creates a new version with the same number."""

    __slots__ = ("document", "expires", "number", "size", "terms")

    def __init__(self, document: Document, number: int, size: int, terms: int, expires: float | None) -> None:
        self.document = document
        self.number = number
        self.size = size
        self.terms = terms
        self.expires = expires

    @property
    def etag(self) -> str:
        return str(self.document["_etag"])


class Partition:
    """One logical partition. Callers must not change the documents that they pass or receive."""

    def __init__(self, definition: Definition, clock: Clock, stamp: Stamp) -> None:
        self._definition = definition
        self._clock = clock
        self._stamp = stamp
        self._last = 0
        self._ids: dict[str, Item] = {}
        self._numbers: dict[int, Item] = {}
        self._unique: list[dict[Any, int]] = [{} for _ in definition.unique_keys]
        self._hashes: dict[Names, HashIndex] = {}
        self._sorted: dict[Names, SortedIndex] = {}
        self._expiring: list[tuple[float, int]] = []
        self._journal: list[tuple[Item | None, Item | None]] | None = None

    # -- reading

    def __len__(self) -> int:
        self.expire()
        return len(self._ids)

    def items(self) -> Iterator[Item]:
        """Return all items in the order of their creation."""
        self.expire()
        return iter([self._numbers[number] for number in sorted(self._numbers)])

    def numbered(self, number: int) -> Item:
        return self._numbers[number]

    def numbers(self) -> list[int]:
        return sorted(self._numbers)

    def read(self, id: str) -> Item:
        """Return the item. Raises CosmosError 404."""
        self.expire()
        item = self._ids.get(id)
        if item is None:
            raise CosmosError(404, "Entity with the specified id does not exist in the system.")
        return item

    def hash_index(self, path: Names) -> HashIndex:
        """Return the index of a path, built on first use."""
        index = self._hashes.get(path)
        if index is None:
            index = self._hashes[path] = HashIndex(path)
            for number, item in self._numbers.items():
                index.add(item.document, number)
        return index

    def sorted_index(self, path: Names) -> SortedIndex:
        """Return the order of a path, built on first use."""
        index = self._sorted.get(path)
        if index is None:
            index = self._sorted[path] = SortedIndex(path, ((i.document, n) for n, i in self._numbers.items()))
        return index

    # -- changing

    def create(self, document: Document, size: int) -> Item:
        """Store a new item. Raises CosmosError 409 if its id or a unique key exists."""
        self.expire()
        if document["id"] in self._ids:
            raise CosmosError(409, "Resource with specified id or name already exists.")
        self._last += 1
        return self._store(None, document, self._last, size)

    def replace(self, id: str, document: Document, size: int, expected: str | None) -> Item:
        """Store a new version. Raises CosmosError 404, 412 (`expected` isn't the current etag), 409 (unique key)."""
        before = self._expected(id, expected)
        if document.get("id") != id:
            refuse("The id in the body must be the id of the item that is replaced.")
        return self._store(before, document, before.number, size)

    def delete(self, id: str, expected: str | None) -> Item:
        """Remove an item and return it. Raises CosmosError 404, 412."""
        before = self._expected(id, expected)
        self._swap(before, None)
        return before

    def _expected(self, id: str, expected: str | None) -> Item:
        item = self.read(id)
        if expected not in {None, "*", item.etag}:
            raise CosmosError(412, "One of the specified pre-condition is not met.")
        return item

    def _store(self, before: Item | None, document: Document, number: int, size: int) -> Item:
        expires = self._definition.expiry(document, self._clock())
        fresh = {sys.intern(name): value for name, value in document.items()}
        self._stamp(fresh, number)
        terms = self._definition.indexing.terms(document)
        after = Item(fresh, number, size, terms, expires)
        for constraint, taken in zip(self._definition.unique_keys, self._unique, strict=True):
            if taken.get(_unique_value(fresh, constraint), number) != number:
                raise CosmosError(409, "Unique index constraint violation.")
        self._swap(before, after)
        return after

    def _swap(self, before: Item | None, after: Item | None) -> None:
        if before is not None:
            self._forget(before)
        if after is not None:
            self._remember(after)
        if self._journal is not None:
            self._journal.append((before, after))

    def _forget(self, item: Item) -> None:
        document, number = item.document, item.number
        del self._ids[document["id"]]
        del self._numbers[number]
        for constraint, taken in zip(self._definition.unique_keys, self._unique, strict=True):
            del taken[_unique_value(document, constraint)]
        for hashes in self._hashes.values():
            hashes.remove(document, number)
        for ordered in self._sorted.values():
            ordered.remove(document, number)

    def _remember(self, item: Item) -> None:
        document, number = item.document, item.number
        self._ids[document["id"]] = item
        self._numbers[number] = item
        for constraint, taken in zip(self._definition.unique_keys, self._unique, strict=True):
            taken[_unique_value(document, constraint)] = number
        for hashes in self._hashes.values():
            hashes.add(document, number)
        for ordered in self._sorted.values():
            ordered.add(document, number)
        if item.expires is not None:
            heapq.heappush(self._expiring, (item.expires, number))

    # -- time and transactions

    def expire(self) -> None:
        """Remove expired items, as soon as they expire ("vanish at once"), but never within a batch."""
        if self._journal is not None:
            return
        while self._expiring and self._expiring[0][0] <= self._clock():
            _, number = heapq.heappop(self._expiring)
            item = self._numbers.get(number)
            if item is not None and item.expires is not None and item.expires <= self._clock():
                self._forget(item)

    def begin(self) -> None:
        """Begin a transaction: `roll_back` undoes the changes from here on."""
        self.expire()
        self._journal = []

    def commit(self) -> None:
        self._journal = None

    def roll_back(self) -> None:
        """Undo all changes since `begin`."""
        journal, self._journal = self._journal or [], None
        for before, after in reversed(journal):
            self._swap(after, before)


def _unique_value(document: Document, constraint: list[Names]) -> Any:
    """Return the values of a unique key; "a missing value is taken as null"."""
    values = [follow(document, path) for path in constraint]
    return tuple(order_key(None if value is UNDEFINED else value) for value in values)


def check_item(document: Any, size: int | None = None) -> int:
    """Return the size of an item in bytes. Refuses documents that can't be items."""
    if not isinstance(document, dict):
        refuse("The request payload is invalid: an item is a JSON object.")
    check_id(document.get("id"))
    if size is None:
        size = len(dump(document))
    if size > MAX_ITEM_BYTES:
        raise CosmosError(413, "Request size is too large.")
    if _too_deep(document, MAX_NESTING):
        refuse(f"The item is nested deeper than {MAX_NESTING} levels.")
    return size


def check_id(id: Any) -> None:
    """Refuse an id that isn't a string of 1 to 1,023 bytes without / \\ ? #."""
    if not isinstance(id, str) or not id:
        refuse("The input content is invalid because the required properties - 'id; ' - are missing.")
    if any(character in id for character in "/\\?#") or len(id.encode()) > MAX_ID_BYTES:
        refuse("The input id is invalid: at most 1023 bytes, and none of the characters / \\ ? #.")


def _too_deep(value: Any, left: int) -> bool:
    if isinstance(value, dict):
        return left == 0 or any(
            _too_deep(inner, left - 1) for inner in value.values() if isinstance(inner, dict | list)
        )
    if isinstance(value, list):
        return left == 0 or any(_too_deep(inner, left - 1) for inner in value if isinstance(inner, dict | list))
    return False
