"""A report as text and as JSON. Everything in it has been redacted before; `page` makes HTML of it."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from scim.doctor.catalogue import Report, Result
from scim.doctor.redaction import Evidence
from scim.doctor.verdicts import Verdict

_WIDTH: Final = 110
_LOOKED_AT: Final = frozenset({"content-type", "location", "www-authenticate", "retry-after"})
_ORDER: Final = (Verdict.FAIL, Verdict.WARNING, Verdict.SKIPPED, Verdict.PASS)
ACCOUNTED: Final = frozenset({Verdict.FAIL, Verdict.WARNING})
"""Verdicts that are shown with effect, fix and evidence."""


def summary(report: Report) -> str:
    """One line: `98 pass, 2 fail, 1 warning, 4 skipped`."""
    return ", ".join(f"{report.count(verdict)} {verdict}" for verdict in (Verdict.PASS, *_ORDER[:3]))


def as_text(report: Report) -> str:
    """A table of all checks, then what failed at length."""
    wide = max((len(result.check.id) for result in report.results), default=0)
    lines = [f"scim doctor at {report.url}", f"run {report.run}, {report.started}, {report.seconds:.0f} s", ""]
    for result in report.results:
        said = f"{result.check.title}{f' [{result.found}]' if result.found else ''}"
        first = f"{result.verdict:<8} {result.check.id:<{wide}}  "
        lines += textwrap.wrap(said, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first)) or [first]
    for result in sorted(report.results, key=lambda one: _ORDER.index(one.verdict)):
        if result.verdict in ACCOUNTED:
            lines += ["", *_account(result)]
    lines += ["", summary(report)]
    if report.stopped:
        lines.append(f"Not complete: {report.stopped}.")
    if report.left_behind:
        lines += ["Left behind, please delete:", *(f"  {one}" for one in report.left_behind)]
    return "\n".join(lines) + "\n"


def as_json(report: Report) -> str:
    """The whole report as one JSON object."""
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
                "leftBehind": list(report.left_behind),
                "checks": [
                    {
                        "id": result.check.id,
                        "title": result.check.title,
                        "verdict": str(result.verdict),
                        "found": result.found or None,
                        "effect": result.check.effect,
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
    """The request as it went over the wire, redacted; `brief` without headers."""
    headers = {} if brief else evidence.sent
    return _message(f"{evidence.method} {evidence.url}", headers, evidence.sent_body)


def response_of(evidence: Evidence, *, brief: bool = False) -> str:
    """The response, redacted; `brief` with those headers only that checks look at."""
    if evidence.error is not None:
        return f"no response after {evidence.milliseconds} ms: {evidence.error}"
    headers = {name: value for name, value in evidence.headers.items() if not brief or name in _LOOKED_AT}
    return _message(f"{evidence.status} after {evidence.milliseconds} ms", headers, evidence.body)


def _message(first: str, headers: Mapping[str, str], body: str) -> str:
    lines = [first, *(f"{name}: {value}" for name, value in headers.items())]
    return "\n".join([*lines, body] if body else lines)


def _account(result: Result) -> list[str]:
    lines = [f"{result.verdict.upper()} {result.check.id}: {result.check.title}"]
    for name, text in (("Found", result.found), ("Entra", result.check.effect), ("Fix", result.check.fix)):
        lines += textwrap.wrap(text, _WIDTH, initial_indent=f"  {name + ':':<7}", subsequent_indent=" " * 9)
    for evidence in result.evidence:
        lines += [f"    > {line}" for line in request_of(evidence, brief=True).split("\n")]
        lines += [f"    < {line}" for line in response_of(evidence, brief=True).split("\n")]
    return lines
