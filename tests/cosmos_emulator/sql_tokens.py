"""Splits a query into tokens. Refuses a character that starts no token with 400. Knows no grammar."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from tests.cosmos_emulator.wire import CosmosError

# A keyword isn't a name: `c.value` and `c.group` are syntax errors, `c["value"]` and `c["group"]` are not.
KEYWORDS = frozenset(
    [
        "ALL", "AND", "ARRAY", "AS", "ASC", "BETWEEN", "BY", "CASE", "CAST", "CONVERT", "CROSS", "DESC", "DISTINCT",
        "ELSE", "END", "ESCAPE", "EXISTS", "FALSE", "FOR", "FROM", "GROUP", "HAVING", "IN", "INNER", "INSERT", "INTO",
        "IS", "JOIN", "LEFT", "LIKE", "LIMIT", "NOT", "NULL", "OFFSET", "ON", "OR", "ORDER", "OUTER", "OVER", "RIGHT",
        "SELECT", "SET", "THEN", "TOP", "TRUE", "UDF", "UNDEFINED", "UPDATE", "VALUE", "WHEN", "WHERE", "WITH",
    ]
)  # fmt: skip

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![A-Za-z_])
    | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<parameter>@[A-Za-z_]\w*)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol><=|>=|!=|<>|[=<>()\[\],.*-])
    | (?P<end>$)
    )""",
    re.VERBOSE,
)

type Token = tuple[str, str]


def refuse(message: str) -> NoReturn:
    raise failure(message)


def failure(message: str, code: str = "SC1001") -> CosmosError:
    errors = [{"severity": "Error", "code": code, "message": message}]
    return CosmosError(400, json.dumps({"errors": errors}))


def tokens(text: str) -> list[Token]:
    found_tokens: list[Token] = []
    at = 0
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            refuse(f"Syntax error, incorrect syntax near '{text[at : at + 12].strip()}'.")
        token_type = str(found.lastgroup)
        found_tokens.append((token_type, found.group(token_type)))
        if token_type == "end":
            return found_tokens
        at = found.end()


def string_value(text: str) -> str:
    """Return the value of a string literal: JSON's escapes, in single or double quotes."""
    inner = text[1:-1]
    if text[0] == "'":
        inner = inner.replace("\\'", "'").replace('"', '\\"')
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        refuse(f"Syntax error, invalid string literal {text}.")


class Cursor:
    """A position in a list of tokens, with the operations of a parser."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> Token:
        return self.tokens[self.at]

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def fail(self) -> NoReturn:
        raise self.failure()

    def failure(self) -> CosmosError:
        text = self.peek()[1] or "end of query"
        return failure(f"Syntax error, incorrect syntax near '{text}'.")

    def at_keyword(self, keyword: str) -> bool:
        token_type, text = self.peek()
        return token_type == "name" and text.upper() == keyword

    def accept(self, keyword: str) -> bool:
        if self.at_keyword(keyword):
            self.at += 1
            return True
        return False

    def expect(self, keyword: str) -> None:
        if not self.accept(keyword):
            self.fail()

    def symbol(self, symbol: str) -> bool:
        if self.peek() == ("symbol", symbol):
            self.at += 1
            return True
        return False

    def expect_symbol(self, symbol: str) -> None:
        if not self.symbol(symbol):
            self.fail()

    def name(self) -> str:
        token_type, text = self.peek()
        if token_type != "name" or text.upper() in KEYWORDS:
            self.fail()
        self.at += 1
        return text
