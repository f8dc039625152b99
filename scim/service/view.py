"""How a stored resource looks to a client: location, version, references and the derived members or groups."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from scim.protocol import etag
from scim.protocol.described import described
from scim.protocol.fold import rules
from scim.protocol.json import JsonObject
from scim.protocol.registry import Registry
from scim.protocol.schema import ResourceType
from scim.storage.interface import Membership, Name, Stored

_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def is_id(text: str) -> bool:
    """Whether the text can be the id of a resource: a UUID as we write it. Nothing else ever reaches a store."""
    return _ID.fullmatch(text) is not None


class View:
    """Representations for one base URL."""

    def __init__(self, registry: Registry, base_url: str) -> None:
        self._types = registry.resource_types
        self._base_url = base_url

    def location(self, kind: str, id: str) -> str:
        """The URL of a resource."""
        return f"{self._base_url}{self._types[kind].endpoint}/{id}"

    def resource(self, stored: Stored, kind: ResourceType, related: Sequence[JsonObject] | None = None) -> JsonObject:
        """The whole representation; `related` is the value of `members` or `groups`."""
        # What was written by the present schemas has nothing that they don't describe.
        resource = stored.resource if stored.rules == rules(kind) else described(stored.resource, kind)
        shown: JsonObject = {"schemas": resource["schemas"], "id": stored.id, **resource}
        meta = shown.pop("meta")
        for urn, name, target in kind.references:
            self._refer(shown, urn, name, target)
        if related:
            shown[kind.relation] = related
        shown["meta"] = {
            **meta,
            "location": self.location(stored.kind, stored.id),
            "version": etag.weak(stored.version),
        }
        return shown

    def _refer(self, shown: JsonObject, urn: str | None, name: str, target: str) -> None:
        """Give a reference such as `manager` its `$ref`, if its value is an id of ours."""
        level = shown if urn is None else shown.get(urn)
        value = level.get(name) if level else None
        if not value or target not in self._types or not is_id(value.get("value", "")):
            return
        referred = {**value, "$ref": self.location(target, value["value"])}
        if urn is None:
            shown[name] = referred
        else:
            shown[urn] = {**shown[urn], name: referred}

    def members(self, memberships: Iterable[Membership]) -> list[JsonObject]:
        """Values of `members`."""
        endpoints = {name: f"{self._base_url}{type.endpoint}/" for name, type in self._types.items()}
        values: list[JsonObject] = []
        for _, (value, sent, display), known in memberships:
            kind = sent or known
            shown: JsonObject = {"value": value}
            if kind is not None:
                endpoint = endpoints.get(kind)
                # What the store knows is an id. A type that a client sent may stand beside any text.
                if endpoint is not None and (known is not None or is_id(value)):
                    shown["$ref"] = endpoint + value
            if display is not None:
                shown["display"] = display
            if kind is not None:
                shown["type"] = kind
            values.append(shown)
        return values

    def group(self, id: str, name: Name) -> JsonObject:
        """One value of a user's `groups`."""
        shown: JsonObject = {"value": id, "$ref": self.location(name.kind, id), "type": "direct"}
        if name.display is not None:
            shown["display"] = name.display
        return shown
