"""Who is asking: the answer of every way to check a credential."""

from dataclasses import dataclass
from typing import Literal, Protocol

from scim.security.bearer import insufficient

type Access = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A client that was let in, the tenant whose resources it works on, and whether it may change them."""

    tenant: str
    access: Access = "write"
    is_entra: bool = False
    """Whether the token was issued to Entra's provisioning service; a secret token doesn't tell."""

    has_budget: bool = True
    """Whether its requests count against the tenant's budget."""

    def need_write(self) -> None:
        """Raises `Forbidden` if the client may only read."""
        if self.access != "write":
            raise insufficient("This token may read, and nothing else.")


class Authenticate(Protocol):
    """The door as the edge sees it."""

    async def __call__(self, authorization: str | None) -> Principal:
        """Checks the `Authorization` header; `None` if there is none. Raises a `ScimError`, mostly `Unauthorized`."""

    def admit(self, principal: Principal) -> None:
        """Counts a request. Raises `TooManyRequests`."""
