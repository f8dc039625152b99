"""What is unique of a resource besides its key, and the name of the rules that all that is stored beside it follows from."""

from dataclasses import replace
from typing import Any, Final

import pytest

from scim.protocol import fold
from scim.protocol.registry import core
from scim.protocol.schema import ResourceType
from tests.contract.own_types import CAMPUS, attribute, described, extended

USER: Final = core().resource_types["User"]


def claims(kind: ResourceType, **values: Any) -> dict[str, str]:
    return fold.claims({"id": "1", "userName": "ada", CAMPUS: values}, kind)


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
    kind = extended(USER, attribute("badge", **characteristics))
    assert claims(kind, badge=one) == claims(kind, badge=same)
    assert claims(kind, badge=one) != claims(kind, badge=other)
    assert set(claims(kind, badge=one)) == {f"{CAMPUS}:badge"}


def test_values_of_different_types_that_look_alike_have_texts_anyway() -> None:
    kind = extended(USER, attribute("badge", "integer"), attribute("tag"))
    assert claims(kind, badge=7, tag="7") == {f"{CAMPUS}:badge": "7", f"{CAMPUS}:tag": "7"}


def test_single_valued_simple_attributes_claim_and_the_key_and_others_do_not() -> None:
    kind = extended(
        USER,
        attribute("badge"),
        attribute("card", uniqueness="global"),
        attribute("room", uniqueness="none"),
        attribute("keys", multi_valued=True),
        attribute("car", "complex", sub_attributes={"plate": attribute("plate")}),
        attribute("userName"),  # of the same name as the key, and another one
    )
    given = {"badge": "A", "card": "B", "room": "C", "keys": ["D"], "car": {"plate": "E"}, "userName": "Ada"}
    assert claims(kind, **given) == {f"{CAMPUS}:{name}": value for name, value in
                                     (("badge", "a"), ("card", "b"), ("userName", "ada"))}  # fmt: skip
    nick = replace(USER.schema, attributes={**USER.schema.attributes, "nickname": attribute("nickName")})
    resource = {"id": "1", "userName": "ada", "nickName": "Countess"}
    assert fold.claims(resource, replace(USER, schema=nick)) == {"nickName": "countess"}
    assert fold.claims(resource, USER) == {}


def test_what_is_unassigned_claims_nothing() -> None:
    kind = extended(USER, attribute("badge"), attribute("tag"))
    assert claims(kind, tag="x") == {f"{CAMPUS}:tag": "x"}
    assert fold.claims({"id": "1", "userName": "ada"}, kind) == {}


def test_a_type_without_a_unique_attribute_has_its_id_for_a_key() -> None:
    kind = described(USER, "userName", required=False)
    assert fold.key({"id": "01900000", "userName": "ada"}, kind) == "User:01900000"
    assert fold.claims({"id": "01900000", "userName": "ada"}, kind) == {"userName": "ada"}


# --- rules ---

BASE: Final = extended(USER, attribute("badge"), attribute("tag", uniqueness="none"))


@pytest.mark.parametrize(
    "kind",
    [
        USER,
        extended(USER, attribute("badge"), attribute("tag")),
        extended(USER, attribute("badge", uniqueness="none"), attribute("tag", uniqueness="none")),
        extended(USER, attribute("badge", case_exact=True), attribute("tag", uniqueness="none")),
        extended(USER, attribute("badge"), attribute("tag", "dateTime", uniqueness="none")),
        extended(USER, attribute("badge"), attribute("tag", uniqueness="none", multi_valued=True)),
        extended(USER, attribute("badge"), attribute("label", uniqueness="none")),
        extended(USER, attribute("badge"), attribute("tag", uniqueness="none"), attribute("more", uniqueness="none")),
        extended(
            USER,
            attribute("badge"),
            attribute("tag", "complex", uniqueness="none", sub_attributes={"a": attribute("a")}),
        ),
        described(BASE, "nickName", sortable=True),
        described(BASE, "title", sortable=False),
        described(BASE, "title", returned="never"),
        described(BASE, "userName", required=False),
    ],
)
def test_what_decides_over_search_order_and_uniqueness_gives_the_rules_another_name(kind: ResourceType) -> None:
    assert fold.rules(kind) != fold.rules(BASE)


@pytest.mark.parametrize(
    "kind",
    [
        extended(USER, attribute("tag", uniqueness="none"), attribute("badge")),
        extended(USER, attribute("badge", uniqueness="global"), attribute("tag", uniqueness="none")),
        extended(USER, attribute("badge", returned="request"), attribute("tag", uniqueness="none", required=True)),
        extended(USER, attribute("badge", mutability="immutable"), attribute("tag", uniqueness="none")),
        replace(BASE, endpoint="/People", source={}),
    ],
)
def test_nothing_else_does(kind: ResourceType) -> None:
    assert fold.rules(kind) == fold.rules(BASE)


def test_the_name_begins_with_the_version_of_the_rules() -> None:
    assert fold.rules(USER).startswith(f"{fold.VERSION}.")
