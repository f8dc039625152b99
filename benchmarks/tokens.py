"""What it costs to check a token, beside the one RSA verification that nobody can do without.

The tokens are Entra ID's in form and signed with real keys; the keys come over HTTP from an issuer in the same process, and
are there before anything is measured.
"""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, cycle, islice
from time import perf_counter
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from benchmarks import people
from benchmarks.measure import Batch, Figure, Side, compare, growth, timed
from benchmarks.report import Section, verdict
from scim.app import Collaborators, build, utc_now
from scim.edge.handler import Handler
from scim.edge.http import Request
from scim.ids import uuid7
from scim.security import secret_tokens
from scim.security.clouds import CLOUDS
from scim.security.customers.records import AccessRule, EntraTenant
from scim.security.customers.repository import Customers
from scim.security.principal import Authenticate
from scim.settings import Settings
from tests.security.issuer import CONTOSO, Issuer

_TITLE: Final = "Checking tokens"
_CHARACTERS: Final = 1_250
_CUSTOMER: Final = "contoso"
_DEVELOPER: Final = "a-token-for-benchmarks"
_HOST: Final = "scim.example.com"
_USERS: Final = 100
_KNOWN: Final = 50
_WARM, _COLD = 200, 50
_WARM_TARGET, _COLD_TARGET = 0.2, 4.0

_BARE: Final = "a bare RS256 verification"
_TARGETS: Final[Mapping[str, float | None]] = {
    "Entra token, seen before": _WARM_TARGET,
    "Entra token, new": _COLD_TARGET,
    "secret token, seen before": _WARM_TARGET,
    "secret token, new": _COLD_TARGET,
    "secret token, new, and its use noted": None,
}
_BY_DEVELOPER: Final = "GET a user, development token"
_REQUESTS: Final = ("GET a user, Entra token seen before", "GET a user, secret token seen before")


@dataclass(frozen=True, slots=True)
class Service:
    """The service with one customer; `door` is what its handler asks, without the rest of a request."""

    handler: Handler
    door: Authenticate
    customers: Customers
    issuer: Issuer
    loop: asyncio.AbstractEventLoop

    def spend(self, work: Iterable[Callable[[], Awaitable[object]]]) -> float:
        """CPU seconds that these take, one after another."""

        async def all_of_it() -> None:
            for one in work:
                await one()

        return timed(partial(self.loop.run_until_complete, all_of_it()))


def run(rounds: int) -> Section:
    """Measure everything in the same rounds; the section of the report."""
    loop = asyncio.new_event_loop()
    issuer = Issuer()
    origin = loop.run_until_complete(issuer.start())
    # Time goes a thousand times slower, so that what was seen before stays so however long the rounds take.
    slowly = Collaborators(timer=lambda: perf_counter() / 1_000)
    app = build(Settings(dev_keys=origin, dev_token=_DEVELOPER, requests_per_second=100_000), slowly)
    if not isinstance(app.handler, Handler) or app.store is None:
        raise TypeError("the service wasn't built")
    door = app.handler._authenticate  # noqa: SLF001 - nothing else hands out the door by itself
    service = Service(app.handler, door, Customers(app.store, utc_now), issuer, loop)
    try:
        loop.run_until_complete(_open(service))
        sides, characters = _sides(service)
        figures = compare(sides, rounds)
    finally:
        loop.run_until_complete(app.close())
        loop.run_until_complete(issuer.stop())
        loop.close()
    return _section(figures, characters, rounds)


async def _open(service: Service) -> None:
    await service.customers.create(_CUSTOMER)
    way = AccessRule(customer=_CUSTOMER, audience=CLOUDS["global"].audience)
    await service.customers.allow(EntraTenant(id=CONTOSO, cloud="global", access_rules=(way,)))


# --- the sides ---


def _sides(service: Service) -> tuple[dict[str, Side], int]:
    """What is compared, and how long a token of Entra ID is."""
    entra = _entra_tokens(service)
    secret = _secret_tokens(service, noted=True)
    unnoted = _secret_tokens(service, noted=False)
    known_entra, known_secret = list(islice(entra, _KNOWN)), list(islice(secret, _KNOWN))
    own, of_developer = _users(service, known_entra[0]), _users(service, _DEVELOPER)
    sides = {
        _BARE: Side(_verified(service, known_entra), _COLD),
        "Entra token, seen before": Side(_checked(service, _known(service, known_entra)), _WARM),
        "Entra token, new": Side(_checked(service, entra), _COLD),
        "secret token, seen before": Side(_checked(service, _known(service, known_secret)), _WARM),
        "secret token, new": Side(_checked(service, secret), _COLD),
        "secret token, new, and its use noted": Side(_checked(service, unnoted), _COLD),
        _BY_DEVELOPER: Side(_got(service, [_DEVELOPER], of_developer), _WARM),
        _REQUESTS[0]: Side(_got(service, known_entra, own), _WARM),
        _REQUESTS[1]: Side(_got(service, known_secret, own), _WARM),
    }
    return sides, len(known_entra[0])


