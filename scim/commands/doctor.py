"""`scim doctor`: reads the options, runs the selected checks and shows the report."""

import os
import secrets
import signal
import ssl
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Final, Never

import click

from scim.doctor.catalogue import Report, Result
from scim.doctor.client import BadAddress, Client, Collaborators, Endpoint
from scim.doctor.page import as_html
from scim.doctor.report import as_json, as_text, plain, summary
from scim.doctor.run import examine
from scim.doctor.verdicts import Verdict

_FORMATS: Final = {"text": as_text, "json": as_json, "html": as_html}
_COLOURS: Final = {
    Verdict.PASS: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAIL: "red",
    Verdict.SKIPPED: "bright_black",
}
_FAILED: Final = 1
_NOT_RUN: Final = 2


@click.command()
@click.argument("url")
@click.option(
    "--token",
    help="Bearer token, as in the Secret Token field of the provisioning job. Without this option, the command reads "
    "SCIM_DOCTOR_TOKEN, which isn't visible in the list of processes, or asks for the token.",
)
@click.option(
    "--write",
    is_flag=True,
    help="Also create users and groups, change and delete them. Other objects are never changed.",
)
@click.option("--load", is_flag=True, help="Also send 25 requests per second for --load-seconds.")
@click.option("--load-seconds", type=click.IntRange(1, 300), default=10, show_default=True, help="Duration of --load.")
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 50),
    default=4.0,
    show_default=True,
    help="Requests per second, except for --load.",
)
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), default="text", show_default=True)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report to this file instead of to standard output.",
)
def doctor(
    url: str,
    token: str | None,
    write: bool,
    load: bool,
    load_seconds: int,
    rate: float,
    form: str,
    output: Path | None,
) -> None:
    """Examine a SCIM endpoint with the requests of Entra's provisioning client. URL is the Tenant URL of the
    provisioning job.

    Without --write, the command only reads. Exit codes: 0 if no check failed, 1 if one failed, 2 if the run was not
    possible or not completed. NO_COLOR switches colours off.
    """
    token = _token(token)
    try:
        endpoint = Endpoint.of(url)
    except BadAddress as error:
        raise click.UsageError(f"The URL can't be used: {error}.") from None
    _check_output(output)
    outside = Collaborators(time.monotonic, time.sleep, time.time, secrets.token_hex)
    client = Client(endpoint, token, outside, rate=rate, trust=ssl.create_default_context)

    def interrupt(number: int, frame: FrameType | None) -> Never:  # noqa: ARG001 - the signature of a signal handler
        client.interrupted = True
        raise KeyboardInterrupt

    # After SIGTERM, the created objects must be deleted too.
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        report = examine(client, token, write=write, load=load_seconds if load else 0, on_result=_tell)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        client.close()
    _show(report, form, output)
    if report.stopped:
        sys.exit(_NOT_RUN)
    if report.count(Verdict.FAIL):
        sys.exit(_FAILED)


def _token(given: str | None) -> str:
    token = given or os.environ.get("SCIM_DOCTOR_TOKEN")
    if not token:
        try:
            token = str(click.prompt("Token", hide_input=True, err=True))
        except click.Abort:
            raise click.UsageError(
                "A token is missing: use --token or SCIM_DOCTOR_TOKEN, or enter it when asked."
            ) from None
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise click.UsageError("A token must be one word of ASCII characters.")
    return token


def _check_output(output: Path | None) -> None:
    """Raise a usage error before the first request if the report can't be written."""
    if output is None:
        return
    try:
        output.touch(mode=0o600)
    except OSError as error:
        raise click.UsageError(f"Can't write {output}: {error.strerror}.") from None


def _tell(result: Result) -> None:
    """Show the progress on a terminal."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{result.verdict:<8} {result.check.id}", err=True, nl=False)


def _colours_wanted() -> bool:
    """Return whether standard output is a terminal with colours, and NO_COLOR (https://no-color.org) isn't set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _coloured(text: str, verdict: Verdict) -> str:
    return click.style(text, fg=_COLOURS[verdict], bold=verdict is Verdict.FAIL)


def _show(report: Report, form: str, output: Path | None) -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    if output is None:
        style = _coloured if _colours_wanted() else plain
        click.echo(as_text(report, style) if form == "text" else _FORMATS[form](report), nl=False)
        return
    text = _FORMATS[form](report)
    output.write_text(text, encoding="utf-8")
    click.echo(f"{summary(report)}: {output}")
    for left in report.left_behind:
        click.echo(f"Not deleted, please delete: {left}", err=True)
