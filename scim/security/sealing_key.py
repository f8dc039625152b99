"""The key that cursors are sealed with: one for the whole deployment, kept in the store's partition `$system`.

Every instance must open what another has sealed, and nothing else in a deployment could hold a key for them. It opens no
door: who has it can forge where a page of their own customer begins.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from secrets import token_bytes
from typing import Final

from scim.security.customers import SYSTEM
from scim.security.remembered import Remembered
from scim.storage.interface import Draft, Store, Stored, StoreUnavailable, Taken

_KIND: Final = "SealingKey"
_ID: Final = "cursors"
_BYTES: Final = 32
_SECONDS: Final = 60.0
"""How long one that doesn't open a cursor is used before it is read again."""
_ATTEMPTS: Final = 3


class SealingKey:
    """Reads the key, or makes it if there is none, once for the process. `timer` gives seconds."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime], timer: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._known = Remembered(self._found, seconds=_SECONDS, timer=timer, size=1)

    async def __call__(self, doubted: bytes | None = None, /) -> bytes:
        """The key; one that is `doubted` is read again, at most once a minute."""
        known = self._known.last(_ID)
        return known if known is not None and known != doubted else await self._known.get(_ID)

    async def _found(self, id: str) -> bytes:
        for _ in range(_ATTEMPTS):
            kept = await self._store.read(SYSTEM, _KIND, id)
            if kept is not None:
                return _of(kept)
            key = token_bytes(_BYTES)
            record = {"id": id, "key": b64encode(key).decode(), "created": self._clock().isoformat()}
            try:
                await self._store.create(SYSTEM, Draft(_KIND, id, f"{_KIND}:{id}", record, {"id": id}, {}))
            except Taken:
                continue  # another instance was first: it is that one's
            return key
        raise StoreUnavailable("the sealing key comes and goes", retry_after=1)


def _of(kept: Stored) -> bytes:
    try:
        key = b64decode(kept.resource["key"])
    except ValueError:
        key = b""
    if len(key) != _BYTES:
        raise StoreUnavailable("the sealing key isn't one; delete its record, and another is made")
    return key
