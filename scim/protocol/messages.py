"""Reads and writes the messages PatchOp, SearchRequest and ListResponse (RFC 7644, RFC 9865). Knows no resources."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, cast

from scim.protocol import tolerances
from scim.protocol.errors import BadRequest, InvalidCount, InvalidCursor, InvalidSyntax, InvalidValue, PayloadTooLarge
from scim.protocol.json import Json, JsonObject
from scim.protocol.limits import Limits

LIST_SCHEMA: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

_PATCH_MEMBERS: Final = frozenset({"schemas", "Operations"})
_OPERATION_MEMBERS: Final = frozenset({"op", "path", "value"})

type Op = Literal["add", "replace", "remove"]


class PatchOperation(NamedTuple):
    """One PATCH operation (RFC 7644 §3.5.2). `value` is `None` if it is null, or if a `remove` has none."""

    op: Op
    path: str | None
    value: Json


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """The parameters of a list or a `.search` (RFC 7644 §3.4.2, §3.4.3, RFC 9865 §2). `start` counts from 1."""

    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start: int = 1
    count: int | None = None
    """The size of the page, at most the largest page; `None` if the client sent no `count`."""
    attributes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    cursor: str | None = None
    """`None` for paging by index; empty for the first page by cursor."""


def patch_request(message: Json, limits: Limits) -> list[PatchOperation]:
    """Return the operations of a PatchOp message. Raises `InvalidSyntax`, and `PayloadTooLarge` for too many operations."""
    operations = envelope(message, _PATCH_MEMBERS).get("Operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntax("A PATCH body needs 'Operations', an array of at least one operation.")
    if len(operations) > limits.patch_operations:
        raise PayloadTooLarge(f"A PATCH may have at most {limits.patch_operations} operations.")
    return [_operation(operation, number) for number, operation in enumerate(operations, 1)]


def _operation(message: Json, number: int) -> PatchOperation:
    members = envelope(message, _OPERATION_MEMBERS, f"Operation {number}")
    sent = members.get("op")
    op = tolerances.operation(sent) if isinstance(sent, str) else ""
    if op not in {"add", "replace", "remove"}:
        raise InvalidSyntax(f"Operation {number} needs 'op' with one of the values add, replace, remove.")
    path = members.get("path")
    if path is not None and not isinstance(path, str):
        raise InvalidSyntax(f"The 'path' of operation {number} must be a string.")
    if op != "remove" and "value" not in members:
        raise InvalidValue(f"Operation {number} needs a 'value'; null unassigns the attribute.")
    return PatchOperation(cast(Op, op), path or None, members.get("value"))


_SEARCH_MEMBERS: Final = frozenset(
    {
        "schemas",
        "attributes",
        "excludedAttributes",
        "filter",
        "sortBy",
        "sortOrder",
        "startIndex",
        "count",
        "cursor",
    }
)
_SEARCH_PARAMETERS: Final = {name.lower(): name for name in _SEARCH_MEMBERS}


def search_request(message: Json, limits: Limits) -> SearchRequest:
    """Return the parameters in a SearchRequest message.

    Raises `InvalidSyntax`, `InvalidValue`; in cursor paging `InvalidCount`, `InvalidCursor`.
    """
    return _search(envelope(message, _SEARCH_MEMBERS), limits)


def search_parameters(parameters: Mapping[str, str], limits: Limits) -> SearchRequest:
    """Return the same from query parameters, whose names may be in any case. The last of several with the same name
    counts.
    """
    named = ((_SEARCH_PARAMETERS.get(name.lower()), value) for name, value in parameters.items())
    return _search({name: value for name, value in named if name is not None}, limits)


def _search(members: JsonObject, limits: Limits) -> SearchRequest:
    order = _text(members, "sortOrder") or "ascending"
    if order.lower() not in {"ascending", "descending"}:
        raise InvalidValue("'sortOrder' must be ascending or descending.")
    cursor = _cursor(members)
    return SearchRequest(
        filter=_text(members, "filter"),
        sort_by=_text(members, "sortBy"),
        descending=order.lower() == "descending",
        start=max(1, _number(members, "startIndex", 1)),
        # RFC 9865 §2.1: a wrong count is `invalidCount` in cursor paging.
        count=_count(members, limits, InvalidValue if cursor is None else InvalidCount),
        attributes=_names(members, "attributes"),
        excluded=_names(members, "excludedAttributes"),
        cursor=cursor,
    )


def envelope(message: Json, names: Set[str], what: str = "The body") -> JsonObject:
    """Return the members of a message by their canonical names, without unknown ones. Raises `InvalidSyntax`."""
    if not isinstance(message, dict):
        raise InvalidSyntax(f"{what} must be a JSON object.")
    if message.keys() <= names:  # the usual spelling, that of the RFC
        return message
    if len({name.lower() for name in message}) != len(message):
        raise InvalidSyntax(f"{what} has two names that differ only in letter case.")
    return tolerances.envelope(message, names)


def _text(members: JsonObject, name: str) -> str | None:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidSyntax(f"'{name}' must be a string.")
    return value or None


def _cursor(members: JsonObject) -> str | None:
    value = members.get("cursor")
    if value is not None and not isinstance(value, str):
        raise InvalidCursor("'cursor' must be a string: empty for the first page, then a cursor from a response.")
    return value


def _count(members: JsonObject, limits: Limits, wrong: type[BadRequest]) -> int | None:
    number = _number(members, "count", None, wrong)
    return None if number is None else min(limits.page, max(0, number))


_MOST_NAMES: Final = 10_000
"""The names that `attributes` may have. Each is looked up in each resource type, and no schema has as many attributes."""
_FAR: Final = 2**31 - 1
_MAX_DIGITS: Final = 10


def _number[T: int | None](
    members: JsonObject, name: str, default: T, wrong: type[BadRequest] = InvalidValue
) -> T | int:
    value = members.get(name)
    if value is None or value == "":
        return default
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    digits = text.strip().removeprefix("-") if isinstance(text, str) else ""
    if not (digits.isascii() and digits.isdecimal()):
        raise wrong(f"'{name}' must be a whole number.")
    # Larger than any page. Converting a longer text would only take time.
    number = int(digits) if len(digits) <= _MAX_DIGITS else _FAR
    return -number if text.strip().startswith("-") else min(number, _FAR)


def _names(members: JsonObject, name: str) -> tuple[str, ...]:
    value = members.get(name)
    if value is None:
        return ()
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        raise InvalidSyntax(f"'{name}' must be an array of attribute names.")
    different = dict.fromkeys(stripped for n in names if (stripped := n.strip()))
    if len(different) > _MOST_NAMES:
        raise InvalidValue(f"'{name}' may have at most {_MOST_NAMES} different names.")
    return tuple(different)


def list_response(resources: Sequence[Json], total: int, start: int) -> JsonObject:
    """Return a ListResponse; `itemsPerPage` is the number of resources in it."""
    return {
        "schemas": [LIST_SCHEMA],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": list(resources),
    }


def cursor_response(
    resources: Sequence[Json], total: int, *, following: str | None, previous: str | None
) -> JsonObject:
    """Return a ListResponse of cursor paging (RFC 9865 §2). Without `following`, it is the last page."""
    cursors = {"nextCursor": following, "previousCursor": previous}
    return {
        "schemas": [LIST_SCHEMA],
        "totalResults": total,
        "itemsPerPage": len(resources),
        **{name: cursor for name, cursor in cursors.items() if cursor is not None},
        "Resources": list(resources),
    }
