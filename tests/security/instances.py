"""Instances of the service as `scim.app` builds them, on a store that they may share, and time that only tests move."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from scim.app import App, Collaborators, build
from scim.edge.http import Request
from scim.settings import Settings
from scim.storage.cosmos.container import CONTAINER
from scim.storage.interface import Store
from tests.conftest import BASE, ORIGIN, Answer
from tests.cosmos_emulator import Emulator
from tests.security.issuer import CONTOSO, Issuer

PLENTY: Final = 100_000
"""Requests a second, for tests that aren't about the budget."""
CHEAP: Final = "/ServiceProviderConfig"
"""A path that needs a token and no resource."""
_numbers: Final = count()


@dataclass
class Timer:
    """Seconds; they pass when a test adds some."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Instance:
    """A running app and its timer. The clock, by which tokens expire, is the real one."""

    app: App
    timer: Timer

    async def send(self, method: str, path: str, token: str | None, body: Any = None) -> Answer:
        """A request to a path below the base path."""
        headers = {"content-type": "application/scim+json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        content = b"" if body is None else json.dumps(body).encode()
        response = await self.app.handler.handle(Request(method, BASE + path, {}, headers, content, ORIGIN))
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)

    async def get(self, token: str | None, path: str = CHEAP) -> Answer:
        return await self.send("GET", path, token)

    async def status(self, token: str | None) -> int:
        """How a cheap request with this token ends."""
        return (await self.get(token)).status


@asynccontextmanager
async def instance(
    data: Path, issuer: Issuer | None = None, *, timer: Timer | None = None, store: Store | None = None, **settings: Any
) -> AsyncIterator[Instance]:
    """The service on a data file; `settings` are further ones."""
    keys = None if issuer is None else issuer.origin
    settings = {"requests_per_second": PLENTY, **settings}
    timer = timer or Timer()
    app = build(Settings(data=data, dev_keys=keys, **settings), Collaborators(timer=timer), store=store)
    try:
        yield Instance(app, timer)
    finally:
        await app.close()


@asynccontextmanager
async def instances_on_cosmos(
    number: int, issuer: Issuer, timer: Timer
) -> AsyncIterator[tuple[list[Instance], Emulator]]:
    """So many instances on one emulator over a socket, their connections opened already."""
    emulator = Emulator()
    emulator.create("scim", {"id": "resources", **CONTAINER})
    settings = Settings(
        store="cosmos",
        cosmos_endpoint=await emulator.start(),
        cosmos_key=emulator.key,
        dev_keys=issuer.origin,
        requests_per_second=PLENTY,
    )
    opened = {"opened": "opened"}
    running = [Instance(build(settings, Collaborators(timer=timer), tokens=opened), timer) for _ in range(number)]
    try:
        for one in running:
            assert (await one.get("opened", "/Users")).status == 200
        emulator.requests.clear()
        yield running, emulator
    finally:
        for one in running:
            await one.app.close()
        await emulator.stop()


def fresh(issuer: Issuer, tenant: str = CONTOSO, **changes: Any) -> str:
    """A token that no instance has seen."""
    return issuer.token(tenant, uti=f"{next(_numbers)}", **changes)


async def settled() -> None:
    """Wait until the service has done what it does in the background; nothing else may run in this loop."""
    current = asyncio.current_task()
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not current), return_exceptions=True)
