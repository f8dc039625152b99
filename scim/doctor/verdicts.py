"""How a check ends: its verdict, what the server did with the deciding request, and the exceptions that say so."""

from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WARNING = "warning"
    FAIL = "fail"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """What the server did with the request that decided a failed check."""

    ACCEPTED = "accepted"
    """Answered as a success, but the answer or the result is wrong."""
    SEVERAL = "several found"
    """A search that must find one resource found more."""
    REFUSED = "refused"
    NOT_FOUND = "not found"
    UNAUTHORIZED = "unauthorized"
    THROTTLED = "throttled"
    ERROR = "server error"
    UNANSWERED = "no response"

    @classmethod
    def of(cls, status: int) -> "Outcome":
        """Return the outcome that a status code stands for; 0 is no response."""
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
    """The server doesn't do what it should. `warning`: a job goes on all the same."""

    def __init__(self, found: str, *, warning: bool = False, outcome: Outcome = Outcome.ACCEPTED) -> None:
        super().__init__(found)
        self.warning = warning
        self.outcome = outcome


class Skip(Exception):
    """The check can't be made; the text says why. `needs` names the check that examines the cause, if there is one."""

    def __init__(self, reason: str = "", *, needs: str = "") -> None:
        super().__init__(reason)
        self.needs = needs
