"""Every example of RFC 7644 §3 and RFC 9865 is answered as the RFC says, or is listed with the reason why not."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.recorded.replay import Client, faults, replay
from tests.rfc.examples import Row, all_examples, left_out, load

ROOT = Path(__file__).parents[2]
ROWS = load()

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


def test_every_example_is_a_row_or_is_left_out_with_a_reason() -> None:
    shown = {example for row in ROWS for example in row.examples}
    reasons = left_out()
    assert shown | reasons.keys() == set(all_examples())
    assert shown & reasons.keys() == set()
    assert [example for example, reason in reasons.items() if not reason.strip()] == []


def test_the_files_that_a_reason_names_are_there() -> None:
    named = {
        name for reason in left_out().values() for name in re.findall(r"\b(?:docs|tests)/[\w/]+(?:\.\w+)?", reason)
    }
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_no_two_rows_have_one_id() -> None:
    assert [name for name, times in Counter(row.id for row in ROWS).items() if times > 1] == []


@each_row
def test_a_row_is_well_formed(row: Row) -> None:
    assert list(faults(row.case)) == []
    sections = {example.rpartition("-")[0] for example in row.examples}
    rfc, section, _ = row.id.split("-", 2)
    assert f"{rfc}-{section}" in sections
    assert row.case.data["source"].startswith(f"RFC {rfc} §")
    assert all(name.partition("-")[2] in row.case.data["source"] for name in sections)


@each_row
def test_an_example_through_the_triggers(row: Row, client: Client) -> None:
    replay(row.case, client)


@each_row
def test_an_example_over_a_port_on_cosmos(row: Row, cosmos_client: Client) -> None:
    replay(row.case, cosmos_client)
