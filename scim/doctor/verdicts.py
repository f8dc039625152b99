"""Verdicts of checks, outcomes of their requests, and the exceptions that end a check."""

from enum import StrEnum


class Verdict(StrEnum):
    """The verdict of a check."""

    PASS = "pass"
    WARNING = "warning"
    FAIL = "fail"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """What the server did with the deciding request of a failed check."""

    ACCEPTED = "accepted"
    """The request succeeded, but the response or the result is wrong."""
    SEVERAL = "several found"
    """A search for one resource found several."""
    REFUSED = "refused"
    NOT_FOUND = "not found"
    UNAUTHORIZED = "unauthorized"
    THROTTLED = "throttled"
    ERROR = "server error"
    UNANSWERED = "no response"

    @classmethod
    def of(cls, status: int) -> "Outcome":
        """Return the outcome of a status code; 0 means no response."""
        named = {
            0: cls.UNANSWERED,
            401: cls.UNAUTHORIZED,
            403: cls.UNAUTHORIZED,
            404: cls.NOT_FOUND,
            410: cls.NOT_FOUND,
        }
        # 501 refuses a feature; the server itself is well.
        named |= {429: cls.THROTTLED, 501: cls.REFUSED}
        if status in named:
            return named[status]
        return cls.ACCEPTED if status < 300 else cls.REFUSED if status < 500 else cls.ERROR


class Fault(Exception):
    """The server doesn't behave as it should. With `warning`, a provisioning job works nevertheless."""

    def __init__(self, found: str, *, warning: bool = False, outcome: Outcome = Outcome.ACCEPTED) -> None:
        super().__init__(found)
        self.warning = warning
        self.outcome = outcome


class Skip(Exception):
    """The check isn't possible; the text says why. `needs` names the check that examines the cause, if there is one."""

    def __init__(self, reason: str = "", *, needs: str = "") -> None:
        super().__init__(reason)
        self.needs = needs
