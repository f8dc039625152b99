"""Signed tokens (JWS, RFC 7515) and RSA keys: read, and verified. Knows no claims.

The only file that imports the library for it, and with that cryptography; so it is imported itself by who first needs it.
"""

import re
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact

from scim.protocol.json import Json

_ALGORITHM: Final = "RS256"
_REGISTRY: Final = JWSRegistry(algorithms=[_ALGORITHM])
_COMPACT: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_LEAST_BITS: Final = 2048
# A key, or where to get one, that came with the token; and extensions that must be understood or refused (§4.1.11).
_NEVER: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})


def read(token: str) -> CompactSignature | None:
    """Header and payload of a token in compact form (§7.1), of which nothing is checked yet; `None` if it has another."""
    if _COMPACT.fullmatch(token) is None:
        return None
    try:
        return extract_compact(token.encode(), registry=_REGISTRY)
    except (JoseError, ValueError, RecursionError):
        return None


def key_name(signed: CompactSignature) -> str | None:
    """The `kid`, if the header is of the form of Entra ID's and holds nothing that we would have to believe."""
    header = signed.headers()
    kid = header.get("kid")
    plain = header.get("alg") == _ALGORITHM and not _NEVER & header.keys() and header.get("typ", "JWT") == "JWT"
    return kid if plain and isinstance(kid, str) else None


def is_signed_with(signed: CompactSignature, key: RSAKey) -> bool:
    """Whether the signature is the key's."""
    try:
        return validate_compact(signed, key, registry=_REGISTRY)
    except JoseError:
        return False


def rsa_key(entry: Json) -> tuple[str, RSAKey] | None:
    """Name and key of an entry of a JWKS (RFC 7517 §4), if it is an RSA key for signatures of at least 2,048 bits."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
        return None
    try:
        # Only what makes the key: Entra's entries have more, such as certificates.
        key = RSAKey.import_key({name: entry[name] for name in ("kty", "n", "e")})
        return (entry["kid"], key) if key.public_key.key_size >= _LEAST_BITS else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
