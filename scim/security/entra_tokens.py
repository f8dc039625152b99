"""Entra ID's access tokens: who signed one, for whom, and which customer that lets in.

The token is believed nothing before its signature is checked with a key of a *configured* tenant: until then its `tid` only
selects among those, and nobody is told why a token was refused.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from scim.security.bearer import insufficient, invalid
from scim.security.clouds import SYNC_FABRIC, Cloud, CloudName, Version
from scim.security.directory import Directory
from scim.security.principal import Principal, Reach
from scim.security.records import GUID, EntraTenant, EntraWay
from scim.security.signing_keys import SigningKeys

if TYPE_CHECKING:
    from scim.security.claims import Claims

_SKEW_SECONDS: Final = 300
_SIZE: Final = 10_000


class EntraTokens:
    """Checks Entra ID's tokens. Those whose signature was found good are remembered until they expire."""

    def __init__(
        self,
        directory: Directory,
        keys: SigningKeys,
        clouds: Mapping[CloudName, Cloud],
        keys_at: Callable[[str], str],
        clock: Callable[[], datetime],
    ) -> None:
        """`keys_at` makes the address to fetch keys from out of the one that the cloud's table gives."""
        self._directory = directory
        self._keys = keys
        self._clouds = clouds
        self._keys_at = keys_at
        self._clock = clock
        self._verified: LRUCache[bytes, tuple[Claims, Version]] = LRUCache(_SIZE)

    async def check(self, token: str) -> tuple[Principal, float]:
        """Whom the token lets in, and until when (POSIX seconds). Raises `Unauthorized` or `Forbidden`."""
        digest = sha256(token.encode("utf-8", "surrogateescape")).digest()
        tenant: EntraTenant | None
        known = self._verified.get(digest)
        if known is None:
            claims, version, tenant = await self._verify(token)
            self._verified[digest] = claims, version
        else:
            claims, version = known
            tenant = await self._directory.entra_tenant(claims.tid)
        self._check_claims(claims, version)
        way = _way(tenant, claims)
        if way is None or await self._directory.customer(way.customer) is None:
            raise invalid("The token's audience doesn't lead to a customer of this service.", reason="audience")
        is_person = _is_of_a_person(claims, way)
        if is_person and not way.people:
            raise invalid(
                "The token is a person's; provisioning needs one that was issued to an application.", reason="person"
            )
        if claims.application(version) not in way.applications:
            raise invalid(
                "The application that the token was issued to isn't one that may provision.", reason="application"
            )
        if way.role is not None and way.role not in claims.roles:
            raise insufficient("The token lacks the application role that is required.", reason="role")
        by_entra = claims.application(version) == SYNC_FABRIC
        access: Reach = "self" if is_person else way.access
        principal = Principal(way.customer, access, is_entra=by_entra, subjects=claims.subjects)
        return principal, claims.exp + _SKEW_SECONDS

    async def _verify(self, token: str) -> "tuple[Claims, Version, EntraTenant]":
        """The claims of a token that a configured tenant has signed, and that tenant. Raises `Unauthorized` without a reason."""
        if token.count(".") != 2:
            raise invalid(reason="form")  # junk is worth loading nothing for
        from scim.security import claims as claim_set, jws  # noqa: PLC0415 - pydantic and cryptography load when first needed

        signed = jws.read(token)
        if signed is None:
            raise invalid(reason="form")
        claims = claim_set.read(signed.payload) if jws.has_unique_names(signed.payload) else None
        if claims is None:
            raise invalid(reason="claims")
        tenant = await self._directory.entra_tenant(claims.tid) if GUID.fullmatch(claims.tid) else None
        if tenant is None:
            raise invalid(reason="entra-tenant")
        cloud = self._clouds[tenant.cloud]
        version = cloud.version_of(claims.iss, claims.tid)
        if version is None:
            raise invalid(reason="issuer")
        key = await self._keys.key(self._keys_at(cloud.keys(claims.tid, version)), signed.kid)
        if key is None:
            raise invalid(reason="kid")
        if not jws.is_signed_with(signed, key):
            raise invalid(reason="signature")
        return claims, version, tenant

    def _check_claims(self, claims: "Claims", version: Version) -> None:
        """What can be told of a genuine token by itself."""
        now = self._clock().timestamp()
        if now >= claims.exp + _SKEW_SECONDS:
            raise invalid("The token has expired.", reason="expired")
        if now < claims.nbf - _SKEW_SECONDS:
            raise invalid("The token isn't valid yet.", reason="not-yet-valid")
        if claims.ver not in {None, version}:
            raise invalid("The token's version isn't that of its issuer.", reason="version")


def _is_of_a_person(claims: "Claims", way: EntraWay) -> bool:
    # Where people come in, through the same application perhaps, what isn't plainly an application's is a person's.
    return not claims.is_of_an_application if way.people else claims.is_of_a_person


def _way(tenant: EntraTenant | None, claims: "Claims") -> EntraWay | None:
    ways = tenant.ways if tenant is not None else ()
    return next((way for way in ways if way.audience == claims.aud), None)
