"""The signing keys of Entra ID as the service keeps them: fetched once, refreshed behind requests, held through outages."""

import asyncio
import json
import logging
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from cachetools import LRUCache
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, RSAKey

from scim.protocol.errors import Unavailable
from scim.security.cache import Cache
from scim.security.entra.signing_keys import FetchFailed, SigningKeys
from scim.security.rate_limit import RateLimit
from tests.conftest import Answer, Loop
from tests.security.conftest import scim, secret_token
from tests.security.instances import Instance, Timer, fresh, instance, settled
from tests.security.issuer import CONTOSO, FABRIKAM, STRANGER, Issuer, rsa_key, signed

_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_GOVERNMENT: Final = "60f00000-5555-4555-8555-555555555555"
_FAILING: Final = ("down", "garbage", "redirect", "huge", "empty", "404")


@dataclass
class OddIssuer(Issuer):
    """Publishes other entries before its keys, and with another status."""

    odd: list[Any] = field(default_factory=list)
    status: int = 200

    def _key_set(self, keys: list[RSAKey]) -> bytes:
        return json.dumps({"keys": [*self.odd, *json.loads(super()._key_set(keys))["keys"]]}).encode()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = await super()._answer(request)
        answer.set_status(self.status)
        return answer


@pytest.fixture
def odd_issuer(loop: Loop) -> Iterator[OddIssuer]:
    running = OddIssuer()
    loop.run(running.start())
    yield running
    loop.run(running.stop())


@pytest.fixture
async def service(issuer: Issuer, data: Path) -> AsyncIterator[Instance]:
    async with instance(data, issuer) as running:
        yield running


def release(loop: Loop, issuer: Issuer) -> None:
    """Let a slow issuer answer."""

    async def released() -> None:
        issuer.released.set()

    loop.run(released())


def made_up(issuer: Issuer, number: int = 0) -> str:
    """A token in every respect like a good one, but for the name of its key."""
    return signed(issuer.claims(), issuer.header(kid=f"made-up-{number}"), issuer.keys[CONTOSO][-1])


def fail(issuer: Issuer, how: Any) -> None:
    """Let fetches fail from now on."""
    if how == "404":
        issuer.keys = {STRANGER: issuer.keys[STRANGER]}
    else:
        issuer.behaviour = how


def assert_come_back(answer: Answer) -> None:
    """503 that says when to try again, in SCIM form."""
    assert (answer.status, answer.headers["retry-after"]) == (503, "10"), answer.body
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.json["status"] == "503"
    assert "www-authenticate" not in answer.headers  # nothing is wrong with the token


async def statuses(service: Instance, tokens: list[str]) -> set[int]:
    """How requests end that come at once."""
    return set(await asyncio.gather(*map(service.status, tokens)))


# --- fetched once, refreshed in the background ---


async def test_many_tokens_at_once_need_one_fetch(service: Instance, issuer: Issuer) -> None:
    for _ in range(2):
        assert await statuses(service, [fresh(issuer) for _ in range(30)]) == {200}
    assert len(issuer.requests) == 1


async def test_keys_of_an_hour_are_fetched_again_while_requests_go_on_with_them(
    service: Instance, issuer: Issuer, loop: Loop
) -> None:
    assert await service.status(fresh(issuer)) == 200
    service.timer.now += _HOUR - 1
    assert await service.status(fresh(issuer)) == 200
    await settled()
    assert len(issuer.requests) == 1
    service.timer.now += 1
    issuer.behaviour = "slow"
    tokens = [fresh(issuer) for _ in range(10)]
    assert await statuses(service, tokens) == {200}  # before the issuer answers
    issuer.rotate(CONTOSO, 10)
    release(loop, issuer)
    await settled()
    assert len(issuer.requests) == 2
    assert await statuses(service, [fresh(issuer), *tokens]) == {200}
    assert len(issuer.requests) == 2  # the new key came with the refresh


