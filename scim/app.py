"""The only place that builds things: settings in, a handler with all its collaborators out."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import randbelow, token_bytes, token_hex
from typing import Final

from scim import __version__
from scim.edge.handler import Handler, Unconfigured
from scim.ids import request_ids, uuid7
from scim.protocol.documents import SchemaError
from scim.protocol.registry import Registry, core, read as read_schemas
from scim.security.budget import Budget
from scim.security.clouds import CLOUDS
from scim.security.customers import Customers
from scim.security.dev_token import DevTokens
from scim.security.directory import Directory
from scim.security.door import Door
from scim.security.entra_tokens import EntraTokens
from scim.security.fetch import Fetch
from scim.security.sealing_key import SealingKey
from scim.security.secret_tokens import SecretTokens
from scim.security.signing_keys import SigningKeys
from scim.service.bulk import Bulk
from scim.service.cursors import Cursors
from scim.service.discovery import Discovery
from scim.service.group_members import GroupMembers
from scim.service.me import Link, Me
from scim.service.membership import Memberships
from scim.service.pages import Pages
from scim.service.passwords import Hash, Passwords, forget
from scim.service.reindex import Reindex
from scim.service.resources import Resources
from scim.service.searches import Searches
from scim.service.sweeps import Sweeps
from scim.settings import Settings, SettingsError, from_environment as settings_from, variable, warnings
from scim.storage.cosmos import CosmosStore
from scim.storage.cosmos_calls import Calls
from scim.storage.cosmos_client import CosmosConnection
from scim.storage.interface import Store, StoreUnavailable
from scim.storage.sqlite import SqliteStore
from scim.telemetry import line, spending
from scim.telemetry.record import Observe, all_of

_log: Final = logging.getLogger("scim.app")
TENANT: Final = "default"
"""The customer that a development token lets in."""
_SWEEP_SECONDS: Final = 120.0
"""The tenant that a run is at when they are over has two minutes of its own, and the host stops a function after five."""
_SWEEP_PAUSE_SECONDS: Final = 180.0
_BURST_SECONDS: Final = 10
_ROOT: Final = Path(__file__).parents[1]


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Collaborators:
    """Clock, sleep and timer: what a test passes in place of the real ones."""

    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    timer: Callable[[], float] = time.perf_counter


@dataclass(frozen=True, slots=True)
class App:
    """A running service: its handler, and the store to close at the end."""

    handler: Handler | Unconfigured
    store: Store | None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    sweeps: Sweeps | None = None
    closers: Sequence[Callable[[], Awaitable[None]]] = ()
    lines: line.Lines | None = None

    async def sweep(self) -> int:
        """Delete what deletions have left behind, for some minutes at most; how many items."""
        if self.lines is not None:
            self.lines.write_due()
        return 0 if self.sweeps is None else await self.sweeps.run(_SWEEP_SECONDS)

    async def sweep_regularly(self) -> None:
        """The same every few minutes, until the task is cancelled."""
        while self.sweeps is not None:
            await self.sweep()
            await self.sleep(_SWEEP_PAUSE_SECONDS)

    async def close(self) -> None:
        """Let go of the database and of what else is open."""
        if self.lines is not None:
            self.lines.write_all()
        for close in self.closers:
            await close()
        if self.store is not None:
            await self.store.close()


def from_environment(environ: Mapping[str, str]) -> App:
    """The service that the environment describes; with a wrong setting, one that says so to every request."""
    _log.info("scim %s starts", __version__)
    for warning in warnings(environ):
        _log.warning("%s", warning)
    try:
        return build(settings_from(environ))
    except SettingsError as error:
        _log.critical("wrong setting: %s", error)
    except StoreUnavailable as error:
        _log.critical("can't open the store: %s", error)
    lines = line.Lines(Collaborators().timer)
    return App(Unconfigured(request_ids(utc_now), lines.observe), None, lines=lines)


def build(
    settings: Settings,
    collaborators: Collaborators | None = None,
    *,
    tokens: Mapping[str, str] | None = None,
    store: Store | None = None,
) -> App:
    """The service that the settings describe. `tokens` lets in further tenants: bearer token -> tenant.

    `store` takes the place of the one that the settings name. Raises `SettingsError` or `StoreUnavailable`.
    """
    given = collaborators or Collaborators()
    registry, limits = registry_of(settings), settings.limits
    link = _link(settings, registry)
    store = store or _up_to_date(open_store(settings, given), registry, given)
    memberships = Memberships(store, registry, limits, timer=given.timer, sleep=given.sleep)
    new_id = uuid7(given.clock)
    resources = Resources(
        store,
        registry,
        limits,
        memberships,
        GroupMembers(store, limits, memberships, clock=given.clock),
        Passwords(forget if settings.passwords == "drop" else Hash(lambda: token_bytes(16))),
        clock=given.clock,
        new_id=new_id,
        sleep=given.sleep,
    )
    lines = line.Lines(given.timer)
    observers: list[Observe] = [lines.observe]
    closers: list[Callable[[], Awaitable[None]]] = []
    if settings.azure_monitor or settings.opentelemetry:
        from scim.telemetry import opentelemetry  # noqa: PLC0415 - only paid for where it is on

        closers.append(opentelemetry.export(to_azure_monitor=settings.azure_monitor))
        # The first, so that the line is written within the span.
        observers.insert(0, opentelemetry.observer(within_host=settings.on_azure, timer=given.timer))
    customers = Customers(store, given.clock)
    fetch = Fetch()
    keys = SigningKeys(fetch, timer=given.timer)
    sealing_key = SealingKey(store, clock=given.clock, timer=given.timer)
    cursors = Cursors(sealing_key, given.clock, seconds=limits.cursor_seconds)
    handler = Handler(
        resources,
        Searches(Pages(store, registry, limits, memberships, cursors), limits),
        Bulk(resources, registry, limits, new_id=new_id, timer=given.timer, sleep=given.sleep),
        Discovery(registry, limits, change_password=settings.passwords == "hash"),
        Me(store, link),
        registry,
        limits,
        _door(settings, given, customers, keys, tokens or {}),
        base_url=settings.base_url,
        timer=given.timer,
        new_id=request_ids(given.clock),
        observe=all_of(*observers),
        spending=spending.begin,
    )

    async def tenants() -> AsyncIterator[str]:
        yield TENANT
        async for customer in customers.all():
            if customer.name != TENANT:
                yield customer.name

    sweeps = Sweeps(store, tenants, customers.forget_expired, timer=given.timer, begin_at=randbelow)
    return App(handler, store, given.sleep, sweeps, (keys.close, fetch.close, *closers), lines)


def registry_of(settings: Settings) -> Registry:
    """The schemas and resource types: ours, and those of the folder that the settings name. Raises `SettingsError`."""
    if settings.schemas is None:
        return core()
    try:
        # A worker is started wherever its host likes, so a relative path counts from where function_app.py is.
        return read_schemas(_ROOT / settings.schemas)
    except SchemaError as error:
        raise SettingsError(f"{variable('schemas')}: {error}") from None


def _link(settings: Settings, registry: Registry) -> Link:
    try:
        return Link(settings.me_attribute, registry.resource_types["User"])
    except ValueError as error:
        raise SettingsError(f"{variable('me_attribute')}: {error}") from None


def open_store(settings: Settings, given: Collaborators) -> Store:
    """The store that the settings name. Raises `StoreUnavailable` if it is a file that can't be opened."""
    if settings.store == "sqlite":
        return SqliteStore(settings.data)
    # Azure's libraries log every URL, and with it the ids of people.
    logging.getLogger("azure").setLevel(logging.WARNING)
    connection = CosmosConnection(
        settings.cosmos_endpoint or "", settings.cosmos_database, settings.cosmos_container, key=settings.cosmos_key
    )
    return CosmosStore(
        Calls(connection.container),
        clock=given.clock,
        timer=given.timer,
        sleep=given.sleep,
        new_token=lambda: token_hex(8),
        close=connection.close,
    )


