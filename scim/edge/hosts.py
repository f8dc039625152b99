"""Checks the `Host` of a request, which becomes part of the URLs in the response. Knows no settings."""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from scim.protocol.errors import BadRequest

# RFC 9110 §7.2: a host and an optional port. The host is a name (RFC 1123 §2.1: letters, digits, hyphens) or an address. A
# name whose last label is a number would be taken for an IPv4 address.
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_BYTE: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ORIGIN: Final = re.compile(
    rf"https?://"
    rf"(?:(?P<name>(?:{_LABEL}\.)*(?![0-9]+[.:]|[0-9]+$)(?!0[xX]){_LABEL}\.?)"
    rf"|{_BYTE}(?:\.{_BYTE}){{3}}"
    rf"|\[(?P<ipv6>[0-9A-Fa-f:.]{{2,45}})\])"
    rf"(?::(?P<port>[0-9]{{1,5}}))?",
    re.ASCII,
)
_MAX_NAME: Final = 253
_MAX_PORT: Final = 65_535


# Nearly all requests have the same host. Only valid origins are cached.
@lru_cache(maxsize=64)
def check(origin: str) -> None:
    """Raise `BadRequest` unless the origin is `http` or `https` with a host name or address, and an optional port."""
    match = _ORIGIN.fullmatch(origin)
    if match is None or len(match["name"] or "") > _MAX_NAME or not _is_port(match["port"]):
        raise _invalid()
    if match["ipv6"] is not None:
        try:
            IPv6Address(match["ipv6"])
        except AddressValueError:
            raise _invalid() from None


def _is_port(port: str | None) -> bool:
    return port is None or 1 <= int(port) <= _MAX_PORT


def _invalid() -> BadRequest:
    # The detail doesn't quote the header, because its text could be anything.
    return BadRequest("The 'Host' header must be a host name or an address, with an optional port.")
