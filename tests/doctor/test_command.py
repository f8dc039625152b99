"""`scim doctor` as a command: exit codes, the token, files, signals."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from scim.commands.doctor import doctor
from tests.conftest import BASE, TOKEN, PortClient, Server

_COMMAND = (sys.executable, "-c", "from scim.cli import main; main()", "doctor")
_FAST = ("--rate", "50")


@pytest.fixture(scope="module")
def service() -> Iterator[Server]:
    """Of this file alone: what is in it is counted."""
    running = Server()
    yield running
    running.stop()


def _run(*arguments: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "SCIM_DOCTOR_TOKEN"}
    if token is not None:
        environ["SCIM_DOCTOR_TOKEN"] = token
    return subprocess.run([*_COMMAND, *arguments], check=False, capture_output=True, text=True, env=environ, timeout=60)


def test_nothing_failed_is_0_and_the_token_comes_from_the_environment(service: Server) -> None:
    done = _run(service.origin + BASE, *_FAST)
    assert done.returncode == 0, done.stderr
    assert "0 fail" in done.stdout
    assert "\x1b" not in done.stdout
    assert TOKEN not in done.stdout + done.stderr


def test_something_failed_is_1(service: Server, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    done = _run(
        service.origin + BASE,
        "--token",
        "a-wrong-token",
        *_FAST,
        "--format",
        "html",
        "--output",
        str(report),
        token=None,
    )
    assert done.returncode == 1, done.stderr
    assert "token-accepted" in report.read_text()
    assert "a-wrong-token" not in report.read_text() + done.stdout + done.stderr
    assert report.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "token"),
    [
        (("ftp://scim.example.com",), TOKEN),
        (("https://me:secret@scim.example.com",), TOKEN),  # pragma: allowlist secret - must be refused
        (("https://scim.example.com",), "two words"),
        (("https://scim.example.com", "--output", "/proc/no/such/folder"), TOKEN),
        (("https://scim.example.com", "--format", "pdf"), TOKEN),
        (("https://scim.example.com",), None),  # asked for, and nobody answers
    ],
)
def test_what_cant_be_run_is_2_and_shows_no_token(arguments: tuple[str, ...], token: str | None) -> None:
    done = CliRunner().invoke(doctor, [*arguments], env={"SCIM_DOCTOR_TOKEN": token})
    assert done.exit_code == 2
    assert "two words" not in done.output
    assert "me:secret" not in done.output


def test_the_token_is_asked_for_and_not_shown() -> None:
    done = CliRunner().invoke(
        doctor, ["http://127.0.0.1:9/scim", *_FAST], env={"SCIM_DOCTOR_TOKEN": None}, input=f"{TOKEN}\n"
    )
    assert done.exit_code == 1
    assert TOKEN not in done.output


def test_nobody_there_is_a_verdict() -> None:
    done = _run("http://127.0.0.1:9/scim", *_FAST, "--format", "json")
    assert done.returncode == 1
    failed = [one["id"] for one in json.loads(done.stdout)["checks"] if one["verdict"] == "fail"]
    assert failed == ["reachable"]


def _on_a_terminal(**environ: str) -> str:
    """The report on standard output that is a terminal."""
    inner, outer = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
    command = [*_COMMAND, "http://127.0.0.1:9/scim", *_FAST]
    with subprocess.Popen(
        command, stdout=outer, stderr=subprocess.DEVNULL, env={**kept, "SCIM_DOCTOR_TOKEN": TOKEN, **environ}
    ) as process:
        os.close(outer)
        shown = b""
        with suppress(OSError):  # how Linux says that the other end is closed
            while read := os.read(inner, 65_536):
                shown += read
        process.wait(timeout=60)
    os.close(inner)
    return shown.decode()


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_verdicts_are_coloured_on_a_terminal_that_wants_it(environ: dict[str, str], coloured: bool) -> None:
    shown = _on_a_terminal(**environ)
    assert "1 fail" in shown
    assert ("\x1b[31m" in shown) is coloured
    assert ("\x1b" in shown) is coloured
    assert "\x1b[33m0 warning" not in shown


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_nothing_behind(service: Server, with_signal: signal.Signals) -> None:
    client = PortClient(service.origin)
    client.user(f"somebody-{with_signal.name}@example.com")
    before = client.get("/Users").body
    process = subprocess.Popen(
        [*_COMMAND, service.origin + BASE, "--write", "--rate", "50", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SCIM_DOCTOR_TOKEN": TOKEN},
    )
    while client.get('/Users?filter=userName sw "scim-doctor-"&count=0').json["totalResults"] < 5:
        assert process.poll() is None
    process.send_signal(with_signal)
    out, _ = process.communicate(timeout=60)
    report = json.loads(out)
    assert process.returncode == 2
    assert report["stopped"] == "interrupted"
    assert report["leftBehind"] == []
    assert client.get("/Users").body == before
    client.close()
