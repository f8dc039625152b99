"""Attacks on the door, by name: what each sends in place of an honest token. Judges nothing; `test_attacks` does."""

import asyncio
import hmac
import json
import string
import zlib
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from time import time
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from scim.app import utc_now
from scim.ids import uuid7
from scim.security import secret_tokens
from scim.security.clouds import CLOUDS, SYNC_FABRIC, Version
from scim.security.customers.repository import Customers
from scim.storage.sqlite.store import SqliteStore
from tests.security.conftest import scim, secret_token
from tests.security.issuer import CONTOSO, FABRIKAM, PRODUCT, SIGN_IN, STRANGER, Issuer, rsa_key, signed

OF_THE_ATTACKER: Final = rsa_key(9)
"""A key that no tenant publishes."""
WITH_ROLE: Final = "api://needs-a-role"
"""An audience whose tokens must have the role `Directory.Provision`."""
REMOVED: Final = "4e40fed0-5555-4555-8555-555555555555"
"""The Entra tenant of a customer that was removed."""
_GLOBAL: Final = CLOUDS["global"]


@dataclass(frozen=True, slots=True)
class Scene:
    """What an attack has to work with."""

    issuer: Issuer
    attacker: Issuer
    """Serves the attacker's keys under the name of every tenant."""
    data: Path


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is put into every request of an attack; nothing of the `tokens` may show in an answer or a log line."""

    tokens: tuple[str, ...]
    headers: Mapping[str, str]
    error: str | None = "invalid_token"
    """What the challenge must say (RFC 6750 §3.1); `None` where no bearer token was sent."""
    query: str = ""
    body: Any = None


# --- making tokens by hand ---


def encoded(content: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def compact(header: Any, payload: Any, signature: bytes = b"") -> str:
    """A token of whatever parts; those that aren't bytes yet become JSON."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
    return ".".join((*map(encoded, parts), encoded(signature)))


def _unsigned(scene: Scene, algorithm: str) -> str:
    return compact(scene.issuer.header(alg=algorithm), scene.issuer.claims())


def _with_mac(scene: Scene, secret: bytes) -> str:
    """HS256 with something that everybody knows as the secret."""
    text = compact(scene.issuer.header(alg="HS256"), scene.issuer.claims()).rstrip(".")
    return f"{text}.{encoded(hmac.digest(secret, text.encode(), 'sha256'))}"


def _forged(scene: Scene, **header: Any) -> str:
    """Signed by the attacker."""
    return signed(scene.issuer.claims(), scene.issuer.header(**header), OF_THE_ATTACKER)


def _genuine(scene: Scene, **header: Any) -> str:
    """Signed by the customer's tenant, but with another header, which may be one that a library wouldn't make."""
    text = compact(scene.issuer.header(**header), scene.issuer.claims()).rstrip(".")
    key: Any = rsa_key(0).private_key
    return f"{text}.{encoded(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _of_payload(payload: bytes) -> Callable[[Scene], str]:
    return lambda scene: signed(payload, scene.issuer.header(), rsa_key(0))


def _of_header(header: Any) -> Callable[[Scene], str]:
    """A header that isn't one, before the payload and the signature of a good token."""
    return lambda scene: ".".join((compact(header, b"").split(".")[0], *scene.issuer.token().split(".")[1:]))


def _certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "accounts.accesscontrol.windows.net")])
    now = datetime.now(UTC)
    key: Any = OF_THE_ATTACKER.private_key
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def _keys_of_the_attacker(scene: Scene) -> str:
    return f"{scene.attacker.origin}/login.microsoftonline.com/{CONTOSO}/discovery/keys"


def _text(change: Callable[[str, str, str], str]) -> Callable[[Scene], str]:
    """The parts of a good token put together in another way."""

    def changed(scene: Scene) -> str:
        header, payload, signature = scene.issuer.token().split(".")
        return change(header, payload, signature)

    return changed


