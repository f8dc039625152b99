"""A report explains a failure by what the server did with the request, and a fault once: by the check that examines it."""

import json

import pytest

from scim.doctor.catalogue import Report
from scim.doctor.checks import CHECKS
from tests.doctor.faults import (
    ENTERPRISE,
    When,
    answer,
    drop,
    filtering,
    listing,
    patching,
    path,
    posting,
    refuse,
)
from tests.doctor.served import Fault, Got, Sent, Serve, bent, examined, refused


def _named_false(op: dict[str, object]) -> bool:
    return op.get("value") == "False"


def _removes_members(sent: Sent) -> bool:
    return patching(lambda op: path(op) == "members" and op["op"] == "Remove", "/Groups")(sent)


def _answered(when: When, status: int) -> Fault:
    """Answers some requests with a status code, after they were carried out."""
    return answer(when, lambda _: refused(status) if status >= 400 else Got(status, {"id": "1"}))


def _everybody(got: Got) -> Got:
    return got.having(totalResults=2, Resources=[{"id": "1"}, {"id": "2"}])


def _tokenless(status: int) -> Fault:
    return answer(lambda sent: "authorization" not in sent.headers, lambda _: refused(status))


_FALSE = patching(_named_false)
_NAME = filtering('-main@example.com"')
_MANAGER = filtering("manager eq")
_AGAIN = posting("/Users", lambda body: "-twice@" in body["userName"] and body.get("emails") == [])
# What a server does, the check that finds it, and words of the effect: a refusal isn't told as silent, nor the reverse.
ROWS: list[tuple[str, Fault, str, str]] = [
    ("disable", drop(_named_false), "accepted", "a user who left keeps access, and no error is reported"),
    ("disable", refuse(_FALSE), "refused", "The change fails and goes to escrow"),
    ("disable", refuse(_FALSE, 404), "not found", "InvalidAnchor"),
    ("disable", refuse(_FALSE, 403), "unauthorized", "quarantine at once"),
    ("disable", refuse(_FALSE, 500), "server error", "InternalServerError"),
    ("member-remove-body", refuse(_removes_members), "refused", "The change fails and is repeated"),
    ("member-remove-body", drop(lambda op: op["op"] == "Remove", "/Groups"), "accepted", "doesn't read members back"),
    ("match-user-name", answer(_NAME, lambda g: g.having(totalResults=0, Resources=[])), "accepted", "EntryConflict"),
    ("match-user-name", answer(_NAME, _everybody), "several found", "DuplicateTargetEntries"),
    ("match-user-name", refuse(_NAME), "refused", "neither creates nor changes it"),
    ("match-user-name", refuse(_NAME, 404), "not found", "ServiceIncompatible"),
    ("reference-probe", refuse(_MANAGER), "refused", "the reference isn't updated"),
    ("reference-probe", answer(_MANAGER, lambda g: g.having(totalResults=0, Resources=[])), "accepted", "leaves out"),
    ("user-duplicate", _answered(_AGAIN, 400), "refused", "goes to escrow"),
    ("user-duplicate", _answered(_AGAIN, 201), "accepted", "a second account"),
    ("no-token", _tokenless(403), "unauthorized", "not with 401"),
    ("no-token", _tokenless(400), "refused", "not with 401"),
    (
        "no-token",
        lambda sent, serve: serve(sent.but(headers={"authorization": "Bearer a-token-for-tests", **sent.headers})),
        "accepted",
        "Anyone can read",
    ),
    ("patch-path-creates", refuse(patching(lambda op: "mobile" in path(op)), 400), "refused", "The change fails"),
    ("patch-path-creates", drop(lambda op: "mobile" in path(op)), "accepted", "Entra takes the change as done"),
]


def _needed(*ids: str) -> set[str]:
    """These checks, and all that they need."""
    wanted, unread = set(ids), list(ids)
    while unread:
        new = set(next(check for check in CHECKS if check.id == unread[-1]).needs) - wanted
        unread.pop()
        wanted |= new
        unread += new
    return wanted


def _examined(fault: Fault, *ids: str) -> Report:
    wanted = _needed(*ids)
    with bent(fault) as server:
        return examined(server, checks=[check for check in CHECKS if check.id in wanted])


@pytest.mark.parametrize(
    ("id", "fault", "outcome", "words"), ROWS, ids=[f"{id}: {outcome}" for id, _, outcome, _ in ROWS]
)
def test_the_effect_is_that_of_the_outcome(id: str, fault: Fault, outcome: str, words: str) -> None:
    result = next(one for one in _examined(fault, id).results if one.check.id == id)
    assert result.outcome == outcome
    assert result.effect is not None
    assert words in result.effect.text


def _no_bodies(sent: Sent, serve: Serve) -> Got:
    return refused(400, "remove has no value") if _removes_members(sent) else serve(sent)


def _no_new_elements(sent: Sent, serve: Serve) -> Got:
    new = patching(lambda op: path(op).startswith("addresses["))(sent)
    return refused(400, "noTarget") if new else serve(sent)


@pytest.mark.parametrize(
    ("fault", "failed", "waiting"),
    [
        (_no_bodies, "member-remove-body", {"member-remove-absent", "member-remove-empty", "member-add-and-remove"}),
        (_no_new_elements, "patch-path-adds", {"patch-path-merges", "patch-repeat"}),
        (
            answer(listing("/Users"), lambda g: refused(404) if g.status == 200 and not g.body["Resources"] else g),
            "test-connection",
            {"match-whole", "rename-found"},
        ),
    ],
)
def test_a_check_that_would_fail_of_the_same_cause_is_not_made(fault: Fault, failed: str, waiting: set[str]) -> None:
    report = _examined(fault, failed, *waiting)
    found = {one.check.id: one for one in report.results}
    assert [id for id, one in found.items() if one.verdict == "fail"] == [failed]
    for id in waiting:
        assert found[id].verdict == "skipped"
        assert found[id].found == f"not tested, needs {failed}"
    assert report.waiting[failed] >= len(waiting)


def test_a_check_names_the_first_cause_and_not_another_that_was_not_tested_either() -> None:
    """disable needs disable-boolean and patch-replace; restore needs disable."""
    report = _examined(refuse(patching(lambda op: op["op"] == "Replace")), "restore")
    found = {one.check.id: one.found for one in report.results}
    assert found["restore"] == "not tested, needs patch-replace"


def test_a_precondition_that_fails_names_the_check_of_it() -> None:
    """A server that keeps no manager can't be asked to clear one."""
    no_manager = drop(lambda op: ENTERPRISE in json.dumps(op) and path(op).endswith("manager"))
    report = _examined(no_manager, "manager-object", "manager-clear-null")
    found = {one.check.id: one.found for one in report.results}
    assert found["manager-clear-null"] == "not tested, needs manager-object"
