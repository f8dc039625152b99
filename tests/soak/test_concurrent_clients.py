"""Several clients at the same time on one group and one user, on every store: as if one had come after the other."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
import pytest

from tests.concurrent_clients import Sent, Service, order_of, some_requests
from tests.conftest import BASE, TOKEN, CosmosAccount, Loop, Server
from tests.soak.conftest import Log
from tests.soak.test_soak import is_soak, scales, seed_of


@contextmanager
def _running(store: str, loop: Loop, folder: Path) -> Iterator[list[str]]:
    """The origins of the processes that serve from one store."""
    with ExitStack() as stack:
        match store:
            case "sqlite-memory":
                servers = [Server()]
            case "sqlite-file":
                servers = [Server("--data", str(folder / "scim.db")) for _ in range(2)]
            case _:
                account = CosmosAccount(loop)
                stack.callback(account.stop)
                servers = [Server("--store", "cosmos", environment=account.environment) for _ in range(2)]
        for server in servers:
            stack.callback(server.stop)
        yield [server.origin for server in servers]


# A sample on Cosmos DB is small, because its emulator shares the machine; tests/properties has more rounds on it.
_SAMPLES: Final = {"sqlite-memory": 50, "sqlite-file": 50, "cosmos": 20}


@pytest.mark.parametrize("store", _SAMPLES)
@scales(sample=0, long=1_000)
def test_concurrent_clients_equal_a_serial_order_of_their_requests(
    scale: int, store: str, loop: Loop, tmp_path: Path, log: Log, request: pytest.FixtureRequest
) -> None:
    random = Random(seed_of(request))
    with _running(store, loop, tmp_path) as origins:
        statuses = asyncio.run(_rounds(scale or _SAMPLES[store], origins, random))
    if is_soak(request):
        told = [f"| {status} | {number:,} |" for status, number in sorted(statuses.items())]
        log.write(f"{scale:,} rounds of clients at the same time, {store}", "| answer | times |", "|---|--:|", *told)


async def _rounds(number: int, origins: Sequence[str], random: Random) -> dict[int, int]:
    """How often each status was answered."""
    statuses: dict[int, int] = {}
    usual = {"authorization": f"Bearer {TOKEN}", "content-type": "application/scim+json"}
    async with aiohttp.ClientSession(headers=usual) as http:

        async def send(client: int, method: str, path: str, headers: dict[str, str], content: bytes) -> Sent:
            origin = origins[client % len(origins)]
            async with http.request(method, f"{origin}{BASE}{path}", headers=headers, data=content) as answer:
                named = {name.lower(): value for name, value in answer.headers.items()}
                return answer.status, named, await answer.read()

        for _ in range(number):
            service = Service(send)
            await service.open()
            requests = some_requests(random)
            answers = await asyncio.gather(*(service.answer(at, one) for at, one in enumerate(requests)))
            done = await service.round(requests, answers)
            assert order_of(done) is not None, f"no order explains this:\n{done}"
            for answer in answers:
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
            await service.close()
    return statuses
