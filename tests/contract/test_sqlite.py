"""Tests of the SQLite store beyond the contract: its indexes, its file, and failures of the file."""

import asyncio
import json
import os
import re
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Barrier, Thread
from typing import Any, Final

import pytest
from hypothesis import given, settings, strategies as st

from scim.protocol.schema.model import Attribute, ResourceType
from scim.storage.errors import AlreadyExists, NotFound, PreconditionFailed, QueryRefused, StoreUnavailable
from scim.storage.interface import Member, MemberChanges, Search, Stored, WriteModel
from scim.storage.sqlite import database
from scim.storage.sqlite.index import MemoryIndex, _digest, entries
from scim.storage.sqlite.store import SqliteStore
from tests.contract.write_models import RESOURCE_TYPES, bound, group, resource_id, touch, user, write_model

LATER: Final = "2026-02-01T00:00:00.000000Z"


@contextmanager
def opened(path: Path | None = None) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    asyncio.run(store.close())


# --- indexes ---


def equalities(resource_type: ResourceType) -> Iterator[str]:
    """Yield each equality that a filter on a resource type can have."""
    levels = [
        ("", resource_type.attributes),
        *((f"{urn}:", schema.attributes) for urn, schema in resource_type.extensions.items()),
    ]
    for prefix, attributes in levels:
        for attribute in attributes.values():
            if attribute.returned == "never" or attribute.name == resource_type.relation:
                continue
            path = f"{prefix}{attribute.name}"
            if attribute.type != "complex":
                yield from comparisons(path, attribute)
                if attribute.multi_valued:
                    yield f'{path}[value eq "x"]'
                continue
            if attribute.value is not None:
                yield from comparisons(path, attribute.value)
            for sub in attribute.by_name.values():
                yield from comparisons(f"{path}.{sub.name}", sub)
                for inner in comparisons(sub.name, sub):
                    yield f"{path}[{inner}]"
                    if attribute.sub("type") is not None:
                        yield f'{path}[{inner} and (type eq "work" or type eq "home")]'
                        yield f'{path}[type eq "work"].{inner}'


def comparisons(path: str, attribute: Attribute) -> Iterator[str]:
    match attribute.type:
        case "boolean":
            yield from (f"{path} eq true", f"{path} eq false")
        case "dateTime":
            yield f'{path} eq "2026-01-31T09:30:00Z"'
        case "string" | "reference":
            yield f'{path} eq "x"'


UNFILTERABLE: Final = re.compile(r"meta[.\[](location|version)")
# All resources of a type have the same value, so an index would return all of them.
NOT_INDEXED: Final = re.compile(r"meta[.\[]resourceType")


def filters(type_name: str) -> list[str]:
    texts = dict.fromkeys(equalities(RESOURCE_TYPES[type_name]))
    return [text for text in texts if not UNFILTERABLE.match(text) and not NOT_INDEXED.match(text)]


def statements(store: SqliteStore, act: Callable[[], object]) -> list[str]:
    """Return the SQL statements that an action runs, with their values."""
    seen: list[str] = []
    store._db.set_trace_callback(seen.append)
    act()
    store._db.set_trace_callback(None)
    return seen


def searched(
    store: SqliteStore, text: str, type_name: str = "User", *, tenant: str = "t", limit: int = 10
) -> list[str]:
    search = asyncio.run(store.search(tenant, type_name, Search(bound(text, type_name), 0, limit)))
    return [item.id for item in search.items]


