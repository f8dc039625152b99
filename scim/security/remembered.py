"""Values that are read from elsewhere and kept for a while. Knows neither what they are nor where they come from."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from cachetools import LRUCache

_SIZE: Final = 10_000


class Remembered[T]:
    """Values by key, each read anew once it is `seconds` old; the least used are dropped. `timer` gives seconds.

    Requests that want the same value wait for one read. A read that fails is not cached. Keys without a value (`None`) have a
    cache of their own: asking for made-up keys must not drop values that are in use.
    """

    def __init__(
        self, read: Callable[[str], Awaitable[T]], *, seconds: float, timer: Callable[[], float], size: int = _SIZE
    ) -> None:
        self._read = read
        self._seconds = seconds
        self._timer = timer
        self._kept: LRUCache[str, tuple[float, T]] = LRUCache(size)
        self._missing: LRUCache[str, tuple[float, T]] = LRUCache(size)
        self._reading: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str) -> T:
        """The value, at most `seconds` old. Raises what the reading raises."""
        found = self._kept.get(key) or self._missing.get(key)
        if found is not None and self._is_young(found[0]):
            return found[1]
        task = self._reading.get(key)
        if task is None:
            task = asyncio.create_task(self._read_and_keep(key))
            self._reading[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # A request that is called off leaves the reading to the others.
        return await asyncio.shield(task)

    def last(self, key: str) -> T | None:
        """The value that was read last, however old."""
        found = self._kept.get(key)
        return None if found is None else found[1]

    def is_fresh(self, key: str) -> bool:
        """Whether `get` would answer without reading."""
        found = self._kept.get(key) or self._missing.get(key)
        return found is not None and self._is_young(found[0])

    def _is_young(self, at: float) -> bool:
        return self._timer() - at < self._seconds

    async def _read_and_keep(self, key: str) -> T:
        at = self._timer()  # of the beginning: what changes while it is read counts as not seen
        value = await self._read(key)
        cache, other = (self._missing, self._kept) if value is None else (self._kept, self._missing)
        cache[key] = at, value
        if key in other:
            del other[key]
        return value

    def _finished(self, key: str, task: asyncio.Task[T]) -> None:
        del self._reading[key]
        if not task.cancelled():
            task.exception()  # whoever still waits raises it; nobody may be left
