"""Three-valued logic and the operators, by the tables of the query language reference."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cosmos_emulator.sql_eval import Compiler
from tests.cosmos_emulator.sql_parse import parse
from tests.cosmos_emulator.values import UNDEFINED, order_key

UNDEF = "undefined"
DOCUMENT: dict[str, Any] = {
    "text": "Smith",
    "number": 5,
    "real": 5.0,
    "zero": 0,
    "one": 1,
    "true": True,
    "no": False,
    "nil": None,
    "list": [1, 2],
    "same": [1, 2],
    "object": {"a": 1},
    "emails": [{"type": "work", "value": "a@x"}, {"type": "home", "value": "b@x"}, {"value": None}],
    "deep": {"urn:x:2.0:User": {"department": "D1"}},
}


def evaluated(condition: str, **parameters: Any) -> Any:
    query = parse(f"SELECT VALUE c FROM c WHERE {condition}")
    assert query.where is not None
    given = {f"@{name}": value for name, value in parameters.items()}
    value = Compiler(given).compile(query.where, {"c": 0})((DOCUMENT,))
    return UNDEF if value is UNDEFINED else value


T, F, U = "true", "false", "c.missing"


@pytest.mark.parametrize(
    ("left", "operator", "right", "result"),
    [
        (T, "AND", T, True),
        (T, "AND", F, False),
        (T, "AND", U, UNDEF),
        (F, "AND", T, False),
        (F, "AND", F, False),
        (F, "AND", U, False),
        (U, "AND", T, UNDEF),
        (U, "AND", F, False),
        (U, "AND", U, UNDEF),
        (T, "OR", T, True),
        (T, "OR", F, True),
        (T, "OR", U, True),
        (F, "OR", T, True),
        (F, "OR", F, False),
        (F, "OR", U, UNDEF),
        (U, "OR", T, True),
        (U, "OR", F, UNDEF),
        (U, "OR", U, UNDEF),
    ],
)
def test_truth_table_of_and_and_or(left: str, operator: str, right: str, result: Any) -> None:
    assert evaluated(f"{left} {operator} {right}") == result


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ("NOT true", False),
        ("NOT false", True),
        ("NOT c.missing", UNDEF),
        ("NOT c.text", UNDEF),
        ("NOT c.nil", UNDEF),
        ("NOT (c.missing = 1)", UNDEF),
        ("NOT NOT true", True),
        ("NOT (c.number = 6)", True),
        ("c.text AND true", UNDEF),
        ("c.nil OR true", True),
    ],
)
def test_not_and_operands_that_are_not_booleans(condition: str, result: Any) -> None:
    assert evaluated(condition) == result


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ("c.text = 'Smith'", True),
        ("c.text = 'smith'", False),
        ("c.text = 5", UNDEF),
        ("c.missing = 5", UNDEF),
        ("c.missing = c.missing", UNDEF),
        ("c.missing = undefined", UNDEF),
        ("c.missing = null", UNDEF),
        ("c.nil = null", True),
        ("c.nil != null", False),
        ("c.nil = 'x'", UNDEF),
        ("c.nil != 'x'", UNDEF),
        ("c.nil <= null", True),
        ("c.nil < null", False),
        ("c.number = 5.0", True),
        ("c.real = 5", True),
        ("c.number = '5'", UNDEF),
        ("c.one = true", UNDEF),
        ('c["true"] = 1', UNDEF),
        ("c.zero = false", UNDEF),
        ("c.number != 6", True),
        ("c.number <> 6", True),
        ("c.number < 6", True),
        ("c.number >= 5", True),
        ("c.number > -1", True),
        ("c.number > 'a'", UNDEF),
        ("c.text > 'Smit'", True),
        ("c.text < 'Smith'", False),
        ('c.no < c["true"]', True),
        ("c.list = c.same", True),
        ("c.list = [1, 2]", True),
        ("c.list = [1, true]", False),
        ("c.list != c.same", UNDEF),
        ("c.list < c.same", UNDEF),
        ("c.object = c.object", True),
        ("c.object != c.object", UNDEF),
        ("c.object = c.list", UNDEF),
        ("c.text.length = 5", UNDEF),
        ("c.list[0] = 1", True),
        ("c.list[7] = 1", UNDEF),
        ('c.deep["urn:x:2.0:User"].department = "D1"', True),
        ('c["deep"]["urn:x:2.0:User"]["department"] = "D1"', True),
    ],
)
def test_comparisons_within_a_type_and_across_types(condition: str, result: Any) -> None:
    assert evaluated(condition) == result


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ("c.number IN (5, 6)", True),
        ("c.number IN ('a', 5)", True),
        ("c.number IN (6, 7)", False),
        ("c.number IN ('a', 6)", UNDEF),
        ("c.missing IN (1)", UNDEF),
        ("c.number NOT IN (6, 7)", True),
        ("NOT (c.missing IN (1))", UNDEF),
        ("c.nil IN (null)", True),
    ],
)
def test_in_is_a_chain_of_or(condition: str, result: Any) -> None:
    assert evaluated(condition) == result


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ("IS_DEFINED(c.missing)", False),
        ("IS_DEFINED(c.nil)", True),
        ("IS_NULL(c.nil)", True),
        ("IS_NULL(c.missing)", False),
        ("IS_STRING(c.text)", True),
        ("IS_STRING(c.number)", False),
        ("IS_NUMBER(c.number)", True),
        ('IS_NUMBER(c["true"])', False),
        ("IS_BOOL(c.no)", True),
        ("IS_BOOL(c.zero)", False),
        ("IS_ARRAY(c.list)", True),
        ("IS_OBJECT(c.object)", True),
        ("is_defined(c.text)", True),
    ],
)
def test_type_checks_are_never_undefined(condition: str, result: Any) -> None:
    assert evaluated(condition) is result


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ("CONTAINS(c.text, 'mit')", True),
        ("CONTAINS(c.text, 'MIT')", False),
        ("CONTAINS(c.text, 'MIT', true)", True),
        ("STARTSWITH(c.text, 'Sm')", True),
        ("STARTSWITH(c.text, '')", True),
        ("ENDSWITH(c.text, 'th')", True),
        ("ENDSWITH(c.number, 'th')", UNDEF),
        ("CONTAINS(c.missing, 'a')", UNDEF),
        ("NOT CONTAINS(c.missing, 'a')", UNDEF),
        ("CONTAINS(c.text, 5)", UNDEF),
        ("CONTAINS(c.text, '%')", False),
        ("ARRAY_CONTAINS(c.list, 2)", True),
        ("ARRAY_CONTAINS(c.list, '2')", False),
        ("ARRAY_CONTAINS(c.list, true)", False),
        ("ARRAY_CONTAINS(c.text, 'S')", UNDEF),
        ("ARRAY_CONTAINS(c.list, c.missing)", UNDEF),
        ("ARRAY_CONTAINS(['Smith', 'x'], c.text)", True),
        ("ARRAY_CONTAINS(c.emails, @part, true)", True),
        ("ARRAY_CONTAINS(c.emails, @part)", False),
    ],
)
def test_string_and_array_functions(condition: str, result: Any) -> None:
    assert evaluated(condition, part={"type": "work"}) == result


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ('EXISTS(SELECT VALUE e FROM e IN c.emails WHERE e.type = "work" AND e["value"] = "a@x")', True),
        ('EXISTS(SELECT VALUE e FROM e IN c.emails WHERE e.type = "home" AND e["value"] = "a@x")', False),
        ('EXISTS(SELECT VALUE e FROM e IN c.emails WHERE e["value"] = null)', True),
        ("EXISTS(SELECT VALUE e FROM e IN c.emails WHERE NOT IS_DEFINED(e.type))", True),
        ("EXISTS(SELECT VALUE e.nothing FROM e IN c.emails)", False),
        ("EXISTS(SELECT VALUE e FROM e IN c.missing)", False),
        ("EXISTS(SELECT VALUE e FROM e IN c.text)", False),
        ("NOT EXISTS(SELECT VALUE e FROM e IN c.missing)", True),
        ("EXISTS(SELECT VALUE n FROM n IN c.list WHERE n > 1)", True),
        ("EXISTS(SELECT VALUE n FROM n IN c.list WHERE n = c.number)", False),
    ],
)
def test_exists_requires_one_element(condition: str, result: Any) -> None:
    assert evaluated(condition) is result


def test_types_are_totally_ordered() -> None:
    values = [{"a": 1}, [1], "b", "a", 2.5, -1, True, False, None, UNDEFINED]
    assert sorted(values, key=order_key) == [UNDEFINED, None, False, True, -1, 2.5, "a", "b", [1], {"a": 1}]


@pytest.mark.parametrize(
    ("text", "value"),
    [('"a\\"b"', 'a"b'), ("'it\\'s'", "it's"), ("'say \"x\"'", 'say "x"'), ('"\\u00e9\\n"', "é\n"), ("''", "")],
)
def test_string_literals(text: str, value: str) -> None:
    query = parse(f"SELECT VALUE c FROM c WHERE c.x = {text}")
    assert query.where is not None
    assert Compiler({}).compile(query.where, {"c": 0})(({"x": value},)) is True
