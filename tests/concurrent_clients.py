"""Requests of several clients on one user and one group, and whether what came of them equals one order of them.

Knows no store and no schedule: a test sends the requests at the same time, by whatever means, and hands the answers over.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER: Final = "~user~"
"""Stands for the id of the user, which is a member like any other value."""
VALUES: Final = (USER, "a", "b", "c")
DISPLAYS: Final = (None, "x", "y")


@dataclass(frozen=True)
class State:
    """The group and the user as clients see them; `None` once they are deleted."""

    group: Mapping[str, str] | None
    """Its attributes."""
    members: Mapping[str, str | None]
    """The `display` of each member by its value."""
    user: Mapping[str, str] | None


START: Final = State({"displayName": "Start"}, {USER: "x", "a": "x", "b": None}, {"title": "Start"})


@dataclass(frozen=True)
class Request:
    """One request of a client; `action` is a method of `Model`, with its arguments."""

    action: str
    arguments: tuple[Any, ...] = ()
    conditional: bool = False
    """Whether it is sent with the version of the start as `If-Match`."""


@dataclass(frozen=True)
class Answer:
    """What a client was told."""

    status: int
    version: str | None = None
    members: Mapping[str, str | None] | None = None
    """Those in the body, if there is one."""


# --- the requests as they are sent ---


def path_of(request: Request) -> str:
    """The endpoint that a request goes to: a user's or a group's."""
    return "/Users" if request.action.endswith("user") else "/Groups"


def sent(request: Request) -> tuple[str, Any]:
    """Method and body."""
    match request.action, request.arguments:
        case "delete_group" | "delete_user", ():
            return "DELETE", None
        case "put_group", (name, None):
            return "PUT", {"displayName": name}
        case "put_group", (name, values):
            return "PUT", {"displayName": name, "members": _listed(values)}
        case "put_user", (title,):
            return "PUT", {"userName": USER, "title": title}
    return "PATCH", {"schemas": [PATCH], "Operations": _operations(request.action, request.arguments)}


def _operations(action: str, arguments: tuple[Any, ...]) -> list[dict[str, Any]]:
    match action, arguments:
        case "add", (values, display):
            return [{"op": "add", "path": "members", "value": _listed(values, display)}]
        case "remove", (values,):
            return [{"op": "remove", "path": "members", "value": _listed(values)}]
        case "exchange", (new, old):
            return [*_operations("add", (new, None)), *_operations("remove", (old,))]
        case "add_again", (value, display):
            return [*_operations("remove", ((value,),)), *_operations("add", ((value,), display))]
        case "replace_members", (values,):
            return [{"op": "replace", "path": "members", "value": _listed(values)}]
        case "clear", ():
            return [{"op": "remove", "path": "members"}]
        case "remove_by_display", (display,):
            return [{"op": "remove", "path": f'members[display eq "{display}"]'}]
        case "remove_by_type", ():
            return [{"op": "remove", "path": 'members[type eq "User"]'}]
        case "rename", (name, then, rest):
            rename = {"op": "replace", "path": "displayName", "value": name}
            return [rename, *(_operations(then, rest) if then else [])]
        case "change_user", (path, value):
            return [{"op": "replace", "path": path, "value": value}]
    raise ValueError(action)


def _listed(values: Sequence[str], display: str | None = None) -> list[dict[str, str]]:
    return [{"value": value, **({"display": display} if display else {})} for value in values]


# --- what they mean, one after the other ---


class Model:
    """Each request as a function of the state before it."""

    @staticmethod
    def after(state: State, request: Request) -> State | None:
        """The state after a request; `None` if what it is for isn't there."""
        if (state.user if path_of(request) == "/Users" else state.group) is None:
            return None
        new: State = getattr(Model, request.action)(state, *request.arguments)
        return new

    @staticmethod
    def add(state: State, values: Sequence[str], display: str | None) -> State:
        new = {value: display for value in values if value not in state.members}
        return replace(state, members={**state.members, **new})

    @staticmethod
    def remove(state: State, values: Sequence[str]) -> State:
        return replace(state, members={v: display for v, display in state.members.items() if v not in values})

    @staticmethod
    def exchange(state: State, new: Sequence[str], old: Sequence[str]) -> State:
        return Model.remove(Model.add(state, new, None), old)

    @staticmethod
    def add_again(state: State, value: str, display: str | None) -> State:
        return Model.add(Model.remove(state, [value]), [value], display)

    @staticmethod
    def replace_members(state: State, values: Sequence[str]) -> State:
        return replace(state, members={value: state.members.get(value) for value in values})

    @staticmethod
    def clear(state: State) -> State:
        return replace(state, members={})

    @staticmethod
    def remove_by_display(state: State, display: str) -> State:
        return replace(state, members={value: shown for value, shown in state.members.items() if shown != display})

    @staticmethod
    def remove_by_type(state: State) -> State:
        return state if state.user is None else Model.remove(state, [USER])

    @staticmethod
    def rename(state: State, name: str, then: str | None, rest: tuple[Any, ...]) -> State:
        new = replace(state, group={**(state.group or {}), "displayName": name})
        return new if then is None else getattr(Model, then)(new, *rest)

    @staticmethod
    def put_group(state: State, name: str, values: Sequence[str] | None) -> State:
        new = replace(state, group={"displayName": name})
        return new if values is None else Model.replace_members(new, values)

    @staticmethod
    def delete_group(state: State) -> State:
        return replace(state, group=None, members={})

    @staticmethod
    def change_user(state: State, path: str, value: str) -> State:
        return replace(state, user={**(state.user or {}), path: value})

    @staticmethod
    def put_user(state: State, title: str) -> State:
        return replace(state, user={"title": title})

    @staticmethod
    def delete_user(state: State) -> State:
        return replace(Model.remove(state, [USER]), user=None)


