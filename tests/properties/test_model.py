"""Any program of SCIM requests leaves behind, on every store, what a plain model of dictionaries says.

In a program `~u0~` stands for the id of the first user that was made, `~g0~` for that of the first group.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any, Final

import pytest
from hypothesis import Phase, event, given, settings, strategies as st

from scim.app import App, build
from scim.edge.http import Request
from scim.settings import Settings
from tests.conftest import BASE, ORIGIN, Answer
from tests.contract.cosmos import in_process

ENDPOINTS: Final = {"u": "/Users", "g": "/Groups"}
UNIQUE: Final = {"u": "userName", "g": "displayName"}
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
HANDLE: Final = re.compile(r"~[ug]\d~")

type State = dict[str, Any]
"""A resource as a client wrote it; `members` is a set of handles."""
type Step = tuple[Any, ...]

# --- programs ---

_USERS: Final = st.sampled_from(["~u0~", "~u1~", "~u2~"])
_GROUPS: Final = st.sampled_from(["~g0~", "~g0~", "~g1~"])
_VALUES: Final = st.one_of(_USERS, _USERS, _GROUPS, st.just("nobody"))
_MEMBERS: Final = st.lists(_VALUES, max_size=4)
_NAMES: Final = st.sampled_from(["ann", "ANN", "ben", "cid", "Straße", "STRAẞE"])
_TITLES: Final = st.sampled_from(["Guide", "guide", "tour guide", "a%b", "é"])
_TYPES: Final = st.sampled_from(["work", "home"])
_ADDRESSES: Final = st.sampled_from(["a@x.example", "b@x.example", "c@x.example"])
_EMAILS: Final = st.dictionaries(_TYPES, _ADDRESSES, min_size=1).map(
    lambda found: [{"type": type, "value": value} for type, value in found.items()]
)
_ATTRIBUTES: Final = st.fixed_dictionaries(
    {},
    optional={
        "title": _TITLES,
        "externalId": st.sampled_from(["e1", "E1"]),
        "active": st.booleans(),
        "emails": _EMAILS,
    },
)
_USER_CHANGES: Final = st.one_of(
    st.tuples(st.sampled_from(["add", "replace"]), st.just("title"), _TITLES),
    st.tuples(st.just("replace"), st.just("userName"), _NAMES),
    st.tuples(st.just("replace"), st.just("active"), st.sampled_from([True, False, "True", "False"])),
    st.tuples(st.just("remove"), st.sampled_from(["title", "externalId", "emails"]), st.none()),
    st.tuples(st.sampled_from(["add", "replace"]), st.just("emails"), _EMAILS),
    st.tuples(st.just("remove of a type"), _TYPES, st.none()),
    st.tuples(st.just("address of a type"), _TYPES, _ADDRESSES),
    st.tuples(st.just("without a path"), st.just(""), st.fixed_dictionaries({"title": _TITLES, "externalId": _TITLES})),
)
_GROUP_CHANGES: Final[st.SearchStrategy[tuple[str, list[str]]]] = st.one_of(
    st.tuples(st.sampled_from(["add", "add one", "add without a path", "replace", "replace without a path"]), _MEMBERS),
    st.tuples(st.sampled_from(["remove listed", "remove picked", "remove one of", "add", "remove picked"]), _MEMBERS),
    st.tuples(st.just("remove all"), st.lists(_VALUES, max_size=0)),
    st.tuples(st.just("rename"), st.lists(_NAMES, min_size=1, max_size=1)),
)
_USER_FILTERS: Final = st.sampled_from(
    [
        "",
        'userName eq "ANN"',
        'userName eq "straẞe"',
        'title co "guide"',
        "not (title pr)",
        "active eq false",
        'emails[type eq "work" and value eq "a@x.example"]',
        'groups eq "~g0~"',
        'groups eq "nobody"',
    ]
)
_GROUP_FILTERS: Final = st.sampled_from(
    ["", 'displayName eq "ben"', 'members eq "~u0~"', 'members eq "nobody"', 'members eq "~g0~" or displayName sw "C"']
)
_PAGES: Final = st.tuples(st.sampled_from(["", "", "asc", "desc"]), st.integers(1, 3), st.sampled_from([0, 1, 2, 100]))
_WRITES: Final[st.SearchStrategy[Step]] = st.one_of(
    st.tuples(st.just("create"), st.just("u"), _NAMES, _ATTRIBUTES),
    st.tuples(st.just("create"), st.just("g"), _NAMES, st.builds(lambda m: {"members": m}, _MEMBERS)),
    st.tuples(st.just("put"), _USERS, _NAMES, _ATTRIBUTES),
    st.tuples(st.just("put"), _GROUPS, _NAMES, st.fixed_dictionaries({}, optional={"members": _MEMBERS})),
    st.tuples(st.just("patch"), _USERS, st.lists(_USER_CHANGES, min_size=1, max_size=3)),
    st.tuples(st.just("patch"), _GROUPS, st.lists(_GROUP_CHANGES, min_size=1, max_size=3)),
    st.tuples(st.just("patch"), _GROUPS, st.lists(_GROUP_CHANGES, min_size=1, max_size=3)),
    st.tuples(st.just("delete"), st.one_of(_USERS, _GROUPS)),
)
_ORDERS: Final = st.sampled_from(["", "asc", "desc"])
STEPS: Final[st.SearchStrategy[Step]] = st.one_of(
    _WRITES,
    _WRITES,
    _WRITES,
    st.tuples(st.just("bulk"), st.lists(_WRITES, min_size=1, max_size=6)),
    st.tuples(st.just("search"), st.just("u"), _USER_FILTERS, _PAGES),
    st.tuples(st.just("search"), st.just("g"), _GROUP_FILTERS, _PAGES),
    st.tuples(st.just("walk"), st.just("u"), _USER_FILTERS, _ORDERS, st.integers(1, 2)),
    st.tuples(st.just("walk"), st.just("g"), _GROUP_FILTERS, _ORDERS, st.integers(1, 2)),
)
# Somebody to work on comes first.
PROGRAMS: Final = st.lists(STEPS, min_size=5, max_size=20).map(
    lambda steps: [
        ("create", "u", "ann", {"title": "Guide"}),
        ("create", "u", "ben", {}),
        ("create", "g", "ann", {"members": ["~u0~", "nobody"]}),
        *steps,
    ]
)


# --- the model ---


def folded(text: str) -> str:
    return text.lower()


class Model:
    """What there is, by handle, in the order of creation; and what the next step must come to."""

    def __init__(self) -> None:
        self.there: dict[str, State] = {}
        self._made = {"u": 0, "g": 0}

    def known(self, step: Step) -> Step:
        """The step with `nobody` for values that stand for nothing yet."""

        def one(found: re.Match[str]) -> str:
            return found[0] if int(found[0][2]) < self._made[found[0][1]] else "nobody"

        return (*step[:2], *json.loads(HANDLE.sub(one, json.dumps(step[2:]))))

    def take(self, step: Step) -> tuple[int, str | None]:
        """What a step that changes something is answered with, and the handle of what it creates."""
        match step:
            case ("create", resource_type, name, attributes):
                return self.create(resource_type, name, attributes)
            case ("put", handle, name, attributes):
                return self.put(handle, name, attributes), None
            case ("patch", handle, changes):
                return self.patch(handle, changes), None
            case ("delete", handle):
                return self.delete(handle), None
        return 200, None

    def create(self, resource_type: str, name: str, attributes: State) -> tuple[int, str | None]:
        if self._taken(resource_type, name):
            return 409, None
        handle = f"~{resource_type}{self._made[resource_type]}~"
        self._made[resource_type] += 1
        state = {UNIQUE[resource_type]: name, **deepcopy(attributes)}
        self.there[handle] = (
            {"active": True, **state} if resource_type == "u" else {**state, "members": set(state["members"])}
        )
        return 201, handle

    def put(self, handle: str, name: str, attributes: State) -> int:
        if handle not in self.there:
            return 404
        if self._taken(handle[1], name, handle):
            return 409
        kept: State = {key: value for key, value in self.there[handle].items() if key in {"active", "members"}}
        new: State = {**kept, **deepcopy(attributes), UNIQUE[handle[1]]: name}
        if "members" in new:
            new["members"] = set(new["members"])
        self.there[handle] = new
        return 200

    def patch(self, handle: str, changes: list[Any]) -> int:
        if handle not in self.there:
            return 404
        new = deepcopy(self.there[handle])
        for change in changes:
            (self._change_user if handle[1] == "u" else self._change_group)(new, *change)
        if self._taken(handle[1], new[UNIQUE[handle[1]]], handle):
            return 409
        self.there[handle] = new
        return 204

    def delete(self, handle: str) -> int:
        if self.there.pop(handle, None) is None:
            return 404
        for state in self.there.values():
            state.get("members", set()).discard(handle)
        return 204

    def groups_of(self, handle: str) -> set[str]:
        return {group for group, state in self.there.items() if handle in state.get("members", ())}

    def visible(self, handle: str) -> State:
        state = {key: value for key, value in self.there[handle].items() if value not in ([], set())}
        groups = self.groups_of(handle) if handle[1] == "u" else set()
        return {**state, "groups": groups} if groups else state

    def search(self, resource_type: str, text: str) -> list[str]:
        return [h for h in self.there if h[1] == resource_type and self._holds(h, self.there[h], text)]

    def _holds(self, handle: str, state: State, text: str) -> bool:
        word = text.split('"')[1] if '"' in text else ""
        match text.split(" ", maxsplit=1)[0]:
            case "":
                return True
            case "userName" | "displayName":
                return folded(state[text.split(" ", maxsplit=1)[0]]) == folded(word)
            case "title":
                return word in state.get("title", "").lower()
            case "not":
                return "title" not in state
            case "active":
                return not state["active"]
            case "emails[type":
                return {"type": "work", "value": "a@x.example"} in state.get("emails", [])
            case "groups":
                return word in self.groups_of(handle)
        return word in state["members"] or (" or " in text and folded(state["displayName"]).startswith("c"))

    def _taken(self, resource_type: str, name: str, by_other_than: str = "") -> bool:
        return any(
            h[1] == resource_type and h != by_other_than and folded(s[UNIQUE[resource_type]]) == folded(name)
            for h, s in self.there.items()
        )

    def _change_user(self, state: State, op: str, path: str, value: Any) -> None:
        emails = state.get("emails", [])
        match op, path:
            case "add", "emails":
                state["emails"] = emails + [one for one in value if one not in emails]
            case "remove", _:
                state.pop(path, None)
            case "remove of a type", _:
                state["emails"] = [one for one in emails if one["type"] != path]
            case "address of a type", _:
                if not any(one["type"] == path for one in emails):
                    emails = [*emails, {"type": path}]
                state["emails"] = [{**one, "value": value} if one["type"] == path else one for one in emails]
            case "without a path", _:
                state.update(value)
            case _, "active":
                state["active"] = value in {True, "True"}
            case _:
                state[path] = deepcopy(value)

    def _change_group(self, state: State, form: str, values: list[str]) -> None:
        members: set[str] = state["members"]
        match form:
            case "rename":
                state["displayName"] = values[0]
            case "replace" | "replace without a path":
                state["members"] = set(values)
            case "add one":
                members.update(values[:1])
            case "add" | "add without a path":
                members.update(values)
            case "remove all":
                members.clear()
            case "remove picked":
                members.difference_update(values[:1])
            case _:
                members.difference_update(values)


# --- the same as requests ---


def operation_on_user(op: str, path: str, value: Any) -> State:
    match op:
        case "remove of a type":
            return {"op": "remove", "path": f'emails[type eq "{path}"]'}
        case "address of a type":
            return {"op": "Replace", "path": f'emails[type eq "{path}"].value', "value": value}
        case "without a path":
            return {"op": "replace", "value": value}
    return {"op": op, "path": path} | ({} if value is None else {"value": value})


def operation_on_group(form: str, values: list[str]) -> State:
    listed = [{"value": value} for value in values]
    match form:
        case "rename":
            return {"op": "replace", "path": "displayName", "value": values[0]}
        case "add one":
            return {"op": "Add", "path": "members", "value": listed[0] if listed else []}
        case "add" | "replace":
            return {"op": form, "path": "members", "value": listed}
        case "add without a path" | "replace without a path":
            return {"op": form.split(maxsplit=1)[0], "value": {"members": listed}}
        case "remove all":
            return {"op": "remove", "path": "members"}
        case "remove picked":
            return {"op": "remove", "path": f'members[value eq "{values[0] if values else "nobody else"}"]'}
        case "remove one of":
            terms = " or ".join(f'value eq "{value}"' for value in values or ["nobody else"])
            return {"op": "remove", "path": f"members[{terms}]"}
    return {"op": "Remove", "path": "members", "value": listed}


def body_of(resource_type: str, name: str, attributes: State) -> State:
    members = {"members": [{"value": value} for value in attributes["members"]]} if "members" in attributes else {}
    return {**attributes, **members, UNIQUE[resource_type]: name}


class Service:
    """One service under test, in a tenant that only this program uses."""

    def __init__(self, name: str, app: App, token: str) -> None:
        self.name = name
        self._app = app
        self._token = token
        self._ids: dict[str, str] = {}

    async def send(self, method: str, path: str, body: Any = None, **parameters: Any) -> Answer:
        content = b"" if body is None else self._with_ids(json.dumps(body)).encode()
        given = {name: self._with_ids(str(value)) for name, value in parameters.items()}
        headers = {"authorization": f"Bearer {self._token}"}
        request = Request(method, BASE + self._with_ids(path), given, headers, content, ORIGIN)
        response = await self._app.handler.handle(request)
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)

    def made(self, handle: str, id: str) -> None:
        self._ids[handle] = id

    def _with_ids(self, text: str) -> str:
        return HANDLE.sub(lambda found: self._ids.get(found[0], "nobody"), text)

    def shown(self, resource: State) -> State:
        """A resource from an answer in the model's terms."""
        handles = {id: handle for handle, id in self._ids.items()}
        state = {key: value for key, value in resource.items() if key not in {"id", "meta", "schemas"}}
        for relation in {"members", "groups"} & state.keys():
            values = [handles.get(item["value"], item["value"]) for item in state[relation]]
            assert len(values) == len(set(values)), "a member is there twice"
            state[relation] = set(values)
        return state


