"""Faults to order: which request, the how manieth, and what goes wrong. Knows calls, no items.

emulator.faults.append(Fault("item.create", CutAfter()))                 # the next create is done, nobody hears of it
emulator.faults.append(Fault("batch", throttled(20), nth=2, times=3))    # batches 2, 3 and 4 get 429
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
    """One request as the emulator understood it, and afterwards how it ended.

    `kind` is one of account.read, database.create|read|delete, container.create|read|delete, pkranges.read,
    item.create|read|replace|delete|patch, feed.read, batch, query, query.plan, unknown.
    `status` is 0 while the request is under way and when its connection was cut.
    """

    kind: str
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
    applied: bool = False  # True when the request was carried out, whatever the client was told
    fault: Effect | None = None
    rows: int = 0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def operation(self) -> str:
        """The verb of the kind: read, create, batch, query, ..."""
        return self.kind.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """Answers with a status; `after` lets the request take effect first (an unknown outcome, like a 408)."""

    status: int
    substatus: int = 0
    retry_after_ms: int | None = None
    after: bool = False


@dataclass(frozen=True, slots=True)
class CutBefore:
    """The connection goes before anything has happened."""


@dataclass(frozen=True, slots=True)
class CutAfter:
    """The request takes effect and the connection goes without a response."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Waits for the event and goes on as ever; `after` takes effect before it waits. `reached` tells that it waits."""

    event: asyncio.Event
    after: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        self.reached.set()
        await self.event.wait()


@dataclass(frozen=True, slots=True)
class FailOperation:
    """One operation of a batch fails with a status, so that the batch is rolled back."""

    index: int
    status: int


@dataclass(frozen=True, slots=True)
class ShortPage:
    """A page of a query ends after that many rows (0 is allowed, as in the service) and has a continuation."""

    rows: int


type Effect = Answer | CutBefore | CutAfter | Slow | FailOperation | ShortPage


@dataclass(slots=True)
class Fault:
    """`match` is a kind, a prefix of kinds ending in a dot ("item."), or a function of the call.

    It strikes at the matching calls `nth`, ... `nth + times - 1`, or at all from `nth` on when `times` is None.
    """

    match: str | Callable[[Call], bool]
    effect: Effect
    nth: int = 1
    times: int | None = 1
    seen: int = field(default=0, init=False)
    struck: int = field(default=0, init=False)

    def strikes(self, call: Call) -> bool:
        """Counts the call; true when it is one to spoil."""
        if isinstance(self.match, str):
            fits = call.kind.startswith(self.match) if self.match.endswith(".") else call.kind == self.match
        else:
            fits = self.match(call)
        if not fits:
            return False
        self.seen += 1
        last = float("inf") if self.times is None else self.nth + self.times - 1
        if not self.nth <= self.seen <= last:
            return False
        self.struck += 1
        return True


class Cut(Exception):
    """Tells the server and the transport to drop the connection."""


def throttled(retry_after_ms: int = 0) -> Answer:
    """429 with x-ms-retry-after-ms; the SDK retries it by itself."""
    return Answer(429, 3200, retry_after_ms)


def retry_with() -> Answer:
    """449: a conflicting write was under way."""
    return Answer(449)


def timed_out(*, after: bool = False) -> Answer:
    """408: whether the write took effect is for the client to find out."""
    return Answer(408, after=after)


def unavailable(*, after: bool = False) -> Answer:
    """503."""
    return Answer(503, after=after)


def unauthorized() -> Answer:
    """401: a wrong or expired credential."""
    return Answer(401)


def forbidden() -> Answer:
    """403: a credential without the right."""
    return Answer(403)


def owner_not_found() -> Answer:
    """404 with substatus 1003: the database or container isn't there."""
    return Answer(404, OWNER_NOT_FOUND)
