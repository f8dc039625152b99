"""The items of members: reading them from both sides, and deleting what a resource that is gone has left."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scim.protocol.json import JsonObject
from scim.storage.cosmos_batches import ATTEMPTS, PAUSE_SECONDS
from scim.storage.cosmos_calls import Calls, Operation, OutcomeUnknown, Refused
from scim.storage.cosmos_items import CLAIM, member_id, member_item, membership, resource_id, version
from scim.storage.interface import Member, Membership

PAGE: Final = 1_000
OPERATIONS: Final = 100
"""The most that one batch takes."""

type Step = Member | str
"""A member to add, or the value of one to remove."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Member changes beside what a group has at one of its versions."""

    version: str
    left: list[Step]
    """What would change something."""
    added: list[str]
    """The items of members that should be added and are there."""
    removed: bool
    """Whether members that should be removed aren't there."""


class MemberItems:
    """Member items of one container. `timer` gives seconds."""

    def __init__(self, calls: Calls, timer: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._calls = calls
        self._timer = timer
        self._sleep = sleep

    async def page(
        self, tenant: str, side: str, values: Sequence[str], after: str | None, limit: int
    ) -> list[Membership]:
        """Member items by one of their two sides, in the order of that side's key."""
        if not values:
            return []
        marks, parameters = listed(values)
        behind = ""
        if after is not None:
            behind = f'AND c["s"]["{side}"] > @after '
            parameters.append({"name": "@after", "value": after})
        rows = await self._calls.query(
            tenant,
            'SELECT c["group"], c["member"], c["memberType"], c["display"] FROM c '
            f'WHERE c["type"] = "member" AND c["{side}"] IN ({marks}) {behind}'
            f'ORDER BY c["s"]["{side}"] OFFSET 0 LIMIT @limit',
            [*parameters, {"name": "@limit", "value": limit}],
            page=min(limit, PAGE),
        )
        return [membership(row) for row in rows]

    async def deletions(self, tenant: str, ids: Sequence[str]) -> list[Operation]:
        """What deletes the items that these resources leave behind: claims first, then members on either side; a page."""
        return await deletions(self._calls, tenant, ids)

    async def compared(self, tenant: str, group: str, steps: Sequence[Step]) -> Comparison | None:
        """Return which steps are done already, and the version of the group at that time; `None` if the group is gone.

        One query, because queries within a logical partition see one state of it.
        """
        head = resource_id("Group", group)
        ids = [(member_id(group, _value(step)), step) for step in steps]
        marks, parameters = listed(list(dict.fromkeys([head, *(id for id, _ in ids)])))
        rows = await self._calls.query(
            tenant, f'SELECT c["id"], c["_etag"] FROM c WHERE c["id"] IN ({marks})', parameters, page=PAGE
        )
        there = {row["id"]: row["_etag"] for row in rows}
        if head not in there:
            return None
        to_add = {id for id, step in ids if isinstance(step, Member)}
        to_remove = {id for id, step in ids if isinstance(step, str)}
        left = [
            step
            for id, step in ids
            if (id in there) is isinstance(step, str) or id in to_add & to_remove & there.keys()
        ]
        return Comparison(
            version(there[head]),
            left,
            added=[id for id in to_add - to_remove if id in there],
            removed=any(id not in there for id in to_remove - to_add),
        )

    async def delete(self, tenant: str, id: str, known: Sequence[Operation], until: float, *, more: bool) -> None:
        """Delete what a resource that is gone has left, as far as time allows; `more` than what is known."""
        left, failed = list(known), 0
        while self._timer() < until and failed < ATTEMPTS:
            if more and len(left) < OPERATIONS:  # what is left comes again, so that batches are full
                left = await self.deletions(tenant, [id])
                more = len(left) == PAGE
            if not left:
                return
            try:
                await self._calls.batch(tenant, left[:OPERATIONS])
                left = left[OPERATIONS:]
            except (Refused, OutcomeUnknown):
                # Somebody else deletes them too, or nobody knows: look again.
                left, more, failed = [], True, failed + 1
                await self._sleep(PAUSE_SECONDS * (failed - 1))


async def deletions(calls: Calls, tenant: str, ids: Sequence[str]) -> list[Operation]:
    """What deletes the items that these resources leave behind, claims first; a page of at most `PAGE`."""
    marks, parameters = listed(ids)
    rows = await calls.query(
        tenant,
        'SELECT c["id"], c["_etag"] FROM c WHERE c["type"] IN ("claim", "member") '
        f'AND (c["group"] IN ({marks}) OR c["member"] IN ({marks})) ORDER BY c["type"] OFFSET 0 LIMIT {PAGE}',
        parameters,
        page=PAGE,
    )
    # The same claim may have gone to another resource by now; a member item is always of these two.
    return [Operation("delete", (row["id"],), row["_etag"] if row["id"].startswith(CLAIM) else None) for row in rows]


def operation(tenant: str, group: str, step: Step) -> Operation:
    """What a step does in a batch."""
    if isinstance(step, Member):
        return Operation("create", (member_item(tenant, group, step),))
    return Operation("delete", (member_id(group, step),))


def listed(values: Sequence[str]) -> tuple[str, list[JsonObject]]:
    """Parameters for an `IN`."""
    names = [f"@v{number}" for number in range(len(values))]
    return ", ".join(names), [{"name": name, "value": value} for name, value in zip(names, values, strict=True)]


def _value(step: Step) -> str:
    return step.value if isinstance(step, Member) else step