def request_of(step: Step) -> tuple[str, str, Any]:
    """Method, path and body of a step that changes something."""
    action, target, *rest = step
    resource_type = target if action == "create" else target[1]
    path = ENDPOINTS[resource_type] + ("" if action == "create" else f"/{target}")
    match action:
        case "create":
            return "POST", path, body_of(resource_type, *rest)
        case "put":
            return "PUT", path, body_of(resource_type, *rest)
        case "patch":
            make = operation_on_user if resource_type == "u" else operation_on_group
            return "PATCH", path, {"schemas": [PATCH], "Operations": [make(*change) for change in rest[0]]}
    return "DELETE", path, None


async def took(service: Service, model: Model, before: Model, step: Step, expected: tuple[int, str | None]) -> None:
    """Send one step, which the model has taken already, and compare."""
    status, handle = expected
    method, path, body = request_of(step)
    version = (await service.send("GET", path)).headers.get("etag") if method == "PATCH" else None
    answer = await service.send(method, path, body)
    assert answer.status == status, answer.body
    if handle is not None:
        service.made(handle, answer.json["id"])
    if method == "PATCH" and status == 204:
        same = model.visible(step[1]) == before.visible(step[1])
        assert (answer.headers["etag"] == version) is same, "the version changes with the resource and only then"