# --- the check ---


@dataclass(frozen=True)
class Round:
    """What was sent at the same time, what was answered, and what was there afterwards."""

    requests: Sequence[Request]
    answers: Sequence[Answer]
    final: State
    version: str | None = None
    """That of the group in the end."""
    start: str | None = None
    """That of the group at the beginning."""
    unknown: int = 0
    """How many batches had an outcome that the service wasn't told."""

    def __str__(self) -> str:
        lines = [f"start {START}, version {self.start}"]
        lines += [f"{one} -> {answer}" for one, answer in zip(self.requests, self.answers, strict=True)]
        return "\n".join([*lines, f"final {self.final}, version {self.version}"])


def order_of(done: Round) -> list[int] | None:
    """An order of the requests that explains the answers and what was there afterwards; `None` if there is none.

    412 says that a request wasn't applied, 503 that it may have been. Versions of the group follow the same order: a
    change makes a new one and answers with it, and the last one is there in the end. A batch whose outcome was unknown may
    have been applied, and made anew when others had changed what it wrote: such a request may come once more before.
    """
    return _order(done, frozenset(range(len(done.requests))), START, done.start, done.unknown)


def _order(done: Round, left: frozenset[int], state: State, version: str | None, unknown: int) -> list[int] | None:
    if not left:
        fits = state == done.final and version in {None, done.version}
        return [] if fits else None
    for number in sorted(left):
        for new, made in _outcomes(done, number, state, version):
            rest = _order(done, left - {number}, new, made, unknown)
            if rest is not None:
                return [number, *rest]
    for number in sorted(left) if unknown else ():
        after = Model.after(state, done.requests[number])
        rest = None if after is None else _order(done, left, after, None, unknown - 1)
        if rest is not None:
            return [number, *rest]
    return None


def _outcomes(done: Round, number: int, state: State, version: str | None) -> list[tuple[State, str | None]]:
    """What a request may have left behind here, according to its answer; nothing if it can't have come here."""
    request, answer = done.requests[number], done.answers[number]
    after = Model.after(state, request)
    match answer.status:
        case 412:
            return [(state, version)] if request.conditional else []
        case 503:
            return [(state, version), *([] if after is None else [(after, None if _of_group(request) else version)])]
        case 404:
            return [(state, version)] if after is None else []
        case 200 | 204:
            is_stale = request.conditional and version not in {None, done.start}
            if after is None or is_stale or answer.members not in (None, after.members):
                return []
            return _versions(request, answer, (state, after), version)
    return []


def _versions(
    request: Request, answer: Answer, change: tuple[State, State], version: str | None
) -> list[tuple[State, str | None]]:
    before, after = change
    if not _of_group(request):
        return [(after, version)]
    if after.group is None:
        return [(after, None)]
    if (before.group, before.members) == (after.group, after.members):
        return [(after, version)]
    return [] if answer.version == version else [(after, answer.version)]


def _of_group(request: Request) -> bool:
    return path_of(request) == "/Groups"


# --- sending them ---

type Sent = tuple[int, Mapping[str, str], bytes]
"""Status, headers with names in lower case, and body of an answer."""
type Send = Callable[[int, str, str, dict[str, str], bytes], Awaitable[Sent]]
"""Sends a request of a client, by its number: method, path below the base path, headers and body."""


