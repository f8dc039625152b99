"""Counts, exports and erases all data of one customer in SQLite.

It works on a limited number of rows at a time, so that other requests run in between. It doesn't know how to write
resources.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

import orjson

from scim.protocol.json import Json
from scim.storage.interface import Member, Membership, Stored
from scim.storage.sqlite.index import Index

_ROWS_PER_STEP: Final = 1_000
"""Rows of memberships in a page, and rows of any table in one transaction of an erasure."""
_RESOURCES_PER_PAGE: Final = 100
"""Resources in memory at a time. Each may have 256 KiB."""


class CustomerRows:
    """The rows of one customer. `rows` runs one statement; `transaction` runs several in a transaction."""

    def __init__(
        self,
        rows: Callable[[str, Sequence[Json]], list[tuple[Json, ...]]],
        transaction: Callable[[], AbstractContextManager[None]],
        index: Index,
    ) -> None:
        self._rows = rows
        self._transaction = transaction
        self._index = index

    async def outdated(
        self, customer: str, type_name: str, index_version: str, after: str, limit: int
    ) -> Sequence[Stored]:
        """Return resources of a type that have another `index_version`, ordered by id."""
        rows = self._rows(
            """SELECT id, revision, data, rules FROM item
               WHERE tenant = ? AND type = ? AND id > ? AND rules <> ? ORDER BY id LIMIT ?""",
            (customer, type_name, after, index_version, limit),
        )
        return [Stored(type_name, id, str(revision), orjson.loads(data), made) for id, revision, data, made in rows]

    async def count(self, customer: str) -> int:
        """Return the number of resources and memberships. Unique values don't count: their resources contain them."""
        [[number]] = self._rows(
            "SELECT (SELECT count(*) FROM item WHERE tenant = ?) + (SELECT count(*) FROM member WHERE tenant = ?)",
            (customer, customer),
        )
        return int(number)

    async def everything(self, customer: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        """Yield all resources, then all memberships, in pages."""
        position: tuple[Json, ...] = ("", "")
        while items := self._rows(
            """SELECT type, id, revision, data FROM item WHERE tenant = ? AND (type, id) > (?, ?)
               ORDER BY type, id LIMIT ?""",
            (customer, *position, _RESOURCES_PER_PAGE),
        ):
            yield [Stored(type_name, id, str(revision), orjson.loads(data)) for type_name, id, revision, data in items]
            position = items[-1][:2]
        position = ("", "")
        while members := self._rows(
            """SELECT "group", value, type, display FROM member WHERE tenant = ? AND ("group", value) > (?, ?)
               ORDER BY "group", value LIMIT ?""",
            (customer, *position, _ROWS_PER_STEP),
        ):
            yield [Membership(group, Member(value, type, display)) for group, value, type, display in members]
            position = members[-1][:2]

    async def erase(self, customer: str) -> AsyncIterator[int]:
        """Delete all rows. Yield the number of deleted rows after each transaction."""
        # SQLite overwrites deleted content in the file, and the checkpoint at the end empties the journal that still
        # has it.
        self._rows("PRAGMA secure_delete = ON", ())
        try:
            while deleted := self._erase_resources(customer) or self._erase_members(customer):
                yield deleted
        finally:
            self._rows("PRAGMA secure_delete = OFF", ())
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)", ())

    def _erase_resources(self, customer: str) -> int:
        with self._transaction():
            items = self._rows("SELECT row, type, f FROM item WHERE tenant = ? LIMIT ?", (customer, _ROWS_PER_STEP))
            for row, type_name, search_fields in items:
                self._index.change(customer, type_name, row, orjson.loads(search_fields), {})
                self._rows("DELETE FROM item WHERE row = ?", (row,))
                self._rows("DELETE FROM claim WHERE row = ?", (row,))
        return len(items)

    def _erase_members(self, customer: str) -> int:
        with self._transaction():
            members = self._rows(
                """DELETE FROM member WHERE tenant = ?1 AND ("group", value) IN
                   (SELECT "group", value FROM member WHERE tenant = ?1 LIMIT ?2) RETURNING 1""",
                (customer, _ROWS_PER_STEP),
            )
        return len(members)
