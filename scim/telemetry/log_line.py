"""Writes the log line of each request as `name=value` pairs, which `parse-kv` of Azure Monitor's query language reads.

An authenticated request has a line of its own. Requests that any client can send are counted: they have at most one
line a minute for each status and reason, so that a flood of them doesn't fill the log.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scim.telemetry.record import Finish, Record, StartedRequest

_SECONDS: Final = 60.0
_LINE: Final = (
    "request action=%s resource_type=%s status=%d scim_type=%s ms=%.1f database_calls=%d ru=%.2f bulk_operations=%d "
    "bulk_failed=%d ignored_operations=%d customer=%s client=%s tolerances=%s{} method=%s route=%s request_id=%s"
)
_OF_ONE: Final = _LINE.format("")
_COUNTED: Final = _LINE.format(" reason=%s requests=%d")

_log: Final = logging.getLogger("scim.request")


@dataclass(slots=True)
class _Count:
    """The requests with one status and reason: the time of their last line, and the requests since then as one record."""

    written: float = -math.inf
    pending: Record | None = None


class LogLines:
    """Writes the log lines. `timer` gives seconds.

    The first request with a status and a reason is logged at once, so that an operator who tests a token sees why it is
    refused. Those of the following minute are logged together after it, by the next request, by `write_due` or by
    `write_all`. There is no timer, because the Functions host drops lines that are written outside an invocation.
    """

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._counts: dict[tuple[str, int, str], _Count] = {}
        self._due = math.inf
        """The earliest time at which a pending record may be written."""

    def observe(self, started: StartedRequest) -> Finish:  # noqa: ARG002 - everything is in the record
        """Return the function to call with the record at the end of the request."""
        return self._finish

    def write_due(self) -> None:
        """Write the pending records whose minute has passed."""
        now = self._timer()
        if now >= self._due:
            self._write_pending(now, lambda count: now - count.written >= _SECONDS)

    def write_all(self) -> None:
        """Write all pending records, because the process ends."""
        self._write_pending(self._timer(), lambda _: True)

    def _finish(self, record: Record) -> None:
        if record.reason:
            self._count(record)
        else:
            _write(record)
        self.write_due()

    def _count(self, record: Record) -> None:
        count = self._counts.setdefault((record.reason, record.status, record.scim_type), _Count())
        count.pending = record if count.pending is None else _together(count.pending, record)
        self._due = min(self._due, count.written + _SECONDS)

    def _write_pending(self, now: float, is_due: Callable[[_Count], bool]) -> None:
        for count in self._counts.values():
            if count.pending is not None and is_due(count):
                _write(count.pending)
                count.pending, count.written = None, now
        waiting = [count.written + _SECONDS for count in self._counts.values() if count.pending is not None]
        self._due = min(waiting, default=math.inf)


def _together(first: Record, last: Record) -> Record:
    """Return one record for two: the last one, with the requests and the costs of both."""
    return last._replace(
        requests=first.requests + last.requests,
        database_calls=first.database_calls + last.database_calls,
        request_units=first.request_units + last.request_units,
    )


def _write(record: Record) -> None:
    level = logging.WARNING if record.status >= 500 else logging.INFO
    values = (
        record.action,
        record.resource_type or "-",
        record.status,
        record.scim_type or "-",
        record.milliseconds,
        record.database_calls,
        record.request_units,
        record.bulk_operations,
        record.bulk_failed,
        record.ignored_operations,
        record.customer or "-",
        record.client,
        ",".join(record.tolerances) or "-",
    )
    request = (record.method.replace(" ", "_"), record.route.replace(" ", "_"), record.request_id)
    if record.reason:
        _log.log(level, _COUNTED, *values, record.reason, record.requests, *request)
    else:
        _log.log(level, _OF_ONE, *values, *request)
