"""Checks access tokens of Entra ID, and finds the customer that they belong to.

Until the signature is verified with a key of a *configured* Entra tenant, the token's claims are trusted for nothing
but selecting among these tenants, and the error gives no reason.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cachetools import LRUCache

from scim.protocol.uuids import UUID
from scim.security.bearer import insufficient, invalid
from scim.security.clouds import SYNC_FABRIC, Cloud, CloudName, Version
from scim.security.customers.cached import CachedCustomers
from scim.security.customers.records import AccessRule, EntraTenant
from scim.security.entra.signing_keys import SigningKeys
from scim.security.principal import Principal, PrincipalAccess

if TYPE_CHECKING:
    from scim.security.entra.claims import Claims

_SKEW_SECONDS: Final = 300
_SIZE: Final = 10_000


class EntraTokens:
    """Checks tokens of Entra ID. Caches tokens with a verified signature until they expire."""

    def __init__(
        self,
        cached_customers: CachedCustomers,
        keys: SigningKeys,
        clouds: Mapping[CloudName, Cloud],
        keys_at: Callable[[str], str],
        clock: Callable[[], datetime],
    ) -> None:
        """`keys_at` maps the key address of a cloud to the address to fetch from."""
        self._cached_customers = cached_customers
        self._keys = keys
        self._clouds = clouds
        self._keys_at = keys_at
        self._clock = clock
        self._verified: LRUCache[bytes, tuple[Claims, Version]] = LRUCache(_SIZE)

    async def check(self, token: str, digest: bytes) -> tuple[Principal, float]:
        """Return the principal of the token, and the POSIX time until which the result is valid.

        `digest` is the SHA-256 of the token. Raises `Unauthorized`, `Forbidden`, `Unavailable`.
        """
        tenant: EntraTenant | None
        cached = self._verified.get(digest)
        if cached is None:
            claims, version, tenant = await self._verify(token)
            self._verified[digest] = claims, version
        else:
            claims, version = cached
            tenant = await self._cached_customers.entra_tenant(claims.tid)
        self._check_claims(claims, version)
        access_rule = _access_rule(tenant, claims)
        if access_rule is None or await self._cached_customers.customer(access_rule.customer) is None:
            raise invalid("The audience of the token doesn't belong to a customer of this service.", reason="audience")
        is_person = _is_delegated(claims, access_rule)
        if is_person and not access_rule.people:
            raise invalid(
                "The token belongs to a user. Provisioning needs a token that was issued to an application.",
                reason="person",
            )
        if claims.application(version) not in access_rule.applications:
            raise invalid("The token was issued to an application that isn't allowed.", reason="application")
        if access_rule.role is not None and access_rule.role not in claims.roles:
            raise insufficient("The token lacks the required application role.", reason="role")
        by_entra = claims.application(version) == SYNC_FABRIC
        access: PrincipalAccess = "self" if is_person else access_rule.access
        principal = Principal(access_rule.customer, access, is_entra=by_entra, subjects=claims.subjects)
        return principal, claims.exp + _SKEW_SECONDS

    async def _verify(self, token: str) -> "tuple[Claims, Version, EntraTenant]":
        """Return the claims, the version and the Entra tenant of a token with a valid signature. Raises `Unauthorized`,
        `Unavailable`.
        """
        if token.count(".") != 2:
            raise invalid(reason="form")  # no library is loaded for a text that can't be a token
        from scim.security.entra import (  # noqa: PLC0415 - pydantic and cryptography load when first needed
            claims as claim_set,
            jws,
        )

        signed = jws.read(token)
        if signed is None:
            raise invalid(reason="form")
        claims = claim_set.read(signed.payload) if jws.has_unique_names(signed.payload) else None
        if claims is None:
            raise invalid(reason="claims")
        tenant = await self._cached_customers.entra_tenant(claims.tid) if UUID.fullmatch(claims.tid) else None
        if tenant is None:
            raise invalid(reason="entra-tenant")
        cloud = self._clouds[tenant.cloud]
        version = cloud.version_of(claims.iss, claims.tid)
        if version is None:
            raise invalid(reason="issuer")
        key = await self._keys.key(self._keys_at(cloud.keys(claims.tid, version)), signed.kid)
        if key is None:
            raise invalid(reason="kid")
        if not jws.verify(signed, key):
            raise invalid(reason="signature")
        return claims, version, tenant

    def _check_claims(self, claims: "Claims", version: Version) -> None:
        """Raise `Unauthorized` if a genuine token isn't valid now, or its version isn't that of its issuer."""
        now = self._clock().timestamp()
        if now >= claims.exp + _SKEW_SECONDS:
            raise invalid("The token has expired.", reason="expired")
        if now < claims.nbf - _SKEW_SECONDS:
            raise invalid("The token isn't valid yet.", reason="not-yet-valid")
        if claims.ver not in {None, version}:
            raise invalid("The version of the token isn't that of its issuer.", reason="version")


def _is_delegated(claims: "Claims", access_rule: AccessRule) -> bool:
    # If the rule accepts users, a token that isn't plainly an application's counts as a user's.
    return not claims.is_application if access_rule.people else claims.is_delegated


def _access_rule(tenant: EntraTenant | None, claims: "Claims") -> AccessRule | None:
    access_rules = tenant.access_rules if tenant is not None else ()
    return next((access_rule for access_rule in access_rules if access_rule.audience == claims.aud), None)
