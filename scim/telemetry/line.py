"""The line in the log: `name=value` pairs, which a person can read and `parse-kv` of Azure Monitor's query language too."""

import logging
from typing import Final

from scim.telemetry.record import Begun, Finish, Record

_log: Final = logging.getLogger("scim.request")


def observe(begun: Begun) -> Finish:  # noqa: ARG001 - everything is in the record
    """Writes one line for each answered request: a warning for a fault of ours, else an information."""
    return _write


def _write(record: Record) -> None:
    level = logging.WARNING if record.status >= 500 else logging.INFO
    _log.log(
        level,
        "request operation=%s resource_type=%s status=%d scim_type=%s ms=%.1f database_calls=%d ru=%.2f bulk_operations=%d "
        "bulk_failed=%d tenant=%s client=%s tolerances=%s method=%s route=%s request_id=%s",
        record.operation,
        record.resource_type or "-",
        record.status,
        record.scim_type or "-",
        record.milliseconds,
        record.database_calls,
        record.request_units,
        record.bulk_operations,
        record.bulk_failed,
        record.tenant or "-",
        record.client,
        ",".join(record.tolerances) or "-",
        record.method.replace(" ", "_"),
        record.route.replace(" ", "_"),
        record.request_id,
    )
