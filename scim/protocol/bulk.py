"""Bulk messages (RFC 7644 §3.7): the envelope, what operations refer to, the order of the work, the answer's entries.

Knows no store; ids are made by others and passed in.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import quote, unquote

from scim.protocol.bulk_count import too_many
from scim.protocol.errors import (
    InvalidPath,
    InvalidSyntax,
    InvalidValue,
    MethodNotAllowed,
    NotFound,
    ScimError,
)
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import envelope
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType

BULK_RESPONSE: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_PREFIX: Final = "bulkId:"
_MOST_CHARACTERS: Final = 2_048
"""Of a path, a bulkId or a version: what a single request has in its URL and its headers."""
_DEPTH: Final = 20
"""Levels of `data` that are looked through; a resource has fewer."""
# A text in quotes, as in a filter. One that doesn't end is taken to the end, so that no text is gone through twice.
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z|\\\Z)', re.DOTALL)

_MEMBERS: Final = frozenset({"schemas", "failOnErrors", "Operations"})
_OPERATION_MEMBERS: Final = frozenset({"method", "path", "bulkId", "version", "data"})

type Method = Literal["POST", "PUT", "PATCH", "DELETE"]
_METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")
_OF_RESOURCE: Final = ("PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation as sent; `data` is `None` when there is none."""

    method: Method
    path: str
    bulk_id: str | None
    version: str | None
    data: Json


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """The operations, and the number of errors after which no more are tried."""

    operations: Sequence[BulkOperation]
    fail_on_errors: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to: a resource type, `None` if there is none; an id, or the bulkId of one that is yet to be made."""

    kind: ResourceType | None
    id: str
    reference: str | None


# --- the envelope ---


def bulk_request(message: Json, limits: Limits) -> BulkRequest:
    """A BulkRequest message. Raises `InvalidSyntax`, `InvalidValue`, or `PayloadTooLarge` for too many operations.

    Source: RFC 7644 §3.7, §3.7.3, §3.7.4.
    """
    members = envelope(message, _MEMBERS)
    sent = members.get("Operations")
    if not isinstance(sent, list) or not sent:
        raise InvalidSyntax("A bulk request needs 'Operations', an array of at least one operation.")
    if len(sent) > limits.bulk_operations:
        raise too_many(limits)
    most = members.get("failOnErrors")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 1):
        raise InvalidValue("'failOnErrors' must be a whole number of at least 1.")
    operations = [_operation(one, at) for at, one in enumerate(sent, 1)]
    named: set[str] = set()
    for at, operation in enumerate(operations, 1):
        if operation.bulk_id is not None and operation.bulk_id in named:
            raise InvalidValue(f"Operation {at} has the 'bulkId' of another operation.")
        named.add(operation.bulk_id or "")
    return BulkRequest(operations, most)


def _operation(message: Json, at: int) -> BulkOperation:
    members = envelope(message, _OPERATION_MEMBERS, f"Operation {at}")
    method = members.get("method")
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise InvalidSyntax(f"Operation {at} needs 'method' with one of the values {', '.join(_METHODS)}.")
    path = members.get("path")
    if not isinstance(path, str):
        raise InvalidSyntax(f"Operation {at} needs 'path', a string such as /Users.")
    for name in ("bulkId", "version"):
        if not isinstance(members.get(name), str | None):
            raise InvalidSyntax(f"The '{name}' of operation {at} must be a string.")
    for name in ("path", "bulkId", "version"):
        if len(members.get(name) or "") > _MOST_CHARACTERS:
            raise InvalidValue(f"The '{name}' of operation {at} may have at most {_MOST_CHARACTERS} characters.")
    bulk_id, version = members.get("bulkId") or None, members.get("version")
    # A DELETE has no body, as little as its single request has.
    data = members.get("data") if method.upper() != "DELETE" else None
    return BulkOperation(cast(Method, method.upper()), path, bulk_id, version, data)


# --- one operation ---


def targets(registry: Registry) -> Callable[[str], Target]:
    """What finds the target of a path; the endpoint counts in any letter case."""
    kinds = {kind.endpoint.strip("/").lower(): kind for kind in registry.resource_types.values()}

    def target(path: str) -> Target:
        endpoint, _, rest = path.partition("?")[0].strip("/").partition("/")
        id = unquote(rest.strip("/"))
        return Target(kinds.get(endpoint.lower()), id, _reference(id))

    return target


def check(operation: BulkOperation, target: Target) -> ResourceType:
    """The resource type that the operation works on.

    Raises what its single request would: `InvalidPath`, `NotFound`, `MethodNotAllowed`, `InvalidSyntax`.
    """
    if "?" in operation.path:
        raise InvalidPath("The 'path' of a bulk operation has no query.")
    if target.kind is None:
        raise NotFound("A bulk operation works on resources: its 'path' is one such as /Users or /Users/{id}.")
    if operation.method == "POST":
        if target.id:
            raise MethodNotAllowed("POST", _OF_RESOURCE)
        if operation.bulk_id is None:
            raise InvalidSyntax("A POST in a bulk request needs a 'bulkId' (RFC 7644 §3.7).")
    elif not target.id:
        raise MethodNotAllowed(operation.method, ("POST",))
    if operation.method != "DELETE" and operation.data is None:
        raise InvalidSyntax(f"A {operation.method} in a bulk request needs 'data', the body of the request.")
    return target.kind


def patch_body(data: Json) -> Json:
    """The PatchOp message; the example of RFC 7644 §3.7.3 has its operations alone."""
    return {"Operations": data} if isinstance(data, list) else data


# --- references ---


def references(operation: BulkOperation, target: Target) -> tuple[str, ...]:
    """The bulkIds that an operation refers to, each once: in its data, in the paths of its PATCH, in its own path."""
    found = {} if target.reference is None else {target.reference: None}
    found.update(dict.fromkeys(_named(operation.data)))
    for path in _patch_paths(operation):
        found.update(dict.fromkeys(name for name in map(_in_quotes, _QUOTED.findall(path)) if name is not None))
    return tuple(found)


def resolved(operation: BulkOperation, ids: Mapping[str, str]) -> Json:
    """The data with ids in place of references; what was sent isn't changed."""
    data = _replaced(operation.data, ids, _DEPTH)
    if not any(_patch_paths(operation)):
        return data

    def in_path(found: re.Match[str]) -> str:
        name = _in_quotes(found[0])
        return found[0] if name is None else f'"{ids[name]}"'

    def in_operation(value: Json) -> Json:
        if not isinstance(value, dict):
            return value
        return {key: _QUOTED.sub(in_path, one) if _refers(key, one) else one for key, one in value.items()}

    listed = [in_operation(value) for value in _listed(data)]
    if isinstance(data, list):
        return listed
    return {key: listed if key.lower() == "operations" else value for key, value in data.items()}


