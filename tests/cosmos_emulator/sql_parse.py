"""Parses the emulated subset of SQL to a tree, and refuses other texts with 400. Knows no items, no parameter values.

Grammar (a subset of the query language of Azure Cosmos DB for NoSQL):
    SELECT [TOP n] * | VALUE expression | VALUE COUNT(expression) | expression [AS name], ...
    FROM name [[AS] alias] [WHERE condition] [ORDER BY path [ASC|DESC], ...] [OFFSET n LIMIT m]
    condition: OR, AND, NOT, = != <> < <= > >=, IN (...), EXISTS(SELECT VALUE e FROM x IN path [WHERE condition]),
    NOT before one operand or parentheses, functions of `FUNCTIONS`, literals, @parameters, [array literals],
    paths c.a["b"][0]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from tests.cosmos_emulator.sql_tokens import KEYWORDS, Cursor, failure, refuse, string_value, tokens
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
    Order,
    Parameter,
    Path,
    Query,
)
from tests.cosmos_emulator.values import UNDEFINED, Step
from tests.cosmos_emulator.wire import CosmosError

MAX_QUERY_CHARACTERS = 512 * 1024  # service limits: SQL query text 512 KB
# The service documents a limit of 10 joins and refuses more with SC3002 (azure-cosmos-db-emulator-docker#65). It
# documents none for EXISTS; this one is made up, so that a store meets the error.
MAX_SUBQUERIES = 50

COMPARISONS = frozenset(["=", "!=", "<>", "<", "<=", ">", ">="])
# In lower case only. All other keywords are accepted in any case.
CONSTANTS: dict[str, object] = {"true": True, "false": False, "null": None, "undefined": UNDEFINED}

# Names and how many arguments they take.
FUNCTIONS: dict[str, tuple[int, int]] = {
    "IS_DEFINED": (1, 1),
    "IS_STRING": (1, 1),
    "IS_BOOL": (1, 1),
    "IS_NUMBER": (1, 1),
    "IS_NULL": (1, 1),
    "IS_ARRAY": (1, 1),
    "IS_OBJECT": (1, 1),
    "CONTAINS": (2, 3),
    "STARTSWITH": (2, 3),
    "ENDSWITH": (2, 3),
    "ARRAY_CONTAINS": (2, 3),
}


@lru_cache(maxsize=2048)
def parse(text: str) -> Query:
    """Return the tree of a query. Raises CosmosError 400 with the code SC1001 if the text isn't in the grammar."""
    if len(text) > MAX_QUERY_CHARACTERS:
        raise CosmosError(400, "The SQL query text exceeded the maximum limit of 512 KB.")
    try:
        return _Parser(text).query()
    except RecursionError:
        raise CosmosError(400, "The SQL query is nested too deeply.") from None


