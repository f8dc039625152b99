"""Compiles a query tree to functions over items, including the semantics of undefined. Knows no indexes.

Source: "Azure Cosmos DB for NoSQL query language", logical operators (the tables of AND, OR and NOT with undefined),
equality and comparison operators, IN (a chain of OR), EXISTS, string and type-checking functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.cosmos_emulator.sql_tree import (
    ArrayLiteral,
    Call,
    Compare,
    Exists,
    Expression,
    In,
    Literal,
    Logic,
    Not,
    Parameter,
    Path,
)
from tests.cosmos_emulator.values import UNDEFINED, Value, compare, equals, follow, rank
from tests.cosmos_emulator.wire import refuse

type Scope = Mapping[str, int]  # the index in a row of each FROM source in scope
type Row = tuple[Value, ...]
type Evaluate = Callable[[Row], Value]

_RANKS = {"IS_NULL": 1, "IS_BOOL": 2, "IS_NUMBER": 3, "IS_STRING": 4, "IS_ARRAY": 5, "IS_OBJECT": 6}


class Compiler:
    """Compiles the expressions of one query. `parameters` are the values of its @names."""

    def __init__(self, parameters: Mapping[str, Value]) -> None:
        self._parameters = parameters

    def constant(self, expression: Expression) -> Value:
        """Return the value of a literal, a parameter or an array of them; NotImplemented if it depends on an item."""
        match expression:
            case Literal(value):
                return value
            case Parameter(name):
                if name not in self._parameters:
                    refuse(f"The parameter {name} is not supplied.")
                return self._parameters[name]
            case ArrayLiteral(elements):
                values = [self.constant(element) for element in elements]
                if any(value is NotImplemented for value in values):
                    return NotImplemented
                return [value for value in values if value is not UNDEFINED]
        return NotImplemented

    def compile(self, expression: Expression, scope: Scope) -> Evaluate:
        """Return a function from a row to the value of the expression."""
        constant = self.constant(expression)
        if constant is not NotImplemented:
            return lambda _row: constant
        match expression:
            case Path(source, steps):
                return self._path(scope[source], steps)
            case Not(operand):
                return _negated(self.compile(operand, scope))
            case Logic(operator, operands):
                parts = [self.compile(operand, scope) for operand in operands]
                return _conjunction(parts) if operator == "AND" else _disjunction(parts)
            case Compare(operator, left, right):
                return _comparison(operator, self.compile(left, scope), self.compile(right, scope))
            case In(needle, options):
                return _disjunction_of_equals(self.compile(needle, scope), [self.compile(o, scope) for o in options])
            case Call(name, arguments):
                return _call(name, [self.compile(argument, scope) for argument in arguments])
            case Exists():
                return self._exists(expression, scope)
            case ArrayLiteral(elements):
                makers = [self.compile(element, scope) for element in elements]
                return lambda row: [value for make in makers if (value := make(row)) is not UNDEFINED]
        raise TypeError(expression)

    def _path(self, at: int, steps: tuple[str | int, ...]) -> Evaluate:
        if len(steps) == 1 and isinstance(steps[0], str):
            name = steps[0]

            def property_of(row: Row) -> Value:
                value = row[at]
                return value.get(name, UNDEFINED) if isinstance(value, dict) else UNDEFINED

            return property_of
        return lambda row: follow(row[at], steps)

    def _exists(self, expression: Exists, scope: Scope) -> Evaluate:
        """Compile EXISTS: true if an element makes the condition true and its selected value is defined, else false."""
        collection = self.compile(expression.collection, scope)
        inner = {**scope, expression.source: len(scope)}
        where = None if expression.where is None else self.compile(expression.where, inner)
        selected = self.compile(expression.selected, inner)

        def exists(row: Row) -> Value:
            elements = collection(row)
            if not isinstance(elements, list):
                return False
            for element in elements:
                inner_row = (*row, element)
                if (where is None or where(inner_row) is True) and selected(inner_row) is not UNDEFINED:
                    return True
            return False

        return exists


def _negated(operand: Evaluate) -> Evaluate:
    def negated(row: Row) -> Value:
        value = operand(row)
        return not value if isinstance(value, bool) else UNDEFINED

    return negated


def _conjunction(operands: list[Evaluate]) -> Evaluate:
    def conjunction(row: Row) -> Value:
        result: Value = True
        for operand in operands:
            value = operand(row)
            if value is False:
                return False
            if value is not True:
                result = UNDEFINED
        return result

    return conjunction


def _disjunction(operands: list[Evaluate]) -> Evaluate:
    def disjunction(row: Row) -> Value:
        result: Value = False
        for operand in operands:
            value = operand(row)
            if value is True:
                return True
            if value is not False:
                result = UNDEFINED
        return result

    return disjunction


def _comparison(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if operator == "=":
        return lambda row: equals(left(row), right(row))
    return lambda row: compare(operator, left(row), right(row))


def _disjunction_of_equals(needle: Evaluate, options: list[Evaluate]) -> Evaluate:
    def among(row: Row) -> Value:
        wanted = needle(row)
        result: Value = False
        for option in options:
            value = equals(wanted, option(row))
            if value is True:
                return True
            if value is UNDEFINED:
                result = UNDEFINED
        return result

    return among


def _call(name: str, arguments: list[Evaluate]) -> Evaluate:
    first = arguments[0]
    if name == "IS_DEFINED":
        return lambda row: first(row) is not UNDEFINED
    if name in _RANKS:
        wanted = _RANKS[name]
        return lambda row: rank(first(row)) == wanted
    second = arguments[1]
    third = arguments[2] if len(arguments) == 3 else None
    if name == "ARRAY_CONTAINS":
        return _array_contains(first, second, third)
    return _string_test(name, first, second, third)


def _string_test(name: str, text: Evaluate, part: Evaluate, fold: Evaluate | None) -> Evaluate:
    tests: dict[str, Callable[[str, str], bool]] = {
        "CONTAINS": lambda whole, piece: piece in whole,
        "STARTSWITH": str.startswith,
        "ENDSWITH": str.endswith,
    }
    test = tests[name]

    def string_test(row: Row) -> Value:
        whole, piece = text(row), part(row)
        if not isinstance(whole, str) or not isinstance(piece, str):
            return UNDEFINED
        ignore_case = False if fold is None else fold(row)
        if not isinstance(ignore_case, bool):
            return UNDEFINED
        return test(whole.lower(), piece.lower()) if ignore_case else test(whole, piece)

    return string_test


def _array_contains(array: Evaluate, element: Evaluate, partial: Evaluate | None) -> Evaluate:
    """Return whether an element is equal; with a true third argument, an object may have further properties."""

    def array_contains(row: Row) -> Value:
        elements, wanted = array(row), element(row)
        part = False if partial is None else partial(row)
        if not isinstance(elements, list) or wanted is UNDEFINED or not isinstance(part, bool):
            return UNDEFINED
        if part and isinstance(wanted, dict):
            return any(
                isinstance(one, dict)
                and all(equals(one.get(name, UNDEFINED), value) is True for name, value in wanted.items())
                for one in elements
            )
        return any(equals(one, wanted) is True for one in elements)

    return array_contains