async def took_together(service: Service, steps: list[tuple[Step, int, str | None]]) -> None:
    """Send steps as one bulk request: what it creates itself they name by `bulkId`, in paths, values and filters."""
    fresh = [handle for _, _, handle in steps if handle is not None]
    operations: list[State] = []
    for number, (step, _, handle) in enumerate(steps):
        method, path, body = request_of(step)
        operation = {"method": method, "path": path, "data": body}
        text = json.dumps({name: value for name, value in operation.items() if value is not None})
        for other in fresh:
            text = text.replace(other, f"bulkId:{other.strip('~')}")
        made = {"bulkId": handle.strip("~") if handle else f"failed {number}"} if method == "POST" else {}
        operations.append({**json.loads(text), **made})
    answer = await service.send("POST", "/Bulk", {"schemas": [BULK], "Operations": operations})
    assert answer.status == 200, answer.body
    answers = answer.json["Operations"]
    assert [one["status"] for one in answers] == [str(status) for _, status, _ in steps], answers
    for (_, _, handle), one in zip(steps, answers, strict=True):
        if handle is not None:
            service.made(handle, one["location"].rpartition("/")[2])


async def walked(service: Service, model: Model, resource_type: str, text: str, order: str, most: int) -> None:
    """All pages of a search by cursor, to the end and back again."""
    found = _ordered(model, resource_type, text, order)
    asked = _asked(resource_type, text, order)
    pages: list[list[State]] = []
    cursor: str | None = ""
    answer: Any = {}
    while cursor is not None:
        answer = (await service.send("GET", ENDPOINTS[resource_type], **asked, count=most, cursor=cursor)).json
        assert answer["totalResults"] == len(found)
        pages.append([service.shown(resource) for resource in answer.get("Resources", [])])
        cursor = answer.get("nextCursor")
    assert [shown for page in pages for shown in page] == [model.visible(handle) for handle in found]
    assert all(len(page) == most for page in pages[:-1])
    for page in reversed(pages[:-1]):
        answer = (
            await service.send("GET", ENDPOINTS[resource_type], **asked, count=most, cursor=answer["previousCursor"])
        ).json
        assert [service.shown(resource) for resource in answer["Resources"]] == page
    assert "previousCursor" not in answer


