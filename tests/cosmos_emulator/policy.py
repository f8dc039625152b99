"""Parses a container's definition: partition key, indexing policy, unique keys, time to live. Refuses other features.

Sources: "Indexing policies in Azure Cosmos DB", "Unique keys", "Configure time to live", REST "Create a Collection".
"""

from __future__ import annotations

import re
from typing import Any

from tests.cosmos_emulator.values import UNDEFINED, Steps, Value, follow
from tests.cosmos_emulator.wire import refuse

ELEMENT = "[]"  # the step from an array to its elements in an indexed path
_SEGMENT = re.compile(r'/(?:"([^"]+)"|([^/"]+))')
_ALWAYS_INDEXED = frozenset([("id",), ("_ts",)])  # "the system properties id and _ts are always indexed"

type Names = tuple[str, ...]


def _names(path: Any) -> Names:
    if not isinstance(path, str) or not re.fullmatch(rf"(?:{_SEGMENT.pattern})+", path):
        refuse(f"The path {path!r} is not valid.")
    return tuple(quoted or bare for quoted, bare in _SEGMENT.findall(path))


def _known(definition: dict[str, Any], allowed: set[str], where: str) -> None:
    unknown = set(definition) - allowed
    if unknown:
        refuse(f"{where} has properties that are not emulated: {', '.join(sorted(unknown))}.")


class IndexingPolicy:
    """An indexing policy. The longest matching path decides; `/?` takes precedence over `/*`."""

    def __init__(self, definition: dict[str, Any]) -> None:
        _known(
            definition,
            {"indexingMode", "automatic", "includedPaths", "excludedPaths", "compositeIndexes"},
            "The indexing policy",
        )
        self.mode = str(definition.get("indexingMode", "consistent")).lower()
        if self.mode not in {"consistent", "none"}:
            refuse(f"The indexing mode {self.mode} is not valid.")
        self._rules: dict[tuple[Names, bool], bool] = {}
        for name in ("includedPaths", "excludedPaths"):
            for entry in definition.get(name, []):
                self._add(entry, included=name == "includedPaths")
        if self.mode == "consistent" and ((), True) not in self._rules:
            refuse('The special mandatory indexing path "/" is not provided in any of the path type sets.')
        self.composites = [
            [(_names(part.get("path")), part.get("order", "ascending") == "descending") for part in composite]
            for composite in definition.get("compositeIndexes", [])
        ]
        self._answers: dict[Names, bool] = {}
        self._below: dict[Names, bool] = {}

    def _add(self, entry: dict[str, Any], *, included: bool) -> None:
        _known(entry, {"path", "indexes"}, "An indexing path")
        path = entry.get("path", "")
        if not isinstance(path, str) or not path.endswith(("/?", "/*")):
            refuse(f"The indexing path {path!r} is not valid: it must end with /? or /*.")
        deep = path.endswith("/*")
        names = _names(path[:-2]) if len(path) > 2 else ()
        if (names, deep) in self._rules:
            refuse(f"The indexing path {path!r} is specified twice.")
        self._rules[(names, deep)] = included

    def indexed(self, path: Names) -> bool:
        """Return whether a scalar at the path has an index entry."""
        answer = self._answers.get(path)
        if answer is None:
            answer = self._answers[path] = self._decide(path)
        return answer

    def _decide(self, path: Names) -> bool:
        if self.mode == "none":
            return False
        if path in _ALWAYS_INDEXED:
            return True
        best, included = -1, False
        for (names, deep), kept in self._rules.items():
            fits = path[: len(names)] == names if deep else path == names
            precision = 2 * len(names) + (not deep)
            if fits and precision > best:
                best, included = precision, kept
        return included

    def explicitly(self, path: Names) -> bool:
        """Return whether the path itself is included with `/?`. Only then ORDER BY returns items without it."""
        return self._rules.get((path, False), False)

    def served_by_composite(self, orders: list[tuple[Names, bool]]) -> bool:
        """Return whether a composite index has these paths in this order, or in exactly the opposite one."""
        opposite = [(path, not descending) for path, descending in orders]
        return orders in self.composites or opposite in self.composites

    def terms(self, value: Value, path: Names = ()) -> int:
        """Return the number of index entries of a value."""
        if isinstance(value, dict):
            return sum(
                self.terms(inner, (*path, name)) for name, inner in value.items() if self._reaches((*path, name))
            )
        if isinstance(value, list):
            return sum(self.terms(inner, (*path, ELEMENT)) for inner in value)
        return int(self.indexed(path))

    def _reaches(self, path: Names) -> bool:
        """Return whether a value at or below the path may be indexed."""
        answer = self._below.get(path)
        if answer is None:
            size = len(path)
            answer = self._below[path] = self.indexed(path) or any(
                kept and names[:size] == path for (names, _), kept in self._rules.items()
            )
        return answer


