"""The store on SQLite, in memory or in a file. Knows no schema and no HTTP.

How it works: every call runs SQLite in the event loop, without a thread. A write is one immediate transaction, so that
one process writes at a time, and a reader sees all of a write or none of it, even if the process is killed. `revision`
is the version of a resource. Unique values are rows of the table `claim`. The column `tenant` is the customer.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson

from scim.protocol.json import Json, JsonObject
from scim.storage.errors import AlreadyExists, NotFound, PreconditionFailed
from scim.storage.interface import (
    NO_CHANGES,
    NO_UNIQUE_VALUES,
    Member,
    MemberChanges,
    Membership,
    ResourceName,
    Search,
    SearchPage,
    Stored,
    Take,
    Touch,
    WriteModel,
)
from scim.storage.sqlite.customer_rows import CustomerRows
from scim.storage.sqlite.database import open_database, unavailable
from scim.storage.sqlite.index import MemoryIndex, TableIndex
from scim.storage.sqlite.search import ItemSearch


class SqliteStore:
    """All customers in one database: the file at `path`, or without a path in memory until the store is closed."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._db = open_database(path)
        self._index = TableIndex(self._db, self._rows) if path is not None else MemoryIndex()
        self._search = ItemSearch(self._db, self._index)
        self._customers = CustomerRows(self._rows, self._transaction, self._index)

    async def read(self, customer: str, type_name: str, id: str) -> Stored | None:
        row = self._row(
            "SELECT revision, data, rules FROM item WHERE tenant = ? AND type = ? AND id = ?", (customer, type_name, id)
        )
        return None if row is None else Stored(type_name, id, str(row[0]), orjson.loads(row[1]), row[2])

    async def create(self, customer: str, write_model: WriteModel, members: Sequence[Member] = ()) -> str:
        with self._transaction():
            try:
                row = self._db.execute(
                    """INSERT INTO item (tenant, type, id, key, revision, rules, data, f, s, created, modified)
                       VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)""",
                    (
                        customer,
                        write_model.type_name,
                        write_model.id,
                        write_model.key,
                        write_model.index_version,
                        *_texts(write_model),
                        *_dates(write_model),
                    ),
                ).lastrowid
            except sqlite3.IntegrityError:
                raise AlreadyExists(write_model.type_name) from None
            self._index.change(customer, write_model.type_name, row or 0, {}, write_model.search_fields)
            self._write_unique_values(customer, write_model.type_name, row or 0, write_model.unique_values)
            self._change_members(customer, write_model.id, MemberChanges(add=tuple(members)))
        return "1"

    async def replace(
        self,
        customer: str,
        write_model: WriteModel,
        *,
        expected: str,
        members: MemberChanges = NO_CHANGES,
        old_unique_values: Mapping[str, str] | None = NO_UNIQUE_VALUES,
    ) -> str:
        with self._transaction():
            row, revision, old = self._read_current(customer, write_model.type_name, write_model.id, expected)
            try:
                self._db.execute(
                    """UPDATE item SET key = ?, revision = revision + 1, rules = ?, data = ?, f = ?, s = ?, created = ?,
                       modified = ? WHERE row = ?""",
                    (write_model.key, write_model.index_version, *_texts(write_model), *_dates(write_model), row),
                )
            except sqlite3.IntegrityError:
                raise AlreadyExists(write_model.type_name) from None
            self._index.change(customer, write_model.type_name, row, orjson.loads(old), write_model.search_fields)
            if old_unique_values is None or old_unique_values != write_model.unique_values:
                self._rows("DELETE FROM claim WHERE row = ?", (row,))
                self._write_unique_values(customer, write_model.type_name, row, write_model.unique_values)
            self._change_members(customer, write_model.id, members)
        return str(revision + 1)

    async def delete(self, customer: str, type_name: str, id: str, *, expected: str | None = None) -> None:
        with self._transaction():
            row, _, old = self._read_current(customer, type_name, id, expected)
            self._index.change(customer, type_name, row, orjson.loads(old), {})
            self._db.execute("DELETE FROM item WHERE row = ?", (row,))
            self._db.execute("DELETE FROM claim WHERE row = ?", (row,))
            self._db.execute("DELETE FROM member WHERE tenant = ? AND value = ?", (customer, id))
            self._db.execute('DELETE FROM member WHERE tenant = ? AND "group" = ?', (customer, id))

    async def change_members(
        self, customer: str, group: str, changes: MemberChanges, touch: Touch, *, expected: str | None = None
    ) -> str:
        with self._transaction():
            row, revision, _ = self._read_current(customer, "Group", group, expected)
            if not self._change_members(customer, group, changes):
                return str(revision)
            self._db.execute(
                """UPDATE item SET revision = revision + 1,
                   data = json_set(data, '$.meta.lastModified', ?), f = json_set(f, '$.meta.lastModified', ?),
                   s = json_set(s, '$."meta.lastModified"', ?), modified = ? WHERE row = ?""",
                (touch.modified, touch.folded, touch.sort_key, touch.folded, row),
            )
        return str(revision + 1)

    async def search(self, customer: str, type_name: str, search: Search, take: Take | None = None) -> SearchPage:
        try:
            return self._search.search(customer, type_name, search, take)
        except sqlite3.Error as error:
            raise unavailable(error, self._path) from None

    async def members(
        self,
        customer: str,
        groups: Sequence[str],
        *,
        after: tuple[str, str] | None = None,
        limit: int,
        type_names: Sequence[str] = (),
    ) -> Sequence[Membership]:
        after_condition = _after_condition('"group"', "value", len(groups)) if after else "1"
        rows = self._rows(
            f"""SELECT "group", value, type, display, {_resolved_type(type_names)} FROM member
                WHERE tenant = ? AND "group" IN ({_placeholders(groups)}) AND {after_condition}
                ORDER BY "group", value LIMIT ?""",
            [*type_names, customer, *groups, *(after or ()), limit],
        )
        return [Membership(group, Member(value, type, display), known) for group, value, type, display, known in rows]

    async def memberships(
        self, customer: str, members: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        after_condition = _after_condition("value", '"group"', len(members)) if after else "1"
        rows = self._rows(
            f"""SELECT "group", value FROM member
                WHERE tenant = ? AND value IN ({_placeholders(members)}) AND {after_condition}
                ORDER BY value, "group" LIMIT ?""",
            [customer, *members, *(after or ()), limit],
        )
        return [Membership(group, Member(value)) for group, value in rows]

    async def is_member(self, customer: str, group: str, member: str) -> bool:
        row = self._row(
            'SELECT 1 FROM member WHERE tenant = ? AND "group" = ? AND value = ?', (customer, group, member)
        )
        return row is not None

    async def names(self, customer: str, type_names: Sequence[str], ids: Sequence[str]) -> Mapping[str, ResourceName]:
        rows = self._rows(
            f"""SELECT id, type, data ->> '$.displayName' FROM item
                WHERE tenant = ? AND type IN ({_placeholders(type_names)}) AND id IN ({_placeholders(ids)})""",
            [customer, *type_names, *ids],
        )
        return {id: ResourceName(type_name, display) for id, type_name, display in rows}

    async def customers(self) -> Sequence[str]:
        """Return the customers that have resources."""
        return [customer for (customer,) in self._rows("SELECT DISTINCT tenant FROM item", ())]

    async def outdated(
        self, customer: str, type_name: str, index_version: str, *, after: str | None = None, limit: int
    ) -> Sequence[Stored]:
        return await self._customers.outdated(customer, type_name, index_version, after or "", limit)

    async def count(self, customer: str) -> int:
        return await self._customers.count(customer)

    def everything(self, customer: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        return self._customers.everything(customer)

    def erase(self, customer: str) -> AsyncIterator[int]:
        return self._customers.erase(customer)

    async def sweep(self, customer: str) -> int:  # noqa: ARG002 - a deletion includes all memberships
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
            self._index.end_transaction(committed=False)
            if isinstance(error, sqlite3.Error):  # for example, the disk is full or the file is gone
                raise unavailable(error, self._path) from None
            raise
        self._index.end_transaction(committed=True)

    def _read_current(self, customer: str, type_name: str, id: str, expected: str | None) -> tuple[int, int, str]:
        """Return row, revision and search fields of the resource to write. Raises `NotFound`, `PreconditionFailed`."""
        current = self._row(
            "SELECT row, revision, f FROM item WHERE tenant = ? AND type = ? AND id = ?", (customer, type_name, id)
        )
        if current is None:
            raise NotFound(type_name)
        row, revision, search_fields = current
        if expected is not None and expected != str(revision):
            raise PreconditionFailed(type_name)
        return row, revision, search_fields

    def _write_unique_values(self, customer: str, type_name: str, row: int, unique_values: Mapping[str, str]) -> None:
        """Insert the unique values of a row that has none. Raises `AlreadyExists`."""
        for path, value in unique_values.items():
            try:
                self._db.execute(
                    "INSERT INTO claim (tenant, type, path, value, row) VALUES (?, ?, ?, ?, ?)",
                    (customer, type_name, path, value, row),
                )
            except sqlite3.IntegrityError:
                raise AlreadyExists(type_name, path) from None

    def _change_members(self, customer: str, group: str, changes: MemberChanges) -> bool:
        """Apply the changes that aren't done already. Return whether there were any."""
        if not changes:
            return False
        before = self._db.total_changes
        self._db.executemany(
            'DELETE FROM member WHERE tenant = ? AND "group" = ? AND value = ?',
            [(customer, group, value) for value in changes.remove],
        )
        self._db.executemany(
            'INSERT OR IGNORE INTO member (tenant, "group", value, type, display) VALUES (?, ?, ?, ?, ?)',
            [(customer, group, member.value, member.type, member.display) for member in changes.add],
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


def _texts(write_model: WriteModel) -> tuple[str, str, str]:
    return write_model.json.decode(), _text(write_model.search_fields), _text(dict(write_model.sort_keys))


def _dates(write_model: WriteModel) -> tuple[Json, Json]:
    """Return the dates for their columns: an index on an expression would parse all of `f` in every write."""
    meta = write_model.search_fields.get("meta", {})
    return meta.get("created"), meta.get("lastModified")


def _text(value: JsonObject) -> str:
    return orjson.dumps(value).decode()


def _resolved_type(type_names: Sequence[str]) -> str:
    """Return SQL for `Membership.resolved_type`, which is NULL if the row of the table `member` has a type itself.

    It tries the types in order, because most members have the first one. It reads only the index of the resources.
    """
    lookup = "(SELECT type FROM item WHERE tenant = member.tenant AND type = ? AND id = member.value)"
    return f"CASE WHEN type IS NULL THEN COALESCE(NULL, NULL{f', {lookup}' * len(type_names)}) END"


def _after_condition(first: str, second: str, first_values: int) -> str:
    """Return the condition for rows behind a pair of values. With one first value SQLite can use an index for it."""
    return f"{first} = ? AND {second} > ?" if first_values == 1 else f"({first}, {second}) > (?, ?)"


def _placeholders(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
