"""The requests that Entra ID, Okta and Microsoft's validators are known to send get the answers that these clients rely on."""

import inspect
import re
from collections import Counter

import pytest

from scim.protocol import tolerances
from tests.recorded.replay import Case, Client, faults, load, replay

CASES = load()
OVER_A_PORT = [case for case in CASES if case.data.get("port")]


def label(case: Case) -> str:
    return case.label


@pytest.mark.parametrize("case", CASES, ids=label)
def test_a_case_is_well_formed(case: Case) -> None:
    assert list(faults(case)) == []


def test_no_two_cases_have_one_id() -> None:
    assert [name for name, times in Counter(case.id for case in CASES).items() if times > 1] == []


def test_every_tolerance_names_a_recorded_case() -> None:
    named = {
        name
        for _, function in inspect.getmembers(tolerances, inspect.isfunction)
        for told in re.findall(r"Recorded\s+as\s+([^.;(]*)", function.__doc__ or "")
        for name in re.findall(r"`([a-z-]+)`", told)
    }
    assert named - {case.name for case in CASES} == set()


@pytest.mark.parametrize("case", CASES, ids=label)
def test_recorded_exchange_through_the_triggers(case: Case, client: Client) -> None:
    """The real trigger functions answer as recorded."""
    replay(case, client)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_recorded_exchange_on_a_file(case: Case, file_client: Client) -> None:
    """The real trigger functions answer as recorded from a SQLite file."""
    replay(case, file_client)


@pytest.mark.parametrize("case", OVER_A_PORT, ids=label)
def test_recorded_exchange_over_a_port(case: Case, port_client: Client) -> None:
    """`scim serve` answers as recorded, through a real HTTP client."""
    replay(case, port_client)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_recorded_exchange_on_cosmos(case: Case, cosmos_client: Client) -> None:
    """`scim serve --store cosmos` answers as recorded."""
    replay(case, cosmos_client)
