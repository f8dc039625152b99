"""How often somebody may come: the request budget of a tenant, what guesses cost the database, and what a token costs."""

import asyncio
import json
import logging
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from scim.app import utc_now
from scim.ids import uuid7
from scim.security import secret_tokens
from scim.security.clouds import CLOUDS
from scim.security.customers.records import AccessRule, EntraTenant
from scim.security.customers.repository import SYSTEM, Customers
from scim.settings import Settings
from scim.storage.interface import Search, SearchPage, Stored, Take, WriteModel
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import Answer
from tests.cosmos_emulator import Emulator
from tests.security.conftest import secret_token
from tests.security.instances import CHEAP, Instance, Timer, fresh, instance, instances_on_cosmos
from tests.security.issuer import CONTOSO, FABRIKAM, STRANGER, Issuer

_RATE: Final = 5
_BURST: Final = 10 * _RATE
_GUESSES: Final = 500
"""Unknown ids that the database is asked for at once; after that 50 a second."""
_MAC_KEY: Final = ("MacKey", "secret-tokens")
_USER: Final = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
async def small(issuer: Issuer, data: Path) -> AsyncIterator[Instance]:
    """An instance with a small budget."""
    async with instance(data, issuer, requests_per_second=_RATE, dev_token="a-development-token") as running:
        yield running


async def tally(service: Instance, token: str | None, number: int) -> Counter[int]:
    """How so many requests with this token end."""
    return Counter([await service.status(token) for _ in range(number)])


def assert_too_many(answer: Answer) -> int:
    """429 in SCIM form; after how many seconds to come back."""
    assert answer.status == 429, answer.body
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    assert answer.json["status"] == "429"
    assert answer.headers["retry-after"].isdecimal()
    seconds = int(answer.headers["retry-after"])
    assert seconds >= 1
    return seconds


def another_secret(token: str) -> str:
    """A token with the same id and a right checksum, but another secret: what somebody makes up who has seen the id."""
    id = token.split("_")[1]
    text, _ = secret_tokens.create(id, "contoso", key=bytes(32), access="write", note="", now=utc_now(), days=1)
    return text


def mistyped(token: str) -> str:
    """The token with another last digit."""
    return token[:-1] + ("0" if token[-1] != "0" else "1")


def unknown() -> str:
    """A secret token that isn't there."""
    return another_secret(f"scimaf_{uuid7(utc_now)().replace('-', '')}_")


# --- the budget of a tenant ---


async def test_a_burst_is_allowed_and_then_the_rate(small: Instance, data: Path) -> None:
    token = await asyncio.to_thread(secret_token, "contoso", data)
    assert await tally(small, token, _BURST + 20) == {200: _BURST, 429: 20}
    for _ in range(5):
        small.timer.now += 1
        assert await tally(small, token, _RATE + 3) == {200: _RATE, 429: 3}
    small.timer.now += 3_600  # a pause fills it up, and no further
    assert await tally(small, token, _BURST + 1) == {200: _BURST, 429: 1}


async def test_a_client_that_waits_as_told_is_served(small: Instance, issuer: Issuer) -> None:
    token = issuer.token()
    await tally(small, token, _BURST)
    for path in (CHEAP, "/Users", "/nowhere"):
        wait = assert_too_many(await small.get(token, path))
        small.timer.now += wait
        assert (await small.get(token, path)).status in {200, 404}
        await tally(small, token, _RATE)


async def test_the_rate_limit_is_per_customer_and_not_per_token(small: Instance, issuer: Issuer, data: Path) -> None:
    first, second = [await asyncio.to_thread(secret_token, "contoso", data) for _ in range(2)]
    others = await asyncio.to_thread(secret_token, "fabrikam", data)
    assert await tally(small, first, _BURST) == {200: _BURST}
    for token in (first, second, fresh(issuer), fresh(issuer, version="2.0")):
        assert_too_many(await small.get(token))
    # Another tenant's budget is whole.
    assert await tally(small, others, _BURST - 1) == {200: _BURST - 1}
    assert await tally(small, fresh(issuer, FABRIKAM), 2) == {200: 1, 429: 1}


