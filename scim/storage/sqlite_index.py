"""The index that makes equality fast: for every value in a folded copy, which rows have it. Knows no SCIM.

It only narrows a search down; the condition on `f` decides. A file has it as a table, whose entries are digests, so that a
collision costs a look at one row more and never gives a wrong answer. Beside a database in memory it is a dictionary,
which costs a tenth of that.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Final
from zlib import crc32

import orjson

from scim.protocol.json import Json, JsonObject
from scim.protocol.query import Where

type Entry = tuple[Where, Json]
"""Names that lead to a place in a folded copy, and a value there."""

type Way = Sequence[Entry]
"""Entries of which every row that is looked for has at least one."""

# These have columns and indexes of their own.
LEFT_OUT: Final = frozenset({"meta", "id"})
_WORTHWHILE: Final = 2_000
"""Rows beyond which walking all items in order is better than collecting and sorting the hits."""


def entries(value: Json, names: Where = ()) -> Iterator[Entry]:
    """What a folded copy is found by; an entry may come more than once."""
    if isinstance(value, dict):
        for name, sub in value.items():
            if names or name not in LEFT_OUT:
                yield from entries(sub, (*names, name))
    elif isinstance(value, list):
        for element in value:
            yield from entries(element, names)
    else:
        yield names, value


def _differing(old: JsonObject, new: JsonObject) -> JsonObject:
    """The attributes of `old` that `new` has not, or has otherwise."""
    return {name: value for name, value in old.items() if new.get(name) != value}


class TableIndex:
    """The index as the table `leaf`: for a file."""

    def __init__(self, db: sqlite3.Connection, query: Callable[[str, Sequence[Json]], list[tuple[Json, ...]]]) -> None:
        self._db = db
        self._query = query

    def change(self, tenant: str, kind: str, row: int, old: JsonObject, new: JsonObject) -> None:
        """A row's folded copy changes, from nothing or to nothing maybe; part of the transaction that is going on."""
        gone = self._digests(tenant, kind, _differing(old, new))
        come = self._digests(tenant, kind, _differing(new, old)) - gone
        if gone:
            gone -= self._digests(tenant, kind, new)  # a value that stays may share its digest with one that goes
            self._db.executemany("DELETE FROM leaf WHERE digest = ? AND row = ?", [(digest, row) for digest in gone])
        self._db.execute(
            "INSERT OR IGNORE INTO leaf (digest, row) SELECT value, ? FROM json_each(?)",
            (row, orjson.dumps([*come]).decode()),
        )

    def settle(self, *, kept: bool) -> None:
        """The transaction has ended: the database sees to it."""

    def hits(self, tenant: str, kind: str, ways: Sequence[Way]) -> tuple[str, list[Json]] | None:
        """A table expression of the rows on the way that leads to the fewest, with its parameters."""
        digests = [[_digest(tenant, kind, entry) for entry in way] for way in ways]
        best = digests[0] if len(digests) == 1 else min(digests, key=self._reach)
        return f"(SELECT DISTINCT row FROM leaf WHERE digest IN ({_marks(best)}))", [*best]

    def _reach(self, way: Sequence[int]) -> int:
        """How many rows a way leads to; exact up to some tens."""
        limited = f"SELECT 1 FROM leaf WHERE digest IN ({_marks(way)}) LIMIT 64"
        return int(self._query(f"SELECT count(*) FROM ({limited})", way)[0][0])

    def _digests(self, tenant: str, kind: str, f: JsonObject) -> set[int]:
        return {_digest(tenant, kind, entry) for entry in entries(f)}


class _Place(dict[str, "_Place"]):
    """A place in folded copies: the places below it, made as they are met, and which rows have which value here."""

    def __init__(self) -> None:
        super().__init__()
        # Most values are had by one row only, and a set for each would be most of the memory.
        self.rows: dict[Json, int | set[int]] = {}

    def __missing__(self, name: str) -> "_Place":
        self[name] = place = _Place()
        return place

    def put(self, value: Json, row: int) -> None:
        """The row has this value here, or these below."""
        if isinstance(value, dict):
            for name, sub in value.items():
                self[name].put(sub, row)
        elif isinstance(value, list):
            for element in value:
                self.put(element, row)
        else:
            there = self.rows.setdefault(value, row)
            if isinstance(there, set):
                there.add(row)
            elif there != row:
                self.rows[value] = {there, row}

    def take_out(self, value: Json, row: int) -> None:
        """The row doesn't have this any more."""
        there = self.rows.get(value)
        if isinstance(there, set):
            there.discard(row)
        if there in (row, set()):
            del self.rows[value]

    def having(self, value: Json) -> set[int]:
        """The rows that have this value here."""
        there = self.rows.get(value, set())
        return there if isinstance(there, set) else {there}


class MemoryIndex:
    """The index beside a database in memory."""

    def __init__(self) -> None:
        self._roots: dict[tuple[str, str], _Place] = {}
        self._pending: list[tuple[tuple[str, str], int, JsonObject, JsonObject]] = []

    def change(self, tenant: str, kind: str, row: int, old: JsonObject, new: JsonObject) -> None:
        """As in `TableIndex`; takes effect when the transaction is settled."""
        self._pending.append(((tenant, kind), row, old, new))

    def settle(self, *, kept: bool) -> None:
        """The transaction has ended: its changes are kept, or forgotten."""
        for of, row, old, new in self._pending if kept else ():
            root = self._roots.setdefault(of, _Place())
            for path, value in set(entries(_differing(old, new))):
                _at(root, path).take_out(value, row)
            for name, value in (_differing(new, old) if old else new).items():
                if name not in LEFT_OUT:
                    root[name].put(value, row)
        self._pending.clear()

    def hits(self, tenant: str, kind: str, ways: Sequence[Way]) -> tuple[str, list[Json]] | None:
        """As in `TableIndex`; `None` if even the best way leads to so many rows that walking all is better."""
        root = self._roots.get((tenant, kind), _Place())
        per_way = [[_at(root, names).having(value) for names, value in way] for way in ways]
        best = min(per_way, key=lambda way: sum(map(len, way)))
        if sum(map(len, best)) > _WORTHWHILE:
            return None
        rows = set[int]().union(*best)
        return "(SELECT value AS row FROM json_each(?))", [orjson.dumps([*rows]).decode()]


def _at(root: _Place, names: Where) -> _Place:
    return reduce(_Place.__getitem__, names, root)


def _digest(tenant: str, kind: str, entry: Entry) -> int:
    names, value = entry
    if type(value) is int or type(value) is float:
        value = value + 0.0  # 1 and 1.0 are the same value, and so are 0.0 and -0.0
    # `True` stands for what can't be compared too, so it must not be the digest of a text.
    return crc32(f"{tenant}\0{kind}\0{'/'.join(names)}\0{type(value) is str}{value}".encode())


def _marks(way: Sequence[object]) -> str:
    return ", ".join("?" * len(way))
