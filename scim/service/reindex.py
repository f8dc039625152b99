"""Reindexing: writes anew what was written by other rules or schemas, and nothing else. Knows no command line.

It may stop anywhere and several may run at once, beside the service: each resource is written on the version that was read,
and what is done isn't found again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from scim.protocol import fold
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.service.drafts import UNDESCRIBED, draft_of, write_over_outdated
from scim.storage.interface import (
    NO_CHANGES,
    Changed,
    Gone,
    Search,
    Store,
    Stored,
    StoreUnavailable,
    Throttled,
)

_PAGE: Final = 100
_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class Seen:
    """An outdated resource: what of it stays so, which is nothing where all went well."""

    kind: str
    id: str
    taken: tuple[str, ...] = ()
    """Unique attributes whose value another resource has."""
    fits: bool = True
    """Whether its values are of the types that its schemas say."""

    def __bool__(self) -> bool:
        """Whether all of it is up to date now."""
        return self.fits and not self.taken

    @property
    def reason(self) -> str:
        """Why it stays outdated, for an operator."""
        if not self.fits:
            return "a value isn't of the type that the schema says"
        return f"another {self.kind} has this {' and this '.join(f"'{path}'" for path in self.taken)}"


class Reindex:
    """All resources of one tenant at a time. It waits when it is throttled: nobody is waiting for an answer."""

    def __init__(self, store: Store, registry: Registry, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._store = store
        self._kinds = registry.resource_types.values()
        self._sleep = sleep

    async def count(self, tenant: str) -> int:
        """How many resources there are, outdated or not."""
        return sum([(await self._store.search(tenant, kind.name, Search(None, 0, 0))).total for kind in self._kinds])

    async def run(self, tenant: str) -> AsyncIterator[Seen]:
        """Yield each outdated resource when it has been rewritten; the oldest of a type first, so that it keeps its values.

        A value may have been taken by the old rules alone, in a resource that was rewritten later. So those that had one
        are tried again, until a round helps none of them.
        """
        for kind in self._kinds:
            without = list[Seen]()
            async for seen in self._outdated(tenant, kind):
                if seen.taken:
                    without.append(seen)
                else:
                    yield seen
            helped = True
            while without and helped:
                again = [await self._again(tenant, kind, seen) for seen in without]
                without = [seen for seen in again if seen.taken]
                helped = len(without) < len(again)
                for seen in again:
                    if not (helped and seen.taken):
                        yield seen

    async def _outdated(self, tenant: str, kind: ResourceType) -> AsyncIterator[Seen]:
        rules, after = fold.rules(kind), None
        while page := await self._store.outdated(tenant, kind.name, rules, after=after, limit=_PAGE):
            for stored in page:
                if stored.rules == rules + UNDESCRIBED:
                    continue
                yield await self._rewrite(tenant, kind, stored)
            after = page[-1].id

    async def _again(self, tenant: str, kind: ResourceType, seen: Seen) -> Seen:
        stored = await self._store.read(tenant, kind.name, seen.id)
        return Seen(kind.name, seen.id) if stored is None else await self._rewrite(tenant, kind, stored)

    async def _rewrite(self, tenant: str, kind: ResourceType, stored: Stored) -> Seen:
        seen = Seen(kind.name, stored.id)
        for _ in range(_ATTEMPTS):
            try:
                fold.folded(stored.resource, kind)
                draft = draft_of(stored.resource, kind)
            except (AttributeError, KeyError, TypeError):  # it was a text and is an object now, or was not required
                return Seen(kind.name, stored.id, fits=False)
            try:
                _, taken = await write_over_outdated(self._store, tenant, kind, stored, draft, NO_CHANGES)
            except Throttled as throttled:
                await self._sleep(throttled.retry_after)
            except (Changed, Gone):
                newer = await self._store.read(tenant, kind.name, stored.id)
                if newer is None or newer.rules == draft.rules:
                    return seen
                stored = newer
            else:
                return Seen(kind.name, stored.id, tuple(taken))
        raise StoreUnavailable("a resource keeps changing, or the database has no capacity left")