class Definition:
    """A valid container definition. `properties` is the response to a read, without system properties."""

    def __init__(self, body: dict[str, Any]) -> None:
        _known(
            body, {"id", "partitionKey", "indexingPolicy", "uniqueKeyPolicy", "defaultTtl"}, "The container definition"
        )
        key = body.get("partitionKey")
        if not isinstance(key, dict):
            refuse("A partition key is required.")
        _known(key, {"paths", "kind", "version"}, "The partition key")
        if key.get("kind", "Hash") != "Hash" or len(key.get("paths", [])) != 1 or key.get("version", 2) not in {1, 2}:
            refuse("Only a partition key of kind Hash with one path is emulated.")
        self.partition_key: Steps = _names(key["paths"][0])
        policy = body.get("indexingPolicy") or {
            "indexingMode": "consistent",
            "includedPaths": [{"path": "/*"}],
            "excludedPaths": [{"path": '/"_etag"/?'}],
        }
        self.indexing = IndexingPolicy(policy)
        self.unique_keys = self._unique_keys(body.get("uniqueKeyPolicy") or {})
        self.default_ttl: int | None = body.get("defaultTtl")
        if self.default_ttl is not None and not valid_ttl(self.default_ttl):
            refuse("The value of defaultTtl must be -1 or a positive whole number.")
        self.properties = {**body, "partitionKey": {"kind": "Hash", "version": 2, **key}, "indexingPolicy": policy}

    def _unique_keys(self, policy: dict[str, Any]) -> list[list[Names]]:
        _known(policy, {"uniqueKeys"}, "The unique key policy")
        constraints: list[list[Names]] = []
        for constraint in policy.get("uniqueKeys", []):
            _known(constraint, {"paths"}, "A unique key")
            constraints.append([_names(path) for path in constraint.get("paths", [])])
        if len(constraints) > 10 or any(not 1 <= len(paths) <= 16 for paths in constraints):
            refuse("A container has at most 10 unique keys of 1 to 16 paths each.")
        return constraints

    def partition_of(self, item: dict[str, Any]) -> Value:
        """Return the partition key value of an item."""
        return follow(item, self.partition_key)

    def expiry(self, item: dict[str, Any], now: float) -> float | None:
        """Return when an item expires, or None for never. Refuses a `ttl` that isn't -1 or a positive whole number."""
        ttl = item.get("ttl", UNDEFINED)
        if ttl is not UNDEFINED and not valid_ttl(ttl):
            refuse("The input ttl is invalid. Ensure to provide a nonzero positive integer, or -1.")
        if self.default_ttl is None:
            return None
        seconds = self.default_ttl if ttl is UNDEFINED else ttl
        return None if seconds == -1 else int(now) + seconds


def valid_ttl(ttl: Value) -> bool:
    """Check a time to live: -1 for never, or seconds up to 2^31 - 1."""
    return isinstance(ttl, int) and not isinstance(ttl, bool) and (ttl == -1 or 1 <= ttl <= 2_147_483_647)
