"""Fixed bearer tokens for development: each lets in one tenant. Never accepted on Azure."""

import hmac
from collections.abc import Mapping
from hashlib import sha256

from scim.security.principal import Principal


class DevTokens:
    """Tokens known beforehand: token -> tenant."""

    def __init__(self, tenants: Mapping[str, str]) -> None:
        self._tenants = [
            (sha256(token.encode("utf-8", "surrogateescape")).digest(), Principal(tenant, has_budget=False))
            for token, tenant in tenants.items()
        ]

    def principal(self, digest: bytes) -> Principal | None:
        """Whom the token with this SHA-256 lets in."""
        found = None
        for known, principal in self._tenants:
            # Every token is compared, and by digests, so that time tells nothing of either.
            if hmac.compare_digest(digest, known):
                found = principal
        return found
