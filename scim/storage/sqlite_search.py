"""Searches in SQLite: a page of what a filter holds for, by its number or from behind a key on. Knows no transaction."""

from collections.abc import Callable, Sequence
from typing import Protocol

import orjson

from scim.protocol.json import Json
from scim.protocol.query import TRUE, Bound
from scim.storage.interface import Found, Search, Stored
from scim.storage.sqlite_filter import condition, ways
from scim.storage.sqlite_index import Way


class _Index(Protocol):
    def hits(self, tenant: str, kind: str, ways: Sequence[Way]) -> tuple[str, list[Json]] | None: ...


class ItemSearch:
    """Searches the table `item`; `rows` runs a statement."""

    def __init__(self, rows: Callable[[str, Sequence[Json]], list[tuple[Json, ...]]], index: _Index) -> None:
        self._rows = rows
        self._index = index

    def found(self, tenant: str, kind: str, search: Search) -> Found:
        """A page. Without a sort, SQLite seeks where it begins: what a page costs doesn't depend on how far in it is."""
        source, values = self._source(tenant, kind, search.filter)
        where = condition(search.filter or TRUE)
        values += [tenant, kind, *where.parameters]
        from_where = f"FROM {source} WHERE item.tenant = ? AND item.type = ? AND {where.sql}"
        direction, beyond = ("DESC", "<") if search.descending else ("ASC", ">")
        order = "item.id" if search.sort is None else f"item.s ->> '$.\"{search.sort}\"'"
        behind, after = ("", []) if search.after is None else (f"AND {order} {beyond} ? ", [search.after])
        rows = self._rows(
            f"SELECT item.id, item.revision, item.rules, item.data, {order} {from_where} {behind}"
            f"ORDER BY {order} {direction} LIMIT ? OFFSET ?",
            [*values, *after, search.limit, search.offset],
        )
        items = [Stored(kind, id, str(revision), orjson.loads(data), rules) for id, revision, rules, data, _ in rows]
        total = search.offset + len(items) if search.counted else 0
        if search.counted and (after or len(items) == search.limit or (not items and search.offset)):
            # The page is full, or it isn't known what is before it: only now is it worth counting.
            total = self._rows(f"SELECT count(*) {from_where}", values)[0][0]
        return Found(items, total, tuple(key or "" for *_, key in rows))

    def _source(self, tenant: str, kind: str, bound: Bound | None) -> tuple[str, list[Json]]:
        """The tables to search: all items, or those that the index leads to."""
        possible = ways(bound) if bound is not None else []
        hits = self._index.hits(tenant, kind, possible) if possible else None
        if hits is None:
            return "item", []
        # CROSS JOIN keeps SQLite from walking all items in order instead.
        return f"{hits[0]} AS hit CROSS JOIN item ON item.row = hit.row", hits[1]