class Service:
    """A service with one user and one group."""

    def __init__(self, send: Send) -> None:
        self._send_bytes = send
        self._user = self._group = self._start = ""

    async def open(self) -> None:
        """Make the user and the group as `START` has them."""
        assert START.group is not None
        assert START.user is not None
        _, _, user = await self._send(0, "POST", "/Users", {"userName": USER, **START.user})
        self._user = user["id"]
        listed = [{"value": v, **({"display": shown} if shown else {})} for v, shown in START.members.items()]
        _, version, group = await self._send(0, "POST", "/Groups", {**START.group, "members": listed})
        self._group, self._start = group["id"], version or ""

    async def close(self) -> None:
        """Delete what is left of both."""
        await self._send(0, "DELETE", self._path("/Users"))
        await self._send(0, "DELETE", self._path("/Groups"))

    async def answer(self, client: int, request: Request) -> Answer:
        """What a client is told."""
        method, body = sent(request)
        headers = {"if-match": self._start} if request.conditional else {}
        status, version, shown = await self._send(client, method, self._path(path_of(request)), body, headers)
        # Members that a PUT doesn't name are read after it is done.
        has_members = method == "PUT" and status == 200 and "members" in body
        return Answer(status, version, self._members(shown) if has_members else None)

    async def round(self, requests: Sequence[Request], answers: Sequence[Answer], unknown: int = 0) -> Round:
        """The whole of it, with what clients see now."""
        status, _, user = await self._send(0, "GET", self._path("/Users"))
        there, version, group = await self._send(0, "GET", self._path("/Groups"))
        members = self._members(group) if there == 200 else {}
        if status == 200:
            assert [one["value"] for one in user.get("groups", [])] == [self._group] * (USER in members)
        final = State(
            {"displayName": group["displayName"]} if there == 200 else None,
            members,
            {name: user[name] for name in ("title", "nickName") if name in user} if status == 200 else None,
        )
        return Round(requests, answers, final, version, self._start, unknown)

    def _path(self, endpoint: str) -> str:
        return f"{endpoint}/{self._user if endpoint == '/Users' else self._group}"

    def _members(self, group: Any) -> dict[str, str | None]:
        shown = [(m["value"].replace(self._user, USER), m.get("display")) for m in group.get("members", [])]
        assert len(shown) == len(dict(shown)), "a member is there twice"
        return dict(shown)

    async def _send(
        self, client: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str | None, Any]:
        content = b"" if body is None else json.dumps(body).replace(USER, self._user or USER).encode()
        status, answered, shown = await self._send_bytes(client, method, path, headers or {}, content)
        return status, answered.get("etag"), json.loads(shown) if shown else {}


# --- rounds to try ---


def some_requests(random: Random, most: int = 6) -> list[Request]:
    """Two or more requests at once, most of them on the members of the group."""
    return [some_request(random, number) for number in range(random.randint(2, most))]


def some_request(random: Random, number: int) -> Request:
    """Any request; `number` makes its names its own."""

    def some() -> tuple[str, ...]:
        return tuple(random.sample(VALUES, random.randint(1, 3)))

    name, value, display = f"name {number}", random.choice(VALUES), random.choice(DISPLAYS)
    of_members = [
        ("add", (some(), display)),
        ("add", (some(), display)),
        ("remove", (some(),)),
        ("remove", (some(),)),
        ("exchange", ((value,), tuple(v for v in some() if v != value))),
        ("add_again", (value, display)),
        ("replace_members", (some(),)),
        ("replace_members", (some(),)),
        ("clear", ()),
        ("remove_by_display", ("x",)),
        ("remove_by_type", ()),
    ]
    action, arguments = random.choice(of_members)
    choice = random.random()
    if choice < 0.7:
        return Request(action, arguments, conditional=random.random() < 0.1)
    other: list[tuple[str, tuple[Any, ...]]] = [
        ("rename", (random.choice([name, "Start"]), action, arguments)),
        ("rename", (name, None, ())),
        ("put_group", (random.choice([name, "Start"]), some())),
        ("put_group", (name, random.choice([None, some()]))),
        ("change_user", (random.choice(["title", "nickName"]), name)),
        ("put_user", (name,)),
        ("delete_user", ()),
        ("delete_group", ()),
    ]
    weights = [4, 1, 4, 2, 2, 1, 2, 0.5]
    action, arguments = random.choices(other, weights)[0]
    return Request(action, arguments)
