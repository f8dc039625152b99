"""Random keys that all instances share, stored as records. Does not know what a key is for."""

from base64 import b64decode, b64encode
from datetime import datetime
from secrets import token_bytes
from typing import Final

from scim.storage.errors import AlreadyExists, StoreUnavailable
from scim.storage.interface import Store, WriteModel

_BYTES: Final = 32


async def read(store: Store, partition: str, record_type: str, id: str) -> bytes | None:
    """Return the key; `None` if there is no record. Raises `StoreUnavailable` if the record has no valid key."""
    stored = await store.read(partition, record_type, id)
    if stored is None:
        return None
    try:
        key = b64decode(stored.resource["key"])
    except (ValueError, KeyError, TypeError):
        key = b""
    if len(key) != _BYTES:
        raise StoreUnavailable(f"the record {record_type}:{id} holds no key; docs/security.md says what to do")
    return key


async def create(store: Store, partition: str, record_type: str, id: str, *, now: datetime) -> bytes | None:
    """Create and store a key of 256 random bits, and return it; return `None` if the record exists already.

    Raises the storage errors. After `StoreUnavailable` the key may exist.
    """
    key = token_bytes(_BYTES)
    record = {"id": id, "key": b64encode(key).decode(), "created": now.isoformat()}
    try:
        await store.create(partition, WriteModel(record_type, id, f"{record_type}:{id}", record, {"id": id}, {}))
    except AlreadyExists:
        return None
    return key
