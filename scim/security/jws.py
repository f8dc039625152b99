"""Signed tokens (JWS, RFC 7515) and RSA keys: read, and verified. Knows no claims.

The only file that imports the library for it, and with that cryptography; so it is imported itself by who first needs it. The
compact form is taken apart here and not by the library, which takes twice as long for it.
"""

import base64
import re
from dataclasses import dataclass
from typing import Final

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from scim.protocol.json import Json

_NAME: Final = "RS256"
_ALGORITHM: Final = JWSRegistry(algorithms=[_NAME]).get_alg(_NAME)
_COMPACT: Final = re.compile(r"([\w-]+)\.([\w-]+)\.([\w-]+)", re.ASCII)
_LEAST_BITS: Final = 2048
# A key, or where to get one, that came with the token; and what must be understood or refused (§4.1.11). Others are left
# unread (§4), so that Entra ID may add to its headers.
_NEVER: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})


@dataclass(frozen=True, slots=True)
class Signed:
    """A token taken apart, of which nothing is checked yet."""

    kid: str
    payload: bytes
    signing_input: bytes
    signature: bytes


def read(token: str) -> Signed | None:
    """A token in compact form (§7.1) with a header of the form of Entra ID's; `None` for any other text."""
    parts = _COMPACT.fullmatch(token)
    if parts is None:
        return None
    try:
        header: Json = orjson.loads(_decoded(parts[1]))
        payload, signature = _decoded(parts[2]), _decoded(parts[3])
    except ValueError:
        return None
    if not isinstance(header, dict) or header.keys() & _NEVER:
        return None
    kid = header.get("kid")
    if header.get("alg") != _NAME or header.get("typ", "JWT") != "JWT" or not isinstance(kid, str):
        return None
    return Signed(kid, payload, token[: parts.end(2)].encode(), signature)


def is_signed_with(signed: Signed, key: RSAKey) -> bool:
    """Whether the signature is the key's."""
    return bool(_ALGORITHM.verify(signed.signing_input, signed.signature, key))


def rsa_key(entry: Json) -> tuple[str, RSAKey] | None:
    """Name and key of an entry of a JWKS (RFC 7517 §4), if it is an RSA key for signatures of at least 2,048 bits."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
        return None
    if len(str(entry.get("n"))) * 6 < _LEAST_BITS:
        return None  # in base64; the library would take the key and warn
    try:
        # Only what makes the key: Entra's entries have more, such as certificates.
        key = RSAKey.import_key({name: entry[name] for name in ("kty", "n", "e")})
        return (entry["kid"], key) if key.public_key.key_size >= _LEAST_BITS else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _decoded(segment: str) -> bytes:
    """base64url without padding (§2). Raises `ValueError`."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
