"""Reads the `Authorization` header, and builds the errors with their `WWW-Authenticate` challenge (RFC 6750 §2.1, §3)."""

from typing import Final

from scim.protocol.errors import Forbidden, Unauthorized

_REALM: Final = 'Bearer realm="scim"'
_MAX_LENGTH: Final = 16 * 1024
"""The most characters of a token. Tokens of Entra ID have between one and two thousand."""


def missing() -> Unauthorized:
    """Return the error for a request without a credential. Its challenge names no error (RFC 6750 §3.1)."""
    return Unauthorized(
        "The request needs an 'Authorization' header with a bearer token.",
        headers={"WWW-Authenticate": _REALM},
        reason="no-token",
    )


def invalid(detail: str = "The bearer token isn't valid.", *, reason: str) -> Unauthorized:
    """Return the error for a refused token. `detail` gives the reason only for a genuine token; `reason` is for the log."""
    return Unauthorized(detail, headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}, reason=reason)


def insufficient(detail: str, *, reason: str = "") -> Forbidden:
    """Return the error for an authenticated client that lacks the required access. `reason` is for the log."""
    return Forbidden(detail, headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope"'}, reason=reason)


def bearer_token(authorization: str | None) -> str:
    """Return the token in the header, unchecked except for its length. Raises `Unauthorized`."""
    if authorization is None:
        raise missing()
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise missing()
    if len(token) > _MAX_LENGTH:
        raise invalid(reason="too-long")
    return token.strip()
