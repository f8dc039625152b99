"""What requests cost by the emulator's own count, to compare with what their lines say."""

from typing import Any, Final

import pytest

from tests.cosmos_emulator import Call, Emulator

METADATA: Final = ("account.", "database.", "container.", "pkranges.")


def of(calls: list[Call]) -> tuple[int, Any]:
    """How many requests these are, and what their answers say that they were charged for, in hundredths."""
    asked = [call for call in calls if not call.operation.startswith(METADATA)]
    return len(asked), pytest.approx(sum(round(call.charge, 2) for call in asked if call.status), abs=0.005)


def spent(emulator: Emulator) -> tuple[int, Any]:
    """The same of all since the emulator's requests were cleared."""
    return of(emulator.requests)
