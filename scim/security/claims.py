"""What an access token of Entra ID says, as far as it is looked at. Believes nothing: that is for who has checked the signature.

The only file that imports pydantic, which takes a third of a bare start; so it is imported itself by the first such token.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scim.security.clouds import Version

type _Text = Annotated[str, Field(min_length=1)]
"""A claim that must not be empty: an empty one isn't of Entra's form, and must not count as equal to another."""
type _Time = Annotated[int | float, Field(ge=0, le=2**53)]


class Claims(BaseModel):
    """The claims that are looked at; every type is exact."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    iss: _Text
    tid: _Text
    aud: _Text
    exp: _Time
    nbf: _Time
    ver: _Text | None = None
    appid: _Text | None = None
    azp: _Text | None = None
    roles: tuple[_Text, ...] = ()
    idtyp: _Text | None = None
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
    """The claims in a token's payload; `None` if it isn't JSON or a claim is missing or of another type."""
    try:
        claims = Claims.model_validate_json(payload)
    except ValidationError:
        return None
    # An empty `oid` or `sub` may stand beside the other one, but a bearer whose only names are empty is nobody.
    names = (claims.oid, claims.sub)
    return None if "" in names and not any(names) else claims
