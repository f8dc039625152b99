"""Ours beside PyPI's scim2-server, doing the same in the same run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from benchmarks import loads
from benchmarks.measure import Figure, Side, compare
from benchmarks.report import Section, microseconds, verdict
from benchmarks.served import Ours, Peer, Served

_PEER: Final = "scim2-server"


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of request, how many times less CPU ours is to take, and how many make a round."""

    name: str
    target: float
    load: loads.Load
    ours: int
    theirs: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case; `sizes` are the bytes of one answer of each."""

    case: Case
    figures: Mapping[str, Figure]
    sizes: Mapping[str, int]

    @property
    def times_less(self) -> float:
        """How many times the CPU of ours scim2-server takes."""
        return self.figures[_PEER].middle / self.figures["ours"].middle


def run(rounds: int) -> Section:
    """Measure every case; the section of the report."""
    return _section([_measured(case, rounds) for case in _CASES], rounds)


def _measured(case: Case, rounds: int) -> Outcome:
    servers: dict[str, Served] = {"ours": Ours(), _PEER: Peer()}
    try:
        requests = {name: case.load(server) for name, server in servers.items()}
        sizes = {name: len(server.send(next(requests[name])).body) for name, server in servers.items()}

        def side(name: str, number: int) -> Side:
            return Side(lambda n: servers[name].spend([next(requests[name]) for _ in range(n)]), number)

        figures = compare({"ours": side("ours", case.ours), _PEER: side(_PEER, case.theirs)}, rounds)
    finally:
        for server in servers.values():
            server.close()
    return Outcome(case, figures, sizes)


_CASES: Final = (
    Case("create a user", 10, loads.create, 100, 10),
    Case("get a user", 10, loads.get, 200, 20),
    Case('filter `userName eq "…"`, one hit', 10, loads.filter_hit, 200, 20),
    Case("PATCH a user, five operations", 10, loads.five_operations, 100, 5),
    Case(f"list {loads.LISTED} users", 40, loads.page, 10, 1),
    Case(f"PATCH adding one member to a group of {loads.MEMBERS:,}", 40, loads.add_member, 100, 1),
)


# --- the report ---


def _section(outcomes: Sequence[Outcome], rounds: int) -> Section:
    lines = [
        f"Bytes in, bytes out, in one process, each with its store in memory and its check of a bearer token on. {_PEER} is",
        f"release {version(_PEER)} with scim2-models {version('scim2-models')}, called as the WSGI application that it is. Medians of {rounds} rounds in which the",
        f"two take turns. Each store has {loads.USERS:,} users of the same content (the list: {loads.LISTED}; the group: {loads.MEMBERS:,} members).",
        "",
        "| request | times less CPU | target | |",
        "|---|--:|--:|---|",
    ]
    lines += [
        f"| {o.case.name} | {_told(o.times_less)} | ≥ {o.case.target:.0f} | {verdict(o.times_less >= o.case.target)} |"
        for o in outcomes
    ]
    lines += [
        "",
        "Microseconds of CPU per request, with the middle half of the rounds in brackets, and the bytes of one answer:",
        "",
        f"| request | ours | {_PEER} | bytes, ours | bytes, {_PEER} |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {o.case.name} | {microseconds(o.figures['ours'])} | {microseconds(o.figures[_PEER])} "
        f"| {o.sizes['ours']:,} | {o.sizes[_PEER]:,} |"
        for o in outcomes
    ]
    return Section("Beside scim2-server", "\n".join(lines))


def _told(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 20 else f"{ratio:,.0f}"
