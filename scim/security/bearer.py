"""The `Authorization` header: the bearer token in it, and the challenges that answer it (RFC 6750 §2.1, §3)."""

from typing import Final

from scim.protocol.errors import Forbidden, Unauthorized

_REALM: Final = 'Bearer realm="scim"'
_LONGEST: Final = 16 * 1024
"""Characters; tokens of Entra ID have between one and two thousand."""


def missing() -> Unauthorized:
    """The answer to a request without a credential, which therefore names no error (RFC 6750 §3.1)."""
    return Unauthorized(
        "The request has no 'Authorization: Bearer' header.", headers={"WWW-Authenticate": _REALM}, reason="no-token"
    )


def invalid(detail: str = "The bearer token isn't valid.", *, reason: str) -> Unauthorized:
    """Return the error for a refused token. The `detail` says why only if the token is genuine; `reason` is for the log."""
    return Unauthorized(detail, headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}, reason=reason)


def insufficient(detail: str, *, reason: str = "") -> Forbidden:
    """Return the error for a known client that may not do this."""
    return Forbidden(detail, headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope"'}, reason=reason)


def candidate(authorization: str | None) -> str:
    """What stands where the token must stand; only its length is checked. Raises `Unauthorized`."""
    if authorization is None:
        raise missing()
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise missing()
    if len(token) > _LONGEST:
        raise invalid(reason="too-long")
    return token.strip()
