"""Reads the `dateTime` of SCIM (RFC 7643 §2.3.5), normalises it to a form that sorts by time, and writes the times in
`meta`.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_FORM: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,30}))?(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.IGNORECASE | re.ASCII,
)
_MOST_CHARACTERS: Final = 56
"""The length of the longest valid dateTime."""
_DIGITS: Final = 7
"""The number of fraction digits that are kept. Entra sends seven."""


def normal(text: str) -> str | None:
    """Return the time in UTC as `YYYY-MM-DDThh:mm:ss.fffffffZ`; `None` if the text isn't a dateTime.

    A time without a zone counts as UTC.
    """
    return _normal(text) if len(text) <= _MOST_CHARACTERS else None


# Cached, because `created` and `lastModified` of a new resource are equal, and so are those of a bulk request, nearly.
@lru_cache(maxsize=64)
def _normal(text: str) -> str | None:
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1].upper())
        zone = match[3]
        if zone and zone not in "Zz":
            hours, minutes = int(zone[1:3]), int(zone[4:6])
            if minutes > 59 or hours * 60 + minutes > 14 * 60:  # the limits of a zone in xsd:dateTime
                return None
            offset = timedelta(hours=hours, minutes=minutes)
            moment = moment - offset if zone[0] == "+" else moment + offset
    except (ValueError, OverflowError):
        return None
    fraction = (match[2] or "")[:_DIGITS].ljust(_DIGITS, "0")
    return f"{moment.isoformat(timespec='seconds')}.{fraction}Z"


def written(moment: datetime) -> str:
    """Return the time as `meta.created` and `meta.lastModified` have it: UTC with microseconds and `Z`."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
