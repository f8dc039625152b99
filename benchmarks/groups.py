"""What the answer for a whole group costs: CPU for each of its members, and memory beside the answer's own size."""

import tracemalloc
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks import people
from benchmarks.measure import Side, compare
from benchmarks.report import Section, microseconds, verdict
from benchmarks.served import Call, Ours, call

# Members of the group: the microseconds that each may cost, and the requests in a round.
_SIZES: Final = {1_000: (5, 20), 10_000: (10, 3), 200_000: (10, 1)}
_KNOWN: Final = 10_000
"""Members that are users of the store. The others are ids that it doesn't know, which are looked up just the same."""
_MEMORY: Final = 3
"""How many times its own bytes an answer may take."""
_READING: Final = 2**20
"""Bytes that the members on one page take, which are read at a time."""
_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Group:
    """A group, and the request for it."""

    server: Ours
    request: Call

    def spend(self, number: int) -> float:
        """CPU seconds of so many requests."""
        return self.server.spend([self.request] * number)


def run(rounds: int) -> Section:
    """Fill one store, measure; the section of the report."""
    server = Ours()
    try:
        groups = _filled(server)
        figures = compare({str(n): Side(partial(groups[n].spend), _SIZES[n][1]) for n in _SIZES}, rounds)
        lines = [
            f"GET of a group with all its members, {_KNOWN:,} of them users of the store, which is in memory. Medians of CPU over",
            f"{rounds} rounds in which the sizes take turns. Memory is what Python allocates while it answers, the answer included, but",
            "for a megabyte, which the 1,000 members that are read at a time need.",
            "",
            "| members | µs for each member | target | | µs for the answer | bytes | memory : bytes | target | |",
            "|--:|--:|--:|---|--:|--:|--:|--:|---|",
        ]
        for size, (most, _) in _SIZES.items():
            figure = figures[str(size)]
            each = figure.middle * 1e6 / size
            length, times = _memory(groups[size])
            lines.append(
                f"| {size:,} | {each:.1f} | ≤ {most} | {verdict(each <= most)} | {microseconds(figure)} "
                f"| {length:,} | {times:.1f} | ≤ {_MEMORY} | {verdict(times <= _MEMORY)} |"
            )
    finally:
        server.close()
    return Section("Whole groups", "\n".join(lines))


def _filled(server: Ours) -> dict[int, _Group]:
    users = [server.send(call("POST", "/Users", people.user(n))).json["id"] for n in range(_KNOWN)]
    ids = [*users, *(people.member(n) for n in range(max(_SIZES) - _KNOWN))]
    groups = {}
    for number, size in enumerate(_SIZES):
        path = f"/Groups/{server.send(call('POST', '/Groups', people.group(number))).json['id']}"
        for first in range(0, size, _AT_ONCE):
            members = ids[first : min(first + _AT_ONCE, size)]
            server.spend([call("PATCH", path, people.adding(*members))])
        groups[size] = _Group(server, call("GET", path))
    return groups


def _memory(group: _Group) -> tuple[int, float]:
    """The bytes of the answer, and how many times as much was allocated at most."""
    tracemalloc.start()
    try:
        length = len(group.server.send(group.request).body)
        return length, max(0, tracemalloc.get_traced_memory()[1] - _READING) / length
    finally:
        tracemalloc.stop()
