"""The customers as requests see them: at most a few seconds old, and guarded against those who only guess.

Knows no token; what it is asked for comes from credentials that nobody has checked yet, so it says what is configured and
nothing else.

How it works: an id that somebody makes up must cost no read of the database. All Entra tenants are one cached list. The id of
a secret token is asked for only if the token's MAC is right, so that its record was there once. Only where the key of the
MACs is missing is every id looked for; a token bucket bounds how many of those that aren't there.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final

from scim.security.budget import Budget
from scim.security.customers import Customers
from scim.security.records import Customer, EntraTenant, SecretToken
from scim.security.remembered import Remembered

SECONDS: Final = 30.0
"""How old a record may be; with what the door remembers it stays below the minute after which a change must count."""

_GUESSES_A_SECOND: Final = 50.0
_GUESSES_AT_ONCE: Final = 500.0
_EMPTY_SECONDS: Final = 10.0

_log: Final = logging.getLogger("scim.security")


class Directory:
    """What is known of customers, Entra tenants and secret tokens. `timer` gives seconds."""

    def __init__(self, customers: Customers, *, timer: Callable[[], float]) -> None:
        self._guesses = Budget(_GUESSES_A_SECOND, _GUESSES_AT_ONCE, timer=timer)
        self._exist = Remembered(self._look_for_any, seconds=_EMPTY_SECONDS, timer=timer, size=1)
        self._records = customers
        self._customers = Remembered(customers.customer, seconds=SECONDS, timer=timer)
        self._entra_tenants = Remembered(self._read_entra_tenants, seconds=SECONDS, timer=timer, size=1)
        self._secret_tokens = Remembered(customers.secret_token, seconds=SECONDS, timer=timer)
        self._mac_key = Remembered(self._read_mac_key, seconds=SECONDS, timer=timer, size=1)

    async def is_empty(self) -> bool:
        """Whether there is no customer at all; once there was one it isn't looked up again."""
        return not (self._exist.last("") or await self._exist.get(""))

    async def customer(self, name: str) -> Customer | None:
        """A customer; the name comes from a record of ours."""
        return await self._customers.get(name)

    async def entra_tenant(self, id: str) -> EntraTenant | None:
        """Return the Entra tenant with this id."""
        return (await self._entra_tenants.get("")).get(id)

    async def secret_token(self, id: str) -> SecretToken | None:
        """Return the secret token with this id. Raises `TooManyRequests` when too many are asked for that don't exist."""
        if self._secret_tokens.last(id) is not None or self._secret_tokens.is_fresh(id):
            return await self._secret_tokens.get(id)
        self._guesses.check("")
        found = await self._secret_tokens.get(id)
        if found is None:
            self._guesses.charge("")
        return found

    async def mac_key(self) -> bytes | None:
        """Return the key of the MACs in secret tokens, read once; `None` if it is missing, which is checked again later."""
        return self._mac_key.last("") or await self._mac_key.get("")

    async def _look_for_any(self, _: str) -> bool:
        if await self._records.exist():
            return True
        _log.critical("there is no customer: every request is answered 503 until 'scim customer create' has made one")
        return False

    async def _read_entra_tenants(self, _: str) -> Mapping[str, EntraTenant]:
        return {tenant.id: tenant for tenant in await self._records.entra_tenants()}

    async def _read_mac_key(self, _: str) -> bytes | None:
        key = await self._records.mac_key()
        if key is None:
            _log.error(
                "the key of secret tokens is missing: every token is looked up; docs/security.md says what to do"
            )
        return key
