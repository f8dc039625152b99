"""Counts the database calls of the current request and their request units. Store adapters count; the handler reads the
result.
"""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Usage:
    """The number of database calls, each retry and each page of a query included, and the request units (RU) charged
    for them.
    """

    calls: int = 0
    request_units: float = 0.0


_CURRENT: ContextVar[Usage | None] = ContextVar("usage", default=None)


def begin() -> Usage:
    """Start to count for this request, including the tasks that it starts; return the usage, which later calls update."""
    usage = Usage()
    _CURRENT.set(usage)
    return usage


def called() -> None:
    """Count one database call."""
    usage = _CURRENT.get()
    if usage is not None:
        usage.calls += 1


def charged(request_units: float) -> None:
    """Add the request units that a call was charged."""
    usage = _CURRENT.get()
    if usage is not None:
        usage.request_units += request_units
