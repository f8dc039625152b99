"""host.json fits the app that it stands beside: its functions, its time limits, its schedule."""

import json
import re
from typing import Any, Final

import pytest

from scim import app
from scim.storage.cosmos import store, sweep
from tests.worker.harness import IndexedFunction, Worker
from tests.worker.host import HostSettings, seconds
from tests.worker.host_client import ROOT

TOLD: Final[dict[str, Any]] = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
SETTINGS: Final = HostSettings.read(ROOT, {})
SPARE_SECONDS: Final = 30.0
"""For a cold start, and for the calls that are under way when a budget is used up."""


@pytest.fixture
async def functions() -> list[IndexedFunction]:
    """What the host is told of."""
    async with await Worker.start(ROOT) as worker:
        return worker.functions


async def test_the_log_level_covers_every_function(functions: list[IndexedFunction]) -> None:
    """The host's category of an app's own lines is the function's name; all else says no less than warnings."""
    levels = TOLD["logging"]["logLevel"]
    named = {
        found[1]: level for name, level in levels.items() if (found := re.fullmatch(r"Function\.(\w+)\.User", name))
    }
    assert named == dict.fromkeys((function.name for function in functions), "Information")
    assert levels["default"] == "Warning"


def test_log_lines_of_requests_are_never_sampled() -> None:
    sampling = TOLD["logging"]["applicationInsights"]["samplingSettings"]
    assert set(sampling["excludedTypes"].split(";")) == {"Request", "Exception", "Trace"}


def test_paths_are_those_of_the_documents() -> None:
    """Without it, they would begin with `/api`."""
    assert SETTINGS.prefix == ""


def test_the_host_timeout_exceeds_the_longest_function() -> None:
    """The host ends the worker of one that runs for too long, and every other invocation in it."""
    longest_sweep = app._SWEEP_SECONDS + sweep._RUN_SECONDS
    request = store._CHANGE_SECONDS + store._CLEANUP_SECONDS
    assert SETTINGS.timeout is not None
    assert SETTINGS.timeout >= max(longest_sweep, request) + SPARE_SECONDS


async def test_no_run_of_the_timer_is_due_before_the_one_before_has_ended(functions: list[IndexedFunction]) -> None:
    [timer] = [function for function in functions if function.trigger == "timerTrigger"]
    every = re.fullmatch(r"0 \*/(\d+) \* \* \* \*", timer.binding["schedule"])
    assert every is not None
    assert SETTINGS.timeout is not None
    assert int(every[1]) * 60 > SETTINGS.timeout


def test_requests_at_once_have_a_bound_and_some_may_wait() -> None:
    assert SETTINGS.concurrent is not None
    assert SETTINGS.outstanding is not None
    assert 0 < SETTINGS.concurrent < SETTINGS.outstanding


def test_every_key_is_one_that_the_host_reads() -> None:
    """A key that it doesn't know it ignores in silence."""
    assert TOLD.keys() == {"version", "functionTimeout", "extensions", "extensionBundle", "logging"}
    assert TOLD["extensions"].keys() == {"http"}
    assert TOLD["extensions"]["http"].keys() <= {
        *("routePrefix", "maxConcurrentRequests", "maxOutstandingRequests"),
        *("dynamicThrottlesEnabled", "hsts", "customHeaders"),
    }
    assert TOLD["logging"].keys() <= {"logLevel", "applicationInsights", "console", "fileLoggingMode"}
    assert TOLD["extensionBundle"].keys() == {"id", "version"}
    assert TOLD["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert seconds(TOLD["functionTimeout"]) == SETTINGS.timeout
