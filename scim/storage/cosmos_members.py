"""The items of members: reading them from both sides, and deleting those of a resource that is gone."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from scim.protocol.json import JsonObject
from scim.storage.cosmos_batches import ATTEMPTS, PAUSE_SECONDS
from scim.storage.cosmos_calls import Calls, Operation, OutcomeUnknown, Refused
from scim.storage.cosmos_items import member_id, member_item, membership
from scim.storage.interface import Member, Membership

PAGE: Final = 1_000
OPERATIONS: Final = 100
"""The most that one batch takes."""

type Step = Member | str
"""A member to add, or the value of one to remove."""


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

    async def ids_of(self, tenant: str, id: str) -> list[str]:
        """The ids of member items that join this resource to others, on either side; a page of them."""
        sql = (
            'SELECT VALUE c["id"] FROM c WHERE c["type"] = "member" AND (c["group"] = @id OR c["member"] = @id) '
            f"OFFSET 0 LIMIT {PAGE}"
        )
        return await self._calls.query(tenant, sql, [{"name": "@id", "value": id}], page=PAGE)

    async def left_to_do(self, tenant: str, group: str, steps: Sequence[Step]) -> list[Step]:
        """Those of the steps that would change something."""
        ids = {member_id(group, _value(step)): step for step in steps}
        marks, parameters = listed(list(ids))
        there = set(
            await self._calls.query(
                tenant, f'SELECT VALUE c["id"] FROM c WHERE c["id"] IN ({marks})', parameters, page=PAGE
            )
        )
        return [step for id, step in ids.items() if isinstance(step, Member) is (id not in there)]

    async def delete(self, tenant: str, id: str, known: Sequence[str], until: float, *, more: bool) -> None:
        """Delete the member items of a resource that is gone, as far as time allows; `more` than the known ones."""
        left, failed = list(known), 0
        while self._timer() < until and failed < ATTEMPTS:
            if more and len(left) < OPERATIONS:  # what is left comes again, so that batches are full
                left = await self.ids_of(tenant, id)
                more = len(left) == PAGE
            if not left:
                return
            try:
                await self._calls.batch(tenant, [Operation("delete", (one,)) for one in left[:OPERATIONS]])
                left = left[OPERATIONS:]
            except (Refused, OutcomeUnknown):
                # Somebody else deletes them too, or nobody knows: look again.
                left, more, failed = [], True, failed + 1
                await self._sleep(PAUSE_SECONDS * (failed - 1))


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