def plan(store: SqliteStore, sql: str) -> list[str]:
    return [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {sql}")]


def reads_all_items(step: str) -> bool:
    """Return whether a step of a query plan reads all items of a type, by a scan or by a common prefix of an index."""
    if re.match(r"SCAN item\b", step):
        return True
    by = re.match(r"SEARCH item USING (?:COVERING )?INDEX \S+ \((.*)\)", step)
    return by is not None and set(by[1].split(" AND ")) <= {"tenant=?", "type=?"}


@pytest.fixture(scope="module")
def empty() -> Iterator[SqliteStore]:
    with opened() as store:
        yield store


@pytest.mark.parametrize(
    ("type_name", "text"), [(type_name, text) for type_name in RESOURCE_TYPES for text in filters(type_name)]
)
def test_equality_on_each_filterable_attribute_uses_an_index(empty: SqliteStore, type_name: str, text: str) -> None:
    # With a limit of one, the search also counts, so both statements are checked.
    for limit in (10, 0):
        for sql in statements(empty, partial(searched, empty, text, type_name, limit=limit)):
            assert [step for step in plan(empty, sql) if reads_all_items(step)] == [], sql


def test_the_query_plan_check_detects_reads_of_all_items(empty: SqliteStore) -> None:
    for text in ("title pr", 'title co "x"', 'title ne "x"', 'title eq "x" or nickName co "y"', "active ne true"):
        [sql] = statements(empty, partial(searched, empty, text))
        assert any(reads_all_items(step) for step in plan(empty, sql)), text


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "x" and active eq true',
        'userName eq "x" or externalId eq "x" or emails[type eq "work" and value eq "x"]',
        'title co "x" and (userName eq "x" or nickName eq "y")',
        'not (userName ne "x")',
        'meta.created gt "2026-01-01T00:00:00Z"',
        'meta.lastModified ge "2026-01-01T00:00:00Z" and meta.lastModified lt "2026-01-02T00:00:00Z"',
    ],
)
def test_a_filter_with_an_equality_uses_an_index(empty: SqliteStore, text: str) -> None:
    for sql in statements(empty, lambda: searched(empty, text)):
        assert [step for step in plan(empty, sql) if reads_all_items(step)] == [], sql


