"""Renders a report as one small HTML page without scripts or other files, in the user's colour scheme."""

from html import escape
from typing import Final

from scim.doctor.catalogue import Report, Result
from scim.doctor.redaction import Evidence
from scim.doctor.report import request_of, response_of, sums, waiting_for
from scim.doctor.verdicts import Verdict

_BUDGET: Final = 120_000
"""Bytes of requests and responses in a page. With the texts of all checks, it stays below 300 KB."""

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #fff; --line: #d5d5dc; --soft: #f4f4f7; --quiet: #5c5c66;
  --pass: #1a6e35; --fail: #b3231b; --warning: #8a5a00; --skipped: #5c5c66; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8ec; --paper: #17171b; --line: #3a3a42; --soft: #212127;
  --quiet: #a2a2ad; --pass: #6fd08c; --fail: #ff8f85; --warning: #f0c060; --skipped: #a2a2ad; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; padding: 1.5rem 1rem;
  max-width: 70rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .3rem 0; }
.quiet { color: var(--quiet); }
h2 { font-size: 1rem; margin: 0; }
a { color: inherit; }
ol { margin: .3rem 0; padding-left: 1.5rem; }
fieldset { display: flex; flex-wrap: wrap; gap: .3rem 1.25rem; border: 0; padding: .5rem 0; margin: 0; font-weight: 600;
  position: sticky; top: 0; background: var(--paper); }
legend { float: left; padding: 0; color: var(--quiet); font-weight: 400; }
label { cursor: pointer; }
details { border-top: 1px solid var(--line); padding: .35rem 0; }
summary { cursor: pointer; display: grid; grid-template-columns: 5.5rem minmax(10rem, 16rem) 1fr; gap: .75rem; }
summary code { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: 5rem 1fr; gap: .2rem .75rem; margin: .5rem 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 4px; padding: .6rem; margin: .3rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere; font: .8125rem/1.45 ui-monospace, monospace; }
label .pass, .pass .verdict { color: var(--pass); } label .fail, .fail .verdict { color: var(--fail); }
label .warning, .warning .verdict { color: var(--warning); } label .skipped, .skipped .verdict { color: var(--skipped); }
.verdict { font-weight: 600; }
body:has(#show-pass:checked) details:not(.pass), body:has(#show-fail:checked) details:not(.fail),
body:has(#show-warning:checked) details:not(.warning), body:has(#show-skipped:checked) details:not(.skipped) { display: none; }
.box { border: 1px solid var(--fail); border-radius: 4px; padding: .6rem; margin: 1rem 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { summary { grid-template-columns: 5.5rem 1fr; } summary span:last-child { grid-column: 1 / -1; } }
@media print { fieldset { position: static; } details::details-content { content-visibility: visible; } }
"""


def as_html(report: Report) -> str:
    """Return the page."""
    url = escape(report.url)
    boxes = ""
    if report.stopped:
        boxes += f'<p class="box" role="alert">Not complete: {escape(report.stopped)}.</p>'
    if report.left_behind:
        left = "".join(f"<li>{escape(one)}</li>" for one in report.left_behind)
        boxes += f'<div class="box" role="alert">Left behind, please delete:<ul>{left}</ul></div>'
    shown = _evidence(report)
    checks = "\n".join(_check(result, shown[result.check.id]) for result in report.results)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="robots" content="noindex">
<title>scim doctor: {url}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>scim doctor at {url}</h1>
<p class="quiet">run {escape(report.run)}, {escape(report.started)}, {report.seconds:.0f} s</p>
{boxes}
{_fix_first(report)}
</header>
<main>
{_filter(report)}
{checks}
</main>
</body>
</html>
"""


def _fix_first(report: Report) -> str:
    rows = "".join(
        f'<li><a href="#{escape(one.check.id)}"><code>{escape(one.check.id)}</code></a> {escape(one.check.title)}. '
        f'<span class="quiet">{escape(one.check.fix)} {escape(waiting_for(report, one))}</span></li>'
        for one in report.fix_first
    )
    return (
        f'<section class="box"><h2>Fix these first</h2><p class="quiet">Each with what must hold, and the fix.</p><ol>{rows}</ol></section>'
        if rows
        else ""
    )


def _filter(report: Report) -> str:
    """Return a radio button for each verdict. The style sheet hides other checks, so no script is needed."""
    rows = [("all", "", len(report.results)), *((str(verdict), str(verdict), n) for verdict, n in sums(report))]
    buttons = "".join(
        f'<label><input type="radio" name="show" id="show-{name}"{" checked" if name == "all" else ""}'
        f'{"" if count else " disabled"}> <span class="{colour if count else "quiet"}">{count} {name}</span></label>'
        for name, colour, count in rows
    )
    return f"<fieldset><legend>Show</legend>{buttons}</fieldset>"


def _evidence(report: Report) -> dict[str, str]:
    """Return the requests and responses of each check: whole for failures and warnings, in one line for the rest, as far as
    the page stays small. The JSON report has everything."""
    shown = dict.fromkeys((result.check.id for result in report.results), "")
    left = _BUDGET
    for result in sorted(report.results, key=lambda one: (one.effect is None, one.verdict is not Verdict.FAIL)):
        line = "".join(f"<pre>{_text(_line(one))}</pre>" for one in result.evidence)
        whole = "".join(
            f"<pre>{_text(request_of(one, brief=True))}</pre><pre>{_text(response_of(one, brief=True))}</pre>"
            for one in result.evidence
        )
        for html in (whole, line) if result.effect is not None else (line,):
            size = len(html.encode())
            if size <= left:
                shown[result.check.id] = html
                left -= size
                break
    return shown


def _line(one: Evidence) -> str:
    return f"{one.method} {one.url} \u2192 {one.error or one.status}"


def _text(text: str) -> str:
    """Escape the text of an element. Quotes, which JSON has many of, aren't escaped."""
    return escape(text, quote=False)


def _check(result: Result, evidence: str) -> str:
    check, verdict = result.check, str(result.verdict)
    title, text, opened = _text(check.title), "", ""
    if result.effect is not None:
        parts = (("Found", result.found), ("Effect", result.effect.text), ("Fix", check.fix))
        text = f"<dl>{''.join(f'<dt>{name}</dt><dd>{_text(text)}</dd>' for name, text in parts)}</dl>"
        opened = " open"
    elif result.found:
        title += f' <span class="quiet">[{_text(result.found)}]</span>'
    return (
        f'<details id="{escape(check.id)}" class="{verdict}"{opened}><summary><span class="verdict">{verdict}</span>'
        f"<code>{escape(check.id)}</code><span>{title}</span></summary>{text}{evidence}</details>"
    )
