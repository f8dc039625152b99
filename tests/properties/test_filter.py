# ruff: noqa: RUF001 - letters that look like ASCII must not be taken for it
"""The filter language: every text is read or refused, every tree is its own text, and all evaluators agree."""

import asyncio
from typing import Any

import pytest
from hypothesis import assume, event, example, given, settings, strategies as st

from scim.protocol import search_fields
from scim.protocol.errors import InvalidFilter, ScimError
from scim.protocol.filter import binding, syntax
from scim.protocol.filter.evaluate import matches
from scim.protocol.filter.syntax import Filter
from scim.protocol.json import JsonObject
from scim.storage.interface import Search, WriteModel
from scim.storage.sqlite.store import SqliteStore
from tests.properties import referee
from tests.properties.differences import FILTERS, FilterDifference, excused
from tests.properties.strategies import (
    RESOURCE_TYPES,
    TREES,
    USER,
    bodies,
    filters,
    filters_about,
    resource,
    resources,
)

PIECES = st.sampled_from(
    [
        "userName",
        "emails",
        "name.familyName",
        "urn:a:b",
        ":",
        ".",
        "$ref",
        "eq",
        "NE",
        "pr",
        "co",
        "and",
        "or",
        "not",
        "(",
        ")",
        "[",
        "]",
        " ",
        "  ",
        "\t",
        "\xa0",
        '"',
        '"a"',
        '"\\"',
        '"\\u0000"',
        '"\\ud800"',
        "\\",
        "\x00",
        "�",
        "true",
        "FALSE",
        "null",
        "1",
        "-0",
        "1.50",
        "1e5",
        "1e999",
        "007",
        "9" * 400,
        "K",
        "ſ",
        "İ",
        "²",
        "٣",
    ]
)
TEXTS = st.one_of(st.text(), st.text(st.characters()), st.lists(PIECES, max_size=12).map("".join))
SPACED = st.lists(PIECES, max_size=14).map(" ".join)


@settings(max_examples=200)
@given(st.one_of(TEXTS, SPACED))
@example("userName eq a\ud800")
@example("userName eq a\x00b")
@example("nic\u212aname pr")
@example("(" * 10_000)
@example("not (" * 10_000)
@example("a[" * 5_000)
@example('"')
@example("")
def test_any_text_is_a_tree_or_a_scim_error(text: str) -> None:
    try:
        tree = syntax.parse(text)
    except ScimError as error:
        json_safe(error)
        return
    event("a tree")
    assert syntax.parse(str(tree)) == tree
    for resource_type in RESOURCE_TYPES.values():
        try:
            bound = binding.bind(tree, resource_type)
        except ScimError as error:
            json_safe(error)
            continue
        event("bound")
        assert "RelatedTo" in repr(bound) or matches(bound, {"id": "x"}) in {True, False}


@settings(max_examples=200)
@given(st.one_of(TEXTS, SPACED))
@example("emails[")
@example("emails[type eq work].")
@example('emails[type eq "work"].value.x')
@example('emails[type eq "work"]value')
@example('name.familyName[x eq "y"]')
def test_any_text_is_a_path_or_a_scim_error(text: str) -> None:
    try:
        path = syntax.parse_path(text)
    except ScimError as error:
        json_safe(error)
        return
    event("a path")
    inner = "" if path.filter is None else f"[{path.filter}]"
    assert syntax.parse_path(f"{path.path}{inner}{f'.{path.sub}' if path.sub else ''}") == path


def json_safe(error: ScimError) -> None:
    """An error's text can be sent, whatever the client wrote."""
    assert len(str(error.body()).encode()) < 2_000


@settings(max_examples=150)
@given(TREES)
def test_a_tree_is_read_back_from_its_text(tree: Filter) -> None:
    text = str(tree)
    assume(len(text) < 10_000)
    assert syntax.parse(text) == tree
    assert syntax.parse(f"  {text.replace(' ', '  ') if '"' not in text else text}\n") == tree


@given(TREES)
def test_letter_case_of_operators_and_words_makes_no_difference(tree: Filter) -> None:
    text = str(tree)
    assume('"' not in text and len(text) < 10_000)
    assert str(syntax.parse(text.upper())).lower() == str(syntax.parse(text.lower())).lower()


def draft(body: JsonObject, number: int) -> WriteModel:
    new = resource({**body, "userName": f"{body['userName'][:50]}-{number}"}, id=f"0190-{number}")
    f = search_fields.build(new, USER)
    return WriteModel("User", new["id"], search_fields.key(new, USER), new, f, search_fields.sort_keys(new, f, USER))


@settings(max_examples=100)
@given(st.lists(bodies(), min_size=1, max_size=3), st.data())
def test_the_store_finds_what_the_evaluator_keeps(people: list[JsonObject], data: st.DataObject) -> None:
    drafts = [draft(body, number) for number, body in enumerate(people)]
    tree = data.draw(st.one_of(filters_about(drafts[0].resource), filters()))
    try:
        bound = binding.bind(tree, USER)
    except InvalidFilter:
        return
    expected = [new.id for new in drafts if matches(bound, new.search_fields)]
    event(f"finds {len(expected)} of {len(drafts)}")

    async def found() -> list[str]:
        store = SqliteStore()
        for new in drafts:
            await store.create("t", new)
        search = await store.search("t", "User", Search(bound, 0, 10))
        counted = await store.search("t", "User", Search(bound, 0, 0))
        await store.close()
        assert search.total == counted.total
        return [item.id for item in search.items]

    assert asyncio.run(found()) == expected


@settings(max_examples=100)
@given(resources(), st.data())
def test_not_is_the_exact_complement(new: JsonObject, data: st.DataObject) -> None:
    tree = data.draw(filters_about(new))
    f = search_fields.build(new, USER)
    try:
        bound = binding.bind(tree, USER)
    except InvalidFilter:
        return
    for negated in (syntax.Not(tree), syntax.Not(syntax.Not(syntax.Not(tree)))):
        assert matches(binding.bind(negated, USER), f) is not matches(bound, f)


def ours(tree: Filter, new: JsonObject) -> referee.Outcome:
    try:
        return matches(binding.bind(tree, USER), search_fields.build(new, USER))
    except InvalidFilter:
        return referee.ERROR


@settings(max_examples=250)
@given(resources(), st.data())
def test_filters_agree_with_scim2_models_but_for_the_recorded_differences(new: JsonObject, data: st.DataObject) -> None:
    tree = data.draw(filters_about(new))
    row = excused(tree, new)
    if row is not None:
        event(f"left out: {row.name}")
        return
    outcome = ours(tree, new)
    event(f"compared: {outcome}")
    assert outcome == referee.matches(str(tree), new)


@pytest.mark.parametrize("row", FILTERS, ids=lambda row: row.name)
def test_each_recorded_difference_still_differs(row: FilterDifference) -> None:
    new: dict[str, Any] = resource({"userName": "x", **row.user})
    assert ours(syntax.parse(row.filter), new) == row.ours
    assert referee.matches(row.filter, new) == row.theirs
    assert row.ours != row.theirs
