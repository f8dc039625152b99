"""The shapes of the items in Cosmos DB, and their ids. No text from a client is ever part of an id."""

import re
from base64 import b32encode
from hashlib import sha256
from typing import Final

from scim.protocol.json import JsonObject
from scim.storage.interface import Draft, Member, Membership, Stored

MARKER_SECONDS: Final = 30 * 24 * 3600
"""How long the marker of a deletion stays; it is the tombstone for consumers too."""

CLAIM: Final = "x:claim:"
"""How the ids of claims begin."""

_SORT_CHARACTERS: Final = 256
_ID: Final = re.compile(r"[A-Za-z0-9:_-]{1,200}", re.ASCII)


def checked(id: str) -> str:
    """The id, if it can be part of a URL as it is. The SDK doesn't quote: `..` would reach the container itself."""
    if _ID.fullmatch(id) is None:
        raise ValueError("not an item id")
    return id


def resource_id(kind: str, id: str) -> str:
    """The item of a resource."""
    return checked(f"{kind}:{id}")


def member_id(group: str, value: str) -> str:
    """The item of a member: the value is a client's, so it goes in as a digest."""
    return checked(f"m:{group}:{_digest(value)}")


def gone_id(kind: str, id: str) -> str:
    """The marker that a resource was deleted."""
    return checked(f"x:gone:{kind}:{id}")


def pending_id(group: str) -> str:
    """The marker of a group whose members are being written before the group itself."""
    return checked(f"x:pending:Group:{group}")


def claim_id(kind: str, path: str, value: str) -> str:
    """The item of a claim: one for each value that can be had once."""
    return checked(f"{CLAIM}{_digest(f'{kind}\0{path}\0{value}')}")


def claim_item(tenant: str, id: str, kind: str, path: str, resource: str) -> JsonObject:
    """A claim without its value; `member` is whose it is, so that a deletion finds it with the memberships."""
    return {"id": id, "tenant": tenant, "type": "claim", "key": id, "member": resource, "of": kind, "path": path}


def resource_item(tenant: str, draft: Draft, token: str) -> JsonObject:
    """A resource; `w` is the token of the request that wrote it, `v` the rules that it was folded by."""
    return {
        "id": resource_id(draft.kind, draft.id),
        "tenant": tenant,
        "type": draft.kind,
        "key": draft.key,
        "v": draft.rules,
        "w": token,
        "resource": draft.resource,
        "f": draft.f,
        "s": dict(draft.s),
    }


def stored(item: JsonObject) -> Stored:
    """What a resource's item holds."""
    kind, _, id = item["id"].partition(":")
    return Stored(kind, id, version(item["_etag"]), item["resource"], str(item.get("v", "")))


def version(etag: str) -> str:
    """Our version of an item: its `_etag` without quotes."""
    return etag.strip('"')


def etag(version: str) -> str:
    """The `_etag` of a version."""
    return f'"{version}"'


def member_item(tenant: str, group: str, member: Member) -> JsonObject:
    """A member of a group, with a sort key for each side that it is read from."""
    id = member_id(group, member.value)
    item: JsonObject = {
        "id": id,
        "tenant": tenant,
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
    """Orders member items by group, then by the member's value."""
    return f"{group}\x01{value[:_SORT_CHARACTERS]}\x01{_digest(value)}"


def member_key(value: str, group: str) -> str:
    """Orders member items by the member's value, then by group."""
    return f"{value[:_SORT_CHARACTERS]}\x01{_digest(value)}\x01{group}"


def membership(item: JsonObject) -> Membership:
    """What a member's item holds."""
    return Membership(item["group"], Member(item["member"], item.get("memberType"), item.get("display")))


def marker(tenant: str, id: str, kind: str, at: str, token: str) -> JsonObject:
    """A marker that the sweep works from; `at` is when it was made. Its sort key, for the sweep, orders by that time."""
    item: JsonObject = {"id": id, "tenant": tenant, "type": kind, "key": id, "at": at, "w": token}
    return {**item, "s": {"due": f"{at}\x01{id}"}, "ttl": MARKER_SECONDS}


def _digest(value: str) -> str:
    return b32encode(sha256(value.encode()).digest()).decode().lower()[:26]
