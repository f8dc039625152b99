"""Creates and checks secret tokens. A token's record has only its digest. A check also records the use and warns before
the expiry.

Form: `scimaf_<id>_<secret><mac><checksum>`: the id of the record in hex; 256 random bits in base32; a keyed MAC of the
text before it, 128 bits in hex; a CRC-32 of the text before it in hex. The prefix lets secret scanners recognise a
leaked token.

How it works: the checksum detects a truncated or mistyped token. The MAC detects a made-up token without a database
read; its key is read from the store once in the process. Access depends only on the digest in the token's record.
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
from scim.security.customers.cached import CachedCustomers
from scim.security.customers.records import SecretToken
from scim.security.customers.repository import Customers
from scim.security.principal import Access, Principal
from scim.storage.errors import StoreError

PREFIX: Final = "scimaf_"
_FORM: Final = re.compile(r"(scimaf_([0-9a-f]{32})_[a-z2-7]{52})([0-9a-f]{32})([0-9a-f]{8})", re.ASCII)
_MAC_BYTES: Final = 16
_NOTE_USE_AFTER: Final = timedelta(hours=1)
_WARN_BEFORE: Final = timedelta(days=30)
_WARN_AGAIN_AFTER: Final = timedelta(days=1)
_SIZE: Final = 10_000

_log: Final = logging.getLogger("scim.security")


def create(
    id: str, customer: str, *, key: bytes, access: Access, note: str, now: datetime, days: int
) -> tuple[str, SecretToken]:
    """Return a new token's text, which is stored nowhere, and its record. `id` is a fresh UUID.

    `key` is the deployment's MAC key (`Customers.require_mac_key`). `days` is the lifetime.
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
    """Checks secret tokens, records their use about once an hour, and logs a warning before they expire."""

    def __init__(self, cached_customers: CachedCustomers, customers: Customers, clock: Callable[[], datetime]) -> None:
        self._cached_customers = cached_customers
        self._customers = customers
        self._clock = clock
        self._noted: LRUCache[str, datetime] = LRUCache(_SIZE)
        self._warned: LRUCache[tuple[str, bool], datetime] = LRUCache(_SIZE)

    async def check(self, text: str, digest: bytes) -> tuple[Principal, float]:
        """Return the principal of the token, and the POSIX time until which the result is valid.

        `digest` is the SHA-256 of the text. Raises `Unauthorized`, `TooManyRequests`.
        """
        form = _FORM.fullmatch(text)
        if form is None or _checksum(text[:-8]) != form[4]:
            raise invalid("The secret token is incomplete or mistyped. Copy it again.", reason="mistyped")
        key = await self._cached_customers.mac_key()
        if key is not None and not hmac.compare_digest(_mac(form[1], key), form[3]):
            raise invalid(reason="made-up")
        record = await self._cached_customers.secret_token(_uuid(form[2]))
        if record is None:
            raise invalid(reason="unknown")
        if not hmac.compare_digest(digest.hex(), record.digest):
            raise invalid(reason="made-up")
        now = self._clock()
        if now >= record.expires:
            if self._may_warn(record, now, expired=True):
                _log.warning("secret token %s has expired and is still in use", record.id)
            raise invalid("The secret token has expired. Create a new one with 'scim token create'.", reason="expired")
        if await self._cached_customers.customer(record.customer) is None:
            raise invalid(reason="customer")
        self._warn(record, now)
        await self._record_use(record, now)
        return Principal(record.customer, record.access), record.expires.timestamp()

    def _warn(self, record: SecretToken, now: datetime) -> None:
        remaining = record.expires - now
        if remaining <= _WARN_BEFORE and self._may_warn(record, now, expired=False):
            _log.warning(
                "secret token %s expires in %d days; create a new one with 'scim token create'",
                record.id,
                remaining.days,
            )

    def _may_warn(self, record: SecretToken, now: datetime, *, expired: bool) -> bool:
        """Return whether a warning is due: at most one a day for each token before its expiry, and one a day after it."""
        due = _is_due(self._warned.get((record.id, expired)), now, _WARN_AGAIN_AFTER)
        if due:
            self._warned[record.id, expired] = now
        return due

    async def _record_use(self, record: SecretToken, now: datetime) -> None:
        if _is_due(record.last_used, now, _NOTE_USE_AFTER) and _is_due(
            self._noted.get(record.id), now, _NOTE_USE_AFTER
        ):
            self._noted[record.id] = now
            try:
                await self._customers.record_use(record.id)
            except (
                StoreError
            ) as error:  # the time of use is only information for the operator, so the request continues
                _log.warning("the use of a secret token can't be recorded: %s", type(error).__name__)


def _is_due(last: datetime | None, now: datetime, after: timedelta) -> bool:
    return last is None or now - last >= after


def _mac(text: str, key: bytes) -> str:
    # RFC 7693 §2.9: BLAKE2b with a key is a MAC. It takes a fifth of the time of HMAC here.
    return blake2b(text.encode(), key=key, digest_size=_MAC_BYTES).hexdigest()


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _checksum(text: str) -> str:
    return f"{crc32(text.encode()):08x}"


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
