"""Sweeping every tenant in turn: what deletions and unfinished groups have left behind, and what has expired.

Knows no schedule and no trigger.

A run may stop anywhere and several may run at once; they share nothing but the store, whose sweep works from markers.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from scim.storage.interface import Store, StoreError

_log: Final = logging.getLogger("scim.sweep")


class Sweeps:
    """`tenants` gives the names of all tenants, `forget_expired` deletes what has expired and says how many items.

    `timer` gives seconds; `begin_at` picks a number below the one it is given.
    """

    def __init__(
        self,
        store: Store,
        tenants: Callable[[], AsyncIterator[str]],
        forget_expired: Callable[[], Awaitable[int]],
        *,
        timer: Callable[[], float],
        begin_at: Callable[[int], int],
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._forget_expired = forget_expired
        self._timer = timer
        self._begin_at = begin_at

    async def run(self, seconds: float) -> int:
        """Sweep one tenant after the other until `seconds` have passed; how many items were deleted.

        Each run begins with another tenant, so that one with much to sweep keeps no other waiting for ever.
        """
        until = self._timer() + seconds
        deleted = 0
        try:
            deleted += await self._forget_expired()
        except StoreError as error:
            _log.warning("what has expired can't be deleted now: %s", type(error).__name__)
        try:
            tenants = [tenant async for tenant in self._tenants()]
        except StoreError as error:
            _log.warning("the sweep can't list the tenants: %s", type(error).__name__)
            return deleted
        first = self._begin_at(len(tenants)) if tenants else 0
        for tenant in [*tenants[first:], *tenants[:first]]:
            if self._timer() >= until:
                _log.info("the sweep has used its time; the next one goes on")
                break
            try:
                deleted += await self._store.sweep(tenant)
            except StoreError as error:
                _log.warning("the sweep of a tenant stopped and will go on: %s", type(error).__name__)
        if deleted:
            _log.info("swept %d items that deletions had left or that had expired", deleted)
        return deleted
