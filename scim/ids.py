"""Makes resource ids and request ids. Resource ids are UUIDs of version 7 (RFC 9562 §5.7), which sort by time of
creation.
"""

from collections.abc import Callable
from datetime import datetime
from itertools import count
from secrets import randbits
from typing import Final

_COUNTER_BITS: Final = 74


def uuid7(clock: Callable[[], datetime]) -> Callable[[], str]:
    """Return a function that makes ids. Within a millisecond, and if the clock goes back, it counts up the random part
    instead.
    """
    last_ms = last_random = 0

    def new() -> str:
        nonlocal last_ms, last_random
        ms = int(clock().timestamp() * 1000)
        if ms > last_ms:
            # The top bit stays zero, so that there is room to count.
            last_ms, last_random = ms, randbits(_COUNTER_BITS - 1)
        else:
            last_random += 1 + randbits(32)
            if last_random >> _COUNTER_BITS:
                last_ms, last_random = last_ms + 1, randbits(_COUNTER_BITS - 1)
        high, low = last_random >> 62, last_random & (2**62 - 1)
        digits = f"{last_ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    return new


def request_ids(clock: Callable[[], datetime]) -> Callable[[], str]:
    """Return a function that makes request ids in the form of UUIDs: a random prefix for the process, and a counter."""
    prefix = uuid7(clock)().rpartition("-")[0]
    numbers = count(randbits(40))
    return lambda: f"{prefix}-{next(numbers):012x}"
