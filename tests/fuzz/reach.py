"""Which inputs are worth keeping: those that reach together what all of them reach.

What an input reaches is every step from one line of `scim/` to another, and how often it is taken, in powers of two. Needs no
fuzzing engine: the interpreter tells.
"""

import heapq
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType
from typing import Final

import scim

_OURS: Final = str(Path(scim.__file__).parent)
_TOOL: Final = sys.monitoring.COVERAGE_ID

type Step = tuple[CodeType, int, int, int]


class Monitor:
    """Watches the lines of `scim/` while it is open; others aren't looked at twice."""

    def __init__(self) -> None:
        self._steps: Counter[tuple[CodeType, int, int]] = Counter()
        self._last: tuple[CodeType | None, int] = (None, 0)

    def __enter__(self) -> "Monitor":
        sys.monitoring.use_tool_id(_TOOL, "tests.fuzz")
        sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, self._line)
        sys.monitoring.set_events(_TOOL, sys.monitoring.events.LINE)
        return self

    def __exit__(self, *raised: object) -> None:
        sys.monitoring.set_events(_TOOL, sys.monitoring.events.NO_EVENTS)
        sys.monitoring.free_tool_id(_TOOL)

    def _line(self, code: CodeType, line: int) -> object:
        if not code.co_filename.startswith(_OURS):
            return sys.monitoring.DISABLE
        before = self._last[1] if self._last[0] is code else 0
        self._steps[code, before, line] += 1
        self._last = (code, line)
        return None

    def steps(self, target: Callable[[bytes], None], data: bytes) -> frozenset[Step]:
        """What the target reaches with this input."""
        self._steps.clear()
        self._last = (None, 0)
        target(data)
        return frozenset((*step, times.bit_length()) for step, times in self._steps.items())


def fewest(target: Callable[[bytes], None], inputs: Iterable[bytes], most: int) -> list[bytes]:
    """At most so many inputs, chosen one by one for what they add, the shorter of two alike first."""
    with Monitor() as monitor:
        target(b"")  # what is only done once is nobody's merit
        reached = {data: monitor.steps(target, data) for data in sorted(set(inputs), key=lambda one: (len(one), one))}
    seen: set[Step] = set()
    chosen: list[bytes] = []
    # The most that an input may add only shrinks, so that what was counted before need only be counted again at the top.
    heap = [(-len(steps), at, data) for at, (data, steps) in enumerate(reached.items())]
    heapq.heapify(heap)
    while heap and len(chosen) < most:
        _, at, data = heapq.heappop(heap)
        added = len(reached[data] - seen)
        if not added:
            continue
        if heap and -heap[0][0] > added:
            heapq.heappush(heap, (-added, at, data))
            continue
        chosen.append(data)
        seen |= reached[data]
    return chosen
