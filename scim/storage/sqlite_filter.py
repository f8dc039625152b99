"""Bound filters as SQLite conditions on the folded copy `f`, and the index entries that make equality fast.

The index `leaf` has one row for each different value in `f`: a 64-bit digest of tenant, type, path and value. A
digest only narrows the search down; the condition on `f` decides, so a collision costs time and never a wrong answer.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from scim.protocol.json import Json, JsonObject
from scim.protocol.query import All, Among, AnyOf, Bound, Exists, Linked, Some, Test, Where

type Leaf = tuple[str, Json]
"""A path within `f`, joined by "/", and a value found there."""

# Dates have indexes of their own, which answer `gt` and `le` too (see the schema in `sqlite`).
_OWN_INDEX: Final = frozenset({"meta", "id"})
_GROUP: Final = 100
_COLUMNS: Final[Mapping[Where, str]] = {
    ("id",): "id",
    ("meta", "created"): "created",
    ("meta", "lastModified"): "modified",
}
_ORDER: Final = {"eq": "=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def leaves(f: JsonObject) -> set[Leaf]:
    """The values of a folded copy that equality can ask for."""
    found: set[Leaf] = set()
    for name, value in f.items():
        if name not in _OWN_INDEX:
            _gather(value, f"/{name}", found)
    return found


def changed_leaves(old: JsonObject, new: JsonObject) -> tuple[set[Leaf], set[Leaf]]:
    """The leaves of two folded copies, as far as they can differ: those of the attributes that do."""
    return (
        leaves({name: value for name, value in old.items() if new.get(name) != value}),
        leaves({name: value for name, value in new.items() if old.get(name) != value}),
    )


def _gather(value: Json, path: str, found: set[Leaf]) -> None:
    if isinstance(value, dict):
        for name, sub in value.items():
            _gather(sub, f"{path}/{name}", found)
    elif isinstance(value, list):
        for element in value:
            _gather(element, path, found)
    else:
        found.add((path, value))


def digest(tenant: str, kind: str, leaf: Leaf) -> int:
    """The row of the index for a value: 64 bits, signed as SQLite has them."""
    path, value = leaf
    text = f"{tenant}\0{kind}\0{path}\0{type(value) is bool}{value}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), signed=True)


@dataclass(slots=True)
class Condition:
    """SQL that is true or false, never NULL where it counts, with its parameters."""

    sql: str
    parameters: list[Json] = field(default_factory=list)


def condition(bound: Bound) -> Condition:
    """The filter as a condition on the table `item`."""
    compiler = _Compiler()
    return Condition(compiler.sql(bound, "item.f"), compiler.parameters)


def narrowing(bound: Bound, prefix: str = "") -> list[tuple[Leaf, ...]]:
    """Ways to narrow the search down by the index: in each, every match has one of the leaves."""
    match bound:
        case Test(where, "eq", value, False) if prefix or where[0] not in _OWN_INDEX:
            return [((prefix + _path(where), value),)]
        case Some(where, inner, False):
            return narrowing(inner, prefix + _path(where))
        case All(terms):
            return [way for term in terms for way in narrowing(term, prefix)]
        case AnyOf(terms) if terms:
            ways = [narrowing(term, prefix) for term in terms]
            return [tuple(leaf for way in ways for leaf in way[0])] if all(ways) else []
    return []


def _path(where: Where) -> str:
    return "".join(f"/{name}" for name in where)


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
        parts = [self.sql(term, scope) for term in terms]
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
