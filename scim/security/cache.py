"""A cache of values that an asynchronous function reads. Does not know what the values are."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from cachetools import LRUCache

_SIZE: Final = 10_000


class Cache[T]:
    """Values by key. A value is read again once it is `seconds` old; the least recently used are dropped. `timer` gives
    seconds.

    Concurrent requests for the same key wait for one read. A failed read isn't cached. Keys without a value (`None`)
    have a cache of their own, so that made-up keys can't displace values that are in use.
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
        """Return the value, at most `seconds` old. Raises the errors of the read."""
        cached = self._kept.get(key) or self._missing.get(key)
        if cached is not None and self._is_recent(cached[0]):
            return cached[1]
        task = self._reading.get(key)
        if task is None:
            task = asyncio.create_task(self._read_and_cache(key))
            self._reading[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        # Cancelling one request doesn't stop the read for the others.
        return await asyncio.shield(task)

    def last(self, key: str) -> T | None:
        """Return the value of the last read, however old; `None` if there was none."""
        cached = self._kept.get(key)
        return None if cached is None else cached[1]

    def is_fresh(self, key: str) -> bool:
        """Return whether `get` would return without a read."""
        cached = self._kept.get(key) or self._missing.get(key)
        return cached is not None and self._is_recent(cached[0])

    def _is_recent(self, read_at: float) -> bool:
        return self._timer() - read_at < self._seconds

    async def _read_and_cache(self, key: str) -> T:
        started = self._timer()  # the time of the start, because the read may miss a change that happens meanwhile
        value = await self._read(key)
        cache, other = (self._missing, self._kept) if value is None else (self._kept, self._missing)
        cache[key] = started, value
        if key in other:
            del other[key]
        return value

    def _finished(self, key: str, task: asyncio.Task[T]) -> None:
        del self._reading[key]
        if not task.cancelled():
            task.exception()  # a waiting request raises the error; without one, it counts as retrieved
