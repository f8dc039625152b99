"""`python -m benchmarks.paired CHECKOUT`: what each request costs here and in another checkout, in paired rounds.

Starts one process for each checkout. Both send the requests of this checkout (`benchmarks/paired_side.py`), each to the service
of its own checkout, and take turns round by round. The ratio of a round is free of what the machine did before and after it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.paired_side import ROWS

_HERE: Final = Path(__file__).parents[1]
_WARM_UP: Final = 2
# `benchmarks` is this checkout's on both sides; after that every import finds the side's own checkout first.
_START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); import benchmarks; sys.path[0] = sys.argv[2]; "
    "from benchmarks.paired_side import main; main(sys.argv[2])"
)


class SideError(Exception):
    """A side can't send the requests of a row."""


class Side:
    """A process that sends requests to the service of one checkout."""

    def __init__(self, checkout: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _START, str(_HERE), str(checkout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def spend(self, row: str) -> float:
        """CPU seconds per request of one batch. Raises `SideError`."""
        told = self._ask(row)
        if isinstance(told, str):
            raise SideError(told)
        return told

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _ask(self, row: str) -> float | str:
        if self._process.stdin is None or self._process.stdout is None:
            raise SideError("the process has no pipes")
        self._process.stdin.write(json.dumps(row) + "\n")
        self._process.stdin.flush()
        answered = self._process.stdout.readline()
        if not answered:
            raise SideError(f"the process ended with {self._process.wait(timeout=60)}")
        told: float | str = json.loads(answered)
        return told


@dataclass(frozen=True, slots=True)
class Comparison:
    """CPU seconds per request of each round, in the order of the rounds."""

    before: Sequence[float]
    now: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """Now divided by before, for each round, in ascending order."""
        return sorted(now / before for before, now in zip(self.before, self.now, strict=True))

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return median(self.ratios)

    def __str__(self) -> str:
        """The cells of a row of the table."""
        middles = " | ".join(f"{median(side) * 1e6:,.1f}" for side in (self.before, self.now))
        # On a busy machine the fastest rounds say more than the others.
        fastest = min(self.now) / min(self.before)
        return f"{middles} | {self.ratio:.2f} | {self.ratios[0]:.2f} to {self.ratios[-1]:.2f} | {fastest:.2f}"


def compare(row: str, before: Side, now: Side, rounds: int) -> Comparison:
    """Measure a row on both sides, which take turns at being the first. Raises `SideError`."""
    seconds: dict[Side, list[float]] = {before: [], now: []}
    for number in range(-_WARM_UP, rounds):
        for side in (before, now) if number % 2 else (now, before):
            spent = side.spend(row)
            if number >= 0:
                seconds[side].append(spent)
    return Comparison(seconds[before], seconds[now])


def main() -> int:
    """Print a table. The exit code is 1 if a row costs more than `--most` times what it cost before."""
    parser = argparse.ArgumentParser(prog="benchmarks.paired", description=__doc__, formatter_class=_Paragraphs)
    parser.add_argument("checkout", type=Path, help="the other checkout, which is called 'before'")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="parts of the names of rows; all rows if none is named")
    parser.add_argument("--rounds", type=int, default=7, help="paired rounds (default: 7)")
    parser.add_argument("--most", type=float, default=1.1, help="the largest ratio that is no failure (default: 1.1)")
    given = parser.parse_args()
    rows = [row for row in ROWS if not given.rows or any(part in row for part in given.rows)]
    if not (given.checkout / "scim").is_dir() or given.rounds < 1 or not rows:
        parser.error("name a checkout of this project, at least one round, and rows that there are")
    print(f"Microseconds of CPU per request, medians of {given.rounds} paired rounds; ratios are now : before.\n")
    print("| request | before | now | median of the ratios | all ratios | fastest rounds | |")
    print("|---|--:|--:|--:|--:|--:|---|", flush=True)
    failed = False
    for row in rows:
        before, now = Side(given.checkout.resolve()), Side(_HERE)
        try:
            found = compare(row, before, now, given.rounds)
            slower = found.ratio > given.most
            failed |= slower
            print(f"| {row} | {found} | {'slower' if slower else ''} |", flush=True)
        except SideError as error:
            failed = True
            print(f"| {row} | | | | | | not measured: {error} |", flush=True)
        finally:
            before.close()
            now.close()
    return int(failed)


class _Paragraphs(argparse.RawDescriptionHelpFormatter):
    """Leaves the lines of the description as they are."""


if __name__ == "__main__":
    sys.exit(main())
