"""The items that keep further values of resources unique within a customer (stored type `claim`).

How it works: the item id is a digest of type, path and value, so that the database itself refuses a second item for the
same value. While a resource exists, its unique value items are created and deleted only in batches that write the
resource.
"""

from collections.abc import Mapping
from typing import Final

from scim.storage.cosmos.calls import BatchOperation, Calls
from scim.storage.cosmos.items import unique_value_id, unique_value_item
from scim.storage.interface import WriteModel

_LIMIT: Final = 100
"""More unique values than a resource can have: each of them is one operation of a batch."""


class UniqueValueItems:
    """The unique value items of one container."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def changes(
        self, customer: str, write_model: WriteModel, old_unique_values: Mapping[str, str] | None
    ) -> list[BatchOperation]:
        """Return the operations that turn the old unique values of a resource into those of the write model.

        With `old_unique_values=None`, a query reads the existing items. Raises `StoreError`.
        """
        new = {
            unique_value_id(write_model.type_name, path, value): path
            for path, value in write_model.unique_values.items()
        }
        if old_unique_values is None:
            old = dict.fromkeys(await self._read_ids(customer, write_model.id))
        else:
            old = dict.fromkeys(
                unique_value_id(write_model.type_name, path, value) for path, value in old_unique_values.items()
            )
        return [
            *(BatchOperation("delete", (id,)) for id in old if id not in new),
            *(
                BatchOperation(
                    "create", (unique_value_item(customer, id, write_model.type_name, path, write_model.id),)
                )
                for id, path in new.items()
                if id not in old
            ),
        ]

    async def _read_ids(self, customer: str, id: str) -> list[str]:
        sql = f'SELECT VALUE c["id"] FROM c WHERE c["type"] = "claim" AND c["member"] = @id OFFSET 0 LIMIT {_LIMIT}'
        return await self._calls.query(customer, sql, [{"name": "@id", "value": id}], page=_LIMIT)