def _flipped(part: str) -> str:
    content = bytearray(urlsafe_b64decode(part + "=="))
    content[len(content) // 2] ^= 1
    return encoded(bytes(content))


def _with(part: str, **changes: Any) -> str:
    return encoded(json.dumps({**json.loads(urlsafe_b64decode(part + "==")), **changes}).encode())


def _with_header(scene: Scene, header: bytes) -> str:
    """A token with a good signature over this text as its header."""
    text = compact(header, scene.issuer.claims()).rstrip(".")
    key: Any = rsa_key(0).private_key
    return f"{text}.{encoded(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _respelt(part: str) -> str:
    """The same bytes in base64url with another last character, whose bits that are left over aren't zero."""
    alphabet = f"{string.ascii_uppercase}{string.ascii_lowercase}{string.digits}-_"
    other = f"{part[:-1]}{alphabet[alphabet.index(part[-1]) + 1]}"
    padding = "=" * (-len(part) % 4)
    if urlsafe_b64decode(other + padding) != urlsafe_b64decode(part + padding):
        raise ValueError("these are other bytes")
    return other


def _respelt_part(scene: Scene, number: int) -> str:
    """A token whose header or payload is respelt and signed as it is then."""
    tokens = (scene.issuer.token(uti="x" * length) for length in count())
    if number == 0:
        header = next(h for n in count() if len(h := json.dumps(scene.issuer.header(x5t="x" * n)).encode()) % 3)
        head, payload = encoded(header), scene.issuer.token().split(".")[1]
    else:
        head, payload, _ = next(token for token in tokens if len(token.split(".")[1]) % 4).split(".")
    parts = [head, payload]
    parts[number] = _respelt(parts[number])
    text = ".".join(parts)
    key: Any = rsa_key(0).private_key
    return f"{text}.{encoded(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _in_standard_base64(scene: Scene) -> str:
    tokens = (scene.issuer.token(uti=str(number)) for number in count())
    return next(token for token in tokens if {"-", "_"} & set(token)).replace("-", "+").replace("_", "/")


def _padded(scene: Scene) -> str:
    # The signature's 256 bytes always need padding.
    return f"{scene.issuer.token()}=="


def _swapped(scene: Scene) -> str:
    head, _, _ = scene.issuer.token().rpartition(".")
    return f"{head}.{scene.issuer.token(oid='another').rpartition('.')[2]}"


# Signed by nobody, by somebody else or with something else than RS256; then changed, of a wrong form, or of a wrong tenant.
_FORGED: Final[Mapping[str, Callable[[Scene], str]]] = {
    "alg none": lambda scene: _unsigned(scene, "none"),
    "alg None": lambda scene: _unsigned(scene, "None"),
    "alg NONE": lambda scene: _unsigned(scene, "NONE"),
    "alg empty": lambda scene: _unsigned(scene, ""),
    "alg none with a signature": lambda scene: compact(
        scene.issuer.header(alg="none"), scene.issuer.claims(), b"x" * 256
    ),
    "alg none over a good signature": _text(lambda h, p, s: f"{_with(h, alg='none')}.{p}.{s}"),
    "alg missing": lambda scene: compact(scene.issuer.header(alg=None), scene.issuer.claims(), b"x" * 256),
    "alg a number": _of_header({"alg": 1, "kid": "key-0"}),
    "alg a list": _of_header({"alg": ["RS256"], "kid": "key-0"}),
    "alg in lower case": _of_header({"alg": "rs256", "kid": "key-0"}),
    "HS256 with the public key as PEM": lambda scene: _with_mac(scene, rsa_key(0).as_pem(private=False)),
    "HS256 with the public key as DER": lambda scene: _with_mac(scene, rsa_key(0).as_der(private=False)),
    "HS256 with the public key as JWK": lambda scene: _with_mac(
        scene, json.dumps(rsa_key(0).as_dict(private=False)).encode()
    ),
    "HS256 with the modulus": lambda scene: _with_mac(scene, str(rsa_key(0).as_dict(private=False)["n"]).encode()),
    "HS256 with the kid": lambda scene: _with_mac(scene, b"key-0"),
    "HS256 with nothing": lambda scene: _with_mac(scene, b""),
    "RS384": lambda scene: signed(scene.issuer.claims(), scene.issuer.header(alg="RS384"), rsa_key(0), "RS384"),
    "RS512": lambda scene: signed(scene.issuer.claims(), scene.issuer.header(alg="RS512"), rsa_key(0), "RS512"),
    "PS256": lambda scene: signed(scene.issuer.claims(), scene.issuer.header(alg="PS256"), rsa_key(0), "PS256"),
    "ES256": lambda scene: signed(
        scene.issuer.claims(), scene.issuer.header(alg="ES256"), ECKey.generate_key("P-256"), "ES256"
    ),
    "a key of the attacker under the tenant's kid": _forged,
    "a key of the attacker under its own kid": lambda scene: _forged(scene, kid="key-9"),
    "jwk": lambda scene: _forged(scene, jwk=OF_THE_ATTACKER.as_dict(private=False)),
    "jwk under its own kid": lambda scene: _forged(scene, kid="key-9", jwk=OF_THE_ATTACKER.as_dict(private=False)),
    "jku": lambda scene: _forged(scene, jku=_keys_of_the_attacker(scene)),
    "jku under its own kid": lambda scene: _forged(scene, kid="key-9", jku=_keys_of_the_attacker(scene)),
    "jku in a token that the tenant has signed": lambda scene: _genuine(scene, jku=_keys_of_the_attacker(scene)),
    "x5u": lambda scene: _forged(scene, x5u=_keys_of_the_attacker(scene)),
    "x5u under its own kid": lambda scene: _forged(scene, kid="key-9", x5u=_keys_of_the_attacker(scene)),
    "x5c": lambda scene: _forged(scene, x5c=[b64encode(_certificate()).decode()]),
    "x5t": lambda scene: _forged(scene, kid=None, x5t="key-0"),
    "kid is an address": lambda scene: _forged(scene, kid=_keys_of_the_attacker(scene)),
    "iss is an address of the attacker": lambda scene: signed(
        scene.issuer.claims(iss=f"{scene.attacker.origin}/{CONTOSO}/"), scene.issuer.header(), OF_THE_ATTACKER
    ),
    "crit": lambda scene: _genuine(scene, crit=["exp"], exp=1),
    "crit with an extension that nobody knows": lambda scene: _genuine(scene, crit=["magic"], magic=True),
    "b64 false": _text(lambda h, p, s: f"{_with(h, b64=False, crit=['b64'])}.{p}.{s}"),
    "zip": lambda scene: signed(
        zlib.compress(json.dumps(scene.issuer.claims()).encode())[2:-4], scene.issuer.header(zip="DEF"), rsa_key(0)
    ),
    "typ of another kind of token": lambda scene: _genuine(scene, typ="dpop+jwt"),
    "typ a number": lambda scene: _genuine(scene, typ=1),
    "kid missing": lambda scene: _genuine(scene, kid=None),
    "kid empty": lambda scene: _genuine(scene, kid=""),
    "kid a number": _of_header({"alg": "RS256", "kid": 0}),
    "kid a list": _of_header({"alg": "RS256", "kid": ["key-0"]}),
    "kid null": _of_header({"alg": "RS256", "kid": None}),
    "kid huge": lambda scene: _forged(scene, kid="key-0" * 1_500),
    "kid in upper case": lambda scene: _genuine(scene, kid="KEY-0"),
    "kid a path": lambda scene: _forged(scene, kid="../../../../dev/null"),
    "kid SQL": lambda scene: _forged(scene, kid="key-0' OR '1'='1' --"),
    "kid half a surrogate pair": lambda scene: _forged(scene, kid="\ud800key-0"),
    "kid that nobody has": lambda scene: _forged(scene, kid="a-kid-that-nobody-has"),
    "kid and key of another customer's tenant": lambda scene: signed(
        scene.issuer.claims(), scene.issuer.header(FABRIKAM), rsa_key(1)
    ),
    "key of another customer's tenant under the tenant's kid": lambda scene: signed(
        scene.issuer.claims(), scene.issuer.header(), rsa_key(1)
    ),
    "header a text": _of_header("alg"),
    "header a list": _of_header(["alg", "kid"]),
    "header null": _of_header(None),
    "header not JSON": _of_header(b"alg=RS256"),
    "header not UTF-8": _of_header(b'{"alg":"RS256","kid":"key-0\xff"}'),
    "header nested deeply": _of_header(b'{"alg":"RS256","kid":' + b"[" * 4_000),
    "header another than was signed": _text(lambda h, p, s: f"{_with(h, x5t='changed')}.{p}.{s}"),
    "payload another than was signed": _text(lambda h, p, s: f"{h}.{_with(p, roles=['Everything'])}.{s}"),
    "payload with another tenant than was signed": _text(
        lambda h, p, s: f"{h}.{_with(p, tid=FABRIKAM, iss=f'{_GLOBAL.v1_issuer}/{FABRIKAM}/')}.{s}"
    ),
    "a bit of the signature flipped": _text(lambda h, p, s: f"{h}.{p}.{_flipped(s)}"),
    "signature cut off": _text(lambda h, p, s: f"{h}.{p}.{s[:-4]}"),
    "signature twice": _text(lambda h, p, s: f"{h}.{p}.{s}{s}"),
    "signature all zeros": _text(lambda h, p, s: f"{h}.{p}.{encoded(bytes(256))}"),
    "signature empty": _text(lambda h, p, s: f"{h}.{p}."),
    "signature stripped": _text(lambda h, p, s: f"{h}.{p}"),
    "signature of another token": _swapped,
    "the payload alone": _text(lambda h, p, s: p),
    "no header": _text(lambda h, p, s: f".{p}.{s}"),
    "no payload": _text(lambda h, p, s: f"{h}..{s}"),
    "dots alone": _text(lambda h, p, s: ".."),
    "four segments": _text(lambda h, p, s: f"{h}.{p}.{s}.{s}"),
    "five segments, as a JWE": _text(lambda h, p, s: f"{_with(h, alg='RSA-OAEP', enc='A256GCM')}.{s}.{p}.{p}.{s}"),
    "a blank inside": _text(lambda h, p, s: f"{h}. {p}.{s}"),
    "a tab inside": _text(lambda h, p, s: f"{h}.\t{p}.{s}"),
    "a line break inside": _text(lambda h, p, s: f"{h}.{p}\r\n.{s}"),
    "a comma behind": _text(lambda h, p, s: f"{h}.{p}.{s},"),
    "a null character inside": _text(lambda h, p, s: f"{h}.{p}\0.{s}"),
    "a letter of another alphabet inside": _text(lambda h, p, s: f"{h}.{p}.{s[:-1]}\u0430"),
    "in quotes": _text(lambda h, p, s: f'"{h}.{p}.{s}"'),
    "base64 with padding": _padded,
    "base64 in the standard alphabet": _in_standard_base64,
    "1 MB of junk": lambda scene: "a-megabyte-of-junk." * 55_000,
    "1 MB of dots": lambda scene: "." * 1_000_000,
    "1 MB of signed claims": lambda scene: scene.issuer.token(aio="E2ZgYLgU" * 100_000),
    "17 KB of signed claims": lambda scene: scene.issuer.token(aio="E2ZgYLgU" * 1_600),
    "1 MB of header": lambda scene: _genuine(scene, x5t="E2ZgYLgU" * 100_000),
    "payload nested deeply": _of_payload(b'{"tid":' * 1_500 + b"1" + b"}" * 1_500),
    "payload a list": lambda scene: signed([scene.issuer.claims()], scene.issuer.header(), rsa_key(0)),
    "payload a text": _of_payload(json.dumps(CONTOSO).encode()),
    "payload a number": _of_payload(b"1234567"),
    "payload null": _of_payload(b"null"),
    "payload an empty object": _of_payload(b"{}"),
    "payload not JSON": _of_payload(b"tid=" + CONTOSO.encode()),
    "payload not UTF-8": lambda scene: signed(
        json.dumps(scene.issuer.claims(aio="x")).encode().replace(b'"x"', b'"\xff\xfe"'),
        scene.issuer.header(),
        rsa_key(0),
    ),
    "payload with something behind": lambda scene: signed(
        json.dumps(scene.issuer.claims()).encode() + b"{}", scene.issuer.header(), rsa_key(0)
    ),
    "a stranger's token with a second tid": lambda scene: signed(
        json.dumps(scene.issuer.claims(STRANGER)).encode()[:-1] + f', "tid": "{CONTOSO}"}}'.encode(),
        scene.issuer.header(STRANGER),
        rsa_key(2),
    ),
    "a claim twice with the same value": lambda scene: signed(
        json.dumps(scene.issuer.claims()).encode()[:-1] + f', "tid": "{CONTOSO}"}}'.encode(),
        scene.issuer.header(),
        rsa_key(0),
    ),
    "a claim twice, the first one another's": lambda scene: signed(
        f'{{"tid": "{STRANGER}", '.encode() + json.dumps(scene.issuer.claims()).encode()[1:],
        scene.issuer.header(),
        rsa_key(0),
    ),
    "a header's entry twice": lambda scene: _with_header(
        scene, b'{"alg":"RS256","typ":"JWT","kid":"key-1","kid":"key-0"}'
    ),
    "alg twice": lambda scene: _with_header(scene, b'{"alg":"none","kid":"key-0","alg":"RS256"}'),
    "header with a byte order mark": lambda scene: _with_header(scene, b'\xef\xbb\xbf{"alg":"RS256","kid":"key-0"}'),
    "a signature whose last character has bits left over": _text(lambda h, p, s: f"{h}.{p}.{_respelt(s)}"),
    "a header whose last character has bits left over": lambda scene: _respelt_part(scene, 0),
    "a payload whose last character has bits left over": lambda scene: _respelt_part(scene, 1),
    "a second aud": lambda scene: signed(
        json.dumps(scene.issuer.claims()).encode()[:-1] + b', "aud": "another-audience"}',
        scene.issuer.header(),
        rsa_key(0),
    ),
    "a stranger's token": lambda scene: scene.issuer.token(STRANGER),
    "a stranger's token of version 2.0": lambda scene: scene.issuer.token(STRANGER, "2.0"),
    "a stranger's token with the customer's tid": lambda scene: scene.issuer.token(STRANGER, tid=CONTOSO),
    "a stranger's token with the customer's iss": lambda scene: scene.issuer.token(
        STRANGER, iss=f"{_GLOBAL.v1_issuer}/{CONTOSO}/"
    ),
    "a stranger's token with the customer's iss and tid": lambda scene: scene.issuer.token(
        STRANGER, iss=f"{_GLOBAL.v1_issuer}/{CONTOSO}/", tid=CONTOSO
    ),
    "tid of another customer": lambda scene: scene.issuer.token(tid=FABRIKAM),
    "iss of another customer": lambda scene: scene.issuer.token(iss=f"{_GLOBAL.v1_issuer}/{FABRIKAM}/"),
    "iss and tid of another customer": lambda scene: scene.issuer.token(
        iss=f"{_GLOBAL.v1_issuer}/{FABRIKAM}/", tid=FABRIKAM
    ),
    "expired by a second": lambda scene: scene.issuer.token(exp=int(time()) - 301),
    "expired by a day": lambda scene: scene.issuer.token(exp=int(time()) - 86_400),
    "of a customer that was removed": lambda scene: scene.issuer.token(REMOVED),
}

_V1: Final[Version] = "1.0"
_V2: Final[Version] = "2.0"
_NOW: Final = int(time())
# Each is signed by the customer's own tenant, as it should be; version, and the claims that are changed.
_CLAIMS: Final[Mapping[str, tuple[Version, Mapping[str, Any]]]] = {
    "tid in upper case": (_V1, {"tid": CONTOSO.upper()}),
    "tid and iss in upper case": (_V1, {"tid": CONTOSO.upper(), "iss": f"{_GLOBAL.v1_issuer}/{CONTOSO.upper()}/"}),
    "tid in braces": (_V1, {"tid": f"{{{CONTOSO}}}"}),
    "tid and iss in braces": (_V1, {"tid": f"{{{CONTOSO}}}", "iss": f"{_GLOBAL.v1_issuer}/{{{CONTOSO}}}/"}),
    "tid without hyphens": (_V1, {"tid": CONTOSO.replace("-", "")}),
    "tid missing": (_V1, {"tid": None}),
    "tid empty": (_V1, {"tid": ""}),
    "tid a number": (_V1, {"tid": 1234567}),
    "tid a list": (_V1, {"tid": [CONTOSO]}),
    "tid a path": (_V1, {"tid": "../../../etc/passwd", "iss": f"{_GLOBAL.v1_issuer}/../../../etc/passwd/"}),
    "tid a path to the tenant": (_V1, {"tid": f"{STRANGER}/../{CONTOSO}"}),
    "tid with a line break": (_V1, {"tid": f"{CONTOSO}\n"}),
    "tid SQL": (_V1, {"tid": f"{CONTOSO}' OR '1'='1"}),
    "tid common": (_V2, {"tid": "common", "iss": f"{_GLOBAL.authority}/common/v2.0"}),
    "tid organizations": (_V2, {"tid": "organizations", "iss": f"{_GLOBAL.authority}/organizations/v2.0"}),
    "tid consumers": (_V2, {"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"}),
    "tid the customer's name": (_V1, {"tid": "contoso"}),
    "tid our own tenant": (_V1, {"tid": "$system"}),
    "iss of version 1.0 in 2.0": (_V1, {"ver": "2.0"}),
    "iss of version 2.0 in 1.0": (_V2, {"ver": "1.0"}),
    "ver of no version": (_V1, {"ver": "3.0"}),
    "ver a number": (_V1, {"ver": 1.0}),
    "appid where azp should be": (_V2, {"azp": None, "appid": SYNC_FABRIC}),
    "azp where appid should be": (_V1, {"appid": None, "azp": SYNC_FABRIC}),
    "iss of the US government's cloud": (_V2, {"iss": f"https://login.microsoftonline.us/{CONTOSO}/v2.0"}),
    "iss of China's cloud": (_V1, {"iss": f"https://sts.chinacloudapi.cn/{CONTOSO}/"}),
    "iss of version 1.0 without a slash": (_V1, {"iss": f"{_GLOBAL.v1_issuer}/{CONTOSO}"}),
    "iss of version 2.0 with a slash": (_V2, {"iss": f"{_GLOBAL.authority}/{CONTOSO}/v2.0/"}),
    "iss with http": (_V1, {"iss": f"http://sts.windows.net/{CONTOSO}/"}),
    "iss in upper case": (_V1, {"iss": f"HTTPS://STS.WINDOWS.NET/{CONTOSO}/"}),
    "iss with a name before the host": (_V1, {"iss": f"https://sts.windows.net@evil.example/{CONTOSO}/"}),
    "iss a longer host": (_V1, {"iss": f"https://sts.windows.net.evil.example/{CONTOSO}/"}),
    "iss with a tenant in a path": (_V1, {"iss": f"{_GLOBAL.v1_issuer}/{STRANGER}/../{CONTOSO}/"}),
    "iss missing": (_V1, {"iss": None}),
    "iss a list": (_V1, {"iss": [f"{_GLOBAL.v1_issuer}/{CONTOSO}/"]}),
    "aud a list": (_V1, {"aud": [_GLOBAL.audience]}),
    "aud another": (_V1, {"aud": "00000003-0000-0000-c000-000000000000"}),
    "aud that of another cloud": (_V1, {"aud": CLOUDS["china"].audience}),
    "aud missing": (_V1, {"aud": None}),
    "aud empty": (_V1, {"aud": ""}),
    "aud in upper case": (_V1, {"aud": _GLOBAL.audience.upper()}),
    "aud with a slash": (_V1, {"aud": f"{_GLOBAL.audience}/"}),
    "aud with a scheme": (_V1, {"aud": f"api://{_GLOBAL.audience}"}),
    "aud with a blank": (_V1, {"aud": f" {_GLOBAL.audience}"}),
    "exp missing": (_V1, {"exp": None}),
    "exp a text": (_V1, {"exp": str(_NOW + 3600)}),
    "exp true": (_V1, {"exp": True}),
    "exp not a number": (_V1, {"exp": float("nan")}),
    "exp infinite": (_V1, {"exp": float("inf")}),
    "exp negative": (_V1, {"exp": -_NOW}),
    "exp zero": (_V1, {"exp": 0}),
    "exp huge": (_V1, {"exp": 10**30}),
    "exp a list": (_V1, {"exp": [_NOW + 3600]}),
    "nbf tomorrow": (_V1, {"nbf": _NOW + 86_400}),
    "nbf in the far future": (_V1, {"nbf": _NOW + 10**9}),
    "nbf missing": (_V1, {"nbf": None}),
    "nbf a text": (_V1, {"nbf": str(_NOW - 60)}),
    "nbf not a number": (_V1, {"nbf": float("nan")}),
    "appid another": (_V1, {"appid": "5ca1ab1e-6666-4666-8666-666666666666"}),
    "azp another": (_V2, {"azp": "5ca1ab1e-6666-4666-8666-666666666666"}),
    "appid missing": (_V1, {"appid": None}),
    "azp missing": (_V2, {"azp": None}),
    "appid a list": (_V1, {"appid": [SYNC_FABRIC]}),
    "appid empty": (_V1, {"appid": ""}),
    "appid in upper case": (_V1, {"appid": SYNC_FABRIC.upper()}),
    "appid another beside azp": (_V1, {"appid": "5ca1ab1e-6666-4666-8666-666666666666", "azp": SYNC_FABRIC}),
    "a person's scp": (_V1, {"scp": "user_impersonation"}),
    "a person's scp, empty": (_V1, {"scp": ""}),
    "a person's upn": (_V1, {"upn": "megan.bowen@contoso.example"}),
    "a person's unique_name": (_V1, {"unique_name": "megan.bowen@contoso.example"}),
    "a person's preferred_username": (_V2, {"preferred_username": "megan.bowen@contoso.example"}),
    "idtyp user": (_V1, {"idtyp": "user"}),
    "idtyp device": (_V1, {"idtyp": "device"}),
    "oid a list": (_V1, {"oid": ["3e9a1111-7c01-4a36-9a41-aaaaaaaaaaaa"]}),
    "oid a number": (_V1, {"oid": 1234567}),
    "oid true": (_V2, {"oid": True}),
    "oid an object": (_V1, {"oid": {"eq": "3e9a1111-7c01-4a36-9a41-aaaaaaaaaaaa"}}),
    "oid half a surrogate pair": (_V1, {"oid": "\ud8003e9a1111"}),
    "sub a list": (_V1, {"sub": ["3e9a1111-7c01-4a36-9a41-aaaaaaaaaaaa"]}),
    "sub a number": (_V2, {"sub": 1234567}),
    "an ID token": (_V2, {"azp": None, "nonce": "n-0S6_WzA2Mj", "name": "Megan Bowen", "at_hash": "77QmUPtjPfzWtF2A"}),
    "roles a text": (_V1, {"roles": "Directory.Provision"}),
}


# People of both customers; only the first has let its own in, to what is theirs and through one application.
_PERSON: Final = "3e9a1111-7c01-4a36-9a41-aaaaaaaaaaaa"
_OTHERS: Final = "5ca1ab1e-6666-4666-8666-666666666666"
_PEOPLE: Final[Mapping[str, Callable[[Scene], str]]] = {
    "a person of a customer that lets in none": lambda scene: scene.issuer.of_person(_PERSON, FABRIKAM),
    "a person of version 2.0, of a customer that lets in none": lambda scene: scene.issuer.of_person(
        _PERSON, FABRIKAM, "2.0"
    ),
    "a person of no customer": lambda scene: scene.issuer.of_person(_PERSON, STRANGER),
    "a person of another customer with the first one's tid": lambda scene: scene.issuer.of_person(
        _PERSON, FABRIKAM, tid=CONTOSO
    ),
    "a person with the audience of provisioning": lambda scene: scene.issuer.of_person(_PERSON, aud=_GLOBAL.audience),
    "a person with the audience and application of provisioning": lambda scene: scene.issuer.of_person(
        _PERSON, aud=_GLOBAL.audience, appid=SYNC_FABRIC
    ),
    "a person who has signed in elsewhere": lambda scene: scene.issuer.of_person(_PERSON, appid=_OTHERS),
    "a person who has signed in elsewhere, in version 2.0": lambda scene: scene.issuer.of_person(
        _PERSON, version="2.0", azp=_OTHERS
    ),
    "a person who has signed in nowhere": lambda scene: scene.issuer.of_person(_PERSON, appid=None),
    "a person's ID token": lambda scene: scene.issuer.of_person(
        _PERSON, version="2.0", azp=None, scp=None, nonce="n-0S6_WzA2Mj"
    ),
    "oid and sub are both empty, for people": lambda scene: scene.issuer.of_person("", sub="", scp=None, upn=None),
    "oid and sub are both empty, in version 2.0": lambda scene: scene.issuer.of_person(
        "", version="2.0", sub="", scp=None
    ),
    "oid empty and no sub": lambda scene: scene.issuer.of_person("", sub=None),
    "sub empty and no oid": lambda scene: scene.issuer.of_person(_PERSON, oid=None, sub=""),
    "idtyp empty": lambda scene: scene.issuer.token(idtyp=""),
    "appid empty": lambda scene: scene.issuer.of_person(_PERSON, appid=""),
    "azp empty": lambda scene: scene.issuer.of_person(_PERSON, version="2.0", azp=""),
    "aud empty": lambda scene: scene.issuer.token(aud=""),
    "tid empty": lambda scene: scene.issuer.token(tid="", iss=f"{_GLOBAL.v1_issuer}//"),
    "ver empty": lambda scene: scene.issuer.token(ver=""),
    "a person's token that has expired": lambda scene: scene.issuer.of_person(_PERSON, exp=int(time()) - 301),
    "a person's token, signed by the attacker": lambda scene: signed(
        scene.issuer.claims(aud=PRODUCT, appid=SIGN_IN, oid=_PERSON, scp="x"), scene.issuer.header(), OF_THE_ATTACKER
    ),
    "an application with the audience of people that isn't named": lambda scene: scene.issuer.token(aud=PRODUCT),
    "the application of people with the audience of provisioning": lambda scene: scene.issuer.token(appid=SIGN_IN),
}


# --- where a token doesn't belong, and what isn't one ---


def _basic(scene: Scene) -> Attempt:
    credentials = b64encode(f"scim:{(token := scene.issuer.token())}".encode()).decode()
    return Attempt((token, credentials), {"Authorization": f"Basic {credentials}"}, None)


def _placed(header: str, value: str = "{}", error: str | None = None) -> Callable[[Scene], Attempt]:
    """A good token in a header."""

    def attempt(scene: Scene) -> Attempt:
        token = scene.issuer.token()
        return Attempt((token,), {header: value.format(token)}, error)

    return attempt


def _two(first: str, second: str) -> Callable[[Scene], Attempt]:
    """Two Authorization headers, which the host joins with a comma."""

    def attempt(scene: Scene) -> Attempt:
        texts = {"contoso": scene.issuer.token(), "fabrikam": scene.issuer.token(FABRIKAM), "junk": "junk.junk.junk"}
        joined = f"Bearer {texts[first]},Bearer {texts[second]}"
        return Attempt((texts[first], texts[second]), {"Authorization": joined})

    return attempt


def _in_query(name: str) -> Callable[[Scene], Attempt]:
    def attempt(scene: Scene) -> Attempt:
        token = scene.issuer.token()
        return Attempt((token,), {}, None, query=f"?{name}={token}")

    return attempt


def _in_form(scene: Scene) -> Attempt:
    token = scene.issuer.token()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Attempt((token,), headers, None, body=f"access_token={token}".encode())


def _in_body(scene: Scene) -> Attempt:
    token = scene.issuer.token()
    return Attempt((token,), {}, None, body={"userName": "eve", "access_token": token})


PLACES: Final[Mapping[str, Callable[[Scene], Attempt]]] = {
    "no credential": lambda scene: Attempt((), {}, None),
    "an empty header": lambda scene: Attempt((), {"Authorization": ""}, None),
    "Bearer alone": lambda scene: Attempt((), {"Authorization": "Bearer"}),
    "Bearer and blanks": lambda scene: Attempt((), {"Authorization": "Bearer    "}),
    "Bearer and the word null": lambda scene: Attempt((), {"Authorization": "Bearer null"}),
    "Basic": _basic,
    "Basic with the token itself": _placed("Authorization", "Basic {}"),
    "Digest": _placed("Authorization", 'Digest username="scim", response="{}"'),
    "DPoP": _placed("Authorization", "DPoP {}"),
    "no scheme": _placed("Authorization", "{}"),
    "a scheme with a colon": _placed("Authorization", "Bearer: {}"),
    "a scheme with something behind": _placed("Authorization", "Bearers {}"),
    "a tab behind the scheme": _placed("Authorization", "Bearer\t{}"),
    "the scheme twice": _placed("Authorization", "Bearer Bearer {}", "invalid_token"),
    "the token twice": _placed("Authorization", "Bearer {0} {0}", "invalid_token"),
    "the token as a parameter": _placed("Authorization", 'Bearer token="{}"', "invalid_token"),
    "two headers, one good": _two("contoso", "junk"),
    "two headers, the second good": _two("junk", "contoso"),
    "two headers, both good": _two("contoso", "contoso"),
    "two headers of two customers": _two("contoso", "fabrikam"),
    "in the query as access_token": _in_query("access_token"),
    "in the query as authorization": _in_query("Authorization"),
    "in the query as a function key": _in_query("code"),
    "in the body": _in_body,
    "in a form": _in_form,
    "in a cookie": _placed("Cookie", "access_token={0}; Authorization=Bearer {0}"),
    "in X-Authorization": _placed("X-Authorization", "Bearer {}"),
    "in X-Forwarded-Authorization": _placed("X-Forwarded-Authorization", "Bearer {}"),
    "in Proxy-Authorization": _placed("Proxy-Authorization", "Bearer {}"),
    "in X-MS-TOKEN-AAD-ACCESS-TOKEN": _placed("X-MS-TOKEN-AAD-ACCESS-TOKEN"),
    "in X-Functions-Key": _placed("X-Functions-Key"),
    "a principal that App Service would have found": lambda scene: Attempt(
        (), {"X-MS-CLIENT-PRINCIPAL-ID": CONTOSO, "X-MS-CLIENT-PRINCIPAL-NAME": "contoso"}, None
    ),
}


# --- secret tokens ---


def _changed_secret(text: str) -> str:
    """Another secret with the right checksum: what somebody makes who knows the form and the id."""
    body = f"{text[:40]}{'a' * 84}"
    return f"{body}{secret_tokens._checksum(body)}"


def _of_nobody(data: Path) -> str:
    """A token that was made as ours are, but isn't kept anywhere."""
    return _made(data, timedelta(), kept=False)


def _expired(data: Path) -> str:
    return _made(data, timedelta(days=1, seconds=1))


def _of_another_deployment(data: Path) -> str:
    """A token with another deployment's key, but kept here: only its MAC is wrong."""
    return _made(data, timedelta(), key=bytes(32))


def _made(data: Path, before: timedelta, *, kept: bool = True, key: bytes | None = None) -> str:
    """A token for a day that was made so long ago, by the deployment's key of MACs or by another one."""

    async def made() -> str:
        store = SqliteStore(data)
        customers, now = Customers(store, utc_now), utc_now() - before
        right = await customers.require_mac_key()
        text, record = secret_tokens.create(
            uuid7(utc_now)(), "contoso", key=key or right, access="write", note="", now=now, days=1
        )
        if kept:
            await customers.add_token(record)
        await store.close()
        return text

    return asyncio.run(made())


def _revoked(data: Path) -> str:
    text = secret_token("contoso", data)
    digits = text.split("_")[1]
    scim("token", "revoke", "--yes", "-".join(digits[a:b] for a, b in _GUID_PARTS), "--data", str(data))
    return text


_GUID_PARTS: Final = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))


