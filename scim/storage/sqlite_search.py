"""Searches in SQLite: a page of what a filter holds for, by its number or from behind a key on. Knows no transaction."""

import sqlite3
from collections.abc import Sequence
from sys import maxsize
from typing import Final, Protocol

import orjson

from scim.protocol.json import Json
from scim.protocol.query import TRUE, Bound
from scim.storage.interface import Found, Search, Stored, Take
from scim.storage.sqlite_filter import Condition, condition, ways
from scim.storage.sqlite_index import Way


class _Index(Protocol):
    def hits(self, tenant: str, kind: str, ways: Sequence[Way]) -> tuple[str, list[Json]] | None: ...


_STEPS_FEW: Final = 4_500_000
_STEPS_MANY: Final = 16_000_000
"""Instructions of SQLite's virtual machine that a search with a filter may take: with few comparisons, and with many, where
each instruction does less. Either is less than a second, in which no other request is answered."""
_STEPS_AT_ONCE: Final = 1_000
"""Instructions between two looks at how many there were."""
_GIVEN: Final = "json_each(?) AS hit CROSS JOIN item ON item.row = hit.value"
"""The rows whose numbers are given as a JSON array."""


class ItemSearch:
    """Searches the table `item`. Sets the connection's progress handler."""

    def __init__(self, db: sqlite3.Connection, index: _Index) -> None:
        self._db = db
        self._index = index
        self._steps_left = maxsize
        """Instructions that the statements of the running search may still take."""
        db.set_progress_handler(self._is_too_much, _STEPS_AT_ONCE)

    def found(self, tenant: str, kind: str, search: Search, take: Take | None) -> Found:
        """Read a page. Without a sort, SQLite seeks its beginning: what a page costs doesn't depend on how far in it is.

        Raises `sqlite3.OperationalError` (`SQLITE_INTERRUPT`) if the filter looks through too many values.
        """
        where = condition(search.filter or TRUE)
        if search.filter is not None:
            self._steps_left = _STEPS_MANY if where.many else _STEPS_FEW
        try:
            return self._page(tenant, kind, search, where, take)
        finally:
            self._steps_left = maxsize

    def _is_too_much(self) -> bool:
        self._steps_left -= _STEPS_AT_ONCE
        return self._steps_left < 0

    def _page(self, tenant: str, kind: str, search: Search, where: Condition, take: Take | None) -> Found:
        source, values = self._source(tenant, kind, search.filter)
        values += [tenant, kind, *where.parameters]
        from_where = f"FROM {source} WHERE item.tenant = ? AND item.type = ? AND {where.sql}"
        known = None
        if where.many and search.counted:
            # For the page and for the total, and before the rows are sorted.
            hits = [row for (row,) in self._db.execute(f"SELECT item.row {from_where}", values)]
            known, values = len(hits), [orjson.dumps(hits).decode(), tenant, kind]
            from_where = f"FROM {_GIVEN} WHERE item.tenant = ? AND item.type = ?"
        direction, beyond = ("DESC", "<") if search.descending else ("ASC", ">")
        order = "item.id" if search.sort is None else f"item.s ->> '$.\"{search.sort}\"'"
        behind, after = ("", []) if search.after is None else (f"AND {order} {beyond} ? ", [search.after])
        items: list[Stored] = []
        keys: list[str] = []

        def keep(item: Stored, key: str) -> bool:
            items.append(item)
            keys.append(key)
            return True

        take, read, complete = take or keep, 0, True
        statement = (
            f"SELECT item.id, item.revision, item.rules, item.data, {order} {from_where} {behind}"
            f"ORDER BY {order} {direction} LIMIT ? OFFSET ?"
        )
        rows = self._db.execute(statement, [*values, *after, search.limit, search.offset])
        try:
            for id, revision, rules, data, key in rows:
                read += 1
                if not take(Stored(kind, id, str(revision), orjson.loads(data), rules), key or ""):
                    complete = False
                    break
        finally:
            rows.close()  # an open statement keeps its view of the file
        total = search.offset + read if search.counted else 0
        if search.counted and (after or not complete or read == search.limit or (not read and search.offset)):
            # The page is full, or it isn't known what is before it: only now is it worth counting.
            total = self._db.execute(f"SELECT count(*) {from_where}", values).fetchone()[0] if known is None else known
        return Found(items, total, tuple(keys))

    def _source(self, tenant: str, kind: str, bound: Bound | None) -> tuple[str, list[Json]]:
        """The tables to search: all items, or those that the index leads to."""
        possible = ways(bound) if bound is not None else []
        hits = self._index.hits(tenant, kind, possible) if possible else None
        if hits is None:
            return "item", []
        # CROSS JOIN keeps SQLite from walking all items in order instead.
        return f"{hits[0]} AS hit CROSS JOIN item ON item.row = hit.row", hits[1]
