"""The embedded store: SQLite, in memory or in a file. Answers inline; one writer at a time, whatever the process.

A write is one transaction, so a reader sees all of it or nothing, also after the process was killed in the middle.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from scim.protocol.json import Json, JsonObject
from scim.storage.interface import (
    NO_CHANGES,
    NO_CLAIMS,
    Changed,
    Draft,
    Found,
    Gone,
    Member,
    MemberChanges,
    Membership,
    Name,
    Search,
    Stored,
    Take,
    Taken,
    Touch,
)
from scim.storage.sqlite_file import opened, unavailable
from scim.storage.sqlite_index import MemoryIndex, TableIndex
from scim.storage.sqlite_search import ItemSearch
from scim.storage.sqlite_tenant import TenantRows


class SqliteStore:
    """All tenants in one database. `path` names a file; without it everything is in memory and gone at the end."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._db = opened(path)
        self._index = TableIndex(self._db, self._rows) if path is not None else MemoryIndex()
        self._search = ItemSearch(self._db, self._index)
        self._tenants = TenantRows(self._rows, self._transaction, self._index)

    async def read(self, tenant: str, kind: str, id: str) -> Stored | None:
        row = self._row(
            "SELECT revision, data, rules FROM item WHERE tenant = ? AND type = ? AND id = ?", (tenant, kind, id)
        )
        return None if row is None else Stored(kind, id, str(row[0]), orjson.loads(row[1]), row[2])

    async def create(self, tenant: str, draft: Draft, members: Sequence[Member] = ()) -> str:
        with self._transaction():
            try:
                row = self._db.execute(
                    """INSERT INTO item (tenant, type, id, key, revision, rules, data, f, s, created, modified)
                       VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)""",
                    (tenant, draft.kind, draft.id, draft.key, draft.rules, *_texts(draft), *_dates(draft)),
                ).lastrowid
            except sqlite3.IntegrityError:
                raise Taken(draft.kind) from None
            self._index.change(tenant, draft.kind, row or 0, {}, draft.f)
            self._claim(tenant, draft.kind, row or 0, draft.claims)
            self._change_members(tenant, draft.id, MemberChanges(add=tuple(members)))
        return "1"

    async def replace(
        self,
        tenant: str,
        draft: Draft,
        *,
        expected: str,
        members: MemberChanges = NO_CHANGES,
        held: Mapping[str, str] | None = NO_CLAIMS,
    ) -> str:
        with self._transaction():
            row, revision, old = self._current(tenant, draft.kind, draft.id, expected)
            try:
                self._db.execute(
                    """UPDATE item SET key = ?, revision = revision + 1, rules = ?, data = ?, f = ?, s = ?, created = ?,
                       modified = ? WHERE row = ?""",
                    (draft.key, draft.rules, *_texts(draft), *_dates(draft), row),
                )
            except sqlite3.IntegrityError:
                raise Taken(draft.kind) from None
            self._index.change(tenant, draft.kind, row, orjson.loads(old), draft.f)
            if held is None or held != draft.claims:
                self._rows("DELETE FROM claim WHERE row = ?", (row,))
                self._claim(tenant, draft.kind, row, draft.claims)
            self._change_members(tenant, draft.id, members)
        return str(revision + 1)

    async def delete(self, tenant: str, kind: str, id: str, *, expected: str | None = None) -> None:
        with self._transaction():
            row, _, old = self._current(tenant, kind, id, expected)
            self._index.change(tenant, kind, row, orjson.loads(old), {})
            self._db.execute("DELETE FROM item WHERE row = ?", (row,))
            self._db.execute("DELETE FROM claim WHERE row = ?", (row,))
            self._db.execute("DELETE FROM member WHERE tenant = ? AND value = ?", (tenant, id))
            self._db.execute('DELETE FROM member WHERE tenant = ? AND "group" = ?', (tenant, id))

    async def change_members(
        self, tenant: str, group: str, changes: MemberChanges, touch: Touch, *, expected: str | None = None
    ) -> str:
        with self._transaction():
            row, revision, _ = self._current(tenant, "Group", group, expected)
            if not self._change_members(tenant, group, changes):
                return str(revision)
            self._db.execute(
                """UPDATE item SET revision = revision + 1,
                   data = json_set(data, '$.meta.lastModified', ?), f = json_set(f, '$.meta.lastModified', ?),
                   s = json_set(s, '$."meta.lastModified"', ?), modified = ? WHERE row = ?""",
                (touch.modified, touch.folded, touch.sort_key, touch.folded, row),
            )
        return str(revision + 1)

    async def search(self, tenant: str, kind: str, search: Search, take: Take | None = None) -> Found:
        try:
            return self._search.found(tenant, kind, search, take)
        except sqlite3.Error as error:
            raise unavailable(error, self._path) from None

    async def members(
        self,
        tenant: str,
        groups: Sequence[str],
        *,
        after: tuple[str, str] | None = None,
        limit: int,
        kinds: Sequence[str] = (),
    ) -> Sequence[Membership]:
        behind = _behind('"group"', "value", len(groups)) if after else "1"
        rows = self._rows(
            f"""SELECT "group", value, type, display, {_known(kinds)} FROM member
                WHERE tenant = ? AND "group" IN ({_marks(groups)}) AND {behind} ORDER BY "group", value LIMIT ?""",
            [*kinds, tenant, *groups, *(after or ()), limit],
        )
        return [Membership(group, Member(value, type, display), known) for group, value, type, display, known in rows]

    async def memberships(
        self, tenant: str, members: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        behind = _behind("value", '"group"', len(members)) if after else "1"
        rows = self._rows(
            f"""SELECT "group", value FROM member WHERE tenant = ? AND value IN ({_marks(members)}) AND {behind}
                ORDER BY value, "group" LIMIT ?""",
            [tenant, *members, *(after or ()), limit],
        )
        return [Membership(group, Member(value)) for group, value in rows]

    async def is_member(self, tenant: str, group: str, member: str) -> bool:
        found = self._row(
            'SELECT 1 FROM member WHERE tenant = ? AND "group" = ? AND value = ?', (tenant, group, member)
        )
        return found is not None

    async def names(self, tenant: str, kinds: Sequence[str], ids: Sequence[str]) -> Mapping[str, Name]:
        rows = self._rows(
            f"""SELECT id, type, data ->> '$.displayName' FROM item
                WHERE tenant = ? AND type IN ({_marks(kinds)}) AND id IN ({_marks(ids)})""",
            [tenant, *kinds, *ids],
        )
        return {id: Name(kind, display) for id, kind, display in rows}

    async def tenants(self) -> Sequence[str]:
        """Return the tenants that have resources."""
        return [tenant for (tenant,) in self._rows("SELECT DISTINCT tenant FROM item", ())]

    async def outdated(
        self, tenant: str, kind: str, rules: str, *, after: str | None = None, limit: int
    ) -> Sequence[Stored]:
        return await self._tenants.outdated(tenant, kind, rules, after or "", limit)

    async def count(self, tenant: str) -> int:
        return await self._tenants.count(tenant)

    def everything(self, tenant: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        return self._tenants.everything(tenant)

    def erase(self, tenant: str) -> AsyncIterator[int]:
        return self._tenants.erase(tenant)

    async def sweep(self, tenant: str) -> int:  # noqa: ARG002 - a deletion leaves nothing behind
        return 0

    async def close(self) -> None:
        self._db.close()

    # --- within a transaction ---

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise unavailable(error, self._path) from None
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._index.settle(kept=False)
            if isinstance(error, sqlite3.Error):  # the disk is full, the file went away
                raise unavailable(error, self._path) from None
            raise
        self._index.settle(kept=True)

    def _current(self, tenant: str, kind: str, id: str, expected: str | None) -> tuple[int, int, str]:
        """Row, revision and folded copy of a resource that is about to be written."""
        found = self._row(
            "SELECT row, revision, f FROM item WHERE tenant = ? AND type = ? AND id = ?", (tenant, kind, id)
        )
        if found is None:
            raise Gone(kind)
        row, revision, f = found
        if expected is not None and expected != str(revision):
            raise Changed(kind)
        return row, revision, f

    def _claim(self, tenant: str, kind: str, row: int, claims: Mapping[str, str]) -> None:
        """Make the claims of a row that has none. Raises `Taken`."""
        for path, value in claims.items():
            try:
                self._db.execute(
                    "INSERT INTO claim (tenant, type, path, value, row) VALUES (?, ?, ?, ?, ?)",
                    (tenant, kind, path, value, row),
                )
            except sqlite3.IntegrityError:
                raise Taken(kind, path) from None

    def _change_members(self, tenant: str, group: str, changes: MemberChanges) -> bool:
        """Whether anything was left to change."""
        if not changes:
            return False
        before = self._db.total_changes
        self._db.executemany(
            'DELETE FROM member WHERE tenant = ? AND "group" = ? AND value = ?',
            [(tenant, group, value) for value in changes.remove],
        )
        self._db.executemany(
            'INSERT OR IGNORE INTO member (tenant, "group", value, type, display) VALUES (?, ?, ?, ?, ?)',
            [(tenant, group, member.value, member.type, member.display) for member in changes.add],
        )
        return self._db.total_changes > before

    # --- reading ---

    def _row(self, sql: str, parameters: Sequence[Json]) -> tuple[Json, ...] | None:
        rows = self._rows(sql, parameters)
        return rows[0] if rows else None

    def _rows(self, sql: str, parameters: Sequence[Json]) -> list[tuple[Json, ...]]:
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise unavailable(error, self._path) from None


def _texts(draft: Draft) -> tuple[str, str, str]:
    return _text(draft.resource), _text(draft.f), _text(dict(draft.s))


def _dates(draft: Draft) -> tuple[Json, Json]:
    """The dates of `f` once more, as columns: an index on an expression would read all of `f` for every write."""
    meta = draft.f.get("meta", {})
    return meta.get("created"), meta.get("lastModified")


def _text(value: JsonObject) -> str:
    return orjson.dumps(value).decode()


def _known(kinds: Sequence[str]) -> str:
    """Return SQL for the type of the resource that a row of `member` names, if the row doesn't have it.

    One type after another, because most members are of the first one. Nothing of a resource is read but the index.
    """
    found = "(SELECT type FROM item WHERE tenant = member.tenant AND type = ? AND id = member.value)"
    return f"CASE WHEN type IS NULL THEN COALESCE(NULL, NULL{f', {found}' * len(kinds)}) END"


def _behind(first: str, second: str, number: int) -> str:
    """The condition for what comes after a pair; with one first value, in the form that SQLite seeks by."""
    return f"{first} = ? AND {second} > ?" if number == 1 else f"({first}, {second}) > (?, ?)"


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
