"""The service on an emulator, with the same sample data for every customer, and the state that a client reads."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final, Self

from scim.app import App, Collaborators, build
from scim.edge.http import Request
from scim.protocol import search_fields
from scim.protocol.schema.registry import core
from scim.settings import Settings
from scim.storage.cosmos.container import CONTAINER
from scim.storage.cosmos.store import CosmosStore
from tests.cosmos_emulator import Emulator

TENANTS: Final = 1_000
MANY: Final = tuple(f"m{number:03}" for number in range(210))
_PLAIN_PATH: Final = re.compile(r"/(dbs/scim(/colls/resources(/(pkranges|docs(/[A-Za-z0-9:_-]+)?))?)?/?)?")


async def at_once(seconds: float) -> None:
    """Sleep without waiting."""


@dataclass(frozen=True)
class Answer:
    """A response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


type State = tuple[dict[str, str | None], dict[str, list[str]]]
"""The titles of users and the members of groups, by name, as a client reads them."""


@dataclass(frozen=True)
class Service:
    """The app on an emulator, for one customer."""

    app: App
    emulator: Emulator
    tenant: str
    prototype: tuple[dict[str, Any], ...] = ()

    @property
    def store(self) -> CosmosStore:
        assert isinstance(self.app.store, CosmosStore)
        return self.app.store

    def of(self, tenant: str, *, with_many: bool = True) -> Self:
        """Return the service for another customer, with the same sample data."""
        self.emulator.faults.clear()
        self.emulator.requests.clear()
        kept = [item for item in self.prototype if with_many or item.get("member") not in MANY]
        self.emulator.seed({**item, "tenant": tenant} for item in kept)
        return replace(self, tenant=tenant)

    async def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, query: str = ""
    ) -> Answer:
        """Send a request to a path below the base path to the handler."""
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {self.tenant}", **(headers or {})}
        parameters = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
        request = Request(method, f"/scim/v2{path}", parameters, sent, content, "https://scim.example.com")
        response = await self.app.handler.handle(request)
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)

    async def patch(self, path: str, *operations: dict[str, Any]) -> Answer:
        return await self.send("PATCH", path, patch_of(*operations))

    async def state(self) -> State:
        """Return the state that a client reads. `members` of groups and `groups` of users must agree."""
        users = await self._listed("/Users")
        groups = await self._listed("/Groups")
        for each in groups:
            values = [member["value"] for member in each.get("members", ())]
            assert len(values) == len(set(values)), "a member is doubled"
        from_groups = {
            user["userName"]: {g["id"] for g in groups for m in g.get("members", ()) if m["value"] == user["id"]}
            for user in users
        }
        assert from_groups == {user["userName"]: {g["value"] for g in user.get("groups", ())} for user in users}
        return (
            {user["userName"]: user.get("title") for user in users},
            {each["displayName"]: sorted(m["value"] for m in each.get("members", ())) for each in groups},
        )

    def stored(self) -> State:
        """Return the same state, read from the items."""
        items = self._items()
        users = {i["resource"]["userName"]: i["resource"].get("title") for i in items if i["type"] == "User"}
        names = {i["id"].partition(":")[2]: i["resource"]["displayName"] for i in items if i["type"] == "Group"}
        groups: dict[str, list[str]] = {name: [] for name in names.values()}
        for item in items:
            if item["type"] == "member" and item["group"] in names:
                groups[names[item["group"]]].append(item["member"])
        return users, {name: sorted(values) for name, values in groups.items()}

    def _items(self) -> list[dict[str, Any]]:
        # Without copies, which would take most of the time of these tests.
        return [item.document for item in self.emulator.container().partition(self.tenant).items()]

    async def _listed(self, path: str) -> list[Any]:
        answer = await self.send("GET", path, query="count=1000")
        assert answer.status == 200, answer.body
        assert answer.json["totalResults"] == len(answer.json["Resources"])
        resources: list[Any] = answer.json["Resources"]
        return resources

    def check_items(self) -> None:
        """Check that items are consistent, and that each member item has a group or a marker for the sweep."""
        items = {item["id"]: item for item in self._items()}
        for id, item in items.items():
            prefix, _, of = id.partition(":")
            if prefix == "m":
                group = item["group"]
                assert {f"Group:{group}", f"x:gone:Group:{group}", f"x:pending:Group:{group}"} & set(items), id
            elif prefix != "x":
                resource_type, resource = core().resource_types[prefix], item["resource"]
                f = search_fields.build(resource, resource_type)
                assert (resource["id"], f"x:gone:{id}" in items) == (of, False)
                assert (item["key"], item["f"]) == (search_fields.key(resource, resource_type), f)
                assert item["s"] == dict(search_fields.sort_keys(resource, f, resource_type))

    def orphans(self) -> list[str]:
        """Return the member items of groups that don't exist."""
        items = {item["id"]: item for item in self._items()}
        return [id for id, one in items.items() if one["type"] == "member" and f"Group:{one['group']}" not in items]

    def check_urls(self) -> None:
        """Check that all requested database paths consist of the service's own names and ids."""
        for call in self.emulator.requests:
            assert _PLAIN_PATH.fullmatch(call.path), call.path


def patch_of(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}


def members(*values: str) -> list[dict[str, str]]:
    return [{"value": value} for value in values]


_names: Final = count(1)


def new_tenant() -> str:
    """Return a customer that no test has used before."""
    number = next(_names)
    assert number < TENANTS
    return f"t{number}"


def app_on(endpoint: str, key: str, container: str = "resources", **collaborators: Any) -> App:
    """Return the app as built from the environment, with a token for each customer."""
    settings = Settings(store="cosmos", cosmos_endpoint=endpoint, cosmos_key=key, cosmos_container=container)
    given = Collaborators(sleep=at_once, **collaborators)
    return build(settings, given, tokens={f"t{number}": f"t{number}" for number in range(TENANTS)})


@asynccontextmanager
async def serving(consistency: str = "Strong", **options: Any) -> AsyncIterator[Service]:
    """Yield an app on its own emulator, over a socket."""
    emulator = Emulator(consistency=consistency)
    emulator.create("scim", {"id": "resources", **CONTAINER})
    endpoint = await emulator.start()
    app = app_on(endpoint, **{"key": emulator.key, **options})
    try:
        yield Service(app, emulator, "t0")
    finally:
        await app.close()
        await emulator.stop()


@dataclass(frozen=True)
class Ids:
    """The ids of the sample data."""

    ada: str
    bob: str
    small: str
    large: str


async def populated(service: Service) -> tuple[Service, Ids]:
    """Create two users, a small group of both, and a large group of more than two batches. Keeps copies of the items."""

    async def made(path: str, body: dict[str, Any]) -> str:
        answer = await service.send("POST", path, body)
        assert answer.status == 201, answer.body
        id: str = answer.json["id"]
        return id

    ada = await made("/Users", {"userName": "ada", "title": "old"})
    bob = await made("/Users", {"userName": "bob"})
    small = await made("/Groups", {"displayName": "Small", "members": members(ada, bob, "away")})
    large = await made("/Groups", {"displayName": "Large", "members": members(ada, *MANY)})
    own = {"_rid", "_self", "_etag", "_ts", "_attachments"}
    prototype = [{k: v for k, v in item.items() if k not in own} for item in service.emulator.items(service.tenant)]
    return replace(service, prototype=tuple(prototype)), Ids(ada, bob, small, large)
