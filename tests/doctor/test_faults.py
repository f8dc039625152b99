"""A server with one fault: the doctor names it, and nothing that isn't there."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from scim.doctor import checks
from scim.doctor.catalogue import Check
from scim.doctor.checks import CHECKS, SUBJECTS, connection, discovery
from tests.doctor.faults import ROWS, Row
from tests.doctor.served import bent, examined, named

_BY_ID = {check.id: check for check in CHECKS}
# And a few users more, so that a filter that is ignored finds too many.
_PEOPLE = ("reachable", "token-accepted", "test-connection", "user-create", "user-external-id-shared")
_NO_PEOPLE = (connection.CHECKS, discovery.CHECKS)


def _around(row: Row) -> Sequence[Check]:
    """The checks of the fault's subject, and the checks that they need."""
    subject = _subject(_BY_ID[row.check])
    wanted = {check.id for check in subject}
    if subject not in _NO_PEOPLE:
        wanted |= set(_PEOPLE)
    unread = list(wanted)
    while unread:
        new = set(_BY_ID[unread.pop()].needs) - wanted
        wanted |= new
        unread += new
    return [check for check in CHECKS if check.id in wanted]


def _subject(check: Check) -> Sequence[Check]:
    """The part of the catalogue that it stands in."""
    return next(subject for subject in SUBJECTS if check in subject)


def _examine(row: Row, checks: Sequence[Check]) -> None:
    with bent(row.fault) as server:
        report = examined(server, load=1 if row.options == "load" else 0, checks=checks)
        there = server.everything()
    assert named(report) == [row.check]
    result = next(one for one in report.results if one.check.id == row.check)
    assert result.found
    assert result.evidence
    assert not report.stopped
    # What is still there is said to be.
    ids = {one["id"] for resources in there.values() for one in resources}
    if row.options != "phantom":
        assert {line.split()[0].rpartition("/")[2] for line in report.left_behind} == ids


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.check}: {row.name}" for row in ROWS])
def test_a_planted_fault_is_named_by_the_check_for_it(row: Row) -> None:
    _examine(row, _around(row))


@pytest.mark.soak
@pytest.mark.parametrize("row", ROWS, ids=[f"{row.check}: {row.name}" for row in ROWS])
def test_a_planted_fault_is_named_by_no_other_check_of_the_whole_catalogue(row: Row) -> None:
    _examine(row, CHECKS)


def test_nearly_every_check_has_a_fault_planted_for_it() -> None:
    """TLS needs a server that speaks it: `test_tls` has those; latency needs a clock that goes on: `test_load`."""
    elsewhere = {"https", "certificate", "tls-1.2", "load-latency"}
    assert {row.check for row in ROWS} == {check.id for check in CHECKS} - elsewhere


def test_ids_are_unique_and_needs_come_before() -> None:
    seen: set[str] = set()
    for check in CHECKS:
        assert check.id not in seen
        assert set(check.needs) <= seen, check.id
        seen.add(check.id)


def test_a_check_that_gives_up_names_one_that_exists() -> None:
    named = {
        id
        for file in Path(checks.__file__).parent.glob("*.py")
        for id in re.findall(r'raise Skip\([^\n]*needs="([^"]+)"\)', file.read_text())
    }
    assert named
    assert named <= _BY_ID.keys()
