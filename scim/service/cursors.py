"""Cursors: where a client's paging goes on, sealed so that nobody but us can read, forge or move one (RFC 9865 §5).

Nothing is kept for a cursor: it carries all that the next page needs, and any instance opens what another has sealed. It
gives no access: the page is read for the tenant of the request that brings it, by that request's own query.
"""

import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

import orjson

from scim.protocol.errors import ExpiredCursor, InvalidCursor
from scim.protocol.json import Json
from scim.protocol.query import Bound

_FORM: Final = re.compile(r"[A-Za-z0-9_-]{1,4096}", re.ASCII)
_DIGEST_BYTES: Final = 16
_FORMAT: Final = 1
"""Of what is in a cursor: a version of the service opens those of its own format only."""
_RAW_DEFLATE: Final = -15


class Place(NamedTuple):
    """A resource in the order of a query: its type, and one of `Found.keys`."""

    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where to go on: behind `place`, or before it; without a place at the beginning."""

    place: Place | None
    forwards: bool
    count: int
    """Resources in a page, as the paging began."""
    total: int
    """How many there were when the paging began."""


class Key(Protocol):
    """The key of all instances, 32 bytes; one that is `doubted` is looked up anew, unless that was done just now."""

    async def __call__(self, doubted: bytes | None = None, /) -> bytes: ...


class Cursors:
    """Seals cursors and opens them; one is good for `seconds`."""

    def __init__(self, key: Key, clock: Callable[[], datetime], *, seconds: int) -> None:
        self._key = key
        self._clock = clock
        self._seconds = seconds

    async def sealed(self, cursor: Cursor, query: str) -> str:
        """The cursor's text for a client, of letters that no URL has to quote; `query` is what `fingerprint` gives."""
        # Cold starts shouldn't pay for it.
        from cryptography.fernet import Fernet  # noqa: PLC0415 - loads when first needed

        place = None if cursor.place is None else [*cursor.place]
        content = orjson.dumps([query, place, cursor.forwards, cursor.count, cursor.total])
        key = urlsafe_b64encode(await self._key())
        token = Fernet(key).encrypt_at_time(zlib.compress(content, wbits=_RAW_DEFLATE), self._now())
        return token.rstrip(b"=").decode()

    async def opened(self, text: str, query: str) -> Cursor:
        """What was sealed for this query. Raises `InvalidCursor` or `ExpiredCursor`."""
        token = _token(text)
        key = await self._key()
        found = _unsealed(token, key)
        if found is None:
            # Another instance may have made another key since, because somebody took ours away.
            found = _unsealed(token, await self._key(key))
        if found is None:
            raise _invalid()
        (sealed_for, *content), at = found
        if sealed_for != query:
            raise _invalid()
        place, forwards, count, total = content
        if self._now() - at > self._seconds:
            raise ExpiredCursor(
                f"The cursor is older than {self._seconds} seconds; begin again with an empty 'cursor'."
            )
        return Cursor(None if place is None else Place(*place), forwards, count, total)

    def _now(self) -> int:
        return int(self._clock().timestamp())


def fingerprint(
    tenant: str, filters: Mapping[str, Bound | None], sorts: Mapping[str, str | None], *, descending: bool
) -> str:
    """What a cursor is bound to: whose resources, of which types, which of them, in which order.

    The filters count by what they mean: RFC 9865 §2 itself writes `userName` on one page and `username` on the next.
    """
    meant = repr((_FORMAT, tenant, [(kind, sorts[kind], bound) for kind, bound in filters.items()], descending))
    return urlsafe_b64encode(sha256(meant.encode()).digest()[:_DIGEST_BYTES]).decode()


def _token(text: str) -> bytes:
    """The sealed bytes in Base64 as we write it; other spellings of the same bytes are refused."""
    padded = text + "=" * (-len(text) % 4)
    if _FORM.fullmatch(text) is None or len(text) % 4 == 1:
        raise _invalid()
    token = urlsafe_b64encode(urlsafe_b64decode(padded))
    if token != padded.encode():
        raise _invalid()
    return token


def _unsealed(token: bytes, key: bytes) -> tuple[Json, int] | None:
    """The content and the second of the sealing; `None` if this key didn't seal it."""
    from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415 - loads when first needed

    box = Fernet(urlsafe_b64encode(key))
    try:
        content = box.decrypt(token)
    except InvalidToken:
        return None
    return orjson.loads(zlib.decompress(content, wbits=_RAW_DEFLATE)), box.extract_timestamp(token)


def _invalid() -> InvalidCursor:
    # One text whatever is wrong with it (RFC 9865 §5.2): it must not tell whether a cursor is somebody else's.
    return InvalidCursor(
        "The cursor isn't one that this query was given; send it unchanged, with the same query, or begin again with "
        "an empty 'cursor'."
    )