async def test_keys_that_the_tenant_took_back_are_dropped_by_the_refresh(service: Instance, issuer: Issuer) -> None:
    seen, unseen = fresh(issuer), fresh(issuer)
    assert await service.status(seen) == 200
    issuer.rotate(CONTOSO, 10, keep=False)
    service.timer.now += _HOUR
    assert await service.status(fresh(issuer)) == 200  # an unknown `kid` waits for the fetch
    assert await service.status(unseen) == 401
    assert await service.status(seen) == 200  # it was verified while the key was good, and goes on until it expires
    assert len(issuer.requests) == 2


async def test_a_cancelled_request_does_not_stop_the_fetch_for_others() -> None:
    reached, released = asyncio.Event(), asyncio.Event()

    async def fetch(_: str) -> bytes:
        reached.set()
        await released.wait()
        return Issuer()._key_set([rsa_key(0)])

    keys = SigningKeys(fetch, timer=Timer())
    first, second = (asyncio.create_task(keys.key("https://example.com/keys", "key-0")) for _ in range(2))
    await reached.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    released.set()
    assert await second is not None


# --- outages ---


async def test_the_last_good_keys_are_used_for_a_day_of_outage_and_no_longer(
    service: Instance, issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    start = service.timer.now
    seen = fresh(issuer)
    assert await service.status(seen) == 200
    issuer.behaviour = "down"
    for number, hours in enumerate((1, 2.5, 23.9)):
        service.timer.now = start + hours * _HOUR
        caplog.clear()
        assert await statuses(service, [fresh(issuer) for _ in range(5)]) == {200}
        await settled()
        assert len(issuer.requests) == 2 + number
        line = f"signing keys can't be fetched (status 503): still using those of {hours:.1f} hours ago"
        assert line in caplog.messages
    service.timer.now = start + 24 * _HOUR
    caplog.clear()
    assert_come_back(await service.get(fresh(issuer)))
    assert await service.status(seen) == 200  # remembered: its signature needs no key
    assert (
        "signing keys can't be fetched (status 503): no token of that Entra tenant can be verified" in caplog.messages
    )
    issuer.behaviour = "well"
    service.timer.now += 10
    assert await service.status(fresh(issuer)) == 200


async def test_an_outage_is_tried_again_at_most_every_ten_seconds(service: Instance, issuer: Issuer) -> None:
    assert await service.status(fresh(issuer)) == 200
    issuer.behaviour = "down"
    service.timer.now += _HOUR
    for expected in (2, 3):
        for _ in range(3):
            assert await statuses(service, [fresh(issuer) for _ in range(5)]) == {200}
            await settled()
        assert len(issuer.requests) == expected
        service.timer.now += 10


async def test_a_start_during_an_outage_is_503_until_it_is_over(service: Instance, issuer: Issuer) -> None:
    issuer.behaviour = "down"
    for expected in (1, 2):
        for answer in await asyncio.gather(*(service.get(fresh(issuer)) for _ in range(20))):
            assert_come_back(answer)
        assert_come_back(await service.get(fresh(issuer)))
        assert len(issuer.requests) == expected
        service.timer.now += 9.5
        assert_come_back(await service.get(fresh(issuer)))
        assert len(issuer.requests) == expected
        service.timer.now += 0.5
    issuer.behaviour = "well"
    assert await service.status(fresh(issuer)) == 200


async def test_an_outage_of_one_tenant_does_not_affect_others(service: Instance, issuer: Issuer) -> None:
    tokens = fresh(issuer), fresh(issuer, FABRIKAM)
    del issuer.keys[CONTOSO]
    assert_come_back(await service.get(tokens[0]))
    assert await service.status(tokens[1]) == 200


@pytest.mark.parametrize("how", _FAILING)
async def test_a_response_without_keys_does_not_replace_cached_keys(
    service: Instance, issuer: Issuer, data: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    tokens = [fresh(issuer) for _ in range(4)]
    assert await service.status(tokens[0]) == 200
    service.timer.now += _HOUR
    fail(issuer, how)
    assert await service.status(tokens[1]) == 200
    await settled()
    assert [line for line in caplog.messages if line.startswith("signing keys can't be fetched (")]
    assert await service.status(tokens[2]) == 200
    async with instance(data, issuer) as started_now:
        assert_come_back(await started_now.get(tokens[3]))
    # A redirect isn't followed.
    assert {path.rpartition("/")[2] for path in issuer.requests} == {"keys"}


@pytest.mark.parametrize("status", [201, 206, 302, 400, 404, 500])
async def test_keys_count_only_with_status_200(odd_issuer: OddIssuer, data: Path, status: int) -> None:
    odd_issuer.status = status
    async with instance(data, odd_issuer) as service:
        assert_come_back(await service.get(fresh(odd_issuer)))
        odd_issuer.status = 200
        service.timer.now += 10
        assert await service.status(fresh(odd_issuer)) == 200


# --- a `kid` that isn't there ---


async def test_unknown_kids_cause_one_fetch_a_minute(service: Instance, issuer: Issuer) -> None:
    assert await service.status(fresh(issuer)) == 200
    for fetches in (2, 3):
        assert await service.status(made_up(issuer, 0)) == 401
        assert await statuses(service, [made_up(issuer, number) for number in range(1, 20)]) == {503}
        assert len(issuer.requests) == fetches
        service.timer.now += _MINUTE - 1
        assert (await service.get(made_up(issuer, 20))).headers["retry-after"] == "1"
        assert await service.status(made_up(issuer, 0)) == 401
        assert await service.status(fresh(issuer)) == 200
        assert len(issuer.requests) == fetches
        service.timer.now += 1


async def test_a_token_with_a_new_key_is_never_refused_because_of_made_up_kids(
    service: Instance, issuer: Issuer
) -> None:
    """401 would put a provisioning job into quarantine; 503 makes it come back."""
    assert await service.status(fresh(issuer)) == 200
    for number in range(10, 13):
        assert await service.status(made_up(issuer, number)) == 401
        issuer.rotate(CONTOSO, number)
        told = await service.get(fresh(issuer))
        assert (told.status, told.headers["retry-after"]) == (503, "60")
        service.timer.now += 30
        assert await service.status(made_up(issuer, 100 + number)) == 503
        service.timer.now += 30
        assert await statuses(service, [fresh(issuer) for _ in range(20)]) == {200}
        service.timer.now += 60


async def test_a_fetch_that_started_before_the_request_does_not_decide(issuer: Issuer) -> None:
    """The answer may have been on its way when the key was published."""
    reached, released, answers = (
        asyncio.Event(),
        asyncio.Event(),
        [[rsa_key(0)], [rsa_key(0)], [rsa_key(0), rsa_key(7)]],
    )

    async def fetch(_: str) -> bytes:
        answer = issuer._key_set(answers.pop(0))
        reached.set()
        await released.wait()
        return answer

    timer = Timer()
    keys = SigningKeys(fetch, timer=timer)
    released.set()
    assert await keys.key("https://example.com/keys", "key-0") is not None
    reached.clear()
    released.clear()
    timer.now += _HOUR
    assert await keys.key("https://example.com/keys", "key-0") is not None  # and a refresh begins
    await reached.wait()
    waiting = asyncio.create_task(keys.key("https://example.com/keys", "key-7"))
    await asyncio.sleep(0)
    released.set()
    assert await waiting is not None
    assert answers == []


async def test_a_new_key_is_found_by_its_kid(service: Instance, issuer: Issuer) -> None:
    assert await service.status(fresh(issuer)) == 200
    issuer.rotate(CONTOSO, 10)
    assert await statuses(service, [fresh(issuer) for _ in range(20)]) == {200}
    assert len(issuer.requests) == 2


async def test_an_unknown_kid_during_an_outage_is_503(service: Instance, issuer: Issuer) -> None:
    assert await service.status(fresh(issuer)) == 200
    issuer.behaviour = "down"
    assert_come_back(await service.get(made_up(issuer)))
    assert_come_back(await service.get(made_up(issuer, 1)))  # who can tell whether it's new or made up?
    assert await service.status(fresh(issuer)) == 200
    assert len(issuer.requests) == 2
    issuer.behaviour = "well"
    service.timer.now += _MINUTE
    assert await service.status(made_up(issuer)) == 401
    assert len(issuer.requests) == 3


# --- what counts as a key ---


def entry(**changes: Any) -> dict[str, Any]:
    """Key 7 as an entry of a key set; a change to `None` takes a member away."""
    whole = {**rsa_key(7).as_dict(private=False), "use": "sig", **changes}
    return {name: value for name, value in whole.items() if value is not None}


_EC: Final = ECKey.generate_key("P-256").as_dict(private=False)
_ODD: Final[dict[str, Any]] = {
    "for encryption": entry(use="enc"),
    "an empty use": entry(use=""),
    "a use that is a list": entry(use=["sig"]),
    "another algorithm": entry(alg="RS512"),
    "an algorithm for encryption": entry(alg="RSA-OAEP"),
    "no algorithm at all": entry(alg="none"),
    "an algorithm that is a list": entry(alg=["RS256"]),
    "operations without verify": entry(key_ops=["sign"]),
    "no operation": entry(key_ops=[]),
    "operations of encryption": entry(key_ops=["wrapKey", "encrypt"]),
    "operations that are a text": entry(key_ops="verify"),
    "an empty kid": entry(kid=""),
    "without a kid": entry(kid=None),
    "a kid that is a number": entry(kid=7),
    "a kid that is a list": entry(kid=["key-7"]),
    "an elliptic curve": {**_EC, "kid": "key-7"},
    "a shared secret": {"kty": "oct", "kid": "key-7", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
    "an unknown kty": entry(kty="rsa"),
    "no modulus": entry(n=None),
    "a modulus that isn't base64": entry(n="!" * 342),
    "a modulus that isn't ASCII": entry(n="é" * 342),
    "a modulus that is a number": entry(n=2**53 - 1),
    "an empty modulus": entry(n=""),
    "no exponent": entry(e=None),
    "an exponent of zero": entry(e="AA"),
    "an even exponent": entry(e="AQAA"),
    "an exponent that is a list": entry(e=["AQAB"]),
    "not an object": "key-7",
    "null": None,
}


@pytest.mark.parametrize("odd", _ODD.values(), ids=_ODD)
async def test_entries_that_are_no_signing_keys_are_ignored(odd_issuer: OddIssuer, data: Path, odd: Any) -> None:
    odd_issuer.odd = [odd]
    async with instance(data, odd_issuer) as service:
        assert await service.status(fresh(odd_issuer)) == 200
        header = odd_issuer.header(kid="key-7")
        assert await service.status(signed(odd_issuer.claims(), header, rsa_key(7))) == 401


async def test_an_entry_of_that_form_is_used_when_it_is_whole(odd_issuer: OddIssuer, data: Path) -> None:
    """Otherwise the test above would hold of anything."""
    odd_issuer.odd = [entry()]
    async with instance(data, odd_issuer) as service:
        assert await service.status(signed(odd_issuer.claims(), odd_issuer.header(kid="key-7"), rsa_key(7))) == 200


async def test_a_weak_key_is_left_out(odd_issuer: OddIssuer, data: Path) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    odd_issuer.odd = [entry(n=base64url(weak.public_key().public_numbers().n.to_bytes(128)))]
    header = odd_issuer.header(kid="key-7")
    text = ".".join(base64url(json.dumps(part).encode()) for part in (header, odd_issuer.claims()))
    token = f"{text}.{base64url(weak.sign(text.encode(), PKCS1v15(), SHA256()))}"
    async with instance(data, odd_issuer) as service:
        assert await service.status(token) == 401
        assert await service.status(fresh(odd_issuer)) == 200


def base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


# --- where keys come from ---


async def test_keys_come_from_the_configured_tenant_and_its_cloud(
    service: Instance, issuer: Issuer, data: Path
) -> None:
    options = ("--entra-tenant", _GOVERNMENT, "--cloud", "us-government", "--data", str(data))
    await asyncio.to_thread(scim, "customer", "allow", "fabrikam", *options)
    issuer.keys[_GOVERNMENT] = [rsa_key(3)]
    assert await service.status(fresh(issuer)) == 200
    assert await service.status(fresh(issuer, version="2.0")) == 200
    assert await service.status(fresh(issuer, FABRIKAM)) == 200
    assert await service.status(fresh(issuer, _GOVERNMENT, cloud="us-government")) == 200
    assert issuer.requests == [
        f"/login.microsoftonline.com/{CONTOSO}/discovery/keys",
        f"/login.microsoftonline.com/{CONTOSO}/discovery/v2.0/keys",
        f"/login.microsoftonline.com/{FABRIKAM}/discovery/keys",
        f"/login.microsoftonline.us/{_GOVERNMENT}/discovery/keys",
    ]


async def test_a_token_can_not_choose_the_address_of_its_keys(service: Instance, issuer: Issuer) -> None:
    issuers = [
        issuer.origin,
        f"https://login.microsoftonline.us/{CONTOSO}/v2.0",
        f"https://sts.windows.net/{FABRIKAM}/",
    ]
    tokens = [fresh(issuer, STRANGER), fresh(issuer, tid="../../elsewhere"), fresh(issuer, tid=CONTOSO.upper())]
    tokens += [fresh(issuer, iss=iss) for iss in issuers]
    assert await statuses(service, tokens) == {401}
    assert issuer.requests == []


# --- the end ---


async def test_closing_ends_a_fetch_that_is_under_way(
    issuer: Issuer, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "asyncio")
    async with instance(data, issuer) as service:
        assert await service.status(fresh(issuer)) == 200
        service.timer.now += _HOUR
        issuer.behaviour = "slow"
        assert await service.status(fresh(issuer)) == 200
        assert asyncio.all_tasks() - {asyncio.current_task()}  # the refresh
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert not [record for record in caplog.records if record.name == "asyncio" and record.levelno >= logging.WARNING]


# --- bounds ---


def caches_of(owner: Any) -> dict[str, int]:
    """The sizes of the bounded caches of an object of `scim.security` and of all below it; of several of a class, the largest."""
    found: dict[str, int] = {}
    for name, value in vars(owner).items():
        if isinstance(value, LRUCache):
            sizes = {f"{type(owner).__name__}.{name}": int(value.maxsize)}
        elif type(value).__module__.startswith("scim.security") and hasattr(value, "__dict__"):
            sizes = caches_of(value)
        else:
            continue
        found.update({name: max(size, found.get(name, 0)) for name, size in sizes.items()})
    return found


def plain_of(owner: Any) -> int:
    """How much stands in containers without a bound."""
    plain = 0
    for value in vars(owner).values():
        if isinstance(value, dict | list | set) and not isinstance(value, LRUCache):
            plain += len(value)
        elif type(value).__module__.startswith("scim.security") and hasattr(value, "__dict__"):
            plain += plain_of(value)
    return plain


async def test_everything_that_is_kept_by_key_has_a_bound(service: Instance, issuer: Issuer, data: Path) -> None:
    authenticated = service.app.handler._authenticate  # type: ignore[union-attr]
    assert caches_of(authenticated) == {
        "Authenticator._known": 10_000,
        "SecretTokens._noted": 10_000,
        "SecretTokens._warned": 10_000,
        "EntraTokens._verified": 10_000,
        "SigningKeys._sets": 1_000,
        "Cache._kept": 10_000,
        "Cache._missing": 10_000,
        "RateLimit._buckets": 10_000,
    }
    before = plain_of(authenticated)
    secret = await asyncio.to_thread(secret_token, "contoso", data)
    tokens = [secret, fresh(issuer), fresh(issuer, FABRIKAM), fresh(issuer, STRANGER), made_up(issuer), "x", ""]
    tokens += [f"scimaf_{number:032x}_{'a' * 84}00000000" for number in range(50)]
    tokens += [issuer.token(tid=f"{number:08x}-1111-4111-8111-111111111111") for number in range(50)]
    assert await statuses(service, tokens) == {200, 401}
    assert plain_of(authenticated) == before


async def test_the_least_recently_used_key_sets_are_dropped() -> None:
    async def fetch(address: str) -> bytes:
        raise FetchFailed(address)

    keys = SigningKeys(fetch, timer=Timer())
    for number in range(1_100):
        with pytest.raises(Unavailable):
            await keys.key(f"https://example.com/{number}", "key-0")
    assert len(keys._sets) == 1_000


async def test_the_least_recently_used_values_and_rate_limits_are_dropped() -> None:
    read: list[str] = []

    async def note(key: str) -> str:
        read.append(key)
        return key

    timer = Timer()
    remembered = Cache(note, seconds=30, timer=timer, size=3)
    budget = RateLimit(1, 1, timer=timer, size=3)
    for key in ("often", "a", "often", "b", "often", "c", "often", "d", "often"):
        assert await remembered.get(key) == key
        if key != "often":
            budget.take(key)
    assert read == ["often", "a", "b", "c", "d"]
    assert (len(remembered._kept), len(budget._buckets)) == (3, 3)
    assert not remembered._reading
    assert await remembered.get("a") == "a"
    assert read[-1] == "a"


# --- values that are read once for all who wait ---


class Source:
    """Something to read that takes until it is told what comes of it."""

    def __init__(self) -> None:
        self.reads: list[asyncio.Future[str]] = []
        self.timer = Timer()
        self.remembered = Cache(self.read, seconds=30, timer=self.timer)

    async def read(self, key: str) -> str:
        self.reads.append(asyncio.get_running_loop().create_future())
        return await self.reads[-1]

    async def waiting(self, number: int) -> list[asyncio.Task[str]]:
        """So many who want the value and have got as far as waiting for it."""
        tasks = [asyncio.create_task(self.remembered.get("key")) for _ in range(number)]
        for _ in range(3):
            await asyncio.sleep(0)
        return tasks


async def test_concurrent_reads_of_a_key_share_one_read() -> None:
    source = Source()
    tasks = await source.waiting(5)
    source.reads[0].set_result("value")
    assert await asyncio.gather(*tasks) == ["value"] * 5
    assert await source.remembered.get("key") == "value"
    assert len(source.reads) == 1


async def test_a_value_is_read_again_when_it_is_old_and_its_age_counts_from_the_start_of_the_read() -> None:
    source = Source()
    [task] = await source.waiting(1)
    source.timer.now += 20  # as long as the read took
    source.reads[0].set_result("old")
    assert await task == "old"
    source.timer.now += 9
    assert await source.remembered.get("key") == "old"
    source.timer.now += 1
    assert not source.remembered.is_fresh("key")
    assert source.remembered.last("key") == "old"
    [task] = await source.waiting(1)
    source.reads[1].set_result("new")
    assert await task == "new"


async def test_a_cancelled_request_does_not_stop_the_read_for_others() -> None:
    source = Source()
    first, second = await source.waiting(2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.reads[0].set_result("value")
    assert await second == "value"
    assert len(source.reads) == 1


async def test_a_failed_read_is_not_cached() -> None:
    source = Source()
    tasks = await source.waiting(3)
    tasks[0].cancel()
    source.reads[0].set_exception(LookupError("gone"))
    assert [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)] == [
        asyncio.CancelledError,
        LookupError,
        LookupError,
    ]
    assert source.remembered.last("key") is None
    [task] = await source.waiting(1)
    source.reads[1].set_result("value")
    assert await task == "value"