def _ordered(model: Model, resource_type: str, text: str, order: str) -> list[str]:
    found = model.search(resource_type, text)
    if order:
        found.sort(key=lambda handle: folded(model.there[handle][UNIQUE[resource_type]]), reverse=order == "desc")
    return found


def _asked(resource_type: str, text: str, order: str) -> dict[str, str]:
    sorting = {"sortBy": UNIQUE[resource_type], "sortOrder": f"{order}ending"} if order else {}
    return {**({"filter": text} if text else {}), **sorting}


async def searched(service: Service, model: Model, resource_type: str, text: str, page: tuple[str, int, int]) -> None:
    order, start, most = page
    found = _ordered(model, resource_type, text, order)
    answer = await service.send(
        "GET", ENDPOINTS[resource_type], **_asked(resource_type, text, order), startIndex=start, count=most
    )
    assert answer.status == 200, answer.body
    assert answer.json["totalResults"] == len(found)
    shown = [service.shown(resource) for resource in answer.json.get("Resources", [])]
    assert shown == [model.visible(handle) for handle in found[start - 1 : start - 1 + most]]


async def run(services: list[Service], program: list[Step]) -> None:
    model = Model()
    for raw in program:
        step = model.known(raw)
        before = deepcopy(model)
        taken: list[tuple[Step, int, str | None]] = []
        for one in step[1] if step[0] == "bulk" else [step]:
            known = model.known(one)  # as the steps before it in the same request have left things
            taken.append((known, *model.take(known)))
            event(f"{step[0]}, {known[0]}: {taken[-1][1]}")
        for service in services:
            try:
                match step:
                    case ("search", resource_type, text, page):
                        await searched(service, model, resource_type, text, page)
                        continue
                    case ("walk", resource_type, text, order, most):
                        await walked(service, model, resource_type, text, order, most)
                        continue
                    case ("bulk", _):
                        await took_together(service, taken)
                    case _:
                        await took(service, model, before, taken[0][0], taken[0][1:])
                for resource_type in ENDPOINTS:
                    await searched(service, model, resource_type, "", ("", 1, 100))
            except AssertionError as error:
                error.add_note(f"on {service.name}, after {step}")
                raise


