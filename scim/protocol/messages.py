"""The envelopes of RFC 7644 and RFC 9865: PatchOp, SearchRequest, ListResponse. Reads and writes them; knows no resource."""

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


class Operation(NamedTuple):
    """One PATCH operation (RFC 7644 §3.5.2). `value` is `None` when a `remove` has none, and when it is null."""

    op: Op
    path: str | None
    value: Json


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a list or a `.search` asks for (RFC 7644 §3.4.2, §3.4.3, RFC 9865 §2). `start` counts from 1."""

    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start: int = 1
    count: int | None = None
    """At most a whole page; `None`: not sent."""
    attributes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    cursor: str | None = None
    """`None`: pages by index; empty: the first page of those by cursor."""


def patch_request(message: Json, limits: Limits) -> list[Operation]:
    """The operations of a PatchOp message. Raises `InvalidSyntax`, or `PayloadTooLarge` for too many."""
    operations = envelope(message, _PATCH_MEMBERS).get("Operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntax("A PATCH body needs 'Operations', an array of at least one operation.")
    if len(operations) > limits.patch_operations:
        raise PayloadTooLarge(f"A PATCH may have at most {limits.patch_operations} operations.")
    return [_operation(operation, at) for at, operation in enumerate(operations, 1)]


def _operation(message: Json, at: int) -> Operation:
    members = envelope(message, _OPERATION_MEMBERS, f"Operation {at}")
    sent = members.get("op")
    op = tolerances.operation(sent) if isinstance(sent, str) else ""
    if op not in {"add", "replace", "remove"}:
        raise InvalidSyntax(f"Operation {at} needs 'op' with one of the values add, replace, remove.")
    path = members.get("path")
    if path is not None and not isinstance(path, str):
        raise InvalidSyntax(f"The 'path' of operation {at} must be a string.")
    if op != "remove" and "value" not in members:
        raise InvalidValue(f"Operation {at} needs a 'value'; null unassigns the attribute.")
    return Operation(cast(Op, op), path or None, members.get("value"))


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
    """A SearchRequest message. Raises `InvalidSyntax` or `InvalidValue`; with a cursor `InvalidCount` or `InvalidCursor`."""
    return _search(envelope(message, _SEARCH_MEMBERS), limits)


def search_parameters(parameters: Mapping[str, str], limits: Limits) -> SearchRequest:
    """The same from query parameters, whose names count in any letter case; the last of several wins."""
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
        # RFC 9865 §2.1: a count that is wrong is an error of its own where cursors are.
        count=_count(members, limits, InvalidValue if cursor is None else InvalidCount),
        attributes=_names(members, "attributes"),
        excluded=_names(members, "excludedAttributes"),
        cursor=cursor,
    )


def envelope(message: Json, names: Set[str], what: str = "The body") -> JsonObject:
    """The members of a message by their canonical names; others are left out. Raises `InvalidSyntax`."""
    if not isinstance(message, dict):
        raise InvalidSyntax(f"{what} must be a JSON object.")
    if message.keys() <= names:  # spelled as the RFC does, as is usual
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
        raise InvalidCursor("'cursor' must be a string: empty for the first page, then a cursor from an answer.")
    return value


def _count(members: JsonObject, limits: Limits, wrong: type[BadRequest]) -> int | None:
    number = _number(members, "count", None, wrong)
    return None if number is None else min(limits.page, max(0, number))


_MOST_NAMES: Final = 10_000
"""Names that `attributes` may list. Each is looked up in each resource type, and no schema has as many."""
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
    different = dict.fromkeys(stripped for n in names if (stripped := n.strip()))
    if len(different) > _MOST_NAMES:
        raise InvalidValue(f"'{name}' may have at most {_MOST_NAMES} different names.")
    return tuple(different)


def list_response(resources: Sequence[Json], total: int, start: int) -> JsonObject:
    """Return a ListResponse; `itemsPerPage` is the number of resources in this answer."""
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
    """A ListResponse that pages by cursor (RFC 9865 §2): without `following` it is the last page."""
    cursors = {"nextCursor": following, "previousCursor": previous}
    return {
        "schemas": [LIST_SCHEMA],
        "totalResults": total,
        "itemsPerPage": len(resources),
        **{name: cursor for name, cursor in cursors.items() if cursor is not None},
        "Resources": list(resources),
    }
