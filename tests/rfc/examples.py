"""The examples of RFC 7644 §3 and RFC 9865 as data: which there are, the rows that show them, and those left out.

- `examples.json` lists every example by RFC and section: the requests and answers that are shown, the filters and paths
  that are listed, and what the prose gives as an example. An example's id is RFC, section and place in this list:
  `7644-3.5.2.1-2`. Sections without an example (3.1, 3.2, 3.4.2.5) aren't there.
- `tables/*.json` hold the rows, each a case as `tests/recorded/README.md` describes it, with more keys: `examples` are the
  ids that it shows; `world` names steps of its table that come before it. `"spaces": n` in a request is a body of so many
  blanks. A row's id is its section with a name. Rows count on an empty store.
- `left_out.json` gives the reason for each example that no row shows.

Ids, versions, dates and addresses are ours, and where an example can't be sent as it is printed (it isn't JSON, or has "..."
in it), the row's title says what is sent. Knows JSON only; `tests/recorded/replay.py` plays the rows.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.recorded.replay import Case

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Row:
    """One exchange, and the examples that it shows."""

    case: Case
    examples: Sequence[str]

    @property
    def id(self) -> str:
        return self.case.id


def load() -> list[Row]:
    """The rows of all tables."""
    return [row for file in sorted((FOLDER / "tables").glob("*.json")) for row in _rows(file)]


def _rows(file: Path) -> Iterator[Row]:
    table = _read(file)
    for row in table["rows"]:
        case = {name: value for name, value in row.items() if name not in {"examples", "world"}}
        before = [*(table["worlds"][row["world"]] if "world" in row else ()), *row.get("before", ())]
        yield Row(Case(file.stem, {**_with_blanks(case), "before": before}), row["examples"])


def _with_blanks(case: Mapping[str, Any]) -> Mapping[str, Any]:
    request = dict(case["request"])
    if "spaces" in request:
        request["text"] = " " * request.pop("spaces")
    return {**case, "request": request}


def all_examples() -> list[str]:
    """The ids of all examples, in the order of the RFCs."""
    return [
        f"{rfc}-{section}-{number}"
        for rfc, sections in _read(FOLDER / "examples.json").items()
        for section, shown in sections.items()
        for number in range(1, len(shown) + 1)
    ]


def left_out() -> Mapping[str, str]:
    """Why an example is no row, by its id."""
    reasons: Mapping[str, str] = _read(FOLDER / "left_out.json")
    return reasons


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
