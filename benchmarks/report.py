"""`benchmarks/report.md`: one section for each benchmark, the newest figures of each, ratios first."""

import platform
import re
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.measure import Figure

REPORT: Final = Path(__file__).parent / "report.md"
TITLES: Final = (
    "Beside scim2-server",
    "As the store grows",
    "Whole groups",
    "Bulk",
    "Checking tokens",
    "On Cosmos DB",
    "In the Functions worker",
    "The deployment package",
)
_PREFACE: Final = """# What a request costs

Written by `make bench`; [README.md](README.md) says how to read it. Ratios can be compared between machines, absolute figures can't.
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report: its title, one of `TITLES`, and Markdown below it."""

    title: str
    text: str


def write(sections: Sequence[Section]) -> None:
    """Put these sections into the report; the others stay as the run that made them left them."""
    texts = _written() | {section.title: f"{section.text}\n\n{_made_with()}" for section in sections}
    parts = [f"## {title}\n\n{texts[title]}\n" for title in TITLES if title in texts]
    REPORT.write_text("\n".join([_PREFACE, *parts]), encoding="utf-8")


def microseconds(figure: Figure) -> str:
    """A figure with the middle half of its rounds."""
    return f"{figure.middle * 1e6:,.0f} ({figure.lower * 1e6:,.0f} to {figure.upper * 1e6:,.0f})"


def verdict(met: bool) -> str:
    """Whether a target is met, in a word."""
    return "met" if met else "**missed**"


def _written() -> dict[str, str]:
    if not REPORT.exists():
        return {}
    parts = re.split(r"^## (.+)$", REPORT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {title: text.strip() for title, text in zip(parts[::2], parts[1::2], strict=True)}


def _made_with() -> str:
    python = ".".join(map(str, sys.version_info[:3]))
    return f"Python {python}, SQLite {sqlite3.sqlite_version}, orjson {version('orjson')}, {platform.machine()}."
