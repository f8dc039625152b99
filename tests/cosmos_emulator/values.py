"""JSON values as Cosmos DB sees them: undefined, comparison within one type, one order across types. Knows no SQL."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

type Value = Any  # a JSON value, or UNDEFINED
type Step = str | int
type Steps = tuple[Step, ...]
type OrderKey = tuple[int, Any]


class Undefined(Enum):
    """The value of a missing property. JSON null is a value, not undefined."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED


class _Rank:
    """The order of types in ORDER BY and in the index."""

    UNDEFINED, NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT = range(7)


def rank(value: Value) -> int:
    """Return the rank of the value's type: undefined < null < boolean < number < string < array < object."""
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
    """Return a sort key. The keys of any two JSON values are comparable in Python."""
    place = rank(value)
    if place in {_Rank.UNDEFINED, _Rank.NULL}:
        return (place, 0)
    if place == _Rank.ARRAY:
        return (place, tuple(order_key(element) for element in value))
    if place == _Rank.OBJECT:
        return (place, tuple(sorted((name, order_key(inner)) for name, inner in value.items())))
    return (place, value)


def is_scalar(value: Value) -> bool:
    """Return whether the value is null, a boolean, a number or a string: these can be in a hash index."""
    return value is None or isinstance(value, str | int | float)


def hash_key(value: Value) -> Any:
    """Return the key of a scalar in a hash index: true differs from 1, and 1.0 equals 1."""
    return (value,) if value is None or isinstance(value, bool) else value


def same(left: Value, right: Value) -> bool:
    """Return whether two JSON values are deeply equal; true and 1 differ."""
    return order_key(left) == order_key(right)


def equals(left: Value, right: Value) -> Value:
    """Return `left = right`, which is undefined if the types differ or one side is undefined (query reference)."""
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    place = rank(left)
    if place == _Rank.UNDEFINED or place != rank(right):
        return UNDEFINED
    return same(left, right)


def compare(operator: str, left: Value, right: Value) -> Value:
    """Return `=`, `!=`, `<`, `<=`, `>`, `>=`: all but `=` are undefined between two arrays or two objects too."""
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
    """Return the value at the path, or UNDEFINED if it is missing."""
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
