"""Stores customers, Entra rules and secret tokens in the partition `$system`. Caches nothing."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from scim.protocol.filter.binding import AnyElement, Bound, Test
from scim.protocol.json import JsonObject
from scim.security import stored_key
from scim.security.customers.records import AccessRule, Customer, EntraTenant, SecretToken, UnknownRecord
from scim.storage.errors import AlreadyExists, NotFound, PreconditionFailed
from scim.storage.interface import Search, Store, Stored, WriteModel

SYSTEM: Final = "$system"
"""The partition key of these records, which can't be a customer's name."""

_PAGE: Final = 1_000
_ATTEMPTS: Final = 5
_EXPIRED_FOR: Final = timedelta(days=30)
"""The time after its expiry at which a secret token's record is deleted."""
_MAC_KEY: Final = ("MacKey", "secret-tokens")

_log: Final = logging.getLogger("scim.security")


class ChangeRefused(Exception):
    """The change isn't possible. The text is one line for the operator.

    `remedy` has the words of the `scim` command that shows or solves the problem, such as `("customer", "list")`.
    """

    def __init__(self, reason: str, *remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


class RecordNotFound(ChangeRefused):
    """The customer, Entra rule or secret token doesn't exist."""


class Customers:
    """The records of all customers. Each method may raise `StoreError`."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    # --- one point read each; a record that this version doesn't know counts as missing ---

    async def customer(self, name: str) -> Customer | None:
        """Return the customer with this name; `None` if there is none. Raises `StoreError`."""
        stored = await self._store.read(SYSTEM, "Customer", name)
        return None if stored is None else _read_record(Customer.of, stored)

    async def secret_token(self, id: str) -> SecretToken | None:
        """Return the secret token with this id, expired or not; `None` if there is none. Raises `StoreError`."""
        stored = await self._store.read(SYSTEM, "SecretToken", id)
        return None if stored is None else _read_record(SecretToken.of, stored)

    # --- the MAC key of secret tokens ---

    async def mac_key(self) -> bytes | None:
        """Return the key; `None` if it is missing. Raises `StoreUnavailable` if its record has no valid key."""
        return await stored_key.read(self._store, SYSTEM, *_MAC_KEY)

    async def require_mac_key(self) -> bytes:
        """Return the key. Create it if neither a key nor a secret token exists yet.

        Raises `ChangeRefused` if the key is missing although tokens exist, because another key would end all of them.
        """
        key = await self._read_or_create_mac_key()
        if key is None:
            raise ChangeRefused(
                "The key that secret tokens are made with is missing, and a new one would end the tokens that there are. "
                "Restore the item MacKey:secret-tokens, or revoke all tokens and restart the service; then try again."
            )
        return key

    async def _read_or_create_mac_key(self) -> bytes | None:
        key = await self.mac_key()
        if (
            key is None
            and not (await self._store.search(SYSTEM, "SecretToken", Search(None, 0, 1, counted=False))).items
        ):
            key = await stored_key.create(self._store, SYSTEM, *_MAC_KEY, now=self._clock())
            return key if key is not None else await self.mac_key()
        return key

    # --- customers ---

    async def any_exists(self) -> bool:
        """Return whether any customer exists. Raises `StoreError`."""
        return bool((await self._store.search(SYSTEM, "Customer", Search(None, 0, 1))).items)

    async def all(self) -> AsyncIterator[Customer]:
        """Yield all customers, ordered by name."""
        async for stored in self._records("Customer", None):
            customer = _read_record(Customer.of, stored)
            if customer is not None:
                yield customer

    async def create(self, name: str) -> Customer:
        """Create a customer without credentials, and return it.

        Raises `ChangeRefused` if the customer exists, or if a removal of it isn't complete.
        """
        has_leftovers = [
            one.id
            for record_type in ("EntraTenant", "SecretToken")
            async for one in self._records(record_type, _of(record_type, name))
        ]
        if has_leftovers and await self.customer(name) is None:
            raise ChangeRefused(
                f"A removal of customer {name} isn't complete, and its old credentials would be accepted again; complete it first.",
                *("customer", "remove", name),
            )
        # Created here, so that the service has a key before the first made-up token arrives.
        await self._read_or_create_mac_key()
        customer = Customer(name=name, created=self._clock())
        try:
            await self._store.create(SYSTEM, _write_model("Customer", name, customer.record(), {}))
        except AlreadyExists:
            raise ChangeRefused(f"Customer {name} already exists.", "customer", "show", name) from None
        return customer

    async def remove(self, name: str) -> bool:
        """Delete a customer and its credentials; return whether anything existed. Its users and groups stay.

        Repeating an interrupted removal completes it. Raises `StoreError`.
        """
        # First the customer's record, without which no credential is accepted.
        removed = [await self._delete("Customer", name)]
        tokens = [stored.id async for stored in self._records("SecretToken", _of("SecretToken", name))]
        removed += [await self._delete("SecretToken", id) for id in tokens]
        tenants = [stored.id async for stored in self._records("EntraTenant", _of("EntraTenant", name))]
        for id in tenants:
            await self.deny(name, id)
            removed.append(True)
        return any(removed)

    # --- Entra tenants ---

    async def entra_tenants(self, name: str | None = None) -> list[EntraTenant]:
        """Return the Entra tenants with rules for this customer, or all."""
        tenants = [
            _read_record(EntraTenant.known_part_of, one)
            async for one in self._records("EntraTenant", _of("EntraTenant", name))
        ]
        return [tenant for tenant in tenants if tenant is not None]

    async def allow(self, tenant: EntraTenant) -> None:
        """Add access rules of an Entra tenant. Raises `ChangeRefused` if one of its audiences belongs to another
        customer.
        """

        def with_rules(stored: EntraTenant | None) -> EntraTenant:
            if stored is None:
                return tenant
            if stored.cloud != tenant.cloud:
                raise ChangeRefused(
                    f"That Entra tenant has rules for the cloud {stored.cloud}. Remove them first.",
                    *("customer", "deny", stored.access_rules[0].customer, "--entra-tenant", tenant.id),
                )
            kept = {access_rule.audience: access_rule for access_rule in stored.access_rules}
            for access_rule in tenant.access_rules:
                other = kept.get(access_rule.audience, access_rule)
                if other.customer != access_rule.customer:
                    raise ChangeRefused(
                        f"Tokens of that Entra tenant with this audience already belong to customer {other.customer}. Remove that rule first.",
                        *(
                            "customer",
                            "deny",
                            other.customer,
                            "--entra-tenant",
                            tenant.id,
                            "--audience",
                            access_rule.audience,
                        ),
                    )
                kept[access_rule.audience] = access_rule
            return replace(stored, access_rules=tuple(kept.values()))

        for access_rule in tenant.access_rules:
            await self.require(access_rule.customer)
        await self._change(tenant.id, with_rules)

    async def deny(self, name: str, tenant: str, audience: str | None = None) -> None:
        """Remove the rules of an Entra tenant for a customer, or the one with this audience. Raises `ChangeRefused`,
        `RecordNotFound`.
        """

        def is_removed(access_rule: AccessRule) -> bool:
            return access_rule.customer == name and audience in {None, access_rule.audience}

        def without_rules(stored: EntraTenant | None) -> EntraTenant:
            if stored is None or not any(map(is_removed, stored.access_rules)):
                raise RecordNotFound(f"Customer {name} has no such Entra rule.", "customer", "show", name)
            return replace(
                stored,
                access_rules=tuple(access_rule for access_rule in stored.access_rules if not is_removed(access_rule)),
            )

        await self._change(tenant, without_rules)

    async def _change(self, id: str, change: Callable[[EntraTenant | None], EntraTenant]) -> None:
        """Change one record conditionally on its version; delete it if no rule is left. Raises `ChangeRefused`."""
        for _ in range(_ATTEMPTS):
            stored = await self._store.read(SYSTEM, "EntraTenant", id)
            try:
                new = change(None if stored is None else EntraTenant.of(stored.resource))
            except UnknownRecord:
                raise ChangeRefused(
                    "Another version of the service wrote the record of that Entra tenant. Use that version."
                ) from None
            write_model = _write_model(
                "EntraTenant", id, new.record(), {"access_rules": [{"customer": w.customer} for w in new.access_rules]}
            )
            try:
                if stored is None:
                    await self._store.create(SYSTEM, write_model)
                elif new.access_rules:
                    await self._store.replace(SYSTEM, write_model, expected=stored.version)
                else:
                    await self._store.delete(SYSTEM, "EntraTenant", id, expected=stored.version)
            except (AlreadyExists, PreconditionFailed, NotFound):
                continue  # another process changed it at the same time
            return
        raise ChangeRefused("Other processes keep changing that Entra tenant. Try again.")

    # --- secret tokens ---

    async def add_token(self, token: SecretToken) -> None:
        """Store a new token. Raises `RecordNotFound` if the customer doesn't exist."""
        await self.require(token.customer)
        await self._store.create(SYSTEM, _token_write_model(token))

    async def tokens(self, name: str | None = None) -> AsyncIterator[SecretToken]:
        """Yield the tokens of a customer, or of all, oldest first."""
        async for stored in self._records("SecretToken", _of("SecretToken", name)):
            token = _read_record(SecretToken.of, stored)
            if token is not None:
                yield token

    async def revoke(self, id: str) -> None:
        """Delete a token. Instances stop accepting it within a minute. Raises `RecordNotFound`."""
        try:
            await self._store.delete(SYSTEM, "SecretToken", id)
        except NotFound:
            raise RecordNotFound("There is no secret token with this id.", "token", "list") from None

    async def delete_expired(self) -> int:
        """Delete the tokens that expired more than 30 days ago; return their number. Raises `StoreError`."""
        before = self._clock() - _EXPIRED_FOR
        expired = [token.id async for token in self.tokens() if token.expires < before]
        return sum([await self._delete("SecretToken", id) for id in expired])

    async def record_use(self, id: str) -> None:
        """Record the time of use of a token. Does nothing if the token was changed or deleted at the same time.

        Raises `StoreError`.
        """
        stored = await self._store.read(SYSTEM, "SecretToken", id)
        token = None if stored is None else _read_record(SecretToken.of, stored)
        if stored is not None and token is not None:
            try:
                used = replace(token, last_used=self._clock())
                await self._store.replace(SYSTEM, _token_write_model(used), expected=stored.version)
            except (PreconditionFailed, NotFound):
                return

    # --- the store ---

    async def require(self, name: str) -> None:
        """Raise `RecordNotFound` if the customer doesn't exist."""
        if await self.customer(name) is None:
            raise RecordNotFound(f"There is no customer {name}.", "customer", "list")

    async def _delete(self, record_type: str, id: str) -> bool:
        try:
            await self._store.delete(SYSTEM, record_type, id)
        except NotFound:
            return False
        return True

    async def _records(self, record_type: str, filter: Bound | None) -> AsyncIterator[Stored]:
        offset = 0
        while True:
            page = (await self._store.search(SYSTEM, record_type, Search(filter, offset, _PAGE, counted=False))).items
            for stored in page:
                yield stored
            if len(page) < _PAGE:
                return
            offset += _PAGE


def _of(record_type: str, name: str | None) -> Bound | None:
    """Return the filter for the records of a customer; `None` for those of all customers."""
    if name is None:
        return None
    test = Test(("customer",), "eq", name)
    return AnyElement(("access_rules",), test) if record_type == "EntraTenant" else test


def _read_record[T](read: Callable[[Mapping[str, Any]], T], stored: Stored) -> T | None:
    """Return the result of `read`; `None`, with a log entry, if this version doesn't know the record."""
    try:
        return read(stored.resource)
    except UnknownRecord:
        _log.warning("this version doesn't know the record %s:%s: it grants no access", stored.type_name, stored.id)
        return None


def _token_write_model(token: SecretToken) -> WriteModel:
    return _write_model("SecretToken", token.id, token.record(), {"customer": token.customer})


def _write_model(record_type: str, id: str, record: JsonObject, folded: JsonObject) -> WriteModel:
    return WriteModel(record_type, id, f"{record_type}:{id}", record, {"id": id, **folded}, {})
