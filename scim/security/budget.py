"""How many requests somebody may make: token buckets. Knows no tenant and no clock but the one it is given."""

import math
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from scim.protocol.errors import TooManyRequests

_SIZE: Final = 10_000


class Budget:
    """For each key `rate` requests a second, and up to `burst` at once after a pause. `timer` gives seconds."""

    def __init__(self, rate: float, burst: float, *, timer: Callable[[], float], size: int = _SIZE) -> None:
        self._rate = rate
        self._burst = burst
        self._timer = timer
        self._buckets: LRUCache[str, list[float]] = LRUCache(size)  # what is left in it, and when that was so

    def take(self, key: str) -> None:
        """Check that there is room for a request, and count it. Raises `TooManyRequests`."""
        bucket = self._bucket(key)
        self._check(bucket)
        bucket[0] -= 1

    def check(self, key: str) -> None:
        """Raise `TooManyRequests`, which says when to come back, if there is no room for a request."""
        self._check(self._bucket(key))

    def charge(self, key: str) -> None:
        """Count a request without checking for room: for requests that turn out only later to count."""
        bucket = self._bucket(key)
        bucket[0] = max(0.0, bucket[0] - 1)

    def _check(self, bucket: list[float]) -> None:
        if bucket[0] < 1:
            raise TooManyRequests(max(1, math.ceil((1 - bucket[0]) / self._rate)))

    def _bucket(self, key: str) -> list[float]:
        now = self._timer()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = [self._burst, now]
        else:
            bucket[0] = min(self._burst, bucket[0] + (now - bucket[1]) * self._rate)
            bucket[1] = now
        return bucket
