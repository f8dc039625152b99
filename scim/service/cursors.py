"""Encrypts the positions of cursor paging for clients, and decrypts them (RFC 9865 §5).

How it works: a cursor is stateless. It holds everything that the next page needs, encrypted and authenticated (Fernet) with
a key that all instances share, so that clients can neither read nor change it. It is bound to one query by a fingerprint. It
grants no access: the service reads the page with the customer and the query of the request that sends the cursor.
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
from scim.protocol.filter.binding import Bound
from scim.protocol.json import Json

_FORM: Final = re.compile(r"[A-Za-z0-9_-]{1,4096}", re.ASCII)
_DIGEST_BYTES: Final = 16
_FORMAT: Final = 1
"""Version of the content of a cursor. Cursors of another version are invalid."""
_RAW_DEFLATE: Final = -15


class Position(NamedTuple):
    """The position of a resource in the order of a query: its type, and its key in `SearchPage.keys`."""

    type_name: str
    key: str


@dataclass(frozen=True, slots=True)
class Cursor:
    """The page after `position`, or before it; the first page if `position` is `None`."""

    position: Position | None
    forwards: bool
    count: int
    """Resources in a page, as the request for the first page had it."""
    total: int
    """`totalResults` of the first page."""


class Key(Protocol):
    """Returns the key of 32 bytes that all instances share. Reads it again if the caller passes a key that didn't decrypt."""

    async def __call__(self, doubted: bytes | None = None, /) -> bytes: ...


class Cursors:
    """Encrypts and decrypts cursors, which are valid for `seconds`."""

    def __init__(self, key: Key, clock: Callable[[], datetime], *, seconds: int) -> None:
        self._key = key
        self._clock = clock
        self._seconds = seconds

    async def encrypt(self, cursor: Cursor, query: str) -> str:
        """Return the encrypted cursor as unreserved URL characters. `query` is the result of `fingerprint`.

        Raises `StoreError`.
        """
        # Imported here, because cold starts don't need it.
        from cryptography.fernet import Fernet  # noqa: PLC0415 - loads when first needed

        position = None if cursor.position is None else [*cursor.position]
        content = orjson.dumps([query, position, cursor.forwards, cursor.count, cursor.total])
        key = urlsafe_b64encode(await self._key())
        token = Fernet(key).encrypt_at_time(zlib.compress(content, wbits=_RAW_DEFLATE), self._now())
        return token.rstrip(b"=").decode()

    async def decrypt(self, text: str, query: str) -> Cursor:
        """Return the cursor of this query. Raises `InvalidCursor`, `ExpiredCursor`."""
        token = _token(text)
        key = await self._key()
        decrypted = _decrypted(token, key)
        if decrypted is None:
            # An operator may have deleted the key, and another instance may have made a new one since.
            decrypted = _decrypted(token, await self._key(key))
        if decrypted is None:
            raise _invalid()
        (cursor_query, *content), encrypted_at = decrypted
        if cursor_query != query:
            raise _invalid()
        position, forwards, count, total = content
        if self._now() - encrypted_at > self._seconds:
            raise ExpiredCursor(
                f"The cursor is older than {self._seconds} seconds. Start again with an empty 'cursor'."
            )
        return Cursor(None if position is None else Position(*position), forwards, count, total)

    def _now(self) -> int:
        return int(self._clock().timestamp())


def fingerprint(
    customer: str, filters: Mapping[str, Bound | None], sorts: Mapping[str, str | None], *, descending: bool
) -> str:
    """Return the digest of a query, which its cursors are bound to: customer, resource types, filter and order.

    Takes bound filters, so that `userName` and `username` are the same query, as in the example of RFC 9865 §2.
    """
    query = repr(
        (_FORMAT, customer, [(type_name, sorts[type_name], bound) for type_name, bound in filters.items()], descending)
    )
    return urlsafe_b64encode(sha256(query.encode()).digest()[:_DIGEST_BYTES]).decode()


def _token(text: str) -> bytes:
    """Return the token in canonical Base64. Raises `InvalidCursor`, also for another spelling of the same bytes."""
    padded = text + "=" * (-len(text) % 4)
    if _FORM.fullmatch(text) is None or len(text) % 4 == 1:
        raise _invalid()
    token = urlsafe_b64encode(urlsafe_b64decode(padded))
    if token != padded.encode():
        raise _invalid()
    return token


def _decrypted(token: bytes, key: bytes) -> tuple[Json, int] | None:
    """Return the content and the Unix time of the encryption; `None` if the token wasn't encrypted with this key."""
    from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415 - loads when first needed

    box = Fernet(urlsafe_b64encode(key))
    try:
        content = box.decrypt(token)
    except InvalidToken:
        return None
    return orjson.loads(zlib.decompress(content, wbits=_RAW_DEFLATE)), box.extract_timestamp(token)


def _invalid() -> InvalidCursor:
    # The same text for every fault (RFC 9865 §5.2), so that it doesn't reveal whether a cursor belongs to another customer.
    return InvalidCursor(
        "The cursor doesn't belong to this query. Send it unchanged and with the same query, or start again with an empty "
        "'cursor'."
    )
