"""What a filter means: parsed, bound to a resource type and evaluated on the folded copy, as design and RFC say."""

from collections.abc import Iterator
from typing import Any

import pytest

from scim.protocol import folding, search_fields, validate
from scim.protocol.errors import InvalidFilter
from scim.protocol.filter.binding import All, AnyOf, Bound, RelatedTo, bind
from scim.protocol.filter.evaluate import matches
from scim.protocol.filter.syntax import parse
from scim.protocol.schema.model import ResourceType
from tests.unit.tables import RESOURCE_TYPES, Row, kind_of, rows, whole


def stored(row: Row, resource_type: ResourceType) -> dict[str, Any]:
    """The resource of a row: `user` is stored as it is, `posted` is what a client sends."""
    values = row.get("user", {})
    if "posted" in row:
        values = validate.resource({resource_type.unique: "bjensen", **row["posted"]}, resource_type)
    return whole(values, resource_type)


@pytest.mark.parametrize("row", rows("filters_match", "users"))
def test_filter_keeps_the_resource_or_not(row: Row) -> None:
    resource_type = kind_of(row)
    tree = parse(row["filter"])
    if "error" in row:
        with pytest.raises(InvalidFilter) as raised:
            bind(tree, resource_type)
        assert raised.value.scim_type == row["error"]
        assert "S3cret" not in raised.value.detail
        return
    f = search_fields.build(stored(row, resource_type), resource_type)
    assert matches(bind(tree, resource_type), f) is row["keeps"]
    # `not` is the exact complement, whatever it is put before.
    assert matches(bind(parse(f"not ({tree})"), resource_type), f) is not row["keeps"]
    assert matches(bind(parse(str(tree)), resource_type), f) is row["keeps"]


def links(bound: Bound) -> Iterator[str]:
    match bound:
        case RelatedTo(value):
            yield value
        case All(terms) | AnyOf(terms):
            for term in terms:
                yield from links(term)


@pytest.mark.parametrize("row", rows("filters_match", "links"))
def test_members_and_groups_become_links(row: Row) -> None:
    assert list(links(bind(parse(row["filter"]), kind_of(row)))) == row["links"]


@pytest.mark.parametrize(
    ("filter", "keeps"),
    [
        ('members eq "U1"', False),
        ("members eq null", True),
        ("members pr", False),
        ('members ne "U1"', True),
        ('not (members eq "U1")', True),
        ('members[value eq "U1"]', False),
        ('title pr or displayName eq "x"', False),
    ],
)
def test_over_several_types_an_attribute_of_another_type_has_no_value(filter: str, keeps: bool) -> None:
    unknown: set[str] = set()
    resource_type = RESOURCE_TYPES["User"]
    bound = bind(parse(filter), resource_type, unknown=unknown)
    assert matches(bound, search_fields.build(whole({}, resource_type), resource_type)) is keeps
    assert unknown == ({"members"} if "members" in filter else set())


def test_a_folded_copy_holds_nothing_that_is_null_or_empty() -> None:
    resource_type = RESOURCE_TYPES["User"]
    body = {
        "userName": "B",
        "title": "",
        "emails": [None, {}, {"value": ""}],
        "name": {"givenName": None},
        "manager": "",
    }
    assert search_fields.build(validate.resource(body, resource_type), resource_type) == {
        "schemas": [resource_type.schema.id],
        "userName": "b",
        "active": True,
    }


@pytest.mark.parametrize(
    "text", ["Straße", "\uff21\uff22", "\u0390", "\u0130", "\u017f", "\ufb01", "\u1fb3", "\u01c4", "e\u0301\u0345"]
)
def test_folding_twice_is_folding_once(text: str) -> None:
    assert folding.fold(folding.fold(text)) == folding.fold(text)
