"""The index for equality comparisons: finds candidate rows by a value in the search fields, never too few. Knows no SCIM.

How it works: a search asks the index for candidate rows, and then tests its full condition on `f` of each candidate, so
that the index may return too many rows but never too few. In a file the index is a table of 32-bit digests; after a
collision a search tests one row more. For a database in memory the index is a dictionary, which costs a tenth of that.
An index entry is changed in the transaction that writes its row.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Final, Protocol
from zlib import crc32

import orjson

from scim.protocol.filter.binding import Where
from scim.protocol.json import Json, JsonObject

type Entry = tuple[Where, Json]
"""A path in the search fields, and a value at this path."""

type Lookup = Sequence[Entry]
"""Alternative entries: each row that a filter matches has at least one of them."""

# These are in columns with their own indexes.
UNINDEXED: Final = frozenset({"meta", "id"})
_MAX_CANDIDATES: Final = 2_000
"""The number of candidates above which reading all rows in order is faster than collecting and sorting them."""


def entries(value: Json, path: Where = ()) -> Iterator[Entry]:
    """Yield the index entries of search fields. The same entry may occur more than once."""
    if isinstance(value, dict):
        for name, sub in value.items():
            if path or name not in UNINDEXED:
                yield from entries(sub, (*path, name))
    elif isinstance(value, list):
        for element in value:
            yield from entries(element, path)
    else:
        yield path, value


def _changed_attributes(old: JsonObject, new: JsonObject) -> JsonObject:
    """Return the attributes of `old` that are missing in `new` or have another value there."""
    return {name: value for name, value in old.items() if new.get(name) != value}


class Index(Protocol):
    """Maps the values in search fields to the numbers of the rows that have them."""

    def change(self, customer: str, type_name: str, row: int, old: JsonObject, new: JsonObject) -> None:
        """Replace the old search fields of a row by the new ones."""

    def candidates(self, customer: str, type_name: str, lookups: Sequence[Lookup]) -> tuple[str, list[Json]] | None:
        """Return SQL, with its parameters, for the rows that one of the lookups leaves; `None` if none is worthwhile."""

    def end_transaction(self, *, committed: bool) -> None:
        """Keep the changes since the last call, or undo them."""


class TableIndex:
    """The index of a database in a file: the table `leaf`."""

    def __init__(self, db: sqlite3.Connection, query: Callable[[str, Sequence[Json]], list[tuple[Json, ...]]]) -> None:
        self._db = db
        self._query = query

    def change(self, customer: str, type_name: str, row: int, old: JsonObject, new: JsonObject) -> None:
        """Change the entries of a row in this transaction. `old` is empty for a new row, `new` for a deleted one."""
        removed = self._digests(customer, type_name, _changed_attributes(old, new))
        added = self._digests(customer, type_name, _changed_attributes(new, old)) - removed
        if removed:
            # A value that remains may have the same digest as a removed one.
            removed -= self._digests(customer, type_name, new)
            self._db.executemany("DELETE FROM leaf WHERE digest = ? AND row = ?", [(digest, row) for digest in removed])
        self._db.execute(
            "INSERT OR IGNORE INTO leaf (digest, row) SELECT value, ? FROM json_each(?)",
            (row, orjson.dumps([*added]).decode()),
        )

    def end_transaction(self, *, committed: bool) -> None:
        """Do nothing: the database has committed or rolled back the table itself."""

    def candidates(self, customer: str, type_name: str, lookups: Sequence[Lookup]) -> tuple[str, list[Json]] | None:
        """Return a table expression with the rows of the lookup that has the fewest, and its parameters."""
        digests = [[_digest(customer, type_name, entry) for entry in lookup] for lookup in lookups]
        smallest = digests[0] if len(digests) == 1 else min(digests, key=self._count_rows)
        return f"(SELECT DISTINCT row FROM leaf WHERE digest IN ({_placeholders(smallest)}))", [*smallest]

    def _count_rows(self, lookup: Sequence[int]) -> int:
        """Return the number of rows of a lookup, at most 64: enough to compare lookups."""
        limited = f"SELECT 1 FROM leaf WHERE digest IN ({_placeholders(lookup)}) LIMIT 64"
        return int(self._query(f"SELECT count(*) FROM ({limited})", lookup)[0][0])

    def _digests(self, customer: str, type_name: str, search_fields: JsonObject) -> set[int]:
        return {_digest(customer, type_name, entry) for entry in entries(search_fields)}


class _Node(dict[str, "_Node"]):
    """A path in the search fields: child nodes by name, created on access, and the rows by value at this path."""

    def __init__(self) -> None:
        super().__init__()
        # Most values occur in one row only; a set for each of them would take most of the memory.
        self.rows: dict[Json, int | set[int]] = {}

    def __missing__(self, name: str) -> "_Node":
        self[name] = child = _Node()
        return child

    def add(self, value: Json, row: int) -> None:
        """Add a row for a value; for an object or an array, for each value in it."""
        if isinstance(value, dict):
            for name, sub in value.items():
                self[name].add(sub, row)
        elif isinstance(value, list):
            for element in value:
                self.add(element, row)
        else:
            current = self.rows.setdefault(value, row)
            if isinstance(current, set):
                current.add(row)
            elif current != row:
                self.rows[value] = {current, row}

    def remove(self, value: Json, row: int) -> None:
        """Remove a row for a simple value."""
        current = self.rows.get(value)
        if isinstance(current, set):
            current.discard(row)
        if current in (row, set()):
            del self.rows[value]

    def rows_with(self, value: Json) -> set[int]:
        """Return the rows that have this value at this path."""
        rows = self.rows.get(value, set())
        return rows if isinstance(rows, set) else {rows}


class MemoryIndex:
    """The index of a database in memory."""

    def __init__(self) -> None:
        self._roots: dict[tuple[str, str], _Node] = {}
        self._pending: list[tuple[tuple[str, str], int, JsonObject, JsonObject]] = []

    def change(self, customer: str, type_name: str, row: int, old: JsonObject, new: JsonObject) -> None:
        """Record a change, which `end_transaction` applies or discards. Parameters as in `TableIndex.change`."""
        self._pending.append(((customer, type_name), row, old, new))

    def end_transaction(self, *, committed: bool) -> None:
        """Apply the recorded changes if the transaction was committed, and discard them otherwise."""
        for root_key, row, old, new in self._pending if committed else ():
            root = self._roots.setdefault(root_key, _Node())
            for path, value in set(entries(_changed_attributes(old, new))):
                _node_at(root, path).remove(value, row)
            for name, value in (_changed_attributes(new, old) if old else new).items():
                if name not in UNINDEXED:
                    root[name].add(value, row)
        self._pending.clear()

    def candidates(self, customer: str, type_name: str, lookups: Sequence[Lookup]) -> tuple[str, list[Json]] | None:
        """As `TableIndex.candidates`, but `None` if there are so many candidates that reading all rows is faster."""
        root = self._roots.get((customer, type_name), _Node())
        per_lookup = [[_node_at(root, names).rows_with(value) for names, value in lookup] for lookup in lookups]
        smallest = min(per_lookup, key=lambda lookup: sum(map(len, lookup)))
        if sum(map(len, smallest)) > _MAX_CANDIDATES:
            return None
        rows = set[int]().union(*smallest)
        return "(SELECT value AS row FROM json_each(?))", [orjson.dumps([*rows]).decode()]


def _node_at(root: _Node, path: Where) -> _Node:
    return reduce(_Node.__getitem__, path, root)


def _digest(customer: str, type_name: str, entry: Entry) -> int:
    path, value = entry
    if type(value) is int or type(value) is float:
        value = value + 0.0  # 1 and 1.0 are the same value, and so are 0.0 and -0.0
    # `True` also stands for values that can't be compared, so its digest must differ from that of the text "True".
    return crc32(f"{customer}\0{type_name}\0{'/'.join(path)}\0{type(value) is str}{value}".encode())


def _placeholders(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
