"""Entity tags: writes versions as tags and evaluates conditions on them (RFC 7644 §3.14, RFC 9110 §13.1)."""

import re
from typing import Final

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"|([^",\s]+)')


def weak(version: str) -> str:
    """Return the weak entity tag of a version, which is also `meta.version`."""
    return f'W/"{version}"'


def versions(header: str) -> frozenset[str] | None:
    """Return the versions in an `If-Match` or `If-None-Match` header; `None` for `*`, which means any.

    Tags are compared weakly, so `W/` is ignored. A tag without quotes is accepted.
    """
    if header.strip() == "*":
        return None
    return frozenset(match[1] if match[1] is not None else match[2] for match in _TAG.finditer(header))


def matches(header: str, version: str) -> bool:
    """Return whether one of the tags in the header is this version."""
    named = versions(header)
    return named is None or version in named
