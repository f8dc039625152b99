"""Headers of every request and every response: the request id, and security headers for browsers."""

import re
from collections.abc import Mapping
from typing import Final

from scim.edge.http import Request

_REQUEST_ID: Final = "X-Request-Id"
_REQUEST_IDS: Final = ("x-request-id", "x-ms-client-request-id", "client-request-id")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
# Responses are personal data for a program. Browsers must not cache them, frame them, run them or guess their type.
_SECURITY: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_OVER_TLS: Final[Mapping[str, str]] = {**_SECURITY, "Strict-Transport-Security": "max-age=31536000"}


def completed(headers: Mapping[str, str], request: Request, request_id: str) -> dict[str, str]:
    """Return the headers of a response with those that every response has."""
    return {**(_OVER_TLS if request.origin.startswith("https:") else _SECURITY), **headers, _REQUEST_ID: request_id}


def request_id(request: Request) -> str | None:
    """Return the request id that the client sent, if it has only characters that are safe in a log line; else `None`."""
    sent = next((id for name in _REQUEST_IDS if (id := request.headers.get(name))), "")
    return sent if _PLAIN_ID.fullmatch(sent) else None
