"""A run: the checks one after another, what each found, and everything cleaned up, whatever happens in between."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from scim.doctor.catalogue import Check, Report, Result, decisive
from scim.doctor.checks import CHECKS
from scim.doctor.client import Client
from scim.doctor.objects import NotOurs
from scim.doctor.redaction import Redaction
from scim.doctor.verdicts import Fault, Outcome, Skip, Verdict
from scim.doctor.visit import Visit

_UNREADABLE: Final = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
_LOST: Final = 3
"""Requests in a row without a response, after which a server is taken for gone."""
_LONGEST: Final = 500
"""Characters of what a check found that a report shows."""


def examine(
    client: Client,
    token: str,
    *,
    write: bool = False,
    load: float = 0,
    told: Callable[[Result], None] = lambda _: None,
    checks: Sequence[Check] = CHECKS,
) -> Report:
    """Make the checks that are allowed. `load` is in seconds. `told` hears each result; Ctrl-C ends the run early."""
    outside = client.outside
    run = outside.digits(4)
    redaction = Redaction([token, *client.endpoint.secrets], run)
    visit = Visit(client, run, load)
    started = datetime.fromtimestamp(outside.now(), UTC).isoformat(timespec="seconds")
    begun = outside.clock()
    results: dict[str, Result] = {}
    stopped = ""
    allowed = {"": True, "write": write, "load": load > 0}
    left: list[str] = []
    try:
        for check in checks:
            if not allowed[check.only]:
                continue
            result = _result(check, visit, results, redaction)
            results[check.id] = result
            told(result)
    except KeyboardInterrupt:
        stopped = "interrupted"
        client.interrupted = False
    except Exception as error:  # noqa: BLE001 - whatever it is, what was made must go
        stopped = f"a fault of the doctor itself: {type(error).__name__}: {redaction.text(str(error))}"
    finally:
        left = [redaction.text(line) for line in visit.objects.clean_up()]
    seconds = outside.clock() - begun
    url = redaction.text(str(client.endpoint))
    return Report(url, run, started, seconds, tuple(results.values()), tuple(left), stopped)


def _result(check: Check, visit: Visit, results: dict[str, Result], redaction: Redaction) -> Result:
    exchanges = visit.client.exchanges
    if visit.client.unanswered >= _LOST:
        return Result(check, Verdict.SKIPPED, "the server doesn't answer any more")
    for id in check.needs:
        if _blocked(id, results):
            return _not_made(check, id, results)
    exchanges.clear()
    verdict, outcome, found = Verdict.PASS, None, ""
    try:
        found = check.run(visit) or ""
    except Skip as skip:
        if skip.needs and _blocked(skip.needs, results):
            return _not_made(check, skip.needs, results)
        verdict, found = Verdict.SKIPPED, str(skip)
    except (Fault, NotOurs) as fault:
        outcome = fault.outcome if isinstance(fault, Fault) else Outcome.ACCEPTED
        lenient = check.warning or (isinstance(fault, Fault) and fault.warning)
        verdict, found = Verdict.WARNING if lenient else Verdict.FAIL, str(fault)
    except _UNREADABLE as error:
        verdict, outcome = Verdict.FAIL, Outcome.ACCEPTED
        found = f"the response doesn't have the form that the RFC gives it ({type(error).__name__}: {error})"
    shown = tuple(redaction.evidence(exchange) for exchange in decisive(exchanges))
    return Result(check, verdict, redaction.text(found)[:_LONGEST], shown, outcome)


def _blocked(id: str, results: dict[str, Result]) -> bool:
    return id not in results or results[id].verdict in {Verdict.FAIL, Verdict.SKIPPED}


def _not_made(check: Check, id: str, results: dict[str, Result]) -> Result:
    """Return the result of a check that would meet the fault of another one again. Names the check that failed first."""
    needed = results.get(id)
    if needed is not None and needed.verdict is Verdict.SKIPPED:
        return Result(check, Verdict.SKIPPED, needed.found, needs=needed.needs)
    return Result(check, Verdict.SKIPPED, f"not tested, needs {id}", needs=id)
