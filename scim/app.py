"""The only place that builds things: settings in, a handler with all its collaborators out."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Final

from scim.edge.handler import Handler, Unconfigured
from scim.ids import uuid7
from scim.protocol.registry import core
from scim.security.dev_token import DevTokens
from scim.security.principal import Authenticate
from scim.service.discovery import Discovery
from scim.service.membership import Memberships
from scim.service.resources import Resources
from scim.service.searches import Searches
from scim.settings import Settings, SettingsError, from_environment as settings_from
from scim.storage.cosmos import CosmosStore
from scim.storage.cosmos_calls import Calls
from scim.storage.cosmos_client import CosmosConnection
from scim.storage.interface import Store, StoreError, StoreUnavailable
from scim.storage.sqlite import SqliteStore

_log: Final = logging.getLogger("scim.app")
TENANT: Final = "default"
"""The customer that a development token lets in."""
_SWEEP_SECONDS: Final = 180.0


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

    async def sweep_regularly(self) -> None:
        """Delete every few minutes what deletions have left behind, until the task is cancelled."""
        while self.store is not None:
            try:
                if deleted := await self.store.sweep(TENANT):
                    _log.info("swept %d items that deletions had left", deleted)
            except StoreError as error:
                _log.warning("the sweep stopped and will go on: %s", type(error).__name__)
            await self.sleep(_SWEEP_SECONDS)

    async def close(self) -> None:
        """Let go of the database."""
        if self.store is not None:
            await self.store.close()


def from_environment(environ: Mapping[str, str]) -> App:
    """The service that the environment describes; with a wrong setting, one that says so to every request."""
    try:
        return build(settings_from(environ))
    except SettingsError as error:
        _log.critical("wrong setting: %s", error)
    except StoreUnavailable as error:
        _log.critical("can't open the store: %s", error)
    return App(Unconfigured(), None)


def build(
    settings: Settings,
    collaborators: Collaborators | None = None,
    *,
    tokens: Mapping[str, str] | None = None,
    store: Store | None = None,
) -> App:
    """The service that the settings describe. `tokens` lets in further tenants: bearer token -> tenant.

    `store` takes the place of the one that the settings name.
    """
    given = collaborators or Collaborators()
    registry, limits = core(), settings.limits
    store = store or open_store(settings, given)
    memberships = Memberships(store, registry, limits)
    resources = Resources(
        store, registry, limits, memberships, clock=given.clock, new_id=uuid7(given.clock), sleep=given.sleep
    )
    handler = Handler(
        resources,
        Searches(store, registry, limits, memberships),
        Discovery(registry, limits),
        registry,
        limits,
        _authenticate(settings, tokens or {}),
        base_url=settings.base_url,
        timer=given.timer,
    )
    return App(handler, store, given.sleep)


def open_store(settings: Settings, given: Collaborators) -> Store:
    """The store that the settings name. Raises `StoreUnavailable` if it is a file that can't be opened."""
    if settings.store == "sqlite":
        return SqliteStore(settings.data)
    # Azure's libraries log every URL, and with it the ids of people.
    logging.getLogger("azure").setLevel(logging.WARNING)
    key = settings.cosmos_key.get_secret_value() if settings.cosmos_key else None
    connection = CosmosConnection(
        settings.cosmos_endpoint or "", settings.cosmos_database, settings.cosmos_container, key=key
    )
    return CosmosStore(
        Calls(connection.container),
        clock=given.clock,
        timer=given.timer,
        sleep=given.sleep,
        new_token=lambda: token_hex(8),
        close=connection.close,
    )


def _authenticate(settings: Settings, tokens: Mapping[str, str]) -> Authenticate:
    known = dict(tokens)
    if settings.dev_token is not None:
        known[settings.dev_token.get_secret_value()] = TENANT
    return DevTokens(known)
