"""Customers, their ways in and their secret tokens in the store's partition `$system`. Reads and writes; keeps nothing."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from scim.protocol.json import JsonObject
from scim.protocol.query import Bound, Some, Test
from scim.security import stored_key
from scim.security.records import Customer, EntraTenant, EntraWay, SecretToken, UnknownRecord
from scim.storage.interface import Changed, Draft, Gone, Search, Store, Stored, Taken

SYSTEM: Final = "$system"
"""No customer can have this name."""

_PAGE: Final = 1_000
_ATTEMPTS: Final = 5
_EXPIRED_FOR: Final = timedelta(days=30)
_MAC_KEY: Final = ("MacKey", "secret-tokens")

_log: Final = logging.getLogger("scim.security")


class Refused(Exception):
    """A change that can't be made; the text is one line for the operator.

    `remedy` has the words of the `scim` command that shows or solves the problem, such as `("customer", "list")`.
    """

    def __init__(self, reason: str, *remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


class NotFound(Refused):
    """There is no such customer, Entra rule or secret token."""


class Customers:
    """The records of all customers."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    # --- one point read each; a record that this version doesn't know counts as none ---

    async def customer(self, name: str) -> Customer | None:
        """The customer of this name."""
        found = await self._store.read(SYSTEM, "Customer", name)
        return None if found is None else _known(Customer.of, found)

    async def secret_token(self, id: str) -> SecretToken | None:
        """The secret token with this id, expired or not."""
        found = await self._store.read(SYSTEM, "SecretToken", id)
        return None if found is None else _known(SecretToken.of, found)

    # --- the key of the MACs in secret tokens ---

    async def mac_key(self) -> bytes | None:
        """Return the key, or `None` if there is none. Raises `StoreUnavailable` if its record holds none."""
        return await stored_key.read(self._store, SYSTEM, *_MAC_KEY)

    async def need_mac_key(self) -> bytes:
        """Return the key; create it if there is neither a key nor a secret token yet.

        Raises `Refused` if the key is missing although there are tokens: another key would end all of them.
        """
        key = await self._mac_key_or_new()
        if key is None:
            raise Refused(
                "The key that secret tokens are made with is missing, and a new one would end the tokens that there are. "
                "Restore the item MacKey:secret-tokens, or revoke all tokens and restart the service; then try again."
            )
        return key

    async def _mac_key_or_new(self) -> bytes | None:
        key = await self.mac_key()
        if (
            key is None
            and not (await self._store.search(SYSTEM, "SecretToken", Search(None, 0, 1, counted=False))).items
        ):
            key = await stored_key.create(self._store, SYSTEM, *_MAC_KEY, now=self._clock())
            return key if key is not None else await self.mac_key()
        return key

    # --- customers ---

    async def exist(self) -> bool:
        """Whether there is any customer."""
        return bool((await self._store.search(SYSTEM, "Customer", Search(None, 0, 1))).items)

    async def all(self) -> AsyncIterator[Customer]:
        """Every customer, by name."""
        async for found in self._found("Customer", None):
            customer = _known(Customer.of, found)
            if customer is not None:
                yield customer

    async def create(self, name: str) -> Customer:
        """A new customer, that no way leads to yet. Raises `Refused` if there is one of this name, or something left of one."""
        left = [one.id for kind in ("EntraTenant", "SecretToken") async for one in self._found(kind, _of(kind, name))]
        if left and await self.customer(name) is None:
            raise Refused(
                f"A removal of customer {name} isn't complete, and its old credentials would be accepted again; complete it first.",
                *("customer", "remove", name),
            )
        # Created here already, so that the service has a key before the first made-up token arrives.
        await self._mac_key_or_new()
        customer = Customer(name=name, created=self._clock())
        try:
            await self._store.create(SYSTEM, _draft("Customer", name, customer.record(), {}))
        except Taken:
            raise Refused(f"There is a customer {name} already.", "customer", "show", name) from None
        return customer

    async def remove(self, name: str) -> bool:
        """Close all ways to a customer, and forget it and them; whether there was anything. A repeat completes it.

        Its users and groups stay.
        """
        # First of all the record without which no way is open.
        removed = [await self._forget("Customer", name)]
        tokens = [found.id async for found in self._found("SecretToken", _of("SecretToken", name))]
        removed += [await self._forget("SecretToken", id) for id in tokens]
        tenants = [found.id async for found in self._found("EntraTenant", _of("EntraTenant", name))]
        for id in tenants:
            await self.deny(name, id)
            removed.append(True)
        return any(removed)

    # --- Entra tenants ---

    async def entra_tenants(self, name: str | None = None) -> list[EntraTenant]:
        """The Entra tenants whose tokens let somebody in as this customer, or as any."""
        tenants = [
            _known(EntraTenant.known_part_of, one) async for one in self._found("EntraTenant", _of("EntraTenant", name))
        ]
        return [tenant for tenant in tenants if tenant is not None]

    async def allow(self, tenant: EntraTenant) -> None:
        """Open further ways from an Entra tenant. Raises `Refused` if an audience of the tenant leads elsewhere already."""

        def wider(known: EntraTenant | None) -> EntraTenant:
            if known is None:
                return tenant
            if known.cloud != tenant.cloud:
                raise Refused(
                    f"That Entra tenant has rules for the cloud {known.cloud}; remove them first.",
                    *("customer", "deny", known.ways[0].customer, "--entra-tenant", tenant.id),
                )
            kept = {way.audience: way for way in known.ways}
            for way in tenant.ways:
                other = kept.get(way.audience, way)
                if other.customer != way.customer:
                    raise Refused(
                        f"Tokens of that Entra tenant with this audience belong to customer {other.customer} already; remove that rule first.",
                        *("customer", "deny", other.customer, "--entra-tenant", tenant.id, "--audience", way.audience),
                    )
                kept[way.audience] = way
            return replace(known, ways=tuple(kept.values()))

        for way in tenant.ways:
            await self.need(way.customer)
        await self._change(tenant.id, wider)

    async def deny(self, name: str, tenant: str, audience: str | None = None) -> None:
        """Close the ways from an Entra tenant to a customer, or the one with this audience. Raises `Refused`."""

        def closed(way: EntraWay) -> bool:
            return way.customer == name and audience in {None, way.audience}

        def narrower(known: EntraTenant | None) -> EntraTenant:
            if known is None or not any(map(closed, known.ways)):
                raise NotFound(f"Customer {name} has no such Entra rule.", "customer", "show", name)
            return replace(known, ways=tuple(way for way in known.ways if not closed(way)))

        await self._change(tenant, narrower)

    async def _change(self, id: str, change: Callable[[EntraTenant | None], EntraTenant]) -> None:
        """Change one record on the version that was read; without a way left it goes."""
        for _ in range(_ATTEMPTS):
            found = await self._store.read(SYSTEM, "EntraTenant", id)
            try:
                new = change(None if found is None else EntraTenant.of(found.resource))
            except UnknownRecord:
                raise Refused(
                    "Another version of the service wrote that Entra tenant's record; use that version."
                ) from None
            draft = _draft("EntraTenant", id, new.record(), {"ways": [{"customer": w.customer} for w in new.ways]})
            try:
                if found is None:
                    await self._store.create(SYSTEM, draft)
                elif new.ways:
                    await self._store.replace(SYSTEM, draft, expected=found.version)
                else:
                    await self._store.delete(SYSTEM, "EntraTenant", id, expected=found.version)
            except (Taken, Changed, Gone):
                continue  # somebody else changes it too
            return
        raise Refused("Others keep changing that Entra tenant; try again.")

    # --- secret tokens ---

    async def add_token(self, token: SecretToken) -> None:
        """Keep a new token. Raises `Refused` if there is no such customer."""
        await self.need(token.customer)
        await self._store.create(SYSTEM, _token_draft(token))

    async def tokens(self, name: str | None = None) -> AsyncIterator[SecretToken]:
        """The tokens of a customer, or of all, the oldest first."""
        async for found in self._found("SecretToken", _of("SecretToken", name)):
            token = _known(SecretToken.of, found)
            if token is not None:
                yield token

    async def revoke(self, id: str) -> None:
        """Forget a token; every instance has by the end of a minute. Raises `Refused` if there is none."""
        try:
            await self._store.delete(SYSTEM, "SecretToken", id)
        except Gone:
            raise NotFound("There is no secret token with this id.", "token", "list") from None

    async def forget_expired(self) -> int:
        """Forget the tokens that expired so long ago that nobody asks why they don't work; how many."""
        before = self._clock() - _EXPIRED_FOR
        expired = [token.id async for token in self.tokens() if token.expires < before]
        return sum([await self._forget("SecretToken", id) for id in expired])

    async def note_use(self, id: str) -> None:
        """Write down that a token is in use now, unless somebody else changes it or it is gone."""
        found = await self._store.read(SYSTEM, "SecretToken", id)
        token = None if found is None else _known(SecretToken.of, found)
        if found is not None and token is not None:
            try:
                used = replace(token, last_used=self._clock())
                await self._store.replace(SYSTEM, _token_draft(used), expected=found.version)
            except (Changed, Gone):
                return

    # --- the store ---

    async def need(self, name: str) -> None:
        """Raises `Refused` if there is no such customer."""
        if await self.customer(name) is None:
            raise NotFound(f"There is no customer {name}.", "customer", "list")

    async def _forget(self, kind: str, id: str) -> bool:
        try:
            await self._store.delete(SYSTEM, kind, id)
        except Gone:
            return False
        return True

    async def _found(self, kind: str, filter: Bound | None) -> AsyncIterator[Stored]:
        offset = 0
        while True:
            page = (await self._store.search(SYSTEM, kind, Search(filter, offset, _PAGE, counted=False))).items
            for found in page:
                yield found
            if len(page) < _PAGE:
                return
            offset += _PAGE


def _of(record_type: str, name: str | None) -> Bound | None:
    """Return the filter for a customer's records of a type; `None` for those of all customers."""
    if name is None:
        return None
    test = Test(("customer",), "eq", name)
    return Some(("ways",), test) if record_type == "EntraTenant" else test


def _known[T](read: Callable[[Mapping[str, Any]], T], found: Stored) -> T | None:
    """Return what a record is read as; `None`, with a line in the log, if this version doesn't know it."""
    try:
        return read(found.resource)
    except UnknownRecord:
        _log.warning("the record %s:%s isn't one that this version knows: it lets nobody in", found.kind, found.id)
        return None


def _token_draft(token: SecretToken) -> Draft:
    return _draft("SecretToken", token.id, token.record(), {"customer": token.customer})


def _draft(kind: str, id: str, record: JsonObject, folded: JsonObject) -> Draft:
    return Draft(kind, id, f"{kind}:{id}", record, {"id": id, **folded}, {})
