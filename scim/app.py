"""Builds the service from its settings. The only module that creates collaborators such as the store and the clock."""

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
from scim.edge.actions import UseCases
from scim.edge.handler import Handler, Telemetry, Unconfigured
from scim.ids import request_ids, uuid7
from scim.protocol.schema.files import SchemaError
from scim.protocol.schema.registry import Registry, core, read as read_schemas
from scim.security.authenticator import Authenticator
from scim.security.clouds import CLOUDS
from scim.security.cursor_key import CursorKey
from scim.security.customers.cached import CachedCustomers
from scim.security.customers.repository import Customers
from scim.security.dev_tokens import DevTokens
from scim.security.entra.fetch import Fetch
from scim.security.entra.signing_keys import SigningKeys
from scim.security.entra.tokens import EntraTokens
from scim.security.rate_limit import RateLimit
from scim.security.secret_tokens import SecretTokens
from scim.service.bulk import Bulk
from scim.service.cursors import Cursors
from scim.service.discovery import Discovery
from scim.service.failures import Failures
from scim.service.me import Me, MeMapping
from scim.service.members import GroupMembers
from scim.service.memberships import Memberships
from scim.service.pages import Pages
from scim.service.passwords import Hash, Passwords, forget
from scim.service.reindex import Reindex
from scim.service.resources import Resources
from scim.service.searches import Searches
from scim.service.sweeps import Sweeps
from scim.settings import Settings, SettingsError, from_environment as settings_from, variable, warnings
from scim.storage.cosmos.calls import Calls
from scim.storage.cosmos.connection import CosmosConnection
from scim.storage.cosmos.store import CosmosStore
from scim.storage.errors import StoreUnavailable
from scim.storage.interface import Store
from scim.storage.sqlite.store import SqliteStore
from scim.telemetry import log_line, usage
from scim.telemetry.record import Observe, all_of

_log: Final = logging.getLogger("scim.app")
DEFAULT_CUSTOMER: Final = "default"
"""The customer of the development token."""
_SWEEP_SECONDS: Final = 120.0
"""The time after which a sweep starts no further customer. The last one may take two more minutes; the host stops a
function after five.
"""
_SWEEP_PAUSE_SECONDS: Final = 180.0
_BURST_SECONDS: Final = 10
_ROOT: Final = Path(__file__).parents[1]


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Collaborators:
    """The clock, sleep and timer of the service. Tests pass their own."""

    clock: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    timer: Callable[[], float] = time.perf_counter


@dataclass(frozen=True, slots=True)
class App:
    """A running service: its handler, and what must be closed at the end."""

    handler: Handler | Unconfigured
    store: Store | None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    sweeps: Sweeps | None = None
    closers: Sequence[Callable[[], Awaitable[None]]] = ()
    log_lines: log_line.LogLines | None = None

    async def sweep(self) -> int:
        """Delete leftover and expired items for some minutes at most; return their number."""
        if self.log_lines is not None:
            self.log_lines.write_due()
        return 0 if self.sweeps is None else await self.sweeps.run(_SWEEP_SECONDS)

    async def sweep_regularly(self) -> None:
        """Sweep every few minutes until the task is cancelled."""
        while self.sweeps is not None:
            await self.sweep()
            await self.sleep(_SWEEP_PAUSE_SECONDS)

    async def close(self) -> None:
        """Write the pending log lines, and close the clients and the store."""
        if self.log_lines is not None:
            self.log_lines.write_all()
        for close in self.closers:
            await close()
        if self.store is not None:
            await self.store.close()


def from_environment(environ: Mapping[str, str]) -> App:
    """Return the service that the environment configures. With a wrong setting, every response of the service is 503."""
    _log.info("scim %s starts", __version__)
    for warning in warnings(environ):
        _log.warning("%s", warning)
    try:
        return build(settings_from(environ))
    except SettingsError as error:
        _log.critical("wrong setting: %s", error)
    except StoreUnavailable as error:
        _log.critical("can't open the store: %s", error)
    lines = log_line.LogLines(Collaborators().timer)
    return App(Unconfigured(request_ids(utc_now), lines.observe), None, log_lines=lines)


