"""The record of a request for logs, traces and metrics. Has no text of a client except its request id.

Knows no log, no exporter and no HTTP.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal, NamedTuple

type Client = Literal["entra", "okta", "other"]

OTHER_METHOD: Final = "_OTHER"
"""Stands for a method that HTTP doesn't define, as in OpenTelemetry's semantic conventions."""


class StartedRequest(NamedTuple):
    """A request at its start, before it is authenticated."""

    method: str
    """A method of HTTP, or `_OTHER`."""
    route: str
    """The path with placeholders, such as `/Users/{id}`."""
    scheme: str


class Record(NamedTuple):
    """A request after its response."""

    method: str
    route: str
    action: str
    """The action of the route, such as `patch`; `none` if no route matched."""
    resource_type: str
    status: int
    scim_type: str
    error: str
    """The class of the error in the response; empty if there was none."""
    milliseconds: float
    database_calls: int
    request_units: float
    """The request units (RU) that Cosmos DB charged."""
    customer: str
    """The hashed name of the customer (see `hashed`); empty if the request isn't authenticated."""
    client: Client
    tolerances: tuple[str, ...]
    """The names of the functions in `scim/protocol/tolerances.py` that the request needed."""
    request_id: str
    bulk_operations: int = 0
    """The number of operations in a bulk request, tried or not."""
    bulk_failed: int = 0
    """The number of bulk operations that failed. The status of a bulk request doesn't show it."""
    ignored_operations: int = 0
    """The number of PATCH operations that were skipped because their attribute is unknown, within a bulk request too."""
    reason: str = ""
    """Why the request isn't authenticated: one of a fixed set of words, or `health` if it needs no token; empty if it
    is authenticated.
    """
    requests: int = 1
    """The number of requests that the record stands for."""


type Finish = Callable[[Record], None]
type Observe = Callable[[StartedRequest], Finish]
"""Called at the start of each request. Returns the function to call with the record at its end."""


@lru_cache(maxsize=1_000)
def hashed(customer: str) -> str:
    """Return a customer's name as logs and metrics show it: twelve hex digits of its SHA-256, which `scim customer
    show` prints.
    """
    return sha256(customer.encode()).hexdigest()[:12]


def all_of(*observers: Observe) -> Observe:
    """Return one observer that calls several."""
    if len(observers) == 1:
        return observers[0]

    def observe(started: StartedRequest) -> Finish:
        finishes = [observer(started) for observer in observers]

        def finish(record: Record) -> None:
            for one in reversed(finishes):  # in reverse order, because they are nested
                one(record)

        return finish

    return observe
