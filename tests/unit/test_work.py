"""What a PATCH looks at is counted, grows with what is sent and stored, and is refused beyond its limits."""

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import pytest

from scim.protocol import folding, patch, values
from scim.protocol.errors import PayloadTooLarge
from scim.protocol.json import Json
from scim.protocol.limits import DEFAULT, Limits
from scim.protocol.messages import Op, PatchOperation
from scim.protocol.patch.work import Work
from scim.protocol.schema.registry import core
from scim.service.member_changes import MemberOperations
from scim.storage.interface import Member
from tests.unit.tables import whole

USER: Final = core().resource_types["User"]
MEMBERS: Final = core().resource_types["Group"].by_name["members"]
LONG: Final = "\ufdfa" * 66
"""A text that takes long to fold."""


def operation(op: Op, path: str | None, value: Json = None) -> PatchOperation:
    return PatchOperation(op, path, value)


def worked(source: dict[str, Any], *operations: PatchOperation, limits: Limits = DEFAULT) -> Work:
    """What the operations look at."""
    work = Work(limits)
    patch.apply(whole(source, USER), patch.changes(operations, USER, limits, work), USER, limits, work)
    return work


def mails(number: int, **more: str) -> dict[str, Any]:
    return {"emails": [{"value": f"{LONG}{at}", **more} for at in range(number)]}


def characters(source: dict[str, Any]) -> int:
    return sum(len(text) for element in source["emails"] for text in element.values())


def folded_in(run: Callable[[], object]) -> Counter[str]:
    """The texts that are folded while something runs, with how often, as the interpreter sees it."""
    found: Counter[str] = Counter()

    def see(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code is folding.fold.__code__:
            found[next(iter(frame.f_locals.values()))] += 1

    sys.setprofile(see)
    try:
        run()
    finally:
        sys.setprofile(None)
    return found


REPEATED: Final = {
    "replace a sub-attribute": operation("replace", 'emails[value eq "x0"].display', "d"),
    "remove by filter": operation("remove", 'emails[value eq "x0" or display eq "x1"]'),
    "replace by filter": operation("replace", 'emails[value eq "x0"]', {"primary": True}),
    "add": operation("add", "emails", [{"value": f"{LONG}0", "display": "d"}]),
    "remove what is listed": operation("remove", "emails", [{"value": "x0"}]),
    "remove what is listed by another name": operation("remove", "emails", [{"display": "x0"}]),
}


@pytest.mark.parametrize("repeated", REPEATED.values(), ids=REPEATED)
def test_each_text_is_folded_once_however_many_operations_look_at_it(repeated: PatchOperation) -> None:
    source = whole(mails(20, display=LONG), USER)
    steps = patch.changes([repeated] * 100, USER)
    folded = folded_in(lambda: patch.apply(source, steps, USER))
    assert folded
    assert set(folded.values()) == {1}


def test_the_characters_folded_dont_grow_with_the_operations() -> None:
    source = mails(50, display=LONG)
    few, many = (
        worked(source, *[operation("replace", f'emails[value eq "x{at}"].display', f"d{at}") for at in range(number)])
        for number in (2, 200)
    )
    assert few.characters <= characters(source) + 10
    assert many.characters - few.characters <= 200 * len("d199x199")


def test_comparisons_are_elements_times_terms_times_operations() -> None:
    source = mails(10)
    one = worked(source, operation("remove", 'emails[value eq "x"]'))
    assert (one.comparisons, worked(source, *[operation("remove", 'emails[value eq "x"]')] * 7).comparisons) == (10, 70)
    assert worked(source, operation("remove", 'emails[value eq "x" or type eq "y" and value pr]')).comparisons == 30
    assert worked(source, operation("remove", f'emails[value co "{"x" * 40}"]')).comparisons == 110


def test_a_path_that_comes_again_is_parsed_once() -> None:
    path = 'emails[value eq "x"].display'
    assert worked({}, *[operation("remove", path)] * 50).path_characters == len(path)


MANY: Final = mails(50)
TOO_MUCH: Final[dict[str, tuple[Limits, list[PatchOperation]]]] = {
    "filters": (Limits(patch_values=1_000), [operation("remove", 'emails[value eq "x"]')] * 21),
    "terms": (Limits(patch_values=1_000), [operation("remove", f"emails[{' or '.join(['value eq 1'] * 21)}]")]),
    "long literals": (Limits(patch_values=1_000), [operation("remove", f'emails[value co "{"x" * 100}"]')]),
    "additions": (Limits(patch_values=1_000), [operation("add", "emails", [{"value": "x"}])] * 8),
    "removals": (Limits(patch_values=1_000), [operation("remove", "emails", [{"value": "x"}])] * 8),
    "removals by other names": (
        Limits(patch_values=1_000),
        [
            operation(
                "remove",
                "emails",
                [
                    {"type": "t"},
                    {"display": "d"},
                    {"type": "t", "display": "d"},
                    {"display": "d", "primary": True},
                    {"primary": True},
                ],
            )
        ],
    ),
    "sub-attributes": (Limits(patch_values=1_000), [operation("replace", "emails.display", "d")] * 11),
    "merges": (Limits(patch_values=1_000), [operation("add", "emails[value pr]", {"display": "d", "type": "t"})] * 5),
    "characters": (Limits(patch_characters=1_000), [operation("remove", 'emails[value eq "x"]')]),
    "paths": (
        Limits(patch_path_characters=1_000),
        [operation("remove", f'emails[type eq "{at}"]') for at in range(60)],
    ),
    "paths as keys": (
        Limits(patch_path_characters=1_000),
        [operation("replace", None, {f'ims[type eq "{at}"].value': "x" for at in range(50)})],
    ),
    "keys that lead nowhere": (
        Limits(patch_path_characters=1_000),
        [operation("replace", None, {f'none[type eq "{at}"].value': "x" for at in range(50)})],
    ),
}


@pytest.mark.parametrize(("limits", "operations"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_patch_beyond_a_limit_is_refused(limits: Limits, operations: list[PatchOperation]) -> None:
    with pytest.raises(PayloadTooLarge, match="1000"):
        worked(MANY, *operations, limits=limits)
    worked(MANY, *operations)


def test_members_are_counted_in_the_same_way() -> None:
    """Also those of a group that is large already."""
    group = [Member(f"{at}", display=f"{LONG}{at}") for at in range(100)]
    changes = patch.changes(
        [operation("remove", f'members[display eq "x{at}"]') for at in range(20)], core().resource_types["Group"]
    )
    settle(changes, group, Limits(patch_values=2_000))
    with pytest.raises(PayloadTooLarge):
        settle(changes, group, Limits(patch_values=1_999))


def settle(changes: list[patch.Change], group: list[Member], limits: Limits) -> None:
    steps = MemberOperations(MEMBERS, limits, group)
    for change in changes:
        steps.apply(change)


def test_reading_a_body_folds_each_value_once() -> None:
    """Duplicates and several primary values included."""

    def folded(number: int) -> int:
        sent = [{"value": f"{at % 7}", "type": "work", "primary": True} for at in range(number)]
        return folded_in(lambda: values.many(sent, USER.by_name["emails"])).total()

    assert (folded(100), folded(1_000)) == (200, 2_000)