async def test_refused_requests_do_not_count(small: Instance, issuer: Issuer, data: Path) -> None:
    token = await asyncio.to_thread(secret_token, "contoso", data)
    bad = [another_secret(token), mistyped(token), issuer.token(appid=STRANGER), issuer.token(aud="other"), "x", None]
    for each in bad:
        assert await tally(small, each, 2 * _BURST) == {401: 2 * _BURST}
    assert await tally(small, token, _BURST + 1) == {200: _BURST, 429: 1}


async def test_the_development_token_has_no_rate_limit(small: Instance) -> None:
    assert await tally(small, "a-development-token", 10 * _BURST) == {200: 10 * _BURST}


async def test_entras_rate_for_an_hour_stays_within_the_default(
    data: Path, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """25 requests a second: for half an hour evenly, then all at the beginning of each second."""
    caplog.set_level(logging.WARNING, "scim.request")  # pytest would keep 90,000 lines
    default = Settings().requests_per_second
    async with instance(data, issuer, requests_per_second=default) as service:
        tokens = [await asyncio.to_thread(secret_token, "contoso", data), issuer.token()]
        ended: Counter[int] = Counter()
        for second in range(3_600):
            for _ in range(25):
                ended[await service.status(tokens[second % 2])] += 1
                service.timer.now += 0.04 if second < 1_800 else 0
            service.timer.now += 0 if second < 1_800 else 1
        assert ended == {200: 90_000}


# --- what tokens cost that somebody made up ---


class Counted(SqliteStore):
    """A store that notes what it is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []

    async def read(self, tenant: str, resource_type: str, id: str) -> Stored | None:
        self.asked.append(resource_type)
        return await super().read(tenant, resource_type, id)

    async def search(self, tenant: str, resource_type: str, search: Search, take: Take | None = None) -> SearchPage:
        self.asked.append(f"search {resource_type}")
        return await super().search(tenant, resource_type, search, take)


def made_up_secret(number: int, key: bytes = bytes(32)) -> str:
    """A secret token that is kept nowhere, another one for each number."""
    return secret_tokens.create(f"{number:032x}", "contoso", key=key, access="write", note="", now=utc_now(), days=1)[0]


def made_up_tenant(issuer: Issuer, number: int) -> str:
    """A token of an Entra tenant that isn't configured, another one for each number."""
    claims = issuer.claims(tid=f"{number:08x}-1111-4111-8111-111111111111")
    return ".".join(
        urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (issuer.header(), claims, "x")
    )


async def test_made_up_tokens_cost_no_reads_and_evict_no_cache_entries(issuer: Issuer, data: Path) -> None:
    """1,000 made-up secret tokens a second and 200 made-up Entra tenants, beside customers that were idle for ten minutes."""
    idle = [await asyncio.to_thread(secret_token, "contoso", data), issuer.token(), issuer.token(FABRIKAM)]
    number = count()
    store, timer = Counted(data), Timer()
    async with instance(data, issuer, store=store, timer=timer) as service:

        async def second_of_flood(target: Instance) -> None:
            tokens = [made_up_secret(next(number)) for _ in range(1_000)]
            tokens += [made_up_tenant(issuer, next(number)) for _ in range(200)]
            assert Counter([await target.status(token) for token in tokens]) == {401: 1_200}
            timer.now += 1

        assert [await service.status(token) for token in idle] == [200, 200, 200]
        store.asked.clear()
        for _ in range(3):
            await second_of_flood(service)
        assert store.asked == []
        # The records of the customers are still there, although the checks themselves don't count any more.
        timer.now += 20
        assert [await service.status(token) for token in idle] == [200, 200, 200]
        assert store.asked == []

        timer.now += 600
        await second_of_flood(service)
        assert store.asked == ["search EntraTenant"]  # all of them at once, at most once in half a minute
        assert [await service.status(token) for token in idle] == [200, 200, 200]

        async with instance(data, issuer, timer=timer) as new:
            for _ in range(3):
                await second_of_flood(new)
            assert [await new.status(token) for token in idle] == [200, 200, 200]
        async with instance(data, issuer, timer=timer) as first_of_all:
            assert [await first_of_all.status(token) for token in idle] == [200, 200, 200]


class Keys:
    """The record that holds the key of the MACs in secret tokens, as the operator's tools would change it."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def read(self) -> Stored | None:
        return await self._store.read(SYSTEM, *_MAC_KEY)

    async def delete(self) -> None:
        await self._store.delete(SYSTEM, *_MAC_KEY)

    async def damage(self) -> None:
        await self.delete()
        resource_type, id = _MAC_KEY
        await self._store.create(
            SYSTEM, WriteModel(resource_type, id, f"{resource_type}:{id}", {"id": id, "key": "AAAA"}, {"id": id}, {})
        )


@pytest.mark.parametrize("who", ["key is missing", "key is known to the attacker"])
async def test_look_ups_of_unknown_ids_are_bounded(
    issuer: Issuer, data: Path, who: str, caplog: pytest.LogCaptureFixture
) -> None:
    in_use = [await asyncio.to_thread(secret_token, "contoso", data), issuer.token(), issuer.token(FABRIKAM)]
    store = Counted(data)
    key = await Customers(store, utc_now).require_mac_key()
    if who == "key is missing":
        await Keys(store).delete()
    async with instance(data, issuer, store=store) as service:

        async def work_goes_on() -> None:
            assert {await service.status(token) for token in in_use} == {200}

        await work_goes_on()
        number = 0
        # What is known of the tokens in use gets old, and is read again when no made-up id has room any more.
        for seconds, reads in ((0, _GUESSES), (1, 50), (4, 200), (25, _GUESSES), (30, _GUESSES), (300, _GUESSES)):
            service.timer.now += seconds
            store.asked.clear()
            answers = [await service.get(made_up_secret(number + one, key)) for one in range(_GUESSES + 50)]
            number += len(answers)
            assert Counter(answer.status for answer in answers) == {401: reads, 429: _GUESSES + 50 - reads}
            assert Counter(store.asked)["SecretToken"] == reads
            assert Counter(store.asked)["MacKey"] <= 1
            assert {answer.headers["www-authenticate"] for answer in answers if answer.status == 401} == {
                'Bearer realm="scim", error="invalid_token"'
            }
            assert_too_many(answers[-1])
            await work_goes_on()
        kept = await Keys(store).read()
    alerts = [one for one in caplog.records if one.getMessage().startswith("the key of secret tokens is missing")]
    if who == "key is missing":
        assert kept is None  # the service doesn't make another one
        assert 1 <= len(alerts) <= 6
        assert {one.levelname for one in alerts} == {"ERROR"}
    else:
        assert alerts == []


async def test_an_unreadable_key_is_503_and_is_not_replaced(issuer: Issuer, data: Path) -> None:
    token = await asyncio.to_thread(secret_token, "contoso", data)
    store = Counted(data)
    await Keys(store).damage()
    async with instance(data, issuer, store=store) as service:
        for _ in range(3):
            answer = await service.get(token)
            assert (answer.status, "www-authenticate" in answer.headers) == (503, False)
            assert int(answer.headers["retry-after"]) > 0
        assert (await service.get(mistyped(token))).status == 401
        assert await service.status(issuer.token()) == 200
        kept = await Keys(store).read()
        assert kept is not None
        assert kept.resource["key"] == "AAAA"


async def test_a_refused_token_costs_no_further_reads(issuer: Issuer, data: Path) -> None:
    token = await asyncio.to_thread(secret_token, "contoso", data)
    store = Counted(data)
    key = await Customers(store, utc_now).require_mac_key()
    async with instance(data, issuer, store=store) as service:
        for bad, asked in (
            (mistyped(token), []),
            ("x" * 1_000, []),
            (unknown(), ["MacKey"]),  # once for the process
            (unknown(), []),
            (another_secret(token), []),
            (made_up_secret(1, key), ["SecretToken"]),
            (issuer.token(STRANGER), ["search EntraTenant"]),  # once in half a minute
            (issuer.token(iss="https://sts.windows.net/common/"), []),
            (issuer.token(aud="other"), []),
        ):
            store.asked.clear()
            assert await tally(service, bad, _GUESSES + 50) == {401: _GUESSES + 50}
            assert store.asked == asked, bad[:12]


async def test_existing_tokens_do_not_count_as_failed_look_ups(issuer: Issuer, data: Path) -> None:
    """More good tokens than guesses allowed, all of them seen for the first time."""
    async with instance(data, issuer) as service:
        assert service.app.store is not None
        customers = Customers(service.app.store, utc_now)
        texts, key = [], await customers.require_mac_key()
        for _ in range(_GUESSES + 20):
            text, record = secret_tokens.create(
                uuid7(utc_now)(), "contoso", key=key, access="read", note="", now=utc_now(), days=90
            )
            await customers.add_token(record)
            texts.append(text)
        assert Counter([await service.status(text) for text in texts]) == {200: len(texts)}


async def test_a_service_without_customers_looks_for_one_every_ten_seconds(tmp_path: Path) -> None:
    store = Counted(tmp_path / "scim.db")
    async with instance(tmp_path / "scim.db", store=store, on_azure=True) as service:
        for seconds in (0, 10):
            service.timer.now += seconds
            store.asked.clear()
            assert await tally(service, "x", 100) == {503: 100}
            assert store.asked == ["search Customer"]
        await Customers(store, utc_now).create("contoso")
        service.timer.now += 10
        assert await tally(service, "x", 10) == {401: 10}
        store.asked.clear()
        service.timer.now += 3_600
        assert await tally(service, "x", 100) == {401: 100}
        assert store.asked == []


# --- what a token costs on Cosmos DB ---


async def opened(service: Instance, used: datetime | None = None) -> str:
    """A customer with a way in from its Entra tenant; a secret token of it, and when that was used last."""
    assert service.app.store is not None
    customers = Customers(service.app.store, utc_now)
    await customers.create("contoso")
    way = AccessRule(customer="contoso", audience=CLOUDS["global"].audience)
    await customers.allow(EntraTenant(id=CONTOSO, cloud="global", access_rules=(way,)))
    key = await customers.require_mac_key()
    text, record = secret_tokens.create(
        uuid7(utc_now)(), "contoso", key=key, access="write", note="", now=utc_now(), days=90
    )
    await customers.add_token(replace(record, last_used=used))
    return text


def costs(emulator: Emulator) -> tuple[Counter[str], Counter[str]]:
    """The calls for the token, and those for the request's own work; they are forgotten then."""
    calls = [call for call in emulator.requests if call.operation.startswith(("item.", "query", "batch", "feed."))]
    of_system = [call for call in calls if SYSTEM in str(call.partition_key)]
    emulator.requests.clear()
    return Counter(call.operation for call in of_system), Counter(
        call.operation for call in calls if call not in of_system
    )


async def test_a_cold_token_costs_two_calls_and_a_warm_one_none(issuer: Issuer) -> None:
    timer = Timer()
    async with instances_on_cosmos(2, issuer, timer) as (instances, emulator):
        secret = await opened(instances[0], utc_now() - timedelta(minutes=1))
        costs(emulator)
        own = {"item.read": 1}
        of_secret, of_entra = {"item.read": 2}, {"query": 1, "item.read": 1}
        mac_key = {"item.read": 1}
        # Each instance is cold for one of the tokens. The key of the MACs is read once for the process.
        for service, token, first, again, another, first_of_another in (
            (instances[0], secret, added(of_secret, mac_key), of_secret, issuer.token(), {"query": 1}),
            (instances[1], issuer.token(), of_entra, of_entra, secret, added({"item.read": 1}, mac_key)),
        ):
            assert (await service.get(token, f"/Users/{_USER}")).status == 404
            assert costs(emulator) == (first, own)
            for _ in range(5):
                assert (await service.get(token, f"/Users/{_USER}")).status == 404
                timer.now += 5
            assert costs(emulator) == ({}, {"item.read": 5})
            # The customer is known; of another token only its own record is missing.
            assert (await service.get(another, f"/Users/{_USER}")).status == 404
            assert costs(emulator) == (first_of_another, own)
            timer.now += 60
            assert (await service.get(token, f"/Users/{_USER}")).status == 404
            assert costs(emulator) == (again, own)


def added(*costs: Mapping[str, int]) -> Counter[str]:
    """What several things cost together."""
    return sum((Counter(cost) for cost in costs), Counter[str]())


async def test_a_use_of_a_secret_token_is_recorded_by_one_request(issuer: Issuer) -> None:
    timer = Timer()
    async with instances_on_cosmos(1, issuer, timer) as ([service], emulator):
        secret = await opened(service)
        costs(emulator)
        assert (await service.get(secret)).status == 200
        of_token, _ = costs(emulator)
        assert of_token["item.read"] == 4  # the token, the customer, the key of the MACs, and the token to be written
        assert of_token.total() == 5  # and one write
        for _ in range(60):
            timer.now += 30
            assert (await service.get(secret)).status == 200
        assert set(costs(emulator)[0]) == {"item.read"}
