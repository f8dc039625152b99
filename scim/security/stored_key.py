"""Random keys that every instance shares, kept as records in the store: read, and created once. Doesn't know what they are for."""

from base64 import b64decode, b64encode
from datetime import datetime
from secrets import token_bytes
from typing import Final

from scim.storage.interface import Draft, Store, StoreUnavailable, Taken

_BYTES: Final = 32


async def read(store: Store, partition: str, record_type: str, id: str) -> bytes | None:
    """Return the key, or `None` if there is no record. Raises `StoreUnavailable` if the record holds no key."""
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
    """Create a key of 256 random bits and return it; `None` if another process has created one in the meantime."""
    key = token_bytes(_BYTES)
    record = {"id": id, "key": b64encode(key).decode(), "created": now.isoformat()}
    try:
        await store.create(partition, Draft(record_type, id, f"{record_type}:{id}", record, {"id": id}, {}))
    except Taken:
        return None
    return key
