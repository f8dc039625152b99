"""Operations on single items of one partition, with their status and charge. Knows no HTTP and no batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.cosmos_emulator import charges, patch
from tests.cosmos_emulator.container import Container
from tests.cosmos_emulator.partition import Item, check_id, check_item
from tests.cosmos_emulator.values import Value, rank, same
from tests.cosmos_emulator.wire import PARTITION_KEY_MISMATCH, CosmosError, refuse


@dataclass(slots=True)
class Done:
    """The result of an operation. For a delete, `item` is the deleted item."""

    status: int
    item: Item
    charge: float


class Points:
    """The point operations for one partition key. Errors have a charge too."""

    def __init__(self, container: Container, key: Value, *, doubled_reads: bool) -> None:
        self._container = container
        self._key = key
        self._doubled = doubled_reads
        self.partition = container.partition(key)

    def read(self, id: str, none_match: str | None) -> Done:
        """Read: 200, or 304 if the etag is the current one; 404."""
        try:
            item = self.partition.read(_checked(id))
        except CosmosError as error:
            error.charge = charges.read(0, doubled=self._doubled)
            raise
        status = 304 if none_match in {item.etag, "*"} else 200
        return Done(status, item, charges.read(item.size, doubled=self._doubled))

    def create(self, document: Any, size: int | None) -> Done:
        """Create: 201; 409 if the id or a unique key exists, 400 for a wrong partition key."""
        size = check_item(document, size)
        self._check_key(document)
        item = _charged(lambda: self.partition.create(document, size))
        return Done(201, item, charges.create(item.size, item.terms))

    def replace(self, id: str, document: Any, size: int | None, expected: str | None) -> Done:
        """Replace: 200; 404, 412, 409."""
        size = check_item(document, size)
        self._check_key(document)
        item = _charged(lambda: self.partition.replace(_checked(id), document, size, expected))
        return Done(200, item, charges.replace(item.size, item.terms))

    def patch(self, id: str, body: Any, expected: str | None) -> Done:
        """Patch: 200; 404, 412, 409, and 400 for an operation that can't be applied to the item."""
        before = _charged(lambda: self.partition.read(_checked(id)))
        if expected not in {None, "*", before.etag}:
            error = CosmosError(412, "One of the specified pre-condition is not met.")
            error.charge = charges.REFUSED
            raise error
        document = patch.apply(before.document, body, self._container.definition.partition_key)
        size = check_item(document)
        item = _charged(lambda: self.partition.replace(id, document, size, None))
        return Done(200, item, charges.replace(item.size, item.terms))

    def delete(self, id: str, expected: str | None) -> Done:
        """Delete: 204; 404, 412."""
        item = _charged(lambda: self.partition.delete(_checked(id), expected))
        self._container.lsn += 1
        return Done(204, item, charges.create(item.size, item.terms))

    def _check_key(self, document: Any) -> None:
        held = self._container.definition.partition_of(document)
        if rank(held) != rank(self._key) or not same(held, self._key):
            refuse(
                "PartitionKey extracted from document doesn't match the one specified in the header.",
                PARTITION_KEY_MISMATCH,
            )


def _checked(id: str) -> str:
    check_id(id)
    return id


def _charged[T](operation: Callable[[], T]) -> T:
    try:
        return operation()
    except CosmosError as error:
        error.charge = charges.REFUSED
        raise
