"""Runs the sweep of all customers: deletes leftovers of deleted resources and failed group creations, and expired
records.

Leftovers are memberships and unique values. Does not know when it runs: a timer trigger or the local server calls it. A
run may stop at any point, and several may run at the same time, because the store's sweep works from markers that it
keeps until their work is done.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from scim.storage.errors import StoreError
from scim.storage.interface import Store

_log: Final = logging.getLogger("scim.sweep")


class Sweeps:
    """Sweeps customers one after another.

    `customers` yields their names. `delete_expired` deletes expired records and returns their number. `timer` gives
    seconds. `begin_at` returns a number from 0 to below its argument.
    """

    def __init__(
        self,
        store: Store,
        customers: Callable[[], AsyncIterator[str]],
        delete_expired: Callable[[], Awaitable[int]],
        *,
        timer: Callable[[], float],
        begin_at: Callable[[int], int],
    ) -> None:
        self._store = store
        self._customers = customers
        self._delete_expired = delete_expired
        self._timer = timer
        self._begin_at = begin_at

    async def run(self, seconds: float) -> int:
        """Sweep until `seconds` have passed; return the number of deleted items. Logs `StoreError`s, and goes on.

        Starts with the customer that `begin_at` picks, so that one with much to sweep doesn't delay the same others each time.
        """
        deadline = self._timer() + seconds
        deleted = 0
        try:
            deleted += await self._delete_expired()
        except StoreError as error:
            _log.warning("expired records can't be deleted now: %s", type(error).__name__)
        try:
            customers = [customer async for customer in self._customers()]
        except StoreError as error:
            _log.warning("the sweep can't list the customers: %s", type(error).__name__)
            return deleted
        first = self._begin_at(len(customers)) if customers else 0
        for customer in [*customers[first:], *customers[:first]]:
            if self._timer() >= deadline:
                _log.info("the sweep has used its time; the next run continues")
                break
            try:
                deleted += await self._store.sweep(customer)
            except StoreError as error:
                _log.warning("the sweep of a customer failed, the next run repeats it: %s", type(error).__name__)
        if deleted:
            _log.info("the sweep deleted %d leftover or expired items", deleted)
        return deleted
