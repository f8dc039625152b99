"""Executes a transactional batch: all operations on one partition key, or none. Knows no HTTP headers.

Source: "Transactional batch operations in Azure Cosmos DB": at most 100 operations and 2 MB, executed in order, each
with the effects of those before it. If one fails, the response is 207; that operation has its status and all others
have 424.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.cosmos_emulator.points import Done, Points
from tests.cosmos_emulator.wire import CosmosError, refuse

MAX_OPERATIONS = 100
_FIELDS = frozenset(["operationType", "id", "resourceBody", "ifMatch", "ifNoneMatch"])
_FAILED_DEPENDENCY = 424

type FailureAt = Callable[[int], int | None]  # the injected failure status of the operation at an index, or None


def execute(operations: Any, points: Points, failure_at: FailureAt) -> tuple[int, list[dict[str, Any]], float]:
    """Return the status, the results in the order of the operations, and the total charge."""
    if not isinstance(operations, list) or not operations:
        refuse("A batch is a list of operations.")
    if len(operations) > MAX_OPERATIONS:
        refuse(f"Batch request has more operations than what is supported: {MAX_OPERATIONS}.")
    for operation in operations:
        _check(operation)
    results: list[dict[str, Any]] = []
    charge = 0.0
    points.partition.begin()
    try:
        for index, operation in enumerate(operations):
            failure = failure_at(index)
            if failure is not None:
                raise CosmosError(failure, "A fault was injected.")
            done = _run(operation, points)
            charge += done.charge
            results.append(_result(done))
    except CosmosError as error:
        points.partition.roll_back()
        charge += error.charge
        failed: list[dict[str, Any]] = [{"statusCode": _FAILED_DEPENDENCY, "requestCharge": 0.0} for _ in operations]
        failed[len(results)] = {"statusCode": error.status, "requestCharge": error.charge}
        if error.substatus:
            failed[len(results)]["subStatusCode"] = error.substatus
        return 207, failed, charge
    except BaseException:
        points.partition.roll_back()
        raise
    points.partition.commit()
    return 200, results, charge


def _check(operation: Any) -> None:
    """Refuse the batch if the operation is malformed or not emulated."""
    if not isinstance(operation, dict) or not set(operation) <= _FIELDS:
        refuse("The batch has an operation with properties that are not emulated.")
    operation_type, has_id, has_body = operation.get("operationType"), "id" in operation, "resourceBody" in operation
    shapes = {
        "Create": (False, True),
        "Read": (True, False),
        "Replace": (True, True),
        "Delete": (True, False),
        "Patch": (True, True),
    }
    if shapes.get(str(operation_type)) != (has_id, has_body):
        refuse(f"The batch operation {operation_type!r} is not emulated or malformed.")
    if "ifNoneMatch" in operation and operation_type != "Read":
        refuse("ifNoneMatch is emulated for reads only.")
    if "ifMatch" in operation and operation_type in {"Read", "Create"}:
        refuse("ifMatch is emulated for replace, delete and patch only.")


def _run(operation: dict[str, Any], points: Points) -> Done:
    id, body, expected = operation.get("id", ""), operation.get("resourceBody"), operation.get("ifMatch")
    match operation["operationType"]:
        case "Create":
            return points.create(body, None)
        case "Read":
            return points.read(id, operation.get("ifNoneMatch"))
        case "Replace":
            return points.replace(id, body, None, expected)
        case "Delete":
            return points.delete(id, expected)
        case _:
            return points.patch(id, body, expected)


def _result(done: Done) -> dict[str, Any]:
    result: dict[str, Any] = {"statusCode": done.status, "requestCharge": done.charge}
    if done.status != 204:
        result["eTag"] = done.item.etag
        if done.status != 304:
            result["resourceBody"] = done.item.document
    return result
