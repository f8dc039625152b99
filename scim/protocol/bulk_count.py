"""Counts the operations of a bulk request in its unparsed text (RFC 7644 §3.7.4). Builds no JSON values."""

import json
import re
from functools import cache
from typing import Final

from scim.protocol.errors import PayloadTooLarge
from scim.protocol.limits import Limits

_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_PLAIN: Final = rb'[^\[\]{}"]++'
# The depth to which operations are searched for references; a resource has fewer levels.
_LEVELS: Final = 32
_MOST_MEMBERS: Final = 100


@cache
def _scanners() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return two patterns: one matches up to the next bracket and captures the last string before it, one matches an
    object or an array.

    Both are possessive, so that they take linear time.
    """
    whole = rb"(?!)"
    for _ in range(_LEVELS):
        whole = rb"[\[{](?:" + _PLAIN + rb"|" + _STRING + rb"|" + whole + rb")*+[\]}]"
    return re.compile(rb"(?:" + _PLAIN + rb"|(" + _STRING + rb"))*+", re.DOTALL), re.compile(whole, re.DOTALL)


def check_number(body: bytes, limits: Limits) -> None:
    """Raise `PayloadTooLarge` if the text of a bulk request has too many operations.

    Stops at the first operation over the limit. Parsing 2 MiB of `{},` would build 700,000 values. Ignores a text that
    isn't JSON or isn't a bulk request: the parser and `bulk_request` refuse it.
    """
    if body.count(b"{") + body.count(b"[") <= limits.bulk_operations:
        return
    between, whole = _scanners()
    position = body.find(b"{") + 1
    for _ in range(_MOST_MEMBERS):
        up_to = between.match(body, position)
        if up_to is None:
            return
        position = up_to.end()
        if body[position : position + 1] == b"[" and _is_operations(up_to[1]):
            _check_elements(body, position + 1, limits)
        member = whole.match(body, position)
        if member is None:  # the end of the text, or too deeply nested for an operation
            return
        position = member.end()


def _check_elements(body: bytes, position: int, limits: Limits) -> None:
    """Count the objects and arrays in the array that starts before `at`. Raises `PayloadTooLarge`."""
    between, whole = _scanners()
    number = 0
    while (up_to := between.match(body, position)) and body[up_to.end() : up_to.end() + 1] in (b"{", b"["):
        number += 1
        if number > limits.bulk_operations:
            raise too_many(limits)
        operation = whole.match(body, up_to.end())
        if operation is None:
            return
        position = operation.end()


def _is_operations(name: bytes | None) -> bool:
    try:
        return name is not None and str(json.loads(name)).lower() == "operations"
    except ValueError:
        return False


def too_many(limits: Limits) -> PayloadTooLarge:
    """Return the error for a bulk request with too many operations."""
    return PayloadTooLarge(
        f"A bulk request may have at most {limits.bulk_operations} operations. Send several requests."
    )
