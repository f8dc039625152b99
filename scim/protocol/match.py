"""The reference evaluator: whether a bound filter holds for a folded copy. Stores must give the same answers."""

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Final

from scim.protocol.json import Json
from scim.protocol.query import All, Among, AnyOf, Bound, Exists, Linked, Some, Test, TestOperator, Where

type Predicate = Callable[[Json], bool]
"""Whether a filter holds for a folded copy, or for an element within one."""

type ValueAt = Callable[[Where], Callable[[Json], Json]]
"""How the value that a comparison is about is read: made once for each comparison."""

_ORDER: Final = {"gt": gt, "ge": ge, "lt": lt, "le": le}


def matches(bound: Bound, scope: Json) -> bool:
    """Whether the filter holds for `scope`: a folded copy, or an element within one. `Linked` must be resolved."""
    return predicate(bound)(scope)


def predicate(bound: Bound, value_at: ValueAt | None = None) -> Predicate:
    """Return the filter as a function, for callers that ask it of many values. Raises `TypeError` for `Linked`.

    `value_at` takes the place of reading a folded copy: what it reads must be folded.
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
        case Some(where, inner, negated):
            value, some = read(where), predicate(inner)
            return lambda scope: any(map(some, value(scope) or ())) is not negated
        case All(terms):
            every = [predicate(term, value_at) for term in terms]
            return lambda scope: all(term(scope) for term in every)
        case AnyOf(terms):
            either = [predicate(term, value_at) for term in terms]
            return lambda scope: any(term(scope) for term in either)
        case Among(ids):
            return lambda scope: scope["id"] in ids
        case Linked():
            raise TypeError("a relation can't be evaluated on a resource; resolve it to ids first")


def _value_at(where: Where) -> Callable[[Json], Json]:
    """Reads the value there in a folded copy; `None` if it is missing."""

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
    """Return a comparison as a function. With a value of another type, or with none, it is false."""
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
