"""Recorded traffic as data: reads the cases, fills in the placeholders, sends the requests and checks the facts.

Knows JSON and HTTP answers only; nothing of the service that answers.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

type Json = Any
type Names = dict[str, Json]

CHAPTERS = Path(__file__).parent
MISSING = object()

CORE_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
CORE_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE_USER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"

# What Entra sends unless a case says otherwise.
USUAL_HEADERS = {"Accept": "application/scim+json"}
USUAL_BODY_HEADERS = {"Content-Type": "application/scim+json; charset=utf-8"}

_PLACEHOLDER = re.compile(r"\{\{([A-Za-z0-9_.|]+)\}\}")
_NAMESPACE = uuid.UUID("6f0c1a52-91d6-5c5b-9a57-1d1f5a3f2b10")

CASE_KEYS = {"id", "name", "title", "source", "given", "before", "request", "expect", "as", "then", "port"}
STEP_KEYS = {"request", "together", "expect", "as"}
REQUEST_KEYS = {"method", "path", "headers", "token", "body", "text", "encoding"}
EXPECT_KEYS = {"status", "headers", "body"}
OPERATORS = {"eq", "ne", "present", "absent", "missing", "len", "startswith", "endswith", "has"}


class Answer(Protocol):
    """What a client gives back; header names are lower case."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class Client(Protocol):
    """The part of the test clients that a replay needs; paths are relative to the base path."""

    def request(
        self,
        method: str,
        path: str,
        body: Json = None,
        headers: Mapping[str, str | None] | None = None,
        **token: str | None,
    ) -> Answer: ...


@dataclass(frozen=True)
class Case:
    """One recorded exchange: what must exist, what is sent, what must come back, what must be true afterwards."""

    chapter: str
    data: Mapping[str, Json]

    @property
    def id(self) -> str:
        return str(self.data["id"])

    @property
    def label(self) -> str:
        """The id with the name, or with the title in a form that `pytest -k` can select."""
        return f"{self.id}-{self.name or re.sub(r'[^A-Za-z0-9]+', '-', str(self.data['title'])).strip('-')}"

    @property
    def name(self) -> str | None:
        """What the code calls the case, if it does: a tolerance names the request that made it necessary."""
        name: str | None = self.data.get("name")
        return name

    @property
    def given(self) -> Sequence[str]:
        given: Sequence[str] = self.data.get("given", [])
        return given

    @property
    def before(self) -> Sequence[Mapping[str, Json]]:
        before: Sequence[Mapping[str, Json]] = self.data.get("before", [])
        return before

    @property
    def steps(self) -> Iterator[Mapping[str, Json]]:
        """The exchange itself and then what follows it, all of one form."""
        yield {key: self.data[key] for key in STEP_KEYS if key in self.data}
        yield from self.data.get("then", [])


def load(directory: Path = CHAPTERS) -> list[Case]:
    """Every case of every chapter, in the order of the files."""
    return [Case(file.stem, data) for file in sorted(directory.glob("*.json")) for data in json.loads(file.read_text())]


def faults(case: Case) -> Iterator[str]:
    """What is wrong with the form of a case: unknown keys, unknown operators, placeholders that nothing fills."""
    for key in case.data.keys() - CASE_KEYS:
        yield f"unknown key {key}"
    for key in ("id", "title", "source", "expect"):
        if not case.data.get(key):
            yield f"no {key}"
    known = {"rand", "rand2", "rand3"}
    for given in case.given:
        match given.split(":"):
            case ["user" | "group", name]:
                known.add(name)
            case ["users" | "groups", name, number]:
                known |= {name, *(f"{name}{n}" for n in range(1, int(number) + 1))}
            case ["member", group, member] if {group, member} <= known:
                continue
            case ["members", group, number] if group in known and number.isdecimal():
                continue
            case _:
                yield f"{given} can't be made"
    for step in [*case.before, *case.steps]:
        yield from _step_faults(step, known)
        if "as" in step:
            known.add(step["as"])


def _step_faults(step: Mapping[str, Json], known: set[str]) -> Iterator[str]:
    for key in step.keys() - STEP_KEYS:
        yield f"unknown key {key}"
    for request in step.get("together", [step.get("request", {})]):
        if not {"method", "path"} <= request.keys() <= REQUEST_KEYS:
            yield f"a request of {sorted(request)}"
        yield from _unfilled(request, known)
    expected = step.get("expect", {})
    if not expected.keys() <= EXPECT_KEYS:
        yield f"an expectation of {sorted(expected)}"
    # A fact may speak of the answer that it is about.
    yield from _unfilled(expected, known | {step.get("as", "rand")})
    for fact in [*expected.get("body", []), *expected.get("headers", {}).values()]:
        if len(fact.keys() & OPERATORS) != 1 or not fact.keys() <= OPERATORS | {"at"}:
            yield f"a fact of {sorted(fact)}"


def _unfilled(value: Json, known: set[str]) -> Iterator[str]:
    for name in _PLACEHOLDER.findall(json.dumps(value)):
        if name.split("|")[0].split(".")[0] not in known:
            yield f"nothing fills {{{{{name}}}}}"


