"""The reader of Bicep that the invariants stand on: what it makes of a text, and that it refuses what the compiler would."""

from collections.abc import Mapping

import pytest

from tests.infra.bicep import BicepError, Deployment, Json, assignments
from tests.infra.kql import columns, words


def outputs(text: str, parameters: Mapping[str, Json] | None = None, **files: str) -> dict[str, Json]:
    others = {f"infra/{name}.bicep": other for name, other in files.items()}
    return Deployment({"infra/main.bicep": text, **others}, "infra/main.bicep", parameters or {}).outputs


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("'a-${toLower('B')}-${1}'", "string", "a-b-1"),
        ("'it\\'s'", "string", "it's"),
        ("true ? 'yes' : 'no'", "string", "yes"),
        ("empty([]) && !false", "bool", True),
        ("union({ a: 1, b: { c: 2 } }, { b: { d: 3 }, a: 4 })", "object", {"a": 4, "b": {"c": 2, "d": 3}}),
        ("[for (x, i) in ['a', 'b']: '${x}${i}']", "string[]", ["a0", "b1"]),
        ("filter(['a', ''], x => !empty(x))", "string[]", ["a"]),
        ("cidrSubnet('10.0.0.0/24', 27, 4)", "string", "10.0.0.128/27"),
        ("(2 + 3) * 4 - 1", "int", 19),
        ("7 / 2", "int", 3),
        ("-7 / 2", "int", -3),
        ("min(5, max(2, 3))", "int", 3),
        ("join(skip(split('a.b.c', '.'), 1), '.')", "string", "b.c"),
    ],
)
def test_an_expression_comes_to_its_value(expression: str, kind: str, value: Json) -> None:
    assert outputs(f"output it {kind} = {expression}\n") == {"it": value}


MODULE = "@maxLength(3)\nparam name string\noutput name string = name\n"


def call(parameters: str, condition: str = "") -> str:
    return f"module m 'part.bicep' = {condition}{{\n  name: 'm'\n  params: {{ {parameters} }}\n}}\n"


def test_a_module_gives_its_outputs_back() -> None:
    text = call("name: 'abc'") + "output it string = m.outputs.name\n"
    assert outputs(text, part=MODULE) == {"it": "abc"}


def test_a_module_that_is_not_deployed_has_no_outputs() -> None:
    off = call("name: 'abc'", "if (false) ")
    assert outputs(f"{off}output it string = m.?outputs.name ?? 'none'\n", part=MODULE) == {"it": "none"}
    with pytest.raises(BicepError):
        outputs(f"{off}output it string = m.outputs.name\n", part=MODULE)


@pytest.mark.parametrize(
    "text",
    [
        call(""),
        call("name: 'abcd'"),
        call("name: 1"),
        call("name: 'abc', other: 1"),
        call("name: missing"),
        call("name: 'abc'") + "output it string = m.outputs.other\n",
        "output it string = newGuid()\n",
        "output it int = '1'\n",
        "output it int = '1' + 1\n",
        "output it int = 1 / 0\n",
        "var it = { a: 1, a: 2 }\n",
        # The compiler reads this one well, the grammar here doesn't; the files have to do without it.
        call("name: 'abc'") + "output it string = false ? '' : m.outputs.name\n",
    ],
)
def test_files_that_the_compiler_refuses_are_refused(text: str) -> None:
    with pytest.raises(BicepError):
        outputs(text, part=MODULE)


def test_a_parameter_file_reads_the_environment() -> None:
    text = "using 'main.bicep'\n\nparam a = split(readEnvironmentVariable('A', 'x,y'), ',')\n"
    assert assignments({"p": text}, "p", {}) == {"a": ["x", "y"]}
    assert assignments({"p": text}, "p", {"A": "z"}) == {"a": ["z"]}


def test_a_query_tells_which_fields_it_reads() -> None:
    query = (
        'traces | parse-kv pairs as (status: int, ms: real) with (pair_delimiter=" ") | summarize slow = max(ms) by who'
    )
    assert columns(query) == {"status": "int", "ms": "real"}
    assert words("traces | summarize slow = max(ms) by who, bin(timestamp, {Time:grain}) | where slow > 1") == {
        "ms",
        "who",
        "timestamp",
    }
