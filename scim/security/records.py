"""What is known of a customer: its name, and the ways in. Shapes only; `customers` keeps them.

A record with a field or a value that this version doesn't know is refused as a whole: it may say that a way is closed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self, get_args

from scim.protocol.json import JsonObject
from scim.security.clouds import SYNC_FABRIC, CloudName
from scim.security.principal import Access

NAME: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
"""A customer's name, which is its tenant in the store."""
GUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class UnknownRecord(ValueError):
    """The record isn't one that this version of the service writes."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer. Without this record none of its ways in is open."""

    name: str
    created: datetime

    def __post_init__(self) -> None:
        _check_name(self.name)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the customer that was kept as this. Raises `UnknownRecord`."""
        return _read(lambda: cls(**{**record, "created": _time(record["created"])}))

    def record(self) -> JsonObject:
        """What is kept."""
        return {"name": self.name, "created": _text(self.created)}


@dataclass(frozen=True, slots=True)
class EntraWay:
    """Tokens of an Entra tenant with this audience let their bearer in as a customer."""

    customer: str
    audience: str
    applications: tuple[str, ...] = (SYNC_FABRIC,)
    """The `appid` (v1) or `azp` (v2) of those who may use it."""
    role: str | None = None
    """An application role that the token must have besides."""
    access: Access = "write"
    people: bool = False
    """Whether people who have signed in to one of the applications may read what is their own; they never have `access`."""

    def __post_init__(self) -> None:
        _check_name(self.customer)
        _check_access(self.access)
        _check_texts(self.audience, *self.applications, *(() if self.role is None else (self.role,)))
        if type(self.people) is not bool:
            raise ValueError("either people come in or they don't")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the way that was kept as this. Raises `UnknownRecord`."""
        return _read(lambda: cls(**{**record, "applications": tuple(_list(record["applications"]))}))

    def record(self) -> JsonObject:
        """What is kept."""
        return {
            "customer": self.customer,
            "audience": self.audience,
            "applications": list(self.applications),
            "role": self.role,
            "access": self.access,
            # Only where it says something, so that older versions of the service can read all other ways.
            **({"people": True} if self.people else {}),
        }


@dataclass(frozen=True, slots=True)
class EntraTenant:
    """An Entra tenant: the cloud that it is in, and the ways in that its tokens open, each with another audience."""

    id: str
    cloud: CloudName
    ways: tuple[EntraWay, ...]

    def __post_init__(self) -> None:
        _check_texts(self.id)
        if self.cloud not in get_args(CloudName.__value__):
            raise ValueError("there is no such cloud")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the Entra tenant that was kept as this. Raises `UnknownRecord`, also if only one of its ways is unknown."""
        return _read(lambda: cls(**{**record, "ways": tuple(map(EntraWay.of, _list(record["ways"])))}))

    @classmethod
    def known_part_of(cls, record: Mapping[str, Any]) -> Self:
        """Return the same without the ways that this version doesn't know, to check tokens by. Raises `UnknownRecord`.

        Each way has an audience of its own, so that the others are what they would be without those. Not for changing the
        record: that would delete the unknown ways.
        """
        return _read(lambda: cls(**{**record, "ways": tuple(_known_ways(_list(record["ways"])))}))

    def record(self) -> JsonObject:
        """What is kept."""
        return {"id": self.id, "cloud": self.cloud, "ways": [way.record() for way in self.ways]}


@dataclass(frozen=True, slots=True)
class SecretToken:
    """A secret token, of which only the digest is kept; the secret has 256 bits, so that a plain SHA-256 will do."""

    id: str
    customer: str
    digest: str
    access: Access
    created: datetime
    expires: datetime
    note: str = ""
    last_used: datetime | None = None

    def __post_init__(self) -> None:
        _check_name(self.customer)
        _check_access(self.access)
        _check_texts(self.id, self.digest)
        if not self.digest.isascii() or type(self.note) is not str:
            raise ValueError("a digest is hex, and a note a text")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the token that was kept as this. Raises `UnknownRecord`."""

        return _read(lambda: cls(**{**record, **_times(record)}))

    def record(self) -> JsonObject:
        """What is kept."""
        return {
            "id": self.id,
            "customer": self.customer,
            "digest": self.digest,
            "access": self.access,
            "created": _text(self.created),
            "expires": _text(self.expires),
            "note": self.note,
            "last_used": None if self.last_used is None else _text(self.last_used),
        }


def _read[T](read: Callable[[], T]) -> T:
    """Return what `read` makes of a record. Raises `UnknownRecord` if a field is missing, unknown or of another form."""
    try:
        return read()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnknownRecord(str(error)) from None


def _known_ways(records: list[Any]) -> Iterator[EntraWay]:
    for record in records:
        with suppress(UnknownRecord):
            yield EntraWay.of(record)


def _times(record: Mapping[str, Any]) -> dict[str, datetime | None]:
    times = {name: record[name] for name in ("created", "expires", "last_used")}
    return {name: None if time is None and name == "last_used" else _time(time) for name, time in times.items()}


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("isn't a list")
    return value


def _time(text: Any) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("has no time zone")
    return time


def _text(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def _check_name(value: str) -> None:
    if NAME.fullmatch(value) is None:
        raise ValueError("must be 1 to 64 of a-z, 0-9 and -")


def _check_texts(*values: Any) -> None:
    if not all(isinstance(value, str) and value for value in values):
        raise ValueError("must be a text, and not empty")


def _check_access(value: str) -> None:
    if value not in get_args(Access.__value__):
        raise ValueError("there is no such access")