# --- the test ---

_MOST_PROGRAMS: Final = 5_000


@asynccontextmanager
async def _opened() -> AsyncIterator[dict[str, App]]:
    tokens = {f"token-{number}": f"tenant-{number}" for number in range(_MOST_PROGRAMS)}
    described = Settings(dev_token="another-token-for-tests")
    sqlite = build(described, tokens=tokens)
    async with in_process() as (store, _):
        yield {"SQLite": sqlite, "Cosmos DB": build(described, tokens=tokens, store=store)}
    await sqlite.close()


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[asyncio.Runner, dict[str, App], Iterator[int]]]:
    with asyncio.Runner() as runner:
        opened = _opened()
        yield runner, runner.run(opened.__aenter__()), iter(range(_MOST_PROGRAMS))
        runner.run(opened.__aexit__(None, None, None))


# Without making a failure smaller: that takes minutes, and a program is readable as it is.
@settings(max_examples=60, phases=[Phase.generate])
@given(PROGRAMS)
def test_a_program_of_requests_does_what_the_model_says(
    world: tuple[asyncio.Runner, dict[str, App], Iterator[int]], program: list[Step]
) -> None:
    """After each step every user and every group is as the model has it."""
    runner, apps, numbers = world
    token = f"token-{next(numbers)}"
    runner.run(run([Service(name, app, token) for name, app in apps.items()], program))
