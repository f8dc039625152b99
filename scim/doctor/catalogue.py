"""Checks, their results, and the report of a run. Knows no requests."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from scim.doctor.check_context import CheckContext
from scim.doctor.effects import Effect, Effects
from scim.doctor.exchange import Exchange
from scim.doctor.redaction import Evidence
from scim.doctor.verdicts import Outcome, Verdict

_FIRST: Final = 5
"""The number of checks that a report lists under "fix first"."""
_ALIKE: Final = 3
"""At most so many of them have the same impact, so that a lesser impact isn't hidden."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check. `run` raises `Fault` or `Skip`; a string that it returns is the measured value."""

    id: str
    title: str
    effects: Effects
    fix: str
    run: Callable[[CheckContext], str | None]
    needs: tuple[str, ...] = ("token-accepted",)
    """Checks that must pass before this one. If one of them failed, this one would fail for the same reason, so it is
    skipped.
    """
    only: str = ""
    """The option that allows this check: `write` or `load`; empty for none."""
    warning: bool = False
    """Whether a failure is a warning."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check, and its exchanges."""

    check: Check
    verdict: Verdict
    found: str
    evidence: tuple[Evidence, ...] = ()
    outcome: Outcome | None = None
    """What the server did with the deciding request, if the check failed."""
    needs: str = ""
    """The failed check because of which this one was skipped."""

    @property
    def effect(self) -> Effect | None:
        """The effect on a provisioning job, if the check failed."""
        return None if self.outcome is None else self.check.effects[self.outcome]


@dataclass(frozen=True, slots=True)
class Report:
    """The report of a run."""

    url: str
    run: str
    started: str
    seconds: float
    results: tuple[Result, ...]
    left_behind: tuple[str, ...]
    stopped: str = ""
    """Why the run ended early; empty if it didn't."""

    def count(self, verdict: Verdict) -> int:
        """Return the number of checks with this verdict."""
        return sum(result.verdict is verdict for result in self.results)

    @property
    def waiting(self) -> Mapping[str, int]:
        """Return the number of skipped checks by the id of the failed check that they need."""
        blocked = [result.needs for result in self.results if result.needs]
        return {id: blocked.count(id) for id in blocked}

    @property
    def fix_first(self) -> tuple[Result, ...]:
        """Return the few failed checks with the greatest impact, the greatest first."""
        waiting = self.waiting
        failed = [
            (one.effect.impact, -waiting.get(one.check.id, 0), one)
            for one in self.results
            if one.verdict is Verdict.FAIL and one.effect is not None
        ]
        # With the same impact: first the check that most others need, then in the order of the catalogue.
        failed.sort(key=lambda row: row[:2])
        counts: Counter[int] = Counter()
        chosen = []
        for impact, _, result in failed:
            counts[impact] += 1
            if counts[impact] <= _ALIKE:
                chosen.append(result)
        return tuple(chosen[:_FIRST])


def decisive(exchanges: list[Exchange]) -> list[Exchange]:
    """Return the last exchanges of a check: the one that decided, and those before it."""
    return exchanges[-4:]
