"""`python -m benchmarks [NAME]... [--rounds N]`: measure, and write the report."""

import argparse
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Final

from benchmarks import bulk, cosmos, groups, growth, package, peers, report, tokens, worker

_ALL: Final[Mapping[str, Callable[[int], report.Section]]] = {
    "peers": peers.run,
    "growth": growth.run,
    "groups": groups.run,
    "bulk": bulk.run,
    "cosmos": cosmos.run,
    "tokens": tokens.run,
    "worker": worker.run,
    "package": package.run,
}


def main() -> None:
    """Run what is asked for, or everything, and say where the report is."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="What a request costs.")
    parser.add_argument(
        "which", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(_ALL)}; everything if nothing is named"
    )
    parser.add_argument("--rounds", type=int, default=31, help="rounds that the medians are taken of (default: 31)")
    given = parser.parse_args()
    unknown = set(given.which) - set(_ALL)
    if unknown or given.rounds < 1:
        parser.error(f"there is no benchmark {min(unknown)}" if unknown else "at least one round")
    sections = []
    for name in given.which or _ALL:
        started = perf_counter()
        section = _ALL[name](given.rounds)
        sections.append(section)
        print(f"## {section.title}\n\n{section.text}\n\n({name} took {perf_counter() - started:.0f} s)\n")
    report.write(sections)
    print("written to benchmarks/report.md")


main()
