"""A rate limit with token buckets. Knows no customers and no clock: the caller passes a key, and a function that gives
seconds.
"""

import math
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

from scim.protocol.errors import TooManyRequests

_SIZE: Final = 10_000


class RateLimit:
    """Allows `rate` requests per second for each key, and up to `burst` at once after a pause. `timer` gives seconds."""

    def __init__(self, rate: float, burst: float, *, timer: Callable[[], float], size: int = _SIZE) -> None:
        self._rate = rate
        self._burst = burst
        self._timer = timer
        self._buckets: LRUCache[str, list[float]] = LRUCache(
            size
        )  # the remaining requests, and the time at which they were counted

    def take(self, key: str) -> None:
        """Count a request. Raises `TooManyRequests` with the seconds to wait if none is left."""
        bucket = self._bucket_of(key)
        self._check(bucket)
        bucket[0] -= 1

    def check(self, key: str) -> None:
        """Raise `TooManyRequests` with the seconds to wait if no request is left. Counts nothing."""
        self._check(self._bucket_of(key))

    def charge(self, key: str) -> None:
        """Count a request without a check, for requests that turn out later to count."""
        bucket = self._bucket_of(key)
        bucket[0] = max(0.0, bucket[0] - 1)

    def _check(self, bucket: list[float]) -> None:
        if bucket[0] < 1:
            raise TooManyRequests(max(1, math.ceil((1 - bucket[0]) / self._rate)))

    def _bucket_of(self, key: str) -> list[float]:
        now = self._timer()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = [self._burst, now]
        else:
            bucket[0] = min(self._burst, bucket[0] + (now - bucket[1]) * self._rate)
            bucket[1] = now
        return bucket
