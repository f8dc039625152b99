"""A strict emulator of a Cosmos DB account in memory, for tests. Knows no SCIM.

It implements the REST protocol as azure-cosmos uses it, for requests within one partition. It refuses the requests that
Cosmos DB refuses, and responds with 400 to all features that it doesn't emulate.
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
