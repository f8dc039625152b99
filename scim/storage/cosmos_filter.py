"""Bound filters as Cosmos SQL on the folded copy `f`. Every condition is true or false, never undefined where it counts.

Cosmos compares values of different types, and what isn't there, to undefined. A positive leaf may be undefined: WHERE
keeps only what is true. A negated leaf asks for the type first, because `false AND undefined` is false.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from scim.protocol.json import Json
from scim.protocol.query import All, Among, AnyOf, Bound, Exists, Linked, Some, Test

_ORDER: Final = {"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_FUNCTIONS: Final = {"co": "CONTAINS", "sw": "STARTSWITH", "ew": "ENDSWITH"}


@dataclass(slots=True)
class Condition:
    """SQL and its parameters, in the form in which the SDK takes them."""

    sql: str
    parameters: list[dict[str, Json]] = field(default_factory=list)


def condition(bound: Bound) -> Condition:
    """The filter as a condition on `c`."""
    compiled = Condition("")
    compiled.sql = _Compiler(compiled.parameters).sql(bound, "c.f")
    return compiled


def property_path(root: str, names: Iterable[str]) -> str:
    """A path in brackets and quotes; the names come from schemas, never from a client."""
    return root + "".join(f'["{name}"]' for name in names)


class _Compiler:
    def __init__(self, parameters: list[dict[str, Json]]) -> None:
        self._parameters = parameters
        self._elements = 0

    def sql(self, bound: Bound, scope: str) -> str:
        match bound:
            case Test(where, op, value, negated):
                return self._test(property_path(scope, where), op, value, negated)
            case Exists(where, negated):
                test = f"IS_DEFINED({property_path(scope, where)})"
                return f"NOT ({test})" if negated else test
            case Some(where, inner, negated):
                self._elements += 1
                name = f"e{self._elements}"
                source = property_path(scope, where)
                exists = f"EXISTS(SELECT VALUE {name} FROM {name} IN {source} WHERE {self.sql(inner, name)})"
                return f"NOT ({exists})" if negated else exists
            case All(terms):
                return self._joined(terms, " AND ", scope) or "true"
            case AnyOf(terms):
                return self._joined(terms, " OR ", scope) or "false"
            case Among(ids):
                return (
                    f"{property_path(scope, ('id',))} IN ({', '.join(self._parameter(id) for id in ids)})"
                    if ids
                    else "false"
                )
            case Linked():
                raise TypeError("a relation must be resolved to ids before a store sees it")

    def _joined(self, terms: Sequence[Bound], word: str, scope: str) -> str:
        joined = word.join(self.sql(term, scope) for term in terms)
        return f"({joined})" if len(terms) > 1 else joined

    def _test(self, value: str, op: str, literal: str | bool | float, negated: bool) -> str:
        parameter = self._parameter(literal)
        function = _FUNCTIONS.get(op)
        test = f"{function}({value}, {parameter})" if function else f"{value} {_ORDER[op]} {parameter}"
        return f"NOT ({_type_test(literal)}({value}) AND {test})" if negated else test

    def _parameter(self, value: Json) -> str:
        name = f"@p{len(self._parameters)}"
        self._parameters.append({"name": name, "value": value})
        return name


def _type_test(literal: str | bool | float) -> str:
    if isinstance(literal, bool):
        return "IS_BOOL"
    return "IS_STRING" if isinstance(literal, str) else "IS_NUMBER"
