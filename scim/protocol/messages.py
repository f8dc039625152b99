"""The envelopes of RFC 7644: PatchOp, SearchRequest, ListResponse. Reads and writes them; knows no resource."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast

from scim.protocol import tolerances
from scim.protocol.errors import InvalidSyntax, InvalidValue, PayloadTooLarge
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits

LIST_SCHEMA: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

type Op = Literal["add", "replace", "remove"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One PATCH operation (RFC 7644 §3.5.2). `value` is `None` when a `remove` has none, and when it is null."""

    op: Op
    path: str | None
    value: Json


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a list or a `.search` asks for (RFC 7644 §3.4.2, §3.4.3). `start` counts from 1."""

    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start: int = 1
    count: int = 100
    attributes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


def patch_request(message: Json, limits: Limits) -> list[Operation]:
    """The operations of a PatchOp message. Raises `InvalidSyntax`, or `PayloadTooLarge` for too many."""
    operations = _members(message, ("schemas", "Operations")).get("Operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntax("A PATCH body needs 'Operations', an array of at least one operation.")
    if len(operations) > limits.patch_operations:
        raise PayloadTooLarge(f"A PATCH may have at most {limits.patch_operations} operations.")
    return [_operation(operation, at) for at, operation in enumerate(operations, 1)]


def _operation(message: Json, at: int) -> Operation:
    if not isinstance(message, dict):
        raise InvalidSyntax(f"Operation {at} must be a JSON object.")
    members = _members(message, ("op", "path", "value"))
    op = members.get("op")
    if not isinstance(op, str) or tolerances.operation(op) not in {"add", "replace", "remove"}:
        raise InvalidSyntax(f"Operation {at} needs 'op' with one of the values add, replace, remove.")
    path = members.get("path")
    if path is not None and not isinstance(path, str):
        raise InvalidSyntax(f"The 'path' of operation {at} must be a string.")
    if tolerances.operation(op) != "remove" and "value" not in members:
        raise InvalidValue(f"Operation {at} needs a 'value'; null unassigns the attribute.")
    return Operation(cast(Op, tolerances.operation(op)), path or None, members.get("value"))


_SEARCH_MEMBERS: Final = (
    "schemas",
    "attributes",
    "excludedAttributes",
    "filter",
    "sortBy",
    "sortOrder",
    "startIndex",
    "count",
)
_SEARCH_PARAMETERS: Final = {name.lower(): name for name in _SEARCH_MEMBERS}


def search_request(message: Json, limits: Limits) -> SearchRequest:
    """A SearchRequest message. Raises `InvalidSyntax` or `InvalidValue`."""
    return _search(_members(message, _SEARCH_MEMBERS), limits)


def search_parameters(parameters: Mapping[str, str], limits: Limits) -> SearchRequest:
    """The same from query parameters, whose names count in any letter case; the last of several wins."""
    named = ((_SEARCH_PARAMETERS.get(name.lower()), value) for name, value in parameters.items())
    return _search({name: value for name, value in named if name is not None}, limits)


def _search(members: JsonObject, limits: Limits) -> SearchRequest:
    order = _text(members, "sortOrder") or "ascending"
    if order.lower() not in {"ascending", "descending"}:
        raise InvalidValue("'sortOrder' must be ascending or descending.")
    return SearchRequest(
        filter=_text(members, "filter"),
        sort_by=_text(members, "sortBy"),
        descending=order.lower() == "descending",
        start=max(1, _number(members, "startIndex", 1)),
        count=min(limits.page, max(0, _number(members, "count", limits.default_page))),
        attributes=_names(members, "attributes"),
        excluded=_names(members, "excludedAttributes"),
    )


def _members(message: Json, names: Sequence[str]) -> JsonObject:
    if not isinstance(message, dict):
        raise InvalidSyntax("The body must be a JSON object.")
    if len({name.lower() for name in message}) != len(message):
        raise InvalidSyntax("The body has two names that differ only in letter case.")
    return tolerances.envelope(message, names)


def _text(members: JsonObject, name: str) -> str | None:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidSyntax(f"'{name}' must be a string.")
    return value or None


_FAR: Final = 2**31 - 1
_MAX_DIGITS: Final = 10


def _number(members: JsonObject, name: str, default: int) -> int:
    value = members.get(name)
    if value is None or value == "":
        return default
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    digits = text.strip().removeprefix("-") if isinstance(text, str) else ""
    if not (digits.isascii() and digits.isdecimal()):
        raise InvalidValue(f"'{name}' must be a whole number.")
    # Beyond any page; a longer text would only cost time to read.
    number = int(digits) if len(digits) <= _MAX_DIGITS else _FAR
    return -number if text.strip().startswith("-") else min(number, _FAR)


def _names(members: JsonObject, name: str) -> tuple[str, ...]:
    value = members.get(name)
    if value is None:
        return ()
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        raise InvalidSyntax(f"'{name}' must be an array of attribute names.")
    return tuple(stripped for n in names if (stripped := n.strip()))


def list_response(resources: Sequence[JsonObject], total: int, start: int) -> JsonObject:
    """A ListResponse; `itemsPerPage` is the number of resources in this answer."""
    return {
        "schemas": [LIST_SCHEMA],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }
