"""The embedded store: SQLite, in memory or in a file. Answers inline; one writer at a time, whatever the process.

A write is one transaction, so a reader sees all of it or nothing, also after the process was killed in the middle.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import orjson

from scim.protocol.json import Json, JsonObject
from scim.protocol.query import TRUE, Bound
from scim.storage.interface import (
    NO_CHANGES,
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
    StoreUnavailable,
    Taken,
    Touch,
)
from scim.storage.sqlite_filter import condition, ways
from scim.storage.sqlite_index import MemoryIndex, TableIndex
from scim.storage.sqlite_tenant import TenantRows

SCHEMA_VERSION: Final = 1
_BUSY_SECONDS: Final = 5.0
_TURNS: Final = 10
# A private file in memory, of at most 1 GiB. In a ":memory:" database every commit after a balanced index page walks
# through all pages, so that a write gets dearer with each user.
_IN_MEMORY: Final = "file:scim?vfs=memdb"

_SCHEMA: Final = """
CREATE TABLE item (
    row INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    data TEXT NOT NULL,
    f TEXT NOT NULL,
    s TEXT NOT NULL,
    created TEXT,
    modified TEXT,
    UNIQUE (tenant, type, id),
    UNIQUE (tenant, key)
);
CREATE INDEX item_created ON item (tenant, type, created, id);
CREATE INDEX item_modified ON item (tenant, type, modified, id);
CREATE TABLE leaf (
    digest INTEGER NOT NULL,
    row INTEGER NOT NULL,
    PRIMARY KEY (digest, row)
) WITHOUT ROWID;
CREATE TABLE member (
    tenant TEXT NOT NULL,
    "group" TEXT NOT NULL,
    value TEXT NOT NULL,
    type TEXT,
    display TEXT,
    PRIMARY KEY (tenant, "group", value)
) WITHOUT ROWID;
CREATE INDEX member_of ON member (tenant, value, "group");
"""


class SqliteStore:
    """All tenants in one database. `path` names a file; without it everything is in memory and gone at the end."""

    def __init__(self, path: Path | None = None) -> None:
        try:
            self._db = sqlite3.connect(
                path or _IN_MEMORY,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                uri=path is None,
            )
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from None
        self._index = TableIndex(self._db, self._rows) if path is not None else MemoryIndex()
        self._tenants = TenantRows(self._rows, self._transaction, self._index)
        try:
            self._prepare(in_file=path is not None)
        except StoreUnavailable:
            self._db.close()
            raise

    def _prepare(self, *, in_file: bool) -> None:
        """Make the tables, or see that they are there in the form that this version knows."""
        if in_file:
            # One writer beside many readers, and a killed process leaves nothing half-written.
            self._switch_to_wal()
            self._rows("PRAGMA synchronous = NORMAL", ())
        else:
            # Nobody else can open it, so nobody has to be asked for locks; and what a page costs is that it is copied.
            self._rows("PRAGMA locking_mode = EXCLUSIVE", ())
            self._rows("PRAGMA page_size = 2048", ())
        with self._transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise StoreUnavailable(f"the data file has format {version}, this version reads {SCHEMA_VERSION}")

    def _switch_to_wal(self) -> None:
        """Set the journal mode of the file; of several who open a new file at once, one does it."""
        for _ in range(_TURNS):
            with suppress(StoreUnavailable):
                self._rows("PRAGMA journal_mode = WAL", ())
                return
            # SQLite doesn't wait for this lock, but it waits for that of a transaction.
            with self._transaction():
                pass
        self._rows("PRAGMA journal_mode = WAL", ())

    async def read(self, tenant: str, kind: str, id: str) -> Stored | None:
        row = self._row("SELECT revision, data FROM item WHERE tenant = ? AND type = ? AND id = ?", (tenant, kind, id))
        return None if row is None else Stored(kind, id, str(row[0]), orjson.loads(row[1]))

    async def create(self, tenant: str, draft: Draft, members: Sequence[Member] = ()) -> str:
        with self._transaction():
            try:
                row = self._db.execute(
                    """INSERT INTO item (tenant, type, id, key, revision, data, f, s, created, modified)
                       VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)""",
                    (tenant, draft.kind, draft.id, draft.key, *_texts(draft), *_dates(draft)),
                ).lastrowid
            except sqlite3.IntegrityError:
                raise Taken(draft.kind) from None
            self._index.change(tenant, draft.kind, row or 0, {}, draft.f)
            self._change_members(tenant, draft.id, MemberChanges(add=tuple(members)))
        return "1"

    async def replace(self, tenant: str, draft: Draft, *, expected: str, members: MemberChanges = NO_CHANGES) -> str:
        with self._transaction():
            row, revision, old = self._current(tenant, draft.kind, draft.id, expected)
            try:
                self._db.execute(
                    """UPDATE item SET key = ?, revision = revision + 1, data = ?, f = ?, s = ?, created = ?, modified = ?
                       WHERE row = ?""",
                    (draft.key, *_texts(draft), *_dates(draft), row),
                )
            except sqlite3.IntegrityError:
                raise Taken(draft.kind) from None
            self._index.change(tenant, draft.kind, row, orjson.loads(old), draft.f)
            self._change_members(tenant, draft.id, members)
        return str(revision + 1)

    async def delete(self, tenant: str, kind: str, id: str, *, expected: str | None = None) -> None:
        with self._transaction():
            row, _, old = self._current(tenant, kind, id, expected)
            self._index.change(tenant, kind, row, orjson.loads(old), {})
            self._db.execute("DELETE FROM item WHERE row = ?", (row,))
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

    async def search(self, tenant: str, kind: str, search: Search) -> Found:
        source, values = self._source(tenant, kind, search.filter)
        where = condition(search.filter or TRUE)
        values += [tenant, kind, *where.parameters]
        from_where = f"FROM {source} WHERE item.tenant = ? AND item.type = ? AND {where.sql}"
        direction = "DESC" if search.descending else "ASC"
        order = "item.id" if search.sort is None else f"item.s ->> '$.\"{search.sort}\"'"
        rows = self._rows(
            f"SELECT item.id, item.revision, item.data {from_where} ORDER BY {order} {direction} LIMIT ? OFFSET ?",
            [*values, search.limit, search.offset],
        )
        items = [Stored(kind, id, str(revision), orjson.loads(data)) for id, revision, data in rows]
        total = search.offset + len(items)
        if len(items) == search.limit or (not items and search.offset):
            # The page is full, or behind the end: only now is it worth counting.
            total = self._rows(f"SELECT count(*) {from_where}", values)[0][0]
        return Found(items, total)

    async def members(
        self, tenant: str, groups: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        behind = _behind('"group"', "value", len(groups)) if after else "1"
        rows = self._rows(
            f"""SELECT "group", value, type, display FROM member
                WHERE tenant = ? AND "group" IN ({_marks(groups)}) AND {behind} ORDER BY "group", value LIMIT ?""",
            [tenant, *groups, *(after or ()), limit],
        )
        return [Membership(group, Member(value, type, display)) for group, value, type, display in rows]

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
            raise StoreUnavailable(str(error), retry_after=1) from None
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._index.settle(kept=False)
            if isinstance(error, sqlite3.Error):  # the disk is full, the file went away
                raise StoreUnavailable(str(error)) from None
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

    def _source(self, tenant: str, kind: str, bound: Bound | None) -> tuple[str, list[Json]]:
        """The tables to search: all items, or those that the index leads to."""
        possible = ways(bound) if bound is not None else []
        hits = self._index.hits(tenant, kind, possible) if possible else None
        if hits is None:
            return "item", []
        # CROSS JOIN keeps SQLite from walking all items in order instead.
        return f"{hits[0]} AS hit CROSS JOIN item ON item.row = hit.row", hits[1]

    def _row(self, sql: str, parameters: Sequence[Json]) -> tuple[Json, ...] | None:
        rows = self._rows(sql, parameters)
        return rows[0] if rows else None

    def _rows(self, sql: str, parameters: Sequence[Json]) -> list[tuple[Json, ...]]:
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from None


def _texts(draft: Draft) -> tuple[str, str, str]:
    return _text(draft.resource), _text(draft.f), _text(dict(draft.s))


def _dates(draft: Draft) -> tuple[Json, Json]:
    """The dates of `f` once more, as columns: an index on an expression would read all of `f` for every write."""
    meta = draft.f.get("meta", {})
    return meta.get("created"), meta.get("lastModified")


def _text(value: JsonObject) -> str:
    return orjson.dumps(value).decode()


def _behind(first: str, second: str, number: int) -> str:
    """The condition for what comes after a pair; with one first value, in the form that SQLite seeks by."""
    return f"{first} = ? AND {second} > ?" if number == 1 else f"({first}, {second}) > (?, ?)"


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
