"""Searches in SQLite: a page of what a filter holds for, by its number or from behind a key on. Knows no transaction."""

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
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
_GIVEN: Final = "json_each(?) AS hit CROSS JOIN item ON item.row = hit.value"
"""The rows whose numbers are given as a JSON array."""


class ItemSearch:
    """Searches the table `item`; `rows` runs a statement, `each` the same for its rows one by one."""

    def __init__(
        self,
        rows: Callable[[str, Sequence[Json]], list[tuple[Json, ...]]],
        each: Callable[[str, Sequence[Json]], Generator[tuple[Json, ...]]],
        index: _Index,
        bounded: Callable[[int], AbstractContextManager[None]],
    ) -> None:
        """With `bounded`, statements raise `QueryRefused` once they have taken so many instructions together."""
        self._rows = rows
        self._each = each
        self._index = index
        self._bounded = bounded

    def found(self, tenant: str, kind: str, search: Search, take: Take | None) -> Found:
        """Read a page. Without a sort, SQLite seeks its beginning: what a page costs doesn't depend on how far in it is.

        Raises `QueryRefused` if the filter looks through too many values.
        """
        where = condition(search.filter or TRUE)
        if search.filter is None:
            return self._page(tenant, kind, search, where, take)
        with self._bounded(_STEPS_MANY if where.many else _STEPS_FEW):
            return self._page(tenant, kind, search, where, take)

    def _page(self, tenant: str, kind: str, search: Search, where: Condition, take: Take | None) -> Found:
        source, values = self._source(tenant, kind, search.filter)
        values += [tenant, kind, *where.parameters]
        from_where = f"FROM {source} WHERE item.tenant = ? AND item.type = ? AND {where.sql}"
        known = None
        if where.many and search.counted:
            # For the page and for the total, and before the rows are sorted.
            hits = [row for (row,) in self._rows(f"SELECT item.row {from_where}", values)]
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
        with closing(self._each(statement, [*values, *after, search.limit, search.offset])) as rows:
            for id, revision, rules, data, key in rows:
                read += 1
                if not take(Stored(kind, id, str(revision), orjson.loads(data), rules), key or ""):
                    complete = False
                    break
        total = search.offset + read if search.counted else 0
        if search.counted and (after or not complete or read == search.limit or (not read and search.offset)):
            # The page is full, or it isn't known what is before it: only now is it worth counting.
            total = self._rows(f"SELECT count(*) {from_where}", values)[0][0] if known is None else known
        return Found(items, total, tuple(keys))

    def _source(self, tenant: str, kind: str, bound: Bound | None) -> tuple[str, list[Json]]:
        """The tables to search: all items, or those that the index leads to."""
        possible = ways(bound) if bound is not None else []
        hits = self._index.hits(tenant, kind, possible) if possible else None
        if hits is None:
            return "item", []
        # CROSS JOIN keeps SQLite from walking all items in order instead.
        return f"{hits[0]} AS hit CROSS JOIN item ON item.row = hit.row", hits[1]
