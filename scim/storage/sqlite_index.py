"""The index that makes equality fast: for every value in a folded copy, which rows have it. Knows no SCIM.

An entry is a digest of tenant, type, path and value. It only narrows a search down; the condition on `f` decides, so a
collision costs a look at one row more and never gives a wrong answer.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final
from zlib import crc32

import orjson

from scim.protocol.json import Json, JsonObject

# These have columns and indexes of their own.
_LEFT_OUT: Final = frozenset({"meta", "id"})
_WORTHWHILE: Final = 2_000
"""Rows beyond which walking all items in order is better than collecting and sorting the hits."""

type Digest = int
type Way = Sequence[Digest]
"""Digests of which every row that is looked for has at least one."""


def start(tenant: str, kind: str) -> Digest:
    """The digest that those of all values of this tenant and type start from."""
    return crc32(f"{tenant}/{kind}".encode())


def below(digest: Digest, name: str) -> Digest:
    """The digest of a name within the object that `digest` stands for."""
    return crc32(f"/{name}".encode(), digest)


def value(digest: Digest, scalar: Json) -> Digest:
    """The digest of a value at the path that `digest` stands for."""
    text = scalar if isinstance(scalar, str) else f"\0{float(scalar)}"
    return crc32(text.encode(), digest)


def digests(f: JsonObject, begin: Digest) -> set[Digest]:
    """The digests of all values in a folded copy."""
    found: set[Digest] = set()
    for name, sub in f.items():
        if name not in _LEFT_OUT:
            _gather(sub, below(begin, name), found)
    return found


def changed(old: JsonObject, new: JsonObject, begin: Digest) -> tuple[set[Digest], set[Digest]]:
    """What goes and what comes when one folded copy takes the place of another."""
    gone = digests({name: sub for name, sub in old.items() if new.get(name) != sub}, begin)
    come = digests({name: sub for name, sub in new.items() if old.get(name) != sub}, begin)
    # A value that stays may share its digest with one that goes.
    return gone and gone - digests(new, begin), come - gone


def _gather(sub: Json, digest: Digest, found: set[Digest]) -> None:
    if isinstance(sub, dict):
        for name, inner in sub.items():
            _gather(inner, below(digest, name), found)
    elif isinstance(sub, list):
        for element in sub:
            _gather(element, digest, found)
    else:
        found.add(value(digest, sub))


class TableIndex:
    """The index as a table of the database: for a file."""

    def __init__(self, db: sqlite3.Connection, query: Callable[[str, Sequence[Json]], list[tuple[Json, ...]]]) -> None:
        self._db = db
        self._query = query

    def change(self, row: int, gone: set[Digest], come: set[Digest]) -> None:
        """Take out and put in entries of a row; part of the transaction that is going on."""
        if gone:
            self._db.executemany("DELETE FROM leaf WHERE digest = ? AND row = ?", [(digest, row) for digest in gone])
        if come:
            self._db.execute(
                "INSERT OR IGNORE INTO leaf (digest, row) SELECT value, ? FROM json_each(?)",
                (row, orjson.dumps([*come]).decode()),
            )

    def settle(self, *, kept: bool) -> None:
        """The transaction has ended: the database sees to it."""

    def hits(self, ways: Sequence[Way]) -> tuple[str, list[Json]] | None:
        """A table expression of the rows on the way that leads to the fewest, with its parameters."""
        best = ways[0] if len(ways) == 1 else min(ways, key=self._reach)
        return f"(SELECT DISTINCT row FROM leaf WHERE digest IN ({_marks(best)}))", [*best]

    def _reach(self, way: Way) -> int:
        """How many rows a way leads to; exact up to some tens."""
        limited = f"SELECT 1 FROM leaf WHERE digest IN ({_marks(way)}) LIMIT 64"
        return int(self._query(f"SELECT count(*) FROM ({limited})", way)[0][0])


class MemoryIndex:
    """The index beside a database in memory: a row of a table costs ten times as much as an entry here."""

    def __init__(self) -> None:
        # Most values are had by one row only, and a set for each would be most of the memory.
        self._rows: dict[Digest, int | set[int]] = {}
        self._pending: list[tuple[int, set[Digest], set[Digest]]] = []

    def change(self, row: int, gone: set[Digest], come: set[Digest]) -> None:
        """As in `TableIndex`; takes effect when the transaction is settled."""
        self._pending.append((row, gone, come))

    def settle(self, *, kept: bool) -> None:
        """The transaction has ended: its changes are kept, or forgotten."""
        for row, gone, come in self._pending if kept else ():
            for digest in gone:
                self._take_out(digest, row)
            for digest in come:
                rows = self._rows.setdefault(digest, row)
                if isinstance(rows, set):
                    rows.add(row)
                elif rows != row:
                    self._rows[digest] = {rows, row}
        self._pending.clear()

    def _take_out(self, digest: Digest, row: int) -> None:
        rows = self._rows.get(digest)
        if isinstance(rows, set):
            rows.discard(row)
        if rows in (row, set()):
            del self._rows[digest]

    def hits(self, ways: Sequence[Way]) -> tuple[str, list[Json]] | None:
        """As in `TableIndex`; `None` if even the best way leads to so many rows that walking all is better."""
        found = min((self._on(way) for way in ways), key=len)
        if len(found) > _WORTHWHILE:
            return None
        return "(SELECT value AS row FROM json_each(?))", [orjson.dumps([*found]).decode()]

    def _on(self, way: Way) -> set[int]:
        rows: set[int] = set()
        for digest in way:
            entry = self._rows.get(digest, set())
            rows |= entry if isinstance(entry, set) else {entry}
        return rows


def _marks(way: Way) -> str:
    return ", ".join("?" * len(way))
