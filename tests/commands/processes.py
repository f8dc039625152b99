"""`scim` as a process, with a terminal or without one."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SCIM: Final = Path(sys.executable).with_name("scim")


def environment(**variables: str) -> Mapping[str, str]:
    """This process's, but for the settings: those are the variables."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("SCIM_", "COSMOS_"))}
    return {**ours, **variables}


@contextmanager
def at_a_terminal(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process, whose standard input is a terminal, and the terminal's other end."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [SCIM, *arguments],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**variables),
            # Ctrl-C works in the process, even if whoever runs the tests ignores it, as a shell does for jobs in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no other thread is running
        ) as process:
            os.close(theirs)
            try:
                yield process, ours
            finally:
                process.kill()
    finally:
        os.close(ours)


def answered(answer: str | None, *arguments: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command that asks; `None` presses Ctrl-C once it has."""
    with at_a_terminal(*arguments, **variables) as (process, terminal):
        assert process.stderr is not None
        asked = ""
        while not asked.endswith("[y/N]: "):
            one = process.stderr.read(1)
            assert one, asked
            asked += one
        if answer is None:
            process.send_signal(signal.SIGINT)
        # Behind Ctrl-C the line ends too: a signal that arrives just before the process waits for input doesn't end the wait.
        os.write(terminal, (answer or "\n").encode())
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, asked + errors
