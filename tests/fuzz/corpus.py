"""The inputs that earlier runs found worth keeping, in `corpus/*.json`: one file for each target.

`reached` brought the code to where it hadn't been, `failed` once let out what wasn't a SCIM error. A string in these files
stands for bytes, one character each (ISO 8859-1), so that what isn't UTF-8 has a place too.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "corpus"
MOST: Final = 125
"""Inputs of one target that are kept for what they reach."""
LONGEST: Final = 1_000
"""Bytes of an input that is kept for what it reaches."""


@dataclass(frozen=True)
class Corpus:
    """What is kept for one target."""

    reached: tuple[bytes, ...] = ()
    failed: tuple[bytes, ...] = ()

    @property
    def inputs(self) -> tuple[bytes, ...]:
        return self.failed + self.reached


def read(name: str) -> Corpus:
    """The corpus of a target; an empty one if nothing has been kept yet."""
    file = FOLDER / f"{name}.json"
    kept = json.loads(file.read_text(encoding="ascii")) if file.exists() else {}
    return Corpus(*(tuple(text.encode("latin-1") for text in kept.get(part, ())) for part in ("reached", "failed")))


def write(name: str, reached: Iterable[bytes], failed: Iterable[bytes]) -> None:
    """Keep these, the shortest first."""
    parts = {
        part: sorted(set(data), key=lambda one: (len(one), one))
        for part, data in (("reached", reached), ("failed", failed))
    }
    text = json.dumps({part: [data.decode("latin-1") for data in inputs] for part, inputs in parts.items()}, indent=1)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="ascii")
