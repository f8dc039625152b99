"""Parses signed tokens (JWS, RFC 7515) and RSA keys, and verifies signatures. Knows no claims.

The only module that imports joserfc and with it cryptography. So its callers import it when they first need it. It
parses the compact form itself, which takes half the time of the library.
"""

import binascii
import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from scim.protocol.json import Json

_NAME: Final = "RS256"
_ALGORITHM: Final = JWSRegistry(algorithms=[_NAME]).get_alg(_NAME)
_LEAST_BITS: Final = 2048
_LONGEST_KID: Final = 256
# RFC 4648 §3.5: the unused bits of the last character must be zero, or one token would have several spellings.
_LAST: Final[Mapping[int, str]] = {
    0: f"{string.ascii_letters}{string.digits}-_",
    1: "",
    2: "AQgw",
    3: "AEIMQUYcgkosw048",
}
# Header parameters with a key or its address, and `crit`, which must be understood or refused (§4.1.11). Others are
# ignored (§4), so that Entra ID may add header parameters.
_NEVER: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})


_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class Signed:
    """A parsed token. Nothing of it has been verified."""

    kid: str
    payload: bytes
    signing_input: bytes
    signature: bytes


def read(token: str) -> Signed | None:
    """Parse a token in compact form (§7.1) with a header as Entra ID writes it; return `None` for any other text."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        header: Json = _JSON.decode(_decode(parts[0]).decode())
        payload, signature = _decode(parts[1]), _decode(parts[2])
    except (ValueError, RecursionError):
        return None
    if not isinstance(header, dict) or header.keys() & _NEVER:
        return None
    kid = header.get("kid")
    if header.get("alg") != _NAME or header.get("typ", "JWT") != "JWT":
        return None
    if not isinstance(kid, str) or not 1 <= len(kid) <= _LONGEST_KID:
        return None
    return Signed(kid, payload, token[: -len(parts[2]) - 1].encode(), signature)


def has_unique_names(content: bytes) -> bool:
    """Return whether this is JSON in which no object has the same name twice (RFC 7519 §4)."""
    try:
        _JSON.decode(content.decode())
    except (ValueError, RecursionError):
        return False
    return True


def verify(signed: Signed, key: RSAKey) -> bool:
    """Return whether the signature was made with the key."""
    return bool(_ALGORITHM.verify(signed.signing_input, signed.signature, key))


def rsa_key(entry: Json) -> tuple[str, RSAKey] | None:
    """Return the `kid` and the key of a JWKS entry (RFC 7517 §4); `None` unless it is an RSA key of 2,048 bits for
    signatures.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig" or entry.get("alg", _NAME) != _NAME:
        return None  # another key type, use or algorithm (§4.2, §4.4)
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None  # (§4.3)
    if len(str(entry.get("n"))) * 6 < _LEAST_BITS:
        return None  # base64 instead of base64url, which the library accepts with a warning
    try:
        # Only the parameters of the key: Entra's entries have more, such as certificates.
        key = RSAKey.import_key({name: entry[name] for name in ("kty", "n", "e")})
        return (entry["kid"], key) if key.public_key.key_size >= _LEAST_BITS else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _decode(segment: str) -> bytes:
    """Decode base64url without padding (§2) in its canonical spelling. Raises `ValueError`."""
    of_another_alphabet = "+" in segment or "/" in segment or "=" in segment
    if not segment or of_another_alphabet or segment[-1] not in _LAST[len(segment) % 4]:
        raise ValueError("isn't canonical base64url")
    # `base64.urlsafe_b64decode` ignores characters outside the alphabet, and `validate` doubles its time.
    standard = segment.encode("ascii").translate(_TO_STANDARD)
    return binascii.a2b_base64(standard + b"=" * (-len(segment) % 4), strict_mode=True)


def _with_unique_names(pairs: list[tuple[str, Json]]) -> Json:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has a name twice")
    return value


_JSON: Final = json.JSONDecoder(object_pairs_hook=_with_unique_names)
