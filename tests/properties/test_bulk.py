"""A bulk does what its operations would do one by one; and whatever it refers to, no reference is left that leads nowhere."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from hypothesis import event, given, strategies as st

from scim.app import App, build
from scim.edge.http import Request
from scim.protocol import bulk
from scim.protocol.bulk import BulkOperation
from scim.protocol.errors import ScimError
from scim.protocol.limits import DEFAULT
from scim.protocol.schema.registry import core
from scim.settings import Settings
from tests.conftest import ORIGIN, TOKEN
from tests.http.checks import ENTERPRISE, UNKNOWN_ID

type Operation = dict[str, Any]

_STATUS: Final = {"POST": 201, "PUT": 200, "PATCH": 204, "DELETE": 204}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What is there to begin with: two users, two groups. A `~` stands for the id of the one of that name.
_USERS, _GROUPS = ("u0", "u1"), ("g0", "g1")

_NAMES: Final = st.sampled_from(["u0", "u1", "ann", "ANN", "ben", ""])
_THERE: Final = st.sampled_from([*(f"~{name}~" for name in (*_USERS, *_GROUPS)), UNKNOWN_ID, "no-id"])
_VERSIONS: Final = st.sampled_from([None, None, None, "*", 'W/"1"', 'W/"2"', '"x"', ""])
_PATHS: Final = st.one_of(
    st.builds("/Users/{}".format, _THERE),
    st.builds("/Groups/{}".format, _THERE),
    st.sampled_from(["/Users", "Groups/"]),
)


def _operation(path: Any, bodies: Any) -> st.SearchStrategy[Operation]:
    return st.fixed_dictionaries(
        {
            "method": st.sampled_from(["PUT", "PATCH", "PATCH", "DELETE"]),
            "path": path,
            "version": _VERSIONS,
            "data": bodies,
        }
    )


def _bodies(values: st.SearchStrategy[str]) -> st.SearchStrategy[Operation]:
    members = st.lists(st.fixed_dictionaries({"value": values}), max_size=3)
    manager = st.fixed_dictionaries({"value": values})
    change = st.one_of(
        st.builds(lambda m: {"op": "add", "path": "members", "value": m}, members),
        st.builds(lambda v: {"op": "remove", "path": f'members[value eq "{v}"]'}, values),
        st.builds(lambda m: {"op": "replace", "path": "manager", "value": m}, manager),
        st.builds(lambda n: {"op": "replace", "path": "userName", "value": n}, _NAMES),
    )
    return st.one_of(
        st.fixed_dictionaries({"userName": _NAMES, "displayName": _NAMES}, optional={"members": members}),
        st.fixed_dictionaries({"userName": _NAMES, "displayName": _NAMES, ENTERPRISE: st.builds(lambda m: {"manager": m}, manager)}),
        st.fixed_dictionaries({"Operations": st.lists(change, max_size=3)}),
    )  # fmt: skip


def _creations(values: st.SearchStrategy[str]) -> st.SearchStrategy[Operation]:
    return st.fixed_dictionaries(
        {"method": st.just("POST"), "path": st.sampled_from(["/Users", "/Groups", "/groups"]), "data": _bodies(values)}
    )


_PLAIN: Final = st.lists(st.one_of(_creations(_THERE), _operation(_PATHS, _bodies(_THERE))), min_size=1, max_size=8)
_REFERENCES: Final = st.sampled_from([f"bulkId:b{n}" for n in range(7)])
_REFERRING: Final = st.lists(
    st.one_of(
        _creations(_REFERENCES),
        _creations(st.one_of(_REFERENCES, _THERE)),
        _operation(
            st.one_of(_PATHS, st.builds("/Groups/{}".format, _REFERENCES)), _bodies(st.one_of(_REFERENCES, _THERE))
        ).filter(lambda one: not (one["method"] == "DELETE" and "bulkId" in one["path"])),
    ),
    min_size=1,
    max_size=8,
)


class _Service:
    """A service of its own, and the ids of what is there to begin with."""

    def __init__(self) -> None:
        self._app: App = build(Settings(), tokens={TOKEN: "default"})
        self.ids: dict[str, str] = {}

    async def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {TOKEN}", **(headers or {})}
        response = await self._app.handler.handle(Request(method, f"/scim/v2{path}", {}, sent, content, ORIGIN))
        return response.status, json.loads(response.body) if response.body else None

    async def begin(self) -> None:
        for name in _USERS:
            self.ids[name] = (await self.send("POST", "/Users", {"userName": name}))[1]["id"]
        for name in _GROUPS:
            made = await self.send("POST", "/Groups", {"displayName": name, "members": [{"value": self.ids["u0"]}]})
            self.ids[name] = made[1]["id"]

    def filled(self, operations: list[Operation]) -> list[Operation]:
        text = json.dumps(operations)
        for name, id in self.ids.items():
            text = text.replace(f"~{name}~", id)
        return [
            {name: value for name, value in one.items() if value is not None} | {"bulkId": f"b{n}"}
            for n, one in enumerate(json.loads(text))
        ]

    async def state(self) -> list[Any]:
        """All that can be seen, but for dates; ids by the order of their creation."""
        text = json.dumps([(await self.send("GET", path))[1]["Resources"] for path in ("/Users", "/Groups")])
        text = re.sub(r'"(created|lastModified)": "[^"]*"', r'"\1": ""', text)
        known: dict[str, str] = {id: name for name, id in self.ids.items()}
        for found in re.finditer(r'"id": "([^"]*)"', text):
            known.setdefault(found[1], f"new {len(known)}")
        text = _UUID.sub(lambda found: known.get(found[0], found[0]), text)
        users, groups = json.loads(text)
        for each in users + groups:
            # Members come in the order of their values, which for new ones is that of their ids.
            for name in ("members", "groups"):
                each.get(name, []).sort(key=lambda one: one["value"])
        return [users, groups]

    async def close(self) -> None:
        await self._app.close()


@given(_PLAIN)
async def test_without_references_a_bulk_is_its_operations_one_by_one(operations: list[Operation]) -> None:
    together, alone = _Service(), _Service()
    try:
        for service in (together, alone):
            await service.begin()
        status, answer = await together.send("POST", "/Bulk", {"Operations": together.filled(operations)})
        assert status == 200
        expected = []
        for one in alone.filled(operations):
            version = {"if-match": one["version"]} if "version" in one else {}
            status, body = await alone.send(one["method"], f"/{one['path'].strip('/')}", one["data"], version)
            expected.append((str(status), (body or {}).get("scimType") if status >= 400 else None))
        assert [(one["status"], one.get("response", {}).get("scimType")) for one in answer["Operations"]] == expected
        event(f"failed: {sum(int(status) >= 400 for status, _ in expected)}")
        assert await together.state() == await alone.state()
    finally:
        await together.close()
        await alone.close()


@given(_REFERRING, st.sampled_from([None, None, 1, 2]))
async def test_no_reference_is_left_that_leads_to_nothing(operations: list[Operation], most: int | None) -> None:
    """Unless the request itself named an id that doesn't exist."""
    service = _Service()
    try:
        await service.begin()
        sent = service.filled(operations)
        status, answer = await service.send("POST", "/Bulk", {"Operations": sent, "failOnErrors": most})
        assert status == 200
        entries = answer["Operations"]
        event(f"answered: {len(entries)} of {len(sent)}")
        assert [one["bulkId"] for one in entries] == [
            each["bulkId"] for each in sent if each["bulkId"] in {one["bulkId"] for one in entries}
        ]
        assert most is not None or len(entries) == len(sent)
        there = await service.state()
        text = json.dumps(there)
        assert "bulkId:" not in text
        # Every id that is left in a resource is one that the service has given to something that is there, but for
        # those that the request named itself.
        allowed = {UNKNOWN_ID, *service.ids.values(), *_USERS, *_GROUPS}
        named = {found[0] for found in _UUID.finditer(text)}
        assert named <= allowed, named - allowed
        created = {
            one["location"].rpartition("/")[2] for one in entries if one["method"] == "POST" and one["status"] == "201"
        }
        users, groups = [(await service.send("GET", path))[1]["Resources"] for path in ("/Users", "/Groups")]
        assert {each["id"] for each in users + groups} - set(service.ids.values()) == created
        for one in entries:
            assert int(one["status"]) == _STATUS[one["method"]] or int(one["status"]) >= 400
    finally:
        await service.close()


