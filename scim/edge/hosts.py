"""Checks the origin that a request was sent to, before it becomes part of the URLs in an answer. Knows no setting."""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from scim.protocol.errors import BadRequest

# RFC 9110 §7.2: a host and perhaps a port. The host is a name (RFC 1123 §2.1: letters, digits and hyphens), or an address. A
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
_LONGEST_NAME: Final = 253
_LARGEST_PORT: Final = 65_535


# Nearly all requests come to one host. What is refused isn't remembered.
@lru_cache(maxsize=64)
def check(origin: str) -> None:
    """Raise `BadRequest` if the origin isn't `http` or `https` with the name or address of a host and perhaps a port."""
    found = _ORIGIN.fullmatch(origin)
    if found is None or len(found["name"] or "") > _LONGEST_NAME or not _is_port(found["port"]):
        raise _refused()
    if found["ipv6"] is not None:
        try:
            IPv6Address(found["ipv6"])
        except AddressValueError:
            raise _refused() from None


def _is_port(port: str | None) -> bool:
    return port is None or 1 <= int(port) <= _LARGEST_PORT


def _refused() -> BadRequest:
    # It would become part of every URL in the answer.
    return BadRequest("The 'Host' header must be a host name or an address, with an optional port.")
