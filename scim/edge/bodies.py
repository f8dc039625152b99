"""Parses the body of a request as JSON. Knows no schema."""

import re
from collections.abc import Callable
from typing import Final

import orjson

from scim.edge.http import Request
from scim.protocol.errors import InvalidSyntax, PayloadTooLarge, UnsupportedMediaType
from scim.protocol.json import Json

MEDIA_TYPE: Final = "application/scim+json"
_JSON_TYPES: Final = frozenset({MEDIA_TYPE, "application/json"})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}", re.ASCII)


def parsed(request: Request, limit: int, check: Callable[[bytes], None] | None = None) -> Json:
    """Return the JSON value of the body, which may have at most `limit` bytes.

    `check` is called with the bytes before they are parsed, and may raise an error. A `charset` in the `Content-Type`
    is ignored: JSON is UTF-8, and its media types have no such parameter (RFC 8259 §8.1, §11). Raises
    `PayloadTooLarge`, `UnsupportedMediaType`, `InvalidSyntax`.
    """
    if len(request.body) > limit:
        raise PayloadTooLarge(f"The body may have at most {limit} bytes.")
    codings = request.headers.get("content-encoding")
    if codings:
        _check_coding(codings)
    media_type = (request.headers.get("content-type") or MEDIA_TYPE).partition(";")[0].strip().lower()
    if media_type not in _JSON_TYPES:
        raise UnsupportedMediaType(f"The body must be {MEDIA_TYPE} or application/json.")
    if not request.body.strip():
        raise InvalidSyntax("The body is empty. Chunked bodies are not supported: send a 'Content-Length' header.")
    if check is not None:
        check(request.body)
    try:
        # RFC 8259 §8.1: a parser may ignore a byte order mark, which some .NET clients send.
        return orjson.loads(request.body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise InvalidSyntax(_explained(request.body, error)) from None


def _check_coding(codings: str) -> None:
    """Raise `UnsupportedMediaType` for a content coding other than `identity` (RFC 9110 §15.5.16)."""
    for coding in map(str.strip, codings.split(",")):
        if coding and coding.lower() != "identity":
            named = f"'{coding}'" if _TOKEN.fullmatch(coding) else "of the body"
            raise UnsupportedMediaType(
                f"The content coding {named} is not supported. Send the body without a 'Content-Encoding' header.",
                headers={"Accept-Encoding": "identity"},
            )


def _explained(body: bytes, error: orjson.JSONDecodeError) -> str:
    if not _is_utf_8(body):
        return "The body must be encoded in UTF-8."
    if "depth limit" in error.msg:
        return "The JSON of the body is nested too deeply. At most 1,024 levels of objects and lists are allowed."
    return f"The body isn't valid JSON (line {error.lineno}, column {error.colno})."


def _is_utf_8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    # In UTF-16 or UTF-32, ASCII characters contain zero bytes. No JSON text in UTF-8 starts with one.
    return b"\0" not in body[:4]
