"""The documents and the catalogue say the same."""

import re
from pathlib import Path

import pytest

from scim.doctor.checks import CHECKS
from scim.doctor.verdicts import Outcome

_DOCS = Path(__file__).parents[2] / "docs"
_IDS = {check.id for check in CHECKS}
# https://learn.microsoft.com/entra/identity/app-provisioning/: the provisioning logs' error codes that a SCIM endpoint
# can cause, and the quarantine reasons.
_CODES = [
    "Unauthorized",
    "InsufficientRights",
    "SystemForCrossDomainIdentityManagementServiceIncompatible",
    "InvalidAnchor",
    "Conflict",
    "EntryConflict",
    "DuplicateTargetEntries",
    "MultipleEntriesInResponse",
    "MandatoryFieldsMissing",
    "SchemaAttributeNotFound",
    "UnprocessableEntity",
    "MethodNotAllowed",
    "NotImplemented",
    "TooManyRequests",
    "InternalServerError",
    "Timeout",
    "WebExceptionProtocolError",
    "EncounteredQuarantineException",
    "EncounteredEscrowProportionThreshold",
    "QuarantineOnDemand",
]


def _table() -> str:
    """The catalogue as docs/doctor.md shows it; a failure prints what belongs there."""
    rows = ["| check | what must hold | only with |", "|---|---|---|"]
    for check in CHECKS:
        only = f"`--{check.only}`" if check.only else ""
        lenient = " (a warning)" if check.warning else ""
        rows.append(f"| `{check.id}` | {check.title.replace('|', chr(92) + '|')}{lenient} | {only} |")
    return "\n".join(rows) + "\n"


def test_the_table_of_checks_is_the_catalogue() -> None:
    text = (_DOCS / "doctor.md").read_text()
    found = "".join(re.findall(r"^\| (?:check|`[a-z][a-z0-9.-]*`) \|.*\n|^\|---\|---\|---\|\n", text, re.MULTILINE))
    assert found == _table(), _table()


def test_every_check_is_in_the_troubleshooter_and_every_one_named_there_exists() -> None:
    text = (_DOCS / "troubleshoot.md").read_text()
    named = set(re.findall(r"`([a-z][a-z0-9.]*(?:-[a-z0-9.]+)*)`", text))
    assert _IDS - named == set()
    assert named - _IDS == set(), "in backticks and in small letters stand checks alone"


@pytest.mark.parametrize("code", _CODES)
def test_every_error_of_a_job_has_a_cause_a_check_and_a_fix(code: str) -> None:
    lines = [
        line for line in (_DOCS / "troubleshoot.md").read_text().splitlines() if line.startswith("|") and code in line
    ]
    assert lines
    cause, checks, fix = lines[0].strip("|").split("|")[1:4]
    assert cause.strip()
    assert fix.strip()
    assert set(re.findall(r"`([a-z0-9.-]+)`", checks)) & _IDS


def test_what_a_check_says_is_fit_to_print() -> None:
    for check in CHECKS:
        assert re.fullmatch(r"[a-z][a-z0-9.-]+", check.id)
        assert check.effects.keys() == set(Outcome)
        assert all(effect.text.endswith(".") for effect in check.effects.values())
        assert check.fix.endswith((".", '"404".'))
        assert not check.title.endswith(".")
