"""The operations of one PATCH on the members of a group come to what they would one after the other on a plain list."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import pytest
from hypothesis import Phase, event, given, settings, strategies as st

from scim.app import App, build
from scim.edge.http import Request
from scim.settings import Settings
from tests.conftest import BASE, ORIGIN
from tests.contract.cosmos import in_process

PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ANN: Final = "~ann~"
TEAM: Final = "~team~"
"""Stand for the ids of a user and of a group: their types are found out where no client has sent them."""
TYPES: Final = {ANN: "User", TEAM: "Group"}
TENANTS: Final = 2_000


@dataclass(frozen=True)
class Listed:
    """A member as a client sends it."""

    value: str
    type: str | None = None
    display: str | None = None

    def body(self) -> dict[str, str]:
        fields = {"value": self.value, "type": self.type, "display": self.display}
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def shown_type(self) -> str | None:
        return self.type or TYPES.get(self.value)


type Members = dict[str, Listed]
type Operation = tuple[str, Any]

_VALUES: Final = st.sampled_from([ANN, TEAM, "a", "b"])
_LISTED: Final = st.builds(
    Listed, _VALUES, st.sampled_from([None, None, "User", "Group"]), st.sampled_from([None, None, "x", "Yé"])
)
_LISTS: Final = st.lists(_LISTED, max_size=3, unique_by=lambda member: member.value)
_FILTERS: Final = st.sampled_from(
    [
        'value eq "a"',
        'value eq "a" or value eq "b"',
        f'value eq "{ANN}" and type eq "User"',
        f'type eq "user" and value eq "{ANN}"',
        f'value eq "{TEAM}" and type eq "User"',
        'type eq "User"',
        'not (type eq "User")',
        'type ne "Group"',
        "type pr",
        'display eq "X"',
        'display co "YÉ"',
        "not (display pr)",
        f'value ne "{ANN}" and display pr',
    ]
)
_OPERATIONS: Final[st.SearchStrategy[Operation]] = st.one_of(
    st.tuples(st.just("add"), _LISTS),
    st.tuples(st.just("add"), _LISTS),
    st.tuples(st.just("replace"), _LISTS),
    st.tuples(st.just("remove"), _LISTS),
    st.tuples(st.just("remove all"), st.none()),
    st.tuples(st.just("remove by filter"), _FILTERS),
    st.tuples(st.just("remove by filter"), _FILTERS),
    st.tuples(st.just("add by filter"), st.tuples(_VALUES, st.sampled_from(["User", "Group"]))),
    st.tuples(st.just("replace by filter"), st.tuples(_VALUES, _LISTED)),
)
_PATCHES: Final = st.lists(_OPERATIONS, min_size=1, max_size=5)
_START: Final = [Listed(ANN), Listed("a", "User", "x")]


def holds(member: Listed, text: str) -> bool:
    """What a filter says of a member."""
    type = (member.shown_type or "").lower()
    display = (member.display or "").lower()
    match text:
        case 'value eq "a"':
            return member.value == "a"
        case 'value eq "a" or value eq "b"':
            return member.value in {"a", "b"}
        case 'type eq "User"':
            return type == "user"
        case 'not (type eq "User")':
            return type != "user"
        case 'type ne "Group"':
            return type != "group"
        case "type pr":
            return bool(type)
        case 'display eq "X"':
            return display == "x"
        case 'display co "YÉ"':
            return "yé" in display
        case "not (display pr)":
            return not display
    if "display pr" in text:
        return member.value != ANN and bool(display)
    return member.value == (ANN if ANN in text else TEAM) and type == "user"


def after(members: Members, operation: Operation) -> Members:
    """The list after one operation."""
    match operation:
        case "add", listed:
            return {**{member.value: member for member in listed}, **members}
        case "replace", listed:
            return {member.value: members.get(member.value, member) for member in listed}
        case "remove", listed:
            gone = {member.value for member in listed}
            return {value: member for value, member in members.items() if value not in gone}
        case "remove all", _:
            return {}
        case "remove by filter", text:
            return {value: member for value, member in members.items() if not holds(member, text)}
        case "add by filter", (value, type):
            return {value: Listed(value, type), **members}
        case "replace by filter", (value, member):
            kept = {v: m for v, m in members.items() if v != value or v == member.value}
            return {member.value: member, **kept}
    raise ValueError(operation)


def body_of(operation: Operation) -> dict[str, Any]:
    match operation:
        case "add" | "replace" | "remove" as op, listed:
            return {"op": op, "path": "members", "value": [member.body() for member in listed]}
        case "remove all", _:
            return {"op": "remove", "path": "members"}
        case "remove by filter", text:
            return {"op": "remove", "path": f"members[{text}]"}
        case "add by filter", (value, type):
            return {"op": "add", "path": f'members[value eq "{value}" and type eq "{type}"]', "value": {}}
        case "replace by filter", (value, member):
            return {"op": "replace", "path": f'members[value eq "{value}"]', "value": member.body()}
    raise ValueError(operation)


class Client:
    """A tenant of one app."""

    def __init__(self, app: App, token: str) -> None:
        self._app = app
        self._token = token
        self._ids: dict[str, str] = {}

    async def send(self, method: str, path: str, body: Any = None) -> tuple[int, str | None, Any]:
        text = "" if body is None else json.dumps(body)
        for name, id in self._ids.items():
            text = text.replace(name, id)
        headers = {"authorization": f"Bearer {self._token}"}
        response = await self._app.handler.handle(Request(method, BASE + path, {}, headers, text.encode(), ORIGIN))
        etag = {name.lower(): value for name, value in response.headers.items()}.get("etag")
        return response.status, etag, json.loads(response.body) if response.body else {}

    async def patched(self, operations: list[Operation]) -> tuple[dict[str, Any], bool]:
        """The members that are shown after one PATCH, and whether the group has another version."""
        self._ids[ANN] = (await self.send("POST", "/Users", {"userName": "ann"}))[2]["id"]
        self._ids[TEAM] = (await self.send("POST", "/Groups", {"displayName": "Team"}))[2]["id"]
        listed = [member.body() for member in _START]
        _, before, group = await self.send("POST", "/Groups", {"displayName": "All", "members": listed})
        path = f"/Groups/{group['id']}"
        patch = {"schemas": [PATCH], "Operations": [body_of(operation) for operation in operations]}
        status, answered, refusal = await self.send("PATCH", path, patch)
        assert status == 204, refusal
        _, version, group = await self.send("GET", path)
        assert answered == version
        names = {id: name for name, id in self._ids.items()}
        shown = {names.get(member["value"], member["value"]): member for member in group.get("members", [])}
        return {v: (m.get("type"), m.get("display")) for v, m in shown.items()}, version != before


@asynccontextmanager
async def _opened() -> AsyncIterator[list[App]]:
    tokens = {f"token-{number}": f"tenant-{number}" for number in range(TENANTS)}
    described = Settings(dev_token="another-token-for-tests")
    sqlite = build(described, tokens=tokens)
    async with in_process() as (store, _):
        yield [sqlite, build(described, tokens=tokens, store=store)]
    await sqlite.close()


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[asyncio.Runner, list[App], Iterator[int]]]:
    with asyncio.Runner() as runner:
        opened = _opened()
        yield runner, runner.run(opened.__aenter__()), count()
        runner.run(opened.__aexit__(None, None, None))


@settings(max_examples=100, phases=[Phase.generate])
@given(_PATCHES)
def test_the_operations_of_a_patch_equal_patches_of_one_operation_each(
    world: tuple[asyncio.Runner, list[App], Iterator[int]], operations: list[Operation]
) -> None:
    runner, apps, numbers = world
    members = before = {member.value: member for member in _START}
    for operation in operations:
        members = after(members, operation)
        event(operation[0])
    token = f"token-{next(numbers)}"
    for app in apps:
        shown, is_changed = runner.run(Client(app, token).patched(operations))
        assert shown == {value: (member.shown_type, member.display) for value, member in members.items()}
        assert is_changed is (members != before)
