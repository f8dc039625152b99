"""CPU time per request, in rounds that take turns, so that what disturbs the machine disturbs everything alike."""

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Final

type Batch = Callable[[int], float]
"""Sends so many requests and tells the seconds of CPU that they took; making the requests doesn't count."""

_WARM_UP: Final = 2


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things compared: how to run it, and how many requests make a round."""

    batch: Batch
    requests: int


@dataclass(frozen=True, slots=True)
class Figure:
    """CPU seconds per request: the median of the rounds, and the middle half of them."""

    middle: float
    lower: float
    upper: float
    rounds: int


def compare(sides: Mapping[str, Side], rounds: int) -> dict[str, Figure]:
    """The figure of each side. In every round each side runs once; the first rounds only warm up."""
    names = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    # What the stores hold is not the collector's business while a request is measured.
    gc.freeze()
    try:
        for number in range(-_WARM_UP, rounds):
            # Nobody always comes first.
            shift = number % len(names)
            for name in (*names[shift:], *names[:shift]):
                side = sides[name]
                spent = side.batch(side.requests) / side.requests
                if number >= 0:
                    seconds[name].append(spent)
    finally:
        gc.unfreeze()
    return {name: _figure(values) for name, values in seconds.items()}


def timed(work: Callable[[], None]) -> float:
    """CPU seconds of the whole process, kernel included, while the work runs."""
    before = process_time()
    work()
    return process_time() - before


def growth(small: Figure, large: Figure) -> float:
    """How many times the small one the large one costs."""
    return large.middle / small.middle


def _figure(values: Sequence[float]) -> Figure:
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return Figure(median(ordered), ordered[quarter], ordered[-1 - quarter], len(ordered))
