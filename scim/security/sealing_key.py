"""The key that cursors are sealed with: one for the whole deployment, kept in the store's partition `$system`.

Every instance must open what another has sealed, and nothing else in a deployment could hold a key for them. It opens no
door: who has it can forge where a page of their own customer begins.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from scim.security import stored_key
from scim.security.customers import SYSTEM
from scim.security.remembered import Remembered
from scim.storage.interface import Store, StoreUnavailable

_KIND: Final = "SealingKey"
_ID: Final = "cursors"
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
            key = await stored_key.read(self._store, SYSTEM, _KIND, id)
            if key is None:
                key = await stored_key.create(self._store, SYSTEM, _KIND, id, now=self._clock())
            if key is not None:
                return key
        raise StoreUnavailable("the sealing key comes and goes", retry_after=1)
