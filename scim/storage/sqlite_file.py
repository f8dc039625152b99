"""The database of the embedded store: opened, with its tables in the form that this version knows. Knows no resource."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from scim.storage.interface import StoreUnavailable

FORMAT: Final = 2
_BUSY_SECONDS: Final = 5.0
_TURNS: Final = 10
# A private file in memory, of at most 1 GiB. In a ":memory:" database every commit after a balanced index page walks
# through all pages, so that a write gets dearer with each user.
_IN_MEMORY: Final = "file:scim?vfs=memdb"

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


def opened(path: Path | None) -> sqlite3.Connection:
    """A file, or without a path a database in memory. Raises `StoreUnavailable`.

    A file of format 1 is brought to this version's; one of a newer format is left alone and refused.
    """
    if path is not None:
        _create(path)
    try:
        db = sqlite3.connect(
            path or _IN_MEMORY,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=path is None,
        )
    except sqlite3.Error as error:
        raise StoreUnavailable(str(error)) from None
    try:
        _prepare(db, in_file=path is not None)
    except sqlite3.Error as error:
        db.close()
        raise StoreUnavailable(str(error)) from None
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


def _prepare(db: sqlite3.Connection, *, in_file: bool) -> None:
    if in_file:
        # One writer beside many readers, and a killed process leaves nothing half-written.
        _switch_to_wal(db)
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
            raise StoreUnavailable(f"the data file has format {version}, this version reads {FORMAT}")
        for statement in ((_FROM_1 if version else _TABLES) + _CLAIMS).split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {FORMAT}")


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Set the journal mode of the file; of several who open a new file at once, one does it."""
    for _ in range(_TURNS):
        with suppress(sqlite3.Error):
            db.execute("PRAGMA journal_mode = WAL")
            return
        # SQLite doesn't wait for this lock, but it waits for that of a transaction.
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
