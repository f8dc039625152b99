"""Bound filters as SQLite conditions on the folded copy `f`, and the ways through the index that they leave."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from scim.protocol.json import Json
from scim.protocol.query import All, Among, AnyOf, Bound, Exists, Linked, Some, Test, Where, leaves
from scim.storage.sqlite_index import LEFT_OUT, Entry

_GROUP: Final = 100
_FEW: Final = 4
"""Comparisons up to which each reads the JSON by itself. SQLite can use its indexes on dates for them then."""
_COLUMNS: Final[Mapping[Where, str]] = {
    ("id",): "id",
    ("meta", "created"): "created",
    ("meta", "lastModified"): "modified",
}
_ORDER: Final = {"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass(slots=True)
class Condition:
    """SQL that is true or false, never NULL where it counts, with its parameters."""

    sql: str
    parameters: list[Json] = field(default_factory=list)
    many: bool = False
    """Whether it makes so many comparisons that it should be asked of a row once only."""


def condition(bound: Bound) -> Condition:
    """The filter as a condition on the table `item`."""
    if leaves(bound) <= _FEW:
        compiler = _Compiler(_Direct("item.f"))
        return Condition(compiler.sql(bound), compiler.parameters)
    # How it works: of each row, every value that is compared is taken out of `f` once, as a column of `v`; and the elements of
    # each attribute are gone through once, where `a1`, `a2`, ... have a column for each condition on them. Otherwise each of
    # a hundred comparisons would read the JSON again, which takes ten times as long as to compare.
    row = _Once("item.f", "v")
    compiler = _Compiler(row)
    where = compiler.sql(bound)
    aggregates = [compiler.aggregate(*named) for named in enumerate(compiler.elements.items(), 1)]
    sources = [f"(SELECT {row.columns()} LIMIT 1) AS v", *(one.sql for one in aggregates)]
    return Condition(
        f"EXISTS (SELECT 1 FROM {', '.join(sources)} WHERE {where})",
        [*(value for one in aggregates for value in one.parameters), *compiler.parameters],
        many=True,
    )


def ways(bound: Bound, scope: Where = ()) -> list[list[Entry]]:
    """Ways to narrow the search down by the index; `scope` is where the filter's paths start."""
    match bound:
        case Test(where, "eq", literal, False) if scope or where[0] not in LEFT_OUT:
            return [[(scope + where, literal)]]
        case Some(where, inner, False):
            return ways(inner, scope + where)
        case All(terms):
            return [way for term in terms for way in ways(term, scope)]
        case AnyOf(terms) if terms:
            found = [ways(term, scope) for term in terms]
            return [[entry for several in found for entry in several[0]]] if all(found) else []
    return []


def json_path(names: Iterable[str]) -> str:
    """A path as SQLite's JSON functions take it; the names come from schemas, never from a client."""
    return "$" + "".join(f'."{name}"' for name in names)


class _Direct:
    """Values as expressions on a JSON text."""

    def __init__(self, json: str) -> None:
        self.json = json

    def value(self, where: Where) -> str:
        """Return the expression for the value at a path."""
        if not where:
            return self.json
        column = _COLUMNS.get(where) if self.json == "item.f" else None
        return f"item.{column}" if column else f"{self.json} ->> '{json_path(where)}'"

    def text(self, where: Where) -> tuple[str, str]:
        """Return the value at a path, and the condition that it is a text: one that can't be compared is `true` in `f`."""
        value = self.value(where)
        return value, f"typeof({value}) = 'text' AND "


class _Once(_Direct):
    """Values as columns of a subquery, each of which is computed once for a row or an element."""

    def __init__(self, json: str, alias: str) -> None:
        super().__init__(json)
        self._alias = alias
        self._names: dict[str, str] = {}

    def value(self, where: Where) -> str:
        """Return the expression for the value at a path."""
        return self._named(super().value(where))

    def text(self, where: Where) -> tuple[str, str]:
        """Return the value at a path if it is a text."""
        value = super().value(where)
        return self._named(f"CASE typeof({value}) WHEN 'text' THEN {value} END"), ""

    def columns(self) -> str:
        """Return the columns that the subquery selects."""
        return ", ".join(f"{expression} AS {name}" for expression, name in self._names.items()) or "1"

    def _named(self, expression: str) -> str:
        name = self._names.setdefault(expression, f"c{len(self._names)}")
        return f"{self._alias}.{name}"


