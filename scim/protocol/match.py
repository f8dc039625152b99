"""The reference evaluator: whether a bound filter holds for a folded copy. Stores must give the same answers."""

from operator import ge, gt, le, lt
from typing import Final

from scim.protocol.json import Json
from scim.protocol.query import All, Among, AnyOf, Bound, Exists, Linked, Some, Test, Where

_ORDER: Final = {"gt": gt, "ge": ge, "lt": lt, "le": le}


def matches(bound: Bound, scope: Json) -> bool:
    """Whether the filter holds for `scope`: a folded copy, or an element within one. `Linked` must be resolved."""
    match bound:
        case Test(where, op, literal, negated):
            return _compare(_value(scope, where), op, literal) is not negated
        case Exists(where, negated):
            return _present(_value(scope, where)) is not negated
        case Some(where, inner, negated):
            return any(matches(inner, element) for element in _value(scope, where) or ()) is not negated
        case All(terms):
            return all(matches(term, scope) for term in terms)
        case AnyOf(terms):
            return any(matches(term, scope) for term in terms)
        case Among(ids):
            return scope["id"] in ids
        case Linked():
            raise TypeError("a relation can't be evaluated on a resource; resolve it to ids first")


def _value(scope: Json, where: Where) -> Json:
    for name in where:
        if not isinstance(scope, dict):
            return None
        scope = scope.get(name)
    return scope


def _present(value: Json) -> bool:
    return value is not None and value not in ("", [], {})


def _compare(value: Json, op: str, literal: str | bool | float) -> bool:
    if isinstance(literal, str) is not isinstance(value, str) or value is None:
        return False
    match op:
        case "eq":
            return bool(value == literal)
        case "co":
            return literal in value
        case "sw":
            return bool(value.startswith(literal))
        case "ew":
            return bool(value.endswith(literal))
    return bool(_ORDER[op](value, literal))
