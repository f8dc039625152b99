"""Fixed bearer tokens for development, each for one customer. Never accepted on Azure."""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from scim.security.principal import Principal


class DevTokens:
    """Development tokens by their text: token -> customer."""

    def __init__(self, customers: Mapping[str, str]) -> None:
        self._customers = [
            (sha256(token.encode("utf-8", "surrogateescape")).digest(), Principal(customer, is_rate_limited=False))
            for token, customer in customers.items()
        ]

    def principal(self, digest: bytes) -> Principal | None:
        """Return the principal of the token with this SHA-256 digest; `None` if it isn't a development token."""
        found = None
        for own_digest, principal in self._customers:
            # All tokens are compared, and by their digests, so that the time reveals nothing about them.
            if hmac.compare_digest(digest, own_digest):
                found = principal
        return found
