"""Entity tags: how a version is written and when a condition on it holds (RFC 7644 §3.14, RFC 9110 §13.1)."""

import re
from typing import Final

_TAG: Final = re.compile(r'(?:W/)?"([^"]*)"|([^",\s]+)')


def weak(version: str) -> str:
    """The entity tag of a version, which is `meta.version` too."""
    return f'W/"{version}"'


def versions(header: str) -> frozenset[str] | None:
    """The versions that an `If-Match` or `If-None-Match` names, or `None` for `*`, which is any.

    Compared weakly, so `W/` doesn't count; a tag without quotes is taken as it is.
    """
    if header.strip() == "*":
        return None
    return frozenset(match[1] if match[1] is not None else match[2] for match in _TAG.finditer(header))


def matches(header: str, version: str) -> bool:
    """Whether one of the header's tags is this version."""
    named = versions(header)
    return named is None or version in named
