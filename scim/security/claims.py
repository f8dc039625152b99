"""What an access token of Entra ID says, as far as it is looked at. Believes nothing: that is for who has checked the signature.

The only file that imports pydantic, which takes a third of a bare start; so it is imported itself by the first such token.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scim.security.clouds import Version

type _Time = Annotated[int | float, Field(ge=0, le=2**53)]


class Claims(BaseModel):
    """The claims that are looked at; every type is exact."""

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
    # Claims that only a person's token has.
    scp: str | None = None
    upn: str | None = None
    unique_name: str | None = None
    preferred_username: str | None = None

    @property
    def is_of_a_person(self) -> bool:
        """Whether a person signed in for this token, and not an application."""
        personal = (self.scp, self.upn, self.unique_name, self.preferred_username)
        return any(claim is not None for claim in personal) or self.idtyp not in {None, "app"}

    @property
    def is_of_an_application(self) -> bool:
        """Whether the token shows that an application asked for it by itself: an application is its own subject."""
        is_its_own = self.idtyp == "app" or (bool(self.oid) and self.oid == self.sub)
        return is_its_own and not self.is_of_a_person

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the token calls its bearer: `oid`, then `sub` if it is another."""
        return tuple(dict.fromkeys(name for name in (self.oid, self.sub) if name))

    def application(self, version: Version) -> str | None:
        """The application that the token was issued to."""
        return self.appid if version == "1.0" else self.azp


def read(payload: bytes) -> Claims | None:
    """Return the claims in a token's payload; `None` if it isn't JSON or a claim is missing, empty or of another type."""
    try:
        claims = Claims.model_validate_json(payload)
    except ValidationError:
        return None
    # An empty claim isn't of Entra's form, and must not count as equal to another. An empty `oid` or `sub` may stand beside
    # the other one, but a token without a name that isn't empty is refused.
    if "" in (claims.iss, claims.tid, claims.aud, claims.ver, claims.appid, claims.azp, claims.idtyp):
        return None
    return None if "" in (claims.oid, claims.sub) and not (claims.oid or claims.sub) else claims