def replay(case: Case, client: Client) -> None:
    """Plays one case against a client; an AssertionError says which step and which fact does not hold."""
    names: Names = {name: _random(case, name) for name in ("rand", "rand2", "rand3")}
    for given in case.given:
        _make(case, client, given, names)
    for number, step in enumerate(case.before, 1):
        _play(step, client, names, f"{case.id} before {number}", default=range(200, 300))
    for number, step in enumerate(case.steps):
        _play(step, client, names, f"{case.id} then {number}" if number else case.id, default=(200,))


def _random(case: Case, name: str) -> str:
    # The same value in every run: a failure can be repeated, and no case meets the values of another.
    return str(uuid.uuid5(_NAMESPACE, f"{case.id}/{name}"))


def _make(case: Case, client: Client, given: str, names: Names) -> None:
    """Brings about one precondition: user:a, group:g, users:u:11, groups:h:3, member:g:a or members:g:2600."""
    resource_type, name, *rest = given.split(":")
    rand = _random(case, name)
    if resource_type == "user":
        names[name] = _make_user(client, f"User_{name}_{rand}", rand)
    elif resource_type == "group":
        names[name] = _make_group(client, f"Group_{name}_{rand}", rand)
    elif resource_type in ("users", "groups"):
        make = _make_user if resource_type == "users" else _make_group
        names[name] = {"prefix": f"{resource_type}_{name}_{rand}_"}
        for number in range(1, int(rest[0]) + 1):
            names[f"{name}{number}"] = make(client, f"{names[name]['prefix']}{number:02}", f"{rand}-{number}")
    else:
        ids = (
            [names[rest[0]]["id"]]
            if resource_type == "member"
            else [f"{rand}-{number}" for number in range(int(rest[0]))]
        )
        members = [{"$ref": None, "value": member} for member in ids]
        operations = [{"op": "Add", "path": "members", "value": members}]
        body = {"schemas": [PATCH_OP], "Operations": operations}
        answer = _send(client, {"method": "PATCH", "path": f"/Groups/{names[name]['id']}", "body": body})
        assert answer.status in (200, 204), f"{given} is not accepted: {answer.status} {answer.body!r}"


