"""Requests and responses as the handler sees them, independent of the HTTP server."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""The methods that responses and log lines name."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `path` is percent-encoded and starts at the root, header names are lower case, `origin` is scheme and
    host.

    The Functions host passes the whole `body`. The local server passes `receive`, which reads at most so many bytes of
    the body. The handler calls it after authentication, so that the bodies of other requests take no memory.
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
    """A response. Without a body it has no `Content-Type`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
