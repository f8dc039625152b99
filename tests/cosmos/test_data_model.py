"""The examples in docs/data-model.md are the stored items."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scim.app import utc_now
from scim.security.cursor_key import CursorKey
from scim.security.customers.records import SecretToken
from scim.security.customers.repository import SYSTEM as SYSTEM_TENANT, Customers
from scim.storage.interface import Member
from tests.contract.cosmos import in_process
from tests.contract.own_types import BADGE
from tests.contract.write_models import resource_id, user, write_model

PAGE = Path(__file__).parents[2] / "docs" / "data-model.md"
SYSTEM = {"_rid", "_self", "_etag", "_attachments", "_ts"}
# The index version contains a digest of the schemas.
CHANCE = {"w", "v", "at", "due"}
BABS = {
    "userName": "BJensen@example.com",
    "externalId": "701984",
    "emails": [{"type": "work", "value": "BJensen@example.com", "primary": True}],
}


async def test_the_examples_are_items_as_they_are_stored() -> None:
    shown = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)]
    async with in_process() as (store, emulator):
        babs = write_model("User", BABS, id=resource_id(1))
        await store.create("acme", replace(babs, unique_values={BADGE: "4711"}))
        guides = write_model("Group", {"displayName": "Tour Guides"}, id=resource_id(2))
        await store.create("acme", guides, [Member(resource_id(1), "User")])
        await store.create("acme", user("leaver", 3))
        await store.delete("acme", "User", resource_id(3))
        customers = Customers(store, utc_now)
        await customers.create("acme")
        await customers.add_token(SecretToken.of(shown[3]["resource"]))
        key = await CursorKey(store, clock=lambda: datetime(2026, 1, 31, 9, 30, tzinfo=UTC), timer=lambda: 0.0)()
        shown[4]["resource"]["key"] = b64encode(key).decode()  # the page shows the beginning
        shown[5]["resource"]["key"] = b64encode(await customers.require_mac_key()).decode()
        shown[5]["resource"]["created"] = stored_at(emulator.items(SYSTEM_TENANT), "MacKey:secret-tokens")
        stored = {item["id"]: item for tenant in ("acme", SYSTEM_TENANT) for item in emulator.items(tenant)}
    assert [item["type"] for item in shown] == [
        "User",
        "member",
        "claim",
        "SecretToken",
        "SealingKey",
        "MacKey",
        "gone",
    ]
    for item in shown:
        real = {name: value for name, value in stored[item["id"]].items() if name not in SYSTEM}
        assert item.keys() == real.keys()
        # The page shows some of the sort keys.
        real["s"] = {name: real["s"][name] for name in item.get("s", ())}
        assert _without_chance(item) == _without_chance(real)


def stored_at(items: Iterable[Any], id: str) -> str:
    """Return the creation time of the record with this id, which is from the real clock."""
    return next(str(item["resource"]["created"]) for item in items if item["id"] == id)


def _without_chance(item: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in item.items() if name not in CHANCE}
    return {**kept, "s": {name: value for name, value in item.get("s", {}).items() if name not in CHANCE}}
