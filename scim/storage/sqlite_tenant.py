"""Everything of one tenant in SQLite: counted, read and erased some rows at a time, so that others get their turn."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

import orjson

from scim.protocol.json import Json, JsonObject
from scim.storage.interface import Member, Membership, Stored

_PAGE: Final = 1_000
_RESOURCES: Final = 100
"""Resources in memory at a time: each may have 256 KiB."""


class _Index(Protocol):
    def change(self, tenant: str, kind: str, row: int, old: JsonObject, new: JsonObject) -> None: ...


class TenantRows:
    """The rows of one tenant; `rows` runs a statement, `transaction` puts several into one."""

    def __init__(
        self,
        rows: Callable[[str, Sequence[Json]], list[tuple[Json, ...]]],
        transaction: Callable[[], AbstractContextManager[None]],
        index: _Index,
    ) -> None:
        self._rows = rows
        self._transaction = transaction
        self._index = index

    async def outdated(self, tenant: str, kind: str, rules: str, after: str, limit: int) -> Sequence[Stored]:
        """Resources that were written with other rules, by id."""
        found = self._rows(
            """SELECT id, revision, data, rules FROM item
               WHERE tenant = ? AND type = ? AND id > ? AND rules <> ? ORDER BY id LIMIT ?""",
            (tenant, kind, after, rules, limit),
        )
        return [Stored(kind, id, str(revision), orjson.loads(data), made) for id, revision, data, made in found]

    async def count(self, tenant: str) -> int:
        """Resources and members; a claim comes and goes with its resource."""
        [[number]] = self._rows(
            "SELECT (SELECT count(*) FROM item WHERE tenant = ?) + (SELECT count(*) FROM member WHERE tenant = ?)",
            (tenant, tenant),
        )
        return int(number)

    async def everything(self, tenant: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        """Resources, then members."""
        at: tuple[Json, ...] = ("", "")
        while items := self._rows(
            """SELECT type, id, revision, data FROM item WHERE tenant = ? AND (type, id) > (?, ?)
               ORDER BY type, id LIMIT ?""",
            (tenant, *at, _RESOURCES),
        ):
            yield [Stored(kind, id, str(revision), orjson.loads(data)) for kind, id, revision, data in items]
            at = items[-1][:2]
        at = ("", "")
        while members := self._rows(
            """SELECT "group", value, type, display FROM member WHERE tenant = ? AND ("group", value) > (?, ?)
               ORDER BY "group", value LIMIT ?""",
            (tenant, *at, _PAGE),
        ):
            yield [Membership(group, Member(value, type, display)) for group, value, type, display in members]
            at = members[-1][:2]

    async def erase(self, tenant: str) -> AsyncIterator[int]:
        """Delete until nothing is found; after each transaction, how many rows it deleted."""
        # What is deleted is overwritten in the file, and the journal that had it is emptied at the end.
        self._rows("PRAGMA secure_delete = ON", ())
        try:
            while deleted := self._erase_resources(tenant) or self._erase_members(tenant):
                yield deleted
        finally:
            self._rows("PRAGMA secure_delete = OFF", ())
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)", ())

    def _erase_resources(self, tenant: str) -> int:
        with self._transaction():
            items = self._rows("SELECT row, type, f FROM item WHERE tenant = ? LIMIT ?", (tenant, _PAGE))
            for row, kind, f in items:
                self._index.change(tenant, kind, row, orjson.loads(f), {})
                self._rows("DELETE FROM item WHERE row = ?", (row,))
                self._rows("DELETE FROM claim WHERE row = ?", (row,))
        return len(items)

    def _erase_members(self, tenant: str) -> int:
        with self._transaction():
            members = self._rows(
                """DELETE FROM member WHERE tenant = ?1 AND ("group", value) IN
                   (SELECT "group", value FROM member WHERE tenant = ?1 LIMIT ?2) RETURNING 1""",
                (tenant, _PAGE),
            )
        return len(members)