def count_steps(store: SqliteStore, text: str) -> int:
    """Return the number of steps of SQLite's virtual machine for a search."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    ran = statements(store, partial(searched, store, text))
    store._db.set_progress_handler(count, 1)
    for sql in ran:
        store._db.execute(sql).fetchall()
    store._db.set_progress_handler(None, 1)
    return steps


async def _populate(store: SqliteStore, users: range) -> None:
    for number in users:
        emails = [{"type": "work", "value": f"user-{number}@example.com"}]
        await store.create("t", user(f"user-{number}", number, title="Everybody", emails=emails))


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "user-7"',
        'emails[type eq "work"].value eq "user-7@example.com"',
        'userName eq "user-7" and active eq true',
        'title eq "everybody" and active eq true and userName eq "user-7" and emails.type eq "work"',
        'active eq true and (userName eq "user-7" or emails eq "user-9@example.com")',
        'schemas eq "urn:ietf:params:scim:schemas:core:2.0:User" and userName eq "user-7"',
    ],
)
def test_the_cost_of_a_selective_equality_is_independent_of_the_number_of_users(text: str) -> None:
    with opened() as store:
        asyncio.run(_populate(store, range(100)))
        few = count_steps(store, text)
        asyncio.run(_populate(store, range(100, 1_000)))
        many = count_steps(store, text)
        assert searched(store, text)
    assert many < 1.2 * few


@pytest.mark.parametrize(("comparisons", "users"), [(100, 4), (4, 26)])
def test_a_search_that_compares_too_many_values_is_stopped(comparisons: int, users: int) -> None:
    # Other requests wait during a search, so its instructions are limited.
    emails = [{"value": f"a{n}"} for n in range(9_000)]
    text = " or ".join(f'emails.value co "absent{n}"' for n in range(comparisons))
    with opened() as store:
        asyncio.run(store.create("t", user("first", 1, emails=emails)))
        assert searched(store, text) == []
        for number in range(2, users + 1):
            asyncio.run(store.create("t", user(f"user-{number}", number, emails=emails)))
        with pytest.raises(QueryRefused):
            searched(store, text)
        assert searched(store, 'userName eq "first"') == [resource_id(1)]
        assert len(searched(store, "id pr", limit=2)) == 2


def stored_index_entries(store: SqliteStore) -> set[tuple[Any, int]]:
    if not isinstance(store._index, MemoryIndex):
        return set(store._db.execute("SELECT digest, row FROM leaf"))
    found = set()
    for of, root in store._index._roots.items():
        places: list[tuple[tuple[str, ...], Any]] = [((), root)]
        while places:
            names, place = places.pop()
            places += [((*names, name), below) for name, below in place.items()]
            found |= {((*of, names, value), row) for value in place.rows for row in place.rows_with(value)}
    return found


def expected_index_entries(store: SqliteStore) -> set[tuple[Any, int]]:
    in_memory = isinstance(store._index, MemoryIndex)
    return {
        ((tenant, type_name, *entry) if in_memory else _digest(tenant, type_name, entry), row)
        for row, tenant, type_name, f in store._db.execute("SELECT row, tenant, type, f FROM item")
        for entry in entries(json.loads(f))
    }


FEW: Final = st.sampled_from(["a", "b", "A", "é", "True", "1"])
BODIES: Final = st.fixed_dictionaries(
    {"userName": FEW},
    optional={
        "title": FEW,
        "active": st.booleans(),
        "emails": st.lists(st.fixed_dictionaries({}, optional={"value": FEW, "type": FEW}), max_size=3),
        "department": FEW,
        "manager": FEW,
    },
)
STEPS: Final = st.one_of(
    st.tuples(st.just("create"), st.integers(0, 3), BODIES),
    st.tuples(st.just("replace"), st.integers(0, 3), BODIES),
    st.tuples(st.just("delete"), st.integers(0, 3), st.none()),
    st.tuples(st.just("members"), st.integers(0, 3), st.none()),
)


@pytest.mark.parametrize("place", ["memory", "file"])
@settings(max_examples=60)
@given(program=st.lists(st.tuples(st.sampled_from(["one", "other"]), STEPS), max_size=20))
def test_after_any_writes_the_index_has_exactly_the_values_of_all_items(
    place: str, program: list[tuple[str, tuple[str, int, dict[str, object] | None]]]
) -> None:
    async def run(store: SqliteStore) -> None:
        for tenant, (action, number, body) in program:
            id = resource_id(number)
            try:
                if action == "create":
                    await store.create(tenant, write_model("User", body or {}, id=id))
                    await store.create(tenant, group(f"group {number}", 100 + number))
                elif action == "replace":
                    stored = await store.read(tenant, "User", id)
                    expected = stored.version if stored else "1"
                    await store.replace(tenant, write_model("User", body or {}, id=id), expected=expected)
                elif action == "delete":
                    await store.delete(tenant, "User", id)
                    await store.delete(tenant, "Group", resource_id(100 + number))
                else:
                    new = group(f"group {number}", 100 + number)
                    await store.change_members(tenant, new.id, MemberChanges((Member(id),)), touch(new, LATER))
            except (AlreadyExists, NotFound):
                pass

    with TemporaryDirectory() as folder, opened(Path(folder) / "scim.db" if place == "file" else None) as store:
        asyncio.run(run(store))
        assert stored_index_entries(store) == expected_index_entries(store)


# --- the file ---


def test_a_file_keeps_everything_and_is_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "scim.db"
    with opened(path) as store:
        asyncio.run(store.create("t", group(), [Member("a")]))
        assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    with opened(path) as store:
        assert asyncio.run(store.read("t", "Group", group().id)) is not None
        assert asyncio.run(store.is_member("t", group().id, "a"))


def test_only_the_owner_can_read_a_new_file_and_the_files_beside_it(tmp_path: Path) -> None:
    """The file has personal data. The umask of the process doesn't matter; an existing file keeps its mode."""
    kept, new = tmp_path / "kept.db", tmp_path / "new.db"
    kept.touch(mode=0o644)
    kept.chmod(0o644)
    before = os.umask(0)
    try:
        with opened(kept) as one, opened(new) as other:
            for store in (one, other):
                asyncio.run(store.create("t", user("dora")))
            modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {
        **dict.fromkeys(("new.db", "new.db-wal", "new.db-shm"), 0o600),
        **dict.fromkeys(("kept.db", "kept.db-wal", "kept.db-shm"), 0o644),
    }


