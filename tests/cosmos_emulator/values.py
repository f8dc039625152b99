"""JSON values as Cosmos DB sees them: undefined, comparison within one type, one order across types. Knows no SQL."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

type Value = Any  # a JSON value, or UNDEFINED
type Step = str | int
type Steps = tuple[Step, ...]
type OrderKey = tuple[int, Any]


class Undefined(Enum):
    """The value of a property that is not there; JSON null is a value and not this."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


class _Rank:
    """The order of types in ORDER BY and in the index."""

    UNDEFINED, NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT = range(7)


def rank(value: Value) -> int:
    """The place of the value's type in the order undefined < null < boolean < number < string < array < object."""
    if isinstance(value, str):
        return _Rank.STRING
    if value is UNDEFINED:
        return _Rank.UNDEFINED
    if value is None:
        return _Rank.NULL
    if isinstance(value, bool):
        return _Rank.BOOLEAN
    if isinstance(value, int | float):
        return _Rank.NUMBER
    return _Rank.ARRAY if isinstance(value, list) else _Rank.OBJECT


def order_key(value: Value) -> OrderKey:
    """What to sort by: keys of any two JSON values compare in Python."""
    place = rank(value)
    if place in {_Rank.UNDEFINED, _Rank.NULL}:
        return (place, 0)
    if place == _Rank.ARRAY:
        return (place, tuple(order_key(element) for element in value))
    if place == _Rank.OBJECT:
        return (place, tuple(sorted((name, order_key(inner)) for name, inner in value.items())))
    return (place, value)


def is_scalar(value: Value) -> bool:
    """True for null, booleans, numbers and strings: what a hash index can hold."""
    return value is None or isinstance(value, str | int | float)


def hash_key(value: Value) -> Any:
    """The key of a scalar in a hash index: true is not 1, 1.0 is 1."""
    return (value,) if value is None or isinstance(value, bool) else value


def same(left: Value, right: Value) -> bool:
    """Deep equality of two JSON values, true and 1 being different."""
    return order_key(left) == order_key(right)


def equals(left: Value, right: Value) -> Value:
    """`left = right`: undefined when the types differ or one side is undefined (table of the query language reference)."""
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    place = rank(left)
    if place == _Rank.UNDEFINED or place != rank(right):
        return UNDEFINED
    return same(left, right)


def compare(operator: str, left: Value, right: Value) -> Value:
    """`=`, `!=`, `<`, `<=`, `>`, `>=`: all but `=` are undefined between two arrays or two objects too."""
    if operator == "=":
        return equals(left, right)
    place = rank(left)
    if place == _Rank.UNDEFINED or place != rank(right) or place >= _Rank.ARRAY:
        return UNDEFINED
    if place == _Rank.NULL:
        return operator in {"<=", ">="}
    match operator:
        case "!=":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case ">=":
            return left >= right
    raise ValueError(operator)


def follow(value: Value, steps: Steps) -> Value:
    """The value at the path, UNDEFINED where a step finds nothing."""
    for step in steps:
        if isinstance(step, str):
            if not isinstance(value, dict):
                return UNDEFINED
            value = value.get(step, UNDEFINED)
        elif isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return UNDEFINED
    return value
