"""Opens the SQLite database, creates or upgrades its tables, and translates SQLite's errors. Doesn't know resources."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from scim.storage.errors import QueryRefused, StoreUnavailable

FORMAT: Final = 2
"""The format of the tables, stored as `user_version`."""
_LOCK_SECONDS: Final = 5.0
"""How long a statement waits for a lock of another process."""
_OPEN_LOCK_SECONDS: Final = 2.0
"""How long opening waits for a lock. A person is waiting, and other processes hold a lock for milliseconds only."""
_WAL_ATTEMPTS: Final = 10
# A private file in memory, of at most 1 GiB. In a ":memory:" database each commit that rebalances an index reads all
# pages, so that the cost of a write grows with the number of users.
_IN_MEMORY: Final = "file:scim?vfs=memdb"

_LOCK_ERRORS: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_REASONS: Final = {
    **dict.fromkeys(
        _LOCK_ERRORS,
        "it is locked by another program, such as a 'scim' command, a backup or a database tool; "
        "stop that program, or wait until it has finished",
    ),
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; restore a copy",
    sqlite3.SQLITE_READONLY: "it is read-only; the service must be able to write to the file and its folder",
    sqlite3.SQLITE_FULL: "the disk is full",
}

# `rules` comes before the long texts: SQLite reads through all columns that precede a column.
_TABLES: Final = """
CREATE TABLE item (
    row INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL,
    rules TEXT NOT NULL DEFAULT '',
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
_UNIQUE_VALUE_TABLE: Final = """
CREATE TABLE claim (
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    path TEXT NOT NULL,
    value TEXT NOT NULL,
    row INTEGER NOT NULL,
    PRIMARY KEY (tenant, type, path, value)
) WITHOUT ROWID;
CREATE INDEX claim_of ON claim (row);
"""
_UPGRADE_FROM_1: Final = """
ALTER TABLE item ADD COLUMN rules TEXT NOT NULL DEFAULT '';
"""


def open_database(path: Path | None, *, lock_timeout: float = _OPEN_LOCK_SECONDS) -> sqlite3.Connection:
    """Open a file, or without a path a database in memory. Raises `StoreUnavailable`.

    Creates the file and its tables if they are missing, and upgrades a file of format 1. A file of a newer format is
    refused and not changed. `lock_timeout` is in seconds and applies to opening only.
    """
    if path is not None:
        _create_file(path)
    try:
        db = sqlite3.connect(
            path or _IN_MEMORY,
            timeout=lock_timeout,
            isolation_level=None,
            check_same_thread=False,
            uri=path is None,
        )
    except sqlite3.Error as error:
        raise unavailable(error, path) from None
    try:
        _prepare(db, path, lock_timeout)
        db.execute(f"PRAGMA busy_timeout = {_LOCK_SECONDS * 1000:.0f}")
    except sqlite3.Error as error:
        db.close()
        raise unavailable(error, path) from None
    except StoreUnavailable:
        db.close()
        raise
    return db


def _create_file(path: Path) -> None:
    """Create the file if it doesn't exist, readable and writable by its owner only: it contains personal data.

    SQLite gives the same mode to the files that it creates beside it (`-wal`, `-shm`, `-journal`).
    """
    with suppress(OSError):  # it exists already, or opening it reports the problem
        path.touch(mode=0o600, exist_ok=False)


def unavailable(error: sqlite3.Error, path: Path | None) -> StoreUnavailable:
    """Translate an error of SQLite. The text is one line that names the file and the problem."""
    # Extended codes have the primary one in their lowest byte (https://sqlite.org/rescode.html).
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT:
        return QueryRefused("the search was stopped because it compares too many values")
    if path is None:
        return StoreUnavailable(str(error))
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreUnavailable(f"{path}: {_open_failure(path)}")
    return StoreUnavailable(f"{path}: {_REASONS.get(code, str(error))}", retry_after=1 if code in _LOCK_ERRORS else 5)


def _open_failure(path: Path) -> str:
    """Return the reason why a file can't be opened. SQLite has the same message for all of them."""
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return "the current user has no permission to read and write the file and its folder"


def _prepare(db: sqlite3.Connection, path: Path | None, lock_timeout: float) -> None:
    if path is not None:
        # With WAL, readers don't wait for the writer, and a process that is killed leaves no partial transaction.
        _switch_to_wal(db, lock_timeout)
        db.execute("PRAGMA synchronous = NORMAL")
    else:
        # No other connection can open this database, so locks are useless. Small pages, because each change copies a
        # page.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA page_size = 2048")
    with _write_transaction(db):
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == FORMAT:
            return
        if version not in {0, 1}:
            raise StoreUnavailable(
                f"{path}: it has format {version} and this version reads {FORMAT}; use the release that created it"
            )
        for statement in ((_UPGRADE_FROM_1 if version else _TABLES) + _UNIQUE_VALUE_TABLE).split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {FORMAT}")


def _switch_to_wal(db: sqlite3.Connection, lock_timeout: float) -> None:
    """Set the journal mode of the file. If several processes open a new file at the same time, one of them sets it."""
    for _ in range(_WAL_ATTEMPTS):
        # Changing the mode doesn't wait for every lock that it needs. A transaction does, so it is used to wait.
        db.execute("PRAGMA busy_timeout = 0")
        with suppress(sqlite3.Error):
            db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA busy_timeout = {lock_timeout * 1000:.0f}")
        if db.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        with _write_transaction(db):
            pass
    db.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _write_transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Run a transaction that excludes other writers."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
