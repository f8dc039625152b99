"""Bulk messages (RFC 7644 §3.7): reads the request, finds its references and its order, and writes the response.

Does not run operations and does not make ids: the caller passes them in.

How the order works: operations keep the order of the request, but a creation comes before the operations that refer to
it by `bulkId`. A circular reference is broken at its last creation, which then refers to a creation that comes later.
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
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry

BULK_RESPONSE: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_PREFIX: Final = "bulkId:"
_MOST_CHARACTERS: Final = 2_048
"""The most characters of a path, a bulkId or a version. A single request has them in its URL and headers."""
_DEPTH: Final = 20
"""The levels of `data` that are searched for references. A resource has fewer."""
# A quoted string, as in a filter. Without a closing quote it extends to the end, so that no text is scanned twice.
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z|\\\Z)', re.DOTALL)

_MEMBERS: Final = frozenset({"schemas", "failOnErrors", "Operations"})
_OPERATION_MEMBERS: Final = frozenset({"method", "path", "bulkId", "version", "data"})

type Method = Literal["POST", "PUT", "PATCH", "DELETE"]
_METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")
_OF_RESOURCE: Final = ("PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation as the client sent it. `data` is `None` if the operation has none."""

    method: Method
    path: str
    bulk_id: str | None
    version: str | None
    data: Json


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """The operations, and `failOnErrors`: the number of errors after which no further operation is tried."""

    operations: Sequence[BulkOperation]
    fail_on_errors: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a path: its resource type, `None` if unknown; and an id, or the bulkId of a creation."""

    resource_type: ResourceType | None
    id: str
    reference: str | None


# --- the envelope ---


def bulk_request(message: Json, limits: Limits) -> BulkRequest:
    """Return the operations of a BulkRequest message.

    Raises `InvalidSyntax`, `InvalidValue`, and `PayloadTooLarge` for too many operations. Source: RFC 7644 §3.7,
    §3.7.3, §3.7.4.
    """
    members = envelope(message, _MEMBERS)
    sent = members.get("Operations")
    if not isinstance(sent, list) or not sent:
        raise InvalidSyntax("A bulk request needs 'Operations', an array of at least one operation.")
    if len(sent) > limits.bulk_operations:
        raise too_many(limits)
    max_errors = members.get("failOnErrors")
    if max_errors is not None and (not isinstance(max_errors, int) or isinstance(max_errors, bool) or max_errors < 1):
        raise InvalidValue("'failOnErrors' must be a whole number of at least 1.")
    operations = [_operation(one, number) for number, one in enumerate(sent, 1)]
    named: set[str] = set()
    for number, operation in enumerate(operations, 1):
        if operation.bulk_id is not None and operation.bulk_id in named:
            raise InvalidValue(f"Operation {number} has the 'bulkId' of another operation.")
        named.add(operation.bulk_id or "")
    return BulkRequest(operations, max_errors)


def _operation(message: Json, number: int) -> BulkOperation:
    members = envelope(message, _OPERATION_MEMBERS, f"Operation {number}")
    method = members.get("method")
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise InvalidSyntax(f"Operation {number} needs 'method' with one of the values {', '.join(_METHODS)}.")
    path = members.get("path")
    if not isinstance(path, str):
        raise InvalidSyntax(f"Operation {number} needs 'path', a string such as /Users.")
    for name in ("bulkId", "version"):
        if not isinstance(members.get(name), str | None):
            raise InvalidSyntax(f"The '{name}' of operation {number} must be a string.")
    for name in ("path", "bulkId", "version"):
        if len(members.get(name) or "") > _MOST_CHARACTERS:
            raise InvalidValue(f"The '{name}' of operation {number} may have at most {_MOST_CHARACTERS} characters.")
    bulk_id, version = members.get("bulkId") or None, members.get("version")
    # The data of a DELETE is ignored, like the body of a single DELETE.
    data = members.get("data") if method.upper() != "DELETE" else None
    return BulkOperation(cast(Method, method.upper()), path, bulk_id, version, data)


# --- one operation ---


def targets(registry: Registry) -> Callable[[str], Target]:
    """Return a function that finds the target of a path. Endpoints are compared without regard to case."""
    resource_types = {
        resource_type.endpoint.strip("/").lower(): resource_type for resource_type in registry.resource_types.values()
    }

    def target(path: str) -> Target:
        endpoint, _, rest = path.partition("?")[0].strip("/").partition("/")
        id = unquote(rest.strip("/"))
        return Target(resource_types.get(endpoint.lower()), id, _reference(id))

    return target


def check(operation: BulkOperation, target: Target) -> ResourceType:
    """Return the resource type of the operation's target.

    Raises the errors of the single request: `InvalidPath`, `NotFound`, `MethodNotAllowed`, `InvalidSyntax`.
    """
    if "?" in operation.path:
        raise InvalidPath("The 'path' of a bulk operation must not have a query.")
    if target.resource_type is None:
        raise NotFound(
            "The 'path' of a bulk operation must be that of a resource type or a resource, such as /Users or /Users/{id}."
        )
    if operation.method == "POST":
        if target.id:
            raise MethodNotAllowed("POST", _OF_RESOURCE)
        if operation.bulk_id is None:
            raise InvalidSyntax("A POST in a bulk request needs a 'bulkId' (RFC 7644 §3.7).")
    elif not target.id:
        raise MethodNotAllowed(operation.method, ("POST",))
    if operation.method != "DELETE" and operation.data is None:
        raise InvalidSyntax(f"A {operation.method} in a bulk request needs 'data', the body of the request.")
    return target.resource_type


def patch_body(data: Json) -> Json:
    """Return the PatchOp message. RFC 7644 §3.7.3 has an example with only its operations, which is accepted."""
    return {"Operations": data} if isinstance(data, list) else data


# --- references ---


def references(operation: BulkOperation, target: Target) -> tuple[str, ...]:
    """Return the bulkIds that an operation refers to, each once: in its data, in the paths of its PATCH and in its own
    path.
    """
    bulk_ids = {} if target.reference is None else {target.reference: None}
    bulk_ids.update(dict.fromkeys(_named(operation.data)))
    for path in _patch_paths(operation):
        bulk_ids.update(dict.fromkeys(name for name in map(_in_quotes, _QUOTED.findall(path)) if name is not None))
    return tuple(bulk_ids)


def resolved(operation: BulkOperation, ids: Mapping[str, str]) -> Json:
    """Return the data with ids in place of references. Does not edit the data that the client sent."""
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
    """Return the operations of a PATCH message, if it has any."""
    if isinstance(data, dict):
        data = next((value for key, value in data.items() if key.lower() == "operations"), None)
    return data if isinstance(data, list) else []


def _patch_paths(operation: BulkOperation) -> Iterator[str]:
    """Yield the paths of a PATCH that can contain a reference."""
    if operation.method == "PATCH":
        for one in _listed(operation.data):
            if isinstance(one, dict):
                yield from (value for key, value in one.items() if _refers(key, value))


def _refers(key: str, value: Json) -> bool:
    return isinstance(value, str) and _PREFIX in value and key.lower() == "path"


def _in_quotes(text: str) -> str | None:
    """Return the bulkId that a quoted string refers to; `None` if it is no reference."""
    try:
        value = json.loads(text)
        value.encode()
    except ValueError:  # an invalid JSON string, or one with lone surrogates, which the parser of paths refuses
        return None
    return _reference(value)


# --- the order ---


def order(needs: Sequence[Sequence[int]]) -> list[int]:
    """Return the indexes of the operations in the order in which they run. `needs[n]` has the creations that operation
    n refers to.

    Operations that depend on a circular reference run after all of its creations.
    """
    done: list[int] = []
    begun = [False] * len(needs)
    for first in range(len(needs)):
        path = [] if begun[first] else [(first, iter(needs[first]))]
        begun[first] = True
        while path:
            number, rest = path[-1]
            needed = next((one for one in rest if not begun[one]), None)
            if needed is None:
                done.append(number)
                path.pop()
            else:
                begun[needed] = True
                path.append((needed, iter(needs[needed])))
    return done


# --- the answer ---


def entry(
    operation: BulkOperation, status: int, *, location: str | None, version: str | None = None, error: ScimError | None
) -> JsonObject:
    """Return the entry of one operation in the response (RFC 7644 §3.7.3). `version` is an entity tag."""
    shown: JsonObject = {} if location is None else {"location": location}
    shown["method"] = operation.method
    if operation.bulk_id is not None:
        shown["bulkId"] = operation.bulk_id
    if version is not None:
        shown["version"] = version
    shown["status"] = str(status)
    if error is not None:
        shown["response"] = error.body()
        # An entry has no headers, so the detail says when to repeat the operation.
        if (seconds := error.headers.get("Retry-After")) is not None:
            shown["response"]["detail"] += f" Wait {seconds} s before that."
    return shown


def bulk_response(entries: Sequence[JsonObject]) -> JsonObject:
    """Return a BulkResponse message."""
    return {"schemas": [BULK_RESPONSE], "Operations": list(entries)}


def location(base_url: str, target: Target, id: str) -> str | None:
    """Return the URL of the resource of a target; `None` if the target isn't a resource."""
    return (
        None
        if target.resource_type is None or not id
        else f"{base_url}{target.resource_type.endpoint}/{quote(id, safe='')}"
    )
