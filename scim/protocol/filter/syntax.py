"""Parses filters and PATCH paths into syntax trees. Knows no schemas and no stores.

Grammar: RFC 7644 §3.4.2.2 (Figure 1) and §3.5.2 (Figure 7). `parse(str(tree)) == tree` for every tree.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from typing import Final, Literal, cast

from scim.protocol import tolerances
from scim.protocol.errors import InvalidFilter, InvalidPath
from scim.protocol.limits import DEFAULT, Limits

type Operator = Literal["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written. For a string attribute, `externalId eq 12e5` compares with these four characters."""

    text: str

    @property
    def value(self) -> int | float:
        return float(self.text) if set(self.text) & set(".eE") else int(self.text)

    def __str__(self) -> str:
        return self.text


class Bare(str):
    """A string without quotes, which the grammar doesn't allow (tolerance)."""

    __slots__ = ()


type Scalar = str | bool | Number | None
"""A comparison value. A string may be `Bare`."""


@dataclass(frozen=True, slots=True)
class Path:
    """An attribute path as the client wrote it: `urn:name.sub`, `name.sub` or `name`."""

    urn: str | None
    attribute: str
    sub: str | None = None

    def __str__(self) -> str:
        prefix = f"{self.urn}:" if self.urn else ""
        return f"{prefix}{self.attribute}{f'.{self.sub}' if self.sub else ''}"


@dataclass(frozen=True, slots=True)
class Compare:
    """`path op value`."""

    path: Path
    op: Operator
    value: Scalar

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, Number) else json.dumps(self.value, ensure_ascii=False)
        return f"{self.path} {self.op} {value}"


