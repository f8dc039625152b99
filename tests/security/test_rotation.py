"""Keys and secret tokens change while clients work: no valid request is lost, and what was revoked ends within a minute."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from scim.app import utc_now
from scim.ids import uuid7
from scim.security import secret_tokens
from scim.security.clouds import CLOUDS
from scim.security.customers.records import AccessRule, EntraTenant
from scim.security.customers.repository import Customers
from tests.security.conftest import scim, secret_token
from tests.security.instances import Instance, Timer, fresh, instance, instances_on_cosmos, settled
from tests.security.issuer import CONTOSO, Issuer, rsa_key, signed

_CLIENTS: Final = 20
_REQUESTS: Final = 30
_MINUTE: Final = 60.0
_HOUR: Final = 3_600.0


@dataclass
class Load:
    """Clients at work: each creates a user of its own and then changes and reads it in turn, always on one instance.

    `token` gives what client n sends with its request m. `at` says what happens when so many requests are done.
    """

    instances: Sequence[Instance]
    token: Callable[[int, int], str]
    at: Mapping[int, Callable[[], None]] = field(default_factory=dict)
    requests: int = _REQUESTS
    go_on: bool = False
    """Whether to work on after as many requests as each client makes anyway."""
    done: int = 0
    ended: Counter[int] = field(default_factory=Counter)
    on_the_way: Counter[str] = field(default_factory=Counter)
    """The tokens of requests that aren't answered yet."""
    answered: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """All clients at once, until each has made its requests."""
        async with asyncio.TaskGroup() as clients:
            for client in range(_CLIENTS):
                clients.create_task(self._work(client))

    async def run_beside(self, operator: Callable[[], Awaitable[None]]) -> None:
        """The same, and at least until the operator's work is done."""

        async def work() -> None:
            await operator()
            self.go_on = False

        self.go_on = True
        async with asyncio.TaskGroup() as both:
            both.create_task(self.run())
            both.create_task(work())

    async def _work(self, client: int) -> None:
        created = await self._send(client, 0, "POST", "/Users", {"userName": f"user-{client}"})
        path = f"/Users/{created['id']}"
        number = 1
        while number < self.requests or self.go_on:
            change = {"op": "replace", "path": "title", "value": f"title {number}"}
            body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [change]}
            await self._send(client, number, "PATCH", path, body)
            read = await self._send(client, number + 1, "GET", path)
            assert read["title"] == change["value"]
            number += 2

    async def _send(self, client: int, number: int, method: str, path: str, body: Any = None) -> Any:
        service, token = self.instances[client % len(self.instances)], self.token(client, number)
        self.on_the_way[token] += 1
        answer = await service.send(method, path, token, body)
        self.on_the_way[token] -= 1
        self.ended[answer.status] += 1
        assert answer.status in {200, 201, 204}, (client, number, answer.status, answer.body)
        self.done += 1
        service.timer.now += 0.05  # so that what is cached gets old meanwhile
        if (happens := self.at.get(self.done)) is not None:
            happens()
        async with self.answered:
            self.answered.notify_all()
        await asyncio.sleep(0)  # SQLite answers inline, so it's the next client's turn
        return answer.json if answer.body else None


@asynccontextmanager
async def two_on_a_file(data: Path, issuer: Issuer) -> AsyncIterator[list[Instance]]:
    """Two instances on one data file, with one timer."""
    timer = Timer()
    async with instance(data, issuer, timer=timer) as one, instance(data, issuer, timer=timer) as other:
        yield [one, other]


def entra_tokens(issuer: Issuer) -> Callable[[int, int], str]:
    """Client 0 keeps its first token for ever; the others get a new one for every third request."""
    held: dict[int, str] = {}

    def token(client: int, number: int) -> str:
        if client not in held or (client and number % 3 == 0):
            held[client] = fresh(issuer)
        return held[client]

    return token


