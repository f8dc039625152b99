"""Bulk requests (RFC 7644 §3.7): runs their operations through the use cases of single resources.

How it works: the ids of all creations are made beforehand. `bulk.order` puts a creation before the operations that refer to
it by `bulkId`; otherwise the order of the request stays. Creations can refer to each other in a circle. Then one of them is
written before what it refers to exists, and deleted again if that creation fails.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

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
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.service.failures import Failures
from scim.service.request_context import Conditions, RequestContext
from scim.service.resources import Resources, Result

_TOTAL_SECONDS: Final = 60.0
"""After this time no further operation is started."""
_LONGEST_PAUSE_SECONDS: Final = 5
"""The longest pause before the next operation after the database has throttled one."""
_FEW_VALUES: Final = 100_000
"""So many JSON values take some 10 MB at most, so they are parsed before the operations are counted."""
_BYTES_PER_TURN: Final = 64 * 1024
"""Bytes of data that are prepared before the event loop runs other requests."""
_QUOTED_CHARACTERS: Final = 100
"""Characters of a bulkId that an error quotes."""
_STATUS: Final = {"POST": 201, "PUT": 200, "PATCH": 204, "DELETE": 204}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A BulkResponse, the number of operations in the request, and how many of them failed."""

    response: JsonObject
    operations: int
    failed: int


@dataclass(frozen=True, slots=True)
class _Step:
    """An operation, the target of its path, and the bulkIds that it refers to."""

    operation: BulkOperation
    target: Target
    references: Sequence[str]
    refusal: ScimError | None
    """The error that the operation ends in without being tried."""


