"""The discovery endpoints: ServiceProviderConfig, ResourceTypes and Schemas (RFC 7643 §5-§7, RFC 7644 §4)."""

from collections.abc import Sequence
from typing import Final

from scim.protocol.errors import NotFound
from scim.protocol.json import JsonObject
from scim.protocol.limits import Limits
from scim.protocol.messages import list_response
from scim.protocol.schema.registry import Registry

_CONFIG_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"


class Discovery:
    """Builds the responses from the registry and the limits, without the store."""

    def __init__(self, registry: Registry, limits: Limits, *, change_password: bool) -> None:
        """`change_password` says whether the service stores the passwords that clients send."""
        self._registry = registry
        self._limits = limits
        self._change_password = change_password

    def service_provider_config(self, base_url: str) -> JsonObject:
        """Return the supported features and their limits (RFC 7643 §5, RFC 9865 §4)."""
        return {
            "schemas": [_CONFIG_SCHEMA],
            "patch": {"supported": True},
            "bulk": {
                "supported": True,
                "maxOperations": self._limits.bulk_operations,
                "maxPayloadSize": self._limits.bulk_bytes,
            },
            "filter": {"supported": True, "maxResults": self._limits.page},
            "changePassword": {"supported": self._change_password},
            "sort": {"supported": True},
            "etag": {"supported": True},
            "pagination": {
                "cursor": True,
                "index": True,
                "defaultPaginationMethod": "index",
                "defaultPageSize": self._limits.default_page,
                "maxPageSize": self._limits.page,
                "cursorTimeout": self._limits.cursor_seconds,
            },
            "authenticationSchemes": [
                {
                    "type": "oauthbearertoken",
                    "name": "OAuth Bearer Token",
                    "description": "A bearer token in the Authorization header.",
                    "specUri": "https://www.rfc-editor.org/info/rfc6750",
                    "primary": True,
                }
            ],
            "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base_url}/ServiceProviderConfig"},
        }

    def resource_types(self, base_url: str) -> JsonObject:
        """Return all resource types as a ListResponse."""
        return _list([self.resource_type(name, base_url) for name in self._registry.resource_types])

    def resource_type(self, id: str, base_url: str) -> JsonObject:
        """Return the resource type with this id, in upper or lower case. Raises `NotFound`."""
        for name, resource_type in self._registry.resource_types.items():
            if name.lower() == id.lower():
                return _with_meta(resource_type.source, "ResourceType", f"{base_url}/ResourceTypes/{name}")
        raise NotFound("There is no resource type with this id.")

    def schemas(self, base_url: str) -> JsonObject:
        """Return all schemas as a ListResponse."""
        return _list([self.schema(urn, base_url) for urn in self._registry.schemas])

    def schema(self, id: str, base_url: str) -> JsonObject:
        """Return the schema with this URN, in upper or lower case. Raises `NotFound`."""
        for urn, schema in self._registry.schemas.items():
            if urn.lower() == id.lower():
                return _with_meta(schema.source, "Schema", f"{base_url}/Schemas/{urn}")
        raise NotFound("There is no schema with this id.")


def _with_meta(source: JsonObject, type_name: str, location: str) -> JsonObject:
    return {**source, "meta": {"resourceType": type_name, "location": location}}


def _list(resources: Sequence[JsonObject]) -> JsonObject:
    return list_response(resources, len(resources), 1)
