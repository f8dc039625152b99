"""What docs/data-model.md shows is what is stored."""

import json
import re
from pathlib import Path
from typing import Any

from scim.app import utc_now
from scim.security.customers import SYSTEM as SYSTEM_TENANT, Customers
from scim.security.records import SecretToken
from scim.storage.interface import Member
from tests.contract.cosmos import in_process
from tests.contract.drafts import draft, resource_id, user

PAGE = Path(__file__).parents[2] / "docs" / "data-model.md"
SYSTEM = {"_rid", "_self", "_etag", "_attachments", "_ts"}
CHANCE = {"w", "at", "due"}
BABS = {
    "userName": "BJensen@example.com",
    "externalId": "701984",
    "emails": [{"type": "work", "value": "BJensen@example.com", "primary": True}],
}


async def test_the_examples_are_items_as_they_are_stored() -> None:
    shown = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)]
    async with in_process() as (store, emulator):
        await store.create("acme", draft("User", BABS, id=resource_id(1)))
        guides = draft("Group", {"displayName": "Tour Guides"}, id=resource_id(2))
        await store.create("acme", guides, [Member(resource_id(1), "User")])
        await store.create("acme", user("leaver", 3))
        await store.delete("acme", "User", resource_id(3))
        customers = Customers(store, utc_now)
        await customers.create("acme")
        await customers.add_token(SecretToken.of(shown[2]["resource"]))
        stored = {item["id"]: item for tenant in ("acme", SYSTEM_TENANT) for item in emulator.items(tenant)}
    assert [item["type"] for item in shown] == ["User", "member", "SecretToken", "gone"]
    for item in shown:
        real = {name: value for name, value in stored[item["id"]].items() if name not in SYSTEM}
        assert item.keys() == real.keys()
        # The page shows some of the sort keys.
        real["s"] = {name: real["s"][name] for name in item["s"]}
        assert _without_chance(item) == _without_chance(real)


def _without_chance(item: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in item.items() if name not in CHANCE}
    return {**kept, "s": {name: value for name, value in item["s"].items() if name not in CHANCE}}
