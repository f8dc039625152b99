"""The key that encrypts cursors: one for all instances, stored in the partition `$system`.

Every instance must decrypt the cursors of the others. The key grants no access: a client that has it could only choose where a
page of their own customer starts.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from scim.security import stored_key
from scim.security.cache import Cache
from scim.security.customers.repository import SYSTEM
from scim.storage.errors import StoreUnavailable
from scim.storage.interface import Store

_KIND: Final = "SealingKey"
_ID: Final = "cursors"
_SECONDS: Final = 60.0
"""The shortest time between two reads that are caused by cursors which can't be decrypted."""
_ATTEMPTS: Final = 3


class CursorKey:
    """Reads the key once in the process, and creates it if there is none. `timer` gives seconds."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime], timer: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._known = Cache(self._read_or_create, seconds=_SECONDS, timer=timer, size=1)

    async def __call__(self, doubted: bytes | None = None, /) -> bytes:
        """Return the key of 32 bytes. If `doubted` is the present key, read it again, at most once a minute. Raises
        `StoreUnavailable`.
        """
        current = self._known.last(_ID)
        return current if current is not None and current != doubted else await self._known.get(_ID)

    async def _read_or_create(self, id: str) -> bytes:
        for _ in range(_ATTEMPTS):
            key = await stored_key.read(self._store, SYSTEM, _KIND, id)
            if key is None:
                key = await stored_key.create(self._store, SYSTEM, _KIND, id, now=self._clock())
            if key is not None:
                return key
        raise StoreUnavailable("the cursor key is created and deleted repeatedly", retry_after=1)
