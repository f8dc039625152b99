"""A report as one HTML page that needs nothing else: no script, no address, readable in light and dark."""

from html import escape
from typing import Final

from scim.doctor.catalogue import Report, Result
from scim.doctor.report import ACCOUNTED, request_of, response_of, summary

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
.sums { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; padding: 0; list-style: none; font-weight: 600; }
details { border-top: 1px solid var(--line); padding: .35rem 0; }
summary { cursor: pointer; display: grid; grid-template-columns: 5.5rem minmax(10rem, 16rem) 1fr; gap: .75rem; }
summary code { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: 5rem 1fr; gap: .2rem .75rem; margin: .5rem 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 4px; padding: .6rem; margin: .3rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere; font: .8125rem/1.45 ui-monospace, monospace; }
.pass { color: var(--pass); } .fail { color: var(--fail); } .warning { color: var(--warning); } .skipped { color: var(--skipped); }
.verdict { font-weight: 600; }
.box { border: 1px solid var(--fail); border-radius: 4px; padding: .6rem; margin: 1rem 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { summary { grid-template-columns: 5.5rem 1fr; } summary span:last-child { grid-column: 1 / -1; } }
@media print { details::details-content { content-visibility: visible; } }
"""


def as_html(report: Report) -> str:
    """The page."""
    url = escape(report.url)
    sums = "".join(f'<li class="{part.split()[1]}">{escape(part)}</li>' for part in summary(report).split(", "))
    boxes = ""
    if report.stopped:
        boxes += f'<p class="box" role="alert">Not complete: {escape(report.stopped)}.</p>'
    if report.left_behind:
        left = "".join(f"<li>{escape(one)}</li>" for one in report.left_behind)
        boxes += f'<div class="box" role="alert">Left behind, please delete:<ul>{left}</ul></div>'
    checks = "\n".join(map(_check, report.results))
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
<ul class="sums">{sums}</ul>
{boxes}
</header>
<main>
{checks}
</main>
</body>
</html>
"""


def _check(result: Result) -> str:
    check, verdict = result.check, str(result.verdict)
    parts = [f"<dt>Found</dt><dd>{escape(result.found)}</dd>"] if result.found else []
    if result.verdict in ACCOUNTED:
        parts += [f"<dt>Entra</dt><dd>{escape(check.effect)}</dd>", f"<dt>Fix</dt><dd>{escape(check.fix)}</dd>"]
    shown = "".join(
        f"<pre>{escape(request_of(one))}</pre><pre>{escape(response_of(one))}</pre>" for one in result.evidence
    )
    described = f"<dl>{''.join(parts)}</dl>" if parts else ""
    opened = " open" if result.verdict in ACCOUNTED else ""
    return (
        f'<details id="{escape(check.id)}"{opened}><summary><span class="verdict {verdict}">{verdict}</span>'
        f"<code>{escape(check.id)}</code><span>{escape(check.title)}</span></summary>{described}{shown}</details>"
    )
