"""Compiles bound filters to SQLite conditions on the search fields `f`, and to lookups in the index.

How it works: a bound filter is two-valued, but SQL comparisons with a missing value are NULL. A comparison that isn't
negated may stay NULL, because WHERE treats NULL as false; under a negation it becomes `(...) IS NOT 1`. Values of
clients are always parameters. SQLite limits the depth of an expression and the number of parameters, so long lists of
terms are nested in groups, and a list of ids is one JSON parameter.

A filter with few comparisons reads each value from the JSON of `f` where it is compared. With many comparisons that
takes ten times as long as the comparisons, so `v` extracts every compared value of a row once, as a column, and each
element of an attribute is read once, in a subquery `a1`, `a2`, ... with a column for each condition on the elements.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from scim.protocol.filter.binding import All, AnyElement, AnyOf, Bound, Exists, IdIn, RelatedTo, Test, Where, leaves
from scim.protocol.json import Json
from scim.storage.sqlite.index import UNINDEXED, Entry

_TERMS_PER_GROUP: Final = 100
_MAX_DIRECT_COMPARISONS: Final = 4
"""The number of comparisons up to which each reads the JSON itself; SQLite can use indexes on dates then."""
_COLUMNS: Final[Mapping[Where, str]] = {
    ("id",): "id",
    ("meta", "created"): "created",
    ("meta", "lastModified"): "modified",
}
_OPERATORS: Final = {"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass(slots=True)
class Condition:
    """An SQL condition that is 1 exactly for the rows that match, and 0 or NULL for the others; with its parameters."""

    sql: str
    parameters: list[Json] = field(default_factory=list)
    has_many_comparisons: bool = False
    """Whether it has so many comparisons that a search should evaluate it once per row only."""


def condition(bound: Bound) -> Condition:
    """Compile a filter to a condition on the table `item`."""
    if leaves(bound) <= _MAX_DIRECT_COMPARISONS:
        compiler = _Compiler(_JsonScope("item.f"))
        return Condition(compiler.sql(bound), compiler.parameters)
    row = _ColumnScope("item.f", "v")
    compiler = _Compiler(row)
    where = compiler.sql(bound)
    aggregates = [compiler.aggregate(*numbered) for numbered in enumerate(compiler.elements.items(), 1)]
    sources = [f"(SELECT {row.columns()} LIMIT 1) AS v", *(aggregate.sql for aggregate in aggregates)]
    return Condition(
        f"EXISTS (SELECT 1 FROM {', '.join(sources)} WHERE {where})",
        [*(value for aggregate in aggregates for value in aggregate.parameters), *compiler.parameters],
        has_many_comparisons=True,
    )


def index_lookups(bound: Bound, scope: Where = ()) -> list[list[Entry]]:
    """Return the index lookups that a filter allows: every matching row is among the rows of each of them.

    `scope` is the path at which the paths of the filter start. The result is empty if the index doesn't help.
    """
    match bound:
        case Test(where, "eq", literal, False) if scope or where[0] not in UNINDEXED:
            return [[(scope + where, literal)]]
        case AnyElement(where, inner, False):
            return index_lookups(inner, scope + where)
        case All(terms):
            return [lookup for term in terms for lookup in index_lookups(term, scope)]
        case AnyOf(terms) if terms:
            lookups = [index_lookups(term, scope) for term in terms]
            # A row matches one of the terms, so it is among the rows of one lookup per term.
            return [[entry for alternatives in lookups for entry in alternatives[0]]] if all(lookups) else []
    return []


def json_path(names: Iterable[str]) -> str:
    """Return a path in the form of SQLite's JSON functions. The names come from schemas, never from a client."""
    return "$" + "".join(f'."{name}"' for name in names)


class _JsonScope:
    """A scope whose values are read from a JSON text wherever they are used."""

    def __init__(self, json: str) -> None:
        self.json = json

    def value(self, where: Where) -> str:
        """Return the expression for the value at a path."""
        if not where:
            return self.json
        column = _COLUMNS.get(where) if self.json == "item.f" else None
        return f"item.{column}" if column else f"{self.json} ->> '{json_path(where)}'"

    def text(self, where: Where) -> tuple[str, str]:
        """Return the value at a path, and the condition that it is a text: `f` has `true` for unsearchable values."""
        value = self.value(where)
        return value, f"typeof({value}) = 'text' AND "


class _ColumnScope(_JsonScope):
    """A scope whose values are columns of a subquery, each of which is computed once for a row or an element."""

    def __init__(self, json: str, alias: str) -> None:
        super().__init__(json)
        self._alias = alias
        self._names: dict[str, str] = {}

    def value(self, where: Where) -> str:
        """Return the expression for the value at a path."""
        return self._column(super().value(where))

    def text(self, where: Where) -> tuple[str, str]:
        """Return the value at a path, which is NULL unless it is a text; no further condition is needed."""
        value = super().value(where)
        return self._column(f"CASE typeof({value}) WHEN 'text' THEN {value} END"), ""

    def columns(self) -> str:
        """Return the columns that the subquery selects."""
        return ", ".join(f"{expression} AS {name}" for expression, name in self._names.items()) or "1"

    def _column(self, expression: str) -> str:
        name = self._names.setdefault(expression, f"c{len(self._names)}")
        return f"{self._alias}.{name}"


