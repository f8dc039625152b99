"""Builds the representations of stored resources: location, version, `$ref` and the values of `members` and `groups`."""

from collections.abc import Iterable, Sequence

from scim.protocol import etag
from scim.protocol.json import JsonObject
from scim.protocol.schema.conform import conform
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import Registry
from scim.protocol.search_fields import index_version
from scim.protocol.uuids import UUID
from scim.storage.interface import Membership, ResourceName, Stored


def is_id(text: str) -> bool:
    """Return whether the text is a canonical UUID, as all resource ids are. No other id is passed to a store."""
    return UUID.fullmatch(text) is not None


class Representations:
    """Builds representations whose URLs start with `base_url`."""

    def __init__(self, registry: Registry, base_url: str) -> None:
        self._types = registry.resource_types
        self._base_url = base_url

    def location(self, type_name: str, id: str) -> str:
        """Return the URL of a resource."""
        return f"{self._base_url}{self._types[type_name].endpoint}/{id}"

    def resource(
        self, stored: Stored, resource_type: ResourceType, related: Sequence[JsonObject] | None = None
    ) -> JsonObject:
        """Return the whole representation. `related` is the value of `members` or `groups`."""
        # A resource with the current index version has no attributes that the schemas don't define.
        resource = (
            stored.resource
            if stored.index_version == index_version(resource_type)
            else conform(stored.resource, resource_type)
        )
        representation: JsonObject = {"schemas": resource["schemas"], "id": stored.id, **resource}
        meta = representation.pop("meta")
        for urn, name, target in resource_type.references:
            self._add_ref(representation, urn, name, target)
        if related:
            representation[resource_type.relation] = related
        representation["meta"] = {
            **meta,
            "location": self.location(stored.type_name, stored.id),
            "version": etag.weak(stored.version),
        }
        return representation

    def _add_ref(self, representation: JsonObject, urn: str | None, name: str, target: str) -> None:
        """Add `$ref` to a reference such as `manager` if its value is a resource id."""
        level = representation if urn is None else representation.get(urn)
        value = level.get(name) if level else None
        if not value or target not in self._types or not is_id(value.get("value", "")):
            return
        referred = {**value, "$ref": self.location(target, value["value"])}
        if urn is None:
            representation[name] = referred
        else:
            representation[urn] = {**representation[urn], name: referred}

    def members(self, memberships: Iterable[Membership]) -> list[JsonObject]:
        """Return the values of `members`."""
        endpoints = {name: f"{self._base_url}{type.endpoint}/" for name, type in self._types.items()}
        values: list[JsonObject] = []
        for _, (value, sent, display), looked_up in memberships:
            type_name = sent or looked_up
            member: JsonObject = {"value": value}
            if type_name is not None:
                endpoint = endpoints.get(type_name)
                # If the store found the type, the value is an id. A client may have sent a type with any other text.
                if endpoint is not None and (looked_up is not None or is_id(value)):
                    member["$ref"] = endpoint + value
            if display is not None:
                member["display"] = display
            if type_name is not None:
                member["type"] = type_name
            values.append(member)
        return values

    def group(self, id: str, name: ResourceName) -> JsonObject:
        """Return one value of the `groups` of a user."""
        group: JsonObject = {"value": id, "$ref": self.location(name.type_name, id), "type": "direct"}
        if name.display is not None:
            group["display"] = name.display
        return group
