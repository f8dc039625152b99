"""Headers that every request and every answer may have, whatever they are about: the request's id, and what browsers obey."""

import re
from collections.abc import Mapping
from typing import Final

from scim.edge.http import Request

_REQUEST_ID: Final = "X-Request-Id"
_REQUEST_IDS: Final = ("x-request-id", "x-ms-client-request-id", "client-request-id")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
# Answers are people's data, for a program and nobody else: not to be kept, framed, run or guessed at.
_SECURITY: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_OVER_TLS: Final[Mapping[str, str]] = {**_SECURITY, "Strict-Transport-Security": "max-age=31536000"}


def completed(headers: Mapping[str, str], request: Request, request_id: str) -> dict[str, str]:
    """The headers of an answer with those that every answer has."""
    return {**(_OVER_TLS if request.origin.startswith("https:") else _SECURITY), **headers, _REQUEST_ID: request_id}


def request_id(request: Request) -> str | None:
    """The client's own id of the request, if it is one that may stand in a log line."""
    given = next((id for name in _REQUEST_IDS if (id := request.headers.get(name))), "")
    return given if _PLAIN_ID.fullmatch(given) else None
