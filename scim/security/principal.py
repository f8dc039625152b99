"""Who is asking: the answer of every way to check a credential."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from scim.security.bearer import insufficient

type Access = Literal["read", "write"]
"""What an operator gives a token."""
type Reach = Access | Literal["self"]
"""The same for whoever came in; `self` is a person, who has nothing but what is the person's own."""

_REFUSALS: Final[Mapping[Reach, str]] = {
    "read": "This token may read, and nothing else.",
    "self": "This token is a person's: it may read /Me and the discovery endpoints, and nothing else.",
    "write": "No token may do this.",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A client that was let in, the tenant whose resources it works on, and how far it reaches there."""

    tenant: str
    access: Reach = "write"
    is_entra: bool = False
    """Whether the token was issued to Entra's provisioning service; a secret token doesn't tell."""

    has_budget: bool = True
    """Whether its requests count against the tenant's budget."""

    subjects: tuple[str, ...] = field(default=(), repr=False)
    """What Entra ID calls the bearer (`oid`, `sub`), by which `/Me` finds a user; none for tokens of our own making."""

    def need(self, allowed: Collection[Reach]) -> None:
        """Raises `Forbidden` if the client isn't one of those."""
        if self.access not in allowed:
            raise insufficient(_REFUSALS[self.access])


class Authenticate(Protocol):
    """The door as the edge sees it."""

    async def __call__(self, authorization: str | None) -> Principal:
        """Checks the `Authorization` header; `None` if there is none. Raises a `ScimError`, mostly `Unauthorized`."""

    def admit(self, principal: Principal) -> None:
        """Counts a request. Raises `TooManyRequests`."""
