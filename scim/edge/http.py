"""A request and a response as the handler sees them, whatever carried them here."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is percent-encoded, from the root; header names are lower case; `origin` is scheme and host.

    A server that has read the body already gives it as `body`. One that hasn't gives `receive`, which reads a body of at most so
    many bytes, or the beginning of a longer one; it is called for requests that may do what they ask for, so that nobody else's
    body takes memory.
    """

    method: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    origin: str
    receive: Callable[[int], Awaitable[bytes]] | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back. Without a body there is no `Content-Type`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
