"""The database of the embedded store: opened, with its tables in the form that this version knows. Knows no resource."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from scim.storage.interface import QueryRefused, StoreUnavailable

FORMAT: Final = 2
_BUSY_SECONDS: Final = 5.0
_OPENING_SECONDS: Final = 2.0
"""How long opening waits for a lock: a person waits, and other processes hold it for milliseconds."""
_TURNS: Final = 10
# A private file in memory, of at most 1 GiB. In a ":memory:" database every commit after a balanced index page walks
# through all pages, so that a write gets dearer with each user.
_IN_MEMORY: Final = "file:scim?vfs=memdb"

_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_REASONS: Final = {
    **dict.fromkeys(
        _LOCKED,
        "it is locked by another program, such as a 'scim' command, a backup or a database tool; "
        "end that program, or wait until it has finished",
    ),
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; restore a copy",
    sqlite3.SQLITE_READONLY: "it is read-only; the service needs to write to it and its folder",
    sqlite3.SQLITE_FULL: "the disk is full",
}

# `rules` stands before the long texts: what stands behind them is read through them.
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
_CLAIMS: Final = """
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
_FROM_1: Final = """
ALTER TABLE item ADD COLUMN rules TEXT NOT NULL DEFAULT '';
"""


def opened(path: Path | None, *, patience: float = _OPENING_SECONDS) -> sqlite3.Connection:
    """Open a file, or without a path a database in memory. Waits `patience` seconds for a lock. Raises `StoreUnavailable`.

    A file of format 1 is brought to this version's; one of a newer format is left alone and refused.
    """
    if path is not None:
        _create(path)
    try:
        db = sqlite3.connect(
            path or _IN_MEMORY,
            timeout=patience,
            isolation_level=None,
            check_same_thread=False,
            uri=path is None,
        )
    except sqlite3.Error as error:
        raise unavailable(error, path) from None
    try:
        _prepare(db, path, patience)
        db.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000:.0f}")
    except sqlite3.Error as error:
        db.close()
        raise unavailable(error, path) from None
    except StoreUnavailable:
        db.close()
        raise
    return db


def _create(path: Path) -> None:
    """Create the file, unless it is there, so that its owner alone may read the people in it.

    SQLite gives the files that it puts beside it (`-wal`, `-shm`, `-journal`) the same mode.
    """
    with suppress(OSError):  # it is there already, or SQLite says what is wrong
        path.touch(mode=0o600, exist_ok=False)


def unavailable(error: sqlite3.Error, path: Path | None) -> StoreUnavailable:
    """Return an error of SQLite as the store's own, in one line that names the file and says what is wrong with it."""
    # Extended codes have the primary one in their lowest byte (https://sqlite.org/rescode.html).
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT:
        return QueryRefused("SQLite has stopped a search that looks through too many values")
    if path is None:
        return StoreUnavailable(str(error))
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreUnavailable(f"{path}: {_why_not(path)}")
    return StoreUnavailable(f"{path}: {_REASONS.get(code, str(error))}", retry_after=1 if code in _LOCKED else 5)


def _why_not(path: Path) -> str:
    """SQLite says "unable to open database file" for all of these."""
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return "this user may not read and write it and its folder"


def _prepare(db: sqlite3.Connection, path: Path | None, patience: float) -> None:
    if path is not None:
        # One writer beside many readers, and a killed process leaves nothing half-written.
        _switch_to_wal(db, patience)
        db.execute("PRAGMA synchronous = NORMAL")
    else:
        # Nobody else can open it, so nobody has to be asked for locks; and what a page costs is that it is copied.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA page_size = 2048")
    with _alone(db):
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == FORMAT:
            return
        if version not in {0, 1}:
            raise StoreUnavailable(
                f"{path}: it has format {version} and this version reads {FORMAT}; use the newer version that wrote it"
            )
        for statement in ((_FROM_1 if version else _TABLES) + _CLAIMS).split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {FORMAT}")


def _switch_to_wal(db: sqlite3.Connection, patience: float) -> None:
    """Set the journal mode of the file; of several who open a new file at once, one does it."""
    for _ in range(_TURNS):
        # SQLite waits for some of these locks and not for others; a transaction waits for all of them, once.
        db.execute("PRAGMA busy_timeout = 0")
        with suppress(sqlite3.Error):
            db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA busy_timeout = {patience * 1000:.0f}")
        if db.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        with _alone(db):
            pass
    db.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _alone(db: sqlite3.Connection) -> Iterator[None]:
    """A transaction that nobody else writes beside."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
