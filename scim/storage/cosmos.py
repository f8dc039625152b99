"""The production store: one Cosmos DB container, each tenant in a logical partition of its own.

Every write is a transactional batch, and every outcome that isn't known is looked up, never guessed: what a request
writes carries its token.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from random import random
from typing import Final

from scim.protocol import datetimes
from scim.storage.cosmos_batches import ATTEMPTS, PAUSE_SECONDS, Batches, ClaimAstray, Head, refusal
from scim.storage.cosmos_calls import Calls, Operation, Refused
from scim.storage.cosmos_claims import ClaimItems
from scim.storage.cosmos_items import (
    etag,
    gone_id,
    group_key,
    marker,
    member_id,
    member_key,
    resource_id,
    resource_item,
    stored,
    version,
)
from scim.storage.cosmos_large_group import LargeGroups
from scim.storage.cosmos_members import PAGE, MemberItems, Step, operation
from scim.storage.cosmos_search import ItemSearch
from scim.storage.cosmos_sweep import Sweep
from scim.storage.cosmos_tenant import TenantItems
from scim.storage.interface import (
    NO_CHANGES,
    NO_CLAIMS,
    Changed,
    Draft,
    Found,
    Gone,
    Interrupted,
    Member,
    MemberChanges,
    Membership,
    Name,
    Search,
    Stored,
    StoreError,
    StoreUnavailable,
    Take,
    Touch,
)

_BATCH: Final = 98
"""Member changes in one batch of 100 operations; two are kept for the resource and a marker."""
_COMPARISONS: Final = 10
"""How often a change is compared with the members that are there, before it gives way to those that keep changing them."""
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
        batches = Batches(calls, sleep)
        self._write = batches.write
        self._members = MemberItems(calls, timer, sleep)
        self._claims = ClaimItems(calls)
        self._large = LargeGroups(batches, self._members, clock=clock, timer=timer, new_token=new_token)
        self._search = ItemSearch(calls)
        self._clock = clock
        self._timer = timer
        self._new_token = new_token
        self._sleep = sleep
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
        claims = await self._claims.changes(tenant, draft, NO_CLAIMS)
        head = Head(Operation("create", (item,)), item["id"], token, claims)
        pending = list({member.value: member for member in members}.values())
        if len(pending) + len(claims) > _BATCH:
            return await self._large.create(tenant, draft.id, head, pending, self._timer() + _BUDGET_SECONDS)
        try:
            return await self._write(tenant, head, [operation(tenant, draft.id, member) for member in pending])
        except Refused as refused:
            raise refusal(refused, head) from None

    async def replace(
        self,
        tenant: str,
        draft: Draft,
        *,
        expected: str,
        members: MemberChanges = NO_CHANGES,
        held: Mapping[str, str] | None = NO_CLAIMS,
    ) -> str:
        claims = await self._claims.changes(tenant, draft, held)
        try:
            return await self._replace(tenant, draft, expected, members, claims)
        except ClaimAstray:
            if held is None:
                raise
            return await self.replace(tenant, draft, expected=expected, members=members, held=None)

    async def _replace(
        self, tenant: str, draft: Draft, expected: str, members: MemberChanges, claims: Sequence[Operation]
    ) -> str:
        token = self._new_token()
        item = resource_item(tenant, draft, token)
        head = Head(Operation("replace", (item["id"], item), etag(expected)), item["id"], token, claims)
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
        item, mark = resource_id(kind, id), gone_id(kind, id)
        deletes = Operation("delete", (item,), etag(expected) if expected else None)
        was_deleted_before = False
        for _ in range(ATTEMPTS):
            left = await self._members.deletions(tenant, [id])
            token = self._new_token()
            made = marker(tenant, mark, "gone", self._now(), token)
            # Records of customers may come back under the same id, while the marker of their deletion is still there.
            writes = Operation("replace", (mark, made)) if was_deleted_before else Operation("create", (made,))
            head = Head(deletes, mark, token)
            try:
                await self._write(tenant, head, [writes, *left[:_BATCH]])
            except Refused as refused:
                if refused.index == 0:
                    raise refusal(refused, head) from None
                if refused.index == 1:
                    was_deleted_before = refused.status == 409
                continue  # a marker, a membership or a claim came or went in the meantime: look again
            # The resource is gone; what is left of its memberships the sweep finds by the marker. Members may have been
            # added to a group since they were read, so its are looked for again.
            more = len(left) == PAGE or kind == "Group"
            with suppress(StoreError):
                await self._members.delete(tenant, id, left[_BATCH:], until, more=more)
            return
        raise StoreUnavailable("memberships keep changing under a deletion", retry_after=1)

    # --- members ---

    async def change_members(
        self, tenant: str, group: str, changes: MemberChanges, touch: Touch, *, expected: str | None = None
    ) -> str:
        if not changes:
            return await self._version(tenant, group, expected)
        head = self._touch(group, touch, expected)
        return await self._change(tenant, group, head, changes, touch, only_members=True)

    async def members(
        self,
        tenant: str,
        groups: Sequence[str],
        *,
        after: tuple[str, str] | None = None,
        limit: int,
        kinds: Sequence[str] = (),
    ) -> Sequence[Membership]:
        items = await self._members.page(tenant, "group", groups, group_key(*after) if after else None, limit)
        unknown = {item.member.value for item in items if item.member.type is None}
        types = await self._search.types(tenant, kinds, sorted(unknown)) if kinds else {}
        return [item._replace(known=types[item.member.value]) if item.member.value in types else item for item in items]

    async def memberships(
        self, tenant: str, members: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        items = await self._members.page(tenant, "member", members, member_key(*after) if after else None, limit)
        return [Membership(item.group, Member(item.member.value)) for item in items]

    async def is_member(self, tenant: str, group: str, member: str) -> bool:
        item = await self._calls.read(tenant, member_id(group, member))
        return item is not None and item["member"] == member

    async def names(self, tenant: str, kinds: Sequence[str], ids: Sequence[str]) -> Mapping[str, Name]:
        return await self._search.names(tenant, kinds, ids)

    # --- searching ---

    async def search(self, tenant: str, kind: str, search: Search, take: Take | None = None) -> Found:
        return await self._search.found(tenant, kind, search, take)

    # --- a whole tenant ---

    async def outdated(
        self, tenant: str, kind: str, rules: str, *, after: str | None = None, limit: int
    ) -> Sequence[Stored]:
        return await self._tenants.outdated(tenant, kind, rules, after or "", limit)

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
    ) -> str:
        """Write the head with the first member changes, and the others in batches of their own, one after another.

        With a head that depends on a version, each other batch depends on the version that the one before has made.
        """
        until = self._timer() + _BUDGET_SECONDS
        steps: list[Step] = [*dict.fromkeys(changes.remove), *{m.value: m for m in changes.add}.values()]
        room = _BATCH - len(head.claims)
        last = await self._change_some(tenant, group, head, steps[:room], only_members)
        is_conditional = head.operation.if_match is not None
        for start in range(room, len(steps), _BATCH):
            if self._timer() > until:
                raise StoreUnavailable("a change of many members has used its time; a repeat goes on", retry_after=1)
            head = self._touch(group, touch, last if is_conditional else None)
            try:
                last = await self._change_some(tenant, group, head, steps[start : start + _BATCH], only_members=True)
            except Changed:
                raise Interrupted("Group") from None
        return last

    async def _change_some(self, tenant: str, group: str, head: Head, steps: Sequence[Step], only_members: bool) -> str:
        """Write one batch; return the group's version after it, or the one at which nothing was left to change.

        How it works: the database refuses the batch if a member is there already, or gone already. Then only what is left
        is sent, and the batch must fail if the rest has changed since: otherwise it would be neither before nor after a
        request that changed both in the meantime. A head that depends on a version ensures that. Without one, the batch
        reads each member that is there already: it fails if that member has left, and other members don't matter. A batch
        can't require that an item is missing, so for a removal that is done already the head depends on the version at
        which the query found the member missing.
        """
        operations = [operation(tenant, group, step) for step in steps]
        sent = head
        for attempt in range(_COMPARISONS):
            try:
                return await self._write(tenant, sent, operations)
            except Refused as refused:
                is_found_out_anew = sent is not head and (refused.index, refused.status) == (0, 412)
                if refused.index <= len(head.claims) and not is_found_out_anew:
                    raise refusal(refused, head) from None
            await self._sleep(PAUSE_SECONDS * attempt * random())  # noqa: S311 - only spreads the writers out
            found = await self._members.compared(tenant, group, steps)
            if found is None:
                raise Gone("Group")
            if only_members and not found.left:
                if head.operation.if_match not in {None, etag(found.version)}:
                    raise Changed("Group")
                return found.version
            operations = [operation(tenant, group, step) for step in found.left]
            if head.operation.if_match is None:
                sent = head.on(etag(found.version)) if found.removed else head
                operations += [Operation("read", (id,)) for id in found.added]
        raise StoreUnavailable("members keep changing under a change", retry_after=1)

    def _now(self) -> str:
        return datetimes.written(self._clock())

    async def _version(self, tenant: str, group: str, expected: str | None) -> str:
        item = await self._calls.read(tenant, resource_id("Group", group))
        if item is None:
            raise Gone("Group")
        if expected is not None and version(item["_etag"]) != expected:
            raise Changed("Group")
        return version(item["_etag"])