def rotations(issuer: Issuer, timer: Timer, done: int) -> dict[int, Callable[[], None]]:
    """Two rotations within so many requests: a key comes and signs from then on, and later the one before it goes."""

    def come(number: int) -> Callable[[], None]:
        return lambda: issuer.rotate(CONTOSO, number)

    def go() -> None:
        del issuer.keys[CONTOSO][0]

    def minute() -> None:
        timer.now += _MINUTE

    steps = (come(10), go, minute, come(11), go)
    return {done * (number + 1) // (len(steps) + 1): step for number, step in enumerate(steps)}


async def test_two_key_rotations_under_load_lose_no_request(issuer: Issuer, data: Path) -> None:
    async with two_on_a_file(data, issuer) as instances:
        timer = instances[0].timer
        load = Load(instances, entra_tokens(issuer), rotations(issuer, timer, _CLIENTS * _REQUESTS))
        await load.run()
        assert load.done >= _CLIENTS * _REQUESTS
        assert issuer.keys[CONTOSO] == [rsa_key(11)]
        assert len(issuer.requests) == 2 * 3  # on each instance one at first, and one for each new key
        # The clients' tokens that were signed with the first key were known; one that nobody has seen is worth nothing now.
        late = signed(issuer.claims(), issuer.header(kid=rsa_key(0).kid), rsa_key(0))
        assert [await one.status(late) for one in instances] == [401, 401]


async def test_a_key_published_in_advance_is_known_despite_unknown_kids(issuer: Issuer, data: Path) -> None:
    """Entra ID publishes keys in advance; a made-up `kid` uses up the one fetch that a minute has for unknown ones."""
    async with instance(data, issuer) as service:
        assert await service.status(fresh(issuer)) == 200
        issuer.keys[CONTOSO].insert(0, rsa_key(10))
        service.timer.now += _HOUR
        assert await service.status(fresh(issuer)) == 200
        await settled()
        made_up = signed(issuer.claims(), issuer.header(kid="made-up"), rsa_key(10))
        assert await service.status(made_up) == 401
        issuer.keys[CONTOSO].reverse()
        assert await service.status(fresh(issuer)) == 200


# --- secret tokens ---


@dataclass
class Rotated:
    """The secret token that clients use at the time, and those before it."""

    now: str
    before: list[str] = field(default_factory=list)

    async def rotate(
        self, load: Load, make: Callable[[], Awaitable[str]], revoke: Callable[[str], Awaitable[None]]
    ) -> None:
        """As the operator does it: make another, let the clients use it, revoke the old one when nobody does any more."""
        old, self.now = self.now, await make()
        seen = load.done
        async with load.answered:
            await load.answered.wait_for(lambda: not load.on_the_way[old] and load.done >= seen + _CLIENTS)
        await revoke(id_of(old))
        self.before.append(old)


def id_of(token: str) -> str:
    """The id that a secret token carries."""
    digits = token.split("_")[1]
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


async def test_rotating_secret_tokens_under_load_loses_no_request(issuer: Issuer, data: Path) -> None:
    """The command line is another process's way to the same file; here it is another thread's."""

    async def make() -> str:
        return await asyncio.to_thread(secret_token, "contoso", data)

    async def revoke(id: str) -> None:
        await asyncio.to_thread(scim, "token", "revoke", "--yes", id, "--data", str(data))

    tokens = Rotated(await make())
    async with two_on_a_file(data, issuer) as instances:
        load = Load(instances, lambda *_: tokens.now)

        async def operator() -> None:
            for _ in range(3):
                await tokens.rotate(load, make, revoke)

        await load.run_beside(operator)
        assert len(tokens.before) == 3
        await assert_only_the_last_lets_in(instances, tokens)


async def assert_only_the_last_lets_in(instances: Sequence[Instance], tokens: Rotated) -> None:
    """A minute after the last was revoked, on every instance."""
    instances[0].timer.now += _MINUTE
    for one in instances:
        for token in tokens.before:
            answer = await one.get(token)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="scim", error="invalid_token"'
        assert await one.status(tokens.now) == 200


async def assert_ends_within_a_minute(instances: Sequence[Instance], token: str, pause: float) -> None:
    """The token has just lost its worth; after the pause it is used all the time, until the minute is over."""
    timer = instances[0].timer
    over = timer.now + _MINUTE
    timer.now += pause
    ended: list[set[int]] = []
    while timer.now < over:
        ended.append({await one.status(token) for one in instances})
        timer.now += 0.5
    assert [await one.status(token) for one in instances] == [401, 401]
    # Once it is known to be worth nothing it stays so.
    assert ended == sorted(ended, key=lambda each: 401 in each)


# What is read right before the change is used longest when the next request comes shortly before it would be read again.
_PAUSES: Final = (0.0, 19.5, 25.0, 29.5, 45.0)


@pytest.mark.parametrize("pause", _PAUSES)
async def test_a_revoked_token_ends_within_a_minute_everywhere(issuer: Issuer, data: Path, pause: float) -> None:
    token, other = [await asyncio.to_thread(secret_token, "contoso", data) for _ in range(2)]
    async with two_on_a_file(data, issuer) as instances:
        assert [await one.status(token) for one in instances] == [200, 200]
        await asyncio.to_thread(scim, "token", "revoke", "--yes", id_of(token), "--data", str(data))
        await assert_ends_within_a_minute(instances, token, pause)
        assert [await one.status(other) for one in instances] == [200, 200]


@pytest.mark.parametrize("pause", _PAUSES)
@pytest.mark.parametrize(
    "command", [("remove", "contoso", "--yes"), ("deny", "contoso", "--yes", "--entra-tenant", CONTOSO)]
)
async def test_a_removed_rule_ends_within_a_minute_on_all_instances(
    issuer: Issuer, data: Path, command: tuple[str, ...], pause: float
) -> None:
    token = issuer.token()
    async with two_on_a_file(data, issuer) as instances:
        assert [await one.status(token) for one in instances] == [200, 200]
        await asyncio.to_thread(scim, "customer", *command, "--data", str(data))
        await assert_ends_within_a_minute(instances, token, pause)


# --- both, on Cosmos DB ---


async def test_both_rotations_under_load_on_cosmos_lose_no_request(issuer: Issuer) -> None:
    timer = Timer()
    async with instances_on_cosmos(2, issuer, timer) as (instances, _):
        assert instances[0].app.store is not None
        customers = Customers(instances[0].app.store, utc_now)
        await customers.create("contoso")
        way = AccessRule(customer="contoso", audience=CLOUDS["global"].audience)
        await customers.allow(EntraTenant(id=CONTOSO, cloud="global", access_rules=(way,)))

        async def make() -> str:
            text, record = secret_tokens.create(
                uuid7(utc_now)(),
                "contoso",
                key=await customers.require_mac_key(),
                access="write",
                note="",
                now=utc_now(),
                days=90,
            )
            await customers.add_token(record)
            return text

        tokens = Rotated(await make())
        of_entra = entra_tokens(issuer)

        def token(client: int, number: int) -> str:
            return of_entra(client, number) if client % 4 < 2 else tokens.now

        requests = _REQUESTS // 2
        load = Load(instances, token, rotations(issuer, timer, _CLIENTS * requests), requests)

        async def operator() -> None:
            for _ in range(3):
                await tokens.rotate(load, make, customers.revoke)

        await load.run_beside(operator)
        assert load.done >= _CLIENTS * requests
        assert len(issuer.requests) == 2 * 3
        assert issuer.keys[CONTOSO] == [rsa_key(11)]
        await assert_only_the_last_lets_in(instances, tokens)
