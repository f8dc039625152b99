"""What is known of a customer: its name, and the ways in. Shapes only; `customers` keeps them."""

import re
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict

from scim.security.clouds import SYNC_FABRIC, CloudName
from scim.security.principal import Access

NAME: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
"""A customer's name, which is its tenant in the store."""
GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def _name(value: str) -> str:
    if NAME.fullmatch(value) is None:
        raise ValueError("must be 1 to 64 of a-z, 0-9 and -")
    return value


type Name = Annotated[str, BeforeValidator(_name)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Customer(_Record):
    """A customer. Without this record none of its ways in is open."""

    name: Name
    created: datetime


class EntraWay(_Record):
    """Tokens of an Entra tenant with this audience let their bearer in as a customer."""

    customer: Name
    audience: str
    applications: tuple[str, ...] = (SYNC_FABRIC,)
    """The `appid` (v1) or `azp` (v2) of those who may use it."""
    role: str | None = None
    """An application role that the token must have besides."""
    access: Access = "write"


class EntraTenant(_Record):
    """An Entra tenant: the cloud that it is in, and the ways in that its tokens open, each with another audience."""

    id: str
    cloud: CloudName
    ways: tuple[EntraWay, ...]


class SecretToken(_Record):
    """A secret token, of which only the digest is kept; the secret has 256 bits, so that a plain SHA-256 will do."""

    id: str
    customer: Name
    digest: str
    access: Access
    created: datetime
    expires: datetime
    note: str = ""
    last_used: datetime | None = None
