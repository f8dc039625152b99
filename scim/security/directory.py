"""The customers as requests see them: at most a few seconds old, and guarded against those who only guess.

Knows no token; what it is asked for comes from credentials that nobody has checked yet, so it says what is configured and
nothing else.
"""

import logging
from collections.abc import Callable
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
        # Every id that somebody makes up costs a read of the database.
        self._guesses = Budget(_GUESSES_A_SECOND, _GUESSES_AT_ONCE, timer=timer)
        self._exist = Remembered(self._look_for_any, seconds=_EMPTY_SECONDS, timer=timer)
        self._records = customers
        self._customers = Remembered(customers.customer, seconds=SECONDS, timer=timer)
        self._entra_tenants = Remembered(customers.entra_tenant, seconds=SECONDS, timer=timer)
        self._secret_tokens = Remembered(customers.secret_token, seconds=SECONDS, timer=timer)

    async def is_empty(self) -> bool:
        """Whether there is no customer at all; once there was one it isn't looked up again."""
        return not (self._exist.last("") or await self._exist.get(""))

    async def customer(self, name: str) -> Customer | None:
        """A customer; the name comes from a record of ours."""
        return await self._customers.get(name)

    async def entra_tenant(self, id: str) -> EntraTenant | None:
        """The Entra tenant with this id. Raises `TooManyRequests` when too many are asked for that don't exist."""
        return await self._guarded(self._entra_tenants, id)

    async def secret_token(self, id: str) -> SecretToken | None:
        """The secret token with this id. Raises `TooManyRequests` when too many are asked for that don't exist."""
        return await self._guarded(self._secret_tokens, id)

    async def _look_for_any(self, _: str) -> bool:
        if await self._records.exist():
            return True
        _log.critical("there is no customer: every request is answered 503 until 'scim customer create' has made one")
        return False

    async def _guarded[T](self, remembered: Remembered[T | None], id: str) -> T | None:
        if remembered.last(id) is not None or remembered.is_fresh(id):
            return await remembered.get(id)
        self._guesses.take("")
        found = await remembered.get(id)
        if found is not None:
            self._guesses.give_back("")
        return found
