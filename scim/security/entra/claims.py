"""Parses the claims of an access token of Entra ID. Does not verify the token: see `jws` and `tokens`.

The only module that imports pydantic, which takes a third of a bare start. So the first such token imports it.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scim.security.clouds import Version

type _Time = Annotated[int | float, Field(ge=0, le=2**53)]


class Claims(BaseModel):
    """The claims that are used. Their types are strict."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    iss: str
    tid: str
    aud: str
    exp: _Time
    nbf: _Time
    ver: str | None = None
    appid: str | None = None
    azp: str | None = None
    roles: tuple[str, ...] = ()
    idtyp: str | None = None
    oid: str | None = None
    sub: str | None = None
    # Claims that only the token of a user has.
    scp: str | None = None
    upn: str | None = None
    unique_name: str | None = None
    preferred_username: str | None = None

    @property
    def is_delegated(self) -> bool:
        """Whether a user signed in for this token (delegated permissions)."""
        personal = (self.scp, self.upn, self.unique_name, self.preferred_username)
        return any(claim is not None for claim in personal) or self.idtyp not in {None, "app"}

    @property
    def is_application(self) -> bool:
        """Whether an application got the token for itself: its `oid` and `sub` are equal, or `idtyp` is `app`."""
        is_its_own = self.idtyp == "app" or (bool(self.oid) and self.oid == self.sub)
        return is_its_own and not self.is_delegated

    @property
    def subjects(self) -> tuple[str, ...]:
        """The claims `oid` and `sub`, each once."""
        return tuple(dict.fromkeys(name for name in (self.oid, self.sub) if name))

    def application(self, version: Version) -> str | None:
        """Return the id of the application that the token was issued to."""
        return self.appid if version == "1.0" else self.azp


def read(payload: bytes) -> Claims | None:
    """Return the claims of a token's payload, unverified; `None` if it isn't JSON, or if a claim is missing or invalid.

    Required are `iss`, `tid`, `aud`, `exp` and `nbf`, and `oid` or `sub`; none of them may be empty. Other claims may
    be missing, but must have the right type. Does not compare times.
    """
    try:
        claims = Claims.model_validate_json(payload)
    except ValidationError:
        return None
    # Entra sends no empty claims, and two empty claims must not count as equal. An empty `oid` or `sub` is accepted beside
    # a non-empty one; a token without either is refused.
    if "" in (claims.iss, claims.tid, claims.aud, claims.ver, claims.appid, claims.azp, claims.idtyp):
        return None
    return None if "" in (claims.oid, claims.sub) and not (claims.oid or claims.sub) else claims
