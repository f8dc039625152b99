"""Writes transactional batches and finds out their outcome, also after an ambiguous failure. Knows items, but no SCIM.

How it works: a timeout or a cut connection doesn't tell whether a batch was applied. The first operation of each batch,
its head, therefore writes an item that contains a random write token (`w`), or the batch writes a marker with the
token. After such a failure, `Batches.write` reads that item: with this token, the batch was applied and the write has
succeeded. Otherwise it sends the batch again, up to five times. That is safe, because a batch can't be applied twice:
it creates or deletes an item, or it requires a version. If a repeated batch is refused, an earlier attempt may have
been applied after all, so the token is compared first.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from scim.storage.cosmos.calls import BatchOperation, Calls, OutcomeUnknown, Refused
from scim.storage.cosmos.items import version
from scim.storage.errors import AlreadyExists, NotFound, PreconditionFailed, StoreError, StoreUnavailable

ATTEMPTS: Final = 5
"""How often a batch is sent at most."""
PAUSE_SECONDS: Final = 0.2
"""How much the pause grows with each further attempt, in seconds. The first repetition follows at once."""

_log: Final = logging.getLogger("scim.storage")


@dataclass(frozen=True, slots=True)
class Head:
    """The first operation of a batch, and the id of the item that contains the write token after the batch.

    That item is the one that the operation writes, or for a deletion its marker. `unique_values` are the operations
    that follow it: they create and delete the unique value items of the resource.
    """

    operation: BatchOperation
    id: str
    token: str
    unique_values: Sequence[BatchOperation] = ()

    def with_if_match(self, etag: str) -> "Head":
        """Return the head with the condition that its item has this `_etag`."""
        return replace(self, operation=replace(self.operation, if_match=etag))


class UniqueValueMissing(StoreUnavailable):
    """A unique value item that a batch deletes doesn't exist."""


class Batches:
    """Writes batches, and repeats them until their outcome is known."""

    def __init__(self, calls: Calls, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._calls = calls
        self._sleep = sleep

    async def write(self, customer: str, head: Head, rest: Sequence[BatchOperation]) -> str:
        """Write a batch. Return the new version of the head's item; the result for a deletion has no meaning.

        Raises `Refused`, and `StoreUnavailable` if the outcome is still unknown after all attempts.
        """
        for attempt in range(ATTEMPTS):
            refusal: Refused | None = None
            try:
                results = await self._calls.batch(customer, [head.operation, *head.unique_values, *rest])
                return version(results[0].get("eTag", ""))
            except OutcomeUnknown as unknown:
                _log.warning("the outcome of a batch is unknown (%s); reading its item to find out", unknown)
            except Refused as refused:
                if not attempt:
                    raise
                refusal = refused  # perhaps because an earlier attempt was applied
            try:
                applied_version = await self._applied_version(customer, head)
            except StoreError as error:
                _log.warning("the outcome of a batch can't be determined: %s", error)
            else:
                if applied_version is not None:
                    return applied_version
                if refusal is not None:
                    raise refusal
            await self._sleep(PAUSE_SECONDS * attempt)
        raise StoreUnavailable(f"it is unknown after {ATTEMPTS} attempts whether Cosmos DB applied a batch")

    async def _applied_version(self, customer: str, head: Head) -> str | None:
        """Return the version of the head's item if the batch was applied, else `None`."""
        item = await self._calls.read(customer, head.id)
        return version(item["_etag"]) if item is not None and item.get("w") == head.token else None


def store_error(refused: Refused, head: Head) -> StoreError:
    """Translate a refused batch to an error of the resource that its head writes.

    A refusal that says nothing about the resource or its unique values becomes `StoreUnavailable`.
    """
    name = head.operation.name
    if 0 < refused.index <= len(head.unique_values):
        unique_value = head.unique_values[refused.index - 1]
        if refused.status == 409 and unique_value.name == "create":
            return AlreadyExists("resource", unique_value.arguments[0]["path"])
        if refused.status == 404 and unique_value.name == "delete":
            return UniqueValueMissing("a unique value item to delete doesn't exist", retry_after=1)
    if refused.index == 0:
        if refused.status == 404 and name != "create":
            return NotFound("resource")
        if refused.status == 412 and head.operation.if_match is not None:
            return PreconditionFailed("resource")
        if refused.status == 409 and name in {"create", "replace"}:
            return AlreadyExists("resource")
    return StoreUnavailable(f"Cosmos DB refused a batch that begins with a {name}: {refused}", retry_after=1)