def _make_user(client: Client, user_name: str, external_id: str) -> Json:
    email = f"{user_name}@contoso.com"
    body = {
        "schemas": [CORE_USER, ENTERPRISE_USER],
        "externalId": external_id,
        "userName": user_name,
        "active": True,
        "emails": [{"primary": True, "type": "work", "value": email}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
        "roles": [],
    }
    return _created(client, "/Users", body) | {"email": email}


def _make_group(client: Client, display_name: str, external_id: str) -> Json:
    body = {
        "schemas": [CORE_GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": external_id,
        "displayName": display_name,
        "meta": {"resourceType": "Group"},
    }
    return _created(client, "/Groups", body)


def _created(client: Client, path: str, body: Json) -> Json:
    answer = _send(client, {"method": "POST", "path": path, "body": body})
    assert answer.status == 201, f"POST {path} is not accepted: {answer.status} {answer.body!r}"
    return json.loads(answer.body)


def _play(step: Mapping[str, Json], client: Client, names: Names, where: str, default: Sequence[int]) -> None:
    requests = [_fill(request, names) for request in step.get("together", [step.get("request")])]
    if len(requests) == 1:
        answers = [_send(client, requests[0])]
    else:
        with ThreadPoolExecutor(len(requests)) as pool:
            answers = list(pool.map(lambda request: _send(client, request), requests))
    for request, answer in zip(requests, answers, strict=True):
        told = f"{where}: {request['method']} {request['path']} -> {answer.status} {answer.body[:2000]!r}"
        status = step.get("expect", {}).get("status", default)
        assert answer.status in (status if not isinstance(status, int) else [status]), f"{told}\nexpected {status}"
        for reason in departures(answer):
            raise AssertionError(f"{told}\n{reason}")
        body = json.loads(answer.body) if answer.body else None
        if "as" in step:
            names[step["as"]] = body
        expected = _fill(step.get("expect", {}), names)
        for header, fact in expected.get("headers", {}).items():
            assert holds(answer.headers.get(header.lower(), MISSING), fact), f"{told}\nheader {header}: {fact}"
        for fact in expected.get("body", []):
            found = find(body, fact.get("at", []))
            told_found = "nothing" if found is MISSING else json.dumps(found)
            assert holds(found, fact), f"{told}\nfact {fact}\nfound {told_found}"


def _send(client: Client, request: Mapping[str, Json]) -> Answer:
    body: Json = request.get("body")
    headers: dict[str, str | None] = dict(USUAL_HEADERS)
    if "text" in request:
        body = request["text"].encode(request.get("encoding", "utf-8"))
    if body is not None:
        headers |= USUAL_BODY_HEADERS
    headers |= request.get("headers", {})
    token = {"token": request["token"]} if "token" in request else {}
    return client.request(request["method"], request["path"], body=body, headers=headers, **token)


def _fill(value: Json, names: Names) -> Json:
    """The value with its placeholders filled in; a text that is one placeholder takes the value's own type."""
    if isinstance(value, dict):
        return {key: _fill(element, names) for key, element in value.items()}
    if isinstance(value, list):
        return [_fill(element, names) for element in value]
    if not isinstance(value, str):
        return value
    whole = _PLACEHOLDER.fullmatch(value)
    if whole:
        return _named(whole[1], names)
    return _PLACEHOLDER.sub(lambda match: str(_named(match[1], names)), value)


def _named(placeholder: str, names: Names) -> Json:
    dotted, _, change = placeholder.partition("|")
    first, *rest = dotted.split(".")
    value = find(names[first], [int(part) if part.isdigit() else part for part in rest])
    assert value is not MISSING, f"nothing fills {{{{{placeholder}}}}}"
    match change:
        case "upper":
            return value.upper()
        case "lower":
            return value.lower()
    return value


def find(value: Json, path: Sequence[str | int | Mapping[str, Json]]) -> Json:
    """What lies at a path of keys, indexes and `{"type": "work"}` selections; MISSING when nothing does."""
    for part in path:
        if isinstance(part, str):
            value = value.get(part, MISSING) if isinstance(value, dict) else MISSING
        elif not isinstance(value, list):
            return MISSING
        elif isinstance(part, int):
            value = value[part] if part < len(value) else MISSING
        else:
            hits = (element for element in value if isinstance(element, dict) and part.items() <= element.items())
            value = next(hits, MISSING)
    return value


def holds(found: Json, fact: Mapping[str, Json]) -> bool:
    """Whether a fact is true of what was found."""
    operator, wanted = next((key, value) for key, value in fact.items() if key in OPERATORS)
    empty = found is MISSING or found is None or found in ("", [], {})
    match operator:
        case "eq":
            return found is not MISSING and _same(found, wanted)
        case "ne":
            return found is MISSING or not _same(found, wanted)
        case "present":
            return not empty
        case "absent":
            return empty
        case "missing":
            return found is MISSING
        case "len":
            return isinstance(found, list) and len(found) == wanted
        case "startswith":
            return isinstance(found, str) and found.startswith(wanted)
        case "endswith":
            return isinstance(found, str) and found.endswith(wanted)
        case "has" if isinstance(found, str):
            return isinstance(wanted, str) and wanted in found
        case _:
            return isinstance(found, list) and any(_same(element, wanted) for element in found)


def _same(one: Json, other: Json) -> bool:
    # As JSON: true is not 1, and the order of keys does not matter.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def departures(answer: Answer) -> Iterator[str]:
    """What every answer owes whatever was asked; yields a sentence for each thing that is not so."""
    if answer.status in (204, 304):
        if answer.body:
            yield f"{answer.status} has a body"
        return
    if not answer.headers.get("content-type", "").startswith("application/scim+json"):
        yield f"Content-Type is {answer.headers.get('content-type')}"  # RFC 7644 §3.1
    body = json.loads(answer.body)
    if answer.status >= 400:
        yield from _error_departures(answer, body)
        return
    if any(value is None for value in _values(body)):
        yield "a null is answered"
    if any("password" in value for value in _values(body) if isinstance(value, dict)):
        yield "a password is answered"
    if body.get("schemas") == [LIST_RESPONSE]:
        numbers = [body.get(name) for name in ("totalResults", "startIndex", "itemsPerPage")]
        if "nextCursor" in body or "previousCursor" in body:
            if "startIndex" in body:
                yield "startIndex is answered beside a cursor"
            del numbers[1]
        if any(type(number) is not int for number in numbers):
            yield f"totalResults, startIndex and itemsPerPage are {numbers}"
        elif body["itemsPerPage"] != len(body.get("Resources", [])) or body["totalResults"] < body["itemsPerPage"]:
            yield f"{numbers} do not fit {len(body.get('Resources', []))} resources"
    if "meta" in body and body["meta"].get("version") != answer.headers.get("etag"):
        yield f"ETag is {answer.headers.get('etag')} and meta.version {body['meta'].get('version')}"
    if answer.status == 201:
        location = answer.headers.get("location", "")
        if not location.endswith(f"/{body['id']}") or body.get("meta", {}).get("location", location) != location:
            yield f"Location is {location!r}"  # RFC 7644 §3.3


def _error_departures(answer: Answer, body: Json) -> Iterator[str]:
    # RFC 7644 §3.12: the status is a string.
    if body.get("schemas") != [ERROR] or body.get("status") != str(answer.status) or not body.get("detail"):
        yield "not a SCIM error"
    if answer.status == 401 and not answer.headers.get("www-authenticate", "").startswith("Bearer"):
        yield "401 without WWW-Authenticate"  # RFC 6750 §3
    if answer.status == 405 and not answer.headers.get("allow"):
        yield "405 without Allow"  # RFC 9110 §15.5.6


def _values(value: Json) -> Iterator[Json]:
    yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for element in value:
            yield from _values(element)