def _up_to_date(store: Store, registry: Registry, given: Collaborators) -> Store:
    """Reindex a SQLite store that was written by other rules or under other schemas, and return it.

    For Cosmos DB an operator runs `scim reindex`: several instances start at once, and its users may be many.
    """
    if not isinstance(store, SqliteStore):
        return store

    async def reindex() -> None:
        try:
            for tenant in await store.tenants():
                results = [result async for result in Reindex(store, registry, given.sleep).run(tenant)]
                for one in results:
                    if not one:
                        _log.warning("%s %s is not completely indexed: %s", one.kind, one.id, one.reason)
                if results:
                    _log.info("reindexed %d resources that were written by other rules", len(results))
        except StoreUnavailable:
            await store.close()
            raise

    try:
        # SQLite answers inline (ADR 6), so that nothing of this waits and it needs no event loop.
        reindex().send(None)
    except StopIteration:
        return store
    raise RuntimeError("reindexing SQLite waited for something")


def _door(
    settings: Settings, given: Collaborators, customers: Customers, keys: SigningKeys, tokens: Mapping[str, str]
) -> Door:
    known = dict(tokens)
    if settings.dev_token is not None:
        known[settings.dev_token] = TENANT

    def keys_at(address: str) -> str:
        return address if settings.dev_keys is None else f"{settings.dev_keys}/{address.removeprefix('https://')}"

    directory = Directory(customers, timer=given.timer)
    rate = settings.requests_per_second
    return Door(
        DevTokens(known),
        SecretTokens(directory, customers, given.clock),
        EntraTokens(directory, keys, CLOUDS, keys_at, given.clock),
        directory,
        Budget(rate, rate * _BURST_SECONDS, timer=given.timer),
        needs_customers=settings.on_azure,
        clock=given.clock,
        timer=given.timer,
    )
