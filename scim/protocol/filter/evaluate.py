"""The reference evaluator: decides whether a bound filter matches search fields. Every store must give the same results."""

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Final

from scim.protocol.filter.binding import (
    All,
    AnyElement,
    AnyOf,
    Bound,
    Exists,
    IdIn,
    RelatedTo,
    Test,
    TestOperator,
    Where,
)
from scim.protocol.json import Json

type Predicate = Callable[[Json], bool]
"""Whether a filter matches search fields, or an element in them."""

type ValueAt = Callable[[Where], Callable[[Json], Json]]
"""Returns a function that reads the value of a comparison. Called once for each comparison."""

_ORDER: Final = {"gt": gt, "ge": ge, "lt": lt, "le": le}


def matches(bound: Bound, scope: Json) -> bool:
    """Return whether the filter matches `scope`: search fields, or an element in them. Raises `TypeError` for
    `RelatedTo`.
    """
    return predicate(bound)(scope)


def predicate(bound: Bound, value_at: ValueAt | None = None) -> Predicate:
    """Return the filter as a function, for callers that apply it to many values. Raises `TypeError` for `RelatedTo`.

    `value_at` replaces the reading of search fields. The values that it reads must be folded.
    """
    read = value_at or _value_at
    match bound:
        case Test(where, "eq", literal, negated):
            value = read(where)
            return lambda scope: (value(scope) == literal) is not negated
        case Test(where, op, literal, negated):
            value, holds = read(where), _comparison(op, literal)
            return lambda scope: holds(value(scope)) is not negated
        case Exists(where, negated):
            value = read(where)
            return lambda scope: _present(value(scope)) is not negated
        case AnyElement(where, inner, negated):
            value, some = read(where), predicate(inner)
            return lambda scope: any(map(some, value(scope) or ())) is not negated
        case All(terms):
            every = [predicate(term, value_at) for term in terms]
            return lambda scope: all(term(scope) for term in every)
        case AnyOf(terms):
            either = [predicate(term, value_at) for term in terms]
            return lambda scope: any(term(scope) for term in either)
        case IdIn(ids):
            return lambda scope: scope["id"] in ids
        case RelatedTo():
            raise TypeError("a relation can't be evaluated on a resource; resolve it to ids first")


def _value_at(where: Where) -> Callable[[Json], Json]:
    """Return a function that reads the value at a path; the function returns `None` if the value is missing."""

    def value(scope: Json) -> Json:
        for name in where:
            if not isinstance(scope, dict):
                return None
            scope = scope.get(name)
        return scope

    return value


def _present(value: Json) -> bool:
    return value is not None and value not in ("", [], {})


def _comparison(op: TestOperator, literal: str | bool | float) -> Predicate:
    """Return a comparison as a function. It is false for a value of another type, and for a missing value."""
    if not isinstance(literal, str):
        in_order = _ORDER[op]
        return lambda value: value is not None and not isinstance(value, str) and bool(in_order(value, literal))
    match op:
        case "co":
            return lambda value: isinstance(value, str) and literal in value
        case "sw":
            return lambda value: isinstance(value, str) and value.startswith(literal)
        case "ew":
            return lambda value: isinstance(value, str) and value.endswith(literal)
    compare = _ORDER[op]
    return lambda value: isinstance(value, str) and bool(compare(value, literal))
