"""The filter language: every form of RFC 7644 §3.4.2.2 parses, prints itself and parses again; the rest is an error."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from scim.protocol.errors import BadRequest, InvalidFilter, InvalidPath
from scim.protocol.filter.syntax import And, Compare, Filter, Not, Number, Or, Present, ValuePath, parse, parse_path
from scim.protocol.limits import Limits
from tests.unit.tables import Row, rows

ROOMY = Limits(filter_characters=1_000_000, filter_comparisons=1_000_000)


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
    parse(" and ".join(["(title pr)"] * 100))


COMPARISONS: Final[dict[str, Callable[[int], str]]] = {
    "or": lambda n: " or ".join(['title eq "x"'] * n),
    "and": lambda n: " and ".join(["title pr"] * n),
    "not": lambda n: " or ".join(["not (title pr)"] * n),
    "nested": lambda n: "(title pr or " * 20 + " or ".join(["title pr"] * (n - 20)) + ")" * 20,
    "in brackets": lambda n: f"emails[{' or '.join(['type pr'] * n)}]",
    "in several brackets": lambda n: (
        " or ".join(["emails[type pr and value pr]"] * (n // 2)) + " or title pr" * (n % 2)
    ),
    "behind brackets": lambda n: f"emails[{' or '.join(['type pr'] * (n - 1))}].value eq 1",
}


@pytest.mark.parametrize("make", COMPARISONS.values(), ids=COMPARISONS)
def test_a_hundred_comparisons_parse_and_one_more_is_an_error(make: Callable[[int], str]) -> None:
    parse(make(100))
    with pytest.raises(InvalidFilter, match="100 comparisons"):
        parse(make(101))


def test_a_path_in_brackets_has_as_many_comparisons() -> None:
    parse_path(f"emails[{' or '.join(['type pr'] * 100)}].display")
    with pytest.raises(InvalidFilter, match="100 comparisons"):
        parse_path(f"emails[{' or '.join(['type pr'] * 101)}].display")


QUOTES = "'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u2032\u2033\uff02\uff07"


@pytest.mark.parametrize("quote", QUOTES, ids=ascii)
@pytest.mark.parametrize(
    "text",
    [
        "userName eq {0}jyoung{0}",
        "userName eq {0}Jane Young{0}",
        "userName eq {0}",
        "userName eq {0}(x){0} and title pr",
        'userName eq {0}"x"{0}',
        "active eq {0}true{0}",
        "title pr and not (userName sw {0}j{0})",
        "emails[type eq {0}work{0}]",
        "emails[type eq {0}work{0}].value pr",
    ],
)
def test_a_value_in_another_quote_is_an_error_that_says_what_to_do(text: str, quote: str) -> None:
    """And not a name with quotes in it, whom nobody is: the client would create a second user."""
    with pytest.raises(InvalidFilter, match="double quotes"):
        parse(text.format(quote))


@pytest.mark.parametrize("quote", QUOTES, ids=ascii)
def test_another_quote_within_a_value_is_a_character_like_any_other(quote: str) -> None:
    assert plain(parse(f'displayName eq "{quote}s-Hertogenbosch"')) == ["eq", "displayName", f"{quote}s-Hertogenbosch"]
    assert plain(parse(f"userName eq o{quote}brien")) == ["eq", "userName", f"o{quote}brien"]


def test_a_path_refuses_another_quote_in_brackets() -> None:
    with pytest.raises(InvalidFilter, match="double quotes"):
        parse_path("emails[type eq 'work'].value")


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
    short, long = 'emails[type eq "work"].value', f"emails[{' or '.join(['value pr'] * 100)}]"
    assert parse_path(short) is parse_path(short)
    assert parse_path(long) == parse_path(long)
    assert parse_path(long) is not parse_path(long)
