"""Whatever the parsers, the body reader and the cursor opener are given, nothing but a SCIM error comes out.

- What is kept from earlier runs (`corpus/`) is tried every time.
- A sample runs every time: Hypothesis drives the generators of `tests/soak/fuzz.py`, spoils what is kept and makes up bytes.
  Its size is a number of inputs, and the inputs are the same in each run.
- `make soak` gives every target ten minutes of atheris, which is guided by the lines of `scim/` that an input reaches. What
  then reaches the most is kept, and so is what fails.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from scim.protocol.errors import InvalidFilter
from scim.protocol.filter import syntax
from tests.fuzz import corpus, reach
from tests.fuzz.targets import SEALED, TARGETS, answered
from tests.soak import fuzz
from tests.soak.conftest import Log

SAMPLE: Final = 750
SECONDS: Final = 600
LONGEST: Final = 4_096

each_target = pytest.mark.parametrize("name", TARGETS)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


MADE: Final[dict[str, Callable[[Random], bytes]]] = {
    "filters": lambda random: _utf8(fuzz.filter_text(random)),
    "paths": lambda random: _utf8(fuzz.path_text(random)),
    "bodies": lambda random: fuzz.hostile_bytes(random) if random.random() < 0.1 else fuzz.any_body(random),
    "cursors": lambda random: _utf8(random.choice(SEALED)),
}


def inputs(name: str) -> st.SearchStrategy[bytes]:
    """Nearly right, spoiled, or anything."""
    chance = st.randoms(use_true_random=False)
    made = chance.map(MADE[name])
    kept = st.sampled_from(corpus.read(name).inputs)
    return st.one_of(made, st.builds(fuzz.spoiled_bytes, chance, st.one_of(kept, made)), st.binary(max_size=60))


@each_target
def test_inputs_found_before_are_answered(name: str) -> None:
    kept = corpus.read(name).inputs
    assert len(kept) >= 5
    for data in kept:
        TARGETS[name](data)


def test_the_report_of_charges_adds_up() -> None:
    """Of two inputs alike the shorter one is kept, and none that reaches nothing more."""
    alike = [b'userName eq "aaaa"', b'userName eq "a"', b'userName eq "aaa"', b"title pr"]
    assert sorted(reach.fewest(TARGETS["filters"], alike, 10)) == [b"title pr", b'userName eq "a"']
    assert reach.fewest(TARGETS["filters"], alike, 1) == [b'userName eq "a"']


@each_target
@given(st.data())
@settings(max_examples=SAMPLE, suppress_health_check=list(HealthCheck))
def test_whatever_is_sent_is_answered(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(inputs(name)))


def test_a_fault_comes_out_and_an_answer_does_not() -> None:
    with answered():
        raise InvalidFilter("This is an answer.")
    with pytest.raises(RecursionError), answered():
        raise RecursionError
    with pytest.raises(TypeError), answered():  # an answer that can't be written down
        raise InvalidFilter("\ud800")


def test_the_kept_filters_and_paths_are_of_both_kinds() -> None:
    """A corpus of nothing but refusals would try little."""
    for name, parse in (("filters", syntax.parse), ("paths", syntax.parse_path)):
        parsed = 0
        for data in corpus.read(name).inputs:
            with answered():
                parse(data.decode("utf-8", "replace"))
                parsed += 1
        assert 10 < parsed < len(corpus.read(name).inputs)


@dataclass(frozen=True)
class Run:
    """Atheris on one target: its process, the folders of inputs and of what failed, and what it writes."""

    name: str
    process: subprocess.Popen[bytes]
    inputs: Path
    failed: Path
    log: Path

    def ended(self) -> str:
        """Wait for it; what it has written."""
        self.process.wait()
        return self.log.read_text(encoding="utf-8", errors="replace")

    def failures(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted(self.failed.iterdir())]

    def worth_keeping(self) -> list[bytes]:
        """The inputs, short ones, that reach together what all of them reach."""
        found = [file.read_bytes() for file in self.inputs.iterdir()]
        short = [data for data in found if len(data) <= corpus.LONGEST]
        return reach.fewest(TARGETS[self.name], short, corpus.MOST)


@pytest.mark.soak
def test_ten_minutes_find_nothing_that_is_not_answered(tmp_path: Path, log: Log) -> None:
    """All targets side by side; what fails is kept, so that `make test` fails on it until it is mended."""
    words = tmp_path / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in fuzz.words()), encoding="ascii")
    told = []
    for run in [_started(name, tmp_path, words) for name in TARGETS]:
        written = run.ended()
        kept, failures = corpus.read(run.name), run.failures()
        if failures:
            corpus.write(run.name, kept.reached, (*kept.failed, *failures))
        assert (run.process.returncode, failures) == (0, []), f"{run.name}: {written[-4_000:]}"
        corpus.write(run.name, run.worth_keeping(), kept.failed)
        done = next(line for line in written.splitlines() if line.startswith("Done "))
        told.append(f"| {run.name} | {int(done.split()[1]):,} | {len(corpus.read(run.name).inputs)} |")
    log.write(f"{SECONDS} seconds of atheris", "| target | inputs | kept |", "|---|--:|--:|", *told)


def _started(name: str, folder: Path, words: Path) -> Run:
    inputs, failed, log = folder / name, folder / f"{name}-failed", folder / f"{name}-log"
    inputs.mkdir()
    failed.mkdir()
    random = Random(name)
    for number, data in enumerate((*corpus.read(name).inputs, *(MADE[name](random) for _ in range(500)))):
        (inputs / str(number)).write_bytes(data[:LONGEST])
    options = [f"-max_total_time={SECONDS}", f"-max_len={LONGEST}", f"-dict={words}", f"-artifact_prefix={failed}/"]
    command = [sys.executable, "-m", "tests.fuzz.guided", name, *options, str(inputs)]
    with log.open("wb") as to:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=to, cwd=Path(__file__).parents[2])
    return Run(name, process, inputs, failed, log)


def _escaped(word: str) -> str:
    """A word as libFuzzer's dictionaries have it."""
    return "".join(chr(byte) if byte < 128 and chr(byte).isalnum() else f"\\x{byte:02x}" for byte in _utf8(word))
