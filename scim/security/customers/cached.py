"""Caches customers, Entra tenants and secret tokens for authentication. Does not read tokens.

The ids that it is asked for come from credentials that haven't been verified. It says only what is configured.

How it works: a made-up id must not cost a database read. All Entra tenants are one cached list. A secret token's record
is read only if the MAC in the token is right, so the record exists or did exist. Only if the MAC key is missing is each
id looked up, and a rate limit bounds the look-ups of ids that don't exist.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from scim.security.cache import Cache
from scim.security.customers.records import Customer, EntraTenant, SecretToken
from scim.security.customers.repository import Customers
from scim.security.rate_limit import RateLimit

SECONDS: Final = 30.0
"""The greatest age of a cached record. Together with the authenticator's cache, a change takes effect within a minute."""

_GUESSES_A_SECOND: Final = 50.0
_GUESSES_AT_ONCE: Final = 500.0
_EMPTY_SECONDS: Final = 10.0

_log: Final = logging.getLogger("scim.security")


class CachedCustomers:
    """The cached customers, Entra tenants and secret tokens. `timer` gives seconds."""

    def __init__(self, customers: Customers, *, timer: Callable[[], float]) -> None:
        self._guesses = RateLimit(_GUESSES_A_SECOND, _GUESSES_AT_ONCE, timer=timer)
        self._exist = Cache(self._read_any, seconds=_EMPTY_SECONDS, timer=timer, size=1)
        self._records = customers
        self._customers = Cache(customers.customer, seconds=SECONDS, timer=timer)
        self._entra_tenants = Cache(self._read_entra_tenants, seconds=SECONDS, timer=timer, size=1)
        self._secret_tokens = Cache(customers.secret_token, seconds=SECONDS, timer=timer)
        self._mac_key = Cache(self._read_mac_key, seconds=SECONDS, timer=timer, size=1)

    async def is_empty(self) -> bool:
        """Return whether no customer exists. Once one existed, this isn't looked up again. Raises `StoreError`."""
        return not (self._exist.last("") or await self._exist.get(""))

    async def customer(self, name: str) -> Customer | None:
        """Return the customer with this name, which must come from a stored record; `None` if there is none.

        Raises `StoreError`.
        """
        return await self._customers.get(name)

    async def entra_tenant(self, id: str) -> EntraTenant | None:
        """Return the Entra tenant with this id. Raises `StoreError`."""
        return (await self._entra_tenants.get("")).get(id)

    async def secret_token(self, id: str) -> SecretToken | None:
        """Return the record of the secret token with this id, at most 30 seconds old; `None` if there is none.

        Raises the storage errors, and `TooManyRequests` for an id that isn't cached if too many unknown ids have been
        looked up in this process (500 at once, then 50 per second).
        """
        if self._secret_tokens.last(id) is not None or self._secret_tokens.is_fresh(id):
            return await self._secret_tokens.get(id)
        self._guesses.check("")
        token = await self._secret_tokens.get(id)
        if token is None:
            self._guesses.charge("")
        return token

    async def mac_key(self) -> bytes | None:
        """Return the MAC key of secret tokens, read once; `None` if it is missing, which is checked again after a while.

        Raises `StoreError`.
        """
        return self._mac_key.last("") or await self._mac_key.get("")

    async def _read_any(self, _: str) -> bool:
        if await self._records.any_exists():
            return True
        _log.critical("there is no customer: every response is 503 until 'scim customer create' creates one")
        return False

    async def _read_entra_tenants(self, _: str) -> Mapping[str, EntraTenant]:
        return {tenant.id: tenant for tenant in await self._records.entra_tenants()}

    async def _read_mac_key(self, _: str) -> bytes | None:
        key = await self._records.mac_key()
        if key is None:
            _log.error("the key of secret tokens is missing: every token is looked up; see docs/security.md")
        return key