def _entra_tokens(service: Service) -> Iterator[str]:
    """Tokens that differ, all of the typical length."""
    short = len(service.issuer.token(aio="", uti="0" * 22))
    aio = "E2ZgYLgU7zWv" * 99
    # Four characters of the token stand for three of a claim.
    return (service.issuer.token(aio=aio[: (_CHARACTERS - short) * 3 // 4], uti=f"{n:022x}") for n in count())


def _secret_tokens(service: Service, *, noted: bool) -> Iterator[str]:
    """Tokens that the store knows; those that are `noted` were in use within the last hour."""
    new_id = uuid7(utc_now)
    key = service.loop.run_until_complete(service.customers.require_mac_key())
    while True:
        now = utc_now()
        text, record = secret_tokens.create(new_id(), _CUSTOMER, key=key, access="write", note="", now=now, days=365)
        kept = replace(record, last_used=now) if noted else record
        service.loop.run_until_complete(service.customers.add_token(kept))
        yield text


def _known(service: Service, tokens: Sequence[str]) -> Iterator[str]:
    """These over and over, after each was let in once."""
    service.spend(partial(service.door, f"Bearer {token}") for token in tokens)
    return cycle(tokens)


def _checked(service: Service, tokens: Iterator[str]) -> Batch:
    """The door lets tokens in."""

    def batch(number: int) -> float:
        return service.spend([partial(service.door, f"Bearer {next(tokens)}") for _ in range(number)])

    return batch


def _verified(service: Service, tokens: Sequence[str]) -> Batch:
    """Signatures of the same tokens, cut out of them and decoded beforehand, by `cryptography` alone."""
    key = service.issuer.keys[CONTOSO][-1].public_key
    if not isinstance(key, RSAPublicKey):
        raise TypeError("the issuer's key isn't RSA")
    parts = [token.encode().rsplit(b".", 1) for token in tokens]
    ready = cycle([(urlsafe_b64decode(signature + b"=="), content) for content, signature in parts])

    def batch(number: int) -> float:
        turns = list(islice(ready, number))

        def work() -> None:
            for signature, content in turns:
                key.verify(signature, content, PKCS1v15(), SHA256())

        return timed(work)

    return batch


def _got(service: Service, tokens: Sequence[str], ids: Sequence[str]) -> Batch:
    """The handler answers for one user after another."""
    turns = zip(cycle(tokens), cycle(ids), strict=False)

    async def ask(request: Request) -> None:
        answer = await service.handler.handle(request)
        if answer.status != 200:
            raise RuntimeError(f"a request that was measured failed: {answer.status} {answer.body[:500]!r}")

    def batch(number: int) -> float:
        requests = [_request("GET", f"/Users/{id}", token) for token, id in islice(turns, number)]
        return service.spend(partial(ask, request) for request in requests)

    return batch


def _users(service: Service, token: str) -> list[str]:
    """The ids of new users of the tenant that the token leads to."""
    requests = [_request("POST", "/Users", token, json.dumps(people.user(n)).encode()) for n in range(_USERS)]
    answers = [service.loop.run_until_complete(service.handler.handle(request)) for request in requests]
    return [answer.headers["Location"].rpartition("/")[2] for answer in answers]


def _request(method: str, path: str, token: str, body: bytes = b"") -> Request:
    headers = {
        "host": _HOST,
        "accept": "application/scim+json",
        "content-type": "application/scim+json",
        "authorization": f"Bearer {token}",
    }
    return Request(method, f"/scim/v2{path}", {}, headers, body, f"https://{_HOST}")


# --- the report ---


def _section(figures: Mapping[str, Figure], characters: int, rounds: int) -> Section:
    lines = [
        "The door of the service beside `cryptography` verifying signatures of Entra's tokens by itself: RSA keys of 2,048 bits,",
        f"tokens of {characters:,} characters. Medians of CPU over {rounds} rounds in which all take turns. A new token is one that the",
        "service hasn't seen yet; it knows the customer and the signing keys. The record of a new secret token is read from the",
        "store, which is in memory, and about once an hour its use is noted there.",
        "",
        "| check | CPU : bare verification | target | |",
        "|---|--:|--:|---|",
    ]
    for name, target in _TARGETS.items():
        ratio = growth(figures[_BARE], figures[name])
        held = f"≤ {target:g} | {verdict(ratio <= target)}" if target is not None else "|"
        lines.append(f"| {name} | {ratio:.2f} | {held} |")
    lines += [
        "",
        "A whole request through the handler. A development token is looked up in a list, and needs nothing else:",
        "",
        "| request | CPU : with a development token |",
        "|---|--:|",
        *(f"| {name} | {growth(figures[_BY_DEVELOPER], figures[name]):.2f} |" for name in _REQUESTS),
        "",
        "Microseconds of CPU, with the middle half of the rounds in brackets:",
        "",
        "| | CPU |",
        "|---|--:|",
        *(f"| {name} | {_tenths(figure)} |" for name, figure in figures.items()),
    ]
    return Section(_TITLE, "\n".join(lines))


def _tenths(figure: Figure) -> str:
    """Microseconds, as `report.microseconds` has them but for a digit more: some of these are few."""
    return f"{figure.middle * 1e6:,.1f} ({figure.lower * 1e6:,.1f} to {figure.upper * 1e6:,.1f})"
