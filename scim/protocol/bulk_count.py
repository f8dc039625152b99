"""Counts the operations of a bulk request in its text (RFC 7644 §3.7.4). Builds no values and knows no operation."""

import json
import re
from functools import cache
from typing import Final

from scim.protocol.errors import PayloadTooLarge
from scim.protocol.limits import Limits

_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_PLAIN: Final = rb'[^\[\]{}"]++'
# As deep as an operation is looked through; a resource has fewer levels.
_LEVELS: Final = 32
_MOST_MEMBERS: Final = 100


@cache
def _scanners() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Patterns of a text: up to the next bracket, with the last string before it; and an object or an array, whole.

    Both are possessive, so that they take time in proportion to what they match.
    """
    whole = rb"(?!)"
    for _ in range(_LEVELS):
        whole = rb"[\[{](?:" + _PLAIN + rb"|" + _STRING + rb"|" + whole + rb")*+[\]}]"
    return re.compile(rb"(?:" + _PLAIN + rb"|(" + _STRING + rb"))*+", re.DOTALL), re.compile(whole, re.DOTALL)


def check_number(body: bytes, limits: Limits) -> None:
    """Raise `PayloadTooLarge` if the text of a bulk request has too many operations.

    Counts them without building JSON values, of which 2 MiB of `{},` would make 700,000, and stops at the first operation
    too many. A text that isn't JSON, or isn't a bulk request, is left to the parser and `bulk_request`.
    """
    if body.count(b"{") + body.count(b"[") <= limits.bulk_operations:
        return
    between, whole = _scanners()
    at = body.find(b"{") + 1
    for _ in range(_MOST_MEMBERS):
        up_to = between.match(body, at)
        if up_to is None:
            return
        at = up_to.end()
        if body[at : at + 1] == b"[" and _is_operations(up_to[1]):
            _check_elements(body, at + 1, limits)
        member = whole.match(body, at)
        if member is None:  # the end, or deeper than any operation
            return
        at = member.end()


def _check_elements(body: bytes, at: int, limits: Limits) -> None:
    """Count the objects and arrays of the array that begins before `at`."""
    between, whole = _scanners()
    number = 0
    while (up_to := between.match(body, at)) and body[up_to.end() : up_to.end() + 1] in (b"{", b"["):
        number += 1
        if number > limits.bulk_operations:
            raise too_many(limits)
        operation = whole.match(body, up_to.end())
        if operation is None:
            return
        at = operation.end()


def _is_operations(name: bytes | None) -> bool:
    try:
        return name is not None and str(json.loads(name)).lower() == "operations"
    except ValueError:
        return False


def too_many(limits: Limits) -> PayloadTooLarge:
    """Return the error for a bulk request with too many operations."""
    return PayloadTooLarge(
        f"A bulk request may have at most {limits.bulk_operations} operations; send several requests."
    )