def build(
    settings: Settings,
    collaborators: Collaborators | None = None,
    *,
    tokens: Mapping[str, str] | None = None,
    store: Store | None = None,
) -> App:
    """Return the service for the settings.

    `tokens` are further development tokens: bearer token -> customer. `store` replaces the store that the settings
    name. Raises `SettingsError`, `StoreUnavailable`.
    """
    collaborators = collaborators or Collaborators()
    registry, limits = registry_of(settings), settings.limits
    me_mapping = _me_mapping(settings, registry)
    store = store or _reindexed(open_store(settings, collaborators), registry, collaborators)
    memberships = Memberships(store, registry, limits, timer=collaborators.timer, sleep=collaborators.sleep)
    new_id = uuid7(collaborators.clock)
    resources = Resources(
        store,
        registry,
        limits,
        memberships,
        GroupMembers(store, limits, memberships, clock=collaborators.clock),
        Passwords(forget if settings.passwords == "drop" else Hash(lambda: token_bytes(16))),
        clock=collaborators.clock,
        new_id=new_id,
        sleep=collaborators.sleep,
    )
    lines = log_line.LogLines(collaborators.timer)
    observers: list[Observe] = [lines.observe]
    closers: list[Callable[[], Awaitable[None]]] = []
    if settings.azure_monitor or settings.opentelemetry:
        from scim.telemetry import opentelemetry  # noqa: PLC0415 - imported only if it is switched on

        closers.append(opentelemetry.export(to_azure_monitor=settings.azure_monitor))
        # First, so that the log line is written within the span.
        observers.insert(0, opentelemetry.observer(within_host=settings.on_azure, timer=collaborators.timer))
    customers = Customers(store, collaborators.clock)
    fetch = Fetch()
    keys = SigningKeys(fetch, timer=collaborators.timer)
    cursor_key = CursorKey(store, clock=collaborators.clock, timer=collaborators.timer)
    cursors = Cursors(cursor_key, collaborators.clock, seconds=limits.cursor_seconds)
    failures = Failures(collaborators.timer)
    use_cases = UseCases(
        resources=resources,
        searches=Searches(Pages(store, registry, limits, memberships, cursors), limits),
        bulk=Bulk(
            resources, failures, registry, limits, new_id=new_id, timer=collaborators.timer, sleep=collaborators.sleep
        ),
        discovery=Discovery(registry, limits, change_password=settings.passwords == "hash"),
        me=Me(store, me_mapping),
        registry=registry,
        limits=limits,
    )
    handler = Handler(
        use_cases,
        _authenticator(settings, collaborators, customers, keys, tokens or {}),
        failures,
        Telemetry(all_of(*observers), usage.begin, collaborators.timer),
        base_url=settings.base_url,
        new_id=request_ids(collaborators.clock),
    )

    async def customer_names() -> AsyncIterator[str]:
        yield DEFAULT_CUSTOMER
        async for customer in customers.all():
            if customer.name != DEFAULT_CUSTOMER:
                yield customer.name

    sweeps = Sweeps(store, customer_names, customers.delete_expired, timer=collaborators.timer, begin_at=randbelow)
    return App(handler, store, collaborators.sleep, sweeps, (keys.close, fetch.close, *closers), lines)


def registry_of(settings: Settings) -> Registry:
    """Return the shipped schemas and resource types, and those of the folder in the settings. Raises `SettingsError`."""
    if settings.schemas is None:
        return core()
    try:
        # The host can start the worker in any folder, so a relative path starts at the folder of function_app.py.
        return read_schemas(_ROOT / settings.schemas)
    except SchemaError as error:
        raise SettingsError(f"{variable('schemas')}: {error}") from None


def _me_mapping(settings: Settings, registry: Registry) -> MeMapping:
    try:
        return MeMapping(settings.me_attribute, registry.resource_types["User"])
    except ValueError as error:
        raise SettingsError(f"{variable('me_attribute')}: {error}") from None


def open_store(settings: Settings, collaborators: Collaborators) -> Store:
    """Return the store that the settings name. Raises `StoreUnavailable` if it is a file that can't be opened."""
    if settings.store == "sqlite":
        return SqliteStore(settings.data)
    # Azure's libraries log every URL, which contains the ids of users.
    logging.getLogger("azure").setLevel(logging.WARNING)
    connection = CosmosConnection(
        settings.cosmos_endpoint or "", settings.cosmos_database, settings.cosmos_container, key=settings.cosmos_key
    )
    return CosmosStore(
        Calls(connection.container),
        clock=collaborators.clock,
        timer=collaborators.timer,
        sleep=collaborators.sleep,
        new_token=lambda: token_hex(8),
        close=connection.close,
    )


def _reindexed(store: Store, registry: Registry, collaborators: Collaborators) -> Store:
    """Reindex a SQLite store whose resources have another index version, and return it. Raises `StoreUnavailable`.

    For Cosmos DB an operator runs `scim reindex`: several instances start at the same time, and it can have many users.
    """
    if not isinstance(store, SqliteStore):
        return store

    async def reindex() -> None:
        try:
            for customer in await store.customers():
                results = [result async for result in Reindex(store, registry, collaborators.sleep).run(customer)]
                for result in results:
                    if not result:
                        _log.warning("%s %s is not completely indexed: %s", result.type_name, result.id, result.reason)
                if results:
                    _log.info("reindexed %d resources that had another index version", len(results))
        except StoreUnavailable:
            await store.close()
            raise

    try:
        # SQLite never waits (ADR 6), so this runs to its end without an event loop.
        reindex().send(None)
    except StopIteration:
        return store
    raise RuntimeError("reindexing SQLite must not wait")


def _authenticator(
    settings: Settings, collaborators: Collaborators, customers: Customers, keys: SigningKeys, tokens: Mapping[str, str]
) -> Authenticator:
    dev_tokens = dict(tokens)
    if settings.dev_token is not None:
        dev_tokens[settings.dev_token] = DEFAULT_CUSTOMER

    def keys_at(address: str) -> str:
        return address if settings.dev_keys is None else f"{settings.dev_keys}/{address.removeprefix('https://')}"

    cached_customers = CachedCustomers(customers, timer=collaborators.timer)
    rate = settings.requests_per_second
    return Authenticator(
        DevTokens(dev_tokens),
        SecretTokens(cached_customers, customers, collaborators.clock),
        EntraTokens(cached_customers, keys, CLOUDS, keys_at, collaborators.clock),
        cached_customers,
        RateLimit(rate, rate * _BURST_SECONDS, timer=collaborators.timer),
        needs_customers=settings.on_azure,
        clock=collaborators.clock,
        timer=collaborators.timer,
    )