class _Compiler:
    """Compiles conditions on one scope: a row, or an element."""

    def __init__(self, scope: _Direct, elements: Iterator[int] | None = None) -> None:
        self.parameters: list[Json] = []
        self.elements: dict[Where, list[Bound]] = {}
        """With `_Once`: the conditions on the elements of each attribute, which `aggregate` computes."""
        self._scope = scope
        self._numbers = count(1) if elements is None else elements

    def sql(self, bound: Bound) -> str:
        """Return the condition as SQL."""
        match bound:
            case Test(where, op, value, negated):
                return self._test(where, op, value, negated)
            case Exists(where, negated):
                return f"{self._scope.value(where)} IS {'' if negated else 'NOT '}NULL"
            case Some(where, inner, negated) if self._scope.json == "item.f" and isinstance(self._scope, _Once):
                several = self.elements.setdefault(where, [])
                several.append(inner)
                number = list(self.elements).index(where) + 1
                return f"a{number}.s{len(several) - 1} IS {'NOT ' if negated else ''}1"
            case Some(where, inner, negated):
                name = f"e{next(self._numbers)}"
                compiler = _Compiler(_Direct(f"{name}.value"), self._numbers)
                inner_sql = compiler.sql(inner)
                self.parameters += [json_path(where), *compiler.parameters]
                source = self._scope.value(())
                exists = f"EXISTS (SELECT 1 FROM json_each({source}, ?) AS {name} WHERE {inner_sql})"
                return f"NOT {exists}" if negated else exists
            case All(terms):
                return self._joined(terms, " AND ") or "1"
            case AnyOf(terms):
                return self._joined(terms, " OR ") or "0"
            case Among(ids):
                # One parameter, however many there are: SQLite limits their number.
                self.parameters.append(json.dumps(ids))
                return "item.id IN (SELECT value FROM json_each(?))"
            case Linked():
                raise TypeError("a relation must be resolved to ids before a store sees it")

    def aggregate(self, number: int, named: tuple[Where, Sequence[Bound]]) -> Condition:
        """Return the subquery `a<number>`, which tells for each condition whether some element of an attribute satisfies it."""
        where, several = named
        element = _Once("j.value", "e")
        compiler = _Compiler(element, self._numbers)
        found = ", ".join(f"max({compiler.sql(inner)}) AS s{at}" for at, inner in enumerate(several))
        elements = f"(SELECT {element.columns()} FROM json_each(item.f, ?) AS j LIMIT -1) AS e"
        return Condition(f"(SELECT {found} FROM {elements}) AS a{number}", [*compiler.parameters, json_path(where)])

    def _joined(self, terms: Iterable[Bound], word: str) -> str:
        # The deepest first: SQLite's parser has room for an opening bracket at each level, but not for a term before it too.
        parts = [self.sql(term) for term in sorted(terms, key=_depth, reverse=True)]
        while len(parts) > 1:
            # In groups of groups: SQLite bounds the depth of an expression, and a row of terms is as deep as it is long.
            parts = [f"({word.join(parts[at : at + _GROUP])})" for at in range(0, len(parts), _GROUP)]
        return parts[0] if parts else ""

    def _test(self, where: Where, op: str, literal: str | bool | float, negated: bool) -> str:
        if isinstance(literal, str) and op != "eq":
            # Text and number must not be ordered.
            value, is_text = self._scope.text(where)
            test = f"({is_text}{self._text(value, op, literal)})"
        else:
            self.parameters.append(literal)
            test = f"{self._scope.value(where)} {_ORDER[op]} ?"
        # NULL counts as false: as it is in WHERE, and made so under a negation.
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
        return f"{value} {_ORDER[op]} ?"


def _depth(bound: Bound) -> int:
    match bound:
        case All(terms) | AnyOf(terms):
            return 1 + max(map(_depth, terms), default=0)
        case Some(_, inner):
            return 1 + _depth(inner)
    return 0
