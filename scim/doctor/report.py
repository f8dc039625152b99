"""Renders a report as text and as JSON. Its content has been redacted before. `page` renders it as HTML."""

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

from scim.doctor.catalogue import Report, Result
from scim.doctor.effects import Effect
from scim.doctor.redaction import Evidence
from scim.doctor.verdicts import Verdict

_WIDTH: Final = 110
_READ: Final = frozenset({"content-type", "etag", "location", "www-authenticate", "retry-after"})
"""Response headers that checks read."""
_SENT: Final = frozenset({"if-match"})
"""Request headers that distinguish a check."""
_ORDER: Final = (Verdict.FAIL, Verdict.WARNING, Verdict.SKIPPED, Verdict.PASS)
type Style = Callable[[str, Verdict], str]
"""Returns a text in the colour of a verdict."""


def sums(report: Report) -> tuple[tuple[Verdict, int], ...]:
    """Return the number of checks by verdict."""
    return tuple((verdict, report.count(verdict)) for verdict in (Verdict.PASS, *_ORDER[:3]))


def plain(text: str, verdict: Verdict) -> str:  # noqa: ARG001 - the signature of a style
    """Return the text without colour."""
    return text


def summary(report: Report, style: Style = plain) -> str:
    """Return one line: `98 pass, 2 fail, 1 warning, 4 skipped`. A count of zero has no colour."""
    parts = [(f"{count} {verdict}", verdict, count) for verdict, count in sums(report)]
    return ", ".join(style(text, verdict) if count else text for text, verdict, count in parts)


def as_text(report: Report, style: Style = plain) -> str:
    """Return the report as text: the checks to fix first, a table of all checks, then failures and warnings at length."""
    wide = max((len(result.check.id) for result in report.results), default=0)
    lines = [f"scim doctor at {report.url}", f"run {report.run}, {report.started}, {report.seconds:.0f} s"]
    lines += [summary(report, style), *_fix_first(report), ""]
    for result in report.results:
        said = f"{result.check.title}{f' [{result.found}]' if result.found else ''}"
        first = f"{result.verdict:<8} {result.check.id:<{wide}}  "
        wrapped = textwrap.wrap(said, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first)) or [first]
        lines += [style(wrapped[0][:8], result.verdict) + wrapped[0][8:], *wrapped[1:]]
    for result in sorted(report.results, key=lambda one: _ORDER.index(one.verdict)):
        if result.effect is not None:
            lines += ["", *_account(result, result.effect, style)]
    lines += ["", summary(report, style)]
    if report.stopped:
        lines.append(f"Not complete: {report.stopped}.")
    if report.left_behind:
        lines += ["Left behind, please delete:", *(f"  {one}" for one in report.left_behind)]
    return "\n".join(lines) + "\n"


def waiting_for(report: Report, result: Result) -> str:
    """Return a sentence with the number of checks that need this one; empty if there are none."""
    number = report.waiting.get(result.check.id, 0)
    return f"{number} {'check waits' if number == 1 else 'checks wait'} for it." if number else ""


def as_json(report: Report) -> str:
    """Return the report as a JSON object."""
    return (
        json.dumps(
            {
                "url": report.url,
                "run": report.run,
                "started": report.started,
                "seconds": round(report.seconds, 3),
                "complete": not report.stopped,
                "stopped": report.stopped or None,
                "summary": {str(verdict): report.count(verdict) for verdict in Verdict},
                "fixFirst": [result.check.id for result in report.fix_first],
                "leftBehind": list(report.left_behind),
                "checks": [
                    {
                        "id": result.check.id,
                        "title": result.check.title,
                        "verdict": str(result.verdict),
                        "found": result.found or None,
                        "needs": result.needs or None,
                        "outcome": None if result.outcome is None else str(result.outcome),
                        "impact": None if result.effect is None else result.effect.impact.name.lower(),
                        "effect": None if result.effect is None else result.effect.text,
                        "fix": result.check.fix,
                        "evidence": [asdict(one) for one in result.evidence],
                    }
                    for result in report.results
                ],
            },
            indent=2,
        )
        + "\n"
    )


def request_of(evidence: Evidence, *, brief: bool = False) -> str:
    """Return the request as sent, redacted. With `brief`, without headers that all requests have."""
    headers = {name: value for name, value in evidence.sent.items() if not brief or name.lower() in _SENT}
    return _message(f"{evidence.method} {evidence.url}", headers, evidence.sent_body)


def response_of(evidence: Evidence, *, brief: bool = False) -> str:
    """Return the response, redacted. With `brief`, only with the headers that checks read."""
    if evidence.error is not None:
        return f"no response after {evidence.milliseconds} ms: {evidence.error}"
    headers = {name: value for name, value in evidence.headers.items() if not brief or name in _READ}
    return _message(f"{evidence.status} after {evidence.milliseconds} ms", headers, evidence.body)


def _message(first: str, headers: Mapping[str, str], body: str) -> str:
    lines = [first, *(f"{name}: {value}" for name, value in headers.items())]
    return "\n".join([*lines, body] if body else lines)


def _fix_first(report: Report) -> list[str]:
    """Return the numbered checks to fix first; empty if none failed."""
    lines = ["", "Fix these first (each with what must hold, and the fix):"] if report.fix_first else []
    for number, result in enumerate(report.fix_first, 1):
        said = f"{result.check.id}: {result.check.title}. {result.check.fix} {waiting_for(report, result)}".rstrip()
        lines += textwrap.wrap(said, _WIDTH, initial_indent=f"  {number}. ", subsequent_indent=" " * 5)
    return lines


def _account(result: Result, effect: Effect, style: Style) -> list[str]:
    lines = [f"{style(result.verdict.upper(), result.verdict)} {result.check.id}: {result.check.title}"]
    for name, text in (("Found", result.found), ("Effect", effect.text), ("Fix", result.check.fix)):
        lines += textwrap.wrap(text, _WIDTH, initial_indent=f"  {name + ':':<8}", subsequent_indent=" " * 10)
    for evidence in result.evidence:
        lines += [f"    > {line}" for line in request_of(evidence, brief=True).split("\n")]
        lines += [f"    < {line}" for line in response_of(evidence, brief=True).split("\n")]
    return lines
