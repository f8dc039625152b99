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

    def need_write(self) -> None:
        """Raises `Forbidden` if the client may only read."""
        if self.access != "write":
            raise insufficient("This token may read, and nothing else.")


class Authenticate(Protocol):
    """Checks the `Authorization` header; `None` if there is none. Raises a `ScimError`, mostly `Unauthorized`."""

    async def __call__(self, authorization: str | None) -> Principal: ...
