"""What a check is, how it ends, and what a whole run found. Knows no request."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from scim.doctor.effects import Effect, Effects
from scim.doctor.exchange import Exchange
from scim.doctor.redaction import Evidence
from scim.doctor.verdicts import Outcome, Verdict
from scim.doctor.visit import Visit

_FIRST: Final = 5
"""Checks that a report names as those to fix first."""
_ALIKE: Final = 3
"""Checks of the same impact among them, so that a lesser harm isn't hidden by many of a greater one."""


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the catalogue. `run` raises `Fault` or `Skip`; a text it returns is what was measured."""

    id: str
    title: str
    effects: Effects
    fix: str
    run: Callable[[Visit], str | None]
    needs: tuple[str, ...] = ("token-accepted",)
    """Checks before this one. If one of them failed, this one would fail of the same cause, so it isn't made."""
    only: str = ""
    """`write` or `load`: the option that allows this check."""
    warning: bool = False
    """A failure is a warning."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a check ended, and by what exchanges."""

    check: Check
    verdict: Verdict
    found: str
    evidence: tuple[Evidence, ...] = ()
    outcome: Outcome | None = None
    """What the server did with the deciding request, if the check found something."""
    needs: str = ""
    """The check whose failure kept this one from being made."""

    @property
    def effect(self) -> Effect | None:
        """What follows for a job, if the check found something."""
        return None if self.outcome is None else self.check.effects[self.outcome]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run."""

    url: str
    run: str
    started: str
    seconds: float
    results: tuple[Result, ...]
    left_behind: tuple[str, ...]
    stopped: str = ""
    """Why it ended early."""

    def count(self, verdict: Verdict) -> int:
        """How many checks ended so."""
        return sum(result.verdict is verdict for result in self.results)

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many checks weren't made because of a failed one, by its id."""
        blocked = [result.needs for result in self.results if result.needs]
        return {id: blocked.count(id) for id in blocked}

    @property
    def fix_first(self) -> tuple[Result, ...]:
        """The few failed checks that block a job most, the worst first."""
        waiting = self.waiting
        failed = [
            (one.effect.impact, -waiting.get(one.check.id, 0), one)
            for one in self.results
            if one.verdict is Verdict.FAIL and one.effect is not None
        ]
        # Of the same impact: first the one that most other checks wait for, then in the order of the catalogue.
        failed.sort(key=lambda row: row[:2])
        seen: Counter[int] = Counter()
        chosen = []
        for impact, _, result in failed:
            seen[impact] += 1
            if seen[impact] <= _ALIKE:
                chosen.append(result)
        return tuple(chosen[:_FIRST])


def decisive(exchanges: list[Exchange]) -> list[Exchange]:
    """The last exchanges of a check: the one that decided, and what led to it."""
    return exchanges[-4:]