def test_a_file_of_a_newer_format_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "scim.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE of_the_future (x)")
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnavailable, match=r"scim\.db: it has format 99 and this version reads 2"):
        SqliteStore(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("of_the_future",)]
        assert db.execute("PRAGMA user_version").fetchone() == (99,)


FORMAT_1: Final = """
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
PRAGMA user_version = 1;
"""


def file_of_format_1(path: Path, *write_models: WriteModel) -> Path:
    """Create a data file of format 1 with these resources of the customer `t`."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FORMAT_1)
        for row, new in enumerate(write_models, 1):
            texts = (json.dumps(new.resource), json.dumps(new.search_fields), json.dumps(dict(new.sort_keys)))
            dates = (new.search_fields["meta"]["created"], new.search_fields["meta"]["lastModified"])
            values = (row, "t", new.type_name, new.id, new.key, 7, *texts, *dates)
            db.execute(f"INSERT INTO item VALUES ({', '.join('?' * len(values))})", values)
            db.executemany(
                "INSERT INTO leaf VALUES (?, ?)",
                {(_digest("t", new.type_name, e), row) for e in entries(new.search_fields)},
            )
        db.execute("INSERT INTO member VALUES ('t', ?, 'a', NULL, NULL)", (resource_id(100),))
        db.commit()
    return path


def test_a_file_of_the_first_format_opens_and_works(tmp_path: Path) -> None:
    one = user("bjensen", 1, title="x")
    path = file_of_format_1(tmp_path / "scim.db", one, group())

    async def run(store: SqliteStore) -> None:
        stored = await store.read("t", "User", one.id)
        assert stored == Stored("User", one.id, "7", one.resource)
        assert [found.id for found in await store.outdated("t", "User", one.index_version, limit=10)] == [one.id]
        with pytest.raises(AlreadyExists):
            await store.create("t", user("BJENSEN", 2))
        version = await store.replace(
            "t", replace(one, unique_values={"badge": "1"}), expected="7", old_unique_values=None
        )
        assert version == "8"
        assert await store.outdated("t", "User", one.index_version, limit=10) == []
        with pytest.raises(AlreadyExists):
            await store.create("t", replace(user("other", 2), unique_values={"badge": "1"}))
        assert await store.is_member("t", group().id, "a")

    with opened(path) as store:
        assert searched(store, 'title eq "x"') == [one.id]
        asyncio.run(run(store))
        assert stored_index_entries(store) == expected_index_entries(store)
    with opened(path) as store:
        assert store._db.execute("PRAGMA user_version").fetchone() == (2,)
        assert asyncio.run(store.read("t", "User", one.id)) == Stored("User", one.id, "8", one.resource)


def test_several_processes_can_upgrade_a_file_at_the_same_time(tmp_path: Path) -> None:
    path = file_of_format_1(tmp_path / "scim.db", user(number=1))

    def open_and_read(which: int) -> None:
        with opened(path) as store:
            assert asyncio.run(store.read("t", "User", resource_id(1))) is not None
            asyncio.run(
                store.create("t", replace(user(f"user-{which}", 10 + which), unique_values={"badge": str(which)}))
            )

    in_threads(8, open_and_read)
    with opened(path) as store:
        assert store._db.execute("SELECT count(*) FROM claim").fetchone() == (8,)


def test_a_file_whose_upgrade_fails_stays_as_it_was(tmp_path: Path) -> None:
    path = file_of_format_1(tmp_path / "scim.db", user(number=1))
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE claim (of_somebody_else)")
    with pytest.raises(StoreUnavailable, match="claim already exists"):
        SqliteStore(path)
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert "rules" not in [column[1] for column in db.execute("PRAGMA table_info(item)")]


def test_a_file_that_is_no_database_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "scim.db"
    path.write_text("Dear diary, " * 500)
    with pytest.raises(StoreUnavailable, match=r"scim\.db: it is not a SQLite database"):
        SqliteStore(path)
    assert path.read_text() == "Dear diary, " * 500


def test_the_error_about_an_unusable_path_names_it_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"scim\.db: there is no folder .*no such folder"):
        SqliteStore(tmp_path / "no such folder" / "scim.db")
    with pytest.raises(StoreUnavailable, match="it is a folder"):
        SqliteStore(tmp_path)


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "with tables"])
def test_a_file_locked_by_another_program_cannot_be_opened(tmp_path: Path, is_new: bool) -> None:
    path = tmp_path / "scim.db"
    if not is_new:
        asyncio.run(SqliteStore(path).close())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match=r"scim\.db: it is locked by another program"):
            database.open_database(path, lock_timeout=0.02)
        other.execute("ROLLBACK")
    asyncio.run(SqliteStore(path).close())


def test_the_error_about_a_read_only_database_names_it(tmp_path: Path) -> None:
    """Root can write to any file, so a read-only connection replaces a read-only file or file system."""
    path = tmp_path / "scim.db"
    asyncio.run(SqliteStore(path).close())
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        with pytest.raises(sqlite3.Error) as error:
            db.execute("PRAGMA user_version = 3")
        assert str(database.unavailable(error.value, path)).startswith(f"{path}: it is read-only")


def test_a_locked_database_is_unavailable_for_writing_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "scim.db"
    with opened(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        store._db.execute("PRAGMA busy_timeout = 20")
        version = asyncio.run(store.create("t", user(number=1)))
        other.execute("BEGIN IMMEDIATE")
        for write in (
            lambda: store.create("t", user("other", 2)),
            lambda: store.replace("t", user(number=1), expected=version),
            lambda: store.delete("t", "User", resource_id(1)),
            lambda: store.change_members("t", resource_id(3), MemberChanges(), touch(group(), LATER)),
        ):
            with pytest.raises(StoreUnavailable, match="locked") as refused:
                asyncio.run(write())
            assert refused.value.retry_after >= 1
        assert asyncio.run(store.read("t", "User", resource_id(1))) is not None
        assert searched(store, 'userName eq "bjensen"') == [resource_id(1)]
        other.execute("ROLLBACK")
        asyncio.run(store.create("t", user("other", 2)))


def test_a_full_disk_fails_a_write_as_a_whole_and_the_store_remains_usable(tmp_path: Path) -> None:
    path = tmp_path / "scim.db"
    with opened(path) as store:
        asyncio.run(store.create("t", user("first", 1)))
        before = expected_index_entries(store)
        room = path.with_name("scim.db-wal").stat().st_size + 100
        with _file_size_limit(room):
            for number in (2, 3):
                with pytest.raises(StoreUnavailable):
                    asyncio.run(store.create("t", user("too much", number, title="x" * 50_000)))
            assert asyncio.run(store.read("t", "User", resource_id(1))) is not None
        assert stored_index_entries(store) == expected_index_entries(store) == before
        asyncio.run(store.create("t", user("too much", 2)))


@contextmanager
def _file_size_limit(size: int) -> Iterator[None]:
    """Simulate a full disk for this process: no file can grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- several processes and threads, one file ---


