"""What the database calls of the current request have cost. Counted where they are made, read by who answers the request."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Spending:
    """Calls of the database, repeats and pages of queries each counted, and what they were charged for (RU)."""

    calls: int = 0
    request_units: float = 0.0


_CURRENT: ContextVar[Spending | None] = ContextVar("spending", default=None)


def begin() -> Spending:
    """Count from now on; tasks that the request starts count here too."""
    spending = Spending()
    _CURRENT.set(spending)
    return spending


def called() -> None:
    """Count a call."""
    spending = _CURRENT.get()
    if spending is not None:
        spending.calls += 1


def charged(request_units: float) -> None:
    """Add what a call was charged for."""
    spending = _CURRENT.get()
    if spending is not None:
        spending.request_units += request_units
