"""Computes the charge of each operation in request units (RU). Knows sizes and counts, no items.

From the documentation ("Optimize request cost in Azure Cosmos DB", "Service quotas"):
    point read            1 RU for 1 KB, 10 RU for 100 KB: a straight line between them, by whole KB
    create, no index      about 5 RU for 1 KB, about 50 RU for 100 KB: the same
    replace               twice the create; patch as replace ("no significant reduction")
    delete                as the create
    query                 2.3 RU at least (an indexed query that returns next to nothing is charged 2.3 to 3)
    Strong and Bounded    double every read: point reads and queries
From a worked example there ("Troubleshoot query issues": 60,951 items of 400 MB scanned for 4,060 RU):
    loading an item       0.0104 RU for each KB
Assumed, because no number is published:
    an index term         0.1 RU for each indexed value written
    a returned row        0.05 RU, and 0.01 RU for each KB of it
    an index look-up      0.05 RU for each value looked up
    an index entry        0.001 RU for each entry that a string search or an index scan reads
    an error              1 RU, as a read of 1 KB (conflicts and failed preconditions are charged)
The numbers allow to compare designs and to detect scans. Real charges differ.
"""

from __future__ import annotations

from dataclasses import dataclass

_INDEX_TERM = 0.1
_QUERY = 2.3
_LOOK_UP = 0.05
_INDEX_ENTRY = 0.001
_LOAD_KB = 0.0104
_ROW = 0.05
_ROW_KB = 0.01
REFUSED = 1.0


@dataclass(slots=True)
class QueryWork:
    """The work of one page of a query, from which its charge is computed."""

    look_ups: int = 0
    index_entries: int = 0
    loaded: int = 0
    loaded_bytes: int = 0
    rows: int = 0
    row_bytes: int = 0


def _line(size: int, first: float, hundredth: float) -> float:
    whole_kb = max(1, -(-size // 1024))
    return first + (whole_kb - 1) * (hundredth - first) / 99


def read(size: int, *, doubled: bool) -> float:
    """Return the charge of a point read of an item of this size in bytes."""
    return _line(size, 1.0, 10.0) * (2 if doubled else 1)


def create(size: int, terms: int) -> float:
    """Return the charge of a create or delete of an item with this number of indexed values."""
    return _line(size, 5.0, 50.0) + terms * _INDEX_TERM


def replace(size: int, terms: int) -> float:
    """Return the charge of a replace or patch."""
    return 2 * create(size, terms)


def query(work: QueryWork, *, doubled: bool) -> float:
    """Return the charge of a page of a query."""
    charge = (
        _QUERY
        + work.look_ups * _LOOK_UP
        + work.index_entries * _INDEX_ENTRY
        + work.loaded_bytes / 1024 * _LOAD_KB
        + work.rows * _ROW
        + work.row_bytes / 1024 * _ROW_KB
    )
    return charge * (2 if doubled else 1)
