"""Injected faults: which requests fail, and how. Knows calls, no items.

emulator.faults.append(Fault("item.create", CutAfter()))                 # the next create is applied, without a
response emulator.faults.append(Fault("batch", throttled(20), nth=2, times=3))    # batches 2, 3 and 4 get 429
emulator.faults.append(Fault(lambda call: call.item == "User:1", Slow(event)))
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cosmos_emulator.wire import OWNER_NOT_FOUND


@dataclass(slots=True)
class Call:
    """One request as the emulator parsed it, and its outcome.

    `operation` is one of account.read, database.create|read|delete, container.create|read|delete, pkranges.read,
    item.create|read|replace|delete|patch, feed.read, batch, query, query.plan, unknown.
    `status` is 0 while the request is running, and if its connection was cut.
    """

    operation: str
    resource_type: str  # as it is signed: "", dbs, colls, docs, pkranges
    link: str  # as it is signed
    method: str
    path: str
    database: str = ""
    container: str = ""
    item: str = ""
    partition_key: Any = None
    body: Any = None
    status: int = 0
    charge: float = 0.0
    applied: bool = False  # whether the request was applied, for any response
    fault: Effect | None = None
    rows: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def verb(self) -> str:
        """The last part of `operation`: read, create, batch, query, ..."""
        return self.operation.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """Responds with a status. With `after`, the request is applied first (an unknown outcome, like a 408)."""

    status: int
    substatus: int = 0
    retry_after_ms: int | None = None
    after: bool = False


@dataclass(frozen=True, slots=True)
class CutBefore:
    """Cuts the connection before the request is applied."""


@dataclass(frozen=True, slots=True)
class CutAfter:
    """Applies the request, and cuts the connection without a response."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Delays a request until `event` is set, before or `after` it is applied. Sets `reached` when it begins to wait."""

    event: asyncio.Event
    after: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        self.reached.set()
        await self.event.wait()


@dataclass(frozen=True, slots=True)
class FailOperation:
    """Makes one operation of a batch fail with a status, so that the batch is rolled back."""

    index: int
    status: int


@dataclass(frozen=True, slots=True)
class ShortPage:
    """Ends a page of a query after this number of rows, with a continuation. 0 is allowed, as in Cosmos DB."""

    rows: int


type Effect = Answer | CutBefore | CutAfter | Slow | FailOperation | ShortPage


@dataclass(slots=True)
class Fault:
    """An effect on the matching calls number `nth` to `nth + times - 1`, or on all from `nth` on if `times` is None.

    `match` is an operation, a prefix of operations that ends with a dot ("item."), or a function of the call.
    """

    match: str | Callable[[Call], bool]
    effect: Effect
    nth: int = 1
    times: int | None = 1
    calls: int = field(default=0, init=False)
    applied: int = field(default=0, init=False)

    def applies_to(self, call: Call) -> bool:
        """Count the call if it matches. Return whether the fault applies to it."""
        if isinstance(self.match, str):
            fits = call.operation.startswith(self.match) if self.match.endswith(".") else call.operation == self.match
        else:
            fits = self.match(call)
        if not fits:
            return False
        self.calls += 1
        last = float("inf") if self.times is None else self.nth + self.times - 1
        if not self.nth <= self.calls <= last:
            return False
        self.applied += 1
        return True


class Cut(Exception):
    """Makes the server and the transport cut the connection."""


def throttled(retry_after_ms: int = 0) -> Answer:
    """Return a 429 with x-ms-retry-after-ms, which the SDK retries by itself."""
    return Answer(429, 3200, retry_after_ms)


def retry_with() -> Answer:
    """Return a 449: a concurrent write was in conflict."""
    return Answer(449)


def timed_out(*, after: bool = False) -> Answer:
    """Return a 408: the client doesn't know whether the write was applied."""
    return Answer(408, after=after)


def unavailable(*, after: bool = False) -> Answer:
    """Return a 503."""
    return Answer(503, after=after)


def unauthorized() -> Answer:
    """Return a 401: a wrong or expired credential."""
    return Answer(401)


def forbidden() -> Answer:
    """Return a 403: a credential without the permission."""
    return Answer(403)


def owner_not_found() -> Answer:
    """Return a 404 with substatus 1003: the database or container doesn't exist."""
    return Answer(404, OWNER_NOT_FOUND)
