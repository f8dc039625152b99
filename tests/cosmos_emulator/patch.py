"""Applies a partial document update to a copy of an item. Knows no storage.

Source: "Partial document update in Azure Cosmos DB" (operations and their errors) and its FAQ (10 operations; system
properties can't be patched). Emulated: add, set, replace, remove, incr. Refused: move, conditions.
"""

from __future__ import annotations

from typing import Any

from tests.cosmos_emulator.indexes import Document
from tests.cosmos_emulator.values import Steps
from tests.cosmos_emulator.wire import CosmosError, refuse

MAX_OPERATIONS = 10
_SYSTEM = frozenset(["id", "_rid", "_self", "_etag", "_attachments", "_ts"])


def apply(document: Document, body: Any, partition_key: Steps) -> Document:
    """Return the item after the operations of a patch body `{"operations": [{"op", "path", "value"}]}`."""
    if not isinstance(body, dict) or set(body) != {"operations"} or not isinstance(body["operations"], list):
        refuse("The patch request is invalid, or has a condition, which is not emulated.")
    operations = body["operations"]
    if not 1 <= len(operations) <= MAX_OPERATIONS:
        refuse(f"The number of patch operations must be 1 to {MAX_OPERATIONS}.")
    result = {name: value for name, value in document.items() if name not in _SYSTEM or name == "id"}
    for operation in operations:
        result = _one(result, operation, partition_key)
    return result


def _one(document: Document, operation: Any, partition_key: Steps) -> Document:
    if not isinstance(operation, dict) or not set(operation) <= {"op", "path", "value"}:
        refuse("A patch operation has op, path and value.")
    op, path = operation.get("op"), operation.get("path")
    if op not in {"add", "set", "replace", "remove", "incr"}:
        refuse(f"The patch operation {op!r} is not emulated.")
    if (op == "remove") == ("value" in operation):
        refuse("A patch operation needs a value, and remove takes none.")
    if not isinstance(path, str) or not path.startswith("/") or path == "/":
        refuse("The patch path is not a valid JSON pointer.")
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    if steps[0] in _SYSTEM or tuple(steps) == partition_key[: len(steps)]:
        refuse(f"Cannot patch the system property or partition key at {path}.")
    changed = _changed(document, steps, str(op), operation.get("value"))
    if not isinstance(changed, dict):
        raise TypeError(path)
    return changed


def _changed(value: Any, steps: list[str], op: str, operand: Any) -> Any:
    """Return a changed copy of the value. Only the containers along the path are copied."""
    step, *rest = steps
    if isinstance(value, dict):
        copy = dict(value)
        if rest:
            if step not in value:
                refuse(f"The path of the patch operation does not exist at '{step}'.")
            copy[step] = _changed(value[step], rest, op, operand)
        elif op == "remove":
            if step not in value:
                refuse(f"The path to remove does not exist at '{step}'.")
            del copy[step]
        elif op == "replace" and step not in value:
            refuse(f"The path to replace does not exist at '{step}'.")
        else:
            copy[step] = _sum(value.get(step, 0), operand) if op == "incr" else operand
        return copy
    if isinstance(value, list):
        return _in_array(value, step, rest, op, operand)
    raise CosmosError(400, f"The path of the patch operation does not exist at '{step}'.")


def _in_array(value: list[Any], step: str, rest: list[str], op: str, operand: Any) -> list[Any]:
    if step == "-" and op in {"add", "set"} and not rest:
        return [*value, operand]
    if not step.isdigit():
        refuse(f"'{step}' is no position in an array.")
    at = int(step)
    if at > len(value) or (at == len(value) and (rest or op != "add")):
        refuse(f"The position {at} is behind the end of the array.")
    if rest:
        return [*value[:at], _changed(value[at], rest, op, operand), *value[at + 1 :]]
    if op == "add":
        return [*value[:at], operand, *value[at:]]
    if op == "remove":
        return [*value[:at], *value[at + 1 :]]
    return [*value[:at], _sum(value[at], operand) if op == "incr" else operand, *value[at + 1 :]]


def _sum(value: Any, operand: Any) -> int | float:
    for number in (value, operand):
        if not isinstance(number, int | float) or isinstance(number, bool):
            refuse("incr needs numbers.")
    return float(value + operand) if isinstance(value + operand, float) else int(value + operand)