def in_threads(number: int, act: Callable[[int], None]) -> None:
    """Run `act` in threads that start at the same time. Raises the first error."""
    together = Barrier(number)
    errors: list[BaseException] = []

    def run(which: int) -> None:
        together.wait()
        try:
            act(which)
        except BaseException as error:  # noqa: BLE001 - it is raised again below
            errors.append(error)

    threads = [Thread(target=run, args=(which,)) for which in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_of_concurrent_replaces_by_several_connections_one_per_version_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "scim.db"
    with opened(path) as store:
        first = asyncio.run(store.create("t", user(title="start")))
        won: list[tuple[str, str]] = []

        def write(which: int) -> None:
            async def run(mine: SqliteStore) -> None:
                for turn in range(30):
                    stored = await mine.read("t", "User", resource_id(1))
                    assert stored is not None
                    try:
                        new = user(title=f"{which}/{turn}")
                        won.append((stored.version, await mine.replace("t", new, expected=stored.version)))
                    except PreconditionFailed:
                        continue

            with opened(path) as mine:
                asyncio.run(run(mine))

        in_threads(4, write)
        befores = [before for before, _ in won]
        afters = [after for _, after in won]
        assert len(set(befores)) == len(befores)
        assert len(set(afters)) == len(afters)
        stored = asyncio.run(store.read("t", "User", resource_id(1)))
        assert stored is not None
        # A chain without a gap: each version except the last one was replaced once.
        assert {first, *afters} - {*befores} == {stored.version}
        assert stored_index_entries(store) == expected_index_entries(store)


def test_member_changes_of_several_connections_are_all_applied(tmp_path: Path) -> None:
    path = tmp_path / "scim.db"
    new = group()
    with opened(path) as store:
        asyncio.run(store.create("t", new, [Member(f"old-{n}") for n in range(100)]))

        def write(which: int) -> None:
            async def run(mine: SqliteStore) -> None:
                for turn in range(25):
                    number = which * 25 + turn
                    changes = MemberChanges((Member(f"new-{number}"),), (f"old-{number}",))
                    await mine.change_members("t", new.id, changes, touch(new, LATER))

            with opened(path) as mine:
                asyncio.run(run(mine))

        in_threads(4, write)
        members = asyncio.run(store.members("t", [new.id], limit=1_000))
        assert {item.member.value for item in members} == {f"new-{n}" for n in range(100)}
        stored = asyncio.run(store.read("t", "Group", new.id))
        assert stored is not None
        assert stored.version == "101"


@pytest.mark.parametrize("attempt", range(5))
def test_several_processes_can_open_a_new_file_at_the_same_time(tmp_path: Path, attempt: int) -> None:
    path = tmp_path / "scim.db"

    def open_and_write(which: int) -> None:
        with opened(path) as store:
            asyncio.run(store.create("t", user(f"user-{which}", which)))

    in_threads(6, open_and_write)
    with opened(path) as store:
        assert len(searched(store, "userName pr")) == 6


WRITER: Final = """
import asyncio, sys
from pathlib import Path
from scim.storage.interface import Member
from scim.storage.sqlite.store import SqliteStore
from tests.contract.write_models import group, user

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    for number in range(100_000):
        await store.create("t", user(f"user-{number}", 2 * number, title="x" * 2_000))
        await store.create("t", group(f"group-{number}", 2 * number + 1), [Member(f"{n}") for n in range(20)])
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 20, 111])
def test_after_a_kill_the_file_has_all_reported_writes_and_no_partial_one(tmp_path: Path, after: int) -> None:
    path = tmp_path / "scim.db"
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= after:
                break
        writer.kill()
        reported = after + sum(1 for _ in writer.stdout)
    with opened(path) as store:
        assert store._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert stored_index_entries(store) == expected_index_entries(store)
        users, groups, members = (
            store._db.execute(f"SELECT count(*) FROM {what}").fetchone()[0]
            for what in ("item WHERE type = 'User'", "item WHERE type = 'Group'", "member")
        )
        assert groups > reported
        assert users in {groups, groups + 1}
        assert members == 20 * groups
