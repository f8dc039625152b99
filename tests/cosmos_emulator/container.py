"""Databases and containers: definitions, partitions, resource ids and log sequence numbers. Knows no HTTP."""

from __future__ import annotations

import base64
import itertools
from functools import partial
from typing import Any

from tests.cosmos_emulator.indexes import Document
from tests.cosmos_emulator.partition import Clock, Partition, check_id
from tests.cosmos_emulator.policy import Definition
from tests.cosmos_emulator.values import UNDEFINED, Value, hash_key, is_scalar
from tests.cosmos_emulator.wire import OWNER_NOT_FOUND, CosmosError, refuse

MAX_PARTITION_KEY_BYTES = 2048


class Container:
    """One container. Its partitions hold the items, and share its definition and its sequence of writes."""

    def __init__(self, rid: bytes, database_rid: str, definition: Definition, clock: Clock) -> None:
        self.definition = definition
        self.rid = _text(rid)
        self.lsn = 1
        self._clock = clock
        self._prefix = rid
        self._partitions: dict[Any, Partition] = {}
        self.properties = {
            **definition.properties,
            **_system(self.rid, f"dbs/{database_rid}/colls/{self.rid}/", clock),
            "_docs": "docs/",
            "_sprocs": "sprocs/",
            "_triggers": "triggers/",
            "_udfs": "udfs/",
            "_conflicts": "conflicts/",
        }
        self._link = self.properties["_self"]

    @property
    def session_token(self) -> str:
        return f"0:-1#{self.lsn}"

    def partition(self, key: Value) -> Partition:
        """Return the partition of this key value; create it if it is new."""
        if key is not UNDEFINED and not is_scalar(key):
            refuse("The partition key value must be a string, a number, a boolean or null.")
        if isinstance(key, str) and len(key.encode()) > MAX_PARTITION_KEY_BYTES:
            refuse("The partition key value is longer than 2048 bytes.")
        place = key if key is UNDEFINED else hash_key(key)
        found = self._partitions.get(place)
        if found is None:
            stamp = partial(self._stamp, len(self._partitions))
            found = self._partitions[place] = Partition(self.definition, self._clock, stamp)
        return found

    def partitions(self) -> list[Partition]:
        return list(self._partitions.values())

    def _stamp(self, partition: int, document: Document, number: int) -> None:
        """Set the system properties of a new version. All versions with the same number have the same resource id."""
        self.lsn += 1
        rid = _text(self._prefix + partition.to_bytes(4, "little") + number.to_bytes(4, "little"))
        document["_rid"] = rid
        document["_self"] = f"{self._link}docs/{rid}/"
        document["_etag"] = f'"{self.lsn:08x}-0000-0000-0000-{number:012x}"'
        document["_attachments"] = "attachments/"
        document["_ts"] = int(self._clock())


class Database:
    def __init__(self, number: int, id: str, clock: Clock) -> None:
        self._number = number
        self._clock = clock
        self._made = itertools.count(1)
        self.rid = _text(number.to_bytes(4, "little"))
        self.containers: dict[str, Container] = {}
        self.properties = {
            "id": id,
            **_system(self.rid, f"dbs/{self.rid}/", clock),
            "_colls": "colls/",
            "_users": "users/",
        }

    def create(self, body: Any) -> Container:
        """Create a container. Raises CosmosError 409 if the id exists."""
        if not isinstance(body, dict):
            refuse("A container definition is a JSON object.")
        check_id(body.get("id"))
        if body["id"] in self.containers:
            raise CosmosError(409, "Resource with specified id or name already exists.")
        rid = self._number.to_bytes(4, "little") + (0x80000000 + next(self._made)).to_bytes(4, "big")
        container = Container(rid, self.rid, Definition(body), self._clock)
        self.containers[body["id"]] = container
        return container

    def container(self, id: str, *, as_owner: bool) -> Container:
        """Return a container. Raises CosmosError 404, with substatus 1003 if the request was for its contents."""
        if id not in self.containers:
            raise CosmosError(404, "Owner resource does not exist.", OWNER_NOT_FOUND if as_owner else 0)
        return self.containers[id]


class Account:
    """The databases of an account."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made = itertools.count(1)
        self.databases: dict[str, Database] = {}

    def create(self, body: Any) -> Database:
        """Create a database. Raises CosmosError 409 if the id exists."""
        if not isinstance(body, dict) or set(body) != {"id"}:
            refuse("A database definition has an id and nothing else that is emulated.")
        check_id(body["id"])
        if body["id"] in self.databases:
            raise CosmosError(409, "Resource with specified id or name already exists.")
        database = Database(next(self._made), body["id"], self._clock)
        self.databases[body["id"]] = database
        return database

    def database(self, id: str, *, as_owner: bool) -> Database:
        """Return a database. Raises CosmosError 404, with substatus 1003 if the request was for its contents."""
        if id not in self.databases:
            raise CosmosError(404, "Owner resource does not exist.", OWNER_NOT_FOUND if as_owner else 0)
        return self.databases[id]


def _text(rid: bytes) -> str:
    return base64.b64encode(rid).decode().replace("/", "-")


def _system(rid: str, link: str, clock: Clock) -> dict[str, Any]:
    return {"_rid": rid, "_self": link, "_etag": f'"{rid}"', "_ts": int(clock())}