def _of_a_removed_customer(data: Path) -> str:
    scim("customer", "create", "gone", "--data", str(data))
    text = secret_token("gone", data)
    scim("customer", "remove", "gone", "--yes", "--data", str(data))
    return text


def _with_id_of(known: str, other: str) -> str:
    body = f"{known[:40]}{other[40:-8]}"
    return f"{body}{secret_tokens._checksum(body)}"


_SECRETS: Final[Mapping[str, Callable[[Path], str]]] = {
    "secret: the prefix alone": lambda data: secret_tokens.PREFIX,
    "secret: a wrong checksum": lambda data: f"{secret_token('contoso', data)[:-8]}00000000",
    "secret: an unknown id": _of_nobody,
    "secret: with the MAC of another deployment": _of_another_deployment,
    "secret: the right id with another secret": lambda data: _changed_secret(secret_token("contoso", data)),
    "secret: the id of another customer's": lambda data: _with_id_of(
        secret_token("fabrikam", data), secret_token("contoso", data)
    ),
    "secret: expired": _expired,
    "secret: revoked": _revoked,
    "secret: of a customer that was removed": _of_a_removed_customer,
    "secret: in upper case": lambda data: secret_token("contoso", data).upper(),
    "secret: in upper case behind the prefix": lambda data: (
        f"{secret_tokens.PREFIX}{secret_token('contoso', data)[7:].upper()}"
    ),
    "secret: cut off": lambda data: secret_token("contoso", data)[:-1],
    "secret: without the checksum": lambda data: secret_token("contoso", data)[:-8],
    "secret: with junk behind": lambda data: f"{secret_token('contoso', data)}x",
    "secret: with a line break inside": lambda data: secret_token("contoso", data).replace("_", "_\n", 1),
    "secret: another prefix": lambda data: secret_token("contoso", data).replace("scimaf_", "scimag_"),
    "secret: two, one behind the other": lambda data: secret_token("contoso", data) + secret_token("contoso", data),
    "secret: an id like a pattern": lambda data: f"scimaf_{'%' * 32}_{'a' * 52}00000000",
    "secret: an id like a path": lambda data: f"scimaf_{'../' * 10}ab_{'a' * 52}00000000",
    "secret: the digest that is kept": lambda data: secret_tokens._digest(secret_token("contoso", data)),
}

