"""What is told of a request: what was asked for, what came of it, what it took. No text of a client but its own request id.

Knows no log, no exporter and no HTTP.
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Literal, NamedTuple

type Client = Literal["entra", "okta", "other"]


class Begun(NamedTuple):
    """A request as far as it is known before anybody has looked at it."""

    method: str
    """One of HTTP's own, or `This method`."""
    route: str
    """The path as it is documented, such as `/Users/{id}`."""
    scheme: str


class Record(NamedTuple):
    """An answered request."""

    method: str
    route: str
    operation: str
    """The action of the route, such as `patch`; `none` if there is none."""
    resource_type: str
    status: int
    scim_type: str
    error: str
    """The class of the error that was answered; empty if there was none."""
    milliseconds: float
    database_calls: int
    request_units: float
    """What Cosmos DB charged (RU)."""
    tenant: str
    """Hashed (`hashed`); empty if nobody was let in."""
    client: Client
    tolerances: tuple[str, ...]
    """The functions of `scim/protocol/tolerances.py` that the request needed."""
    request_id: str
    bulk_operations: int = 0
    """The operations of a bulk request, however many of them were tried."""
    bulk_failed: int = 0
    """Those of them that ended in an error, which the status of a bulk request doesn't tell."""
    ignored_operations: int = 0
    """PATCH operations that were skipped, because they were on unknown attributes; those within a bulk request too."""
    reason: str = ""
    """Why the request isn't authenticated, one of a fixed set of words; `health` if it needs no token. Empty if it is."""
    requests: int = 1
    """How many requests the record stands for."""


type Finish = Callable[[Record], None]
type Observe = Callable[[Begun], Finish]
"""Is told of each request when it begins, and by what it returns when it is answered."""


@lru_cache(maxsize=1_000)
def hashed(tenant: str) -> str:
    """A tenant's name as logs and metrics have it: twelve hex digits of its SHA-256; `scim customer show` prints them."""
    return sha256(tenant.encode()).hexdigest()[:12]


def all_of(*observers: Observe) -> Observe:
    """One observer out of several."""
    if len(observers) == 1:
        return observers[0]

    def observe(begun: Begun) -> Finish:
        finishes = [observer(begun) for observer in observers]

        def finish(record: Record) -> None:
            for one in reversed(finishes):  # as they are nested
                one(record)

        return finish

    return observe
