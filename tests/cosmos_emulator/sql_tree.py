"""The tree that a query is parsed into. Knows no text and no items."""

from __future__ import annotations

from dataclasses import dataclass

from tests.cosmos_emulator.values import Steps, Value


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str


@dataclass(frozen=True, slots=True)
class Path:
    """`c.f["userName"]`: the name of a FROM source and the steps below it."""

    source: str
    steps: Steps


@dataclass(frozen=True, slots=True)
class ArrayLiteral:
    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Logic:
    """AND or OR over two or more operands."""

    operator: str
    operands: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class In:
    needle: Expression
    options: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """`EXISTS(SELECT VALUE <selected> FROM <source> IN <collection> WHERE <where>)`."""

    selected: Expression
    source: str
    collection: Path
    where: Expression | None


type Expression = Literal | Parameter | Path | ArrayLiteral | Not | Logic | Compare | In | Call | Exists


@dataclass(frozen=True, slots=True)
class Order:
    path: Path
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query over one container; `count` is the argument of `SELECT VALUE COUNT(...)`."""

    source: str
    star: bool = False
    value: Expression | None = None
    count: Expression | None = None
    columns: tuple[tuple[str, Expression], ...] = ()
    where: Expression | None = None
    order_by: tuple[Order, ...] = ()
    top: Literal | Parameter | None = None
    offset: Literal | Parameter | None = None
    limit: Literal | Parameter | None = None
