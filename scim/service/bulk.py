"""Bulk (RFC 7644 §3.7): runs the operations of one request through the use cases of single resources.

Catches no error itself: `Attempt` gives the one that explains what went wrong.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import orjson

from scim.protocol import bulk, bulk_count, etag
from scim.protocol.bulk import BulkOperation, BulkRequest, Target
from scim.protocol.errors import (
    Conflict,
    NotFound,
    PayloadTooLarge,
    ScimError,
    TooManyRequests,
    Unavailable,
)
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.service.caller import Asked, Caller, Conditions
from scim.service.resources import Answer, Resources

_BUDGET_SECONDS: Final = 60.0
_MOST_PATIENCE: Final = 5
"""Seconds to wait at most before the next operation when the database has no capacity."""
_FEW_VALUES: Final = 100_000
"""So many JSON values take at most some 10 MB."""
_BETWEEN_TURNS: Final = 64 * 1024
"""Bytes of data that are prepared before other requests get a turn."""
_SHOWN: Final = 100
"""Characters of a bulkId that an error quotes."""
_STATUS: Final = {"POST": 201, "PUT": 200, "PATCH": 204, "DELETE": 204}


class Attempt(Protocol):
    """Awaits something: its result, or the error that a client is told of."""

    async def __call__[T](self, work: Awaitable[T]) -> T | ScimError:
        """Whatever fails fails alone; being called off isn't a failure and goes through."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A BulkResponse, how many operations there were, and how many of them failed."""

    response: JsonObject
    operations: int
    failed: int


@dataclass(frozen=True, slots=True)
class _Step:
    """An operation with what its path leads to and the bulkIds that it refers to."""

    operation: BulkOperation
    target: Target
    references: Sequence[str]
    refusal: ScimError | None
    """Why it isn't even tried."""


