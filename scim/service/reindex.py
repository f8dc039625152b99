"""Rewrites resources whose index version isn't the current one, because the indexing rules or the schemas have changed.

Does not know the command line. A run may stop at any point, and several may run at the same time beside the service: each
resource is written conditionally on the version that was read, and an up-to-date resource isn't found again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from scim.protocol import search_fields
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.service.write_model import NONCONFORMING, build, replace_outdated
from scim.storage.errors import NotFound, PreconditionFailed, StoreUnavailable, Throttled
from scim.storage.interface import NO_CHANGES, Search, Store, Stored

_PAGE: Final = 100
_ATTEMPTS: Final = 10
"""How often one resource is tried while other requests change it or the database throttles."""


@dataclass(frozen=True, slots=True)
class ReindexResult:
    """The result for one resource: true if it is up to date now."""

    type_name: str
    id: str
    conflicts: tuple[str, ...] = ()
    """The paths of unique attributes whose values another resource holds."""
    has_valid_types: bool = True
    """Whether all values have the types that the schemas define."""

    def __bool__(self) -> bool:
        """Return whether the resource is up to date."""
        return self.has_valid_types and not self.conflicts

    @property
    def reason(self) -> str:
        """The reason why it stays outdated, for an operator."""
        if not self.has_valid_types:
            return "a value doesn't have the type that the schema defines"
        return f"another {self.type_name} has this {' and this '.join(f"'{path}'" for path in self.conflicts)}"


class Reindex:
    """Reindexes one customer at a time. Waits when the database throttles, because it runs in the background."""

    def __init__(self, store: Store, registry: Registry, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._store = store
        self._resource_types = registry.resource_types.values()
        self._sleep = sleep

    async def count(self, customer: str) -> int:
        """Return the number of all resources of the customer. Raises `StoreError`."""
        return sum(
            [
                (await self._store.search(customer, resource_type.name, Search(None, 0, 0))).total
                for resource_type in self._resource_types
            ]
        )

    async def run(self, customer: str) -> AsyncIterator[ReindexResult]:
        """Yield the result of each outdated resource, oldest first, so that the oldest resource keeps a unique value.

        A conflict may be with a value that another resource holds only by the old rules, and gives up when it is rewritten.
        So resources with conflicts are tried again until a round resolves none. Raises `StoreUnavailable`.
        """
        for resource_type in self._resource_types:
            conflicting = list[ReindexResult]()
            async for result in self._outdated(customer, resource_type):
                if result.conflicts:
                    conflicting.append(result)
                else:
                    yield result
            helped = True
            while conflicting and helped:
                retried = [await self._retry(customer, resource_type, result) for result in conflicting]
                conflicting = [result for result in retried if result.conflicts]
                helped = len(conflicting) < len(retried)
                for result in retried:
                    if not (helped and result.conflicts):
                        yield result

    async def _outdated(self, customer: str, resource_type: ResourceType) -> AsyncIterator[ReindexResult]:
        index_version, after = search_fields.index_version(resource_type), None
        while page := await self._store.outdated(customer, resource_type.name, index_version, after=after, limit=_PAGE):
            for stored in page:
                if stored.index_version == index_version + NONCONFORMING:
                    continue
                yield await self._rewrite(customer, resource_type, stored)
            after = page[-1].id

    async def _retry(self, customer: str, resource_type: ResourceType, result: ReindexResult) -> ReindexResult:
        stored = await self._store.read(customer, resource_type.name, result.id)
        return (
            ReindexResult(resource_type.name, result.id)
            if stored is None
            else await self._rewrite(customer, resource_type, stored)
        )

    async def _rewrite(self, customer: str, resource_type: ResourceType, stored: Stored) -> ReindexResult:
        up_to_date = ReindexResult(resource_type.name, stored.id)
        for _ in range(_ATTEMPTS):
            try:
                search_fields.build(stored.resource, resource_type)
                write_model = build(stored.resource, resource_type)
            except (
                AttributeError,
                KeyError,
                TypeError,
            ):  # the schema has changed the type of an attribute, or requires it now
                return ReindexResult(resource_type.name, stored.id, has_valid_types=False)
            try:
                _, taken = await replace_outdated(self._store, customer, resource_type, stored, write_model, NO_CHANGES)
            except Throttled as throttled:
                await self._sleep(throttled.retry_after)
            except (PreconditionFailed, NotFound):
                newer = await self._store.read(customer, resource_type.name, stored.id)
                if newer is None or newer.index_version == write_model.index_version:
                    return up_to_date
                stored = newer
            else:
                return ReindexResult(resource_type.name, stored.id, tuple(taken))
        raise StoreUnavailable("a resource keeps changing, or the database has no request units left")
