"""A SCIM server that others wrote: SCIMMY with its routers for express, in a Node process of its own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.npm import NODE, installed

_ROUTERS: Final = ("scimmy-routers", "1.3.2")
# With express 5 these routers ignore startIndex and count.
_PEERS: Final = ("scimmy@1.3.5", "express@4.21.2")
TOKEN: Final = "a-token-for-the-peer"  # pragma: allowlist secret - of this server alone


@contextmanager
def scimmy() -> Iterator[str]:
    """The Tenant URL of a running server without users and groups."""
    command = [str(NODE), str(Path(__file__).with_suffix(".js")), str(installed(*_ROUTERS, *_PEERS)), TOKEN]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/scim"
    finally:
        process.kill()
        process.communicate()
