"""The records of customers, Entra rules and secret tokens. `repository` stores them.

A record with a field or a value that this version doesn't know is refused, because the field may restrict the access.
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
"""The form of a customer's name, which is also its partition key."""


class UnknownRecord(ValueError):
    """The record has a form that this version of the service doesn't know."""


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer. Without this record, none of its credentials is accepted."""

    name: str
    created: datetime

    def __post_init__(self) -> None:
        _check_name(self.name)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the customer of a stored record. Raises `UnknownRecord`."""
        return _read(lambda: cls(**{**record, "created": _time(record["created"])}))

    def record(self) -> JsonObject:
        """Return the record to store."""
        return {"name": self.name, "created": _text(self.created)}


@dataclass(frozen=True, slots=True)
class AccessRule:
    """An Entra rule: tokens of the Entra tenant with this audience authenticate the customer."""

    customer: str
    audience: str
    applications: tuple[str, ...] = (SYNC_FABRIC,)
    """The applications that may use it: the claim `appid` (v1) or `azp` (v2)."""
    role: str | None = None
    """An application role that the token must have, if any."""
    access: Access = "write"
    people: bool = False
    """Whether tokens of users who signed in to one of the applications are accepted. These have the access `self`,
    never `access`.
    """

    def __post_init__(self) -> None:
        _check_name(self.customer)
        _check_access(self.access)
        _check_texts(self.audience, *self.applications, *(() if self.role is None else (self.role,)))
        if type(self.people) is not bool:
            raise ValueError("must be true or false")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the rule of a stored record. Raises `UnknownRecord`."""
        return _read(lambda: cls(**{**record, "applications": tuple(_list(record["applications"]))}))

    def record(self) -> JsonObject:
        """Return the record to store."""
        return {
            "customer": self.customer,
            "audience": self.audience,
            "applications": list(self.applications),
            "role": self.role,
            "access": self.access,
            # Written only if it is true, so that older versions of the service can read all other rules.
            **({"people": True} if self.people else {}),
        }


@dataclass(frozen=True, slots=True)
class EntraTenant:
    """An Entra tenant: its cloud, and its access rules, each with another audience."""

    id: str
    cloud: CloudName
    access_rules: tuple[AccessRule, ...]

    def __post_init__(self) -> None:
        _check_texts(self.id)
        if self.cloud not in get_args(CloudName.__value__):
            raise ValueError("must be a known cloud")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the Entra tenant of a stored record. Raises `UnknownRecord`, also if only one rule is unknown."""
        return _read(
            lambda: cls(**{**record, "access_rules": tuple(map(AccessRule.of, _list(record["access_rules"])))})
        )

    @classmethod
    def known_part_of(cls, record: Mapping[str, Any]) -> Self:
        """Return the Entra tenant without the rules that this version doesn't know. Raises `UnknownRecord`.

        For checking tokens only: writing the result would delete the unknown rules. Each rule has its own audience, so
        the known rules don't depend on the others.
        """
        return _read(
            lambda: cls(**{**record, "access_rules": tuple(_known_access_rules(_list(record["access_rules"])))})
        )

    def record(self) -> JsonObject:
        """Return the record to store."""
        return {
            "id": self.id,
            "cloud": self.cloud,
            "access_rules": [access_rule.record() for access_rule in self.access_rules],
        }


@dataclass(frozen=True, slots=True)
class SecretToken:
    """A secret token. Only its digest is stored: the secret has 256 random bits, so plain SHA-256 is enough."""

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
            raise ValueError("the digest must be hex, and the note a string")

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Return the token of a stored record. Raises `UnknownRecord`."""

        return _read(lambda: cls(**{**record, **_times(record)}))

    def record(self) -> JsonObject:
        """Return the record to store."""
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
    """Return the result of `read`. Raises `UnknownRecord` if a field is missing, unknown or invalid."""
    try:
        return read()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnknownRecord(str(error)) from None


def _known_access_rules(records: list[Any]) -> Iterator[AccessRule]:
    for record in records:
        with suppress(UnknownRecord):
            yield AccessRule.of(record)


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
        raise ValueError("must be a string, and not empty")


def _check_access(value: str) -> None:
    if value not in get_args(Access.__value__):
        raise ValueError("must be a known access")
