"""The log lines of requests, read as a tool would read them: `name=value` pairs with a blank between. Knows no request."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

NAMES: Final = (
    "action",
    "resource_type",
    "status",
    "scim_type",
    "ms",
    "database_calls",
    "ru",
    "bulk_operations",
    "bulk_failed",
    "ignored_operations",
    "customer",
    "client",
    "tolerances",
    "method",
    "route",
    "request_id",
)
COUNTED: Final = (*NAMES[:-3], "reason", "requests", *NAMES[-3:])
"""The names in a line for requests that anybody can send."""
_BEGINNING: Final = "request action="
# No value has a blank, an equals sign, a quote, or anything that isn't ASCII.
_LINE: Final = re.compile(r"request((?: [a-z_]+=[A-Za-z0-9{}()/_.,-]+)+)", re.ASCII)


@dataclass(frozen=True)
class Line:
    """One line: its level and its values."""

    level: str
    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values[name]

    @property
    def tolerances(self) -> set[str]:
        return set() if self["tolerances"] == "-" else set(self["tolerances"].split(","))

    @property
    def reason(self) -> str:
        """Why nobody was let in; empty for an authenticated request."""
        return self.values.get("reason", "")

    @property
    def requests(self) -> int:
        """How many requests the line stands for."""
        return int(self.values.get("requests", 1))

    @property
    def spent(self) -> tuple[int, float]:
        return int(self["database_calls"]), float(self["ru"])

    @property
    def bulk(self) -> tuple[int, int]:
        """The operations of a bulk request, and how many of them failed."""
        return int(self["bulk_operations"]), int(self["bulk_failed"])


def read(level: str, text: str) -> Line:
    """The line's values; an AssertionError if it isn't of its form to the last character."""
    found = _LINE.fullmatch(text)
    assert found is not None, text
    values = dict(pair.split("=") for pair in found[1].split())
    assert tuple(values) in {NAMES, COUNTED}, text
    return Line(level, values)


class Lines(logging.Handler):
    """Keeps the lines that are written in this process; `taken` hands out those since it was last called."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Line] = []
        self.others: list[str] = []
        """What else was logged by the same logger."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith("request "):
            self._kept.append(read(record.levelname, text))
        else:
            self.others.append(text)

    def taken(self) -> list[Line]:
        lines, self._kept = self._kept, []
        return lines

    def one(self) -> Line:
        """The one line since; more, or none, is an error."""
        [line] = self.taken()
        return line


def lines_in(log: Sequence[str]) -> list[Line]:
    """The lines in what `scim serve` wrote, which has time and level before each."""
    found = []
    for text in log:
        if _BEGINNING in text:
            before, _, rest = text.rstrip("\n").partition(_BEGINNING)
            found.append(read(before.split()[-1], _BEGINNING + rest))
    return found
