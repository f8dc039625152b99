"""Requests, responses and errors of the REST protocol, and the headers that it knows. Knows no items and no sockets.

Source: "Azure Cosmos DB: REST API Reference" (common headers, HTTP status codes, substatus codes) and what azure-cosmos
4.17 sends. A header `x-ms-*` that isn't in `KNOWN_HEADERS` is refused: it may request a feature that isn't emulated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import unquote

CONSISTENCY = ("Strong", "BoundedStaleness", "Session", "ConsistentPrefix", "Eventual")  # strongest first
MAX_REQUEST_BYTES = 2 * 1024 * 1024  # service limits: request size 2 MB

OWNER_NOT_FOUND = 1003  # substatus of 404: the database or container doesn't exist
SESSION_NOT_AVAILABLE = 1002  # substatus of 404: the session token is ahead of the replica
PARTITION_KEY_MISMATCH = 1001  # substatus of 400
CONTAINER_RID_MISMATCH = 1024  # substatus of 400: the container was deleted and created again
METADATA_BY_AAD = 5300  # substatus of 403: tokens can't create databases and containers on the data plane

_CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    449: "RetryWith",
    503: "ServiceUnavailable",
}

KNOWN_HEADERS = frozenset(
    [
        "x-ms-activity-id",
        "x-ms-client-id",
        "x-ms-client-request-id",
        "x-ms-consistency-level",
        "x-ms-continuation",
        "x-ms-cosmos-batch-atomic",
        "x-ms-cosmos-batch-continue-on-error",
        "x-ms-cosmos-correlated-activityid",
        "x-ms-cosmos-intended-collection-rid",
        "x-ms-cosmos-is-batch-request",
        "x-ms-cosmos-is-query-plan-request",
        "x-ms-cosmos-query-version",
        "x-ms-cosmos-sdk-supportedcapabilities",
        "x-ms-cosmos-supported-query-features",
        "x-ms-date",
        "x-ms-documentdb-is-upsert",
        "x-ms-documentdb-isquery",
        "x-ms-documentdb-partitionkey",
        "x-ms-documentdb-populatequotainfo",
        "x-ms-documentdb-query-enablecrosspartition",
        "x-ms-documentdb-query-iscontinuationexpected",
        "x-ms-max-item-count",
        "x-ms-offer-throughput",
        "x-ms-session-token",
        "x-ms-thinclient-proxy-operation-type",
        "x-ms-thinclient-proxy-resource-type",
        "x-ms-version",
    ]
)
_VERSIONS = frozenset(["2018-12-31", "2020-07-15", "2020-11-05"])


class CosmosError(Exception):
    """A refused request: status, substatus and a message, from which one place builds the response."""

    def __init__(self, status: int, message: str, substatus: int = 0, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.substatus = substatus
        self.retry_after_ms = retry_after_ms
        self.charge = 0.0


@dataclass(slots=True)
class WireRequest:
    """One HTTP request: the path as on the request line, header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str

    def flag(self, header: str) -> bool:
        """Return a boolean header. The SDK writes Python's `True`."""
        value = self.headers.get(header, "false").lower()
        if value not in {"true", "false"}:
            refuse(f"The input value for {header} is not a boolean.")
        return value == "true"


@dataclass(slots=True)
class WireResponse:
    """One HTTP response. `charge` becomes the header x-ms-request-charge."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    charge: float = 0.0


def refuse(message: str, substatus: int = 0) -> NoReturn:
    """Raise CosmosError 400 for a request that Cosmos DB refuses or this emulator doesn't support."""
    raise CosmosError(400, message, substatus)


def dump(value: Any) -> bytes:
    """Return JSON as Cosmos DB stores and counts it: compact UTF-8."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        refuse("The request payload is invalid: half a surrogate pair is no character.")


def load(body: bytes) -> Any:
    """Return the JSON value of a body. Refuses NaN and Infinity, which aren't JSON."""
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        refuse("The request payload is invalid. Ensure to provide a valid request payload.")
    if b"\\ud" in body.lower():
        dump(value)  # refuses an unpaired surrogate
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def segments(path: str) -> list[str]:
    """Return the decoded parts of a path, without the slashes at its ends."""
    bare = path.partition("?")[0].strip("/")
    return [unquote(part) for part in bare.split("/")] if bare else []


def error_response(error: CosmosError) -> WireResponse:
    """Return the response for an error: code and message in the body, substatus and retry-after in headers."""
    headers = {}
    if error.substatus:
        headers["x-ms-substatus"] = str(error.substatus)
    if error.retry_after_ms is not None:
        headers["x-ms-retry-after-ms"] = str(error.retry_after_ms)
    code = _CODES.get(error.status, "InternalServerError")
    return WireResponse(error.status, dump({"code": code, "message": error.message}), headers, error.charge)


def check_headers(request: WireRequest, account_consistency: str) -> None:
    """Refuse headers that request features which aren't emulated."""
    headers = request.headers
    for name in headers:
        if name.startswith("x-ms-") and name not in KNOWN_HEADERS:
            refuse(f"The header {name} is not emulated.")
    if headers.get("x-ms-version") not in _VERSIONS:
        refuse("The input value for x-ms-version is missing or unknown.")
    if "?" in request.path:
        refuse("A query string is not emulated.")
    if request.flag("x-ms-documentdb-is-upsert"):
        refuse("Upsert is not emulated.")
    level = headers.get("x-ms-consistency-level")
    if level is not None:
        if level not in CONSISTENCY:
            refuse(f"The consistency level {level} is unknown.")
        if CONSISTENCY.index(level) < CONSISTENCY.index(account_consistency):
            refuse(f"ConsistencyLevel {level} specified in the request is invalid when service is configured with"
                   f" consistency level {account_consistency}.")  # fmt: skip
    if len(request.body) > MAX_REQUEST_BYTES:
        raise CosmosError(413, "Request size is too large.")
