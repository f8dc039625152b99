"""`scim doctor`: asks and writes what the command line allows, and shows the report."""

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
from scim.doctor.report import as_json, as_text, summary
from scim.doctor.run import examine
from scim.doctor.verdicts import Verdict

_FORMATS: Final = {"text": as_text, "json": as_json, "html": as_html}
_FAILED: Final = 1
_NOT_RUN: Final = 2


@click.command()
@click.argument("url")
@click.option(
    "--token",
    help="Bearer token, as in the job's Secret Token field. SCIM_DOCTOR_TOKEN keeps it out of the list of processes; "
    "without either the command asks for it.",
)
@click.option("--write", is_flag=True, help="Make users and groups, change and delete them; nobody else's are touched.")
@click.option("--load", is_flag=True, help="Send 25 requests per second for a while.")
@click.option(
    "--load-seconds", type=click.IntRange(1, 300), default=10, show_default=True, help="How long --load takes."
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 50),
    default=4.0,
    show_default=True,
    help="Requests per second, but for those of --load.",
)
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), default="text", show_default=True)
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="File for the report; else standard output."
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
    """Examine the SCIM endpoint at URL, the job's Tenant URL, as Entra's provisioning client would use it.

    Reads only, unless --write is given. The exit code is 0 if nothing failed, 1 if something did, 2 if the examination
    couldn't be made or not to its end.
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

    # Whoever ends a job with SIGTERM wants its objects gone as well.
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        report = examine(client, token, write=write, load=load_seconds if load else 0, told=_tell)
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
            raise click.UsageError("There is no token: --token, SCIM_DOCTOR_TOKEN or an answer.") from None
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise click.UsageError("A token is one word of ASCII characters.")
    return token


def _check_output(output: Path | None) -> None:
    """Before the first request: a report that can't be written is no use."""
    if output is None:
        return
    try:
        output.touch(mode=0o600)
    except OSError as error:
        raise click.UsageError(f"Can't write {output}: {error.strerror}.") from None


def _tell(result: Result) -> None:
    """Progress for a person who waits; nothing in a file or a pipe."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{result.verdict:<8} {result.check.id}", err=True, nl=False)


def _show(report: Report, form: str, output: Path | None) -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    text = _FORMATS[form](report)
    if output is None:
        click.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    click.echo(f"{summary(report)}: {output}")
    for left in report.left_behind:
        click.echo(f"Left behind, please delete: {left}", err=True)
