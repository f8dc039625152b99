"""Who is asking: the answer of every way to check a credential."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Principal:
    """A client that was let in, and the tenant whose resources it works on."""

    tenant: str


class Authenticate(Protocol):
    """Checks the `Authorization` header; `None` if there is none. Raises `Unauthorized`."""

    async def __call__(self, authorization: str | None) -> Principal: ...
