"""A bulk of creations beside as many single ones: in process, and through `scim serve` over a port with a client."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from time import clock_gettime
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks import people
from benchmarks.measure import Batch, Figure, Side, compare, growth
from benchmarks.report import Section, microseconds, verdict
from benchmarks.served import Call, Ours, call

_TITLE: Final = "Bulk"
_OPERATIONS: Final = 1_000
_TARGET: Final = 0.5
_MOST_ROUNDS: Final = 15
_TOKEN: Final = "a-token-for-benchmarks"
_BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one creation costs, alone and in a bulk."""

    name: str
    alone: Figure
    bulk: Figure

    @property
    def ratio(self) -> float:
        """What a bulk costs as a part of what its operations cost alone."""
        return growth(self.alone, self.bulk)


def run(rounds: int) -> Section:
    """Measure both ways; the section of the report."""
    rounds = min(rounds, _MOST_ROUNDS)
    with _over_a_port() as alone, _over_a_port() as bulk:
        figures = compare({"alone": Side(alone.alone, _OPERATIONS), "bulk": Side(bulk.bulk, _OPERATIONS)}, rounds)
        outcomes = [Outcome("through `scim serve`, over a port", figures["alone"], figures["bulk"])]
    alone_here, bulk_here = Ours(), Ours()
    try:
        sides = {"alone": Side(_alone(alone_here), _OPERATIONS), "bulk": Side(_bulk(bulk_here), _OPERATIONS)}
        figures = compare(sides, rounds)
        outcomes.append(Outcome("the handler alone, in process", figures["alone"], figures["bulk"]))
    finally:
        alone_here.close()
        bulk_here.close()
    return _section(outcomes, rounds)


def _section(outcomes: Sequence[Outcome], rounds: int) -> Section:
    over_a_port = outcomes[0]
    lines = [
        f"{_OPERATIONS:,} users created by one bulk request, beside {_OPERATIONS:,} requests of their own, each side with a store in memory of",
        f"its own. Medians of CPU over {rounds} rounds in which the two take turns. Over a port the CPU is that of the server's",
        "process, which also writes its log, and the client keeps one connection open. In process there is no HTTP: what is",
        "left is what a creation itself takes, which a bulk can't save.",
        "",
        "| | CPU of a bulk : of its operations alone | target | |",
        "|---|--:|--:|---|",
        f"| {over_a_port.name} | {over_a_port.ratio:.2f} | ≤ {_TARGET} | {verdict(over_a_port.ratio <= _TARGET)} |",
        *(f"| {o.name} | {o.ratio:.2f} | | |" for o in outcomes[1:]),
        "",
        "Microseconds of CPU per creation, with the middle half of the rounds in brackets:",
        "",
        "| | alone | in a bulk |",
        "|---|--:|--:|",
        *(f"| {o.name} | {microseconds(o.alone)} | {microseconds(o.bulk)} |" for o in outcomes),
    ]
    return Section(_TITLE, "\n".join(lines))


# --- the load ---


def _singles(numbers: Iterator[int], number: int) -> list[Call]:
    return [call("POST", "/Users", people.user(next(numbers))) for _ in range(number)]


def _in_bulk(numbers: Iterator[int], number: int) -> Call:
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": f"user{n}", "data": people.user(n)}
        for n in (next(numbers) for _ in range(number))
    ]
    return call("POST", "/Bulk", {"schemas": [_BULK], "Operations": operations})


def _check_all_made(body: bytes, number: int) -> None:
    entries = json.loads(body)["Operations"]
    made = sum(entry["status"] == "201" for entry in entries)
    if made != number:
        raise RuntimeError(f"{number - made} creations of a bulk that was measured failed")


# --- in process ---


def _alone(server: Ours) -> Batch:
    numbers = count()
    return lambda number: server.spend(_singles(numbers, number))


def _bulk(server: Ours) -> Batch:
    numbers = count()
    _check_all_made(server.send(_in_bulk(numbers, _OPERATIONS)).body, _OPERATIONS)
    return lambda number: server.spend([_in_bulk(numbers, number)])


# --- over a port ---


class _Remote:
    """A server in a process of its own, and a connection to it."""

    def __init__(self, process: "subprocess.Popen[str]", base_url: str) -> None:
        address = urlsplit(base_url)
        self._path = address.path
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=120)
        # The clock of another process's CPU time, all threads counted (clock_getcpuclockid(3)).
        self._clock = (~process.pid << 3) | 2
        self._numbers = count()

    def alone(self, number: int) -> float:
        """CPU seconds of the server for so many creations, each a request of its own."""
        return self._spent(_singles(self._numbers, number), 201)[0]

    def bulk(self, number: int) -> float:
        """The same in one bulk request."""
        seconds, body = self._spent([_in_bulk(self._numbers, number)], 200)
        _check_all_made(body, number)
        return seconds

    def close(self) -> None:
        self._connection.close()

    def _spent(self, calls: Sequence[Call], wanted: int) -> tuple[float, bytes]:
        headers: Mapping[str, Any] = {
            "Authorization": f"Bearer {_TOKEN}",
            "Content-Type": "application/scim+json",
            "Accept": "application/scim+json",
        }
        before = clock_gettime(self._clock)
        body = b""
        for one in calls:
            self._connection.request(one.method, self._path + one.path, one.body, headers)
            answer = self._connection.getresponse()
            body = answer.read()
            if answer.status != wanted:
                raise RuntimeError(f"a request that was measured failed: {answer.status} {body[:500]!r}")
        return clock_gettime(self._clock) - before, body


@contextmanager
def _over_a_port() -> Iterator[_Remote]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCIM_")}
    process = subprocess.Popen(
        [sys.executable, "-c", "from scim.cli import main; main()", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**environment, "SCIM_DEV_TOKEN": _TOKEN, "SCIM_REQUESTS_PER_SECOND": "100000"},
    )
    if process.stdout is None:
        raise RuntimeError("the server's output isn't read")
    try:
        remote = _Remote(process, process.stdout.readline().split()[-1])
        yield remote
        remote.close()
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()
