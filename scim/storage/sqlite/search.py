"""Searches the resources in SQLite: returns a page of the matches, from an offset or after a key. Writes no resources."""

import sqlite3
from sys import maxsize
from typing import Final

import orjson

from scim.protocol.filter.binding import TRUE, Bound
from scim.protocol.json import Json
from scim.storage.interface import Search, SearchPage, Stored, Take
from scim.storage.sqlite.filter_sql import Condition, condition, index_lookups
from scim.storage.sqlite.index import Index

_MAX_STEPS: Final = 4_500_000
_MAX_STEPS_MANY_COMPARISONS: Final = 16_000_000
"""The number of SQLite's virtual machine instructions that a search with a filter may take: with few comparisons, and
with many, where each instruction does less. Both are less than a second, during which the event loop is blocked."""
_STEPS_PER_CHECK: Final = 1_000
"""The number of instructions between two checks of the limit."""
_LISTED_ROWS: Final = "json_each(?) AS matched CROSS JOIN item ON item.row = matched.value"
"""The rows whose numbers are in a JSON array."""


class ItemSearch:
    """Searches the table `item`. Sets the connection's progress handler."""

    def __init__(self, db: sqlite3.Connection, index: Index) -> None:
        self._db = db
        self._index = index
        self._steps_left = maxsize
        """The number of instructions that the running search may still take."""
        db.set_progress_handler(self._exceeds_limit, _STEPS_PER_CHECK)

    def search(self, customer: str, type_name: str, search: Search, take: Take | None) -> SearchPage:
        """Return a page of the matches. Without a sort, the cost of a page behind a key doesn't depend on its position.

        Raises `sqlite3.OperationalError` (`SQLITE_INTERRUPT`) if the filter compares too many values.
        """
        where = condition(search.filter or TRUE)
        if search.filter is not None:
            self._steps_left = _MAX_STEPS_MANY_COMPARISONS if where.has_many_comparisons else _MAX_STEPS
        try:
            return self._read_page(customer, type_name, search, where, take)
        finally:
            self._steps_left = maxsize

    def _exceeds_limit(self) -> bool:
        self._steps_left -= _STEPS_PER_CHECK
        return self._steps_left < 0

    def _read_page(
        self, customer: str, type_name: str, search: Search, where: Condition, take: Take | None
    ) -> SearchPage:
        source, values = self._source(customer, type_name, search.filter)
        values += [customer, type_name, *where.parameters]
        from_where = f"FROM {source} WHERE item.tenant = ? AND item.type = ? AND {where.sql}"
        known_total = None
        if where.has_many_comparisons and search.counted:
            # The condition is costly: evaluate it once per row, for the page and for the total, before rows are sorted.
            matches = [row for (row,) in self._db.execute(f"SELECT item.row {from_where}", values)]
            known_total, values = len(matches), [orjson.dumps(matches).decode(), customer, type_name]
            from_where = f"FROM {_LISTED_ROWS} WHERE item.tenant = ? AND item.type = ?"
        direction, comparison = ("DESC", "<") if search.descending else ("ASC", ">")
        order = "item.id" if search.sort is None else f"item.s ->> '$.\"{search.sort}\"'"
        after_condition, after_values = (
            ("", []) if search.after is None else (f"AND {order} {comparison} ? ", [search.after])
        )
        items: list[Stored] = []
        keys: list[str] = []

        def keep(item: Stored, key: str) -> bool:
            items.append(item)
            keys.append(key)
            return True

        take, read, complete = take or keep, 0, True
        statement = (
            f"SELECT item.id, item.revision, item.rules, item.data, {order} {from_where} {after_condition}"
            f"ORDER BY {order} {direction} LIMIT ? OFFSET ?"
        )
        rows = self._db.execute(statement, [*values, *after_values, search.limit, search.offset])
        try:
            for id, revision, index_version, data, key in rows:
                read += 1
                if not take(Stored(type_name, id, str(revision), orjson.loads(data), index_version), key or ""):
                    complete = False
                    break
        finally:
            rows.close()  # an open statement would keep its snapshot of the file
        total = search.offset + read if search.counted else 0
        if search.counted and (after_values or not complete or read == search.limit or (not read and search.offset)):
            # Count only if the page leaves the total open: it is full, stopped, behind a key, or empty at an offset.
            total = (
                self._db.execute(f"SELECT count(*) {from_where}", values).fetchone()[0]
                if known_total is None
                else known_total
            )
        return SearchPage(items, total, tuple(keys))

    def _source(self, customer: str, type_name: str, bound: Bound | None) -> tuple[str, list[Json]]:
        """Return the table expression to search, with its parameters: all items, or the candidates of the index."""
        lookups = index_lookups(bound) if bound is not None else []
        candidates = self._index.candidates(customer, type_name, lookups) if lookups else None
        if candidates is None:
            return "item", []
        # CROSS JOIN makes SQLite start with the candidates instead of reading all items in order.
        return f"{candidates[0]} AS candidate CROSS JOIN item ON item.row = candidate.row", candidates[1]
