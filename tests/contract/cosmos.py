"""Cosmos DB stores for tests, with the real SDK: on the emulator over a socket or in process, or on an account."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count

from azure.cosmos.aio import ContainerProxy

from scim.app import utc_now
from scim.storage.cosmos.calls import Calls
from scim.storage.cosmos.connection import CosmosConnection
from scim.storage.cosmos.container import CONTAINER
from scim.storage.cosmos.setup import create
from scim.storage.cosmos.store import CosmosStore
from tests.cosmos_emulator import Emulator

_tokens = count(1)


@asynccontextmanager
async def emulated() -> AsyncIterator[tuple[CosmosStore, Emulator]]:
    """Yield a store on its own emulator, over a socket."""
    emulator = _with_container()
    connection = CosmosConnection(await emulator.start(), "scim", "resources", key=emulator.key)
    store = _store(connection, Calls(connection.container))
    try:
        yield store, emulator
    finally:
        await store.close()
        await emulator.stop()


@asynccontextmanager
async def in_process(
    calls: Callable[[Callable[[], Awaitable[ContainerProxy]], Emulator], Calls] = lambda container, _: Calls(container),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[tuple[CosmosStore, Emulator]]:
    """Yield a store on its own emulator without a socket. `calls` can create another implementation of `Calls`."""
    emulator = _with_container()
    connection = CosmosConnection(
        emulator.in_process_endpoint, "scim", "resources", key=emulator.key, transport=emulator.transport()
    )
    store = _store(connection, calls(connection.container, emulator), sleep)
    try:
        yield store, emulator
    finally:
        await store.close()


@asynccontextmanager
async def at_endpoint(endpoint: str, environ: Mapping[str, str]) -> AsyncIterator[CosmosStore]:
    """Yield a store on Microsoft's emulator, or on an account, which must have the container."""
    database, container = environ.get("COSMOS_DATABASE", "scim-tests"), environ.get("COSMOS_CONTAINER", "resources")
    key = environ.get("COSMOS_KEY")
    if key is not None:
        await create(endpoint, key, database, container)
    connection = CosmosConnection(endpoint, database, container, key=key)
    store = _store(connection, Calls(connection.container))
    try:
        yield store
    finally:
        await store.close()


def _with_container() -> Emulator:
    emulator = Emulator()
    emulator.create("scim", {"id": "resources", **CONTAINER})
    return emulator


def _store(
    connection: CosmosConnection, calls: Calls, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> CosmosStore:
    return CosmosStore(
        calls,
        clock=utc_now,
        timer=time.perf_counter,
        sleep=sleep,
        new_token=lambda: f"token-{next(_tokens)}",
        close=connection.close,
    )
