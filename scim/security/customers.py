"""Customers, their ways in and their secret tokens in the store's partition `$system`. Reads and writes; keeps nothing."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from scim.protocol.json import JsonObject
from scim.protocol.query import Bound, Some, Test
from scim.security.records import Customer, EntraTenant, EntraWay, SecretToken
from scim.storage.interface import Changed, Draft, Gone, Search, Store, Stored, Taken

SYSTEM: Final = "$system"
"""No customer can have this name."""

_PAGE: Final = 1_000
_ATTEMPTS: Final = 5
_EXPIRED_FOR: Final = timedelta(days=30)


class Refused(Exception):
    """What was asked for can't be done; the text is one line for the operator."""


class Customers:
    """The records of all customers."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    # --- one point read each ---

    async def customer(self, name: str) -> Customer | None:
        """The customer of this name."""
        found = await self._store.read(SYSTEM, "Customer", name)
        return None if found is None else Customer.of(found.resource)

    async def entra_tenant(self, id: str) -> EntraTenant | None:
        """The Entra tenant with this id, if one of its tokens could let somebody in."""
        found = await self._store.read(SYSTEM, "EntraTenant", id)
        return None if found is None else EntraTenant.of(found.resource)

    async def secret_token(self, id: str) -> SecretToken | None:
        """The secret token with this id, expired or not."""
        found = await self._store.read(SYSTEM, "SecretToken", id)
        return None if found is None else SecretToken.of(found.resource)

    # --- customers ---

    async def exist(self) -> bool:
        """Whether there is any customer."""
        return bool((await self._store.search(SYSTEM, "Customer", Search(None, 0, 1))).items)

    async def all(self) -> AsyncIterator[Customer]:
        """Every customer, by name."""
        async for found in self._found("Customer", None):
            yield Customer.of(found.resource)

    async def create(self, name: str) -> Customer:
        """A new customer, that no way leads to yet. Raises `Refused` if there is one of this name, or something left of one."""
        left = bool(await self.entra_tenants(name)) or bool([token async for token in self.tokens(name)])
        if left and await self.customer(name) is None:
            raise Refused(
                f"A removal of {name} isn't complete, and its old ways in would open again; remove it once more."
            )
        customer = Customer(name=name, created=self._clock())
        try:
            await self._store.create(SYSTEM, _draft("Customer", name, customer.record(), {}))
        except Taken:
            raise Refused(f"There is a customer {name} already.") from None
        return customer

    async def remove(self, name: str) -> bool:
        """Close all ways to a customer, and forget it and them; whether there was anything. A repeat completes it.

        Its users and groups stay.
        """
        # First of all the record without which no way is open.
        removed = [await self._forget("Customer", name)]
        removed += [await self._forget("SecretToken", token.id) for token in [one async for one in self.tokens(name)]]
        for tenant in await self.entra_tenants(name):
            await self.deny(name, tenant.id)
            removed.append(True)
        return any(removed)

    # --- Entra tenants ---

    async def entra_tenants(self, name: str | None = None) -> list[EntraTenant]:
        """The Entra tenants whose tokens let somebody in as this customer, or as any."""
        leads_here = None if name is None else Some(("ways",), Test(("customer",), "eq", name))
        return [EntraTenant.of(found.resource) async for found in self._found("EntraTenant", leads_here)]

    async def allow(self, tenant: EntraTenant) -> None:
        """Open further ways from an Entra tenant. Raises `Refused` if an audience of the tenant leads elsewhere already."""

        def wider(known: EntraTenant | None) -> EntraTenant:
            if known is None:
                return tenant
            if known.cloud != tenant.cloud:
                raise Refused(
                    f"That Entra tenant is known to be in the cloud {known.cloud}; 'scim customer deny' ends that."
                )
            kept = {way.audience: way for way in known.ways}
            for way in tenant.ways:
                other = kept.get(way.audience, way)
                if other.customer != way.customer:
                    raise Refused(
                        f"Tokens of that Entra tenant with this audience belong to {other.customer} already; 'scim customer deny' ends that."
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
                raise Refused(f"No such way leads to {name}.")
            return replace(known, ways=tuple(way for way in known.ways if not closed(way)))

        await self._change(tenant, narrower)

    async def _change(self, id: str, change: Callable[[EntraTenant | None], EntraTenant]) -> None:
        """Change one record on the version that was read; without a way left it goes."""
        for _ in range(_ATTEMPTS):
            found = await self._store.read(SYSTEM, "EntraTenant", id)
            new = change(None if found is None else EntraTenant.of(found.resource))
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
        only = None if name is None else Test(("customer",), "eq", name)
        async for found in self._found("SecretToken", only):
            yield SecretToken.of(found.resource)

    async def revoke(self, id: str) -> None:
        """Forget a token; every instance has by the end of a minute. Raises `Refused` if there is none."""
        try:
            await self._store.delete(SYSTEM, "SecretToken", id)
        except Gone:
            raise Refused("There is no secret token with this id.") from None

    async def forget_expired(self) -> int:
        """Forget the tokens that expired so long ago that nobody asks why they don't work; how many."""
        before = self._clock() - _EXPIRED_FOR
        expired = [token.id async for token in self.tokens() if token.expires < before]
        return sum([await self._forget("SecretToken", id) for id in expired])

    async def note_use(self, id: str) -> None:
        """Write down that a token is in use now, unless somebody else changes it or it is gone."""
        found = await self._store.read(SYSTEM, "SecretToken", id)
        if found is not None:
            token = replace(SecretToken.of(found.resource), last_used=self._clock())
            try:
                await self._store.replace(SYSTEM, _token_draft(token), expected=found.version)
            except (Changed, Gone):
                return

    # --- the store ---

    async def need(self, name: str) -> None:
        """Raises `Refused` if there is no such customer."""
        if await self.customer(name) is None:
            raise Refused(
                f"There is no customer {name}; 'scim customer list' shows those there are, 'scim customer create' makes one."
            )

    async def _forget(self, kind: str, id: str) -> bool:
        try:
            await self._store.delete(SYSTEM, kind, id)
        except Gone:
            return False
        return True

    async def _found(self, kind: str, filter: Bound | None) -> AsyncIterator[Stored]:
        offset = 0
        while True:
            page = (await self._store.search(SYSTEM, kind, Search(filter, offset, _PAGE))).items
            for found in page:
                yield found
            if len(page) < _PAGE:
                return
            offset += _PAGE


def _token_draft(token: SecretToken) -> Draft:
    return _draft("SecretToken", token.id, token.record(), {"customer": token.customer})


def _draft(kind: str, id: str, record: JsonObject, folded: JsonObject) -> Draft:
    return Draft(kind, id, f"{kind}:{id}", record, {"id": id, **folded}, {})
