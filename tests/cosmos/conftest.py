"""A store on the emulator, in a time that passes when a test says so."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import pytest

from scim.storage.container import CONTAINER
from scim.storage.cosmos import CosmosStore
from scim.storage.cosmos_calls import Calls
from scim.storage.cosmos_client import CosmosConnection
from tests.cosmos_emulator import Emulator
from tests.telemetry.conftest import lines  # noqa: F401 - pytest finds its fixture here

TENANT: Final = "acme"


class Time:
    """Clock, timer and sleep of a test: time passes when somebody says so, or `step` at each look at the timer."""

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
