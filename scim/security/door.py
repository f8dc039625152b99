"""The door: the one way in. Which kind of token it is, whom it lets in, and how often they may come."""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Final

from cachetools import LRUCache

from scim.protocol.errors import Unauthorized, Unavailable
from scim.security.bearer import candidate
from scim.security.budget import Budget
from scim.security.dev_token import DevTokens
from scim.security.directory import Directory
from scim.security.entra_tokens import EntraTokens
from scim.security.principal import Principal
from scim.security.secret_tokens import PREFIX, SecretTokens

_SECONDS: Final = 20.0
"""How long a check counts. With the age that the directory's records may have it is below a minute."""
_SIZE: Final = 10_000


class Door:
    """Authenticates every request. `timer` gives seconds."""

    def __init__(
        self,
        dev_tokens: DevTokens,
        secret_tokens: SecretTokens,
        entra_tokens: EntraTokens,
        directory: Directory,
        budget: Budget,
        *,
        needs_customers: bool,
        clock: Callable[[], datetime],
        timer: Callable[[], float],
    ) -> None:
        """With `needs_customers`, a service that has none says so instead of refusing everybody."""
        self._dev_tokens = dev_tokens
        self._secret_tokens = secret_tokens
        self._entra_tokens = entra_tokens
        self._directory = directory
        self._budget = budget
        self._needs_customers = needs_customers
        self._clock = clock
        self._timer = timer
        self._known: LRUCache[bytes, tuple[Principal, float]] = LRUCache(_SIZE)

    async def __call__(self, authorization: str | None) -> Principal:
        """Raises `Unauthorized`, `Forbidden`, `TooManyRequests`, `Unavailable` or a `StoreError`."""
        try:
            token = candidate(authorization)
            digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
            known = self._known.get(digest)
            if known is not None and self._timer() < known[1]:
                return known[0]
            return self._dev_tokens.principal(digest) or await self._check(token, digest)
        except Unauthorized:
            if self._needs_customers and await self._directory.is_empty():
                raise Unavailable(
                    "This service has no customers yet; its operator makes one with 'scim customer create'.",
                    retry_after=60,
                ) from None
            raise

    def admit(self, principal: Principal) -> None:
        """Raises `TooManyRequests` if the tenant has used up its budget."""
        if principal.has_budget:
            self._budget.take(principal.tenant)

    async def _check(self, token: str, digest: bytes) -> Principal:
        now = self._timer()
        check = self._secret_tokens.check if token.startswith(PREFIX) else self._entra_tokens.check
        principal, expires = await check(token)
        left = expires - self._clock().timestamp()
        self._known[digest] = principal, now + min(_SECONDS, left)
        return principal
