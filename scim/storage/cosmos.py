"""The production store: one Cosmos DB container, each tenant in a logical partition of its own.

Every write is a transactional batch, and every outcome that isn't known is looked up, never guessed: what a request
writes carries its token.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from scim.protocol import datetimes
from scim.protocol.json import Json
from scim.protocol.match import matches
from scim.protocol.query import TRUE, All, Bound, Test
from scim.storage.cosmos_batches import ATTEMPTS, Batches, Head, refusal
from scim.storage.cosmos_calls import Calls, Operation, Refused
from scim.storage.cosmos_filter import condition, property_path
from scim.storage.cosmos_items import (
    etag,
    gone_id,
    group_key,
    marker,
    member_id,
    member_key,
    pending_id,
    resource_id,
    resource_item,
    stored,
    version,
)
from scim.storage.cosmos_members import PAGE, MemberItems, Step, listed, operation
from scim.storage.cosmos_sweep import Sweep
from scim.storage.cosmos_tenant import TenantItems
from scim.storage.interface import (
    NO_CHANGES,
    Changed,
    Draft,
    Found,
    Gone,
    Member,
    MemberChanges,
    Membership,
    Name,
    Search,
    Stored,
    StoreError,
    StoreUnavailable,
    Touch,
)

_BATCH: Final = 98
"""Member changes in one batch of 100 operations; two are kept for the resource and a marker."""
_BUDGET_SECONDS: Final = 60.0
_LINGER_SECONDS: Final = 10.0
"""How long a deletion goes on with memberships before it leaves the rest to the sweep; the resource is gone by then."""

_log: Final = logging.getLogger("scim.storage")


class CosmosStore:
    """All tenants in one container. `timer` gives seconds; `new_token` a text that no other request has."""

    def __init__(
        self,
        calls: Calls,
        *,
        clock: Callable[[], datetime],
        timer: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        new_token: Callable[[], str],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._calls = calls
        self._write = Batches(calls, sleep).write
        self._members = MemberItems(calls, timer, sleep)
        self._clock = clock
        self._timer = timer
        self._new_token = new_token
        self._close = close
        self._tenants = TenantItems(calls, sleep)
        self._sweep = Sweep(calls, clock=clock, timer=timer, new_token=new_token)

    async def close(self) -> None:
        await self._close()

    # --- one resource ---

    async def read(self, tenant: str, kind: str, id: str) -> Stored | None:
        item = await self._calls.read(tenant, resource_id(kind, id))
        return None if item is None else stored(item)

    async def create(self, tenant: str, draft: Draft, members: Sequence[Member] = ()) -> str:
        token = self._new_token()
        item = resource_item(tenant, draft, token)
        head = Head(Operation("create", (item,)), item["id"], token)
        pending = list({member.value: member for member in members}.values())
        if len(pending) > _BATCH:
            return await self._create_after_members(tenant, draft.id, head, pending)
        try:
            return await self._write(tenant, head, [operation(tenant, draft.id, member) for member in pending])
        except Refused as refused:
            raise refusal(refused, head) from None

    async def replace(self, tenant: str, draft: Draft, *, expected: str, members: MemberChanges = NO_CHANGES) -> str:
        token = self._new_token()
        item = resource_item(tenant, draft, token)
        head = Head(Operation("replace", (item["id"], item), etag(expected)), item["id"], token)
        if not members:  # records of customers have no `meta` to touch
            try:
                return await self._write(tenant, head, [])
            except Refused as refused:
                raise refusal(refused, head) from None
        modified = draft.resource["meta"]["lastModified"]
        touch = Touch(modified, draft.f["meta"]["lastModified"], draft.s["meta.lastModified"])
        return await self._change(tenant, draft.id, head, members, touch, only_members=False)

    async def delete(self, tenant: str, kind: str, id: str, *, expected: str | None = None) -> None:
        until = self._timer() + _LINGER_SECONDS
        item = resource_id(kind, id)
        for _ in range(ATTEMPTS):
            memberships = await self._members.ids_of(tenant, id)
            mark = Operation("create", (marker(tenant, gone_id(kind, id), "gone", self._now(), self._new_token()),))
            head = Head(Operation("delete", (item,), etag(expected) if expected else None), item, None)
            rest = [Operation("delete", (member,)) for member in memberships[:_BATCH]]
            try:
                await self._write(tenant, head, [mark, *rest])
            except Refused as refused:
                if refused.index == 0:
                    raise refusal(refused, head) from None
                continue  # a membership went away in the meantime: look again
            # The resource is gone; what is left of its memberships the sweep finds by the marker. Members may have been
            # added to a group since they were read, so its are looked for again.
            more = len(memberships) == PAGE or kind == "Group"
            with suppress(StoreError):
                await self._members.delete(tenant, id, memberships[_BATCH:], until, more=more)
            return
        raise StoreUnavailable("memberships keep changing under a deletion", retry_after=1)

    # --- members ---

    async def change_members(
        self, tenant: str, group: str, changes: MemberChanges, touch: Touch, *, expected: str | None = None
    ) -> str:
        if not changes:
            return await self._version(tenant, group, expected)
        head = self._touch(group, touch, expected)
        return await self._change(tenant, group, head, changes, touch, only_members=True, expected=expected)

    async def members(
        self, tenant: str, groups: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        return await self._members.page(tenant, "group", groups, group_key(*after) if after else None, limit)

    async def memberships(
        self, tenant: str, members: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        items = await self._members.page(tenant, "member", members, member_key(*after) if after else None, limit)
        return [Membership(item.group, Member(item.member.value)) for item in items]

    async def is_member(self, tenant: str, group: str, member: str) -> bool:
        item = await self._calls.read(tenant, member_id(group, member))
        return item is not None and item["member"] == member

    async def names(self, tenant: str, kinds: Sequence[str], ids: Sequence[str]) -> Mapping[str, Name]:
        found: dict[str, Name] = {}
        plain = [id for id in ids if _is_plain(id)] if kinds else []
        for start in range(0, len(plain), PAGE):
            marks, parameters = listed(plain[start : start + PAGE])
            rows = await self._calls.query(
                tenant,
                f'SELECT c["id"], c["resource"]["displayName"] FROM c WHERE c["f"]["id"] IN ({marks})',
                parameters,
                page=PAGE,
            )
            for row in rows:
                kind, _, id = row["id"].partition(":")
                if kind in kinds:
                    found[id] = Name(kind, row.get("displayName"))
        return found

    # --- searching ---

    async def search(self, tenant: str, kind: str, search: Search) -> Found:
        bound = search.filter or TRUE
        only = _only_id(bound)
        if only is not None:
            return await self._search_one(tenant, kind, bound, only, search)
        where = condition(bound)
        parameters = [*where.parameters, {"name": "@type", "value": kind}]
        from_where = f'FROM c WHERE c["type"] = @type AND {where.sql}'
        path = property_path('c["s"]', [search.sort]) if search.sort else 'c["f"]["id"]'
        direction = "DESC" if search.descending else "ASC"
        rows: list[Json] = []
        if search.limit:
            rows = await self._calls.query(
                tenant,
                f'SELECT c["id"], c["_etag"], c["resource"] {from_where} ORDER BY {path} {direction} '
                "OFFSET @offset LIMIT @limit",
                [
                    *parameters,
                    {"name": "@offset", "value": search.offset},
                    {"name": "@limit", "value": search.limit},
                ],
                page=search.limit,
            )
        items = [stored(row) for row in rows]
        total = search.offset + len(items)
        if len(items) == search.limit or (not items and search.offset):
            # The page is full, or behind the end: only now is it worth counting.
            counted = await self._calls.query(tenant, f"SELECT VALUE COUNT(1) {from_where}", parameters, page=PAGE)
            total = sum(counted)
        return Found(items, total)

    async def _search_one(self, tenant: str, kind: str, bound: Bound, id: str, search: Search) -> Found:
        """A filter that names the id: a point read costs less than any query."""
        item = await self._calls.read(tenant, resource_id(kind, id)) if _is_plain(id) else None
        if item is None or not matches(bound, item["f"]):
            return Found([], 0)
        return Found([stored(item)] if search.limit and not search.offset else [], 1)

    # --- a whole tenant ---

    async def count(self, tenant: str) -> int:
        return await self._tenants.count(tenant)

    def everything(self, tenant: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        return self._tenants.everything(tenant)

    def erase(self, tenant: str) -> AsyncIterator[int]:
        return self._tenants.erase(tenant)

    async def sweep(self, tenant: str) -> int:
        return await self._sweep.tenant(tenant)

    # --- batches ---

    def _touch(self, group: str, touch: Touch, expected: str | None) -> Head:
        token = self._new_token()
        changes = [
            {"op": "set", "path": "/w", "value": token},
            {"op": "set", "path": "/resource/meta/lastModified", "value": touch.modified},
            {"op": "set", "path": "/f/meta/lastModified", "value": touch.folded},
            {"op": "set", "path": "/s/meta.lastModified", "value": touch.sort_key},
        ]
        item = resource_id("Group", group)
        return Head(Operation("patch", (item, changes), etag(expected) if expected else None), item, token)

    async def _change(
        self,
        tenant: str,
        group: str,
        head: Head,
        changes: MemberChanges,
        touch: Touch,
        *,
        only_members: bool,
        expected: str | None = None,
    ) -> str:
        """Write the head with the first member changes, and the others in batches of their own, one after another."""
        until = self._timer() + _BUDGET_SECONDS
        steps: list[Step] = [*dict.fromkeys(changes.remove), *{m.value: m for m in changes.add}.values()]
        last: str | None = None
        for start in range(0, max(1, len(steps)), _BATCH):
            if start:
                if self._timer() > until:
                    raise StoreUnavailable(
                        "a change of many members has used its time; a repeat goes on", retry_after=1
                    )
                head, only_members = self._touch(group, touch, None), True
            done = await self._change_some(tenant, group, head, steps[start : start + _BATCH], only_members)
            last = done or last
        return last or await self._version(tenant, group, expected)

    async def _change_some(
        self, tenant: str, group: str, head: Head, steps: Sequence[Step], only_members: bool
    ) -> str | None:
        """One batch; `None` if nothing was left to change."""
        for _ in range(ATTEMPTS):
            if only_members and not steps:
                return None
            try:
                return await self._write(tenant, head, [operation(tenant, group, step) for step in steps])
            except Refused as refused:
                if refused.index == 0:
                    raise refusal(refused, head) from None
                # A member was there already, or gone already: only the real changes are sent again.
                steps = await self._members.left_to_do(tenant, group, steps)
        raise StoreUnavailable("members keep changing under a change", retry_after=1)

    async def _create_after_members(self, tenant: str, group: str, head: Head, members: Sequence[Member]) -> str:
        """A large group: its members first, under a marker, and the group itself in the last batch."""
        until = self._timer() + _BUDGET_SECONDS
        pending, token = pending_id(group), self._new_token()
        mark = Operation("create", (marker(tenant, pending, "pending", self._now(), token),))
        *parts, last = [members[start : start + _BATCH - 1] for start in range(0, len(members), _BATCH - 1)]
        try:
            for part in parts:
                if self._timer() > until:
                    raise StoreUnavailable("creating a large group has used its time", retry_after=1)
                steps = [operation(tenant, group, one) for one in part]
                try:
                    await self._write(tenant, Head(mark, pending, token), steps)
                except Refused:
                    raise StoreUnavailable("the marker of a large group is gone", retry_after=1) from None
                token = self._new_token()
                mark = Operation("patch", (pending, [{"op": "set", "path": "/w", "value": token}]))
            steps = [operation(tenant, group, one) for one in last]
            return await self._write(tenant, head, [Operation("delete", (pending,)), *steps])
        except Refused as refused:
            await self._undo(tenant, group, until)
            raise refusal(refused, head) from None
        except StoreError:
            await self._undo(tenant, group, until)
            raise

    async def _undo(self, tenant: str, group: str, until: float) -> None:
        """Delete the members of a large group that didn't come to be, as far as that can be done now."""
        # One batch takes the pending marker away and leaves the one that the sweep goes by. A last batch that is under
        # way, or took effect unnoticed, deletes the pending marker too: only one of the two can.
        gone, token = gone_id("Group", group), self._new_token()
        mark = Operation("create", (marker(tenant, gone, "gone", self._now(), token),))
        with suppress(StoreError, Refused):
            await self._write(tenant, Head(mark, gone, token), [Operation("delete", (pending_id(group),))])
            await self._members.delete(tenant, group, [], until, more=True)

    def _now(self) -> str:
        return datetimes.written(self._clock())

    async def _version(self, tenant: str, group: str, expected: str | None) -> str:
        item = await self._calls.read(tenant, resource_id("Group", group))
        if item is None:
            raise Gone("Group")
        if expected is not None and version(item["_etag"]) != expected:
            raise Changed("Group")
        return version(item["_etag"])


def _only_id(bound: Bound) -> str | None:
    """The id that every match must have."""
    terms = bound.terms if isinstance(bound, All) else (bound,)
    for term in terms:
        if isinstance(term, Test) and term.where == ("id",) and term.op == "eq" and not term.negated:
            return str(term.value)
    return None


def _is_plain(id: str) -> bool:
    return id.replace("-", "").isalnum() and id.isascii() and len(id) <= 64