@dataclass(frozen=True, slots=True)
class Present:
    """`path pr`."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path} pr"


@dataclass(frozen=True, slots=True)
class ValuePath:
    """`path[filter]`: an element of the multi-valued attribute satisfies the filter."""

    path: Path
    filter: "Filter"

    def __str__(self) -> str:
        return f"{self.path}[{self.filter}]"


@dataclass(frozen=True, slots=True)
class Not:
    """`not (filter)`."""

    filter: "Filter"

    def __str__(self) -> str:
        return f"not ({self.filter})"


@dataclass(frozen=True, slots=True)
class And:
    """Two or more terms joined by `and`, which binds tighter than `or`."""

    terms: tuple["Filter", ...]

    def __str__(self) -> str:
        return " and ".join(f"({t})" if isinstance(t, And | Or) else str(t) for t in self.terms)


@dataclass(frozen=True, slots=True)
class Or:
    """Two or more terms joined by `or`."""

    terms: tuple["Filter", ...]

    def __str__(self) -> str:
        return " or ".join(f"({t})" if isinstance(t, Or) else str(t) for t in self.terms)


type Filter = Compare | Present | ValuePath | Not | And | Or


@dataclass(frozen=True, slots=True)
class PatchPath:
    """A PATCH path: an attribute, the filter that selects its elements, and a sub-attribute of these."""

    path: Path
    filter: Filter | None = None
    sub: str | None = None


def parse(text: str, limits: Limits = DEFAULT) -> Filter:
    """Return the tree of a filter. Raises `InvalidFilter`, whose detail has the position, but no text of the filter."""
    return _Parser(text, limits).whole_filter()


def parse_path(text: str, limits: Limits = DEFAULT) -> PatchPath:
    """Return the target of a PATCH operation. Raises `InvalidPath`, and `InvalidFilter` for the filter in brackets."""
    # Identity providers send the same few short paths. Trees of long paths would fill the memory.
    return _cached_path(text, limits) if len(text) <= _CACHED_CHARACTERS else _path(text, limits)


@lru_cache(maxsize=512)
def _cached_path(text: str, limits: Limits) -> PatchPath:
    return _path(text, limits)


def _path(text: str, limits: Limits) -> PatchPath:
    if len(text) > limits.filter_characters:
        raise InvalidPath(f"The path is longer than {limits.filter_characters} characters.")
    if "[" not in text:
        path = attribute_path(text.strip())
        if path is None:
            raise InvalidPath("The path is not of the form 'attribute', 'attribute.sub' or 'attribute[filter].sub'.")
        return PatchPath(path)
    return _Parser(text, limits).whole_path()


# RFC 7643 §2.1 ATTRNAME; `$ref` is the only other name that the RFCs use.
_NAME: Final = r"(?:\$ref|[A-Za-z][A-Za-z0-9_-]*)"
_DOTTED: Final = re.compile(rf"({_NAME})(?:\.({_NAME}))?", re.IGNORECASE | re.ASCII)
_TOKEN: Final = re.compile(r'\s*(?:([()\[\]])|("(?:[^"\\]|\\.)*")|([^\s()\[\]"]+))', re.DOTALL)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_OPERATORS: Final = frozenset({"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"})
_WORDS: Final = {"true": True, "false": False, "null": None}
_JSON: Final = json.JSONDecoder()
_NOT_STORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")
_MAX_DIGITS: Final = 300
# Characters that people or word processors write in place of a double quote: single quotes, back quote, accent, primes,
# typographic quotes, and full-width forms.
_WRONG_QUOTES: Final = (
    "'`\u00b4\u00ab\u00bb\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u2039\u203a\uff02\uff07"
)
_CACHED_CHARACTERS: Final = 200


def attribute_path(text: str) -> Path | None:
    """Return the attribute path if the whole text is one; else `None`."""
    urn, colon, rest = text.rpartition(":")
    if colon and not urn.lower().startswith("urn:"):
        return None
    match = _DOTTED.fullmatch(rest)
    return Path(urn or None, match[1], match[2]) if match else None


class _Parser:
    """A recursive descent parser. The depth of the filter is limited, and with it the stack."""

    def __init__(self, text: str, limits: Limits) -> None:
        if len(text) > limits.filter_characters:
            raise InvalidFilter(f"The filter is longer than {limits.filter_characters} characters.")
        self._limits = limits
        self._tokens: list[tuple[int, str]] = []
        end = len(text.rstrip())
        position = 0
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise InvalidFilter(f"A string that begins at character {position + 1} of the filter doesn't end.")
            self._tokens.append((match.start(match.lastindex or 0), match[match.lastindex or 0]))
            position = match.end()
        self._end = end
        self._next = 0
        self._depth = 0
        self._comparisons = 0

    def whole_filter(self) -> Filter:
        tree = self._or()
        if self._next < len(self._tokens):
            raise self._wrong("'and', 'or' or the end")
        return tree

    def whole_path(self) -> PatchPath:
        path = attribute_path(self._take())
        if path is None or path.sub is not None or self._peek() != "[":
            raise InvalidPath("The path is not of the form 'attribute[filter]' or 'attribute[filter].sub'.")
        self._take()
        tree = self._or()
        if self._take() != "]":
            raise self._wrong("']'", back=1)
        sub = None
        if self._next < len(self._tokens):
            sub = self._sub()
            if sub is None or self._next < len(self._tokens):
                raise InvalidPath("After 'attribute[filter]' a path has nothing or '.' and a sub-attribute.")
        return PatchPath(path, tree, sub)

    def _or(self) -> Filter:
        self._depth += 1
        if self._depth > self._limits.filter_depth:
            raise InvalidFilter(f"The filter is nested deeper than {self._limits.filter_depth} levels.")
        terms = [self._and()]
        while self._keyword("or"):
            terms.append(self._and())
        self._depth -= 1
        return terms[0] if len(terms) == 1 else Or(tuple(terms))

    def _and(self) -> Filter:
        terms = [self._term()]
        while self._keyword("and"):
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else And(tuple(terms))

    def _term(self) -> Filter:
        if self._keyword("not"):
            if self._peek() != "(":
                raise self._wrong("'(' after 'not'")
            return Not(self._group(")"))
        if self._peek() == "(":
            return self._group(")")
        path = attribute_path(self._take())
        if path is None:
            raise self._wrong("an attribute name", back=1)
        if self._peek() == "[":
            return self._value_path(path)
        return self._comparison(path)

    def _group(self, close: str) -> Filter:
        self._take()
        tree = self._or()
        if self._take() != close:
            raise self._wrong(f"'{close}'", back=1)
        return tree

    def _value_path(self, path: Path) -> Filter:
        tree = self._group("]")
        sub = self._sub()
        if sub is None:
            return ValuePath(path, tree)
        return ValuePath(path, And(tolerances.filter_after_brackets(tree, self._comparison(Path(None, sub)))))

    def _sub(self) -> str | None:
        token = self._peek()
        if not token.startswith("."):
            return None
        match = _DOTTED.fullmatch(token[1:])
        if match is None or match[2] is not None:
            return None
        self._take()
        return match[1]

    def _comparison(self, path: Path) -> Filter:
        self._comparisons += 1
        if self._comparisons > self._limits.filter_comparisons:
            raise InvalidFilter(
                f"A filter may have at most {self._limits.filter_comparisons} comparisons, those in brackets included; "
                "send several requests with fewer comparisons."
            )
        op = self._take().lower()
        if op == "pr":
            return Present(path)
        if op not in _OPERATORS:
            raise self._wrong("an operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr)", back=1)
        return Compare(path, cast(Operator, op), self._value())

    def _value(self) -> Scalar:
        position = self._next
        token = self._take()
        if token.startswith('"'):
            return self._storable(self._string(token, position))
        lowered = token.lower()
        if lowered in _WORDS:
            return _WORDS[lowered]
        if _NUMBER.fullmatch(token):
            number = Number(token)
            if len(token) > _MAX_DIGITS or not isfinite(number.value):
                raise InvalidFilter("The filter has a number that is out of range.")
            return number
        if token.startswith(tuple(_WRONG_QUOTES)):
            raise InvalidFilter(
                f"The value at character {self._tokens[position][0] + 1} of the filter begins with another quote: put it in double "
                'quotes, as in userName eq "bjensen".'
            )
        if token in "()[]" or lowered in {"and", "or", "not"}:
            raise self._wrong("a value", back=1)
        return Bare(self._storable(token))

    def _string(self, token: str, position: int) -> str:
        try:
            return cast(str, _JSON.raw_decode(token)[0])
        except ValueError:  # an invalid escape, or a control character
            raise InvalidFilter(
                f"The string at character {self._tokens[position][0] + 1} is not a JSON string."
            ) from None

    def _storable(self, value: str) -> str:
        if _NOT_STORABLE.search(value):
            raise InvalidFilter("U+0000 and lone surrogates can't be part of a value.")
        return value

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._next += 1
        return token

    def _keyword(self, word: str) -> bool:
        if self._peek().lower() != word:
            return False
        self._next += 1
        return True

    def _wrong(self, expected: str, *, back: int = 0) -> InvalidFilter:
        position = self._next - back
        where = self._tokens[position][0] if position < len(self._tokens) else self._end
        return InvalidFilter(f"At character {where + 1} the filter should have {expected}.")