def _reference(text: str) -> str | None:
    return text.removeprefix(_PREFIX) if text.startswith(_PREFIX) else None


def _named(data: Json) -> Iterator[str]:
    level: list[Json] = [data]
    for _ in range(_DEPTH):
        below: list[Json] = []
        for value in level:
            if isinstance(value, str):
                if value.startswith(_PREFIX):
                    yield value.removeprefix(_PREFIX)
            elif isinstance(value, dict):
                below += value.values()
            elif isinstance(value, list):
                below += value
        if not below:
            return
        level = below


def _replaced(value: Json, ids: Mapping[str, str], depth: int) -> Json:
    if not depth:
        return value
    if isinstance(value, str):
        return ids[value.removeprefix(_PREFIX)] if value.startswith(_PREFIX) else value
    if isinstance(value, dict):
        return {key: _replaced(one, ids, depth - 1) for key, one in value.items()}
    return [_replaced(one, ids, depth - 1) for one in value] if isinstance(value, list) else value


def _listed(data: Json) -> list[Json]:
    """The operations of a PATCH, if it has any."""
    if isinstance(data, dict):
        data = next((value for key, value in data.items() if key.lower() == "operations"), None)
    return data if isinstance(data, list) else []


def _patch_paths(operation: BulkOperation) -> Iterator[str]:
    """The paths of a PATCH in which a reference may stand."""
    if operation.method == "PATCH":
        for one in _listed(operation.data):
            if isinstance(one, dict):
                yield from (value for key, value in one.items() if _refers(key, value))


def _refers(key: str, value: Json) -> bool:
    return isinstance(value, str) and _PREFIX in value and key.lower() == "path"


def _in_quotes(text: str) -> str | None:
    """The bulkId that a text in quotes refers to."""
    try:
        value = json.loads(text)
        value.encode()
    except ValueError:  # not JSON's string, or one with lone surrogates: the parser of paths refuses it
        return None
    return _reference(value)


# --- the order ---


def order(needs: Sequence[Sequence[int]]) -> list[int]:
    """The operations in the order in which they are done. `needs[n]`: the creations that operation n refers to.

    It is the order in which they stand, but that a creation comes before what refers to it. A circle is broken where it
    closes, so that one of its creations refers to one that comes later. Whatever has a circle behind it comes after all of it.
    """
    done: list[int] = []
    begun = [False] * len(needs)
    for first in range(len(needs)):
        path = [] if begun[first] else [(first, iter(needs[first]))]
        begun[first] = True
        while path:
            at, rest = path[-1]
            needed = next((one for one in rest if not begun[one]), None)
            if needed is None:
                done.append(at)
                path.pop()
            else:
                begun[needed] = True
                path.append((needed, iter(needs[needed])))
    return done


# --- the answer ---


def entry(
    operation: BulkOperation, status: int, *, location: str | None, version: str | None = None, error: ScimError | None
) -> JsonObject:
    """One operation of a BulkResponse (RFC 7644 §3.7.3); `version` is an entity tag."""
    shown: JsonObject = {} if location is None else {"location": location}
    shown["method"] = operation.method
    if operation.bulk_id is not None:
        shown["bulkId"] = operation.bulk_id
    if version is not None:
        shown["version"] = version
    shown["status"] = str(status)
    if error is not None:
        shown["response"] = error.body()
        # An entry has no headers, so that the text has to say it.
        if (seconds := error.headers.get("Retry-After")) is not None:
            shown["response"]["detail"] += f" Wait {seconds} s before that."
    return shown


def bulk_response(entries: Sequence[JsonObject]) -> JsonObject:
    """A BulkResponse."""
    return {"schemas": [BULK_RESPONSE], "Operations": list(entries)}


def location(base_url: str, target: Target, id: str) -> str | None:
    """The URL of the resource that a path leads to, if it leads to one."""
    return None if target.kind is None or not id else f"{base_url}{target.kind.endpoint}/{quote(id, safe='')}"