class _Compiler:
    """Compiles conditions on one scope: a row, or an element of a multi-valued attribute."""

    def __init__(self, scope: _JsonScope, elements: Iterator[int] | None = None) -> None:
        self.parameters: list[Json] = []
        self.elements: dict[Where, list[Bound]] = {}
        """With `_ColumnScope`: the conditions on the elements of each attribute, which `aggregate` computes."""
        self._scope = scope
        self._numbers = count(1) if elements is None else elements

    def sql(self, bound: Bound) -> str:
        """Return the condition as SQL."""
        match bound:
            case Test(where, op, value, negated):
                return self._test(where, op, value, negated)
            case Exists(where, negated):
                return f"{self._scope.value(where)} IS {'' if negated else 'NOT '}NULL"
            case AnyElement(where, inner, negated) if self._scope.json == "item.f" and isinstance(
                self._scope, _ColumnScope
            ):
                conditions = self.elements.setdefault(where, [])
                conditions.append(inner)
                number = list(self.elements).index(where) + 1
                return f"a{number}.s{len(conditions) - 1} IS {'NOT ' if negated else ''}1"
            case AnyElement(where, inner, negated):
                name = f"e{next(self._numbers)}"
                compiler = _Compiler(_JsonScope(f"{name}.value"), self._numbers)
                inner_sql = compiler.sql(inner)
                self.parameters += [json_path(where), *compiler.parameters]
                source = self._scope.value(())
                exists = f"EXISTS (SELECT 1 FROM json_each({source}, ?) AS {name} WHERE {inner_sql})"
                return f"NOT {exists}" if negated else exists
            case All(terms):
                return self._join(terms, " AND ") or "1"
            case AnyOf(terms):
                return self._join(terms, " OR ") or "0"
            case IdIn(ids):
                # One parameter for all ids: SQLite limits the number of parameters.
                self.parameters.append(json.dumps(ids))
                return "item.id IN (SELECT value FROM json_each(?))"
            case RelatedTo():
                raise TypeError("a relation must be resolved to ids before the filter is passed to a store")

    def aggregate(self, number: int, attribute: tuple[Where, Sequence[Bound]]) -> Condition:
        """Return the subquery `a<number>`: each column is 1 if some element of an attribute satisfies a condition."""
        where, conditions = attribute
        element = _ColumnScope("j.value", "e")
        compiler = _Compiler(element, self._numbers)
        columns = ", ".join(f"max({compiler.sql(inner)}) AS s{index}" for index, inner in enumerate(conditions))
        elements = f"(SELECT {element.columns()} FROM json_each(item.f, ?) AS j LIMIT -1) AS e"
        return Condition(f"(SELECT {columns} FROM {elements}) AS a{number}", [*compiler.parameters, json_path(where)])

    def _join(self, terms: Iterable[Bound], operator: str) -> str:
        # The deepest term first: each level then needs space for one bracket on the stack of SQLite's parser, and not
        # for the terms before the bracket as well.
        parts = [self.sql(term) for term in sorted(terms, key=_depth, reverse=True)]
        while len(parts) > 1:
            # In nested groups: SQLite limits the depth of an expression, and a list of terms is as deep as it is long.
            parts = [
                f"({operator.join(parts[start : start + _TERMS_PER_GROUP])})"
                for start in range(0, len(parts), _TERMS_PER_GROUP)
            ]
        return parts[0] if parts else ""

    def _test(self, where: Where, op: str, literal: str | bool | float, negated: bool) -> str:
        if isinstance(literal, str) and op != "eq":
            # SQLite orders numbers before texts, so the type is tested too.
            value, is_text = self._scope.text(where)
            test = f"({is_text}{self._text(value, op, literal)})"
        else:
            self.parameters.append(literal)
            test = f"{self._scope.value(where)} {_OPERATORS[op]} ?"
        # NULL counts as false: WHERE treats it so, and a negation needs IS NOT.
        return f"({test}) IS NOT 1" if negated else test

    def _text(self, value: str, op: str, literal: str) -> str:
        match op:
            case "co":
                self.parameters.append(literal)
                return f"instr({value}, ?) > 0"
            case "sw":
                self.parameters.extend((literal, literal))
                return f"substr({value}, 1, length(?)) = ?"
            case "ew":
                self.parameters.extend((literal, literal))
                return f"substr({value}, -length(?)) = ?"
        self.parameters.append(literal)
        return f"{value} {_OPERATORS[op]} ?"


def _depth(bound: Bound) -> int:
    match bound:
        case All(terms) | AnyOf(terms):
            return 1 + max(map(_depth, terms), default=0)
        case AnyElement(_, inner):
            return 1 + _depth(inner)
    return 0