# --- the pure parts ---


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=10, max_size=10))
def test_every_operation_has_one_turn_and_only_a_circle_breaks_the_order(needs: list[list[int]]) -> None:
    done = bulk.order(needs)
    assert sorted(done) == list(range(10))
    turn = {at: number for number, at in enumerate(done)}
    for at, needed in enumerate(needs):
        for one in needed:
            assert turn[one] <= turn[at] or _leads_to(needs, one, at), (at, one)


def _leads_to(needs: list[list[int]], start: int, end: int) -> bool:
    seen, unseen = set[int](), [start]
    while unseen:
        at = unseen.pop()
        if at == end:
            return True
        if at not in seen:
            seen.add(at)
            unseen += needs[at]
    return False


_JSON: Final = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["bulkId:a", "bulkId:", 'x[y eq "bulkId:a"]'])),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["path", "Operations", "operations", "value", "members"]), inner, max_size=4)),
    max_leaves=30,
)  # fmt: skip


@given(_JSON, st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]), st.text(max_size=20))
def test_what_is_found_is_what_is_replaced(data: Any, method: Any, path: str) -> None:
    """Whatever the data is; and what was sent stays as it was."""
    operation = BulkOperation(method, path, None, None, data)
    target = bulk.targets(core())(path)
    before = json.dumps(data)
    found = bulk.references(operation, target)
    ids = dict.fromkeys(found, UNKNOWN_ID)
    replaced = bulk.resolved(operation, ids)
    assert json.dumps(data) == before
    again = bulk.references(BulkOperation(method, "", None, None, replaced), bulk.targets(core())(""))
    assert again == ()
    if not found:
        assert replaced == data


@given(st.one_of(_JSON, st.builds(lambda listed: {"Operations": listed}, st.lists(_JSON))))
def test_any_json_is_a_request_or_a_scim_error(message: Any) -> None:
    try:
        request = bulk.bulk_request(message, DEFAULT)
    except ScimError:
        return
    assert request.operations
