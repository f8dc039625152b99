"""The items of claims: further values of a resource that nobody else in the tenant may have.

The item's id is made of the value, so that the database itself refuses a second one. A claim comes and goes in the batch
that writes its resource, and in no other while the resource is there.
"""

from collections.abc import Mapping
from typing import Final

from scim.storage.cosmos_calls import Calls, Operation
from scim.storage.cosmos_items import claim_id, claim_item
from scim.storage.interface import Draft

_MOST: Final = 100
"""More than a resource can have: each is one operation of a batch."""


class ClaimItems:
    """Claim items of one container."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def changes(self, tenant: str, draft: Draft, held: Mapping[str, str] | None) -> list[Operation]:
        """What makes the claims of a draft out of those that its resource holds; `None`: they are looked for."""
        wanted = {claim_id(draft.kind, path, value): path for path, value in draft.claims.items()}
        if held is None:
            there = dict.fromkeys(await self._of(tenant, draft.id))
        else:
            there = dict.fromkeys(claim_id(draft.kind, path, value) for path, value in held.items())
        return [
            *(Operation("delete", (id,)) for id in there if id not in wanted),
            *(
                Operation("create", (claim_item(tenant, id, draft.kind, path, draft.id),))
                for id, path in wanted.items()
                if id not in there
            ),
        ]

    async def _of(self, tenant: str, id: str) -> list[str]:
        sql = f'SELECT VALUE c["id"] FROM c WHERE c["type"] = "claim" AND c["member"] = @id OFFSET 0 LIMIT {_MOST}'
        return await self._calls.query(tenant, sql, [{"name": "@id", "value": id}], page=_MOST)
