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
    Taken,
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
        """Each outdated resource, when it has been dealt with; the oldest of a type first, so that it keeps its values."""
        for kind in self._kinds:
            rules, after = fold.rules(kind), None
            while page := await self._store.outdated(tenant, kind.name, rules, after=after, limit=_PAGE):
                for stored in page:
                    if stored.rules == rules + UNDESCRIBED:
                        continue
                    yield await self._rewrite(tenant, kind, stored)
                after = page[-1].id

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
            except Taken:  # the key itself: nothing of it can be written
                return Seen(kind.name, stored.id, (kind.unique or "id",))
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
