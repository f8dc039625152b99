"""`returned` at every level (RFC 7643 §7): always, by default, when asked for by name, never."""

from typing import Any

import pytest

from scim.protocol.messages import PatchOperation
from scim.protocol.patch.operations import changes, targets
from scim.protocol.projection import everything, projection, written
from tests.unit.tables import LOCK, RESOURCE_TYPES, whole

GADGET = RESOURCE_TYPES["Gadget"]
CORE = GADGET.schema.id
STORED = whole(
    {
        "secret": "S3cret",
        "label": "L",
        "note": "N",
        "count": 1,
        "maker": {"name": "n", "mark": "M", "hint": "H", "code": "S3cret"},
        "sites": [{"street": "s", "key": "S3cret"}, {"key": "S3cret"}],
        "vault": {"place": "S3cret"},
        "log": {"line": "l", "mark": "m"},
        LOCK: {"model": "x", "trace": "t", "pin": "S3cret"},
    },
    GADGET,
)
ALWAYS = {"id": STORED["id"], "schemas": STORED["schemas"], "label": "L"}
DEFAULT = {
    **ALWAYS,
    "meta": STORED["meta"],
    "serial": "G-1",
    "count": 1,
    "maker": {"name": "n", "mark": "M"},
    "sites": [{"street": "s"}],
    LOCK: {"model": "x"},
}
MARKED = {**ALWAYS, "maker": {"mark": "M"}}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in DEFAULT.items() if name not in names}


@pytest.mark.parametrize(
    ("attributes", "excluded", "shown"),
    [
        ([], [], DEFAULT),
        # always
        (["count"], [], {**MARKED, "count": 1}),
        ([], ["label", "id", "schemas"], DEFAULT),
        ([], ["maker"], {**without("maker"), "maker": {"mark": "M"}}),
        ([], ["maker.mark"], DEFAULT),
        ([], [CORE], {**MARKED, "meta": STORED["meta"], LOCK: {"model": "x"}}),
        (["noSuchName"], [], MARKED),
        # request: by its own name and no other
        (["note"], [], {**MARKED, "note": "N"}),
        (["NOTE"], [], {**MARKED, "note": "N"}),
        ([f"{CORE}:note"], [], {**MARKED, "note": "N"}),
        (["note"], ["note"], MARKED),
        ([CORE], [], {name: value for name, value in DEFAULT.items() if name not in {"meta", LOCK}}),
        (["maker"], [], {**ALWAYS, "maker": {"name": "n", "mark": "M"}}),
        (["maker.hint"], [], {**ALWAYS, "maker": {"mark": "M", "hint": "H"}}),
        (["maker", "maker.hint"], [], {**ALWAYS, "maker": {"name": "n", "mark": "M", "hint": "H"}}),
        (["maker.hint", "maker"], ["maker.name"], {**ALWAYS, "maker": {"mark": "M", "hint": "H"}}),
        (["log"], [], {**MARKED, "log": {"line": "l", "mark": "m"}}),
        (["log.line"], [], {**MARKED, "log": {"line": "l", "mark": "m"}}),
        (["log.mark"], [], {**MARKED, "log": {"mark": "m"}}),
        ([LOCK], [], {**MARKED, LOCK: {"model": "x"}}),
        ([f"{LOCK}:trace"], [], {**MARKED, LOCK: {"trace": "t"}}),
        (["trace", LOCK], [], {**MARKED, LOCK: {"model": "x", "trace": "t"}}),
        # never, whatever is asked for
        (["secret"], [], MARKED),
        (["vault", "vault.place"], [], MARKED),
        (["maker.code"], [], MARKED),
        (["sites.key"], [], MARKED),
        ([f"{LOCK}:pin"], [], MARKED),
        ([], ["maker.name"], {**without("maker"), "maker": {"mark": "M"}}),
        ([], ["sites.street"], without("sites")),
    ],
)
def test_an_answer_carries_what_its_schema_says(attributes: list[str], excluded: list[str], shown: Any) -> None:
    carried = projection(attributes, excluded, GADGET).apply(STORED)
    assert carried == shown
    assert "S3cret" not in str(carried)


@pytest.mark.parametrize(
    ("attributes", "excluded", "more"),
    [
        ([], [], {"note", "maker.hint", "log", "trace"}),
        ([], ["note"], {"maker.hint", "log", "trace"}),
        ([], ["maker.hint", LOCK], {"note", "log"}),
    ],
)
def test_the_answer_to_a_post_or_a_put_carries_what_was_sent(
    attributes: list[str], excluded: list[str], more: set[str]
) -> None:
    """RFC 7643 §7: `request` is returned to a write "if the attribute was specified by the client"."""
    carried = projection(attributes, excluded, GADGET, everything(GADGET)).apply(STORED)
    found: set[str] = {name for name in ("note", "log") if name in carried}
    found |= {"maker.hint"} if "hint" in carried["maker"] else set()
    found |= {"trace"} if "trace" in carried.get(LOCK, {}) else set()
    assert found == more
    assert "S3cret" not in str(carried)


def test_attributes_decides_for_a_write_too() -> None:
    assert projection(["count"], [], GADGET, everything(GADGET)).apply(STORED) == {**MARKED, "count": 1}


@pytest.mark.parametrize(
    ("operation", "more"),
    [
        (PatchOperation("replace", "note", "N"), {"note": "N"}),
        (PatchOperation("replace", "count", 1), {}),
        (PatchOperation("replace", "maker.hint", "H"), {"maker": {"name": "n", "mark": "M", "hint": "H"}}),
        (PatchOperation("add", "maker", {"HINT": "H"}), {"maker": {"name": "n", "mark": "M", "hint": "H"}}),
        (PatchOperation("add", "maker", {"name": "n"}), {}),
        (PatchOperation("add", None, {"note": "N", "count": 1}), {"note": "N"}),
        (PatchOperation("add", "log.line", "l"), {"log": {"line": "l", "mark": "m"}}),
        (PatchOperation("replace", f"{LOCK}:trace", "t"), {LOCK: {"model": "x", "trace": "t"}}),
        (PatchOperation("replace", "secret", "S3cret"), {}),
    ],
)
def test_the_answer_to_a_patch_carries_what_was_changed(operation: PatchOperation, more: Any) -> None:
    sent = written(targets(changes([operation], GADGET)))
    assert projection([], ["meta"], GADGET, sent).apply(STORED) == {**without("meta"), **more}


def test_a_user_is_shown_without_the_password_and_as_it_is_without_one() -> None:
    user = whole({"title": "t"}, RESOURCE_TYPES["User"])
    wanted = projection([], [], RESOURCE_TYPES["User"])
    assert wanted.apply({**user, "password": "S3cret"}) == user
    assert wanted.apply(user) is user
