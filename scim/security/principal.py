"""The principal: the result of authenticating a request."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from scim.security.bearer import insufficient

type Access = Literal["read", "write"]
"""The access that an operator gives a credential."""
type PrincipalAccess = Access | Literal["self"]
"""The access of a principal. `self` is the access of a user: only the user's own resource."""

_REFUSALS: Final[Mapping[PrincipalAccess, str]] = {
    "read": "This token has read-only access.",
    "self": "This token belongs to a user: it may only read /Me and the discovery endpoints.",
    "write": "No credential has the access that this action requires.",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated client: the customer whose resources it may use, and its access to them."""

    customer: str
    access: PrincipalAccess = "write"
    is_entra: bool = False
    """Whether the token was issued to Entra's provisioning service. Unknown, so `False`, for a secret token."""

    is_rate_limited: bool = True
    """Whether its requests count against the customer's rate limit."""

    subjects: tuple[str, ...] = field(default=(), repr=False)
    """The claims `oid` and `sub` of an Entra token, by which `/Me` finds the user; empty for other tokens."""

    def require(self, allowed: Collection[PrincipalAccess]) -> None:
        """Raise `Forbidden` unless the principal's access is one of `allowed`."""
        if self.access not in allowed:
            raise insufficient(_REFUSALS[self.access])


class Authenticate(Protocol):
    """The interface of the authenticator."""

    async def __call__(self, authorization: str | None) -> Principal:
        """Return the principal of the `Authorization` header, which may be missing. Raises a `ScimError`, mostly
        `Unauthorized`.
        """

    def count_request(self, principal: Principal) -> None:
        """Count a request against the rate limit. Raises `TooManyRequests`."""