class Bulk:
    """Runs bulk requests. `timer` gives seconds."""

    def __init__(
        self,
        resources: Resources,
        failures: Failures,
        registry: Registry,
        limits: Limits,
        *,
        new_id: Callable[[], str],
        timer: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._resources = resources
        self._failures = failures
        self._limits = limits
        self._target = bulk.targets(registry)
        self._new_id = new_id
        self._timer = timer
        self._sleep = sleep

    def check_number(self, body: bytes) -> None:
        """Raise `PayloadTooLarge` if the request has too many operations, before its JSON is parsed."""
        # A text with few values is parsed faster than its operations are counted, and `bulk_request` counts them then.
        if sum(map(body.count, (b",", b"[", b"{"))) > _FEW_VALUES:
            bulk_count.check_number(body, self._limits)

    async def run(self, context: RequestContext, body: Json, size: int) -> Outcome:
        """Run each operation on its own. `size` is the number of bytes of the body.

        Raises `InvalidSyntax`, `InvalidValue` or `PayloadTooLarge` if the request as a whole is wrong; then no operation
        has been run.
        """
        deadline = self._timer() + _TOTAL_SECONDS
        request = bulk.bulk_request(body, self._limits)
        run = _Run(self._resources, self._failures, context, await self._steps(request, size), self._new_id)
        for index in run.order:
            if request.fail_on_errors is not None and run.errors >= request.fail_on_errors:
                break
            if self._timer() > deadline:
                error = Unavailable("The bulk request has used its 60 seconds. Send this operation again.")
                await run.fail(index, error)
                continue
            failure = await run.do(index)
            # Gives the event loop to other requests. After throttling, which the SDK has retried already, the next
            # operation waits.
            await self._sleep(_pause_seconds(failure) if isinstance(failure, TooManyRequests) else 0)
        await run.delete_with_missing_references()
        return Outcome(bulk.bulk_response(run.entries()), len(request.operations), run.errors)

    async def _steps(self, request: BulkRequest, body_size: int) -> list[_Step]:
        """Prepare the operations. Reading their data takes time, so the event loop runs other requests in between."""
        steps, limit = list[_Step](), self._limits.body_bytes
        bytes_in_turn = 0
        for operation in request.operations:
            target = self._target(operation.path)
            # No operation of a body within the limit of a single request can exceed that limit.
            size = _size(operation.data) if body_size > limit else body_size // len(request.operations)
            refusal = None
            if size > limit:
                # The limit of a single request, because no other request is served while an operation is prepared.
                refusal = PayloadTooLarge(
                    f"The 'data' of an operation may have at most {limit} bytes; this one has {size}."
                )
            references = () if refusal else bulk.references(operation, target)
            steps.append(_Step(operation, target, references, refusal))
            bytes_in_turn += size
            if bytes_in_turn > _BYTES_PER_TURN:
                bytes_in_turn = 0
                await self._sleep(0)
        return steps


class _Run:
    """The operations of one request, and the results so far."""

    def __init__(
        self,
        resources: Resources,
        failures: Failures,
        context: RequestContext,
        steps: Sequence[_Step],
        new_id: Callable[[], str],
    ) -> None:
        self._resources = resources
        self._failures = failures
        self._context = context
        self._steps = steps
        self._entries: dict[int, JsonObject] = {}
        self.errors = 0
        creations = {
            step.operation.bulk_id: index
            for index, step in enumerate(steps)
            if step.operation.method == "POST" and step.operation.bulk_id is not None
        }
        # Made beforehand, so that creations can refer to each other.
        self._ids = {bulk_id: new_id() for bulk_id in creations}
        self._referring: dict[str, list[int]] = {}
        for index in creations.values():
            for reference in steps[index].references:
                self._referring.setdefault(reference, []).append(index)
        self._created: dict[str, tuple[ResourceType, str]] = {}
        """The resource type and the version of each successful creation, by bulkId."""
        self._missing: set[str] = set()
        """The bulkIds of failed creations."""
        self.order = bulk.order([[creations[n] for n in step.references if n in creations] for step in steps])

    def entries(self) -> list[JsonObject]:
        """Return the entries of the response in the order of the request; none for an operation that wasn't tried."""
        return [self._entries[index] for index in sorted(self._entries)]

    async def do(self, index: int) -> ScimError | None:
        """Run one operation; return its error."""
        try:
            result = await self._result(self._steps[index])
        except Exception as raised:  # noqa: BLE001 - an operation that fails doesn't end the others
            error = self._error(raised)
            await self.fail(index, error)
            return error
        operation, id = self._steps[index].operation, self._id(self._steps[index])
        location = bulk.location(self._context.base_url, self._steps[index].target, id)
        version = None if result is None else etag.weak(result.version)
        status = _STATUS[operation.method]
        self._entries[index] = bulk.entry(operation, status, location=location, version=version, error=None)
        return None

    async def fail(self, index: int, error: ScimError) -> None:
        """Record the error of an operation. After a failed creation, delete the resources that refer to it."""
        step = self._steps[index]
        creates, reference = step.operation.method == "POST", step.target.reference
        exists = not creates and (reference is None or reference in self._created)
        location = bulk.location(self._context.base_url, step.target, self._id(step)) if exists else None
        self._record(index, error, location)
        if creates and step.operation.bulk_id is not None:
            await self._delete_referring(step.operation.bulk_id)

    async def delete_with_missing_references(self) -> None:
        """Delete the resources that refer to creations which weren't tried, because the request ended early."""
        for bulk_id in self._ids.keys() - self._created.keys() - self._missing:
            await self._delete_referring(bulk_id)

    async def _result(self, step: _Step) -> Result | None:
        operation, resources = step.operation, self._resources
        resource_type = bulk.check(operation, step.target)
        data = operation.data
        if step.refusal is not None:
            raise step.refusal
        if step.references:
            self._check_references(step.references)
            data = bulk.resolved(operation, self._ids)
        id, context = self._id(step), self._on_version(operation.version)
        match operation.method:
            case "POST":
                result = await resources.create(context, resource_type, data, id=id, with_resource=False)
                self._created[operation.bulk_id or ""] = (resource_type, result.version)
                return result
            case "PUT":
                return await resources.put(context, resource_type, id, data)
            case "PATCH":
                return await resources.patch(context, resource_type, id, bulk.patch_body(data))
            case "DELETE":
                await resources.delete(context, resource_type, id)
                return None

    def _error(self, raised: Exception) -> ScimError:
        return self._failures.error(raised, self._context.request_id, is_authenticated=True)

    def _on_version(self, version: str | None) -> RequestContext:
        return self._context if version is None else replace(self._context, conditions=Conditions(version))

    def _check_references(self, bulk_ids: Sequence[str]) -> None:
        for bulk_id in bulk_ids:
            if bulk_id not in self._ids:
                raise Conflict(
                    f"The operation refers to the bulkId '{bulk_id[:_QUOTED_CHARACTERS]}', which no POST of this request has."
                )
            if bulk_id in self._missing:
                raise _not_created(bulk_id)

    def _id(self, step: _Step) -> str:
        """Return the id of the operation's resource; empty if its path refers to no creation of this request."""
        if step.operation.method == "POST":
            return self._ids.get(step.operation.bulk_id or "", "")
        return step.target.id if step.target.reference is None else self._ids.get(step.target.reference, "")

    def _record(self, index: int, error: ScimError, location: str | None) -> None:
        self.errors += 1
        self._entries[index] = bulk.entry(self._steps[index].operation, error.status, location=location, error=error)

    async def _delete_referring(self, bulk_id: str) -> None:
        """Delete the resources that refer to a creation that failed, and the resources that refer to those.

        Only creations in a circular reference can exist already: other operations run after what they refer to.
        """
        missing = [bulk_id]
        while missing:
            bulk_id = missing.pop()
            self._missing.add(bulk_id)
            for index in self._referring.get(bulk_id, ()):
                referring = self._steps[index].operation.bulk_id or ""
                created = self._created.pop(referring, None)
                if created is None:
                    continue
                missing.append(referring)
                resource_type, version = created
                id = self._ids[referring]
                context = self._on_version(etag.weak(version))
                try:
                    await self._resources.delete(context, resource_type, id)
                    is_deleted = True
                except Exception as raised:  # noqa: BLE001 - the other resources are deleted all the same
                    is_deleted = isinstance(self._error(raised), NotFound)
                if is_deleted:
                    self._record(index, _not_created(bulk_id), None)
                else:
                    location = bulk.location(self._context.base_url, self._steps[index].target, id)
                    self._record(index, _not_deleted(bulk_id), location)


def _size(data: Json) -> int:
    """Return the bytes of the data as JSON."""
    try:
        return len(orjson.dumps(data))
    except orjson.JSONEncodeError:  # orjson writes fewer nested levels than it reads; `json` writes all of them
        return len(json.dumps(data, ensure_ascii=False).encode())


def _not_created(bulk_id: str) -> Conflict:
    return Conflict(
        f"The operation refers to 'bulkId:{bulk_id[:_QUOTED_CHARACTERS]}', which this request didn't create."
    )


def _not_deleted(bulk_id: str) -> Conflict:
    return Conflict(
        f"The resource was created with a reference to 'bulkId:{bulk_id[:_QUOTED_CHARACTERS]}', which this request then didn't "
        "create, and it couldn't be deleted again. Delete it, or change its reference."
    )


def _pause_seconds(error: TooManyRequests) -> int:
    return min(int(error.headers["Retry-After"]), _LONGEST_PAUSE_SECONDS)
