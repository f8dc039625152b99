"""The key of cursors: one for all instances, made once, kept beside the customers without being in their way."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from scim.app import utc_now
from scim.security.cursor_key import CursorKey
from scim.security.customers.repository import SYSTEM, Customers
from scim.storage.errors import StoreUnavailable
from scim.storage.interface import Store, WriteModel
from scim.storage.sqlite.store import SqliteStore
from tests.contract.cosmos import emulated, in_process
from tests.security.instances import Timer

KIND = "SealingKey"
ID = "cursors"


@asynccontextmanager
async def in_memory() -> Any:
    store = SqliteStore()
    yield store, None
    await store.close()


type Opened = Callable[[], AbstractAsyncContextManager[tuple[Store, Any]]]
on_each_store = pytest.mark.parametrize("opened", [in_memory, in_process], ids=["sqlite", "cosmos"])


def key_of(store: Store, timer: Timer | None = None) -> CursorKey:
    return CursorKey(store, clock=utc_now, timer=timer or Timer())


def record(key: bytes | str) -> WriteModel:
    kept = {
        "id": ID,
        "key": key if isinstance(key, str) else b64encode(key).decode(),
        "created": "2026-01-31T09:30:00Z",
    }
    return WriteModel(KIND, ID, f"{KIND}:{ID}", kept, {"id": ID}, {})


async def test_of_many_instances_that_begin_at_once_one_makes_the_key_and_all_have_it() -> None:
    """Over a socket, so that all of them have read that there is none before the first has made one."""
    async with emulated() as (store, _):
        await store.read(SYSTEM, KIND, ID)
        instances = [key_of(store) for _ in range(8)]
        keys = await asyncio.gather(*(one() for one in instances for _ in range(3)))
        assert len(set(keys)) == 1
        assert len(keys[0]) == 32
        assert await key_of(store)() == keys[0]


@on_each_store
async def test_an_existing_key_is_used_and_each_deployment_has_its_own(opened: Opened) -> None:
    async with opened() as (store, _), opened() as (other, _):
        await store.create(SYSTEM, record(bytes(range(32))))
        assert await key_of(store)() == bytes(range(32))
        assert await key_of(other)() != bytes(range(32))


@on_each_store
async def test_the_cursor_key_is_cached_and_read_again_at_most_once_a_minute(opened: Opened) -> None:
    async with opened() as (store, _):
        timer = Timer()
        key = key_of(store, timer)
        first = await key()
        await store.delete(SYSTEM, KIND, ID)
        await store.create(SYSTEM, record(bytes(32)))
        timer.now += 1_000_000
        assert await key() == first
        assert await key(b"the one before") == first
        assert await key(first) == bytes(32)
        stored = await store.read(SYSTEM, KIND, ID)
        assert stored is not None
        await store.replace(SYSTEM, record(bytes([1] * 32)), expected=stored.version)
        timer.now += 59
        assert await key(bytes(32)) == bytes(32)
        timer.now += 2
        assert await key(bytes(32)) == bytes([1] * 32)
        assert await key() == bytes([1] * 32)


@pytest.mark.parametrize("damaged", ["", "AAAA", "no Base64", b64encode(bytes(33)).decode()])
async def test_a_record_without_a_valid_key_stops_cursors_until_it_is_deleted(damaged: str) -> None:
    async with in_memory() as (store, _):
        await store.create(SYSTEM, record(damaged))
        key = key_of(store)
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="SealingKey:cursors holds no key"):
                await key()
        await store.delete(SYSTEM, KIND, ID)
        assert len(await key()) == 32


@on_each_store
async def test_the_key_record_is_hidden_from_customers_and_the_sweep(opened: Opened) -> None:
    async with opened() as (store, _):
        customers = Customers(store, utc_now)
        key = await key_of(store)()
        assert not await customers.any_exists()
        assert [one async for one in customers.all()] == []
        assert [one async for one in customers.tokens()] == []
        await customers.create("contoso")
        assert [one.name async for one in customers.all()] == ["contoso"]
        assert await customers.delete_expired() == 0
        assert await store.sweep(SYSTEM) == 0
        assert await customers.remove("contoso")
        assert await key_of(store)() == key
