"""Compiles bound filters to Cosmos SQL conditions on the search fields `f`. Doesn't send queries.

How it works: a bound filter is two-valued, but in Cosmos DB a comparison with a missing value or with a value of
another type is undefined. A comparison that isn't negated may stay undefined, because WHERE keeps only items whose
condition is true. A negated comparison tests the type first, because `false AND undefined` is false, and its negation
is true.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from scim.protocol.filter.binding import All, AnyElement, AnyOf, Bound, Exists, IdIn, RelatedTo, Test
from scim.protocol.json import Json

_OPERATORS: Final = {"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}
_FUNCTIONS: Final = {"co": "CONTAINS", "sw": "STARTSWITH", "ew": "ENDSWITH"}


@dataclass(slots=True)
class Condition:
    """An SQL condition and its parameters in the form of the SDK."""

    sql: str
    parameters: list[dict[str, Json]] = field(default_factory=list)


def condition(bound: Bound) -> Condition:
    """Compile a filter to a condition on the item `c`."""
    compiled = Condition("")
    compiled.sql = _Compiler(compiled.parameters).sql(bound, "c.f")
    return compiled


def property_path(root: str, names: Iterable[str]) -> str:
    """Return a path as property accesses (`root["name"]`). The names come from schemas, never from a client."""
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
            case AnyElement(where, inner, negated):
                self._elements += 1
                name = f"e{self._elements}"
                source = property_path(scope, where)
                exists = f"EXISTS(SELECT VALUE {name} FROM {name} IN {source} WHERE {self.sql(inner, name)})"
                return f"NOT ({exists})" if negated else exists
            case All(terms):
                return self._join(terms, " AND ", scope) or "true"
            case AnyOf(terms):
                return self._join(terms, " OR ", scope) or "false"
            case IdIn(ids):
                return (
                    f"{property_path(scope, ('id',))} IN ({', '.join(self._parameter(id) for id in ids)})"
                    if ids
                    else "false"
                )
            case RelatedTo():
                raise TypeError("a relation must be resolved to ids before the filter is passed to a store")

    def _join(self, terms: Sequence[Bound], operator: str, scope: str) -> str:
        joined = operator.join(self.sql(term, scope) for term in terms)
        return f"({joined})" if len(terms) > 1 else joined

    def _test(self, value: str, op: str, literal: str | bool | float, negated: bool) -> str:
        parameter = self._parameter(literal)
        function = _FUNCTIONS.get(op)
        test = f"{function}({value}, {parameter})" if function else f"{value} {_OPERATORS[op]} {parameter}"
        return f"NOT ({_type_test(literal)}({value}) AND {test})" if negated else test

    def _parameter(self, value: Json) -> str:
        name = f"@p{len(self._parameters)}"
        self._parameters.append({"name": name, "value": value})
        return name


def _type_test(literal: str | bool | float) -> str:
    if isinstance(literal, bool):
        return "IS_BOOL"
    return "IS_STRING" if isinstance(literal, str) else "IS_NUMBER"
