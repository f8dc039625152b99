"""The filter language: every form of RFC 7644 §3.4.2.2 parses, prints itself and parses again; the rest is an error."""

from typing import Any

import pytest

from scim.protocol.errors import BadRequest, InvalidFilter, InvalidPath
from scim.protocol.filter import And, Compare, Filter, Not, Number, Or, Present, ValuePath, parse, parse_path
from scim.protocol.limits import Limits
from tests.unit.tables import Row, rows

ROOMY = Limits(filter_characters=1_000_000)


def plain(tree: Filter) -> list[Any]:
    """The tree as the table writes it."""
    match tree:
        case Compare(path, op, Number() as number):
            return [op, str(path), {"number": number.value}]
        case Compare(path, op, value):
            return [op, str(path), value]
        case Present(path):
            return ["pr", str(path)]
        case ValuePath(path, inner):
            return ["[]", str(path), plain(inner)]
        case Not(inner):
            return ["not", plain(inner)]
        case And(terms):
            return ["and", *map(plain, terms)]
        case Or(terms):
            return ["or", *map(plain, terms)]


@pytest.mark.parametrize("row", rows("filters_parse", "filters"))
def test_filter_parses_and_prints_itself(row: Row) -> None:
    tree = parse(row["filter"])
    # Compared as text as well: for Python True is 1.
    assert (plain(tree), repr(plain(tree))) == (row["tree"], repr(row["tree"]))
    assert str(tree) == row.get("text", row["filter"])
    assert parse(str(tree)) == tree


@pytest.mark.parametrize("row", rows("filters_parse", "paths"))
def test_path_parses(row: Row) -> None:
    path = parse_path(row["path"])
    assert [str(path.path), None if path.filter is None else str(path.filter), path.sub] == row["parts"]


@pytest.mark.parametrize("row", rows("filters_parse", "errors"))
def test_syntax_error_is_an_invalid_filter_and_echoes_nothing(row: Row) -> None:
    with pytest.raises(InvalidFilter) as raised:
        parse(row["filter"])
    assert raised.value.status == 400
    assert "S3cret" not in raised.value.detail
    raised.value.detail.encode()


@pytest.mark.parametrize("row", rows("filters_parse", "path_errors"))
def test_path_error_has_its_type_and_echoes_nothing(row: Row) -> None:
    with pytest.raises(BadRequest) as raised:
        parse_path(row["path"])
    assert raised.value.scim_type == row["error"]
    assert "S3cret" not in raised.value.detail


def nested(depth: int, opening: str, closing: str) -> str:
    """A filter of that many levels; the outermost counts as one."""
    return opening * (depth - 1) + "title pr" + closing * (depth - 1)


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("not (", ")"), ("title pr and (", ")")])
def test_fifty_levels_parse_and_one_more_is_an_error(opening: str, closing: str) -> None:
    tree = parse(nested(50, opening, closing))
    assert parse(str(tree)) == tree
    with pytest.raises(InvalidFilter, match="50 levels"):
        parse(nested(51, opening, closing))


def test_brackets_are_a_level() -> None:
    parse(f"emails[{nested(49, '(', ')')}]")
    with pytest.raises(InvalidFilter, match="50 levels"):
        parse(f"emails[{nested(50, '(', ')')}]")


def test_levels_beside_one_another_do_not_add_up() -> None:
    parse(" and ".join(["(title pr)"] * 200))


def test_ten_thousand_characters_parse_and_one_more_is_an_error() -> None:
    parse('title eq "' + "x" * (10_000 - 11) + '"')
    with pytest.raises(InvalidFilter, match="10000 characters"):
        parse('title eq "' + "x" * (10_000 - 10) + '"')


def test_path_over_the_limit_is_an_invalid_path() -> None:
    with pytest.raises(InvalidPath, match="10000 characters"):
        parse_path("x" * 10_001)
    with pytest.raises(InvalidPath, match="10000 characters"):
        parse_path('emails[type eq "' + "x" * 10_001 + '"]')


@pytest.mark.parametrize(
    "text",
    ["x" * 100_000, "(" * 100_000, '"' * 100_000, "[" * 100_000, "a eq " * 20_000, "not " * 25_000],
    ids=["word", "parentheses", "quotes", "brackets", "words", "nots"],
)
def test_a_hundred_kilobytes_are_an_error(text: str) -> None:
    with pytest.raises(InvalidFilter):
        parse(text)
    with pytest.raises(InvalidFilter):
        parse(text, ROOMY)


@pytest.mark.parametrize("opening", ["(", "not (", "a["])
def test_depth_of_ten_thousand_is_an_error_and_no_overflow(opening: str) -> None:
    with pytest.raises(InvalidFilter, match="levels"):
        parse(opening * 10_000, ROOMY)


def test_a_list_of_a_thousand_terms_parses() -> None:
    tree = parse(" or ".join(["a pr"] * 1_000), ROOMY)
    assert isinstance(tree, Or)
    assert len(tree.terms) == 1_000
    assert parse(str(tree), ROOMY) == tree


def test_and_binds_a_string_of_closing_quotes_to_its_own_value() -> None:
    """A value with an escaped quote ends where it ends, so that nothing can be smuggled into a filter."""
    tree = parse(r'userName eq "a\" or active pr or title eq \"b"')
    assert plain(tree) == ["eq", "userName", 'a" or active pr or title eq "b']


def test_only_short_paths_are_remembered() -> None:
    """Five hundred long ones, each of another value, would be a hundred megabytes of trees."""
    short, long = 'emails[type eq "work"].value', f"emails[{' or '.join(['value pr'] * 800)}]"
    assert parse_path(short) is parse_path(short)
    assert parse_path(long) == parse_path(long)
    assert parse_path(long) is not parse_path(long)
