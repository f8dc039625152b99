"""What is unique of a resource besides its key, and the name of the rules that all that is stored beside it follows from."""

from dataclasses import replace
from typing import Any, Final

import pytest

from scim.protocol import search_fields
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import core
from tests.contract.own_types import CAMPUS, attribute, with_characteristics, with_extension

USER: Final = core().resource_types["User"]


def claims(resource_type: ResourceType, **values: Any) -> dict[str, str]:
    return search_fields.unique_values({"id": "1", "userName": "ada", CAMPUS: values}, resource_type)


@pytest.mark.parametrize(
    ("characteristics", "one", "same", "other"),
    [
        ({}, "Straße 1", "STRAẞE 1", "Strasse 1"),
        ({}, "\uff26\uff29x", "FIX", "\ufb01x"),
        ({}, "x" * 2_000 + "A", "x" * 2_000 + "a", "x" * 2_000 + "b"),
        ({"case_exact": True}, "Ada", "Ada", "ada"),
        ({"case_exact": True}, "x" * 2_000 + "a", "x" * 2_000 + "a", "x" * 2_000 + "b"),
        ({"type": "reference", "case_exact": True}, "https://a/B", "https://a/B", "https://a/b"),
        ({"type": "binary", "case_exact": True}, "QQ==", "QQ==", "qq=="),
        ({"type": "dateTime"}, "2026-01-31T10:00:00+01:00", "2026-01-31T09:00:00.000Z", "2026-01-31T09:00:00.001Z"),
        ({"type": "integer"}, 7, 7, 70),
        ({"type": "decimal"}, 1, 1.0, 1.5),
        ({"type": "decimal"}, 10**20, 1e20, 10**20 + 1),
        ({"type": "boolean"}, True, True, False),
    ],
)
def test_equal_values_and_no_others_claim_the_same(
    characteristics: dict[str, Any], one: Any, same: Any, other: Any
) -> None:
    resource_type = with_extension(USER, attribute("badge", **characteristics))
    assert claims(resource_type, badge=one) == claims(resource_type, badge=same)
    assert claims(resource_type, badge=one) != claims(resource_type, badge=other)
    assert set(claims(resource_type, badge=one)) == {f"{CAMPUS}:badge"}


def test_values_of_different_types_that_look_alike_have_texts_anyway() -> None:
    resource_type = with_extension(USER, attribute("badge", "integer"), attribute("tag"))
    assert claims(resource_type, badge=7, tag="7") == {f"{CAMPUS}:badge": "7", f"{CAMPUS}:tag": "7"}


def test_single_valued_simple_attributes_claim_and_the_key_and_others_do_not() -> None:
    resource_type = with_extension(
        USER,
        attribute("badge"),
        attribute("card", uniqueness="global"),
        attribute("room", uniqueness="none"),
        attribute("keys", multi_valued=True),
        attribute("car", "complex", sub_attributes={"plate": attribute("plate")}),
        attribute("userName"),  # of the same name as the key, and another one
    )
    given = {"badge": "A", "card": "B", "room": "C", "keys": ["D"], "car": {"plate": "E"}, "userName": "Ada"}
    assert claims(resource_type, **given) == {f"{CAMPUS}:{name}": value for name, value in
                                     (("badge", "a"), ("card", "b"), ("userName", "ada"))}  # fmt: skip
    nick = replace(USER.schema, attributes={**USER.schema.attributes, "nickname": attribute("nickName")})
    resource = {"id": "1", "userName": "ada", "nickName": "Countess"}
    assert search_fields.unique_values(resource, replace(USER, schema=nick)) == {"nickName": "countess"}
    assert search_fields.unique_values(resource, USER) == {}


def test_what_is_unassigned_claims_nothing() -> None:
    resource_type = with_extension(USER, attribute("badge"), attribute("tag"))
    assert claims(resource_type, tag="x") == {f"{CAMPUS}:tag": "x"}
    assert search_fields.unique_values({"id": "1", "userName": "ada"}, resource_type) == {}


def test_a_type_without_a_unique_attribute_has_its_id_for_a_key() -> None:
    resource_type = with_characteristics(USER, "userName", required=False)
    assert search_fields.key({"id": "01900000", "userName": "ada"}, resource_type) == "User:01900000"
    assert search_fields.unique_values({"id": "01900000", "userName": "ada"}, resource_type) == {"userName": "ada"}


# --- rules ---

BASE: Final = with_extension(USER, attribute("badge"), attribute("tag", uniqueness="none"))


@pytest.mark.parametrize(
    "resource_type",
    [
        USER,
        with_extension(USER, attribute("badge"), attribute("tag")),
        with_extension(USER, attribute("badge", uniqueness="none"), attribute("tag", uniqueness="none")),
        with_extension(USER, attribute("badge", case_exact=True), attribute("tag", uniqueness="none")),
        with_extension(USER, attribute("badge"), attribute("tag", "dateTime", uniqueness="none")),
        with_extension(USER, attribute("badge"), attribute("tag", uniqueness="none", multi_valued=True)),
        with_extension(USER, attribute("badge"), attribute("label", uniqueness="none")),
        with_extension(
            USER, attribute("badge"), attribute("tag", uniqueness="none"), attribute("more", uniqueness="none")
        ),
        with_extension(
            USER,
            attribute("badge"),
            attribute("tag", "complex", uniqueness="none", sub_attributes={"a": attribute("a")}),
        ),
        with_characteristics(BASE, "nickName", sortable=True),
        with_characteristics(BASE, "title", sortable=False),
        with_characteristics(BASE, "title", returned="never"),
        with_characteristics(BASE, "userName", required=False),
    ],
)
def test_what_decides_over_search_order_and_uniqueness_gives_the_rules_another_name(
    resource_type: ResourceType,
) -> None:
    assert search_fields.index_version(resource_type) != search_fields.index_version(BASE)


@pytest.mark.parametrize(
    "resource_type",
    [
        with_extension(USER, attribute("tag", uniqueness="none"), attribute("badge")),
        with_extension(USER, attribute("badge", uniqueness="global"), attribute("tag", uniqueness="none")),
        with_extension(
            USER, attribute("badge", returned="request"), attribute("tag", uniqueness="none", required=True)
        ),
        with_extension(USER, attribute("badge", mutability="immutable"), attribute("tag", uniqueness="none")),
        replace(BASE, endpoint="/People", source={}),
    ],
)
def test_nothing_else_does(resource_type: ResourceType) -> None:
    assert search_fields.index_version(resource_type) == search_fields.index_version(BASE)


def test_the_name_begins_with_the_version_of_the_rules() -> None:
    assert search_fields.index_version(USER).startswith(f"{search_fields.VERSION}.")
