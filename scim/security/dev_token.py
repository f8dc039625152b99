"""Fixed bearer tokens for development: each lets in one tenant. Never accepted on Azure."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from scim.protocol.errors import Unauthorized
from scim.security.principal import Principal

_REALM: Final = 'Bearer realm="scim"'


class DevTokens:
    """Authenticates by tokens known beforehand: token -> tenant."""

    def __init__(self, tenants: Mapping[str, str]) -> None:
        self._tenants = [(_digest(token), Principal(tenant)) for token, tenant in tenants.items()]

    async def __call__(self, authorization: str | None) -> Principal:
        """Raises `Unauthorized` with the challenge of RFC 6750 §3."""
        if authorization is None:
            raise Unauthorized(
                "The request has no 'Authorization: Bearer' header.", headers={"WWW-Authenticate": _REALM}
            )
        scheme, _, token = authorization.strip().partition(" ")
        given = _digest(token.strip())
        found = None
        for known, principal in self._tenants:
            # Every token is compared, and by digests, so that time tells nothing of either.
            if hmac.compare_digest(given, known):
                found = principal
        if found is None or scheme.lower() != "bearer":
            raise Unauthorized(
                "The bearer token isn't valid.", headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
            )
        return found


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
