"""The schemas and resource types of this service, read from the JSON files beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from scim.protocol.json import Json
from scim.protocol.schema import ResourceType, Schema, resource_type_from, schema_from

# What `sortBy` takes besides what every type has.
_SORTABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "User": ("userName", "displayName", "title", "active", "name.familyName", "name.givenName", "emails"),
    "Group": ("displayName",),
}
_SORTABLE_COMMON: Final = ("externalId", "meta.created", "meta.lastModified")

# Attributes that are derived from member items, never stored in the resource.
_RELATIONS: Final[Mapping[str, str]] = {"User": "groups", "Group": "members"}


@dataclass(frozen=True, slots=True)
class Registry:
    """All schemas by URN and all resource types by name."""

    schemas: Mapping[str, Schema]
    resource_types: Mapping[str, ResourceType]


def _read(name: str) -> Json:
    return json.loads(files("scim.protocol").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8"))


@cache
def core() -> Registry:
    """User with the enterprise extension, and Group (RFC 7643 §4, §8.7.1)."""
    schemas = [schema_from(_read(name)) for name in ("user", "enterprise_user", "group")]
    by_urn = {schema.id: schema for schema in schemas}
    types = [
        resource_type_from(source, by_urn, (*_SORTABLE_COMMON, *_SORTABLE[source["name"]]), _RELATIONS[source["name"]])
        for source in _read("resource_types")
    ]
    return Registry(by_urn, {kind.name: kind for kind in types})
