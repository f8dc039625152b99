"""An emulator with one container, for the real SDK over a socket and in process."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest
from azure.cosmos.aio import ContainerProxy, CosmosClient

from tests.cosmos_emulator import Emulator
from tests.cosmos_emulator.wire import WireRequest, WireResponse

DATABASE = "scim-store"
DEFINITION: dict[str, Any] = {
    "id": "resources",
    "partitionKey": {"paths": ["/tenant"], "kind": "Hash", "version": 2},
    "defaultTtl": -1,
    "uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/key"]}]},
    "indexingPolicy": {
        "indexingMode": "consistent",
        "includedPaths": [
            {"path": path} for path in ("/tenant/?", "/type/?", "/key/?", "/group/?", "/member/?", "/f/*", "/s/*")
        ],
        "excludedPaths": [{"path": "/*"}],
    },
}

# One attempt for each request, as far as the SDK has options for it; it still retries 429.
ONCE: dict[str, Any] = {"retry_total": 0, "retry_connect": 0, "retry_read": 0, "enable_endpoint_discovery": False}


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Store:
    emulator: Emulator
    client: CosmosClient
    items: ContainerProxy
    clock: Clock

    async def query(self, text: str, tenant: str = "acme", page: int = 1000, **parameters: Any) -> list[Any]:
        given = [{"name": f"@{name}", "value": value} for name, value in parameters.items()]
        found = self.items.query_items(text, parameters=given, partition_key=tenant, max_item_count=page)
        return [row async for row in found]


def item(id: str, tenant: str = "acme", type: str = "User", **properties: Any) -> dict[str, Any]:
    return {"id": id, "tenant": tenant, "type": type, "key": f"{type}:{id}", **properties}


async def _opened(emulator: Emulator, endpoint: str, clock: Clock, **options: Any) -> Store:
    client = CosmosClient(endpoint, emulator.key, **ONCE, **options)
    await client.__aenter__()
    items = client.get_database_client(DATABASE).get_container_client(str(DEFINITION["id"]))
    return Store(emulator, client, items, clock)


@pytest.fixture(params=["socket", "in process"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store over a socket, and one in process."""
    clock = Clock()
    emulator = Emulator(clock=clock)
    emulator.create(DATABASE, DEFINITION)
    if request.param == "socket":
        opened = await _opened(emulator, await emulator.start(), clock)
    else:
        opened = await _opened(emulator, emulator.in_process_endpoint, clock, transport=emulator.transport())
    yield opened
    await opened.client.close()
    await emulator.stop()


@pytest.fixture
async def quick() -> AsyncIterator[Store]:
    """A store in process, for tests that don't depend on a socket."""
    clock = Clock()
    emulator = Emulator(clock=clock)
    emulator.create(DATABASE, DEFINITION)
    opened = await _opened(emulator, emulator.in_process_endpoint, clock, transport=emulator.transport())
    yield opened
    await opened.client.close()


type Send = Callable[..., Any]


class Raw:
    """Sends signed requests without the SDK, also those that the SDK never sends."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator

    def headers(self, method: str, path: str, key: str | None = None) -> dict[str, str]:
        parts = [part for part in path.split("/") if part]
        odd = len(parts) % 2 == 1
        resource_type = parts[-1] if odd else (parts[-2] if parts else "")
        link = "/".join(parts[:-1] if odd else parts)
        date = formatdate(usegmt=True)
        text = f"{method.lower()}\n{resource_type}\n{link}\n{date.lower()}\n\n"
        digest = hmac.digest(base64.b64decode(key or self.emulator.key), text.encode(), sha256)
        signature = base64.b64encode(digest).decode()
        return {
            "authorization": quote(f"type=master&ver=1.0&sig={signature}", safe=""),
            "x-ms-date": date,
            "x-ms-version": "2020-07-15",
        }

    async def send(
        self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str
    ) -> WireResponse:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        every = {**self.headers(method, path, key), **given}
        return await self.emulator.core.handle(WireRequest(method, quote(path, safe="/?%"), every, data, "http://x"))

    async def sent(self, method: str, path: str, body: Any = None, **headers: Any) -> tuple[int, str]:
        response = await self.send(method, path, body, **headers)
        return response.status, response.body.decode()


@pytest.fixture
def raw() -> Raw:
    emulator = Emulator()
    emulator.create(DATABASE, DEFINITION)
    return Raw(emulator)


DOCS = f"/dbs/{DATABASE}/colls/{DEFINITION['id']}/docs"
ACME = {"x_ms_documentdb_partitionkey": '["acme"]'}
QUERY = {**ACME, "x_ms_documentdb_isquery": "true", "content_type": "application/query+json"}
