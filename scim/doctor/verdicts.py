"""How a check ends: its verdict, and the two ways to get there other than passing."""

from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WARNING = "warning"
    FAIL = "fail"
    SKIPPED = "skipped"


class Fault(Exception):
    """The server does something else than it should. `warning` if a job goes on all the same."""

    def __init__(self, found: str, *, warning: bool = False) -> None:
        super().__init__(found)
        self.warning = warning


class Skip(Exception):
    """The check can't be made; the text says why."""
