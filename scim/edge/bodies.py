"""The body of a request: JSON from its bytes, or an error that says why it can't be read. Knows no schema and no limit."""

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


def parsed(request: Request, most: int, check: Callable[[bytes], None] | None = None) -> Json:
    """Return the value that a body of at most `most` bytes holds. Raises a `ScimError`.

    `check` may refuse the text before anything is made of it.

    A `charset` in the `Content-Type` is ignored: JSON is UTF-8 and its media types have no such parameter (RFC 8259 §8.1, §11).
    """
    if len(request.body) > most:
        raise PayloadTooLarge(f"The body may have at most {most} bytes.")
    codings = request.headers.get("content-encoding")
    if codings:
        _check_coding(codings)
    media_type = (request.headers.get("content-type") or MEDIA_TYPE).partition(";")[0].strip().lower()
    if media_type not in _JSON_TYPES:
        raise UnsupportedMediaType(f"The body must be {MEDIA_TYPE} or application/json.")
    if not request.body.strip():
        raise InvalidSyntax("The body is empty; chunked bodies don't arrive, so send a Content-Length.")
    if check is not None:
        check(request.body)
    try:
        # RFC 8259 §8.1: a parser may ignore a byte order mark, which some .NET clients send.
        return orjson.loads(request.body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise InvalidSyntax(_explained(request.body, error)) from None


def _check_coding(codings: str) -> None:
    """Raise `UnsupportedMediaType`, which names the content coding and says what is possible (RFC 9110 §15.5.16)."""
    for coding in map(str.strip, codings.split(",")):
        if coding and coding.lower() != "identity":
            named = f"'{coding}'" if _TOKEN.fullmatch(coding) else "that it has"
            raise UnsupportedMediaType(
                f"The body can't be read in the content coding {named}; send it without a Content-Encoding.",
                headers={"Accept-Encoding": "identity"},
            )


def _explained(body: bytes, error: orjson.JSONDecodeError) -> str:
    if not _is_utf_8(body):
        return "The body is not UTF-8."
    if "depth limit" in error.msg:
        return "The body's JSON is nested too deeply: at most 1,024 levels of objects and lists are allowed."
    return f"The body isn't JSON: line {error.lineno}, column {error.colno}."


def _is_utf_8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    # ASCII in UTF-16 or UTF-32 has zeros in it, which no JSON text begins with.
    return b"\0" not in body[:4]
