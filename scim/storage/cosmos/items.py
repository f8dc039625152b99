"""The items in Cosmos DB, and their ids. Text from a client is never part of an id, except as a digest.

Each item has `tenant` (the customer, the partition key), `type` and `key` (unique within the customer). The types are
the resource types, `member`, `claim` (a unique value), `gone` (a deletion marker) and `pending` (a group being
created). Items that a batch begins with have `w`, its write token. docs/data-model.md shows an example of each.
"""

import re
from base64 import b32encode
from hashlib import sha256
from typing import Final

from scim.protocol.json import JsonObject
from scim.storage.interface import Member, Membership, Stored, WriteModel

MARKER_SECONDS: Final = 30 * 24 * 3600
"""How long a marker exists, in seconds. A deletion marker is also the tombstone for consumers of the change feed."""

UNIQUE_VALUE_PREFIX: Final = "x:claim:"
"""The beginning of the ids of unique value items."""

_SORT_CHARACTERS: Final = 256
_ID: Final = re.compile(r"[A-Za-z0-9:_-]{1,200}", re.ASCII)


def checked_id(id: str) -> str:
    """Return the id if it is safe in a URL, else raise `ValueError`. The SDK quotes no ids: `..` would be a path."""
    if _ID.fullmatch(id) is None:
        raise ValueError("not an item id")
    return id


def resource_id(type_name: str, id: str) -> str:
    """Return the item id of a resource."""
    return checked_id(f"{type_name}:{id}")


def member_id(group: str, value: str) -> str:
    """Return the item id of a membership. The value comes from a client, so the id has its digest."""
    return checked_id(f"m:{group}:{_digest(value)}")


def deletion_marker_id(type_name: str, id: str) -> str:
    """Return the item id of the marker of a deleted resource."""
    return checked_id(f"x:gone:{type_name}:{id}")


def pending_marker_id(group: str) -> str:
    """Return the item id of the marker of a large group that is being created."""
    return checked_id(f"x:pending:Group:{group}")


def unique_value_id(type_name: str, path: str, value: str) -> str:
    """Return the item id of a unique value. Equal values have the same id, so that a second one can't be created."""
    return checked_id(f"{UNIQUE_VALUE_PREFIX}{_digest(f'{type_name}\0{path}\0{value}')}")


def unique_value_item(customer: str, id: str, type_name: str, path: str, resource: str) -> JsonObject:
    """Return the item of a unique value, which doesn't contain the value itself.

    `member` is the id of the resource that has the value. A deletion finds it by `member`, in the same query as the
    memberships.
    """
    return {"id": id, "tenant": customer, "type": "claim", "key": id, "member": resource, "of": type_name, "path": path}


def resource_item(customer: str, write_model: WriteModel, token: str) -> JsonObject:
    """Return the item of a resource. `token` is the write token of the batch that writes it."""
    return {
        "id": resource_id(write_model.type_name, write_model.id),
        "tenant": customer,
        "type": write_model.type_name,
        "key": write_model.key,
        "v": write_model.index_version,
        "w": token,
        "resource": write_model.resource,
        "f": write_model.search_fields,
        "s": dict(write_model.sort_keys),
    }


def stored(item: JsonObject) -> Stored:
    """Return the resource of an item."""
    type_name, _, id = item["id"].partition(":")
    return Stored(type_name, id, version(item["_etag"]), item["resource"], str(item.get("v", "")))


def version(etag: str) -> str:
    """Return the version of an item: its `_etag` without quotes."""
    return etag.strip('"')


def etag(version: str) -> str:
    """Return the `_etag` of a version."""
    return f'"{version}"'


def member_item(customer: str, group: str, member: Member) -> JsonObject:
    """Return the item of a membership, with one sort key to read it by group and one to read it by member."""
    id = member_id(group, member.value)
    item: JsonObject = {
        "id": id,
        "tenant": customer,
        "type": "member",
        "key": id,
        "group": group,
        "member": member.value,
        "s": {"group": group_key(group, member.value), "member": member_key(member.value, group)},
    }
    if member.type is not None:
        item["memberType"] = member.type
    if member.display is not None:
        item["display"] = member.display
    return item


def group_key(group: str, value: str) -> str:
    """Return the sort key that orders memberships by group, then by member value."""
    return f"{group}\x01{value[:_SORT_CHARACTERS]}\x01{_digest(value)}"


def member_key(value: str, group: str) -> str:
    """Return the sort key that orders memberships by member value, then by group."""
    return f"{value[:_SORT_CHARACTERS]}\x01{_digest(value)}\x01{group}"


def membership(item: JsonObject) -> Membership:
    """Return the membership of an item."""
    return Membership(item["group"], Member(item["member"], item.get("memberType"), item.get("display")))


def marker(customer: str, id: str, marker_type: str, created: str, token: str) -> JsonObject:
    """Return the item of a marker, which expires after 30 days. The sweep finds the oldest first.

    `id` is the item id (`deletion_marker_id`, `pending_marker_id`), `created` the time as text, `token` the write token
    of the batch.
    """
    item: JsonObject = {"id": id, "tenant": customer, "type": marker_type, "key": id, "at": created, "w": token}
    return {**item, "s": {"due": f"{created}\x01{id}"}, "ttl": MARKER_SECONDS}


def _digest(value: str) -> str:
    return b32encode(sha256(value.encode()).digest()).decode().lower()[:26]