class Bulk:
    """Runs bulk requests. `timer` gives seconds."""

    def __init__(
        self,
        resources: Resources,
        registry: Registry,
        limits: Limits,
        *,
        new_id: Callable[[], str],
        timer: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._resources = resources
        self._limits = limits
        self._target = bulk.targets(registry)
        self._new_id = new_id
        self._timer = timer
        self._sleep = sleep

    def check_number(self, body: bytes) -> None:
        """Raise `PayloadTooLarge` if the text of the request has too many operations, before it is parsed."""
        # Parsing a text with few values takes less time than counting in it, and `bulk_request` counts them then.
        if sum(map(body.count, (b",", b"[", b"{"))) > _FEW_VALUES:
            bulk_count.check_number(body, self._limits)

    async def run(self, caller: Caller, body: Json, attempt: Attempt) -> Outcome:
        """Every operation on its own; raises only what is wrong with the request as a whole, and then nothing is done."""
        until = self._timer() + _BUDGET_SECONDS
        request = bulk.bulk_request(body, self._limits)
        work = _Work(self._resources, caller, attempt, await self._steps(request), self._new_id)
        for at in work.order:
            if request.fail_on_errors is not None and work.errors >= request.fail_on_errors:
                break
            if self._timer() > until:
                await work.fail(at, Unavailable("The bulk request has used its 60 seconds; send this operation again."))
                continue
            error = await work.do(at)
            # The loop's other requests get a turn. The SDK has repeated by itself what the database had no capacity for, so
            # the next operation is the one that waits.
            await self._sleep(_patience(error) if isinstance(error, TooManyRequests) else 0)
        await work.take_back_what_refers_to_nothing()
        return Outcome(bulk.bulk_response(work.entries()), len(request.operations), work.errors)

    async def _steps(self, request: BulkRequest) -> list[_Step]:
        """Prepare the operations. Looking through their data takes time, so other requests get turns between them."""
        steps = list[_Step]()
        since = 0
        for operation in request.operations:
            target = self._target(operation.path)
            size, most = _size(operation.data), self._limits.body_bytes
            refusal = None
            if size > most:
                # The limit of a single request: other requests wait while one operation is prepared.
                refusal = PayloadTooLarge(f"The 'data' of an operation may have at most {most} bytes.")
            references = () if refusal else bulk.references(operation, target)
            steps.append(_Step(operation, target, references, refusal))
            since += size
            if since > _BETWEEN_TURNS:
                since = 0
                await self._sleep(0)
        return steps


class _Work:
    """The operations of one request and what came of them so far."""

    def __init__(
        self,
        resources: Resources,
        caller: Caller,
        attempt: Attempt,
        steps: Sequence[_Step],
        new_id: Callable[[], str],
    ) -> None:
        self._resources = resources
        self._caller = caller
        self._attempt = attempt
        self._steps = steps
        self._entries: dict[int, JsonObject] = {}
        self.errors = 0
        creations = {
            step.operation.bulk_id: at
            for at, step in enumerate(steps)
            if step.operation.method == "POST" and step.operation.bulk_id is not None
        }
        # Known beforehand, so that creations may refer to one another.
        self._ids = {name: new_id() for name in creations}
        self._referring: dict[str, list[int]] = {}
        for at in creations.values():
            for referred in steps[at].references:
                self._referring.setdefault(referred, []).append(at)
        self._made: dict[str, tuple[ResourceType, str]] = {}
        """The creations that succeeded: resource type and version."""
        self._missing: set[str] = set()
        """The creations that failed."""
        self.order = bulk.order([[creations[n] for n in step.references if n in creations] for step in steps])

    def entries(self) -> list[JsonObject]:
        """The answers in the order of the request; without those of operations that weren't tried."""
        return [self._entries[at] for at in sorted(self._entries)]

    async def do(self, at: int) -> ScimError | None:
        """One operation; the error that it ended in."""
        result = await self._attempt(self._done(self._steps[at]))
        if isinstance(result, ScimError):
            await self.fail(at, result)
            return result
        operation, id = self._steps[at].operation, self._id(self._steps[at])
        location = bulk.location(self._caller.base_url, self._steps[at].target, id)
        version = None if result is None else etag.weak(result.version)
        status = _STATUS[operation.method]
        self._entries[at] = bulk.entry(operation, status, location=location, version=version, error=None)
        return None

    async def fail(self, at: int, error: ScimError) -> None:
        """Note that an operation failed; what has been created in the hope of it goes."""
        step = self._steps[at]
        creates, reference = step.operation.method == "POST", step.target.reference
        is_somewhere = not creates and (reference is None or reference in self._made)
        location = bulk.location(self._caller.base_url, step.target, self._id(step)) if is_somewhere else None
        self._note(at, error, location)
        if creates and step.operation.bulk_id is not None:
            await self._take_back(step.operation.bulk_id)

    async def take_back_what_refers_to_nothing(self) -> None:
        """Delete what refers to creations that weren't tried in the end."""
        for name in self._ids.keys() - self._made.keys() - self._missing:
            await self._take_back(name)

    async def _done(self, step: _Step) -> Answer | None:
        operation, resources, caller = step.operation, self._resources, self._caller
        kind = bulk.check(operation, step.target)
        data = operation.data
        if step.refusal is not None:
            raise step.refusal
        if step.references:
            self._check_references(step.references)
            data = bulk.resolved(operation, self._ids)
        id, conditions = self._id(step), Conditions(operation.version)
        match operation.method:
            case "POST":
                answer = await resources.create(caller, kind, data, None, id=id)
                self._made[operation.bulk_id or ""] = (kind, answer.version)
                return answer
            case "PUT":
                return await resources.put(caller, kind, id, data, Asked(), conditions)
            case "PATCH":
                return await resources.patch(caller, kind, id, bulk.patch_body(data), Asked(), conditions)
            case "DELETE":
                await resources.delete(caller, kind, id, conditions)
                return None

    def _check_references(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self._ids:
                raise Conflict(
                    f"No POST of this request has the bulkId '{name[:_SHOWN]}', which the operation refers to."
                )
            if name in self._missing:
                raise _unmade(name)

    def _id(self, step: _Step) -> str:
        """The id of the operation's resource; empty if its path refers to no creation of this request."""
        if step.operation.method == "POST":
            return self._ids.get(step.operation.bulk_id or "", "")
        return step.target.id if step.target.reference is None else self._ids.get(step.target.reference, "")

    def _note(self, at: int, error: ScimError, location: str | None) -> None:
        self.errors += 1
        self._entries[at] = bulk.entry(self._steps[at].operation, error.status, location=location, error=error)

    async def _take_back(self, name: str) -> None:
        """Delete what was created with the id of a creation that failed, and what was created with the ids of that.

        Only creations of a circle can be: everything else is done after what it refers to.
        """
        missing = [name]
        while missing:
            name = missing.pop()
            self._missing.add(name)
            for at in self._referring.get(name, ()):
                bulk_id = self._steps[at].operation.bulk_id or ""
                made = self._made.pop(bulk_id, None)
                if made is None:
                    continue
                missing.append(bulk_id)
                kind, version = made
                id = self._ids[bulk_id]
                conditions = Conditions(etag.weak(version))
                left = await self._attempt(self._resources.delete(self._caller, kind, id, conditions))
                if left is None or isinstance(left, NotFound):
                    self._note(at, _unmade(name), None)
                else:
                    location = bulk.location(self._caller.base_url, self._steps[at].target, id)
                    self._note(at, _left(name), location)


def _size(data: Json) -> int:
    """Return the bytes of the data as JSON."""
    try:
        return len(orjson.dumps(data))
    except orjson.JSONEncodeError:  # it writes fewer levels than it reads, and than `json` writes
        return len(json.dumps(data, ensure_ascii=False).encode())


def _unmade(name: str) -> Conflict:
    return Conflict(f"It refers to 'bulkId:{name[:_SHOWN]}', which this request didn't come to create.")


def _left(name: str) -> Conflict:
    return Conflict(
        f"It was created for 'bulkId:{name[:_SHOWN]}', which this request didn't come to create, and couldn't be deleted "
        "again: delete it, or let it refer to something else."
    )


def _patience(error: TooManyRequests) -> int:
    return min(int(error.headers["Retry-After"]), _MOST_PATIENCE)
