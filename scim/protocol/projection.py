"""Which attributes of a resource an answer carries: `attributes`, `excludedAttributes` and `returned`.

Source: RFC 7644 §3.9, RFC 7643 §7 ("returned").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from scim.protocol.filter import attribute_path
from scim.protocol.json import Json, JsonObject
from scim.protocol.query import locate
from scim.protocol.schema import Attribute, ResourceType

type Names = Mapping[str, frozenset[str] | None]
"""Canonical names at one level: each as a whole (`None`) or some of its sub-attributes."""

_NONE: Final[Names] = {}


@dataclass(frozen=True)
class Projection:
    """What to keep and what to leave out, by extension URN (`None`: the core)."""

    kind: ResourceType
    kept: Mapping[str | None, Names] | None
    """`None`: everything that is returned by default."""
    left_out: Mapping[str | None, Names]

    def carries(self, name: str) -> bool:
        """Whether a core attribute that is returned by default is part of the answer, in whole or in part."""
        if self.kept is not None and name not in self.kept.get(None, _NONE):
            return False
        return self.left_out.get(None, _NONE).get(name, frozenset()) is not None

    def names(self, name: str) -> bool:
        """Whether `attributes` asks for this core attribute."""
        return self.kept is not None and self.carries(name)

    def apply(self, resource: JsonObject) -> JsonObject:
        """A new resource with what the answer carries."""
        if self.kept is None and not self.left_out and not self.kind.withholds:
            return resource
        projected: JsonObject = {}
        for name, value in resource.items():
            if name in self.kind.extensions:
                inner = self._level(value, name, self.kind.extensions[name].by_name)
                if inner:
                    projected[name] = inner
        return {**self._level(resource, None, self.kind.by_name), **projected}

    def _level(self, values: JsonObject, urn: str | None, attributes: Mapping[str, Attribute]) -> JsonObject:
        kept = None if self.kept is None else self.kept.get(urn, _NONE)
        left_out = self.left_out.get(urn, _NONE)
        level: JsonObject = {}
        for name, value in values.items():
            attribute = attributes.get(name)
            if attribute is None:
                continue
            if attribute.returned == "always":
                level[name] = value
                continue
            if name not in kept if kept is not None else attribute.returned == "request":
                continue
            if name in left_out and left_out[name] is None:
                continue
            cut = _cut(value, attribute, kept[name] if kept is not None else None, left_out.get(name))
            if cut not in ({}, []):
                level[name] = cut
        return level


def projection(attributes: Iterable[str], excluded: Iterable[str], kind: ResourceType) -> Projection:
    """The projection that a request asks for; names that the schemas don't know are ignored."""
    wanted = list(attributes)
    return Projection(kind, _names(wanted, kind) if wanted else None, _names(excluded, kind))


def _names(texts: Iterable[str], kind: ResourceType) -> dict[str | None, dict[str, frozenset[str] | None]]:
    names: dict[str | None, dict[str, frozenset[str] | None]] = {}
    for text in texts:
        urn = kind.urns.get(text.lower())
        if urn is not None:
            schema = kind.extension(urn)
            level = names.setdefault(None if schema is None else urn, {})
            level.update(dict.fromkeys((schema or kind.schema).by_name))
            continue
        path = attribute_path(text)
        found = locate(path, kind) if path is not None else None
        if found is None:
            continue
        place, sub = found
        level = names.setdefault(place.extension, {})
        name = place.attribute.name
        if sub is None:
            level[name] = None
        else:
            subs = level.get(name, frozenset())
            level[name] = None if subs is None else subs | {sub.name}
    return names


def _cut(value: Json, attribute: Attribute, kept: frozenset[str] | None, left_out: frozenset[str] | None) -> Json:
    """A complex value, or each element of a list of them, with only some of its sub-attributes."""
    if kept is None and not left_out:
        return value
    if isinstance(value, list):
        return [cut for element in value if (cut := _cut(element, attribute, kept, left_out)) != {}]
    if not isinstance(value, dict):
        return value
    return {
        name: sub
        for name, sub in value.items()
        if attribute.by_name[name].returned == "always"
        or ((kept is None or name in kept) and not (left_out and name in left_out))
    }
