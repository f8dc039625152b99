"""Batches whose outcome is known in the end: one that isn't told is looked up. Knows items and tokens, no SCIM."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from scim.storage.cosmos_calls import Calls, Operation, OutcomeUnknown, Refused
from scim.storage.cosmos_items import version
from scim.storage.interface import Changed, Gone, StoreError, StoreUnavailable, Taken

ATTEMPTS: Final = 5
PAUSE_SECONDS: Final = 0.2

_log: Final = logging.getLogger("scim.storage")


@dataclass(frozen=True, slots=True)
class Head:
    """The first operation of a batch, and the item that will carry `token`: the one it writes, or the marker of a deletion.

    `claims` are the operations behind it, that its resource gains and releases claims by.
    """

    operation: Operation
    id: str
    token: str
    claims: Sequence[Operation] = ()

    def on(self, etag: str) -> "Head":
        """Return the head on the condition that its item still has this `_etag`."""
        return replace(self, operation=replace(self.operation, if_match=etag))


class ClaimAstray(StoreUnavailable):
    """A claim that a resource should release isn't there."""


class Batches:
    """Writes batches, again and again until it is known what came of them."""

    def __init__(self, calls: Calls, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._calls = calls
        self._sleep = sleep

    async def write(self, tenant: str, head: Head, rest: Sequence[Operation]) -> str:
        """Write a batch; return the version of the head's item, for a deletion nothing of use. Raises `Refused`.

        Sending a batch again does no harm: one that took effect can't do so twice, because it creates, deletes or asks
        for a version; then the token tells whose effect it was.
        """
        for attempt in range(ATTEMPTS):
            refusal: Refused | None = None
            try:
                results = await self._calls.batch(tenant, [head.operation, *head.claims, *rest])
                return version(results[0].get("eTag", ""))
            except OutcomeUnknown as unknown:
                _log.warning("the outcome of a batch is unknown (%s); looking it up", unknown)
            except Refused as refused:
                if not attempt:
                    raise
                refusal = refused  # perhaps because of what an earlier try has done
            try:
                done = await self._effect(tenant, head)
            except StoreError as error:
                _log.warning("the outcome of a batch can't be looked up: %s", error)
            else:
                if done is not None:
                    return done
                if refusal is not None:
                    raise refusal
            await self._sleep(PAUSE_SECONDS * attempt)
        raise StoreUnavailable("Cosmos DB doesn't say whether a batch took effect")

    async def _effect(self, tenant: str, head: Head) -> str | None:
        """The version of the head's item if the batch took effect, else `None`."""
        item = await self._calls.read(tenant, head.id)
        return version(item["_etag"]) if item is not None and item.get("w") == head.token else None


def refusal(refused: Refused, head: Head) -> StoreError:
    """What a refused batch says of the resource that its head writes; what it can't say is the database's trouble."""
    name = head.operation.name
    if 0 < refused.index <= len(head.claims):
        claim = head.claims[refused.index - 1]
        if refused.status == 409 and claim.name == "create":
            return Taken("resource", claim.arguments[0]["path"])
        if refused.status == 404 and claim.name == "delete":
            return ClaimAstray("a claim isn't where it should be", retry_after=1)
    if refused.index == 0:
        if refused.status == 404 and name != "create":
            return Gone("resource")
        if refused.status == 412 and head.operation.if_match is not None:
            return Changed("resource")
        if refused.status == 409 and name in {"create", "replace"}:
            return Taken("resource")
    return StoreUnavailable(f"Cosmos DB refused a batch that begins with a {name}: {refused}", retry_after=1)
