"""Runs the checks one after another, and deletes the created objects at the end, whatever happens."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from scim.doctor.catalogue import Check, Report, Result, decisive
from scim.doctor.check_context import CheckContext
from scim.doctor.checks import CHECKS
from scim.doctor.client import Client
from scim.doctor.objects import NotOurs
from scim.doctor.redaction import Redaction
from scim.doctor.verdicts import Fault, Outcome, Skip, Verdict

_UNREADABLE: Final = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
_LOST: Final = 3
"""Requests in a row without a response, after which the server counts as unreachable."""
_LONGEST: Final = 500
"""Characters of a check's finding that a report shows."""


def examine(
    client: Client,
    token: str,
    *,
    write: bool = False,
    load: float = 0,
    on_result: Callable[[Result], None] = lambda _: None,
    checks: Sequence[Check] = CHECKS,
) -> Report:
    """Run the allowed checks and return the report. `load` is in seconds. `on_result` is called with each result. Ctrl-C
    ends the run early.
    """
    outside = client.outside
    run = outside.digits(4)
    redaction = Redaction([token, *client.endpoint.secrets], run)
    context = CheckContext(client, run, load)
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
            result = _result(check, context, results, redaction)
            results[check.id] = result
            on_result(result)
    except KeyboardInterrupt:
        stopped = "interrupted"
        client.interrupted = False
    except Exception as error:  # noqa: BLE001 - whatever it is, what was made must go
        stopped = f"a fault of the doctor itself: {type(error).__name__}: {redaction.text(str(error))}"
    finally:
        left = [redaction.text(line) for line in context.objects.clean_up()]
    seconds = outside.clock() - begun
    url = redaction.text(str(client.endpoint))
    return Report(url, run, started, seconds, tuple(results.values()), tuple(left), stopped)


def _result(check: Check, context: CheckContext, results: dict[str, Result], redaction: Redaction) -> Result:
    exchanges = context.client.exchanges
    if context.client.unanswered >= _LOST:
        return Result(check, Verdict.SKIPPED, "the server doesn't answer any more")
    for id in check.needs:
        if _blocked(id, results):
            return _not_made(check, id, results)
    exchanges.clear()
    verdict, outcome, found = Verdict.PASS, None, ""
    try:
        found = check.run(context) or ""
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
    """Return the result of a check that is skipped because of another one. Names the check that failed first."""
    needed = results.get(id)
    if needed is not None and needed.verdict is Verdict.SKIPPED:
        return Result(check, Verdict.SKIPPED, needed.found, needs=needed.needs)
    return Result(check, Verdict.SKIPPED, f"not tested, needs {id}", needs=id)
