"""A request and a response as the handler sees them, whatever carried them here."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is percent-encoded, from the root; header names are lower case; `origin` is scheme and host."""

    method: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    origin: str


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back. Without a body there is no `Content-Type`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
