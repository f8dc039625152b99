"""An Entra ID of our own: real RSA keys, real key sets over HTTP, and tokens in the form of the provisioning service's.

`SCIM_DEV_KEYS` leads the service to it. It serves below `/<host>/<path>` what `https://<host>/<path>` would, for the tenants
that it knows and for no other.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from time import time
from typing import Any, Final, Literal

from aiohttp import web
from joserfc import jws
from joserfc.jwk import RSAKey

from scim.security.clouds import CLOUDS, SYNC_FABRIC, Cloud, CloudName, Version

CONTOSO: Final = "c0a7e5a1-1111-4111-8111-111111111111"
"""The Entra tenant of a customer."""
FABRIKAM: Final = "fab41ca0-2222-4222-8222-222222222222"
"""The Entra tenant of another customer."""
STRANGER: Final = "57a4e6e4-3333-4333-8333-333333333333"
"""An Entra tenant that is nobody's customer; it has keys and tokens like any other."""

PRODUCT: Final = "api://product"
"""The audience of the tokens that people have for the product that the service belongs to."""
SIGN_IN: Final = "51619001-4444-4444-8444-444444444444"
"""The application that people sign in to."""


@cache
def rsa_key(number: int) -> RSAKey:
    """A key pair; making one takes a tenth of a second, so that tests share them."""
    return RSAKey.generate_key(2048, {"kid": f"key-{number}", "use": "sig"})


def signed(claims: Any, header: Mapping[str, Any], key: Any, algorithm: str = "RS256") -> str:
    """A token with exactly this header and these claims; claims may be bytes."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jws.serialize_compact(dict(header), payload, key, registry=registry)


@dataclass
class Issuer:
    """Serves keys and makes tokens. What is set here counts from the next request on."""

    clouds: Mapping[CloudName, Cloud] = field(default_factory=lambda: CLOUDS)
    keys: dict[str, list[RSAKey]] = field(
        default_factory=lambda: {CONTOSO: [rsa_key(0)], FABRIKAM: [rsa_key(1)], STRANGER: [rsa_key(2)]}
    )
    """The keys that each tenant publishes; the last one signs."""
    behaviour: Literal["well", "down", "slow", "garbage", "redirect", "huge", "empty"] = "well"
    requests: list[str] = field(default_factory=list)
    """The paths that were asked for."""

    async def start(self) -> str:
        """Listen on a free port; the origin."""
        self.released = asyncio.Event()
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self.origin

    async def stop(self) -> None:
        self.released.set()
        await self._runner.cleanup()

    def rotate(self, tenant: str, number: int, *, keep: bool = True) -> None:
        """Publish another key, and sign with it; with `keep` beside those that are there."""
        self.keys[tenant] = [*(self.keys[tenant] if keep else []), rsa_key(number)]

    def claims(
        self, tenant: str = CONTOSO, version: Version = "1.0", cloud: CloudName = "global", **changes: Any
    ) -> dict[str, Any]:
        """What the provisioning service's token says; a change to `None` takes the claim away."""
        now, known = int(time()), self.clouds[cloud]
        principal = "0b1ec700-4444-4444-8444-444444444444"
        claims = {
            "aud": known.audience,
            "iss": f"{known.v1_issuer}/{tenant}/" if version == "1.0" else f"{known.authority}/{tenant}/v2.0",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3840,
            "aio": "E2ZgYLgU7zWv" * 4,
            "appid" if version == "1.0" else "azp": SYNC_FABRIC,
            "appidacr" if version == "1.0" else "azpacr": "2",
            "idp": f"{known.v1_issuer}/{tenant}/",
            "oid": principal,
            "rh": "0.AXYA" * 6,
            "sub": principal,
            "tid": tenant,
            "uti": "kFzKX1uC9kyAtWVzQNcvAA",
            "ver": version,
            **changes,
        }  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def header(self, tenant: str = CONTOSO, **changes: Any) -> dict[str, Any]:
        """The header of a token that the tenant's last key signs; a change to `None` takes the entry away."""
        kid = self.keys[tenant][-1].kid
        header = {"typ": "JWT", "alg": "RS256", "x5t": kid, "kid": kid, **changes}
        return {name: value for name, value in header.items() if value is not None}

    def token(
        self, tenant: str = CONTOSO, version: Version = "1.0", cloud: CloudName = "global", **changes: Any
    ) -> str:
        """A token as Entra ID issues it, but for the claims that are changed."""
        return signed(self.claims(tenant, version, cloud, **changes), self.header(tenant), self.keys[tenant][-1])

    def of_person(self, subject: str, tenant: str = CONTOSO, version: Version = "1.0", **changes: Any) -> str:
        """A token that a person gets who signs in to `SIGN_IN`; `subject` is its `oid`, and `sub` is the application's own."""
        personal: dict[str, Any] = {
            "aud": PRODUCT,
            "appid" if version == "1.0" else "azp": SIGN_IN,
            "oid": subject,
            "sub": "I1Yq0ZxvS3dRr6mPhcY9RVPTVIhwaBrZM4nBwPzzIgk",  # pragma: allowlist secret - a name, no key
            "scp": "user_impersonation",
            "name": "Megan Bowen",
            **({"upn": "megan.bowen@contoso.example"} if version == "1.0" else {}),
        }
        return self.token(tenant, version, **{**personal, **changes})

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request.path)
        if self.behaviour == "slow":
            await self.released.wait()
        match self.behaviour:
            case "down":
                return web.Response(status=503)
            case "garbage":
                return web.Response(text="<html>an error page</html>")
            case "redirect":
                return web.Response(status=302, headers={"Location": request.path_qs.replace("keys", "elsewhere")})
            case "huge":
                return web.Response(body=b" " * 300_000 + self._key_set(self.keys[CONTOSO]))
            case "empty":
                return web.json_response({"keys": []})
        _, host, tenant, *rest = request.path.split("/")
        known = {"discovery/keys", "discovery/v2.0/keys"}
        if (
            f"https://{host}" not in {cloud.authority for cloud in self.clouds.values()}
            or "/".join(rest) not in known
            or tenant not in self.keys
        ):
            return web.Response(status=404)
        return web.Response(body=self._key_set(self.keys[tenant]), content_type="application/json")

    def _key_set(self, keys: list[RSAKey]) -> bytes:
        # As Entra has them: with certificates beside the key itself, and without `alg`.
        entries = [
            {**key.as_dict(private=False), "x5t": key.kid, "x5c": ["MIIC/TCCAeWgAwIBAgIIUd7j/OIahkYw"]} for key in keys
        ]
        return json.dumps({"keys": entries}).encode()
