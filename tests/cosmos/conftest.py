"""A store on the emulator, with a clock that tests control."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import pytest

from scim.storage.cosmos.calls import Calls
from scim.storage.cosmos.connection import CosmosConnection
from scim.storage.cosmos.container import CONTAINER
from scim.storage.cosmos.store import CosmosStore
from tests.cosmos_emulator import Emulator
from tests.telemetry.conftest import lines  # noqa: F401 - pytest finds its fixture here

TENANT: Final = "acme"


class Time:
    """Clock, timer and sleep of a test. Each reading of the timer advances it by `step`."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0
        self.elapsed = 0.0
        self.step = 0.0

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def timer(self) -> float:
        self.elapsed += self.step
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def emulator(time: Time) -> Emulator:
    made = Emulator(clock=lambda: time.seconds)
    made.create("scim", {"id": "resources", **CONTAINER})
    return made


@pytest.fixture
async def store(time: Time, emulator: Emulator) -> AsyncIterator[CosmosStore]:
    connection = CosmosConnection(
        emulator.in_process_endpoint, "scim", "resources", key=emulator.key, transport=emulator.transport()
    )
    tokens = count(1)
    made = CosmosStore(
        Calls(connection.container),
        clock=time.clock,
        timer=time.timer,
        sleep=time.sleep,
        new_token=lambda: f"token-{next(tokens)}",
        close=connection.close,
    )
    yield made
    await made.close()


def left(emulator: Emulator, *types: str) -> list[Any]:
    return [item for item in emulator.items(TENANT) if item["type"] in types]
