"""A Cosmos DB account in memory for tests: strict, and silent about nothing that it doesn't know.

Owns the REST protocol as azure-cosmos speaks it, one partition at a time. What the service refuses it refuses; what it
doesn't emulate is 400. Refuses to know SCIM.
"""

from tests.cosmos_emulator.emulator import KEY, Emulator
from tests.cosmos_emulator.faults import (
    Answer,
    Call,
    CutAfter,
    CutBefore,
    FailOperation,
    Fault,
    ShortPage,
    Slow,
    forbidden,
    owner_not_found,
    retry_with,
    throttled,
    timed_out,
    unauthorized,
    unavailable,
)
from tests.cosmos_emulator.transport import InProcessTransport

__all__ = [
    "KEY",
    "Answer",
    "Call",
    "CutAfter",
    "CutBefore",
    "Emulator",
    "FailOperation",
    "Fault",
    "InProcessTransport",
    "ShortPage",
    "Slow",
    "forbidden",
    "owner_not_found",
    "retry_with",
    "throttled",
    "timed_out",
    "unauthorized",
    "unavailable",
]
