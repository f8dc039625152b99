"""Authenticates requests: chooses the check for the kind of token, caches its result, and applies the rate limit."""

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Final

from cachetools import LRUCache

from scim.protocol.errors import Unauthorized, Unavailable
from scim.security.bearer import bearer_token
from scim.security.customers.cached import CachedCustomers
from scim.security.dev_tokens import DevTokens
from scim.security.entra.tokens import EntraTokens
from scim.security.principal import Principal
from scim.security.rate_limit import RateLimit
from scim.security.secret_tokens import PREFIX, SecretTokens

_SECONDS: Final = 20.0
"""How long the result of a check is cached. Together with `cached.SECONDS`, a change takes effect within a minute."""
_SIZE: Final = 10_000
"""Cached results; the least recently used are dropped."""


class Authenticator:
    """Authenticates every request. `timer` gives seconds."""

    def __init__(
        self,
        dev_tokens: DevTokens,
        secret_tokens: SecretTokens,
        entra_tokens: EntraTokens,
        cached_customers: CachedCustomers,
        rate_limit: RateLimit,
        *,
        needs_customers: bool,
        clock: Callable[[], datetime],
        timer: Callable[[], float],
    ) -> None:
        """With `needs_customers`, requests get 503 with an explanation while no customer exists."""
        self._dev_tokens = dev_tokens
        self._secret_tokens = secret_tokens
        self._entra_tokens = entra_tokens
        self._cached_customers = cached_customers
        self._rate_limit = rate_limit
        self._needs_customers = needs_customers
        self._clock = clock
        self._timer = timer
        self._known: LRUCache[bytes, tuple[Principal, float]] = LRUCache(_SIZE)

    async def __call__(self, authorization: str | None) -> Principal:
        """Return the principal of the `Authorization` header. Raises `Unauthorized`, `Forbidden`, `TooManyRequests`,
        `Unavailable`.
        """
        try:
            token = bearer_token(authorization)
            digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
            cached = self._known.get(digest)
            if cached is not None and self._timer() < cached[1]:
                return cached[0]
            return self._dev_tokens.principal(digest) or await self._check(token, digest)
        except Unauthorized:
            if self._needs_customers and await self._cached_customers.is_empty():
                raise Unavailable(
                    "This service has no customers yet. The operator creates one with 'scim customer create'.",
                    retry_after=60,
                ) from None
            raise

    def count_request(self, principal: Principal) -> None:
        """Count the request against the customer's rate limit. Raises `TooManyRequests`."""
        if principal.is_rate_limited:
            self._rate_limit.take(principal.customer)

    async def _check(self, token: str, digest: bytes) -> Principal:
        now = self._timer()
        check = self._secret_tokens.check if token.startswith(PREFIX) else self._entra_tokens.check
        principal, expires = await check(token, digest)
        remaining = expires - self._clock().timestamp()
        self._known[digest] = principal, now + min(_SECONDS, remaining)
        return principal
