"""Bound filters as SQLite conditions on the folded copy `f`, and the ways through the index that they leave."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from scim.protocol.json import Json
from scim.protocol.query import All, Among, AnyOf, Bound, Exists, Linked, Some, Test, Where
from scim.storage.sqlite_index import LEFT_OUT, Entry

_GROUP: Final = 100
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


def condition(bound: Bound) -> Condition:
    """The filter as a condition on the table `item`."""
    compiler = _Compiler()
    return Condition(compiler.sql(bound, "item.f"), compiler.parameters)


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


class _Compiler:
    def __init__(self) -> None:
        self.parameters: list[Json] = []
        self._elements = 0

    def sql(self, bound: Bound, scope: str) -> str:
        """The condition; `scope` is the JSON text, or the row of `json_each`, that paths start from."""
        match bound:
            case Test(where, op, value, negated):
                return self._test(self._value(scope, where), op, value, negated)
            case Exists(where, negated):
                return f"{self._value(scope, where)} IS {'' if negated else 'NOT '}NULL"
            case Some(where, inner, negated):
                self._elements += 1
                name = f"e{self._elements}"
                source = scope if scope == "item.f" else f"{scope}.value"
                self.parameters.append(json_path(where))
                inner_sql = self.sql(inner, name)
                exists = f"EXISTS (SELECT 1 FROM json_each({source}, ?) AS {name} WHERE {inner_sql})"
                return f"NOT {exists}" if negated else exists
            case All(terms):
                return self._joined(terms, " AND ", scope) or "1"
            case AnyOf(terms):
                return self._joined(terms, " OR ", scope) or "0"
            case Among(ids):
                # One parameter, however many there are: SQLite limits their number.
                self.parameters.append(json.dumps(ids))
                return "item.id IN (SELECT value FROM json_each(?))"
            case Linked():
                raise TypeError("a relation must be resolved to ids before a store sees it")

    def _joined(self, terms: Iterable[Bound], word: str, scope: str) -> str:
        # The deepest first: SQLite's parser has room for an opening bracket at each level, but not for a term before it too.
        parts = [self.sql(term, scope) for term in sorted(terms, key=_depth, reverse=True)]
        while len(parts) > 1:
            # In groups of groups: SQLite bounds the depth of an expression, and a row of terms is as deep as it is long.
            parts = [f"({word.join(parts[at : at + _GROUP])})" for at in range(0, len(parts), _GROUP)]
        return parts[0] if parts else ""

    def _value(self, scope: str, where: Where) -> str:
        if not where:
            return f"{scope}.value"
        if scope == "item.f":
            column = _COLUMNS.get(where)
            return f"item.{column}" if column else f"item.f ->> '{json_path(where)}'"
        return f"{scope}.value ->> '{json_path(where)}'"

    def _test(self, value: str, op: str, literal: str | bool | float, negated: bool) -> str:
        if isinstance(literal, str) and op != "eq":
            # A value that can't be compared stands as `true` in `f`; text and number must not be ordered.
            test = f"(typeof({value}) = 'text' AND {self._text(value, op, literal)})"
        else:
            self.parameters.append(literal)
            test = f"{value} {_ORDER[op]} ?"
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
