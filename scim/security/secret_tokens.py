"""Secret tokens: made here, shown once, kept as a digest. The text says by its prefix what it is, so that scanners find leaks.

`scimaf_<id>_<secret><mac><checksum>`: the id of the record in hex; 256 random bits in base32; a keyed MAC of all that stands
before it, 128 bits in hex; and a CRC-32 of all that, in hex.

The checksum tells a text that was cut off or mistyped. The MAC tells a text that somebody made up, without asking the store:
its key is a record of the store that is read once. Neither lets anybody in: that is for the digest in the token's record.
"""

import hmac
import logging
import re
from base64 import b32encode
from binascii import crc32
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b, sha256
from secrets import token_bytes
from typing import Final

from cachetools import LRUCache

from scim.security.bearer import invalid
from scim.security.customers import Customers
from scim.security.directory import Directory
from scim.security.principal import Access, Principal
from scim.security.records import SecretToken
from scim.storage.interface import StoreError

PREFIX: Final = "scimaf_"
_FORM: Final = re.compile(r"(scimaf_([0-9a-f]{32})_[a-z2-7]{52})([0-9a-f]{32})([0-9a-f]{8})", re.ASCII)
_MAC_BYTES: Final = 16
_NOTE_USE_AFTER: Final = timedelta(hours=1)
_WARN_BEFORE: Final = timedelta(days=30)
_WARN_AGAIN_AFTER: Final = timedelta(days=1)
_SIZE: Final = 10_000

_log: Final = logging.getLogger("scim.security")


def make(
    id: str, customer: str, *, key: bytes, access: Access, note: str, now: datetime, days: int
) -> tuple[str, SecretToken]:
    """Make a token with a fresh UUID as its id. Return its text, which is kept nowhere, and the record to keep.

    `key` is the deployment's key of MACs (`Customers.need_mac_key`).
    """
    random = f"{PREFIX}{id.replace('-', '')}_{b32encode(token_bytes(32)).decode().rstrip('=').lower()}"
    body = f"{random}{_mac(random, key)}"
    text = f"{body}{_checksum(body)}"
    record = SecretToken(
        id=id,
        customer=customer,
        digest=_digest(text),
        access=access,
        created=now,
        expires=now + timedelta(days=days),
        note=note,
    )
    return text, record


class SecretTokens:
    """Checks secret tokens, notes about once an hour that they are in use, and warns before they expire."""

    def __init__(self, directory: Directory, customers: Customers, clock: Callable[[], datetime]) -> None:
        self._directory = directory
        self._customers = customers
        self._clock = clock
        self._noted: LRUCache[str, datetime] = LRUCache(_SIZE)
        self._warned: LRUCache[tuple[str, bool], datetime] = LRUCache(_SIZE)

    async def check(self, text: str) -> tuple[Principal, float]:
        """Whom the token lets in, and until when (POSIX seconds). Raises `Unauthorized`."""
        form = _FORM.fullmatch(text)
        if form is None or _checksum(text[:-8]) != form[4]:
            raise invalid("The secret token is cut off or mistyped; copy it again, whole.", reason="mistyped")
        key = await self._directory.mac_key()
        if key is not None and not hmac.compare_digest(_mac(form[1], key), form[3]):
            raise invalid(reason="made-up")
        record = await self._directory.secret_token(_uuid(form[2]))
        if record is None:
            raise invalid(reason="unknown")
        if not hmac.compare_digest(_digest(text), record.digest):
            raise invalid(reason="made-up")
        now = self._clock()
        if now >= record.expires:
            if self._may_warn(record, now, expired=True):
                _log.warning("secret token %s has expired and is still in use", record.id)
            raise invalid("The secret token has expired; make a new one with 'scim token create'.", reason="expired")
        if await self._directory.customer(record.customer) is None:
            raise invalid(reason="customer")
        self._warn(record, now)
        await self._note_use(record, now)
        return Principal(record.customer, record.access), record.expires.timestamp()

    def _warn(self, record: SecretToken, now: datetime) -> None:
        left = record.expires - now
        if left <= _WARN_BEFORE and self._may_warn(record, now, expired=False):
            _log.warning(
                "secret token %s expires in %d days; make another with 'scim token create'", record.id, left.days
            )

    def _may_warn(self, record: SecretToken, now: datetime, *, expired: bool) -> bool:
        """Once a day for each token, that it will expire and that it has."""
        due = _is_due(self._warned.get((record.id, expired)), now, _WARN_AGAIN_AFTER)
        if due:
            self._warned[record.id, expired] = now
        return due

    async def _note_use(self, record: SecretToken, now: datetime) -> None:
        if _is_due(record.last_used, now, _NOTE_USE_AFTER) and _is_due(
            self._noted.get(record.id), now, _NOTE_USE_AFTER
        ):
            self._noted[record.id] = now
            try:
                await self._customers.note_use(record.id)
            except StoreError as error:  # it's for the operator's eyes; the request goes on
                _log.warning("the use of a secret token can't be noted: %s", type(error).__name__)


def _is_due(last: datetime | None, now: datetime, after: timedelta) -> bool:
    return last is None or now - last >= after


def _mac(text: str, key: bytes) -> str:
    # RFC 7693 §2.9: BLAKE2b with a key is a MAC, and takes a fifth of the time of HMAC here.
    return blake2b(text.encode(), key=key, digest_size=_MAC_BYTES).hexdigest()


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _checksum(text: str) -> str:
    return f"{crc32(text.encode()):08x}"


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
