"""Records of another version, or damaged ones: what they name is refused with 401, never 500, and everything else goes on."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from scim.app import utc_now
from scim.security.customers.repository import SYSTEM, ChangeRefused, Customers
from scim.storage.interface import WriteModel
from scim.storage.sqlite.store import SqliteStore
from tests.security.conftest import secret_token
from tests.security.instances import instance
from tests.security.issuer import CONTOSO, FABRIKAM, Issuer

_GONE: Final = object()
CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "SecretToken": {
        "an access that isn't known": {"access": "manage"},
        "an access of persons": {"access": "self"},
        "no access": {"access": _GONE},
        "an access that is a list": {"access": ["write"]},
        "an access that is null": {"access": None},
        "a field that isn't known": {"expires_with": "client"},
        "no expiry": {"expires": _GONE},
        "an expiry that is null": {"expires": None},
        "an expiry that is a number": {"expires": 1_900_000_000},
        "an expiry without a zone": {"expires": "2100-01-01T00:00:00"},
        "an expiry that is no time": {"expires": "never"},
        "a digest that is a number": {"digest": 5},
        "a digest that isn't ASCII": {"digest": "é" * 64},
        "an empty digest": {"digest": ""},
        "a customer that is null": {"customer": None},
        "all customers": {"customer": "*"},
        "a last use that is a list": {"last_used": []},
        "a note that is a number": {"note": 1},
    },
    "Customer": {
        "a field that isn't known": {"suspended": True},
        "no time": {"created": _GONE},
        "a time that is null": {"created": None},
        "a time without a zone": {"created": "2026-01-01T00:00:00"},
        "a name that is a list": {"name": ["contoso"]},
    },
    "EntraTenant": {
        "a field that isn't known": {"paused": True},
        "a cloud that isn't known": {"cloud": "moon"},
        "no ways": {"access_rules": _GONE},
        "ways that are a text": {"access_rules": "all"},
        "ways that are null": {"access_rules": None},
        "no id": {"id": _GONE},
    },
    "AccessRule": {
        "an access that isn't known": {"access": "manage"},
        "a field that isn't known": {"until": "2100-01-01"},
        "an audience that is a list": {"audience": ["a"]},
        "an empty audience": {"audience": ""},
        "applications that are a text": {"applications": "all"},
        "an application that is null": {"applications": [None]},
        "a role that is a number": {"role": 5},
        "an empty role": {"role": ""},
        "people that are a text": {"people": "yes"},
        "a way that is a text": _GONE,
    },
}
ROWS: Final = [(resource_type, name) for resource_type, changes in CHANGES.items() for name in changes]


def changed(record: Mapping[str, Any], changes: Any) -> Any:
    if changes is _GONE:
        return "a text"
    whole = {**record, **changes}
    return {name: value for name, value in whole.items() if value is not _GONE}


async def rewrite(store: SqliteStore, resource_type: str, id: str, changes: Any) -> None:
    """Change a record in a way that this version wouldn't."""
    stored_as = "EntraTenant" if resource_type == "AccessRule" else resource_type
    kept = await store.read(SYSTEM, stored_as, id)
    assert kept is not None
    if resource_type == "AccessRule":
        first, *others = kept.resource["access_rules"]
        record = {**kept.resource, "access_rules": [changed(first, changes), *others]}
    else:
        record = changed(kept.resource, changes)
    f = {"id": id, "customer": "contoso"} if resource_type == "SecretToken" else {"id": id}
    if stored_as == "EntraTenant":
        f = {"id": id, "access_rules": [{"customer": "contoso"}]}  # type: ignore[dict-item]
    await store.replace(SYSTEM, WriteModel(stored_as, id, f"{stored_as}:{id}", record, f, {}), expected=kept.version)


def id_of(token: str) -> str:
    digits = token.split("_")[1]
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@pytest.mark.parametrize(
    ("resource_type", "name"), ROWS, ids=[f"{resource_type}: {name}" for resource_type, name in ROWS]
)
async def test_tokens_of_an_unknown_record_are_refused_and_others_accepted(
    issuer: Issuer, data: Path, caplog: pytest.LogCaptureFixture, resource_type: str, name: str
) -> None:
    secret, other = [await asyncio.to_thread(secret_token, name, data) for name in ("contoso", "fabrikam")]
    store = SqliteStore(data)
    id = {"SecretToken": id_of(secret), "Customer": "contoso"}.get(resource_type, CONTOSO)
    await rewrite(store, resource_type, id, CHANGES[resource_type][name])
    async with instance(data, issuer, store=store) as service:
        affected = {"SecretToken": [secret], "Customer": [secret, issuer.token()]}.get(resource_type, [issuer.token()])
        for token in affected:
            for _ in range(2):
                answer = await service.get(token)
                assert (answer.status, answer.headers["www-authenticate"]) == (
                    401,
                    'Bearer realm="scim", error="invalid_token"',
                )
        assert await service.status(other) == 200
        assert await service.status(issuer.token(FABRIKAM)) == 200
        if resource_type == "SecretToken":
            assert await service.status(issuer.token()) == 200
        if resource_type in {"EntraTenant", "AccessRule"}:
            assert await service.status(secret) == 200
        await service.app.sweep()
        assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


async def test_another_rule_of_the_same_entra_tenant_stays(issuer: Issuer, data: Path) -> None:
    """So that a newer version's way doesn't stop a job while instances of both versions run."""
    store = SqliteStore(data)
    kept = await store.read(SYSTEM, "EntraTenant", CONTOSO)
    assert kept is not None
    [known] = kept.resource["access_rules"]
    unknown = {**known, "audience": "api://manage", "access": "manage"}
    record = {**kept.resource, "access_rules": [unknown, known]}
    f: dict[str, Any] = {"id": CONTOSO, "access_rules": [{"customer": "contoso"}]}
    draft = WriteModel("EntraTenant", CONTOSO, f"EntraTenant:{CONTOSO}", record, f, {})
    await store.replace(SYSTEM, draft, expected=kept.version)
    async with instance(data, issuer, store=store) as service:
        assert await service.status(issuer.token()) == 200
        assert await service.status(issuer.token(aud="api://manage")) == 401
        # A change by this version would delete the way that it doesn't know.
        customers = Customers(store, utc_now)
        [tenant] = await customers.entra_tenants("contoso")
        with pytest.raises(ChangeRefused, match="Another version"):
            await customers.allow(tenant)
        with pytest.raises(ChangeRefused, match="Another version"):
            await customers.deny("contoso", CONTOSO)
        left = await store.read(SYSTEM, "EntraTenant", CONTOSO)
        assert left is not None
        assert left.resource == record


async def test_a_customer_is_removed_with_tokens_that_are_not_known(data: Path) -> None:
    """A newer version would let them in again, once a customer of this name is made."""
    token = await asyncio.to_thread(secret_token, "contoso", data)
    store = SqliteStore(data)
    customers = Customers(store, utc_now)
    await rewrite(store, "SecretToken", id_of(token), {"access": "manage"})
    assert [one.id async for one in customers.tokens("contoso")] == []
    assert await customers.remove("contoso")
    assert await store.read(SYSTEM, "SecretToken", id_of(token)) is None
    await store.close()
