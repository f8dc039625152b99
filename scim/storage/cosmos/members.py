"""Reads memberships by group and by member, compares them with changes, and deletes those of a deleted resource."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scim.protocol.json import JsonObject
from scim.storage.cosmos.batches import ATTEMPTS, PAUSE_SECONDS
from scim.storage.cosmos.calls import BatchOperation, Calls, OutcomeUnknown, Refused
from scim.storage.cosmos.items import UNIQUE_VALUE_PREFIX, member_id, member_item, membership, resource_id, version
from scim.storage.interface import Member, Membership

PAGE: Final = 1_000
"""Results of a query in one page."""
MAX_OPERATIONS: Final = 100
"""Operations in one batch: the limit of Cosmos DB."""

type Step = Member | str
"""One change of a group: a member to add, or the value of a member to remove."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Member changes compared with the members that a group has at one of its versions."""

    version: str
    remaining: list[Step]
    """The steps that aren't done yet."""
    added_already: list[str]
    """The item ids of the members to add that the group has already."""
    some_removed_already: bool
    """Whether the group lacks some of the members to remove."""


class MemberItems:
    """The membership items of one container. `timer` returns seconds."""

    def __init__(self, calls: Calls, timer: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self._calls = calls
        self._timer = timer
        self._sleep = sleep

    async def read_page(
        self, customer: str, side: str, values: Sequence[str], after: str | None, limit: int
    ) -> list[Membership]:
        """Return memberships by group or by member (`side` is `group` or `member`), in the order of that sort key.

        Raises `StoreError`.
        """
        if not values:
            return []
        names, parameters = in_parameters(values)
        after_condition = ""
        if after is not None:
            after_condition = f'AND c["s"]["{side}"] > @after '
            parameters.append({"name": "@after", "value": after})
        rows = await self._calls.query(
            customer,
            'SELECT c["group"], c["member"], c["memberType"], c["display"] FROM c '
            f'WHERE c["type"] = "member" AND c["{side}"] IN ({names}) {after_condition}'
            f'ORDER BY c["s"]["{side}"] OFFSET 0 LIMIT @limit',
            [*parameters, {"name": "@limit", "value": limit}],
            page=min(limit, PAGE),
        )
        return [membership(row) for row in rows]

    async def delete_operations(self, customer: str, ids: Sequence[str]) -> list[BatchOperation]:
        """Return operations that delete the items left behind by deleted resources. See `delete_operations`.

        Raises `StoreError`.
        """
        return await delete_operations(self._calls, customer, ids)

    async def compare(self, customer: str, group: str, steps: Sequence[Step]) -> Comparison | None:
        """Return which steps are done already, and the group's version at that time; `None` if the group doesn't exist.

        It is one query, which reads a consistent snapshot of the logical partition. Raises `StoreError`.
        """
        group_item = resource_id("Group", group)
        ids = [(member_id(group, _value(step)), step) for step in steps]
        names, parameters = in_parameters(list(dict.fromkeys([group_item, *(id for id, _ in ids)])))
        rows = await self._calls.query(
            customer, f'SELECT c["id"], c["_etag"] FROM c WHERE c["id"] IN ({names})', parameters, page=PAGE
        )
        etags = {row["id"]: row["_etag"] for row in rows}
        if group_item not in etags:
            return None
        to_add = {id for id, step in ids if isinstance(step, Member)}
        to_remove = {id for id, step in ids if isinstance(step, str)}
        remaining = [
            step
            for id, step in ids
            if (id in etags) is isinstance(step, str) or id in to_add & to_remove & etags.keys()
        ]
        return Comparison(
            version(etags[group_item]),
            remaining,
            added_already=[id for id in to_add - to_remove if id in etags],
            some_removed_already=any(id not in etags for id in to_remove - to_add),
        )

    async def delete(
        self, customer: str, id: str, operations: Sequence[BatchOperation], deadline: float, *, search_more: bool
    ) -> None:
        """Apply operations that delete the items of a deleted resource, until `deadline` or repeated failures.

        With `search_more`, it also queries for further items. The sweep deletes those that remain. Raises `StoreError`.
        """
        remaining, failures = list(operations), 0
        while self._timer() < deadline and failures < ATTEMPTS:
            if search_more and len(remaining) < MAX_OPERATIONS:  # the query returns the remaining items again
                remaining = await self.delete_operations(customer, [id])
                search_more = len(remaining) == PAGE
            if not remaining:
                return
            try:
                await self._calls.batch(customer, remaining[:MAX_OPERATIONS])
                remaining = remaining[MAX_OPERATIONS:]
            except (Refused, OutcomeUnknown):
                # A concurrent request or sweep deletes items too, or the outcome is unknown: query the items again.
                remaining, search_more, failures = [], True, failures + 1
                await self._sleep(PAUSE_SECONDS * (failures - 1))


async def delete_operations(calls: Calls, customer: str, ids: Sequence[str]) -> list[BatchOperation]:
    """Return at most `PAGE` operations that delete unique values and memberships of resources, in this order.

    Raises `StoreError`.
    """
    names, parameters = in_parameters(ids)
    rows = await calls.query(
        customer,
        'SELECT c["id"], c["_etag"] FROM c WHERE c["type"] IN ("claim", "member") '
        f'AND (c["group"] IN ({names}) OR c["member"] IN ({names})) ORDER BY c["type"] OFFSET 0 LIMIT {PAGE}',
        parameters,
        page=PAGE,
    )
    # Another resource may have the same unique value by now, so its item is deleted only if it hasn't changed. A
    # membership item always belongs to the same group and member.
    return [
        BatchOperation("delete", (row["id"],), row["_etag"] if row["id"].startswith(UNIQUE_VALUE_PREFIX) else None)
        for row in rows
    ]


def step_operation(customer: str, group: str, step: Step) -> BatchOperation:
    """Return the batch operation of a step."""
    if isinstance(step, Member):
        return BatchOperation("create", (member_item(customer, group, step),))
    return BatchOperation("delete", (member_id(group, step),))


def in_parameters(values: Sequence[str]) -> tuple[str, list[JsonObject]]:
    """Return the parameter names of an `IN` list, and the parameters."""
    names = [f"@v{number}" for number in range(len(values))]
    return ", ".join(names), [{"name": name, "value": value} for name, value in zip(names, values, strict=True)]


def _value(step: Step) -> str:
    return step.value if isinstance(step, Member) else step