# Genuine, and let in as far as who they are goes; but for what these roles let them do.
_ROLES: Final[Mapping[str, Any]] = {
    "role missing": None,
    "no role at all": [],
    "role empty": [""],
    "role another": ["Directory.Read"],
    "role in lower case": ["directory.provision"],
    "role as a part of another": ["Directory.Provision.Nothing"],
    "all roles in one": ["Directory.Read Directory.Provision"],
}


def _bearer(token: str, error: str = "invalid_token") -> Attempt:
    return Attempt((token,), {"Authorization": f"Bearer {token}"}, error)


@dataclass(frozen=True, slots=True)
class _FromToken:
    make: Callable[[Scene], str]
    error: str = field(default="invalid_token")

    def __call__(self, scene: Scene) -> Attempt:
        return _bearer(self.make(scene), self.error)


def _of_claims(version: Version, changes: Mapping[str, Any]) -> Callable[[Scene], Attempt]:
    return _FromToken(lambda scene: scene.issuer.token(CONTOSO, version, **changes))


def _of_secret(make: Callable[[Path], str]) -> Callable[[Scene], Attempt]:
    return _FromToken(lambda scene: make(scene.data))


def _of_roles(roles: Any) -> Callable[[Scene], Attempt]:
    return _FromToken(lambda scene: scene.issuer.token(aud=WITH_ROLE, roles=roles), "insufficient_scope")


ATTACKS: Final[Mapping[str, Callable[[Scene], Attempt]]] = {
    **{name: _FromToken(make) for name, make in _FORGED.items()},
    **{name: _of_claims(version, changes) for name, (version, changes) in _CLAIMS.items()},
    **{name: _FromToken(make) for name, make in _PEOPLE.items()},
    **PLACES,
    **{name: _of_secret(make) for name, make in _SECRETS.items()},
    **{name: _of_roles(roles) for name, roles in _ROLES.items()},
}