class _Parser(Cursor):
    def __init__(self, text: str) -> None:
        super().__init__(tokens(text))
        self._sources: list[str] = []
        self._subqueries = 0

    # -- clauses

    def query(self) -> Query:
        """Parse a query. SELECT is parsed after FROM, because it refers to the sources of FROM."""
        self.expect("SELECT")
        top = self._whole_number() if self.accept("TOP") else None
        select_at = self.at
        self._skip_to_from()
        source = self.name()
        if self.accept("AS") or (self.peek()[0] == "name" and self.peek()[1].upper() not in KEYWORDS):
            source = self.name()
        self._sources.append(source)
        after_from = self.at
        self.at = select_at
        star, value, count, columns = self._selection()
        if not self.at_keyword("FROM"):
            self.fail()
        self.at = after_from
        where = self._condition() if self.accept("WHERE") else None
        order_by = self._order_by()
        offset = limit = None
        if self.accept("OFFSET"):
            offset = self._whole_number()
            self.expect("LIMIT")
            limit = self._whole_number()
        if self.peek()[0] != "end":
            self.fail()
        if top is not None and offset is not None:
            refuse("TOP and OFFSET LIMIT cannot be used together.")
        if count is not None and (order_by or offset is not None or top is not None):
            refuse("ORDER BY, TOP and OFFSET LIMIT are not emulated for an aggregate.")
        return Query(source, star, value, count, columns, where, order_by, top, offset, limit)

    def _skip_to_from(self) -> None:
        depth = 0
        while True:
            token_type, text = self.take()
            if token_type == "end":
                self.at -= 1
                self.fail()
            if token_type == "symbol":
                depth += {"(": 1, ")": -1}.get(text, 0)
            if depth == 0 and token_type == "name" and text.upper() == "FROM":
                return

    def _selection(
        self,
    ) -> tuple[bool, Expression | None, Expression | None, tuple[tuple[str, Expression], ...]]:
        if self.symbol("*"):
            return True, None, None, ()
        if self.accept("VALUE"):
            if self.at_keyword("COUNT"):
                self.at += 1
                self.expect_symbol("(")
                count = self._operand()
                self.expect_symbol(")")
                return False, None, count, ()
            return False, self._condition(), None, ()
        columns: dict[str, Expression] = {}
        while True:
            expression = self._condition()
            name = self._alias(expression, len(columns))
            if name in columns:
                refuse(f"Cannot specify duplicate identifier '{name}' in the same scope.")
            columns[name] = expression
            if not self.symbol(","):
                return False, None, None, tuple(columns.items())

    def _alias(self, expression: Expression, position: int) -> str:
        if self.accept("AS"):
            return self.name()
        match expression:
            case Path(source, ()):
                return source
            case Path(_, (*_, str(last))):
                return last
        return f"${position + 1}"

    def _order_by(self) -> tuple[Order, ...]:
        orders: list[Order] = []
        if self.accept("ORDER"):
            self.expect("BY")
            while True:
                path = self._operand()
                if not isinstance(path, Path) or not path.steps:
                    refuse(
                        "Unsupported ORDER BY clause. ORDER BY item expression could not be mapped to a document path."
                    )
                descending = self.accept("DESC")
                if not descending:
                    self.accept("ASC")
                orders.append(Order(path, descending))
                if not self.symbol(","):
                    break
        return tuple(orders)

    def _whole_number(self) -> Literal | Parameter:
        token_type, text = self.take()
        if token_type == "parameter":
            return Parameter(text)
        if token_type == "number" and text.isdigit():
            return Literal(int(text))
        self.at -= 1
        raise self.failure()

    # -- expressions, weakest binding first

    def _condition(self) -> Expression:
        return self._chain("OR", lambda: self._chain("AND", self._negation))

    def _chain(self, operator: str, operand: Callable[[], Expression]) -> Expression:
        operands = [operand()]
        while self.accept(operator):
            operands.append(operand())
        return operands[0] if len(operands) == 1 else Logic(operator, tuple(operands))

    def _negation(self) -> Expression:
        """Parse NOT over one operand. `NOT a = b` is refused: the published grammar reads it as `(NOT a) = b`."""
        if not self.accept("NOT"):
            return self._comparison()
        if self.at_keyword("NOT"):
            return Not(self._negation())
        operand = self._operand()
        token_type, text = self.peek()
        if self.at_keyword("IN") or self.at_keyword("NOT") or (token_type == "symbol" and text in COMPARISONS):
            refuse(f"NOT before a comparison needs parentheses, near '{text}'.")
        return Not(operand)

    def _comparison(self) -> Expression:
        left = self._operand()
        token_type, text = self.peek()
        if token_type == "symbol" and text in COMPARISONS:
            self.at += 1
            return Compare("!=" if text == "<>" else text, left, self._operand())
        negated = self.accept("NOT")
        if self.accept("IN"):
            self.expect_symbol("(")
            options = [self._operand()]
            while self.symbol(","):
                options.append(self._operand())
            self.expect_symbol(")")
            membership = In(left, tuple(options))
            return Not(membership) if negated else membership
        if negated:
            self.fail()
        return left

    def _operand(self) -> Expression:
        token_type, text = self.peek()
        match token_type:
            case "number":
                self.at += 1
                return Literal(int(text) if text.isdigit() else float(text))
            case "string":
                self.at += 1
                return Literal(string_value(text))
            case "parameter":
                self.at += 1
                return Parameter(text)
            case "name":
                return self._named(text)
            case "symbol":
                return self._bracketed(text)
        raise self.failure()

    def _bracketed(self, symbol: str) -> Expression:
        if symbol == "(":
            self.at += 1
            inner = self._condition()
            self.expect_symbol(")")
            return inner
        if symbol == "-":
            self.at += 1
            operand = self._operand()
            if not isinstance(operand, Literal) or not isinstance(operand.value, int | float):
                self.fail()
            return Literal(-operand.value)
        if symbol == "[":
            self.at += 1
            elements: list[Expression] = []
            while not self.symbol("]"):
                if elements:
                    self.expect_symbol(",")
                elements.append(self._operand())
            return ArrayLiteral(tuple(elements))
        raise self.failure()

    def _named(self, text: str) -> Expression:
        upper = text.upper()
        if text in CONSTANTS:
            self.at += 1
            return Literal(CONSTANTS[text])
        if upper == "EXISTS":
            return self._exists()
        if self.tokens[self.at + 1] == ("symbol", "("):
            return self._call(upper)
        return self._path()

    def _call(self, name: str) -> Expression:
        if name not in FUNCTIONS:
            refuse(f"'{name}' is not a recognized built-in function name.")
        self.at += 2
        arguments: list[Expression] = []
        while not self.symbol(")"):
            if arguments:
                self.expect_symbol(",")
            arguments.append(self._operand())
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            refuse(f"The {name} function requires {fewest} argument(s).")
        return Call(name, tuple(arguments))

    def _path(self) -> Path:
        source = self.name()
        if source not in self._sources:
            refuse(f"Identifier '{source}' could not be resolved.")
        steps: list[Step] = []
        while True:
            if self.symbol("."):
                steps.append(self.name())
            elif self.symbol("["):
                token_type, text = self.take()
                if token_type == "string":
                    steps.append(string_value(text))
                elif token_type == "number" and text.isdigit():
                    steps.append(int(text))
                else:
                    self.at -= 1
                    self.fail()
                self.expect_symbol("]")
            else:
                return Path(source, tuple(steps))

    def _exists(self) -> Exists:
        """Parse the only subquery, over the elements of an array of an outer source."""
        self._subqueries += 1
        if self._subqueries > MAX_SUBQUERIES:
            raise failure(
                f"The SQL query exceeded the maximum number of joins. The allowed limit is {MAX_SUBQUERIES}.", "SC3002"
            )
        self.at += 1
        self.expect_symbol("(")
        self.expect("SELECT")
        self.expect("VALUE")
        select_at = self.at
        self._skip_to_from()
        source = self.name()
        if source in self._sources:
            refuse(f"The input alias '{source}' is specified more than once in the FROM clause.")
        self.expect("IN")
        collection = self._path()
        self._sources.append(source)
        after_from = self.at
        self.at = select_at
        selected = self._condition()
        if not self.at_keyword("FROM"):
            self.fail()
        self.at = after_from
        where = self._condition() if self.accept("WHERE") else None
        self.expect_symbol(")")
        self._sources.pop()
        return Exists(selected, source, collection, where)
