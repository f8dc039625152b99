"""Custom resource types: User and Group with an extension whose attributes are unique by default."""

from dataclasses import replace
from typing import Any, Final, Literal

from scim.protocol.schema.model import Attribute, AttributeType, ResourceType, Schema
from scim.protocol.schema.registry import Registry, core

CAMPUS: Final = "urn:example:params:scim:schemas:extension:campus:2.0:User"
BADGE: Final = f"{CAMPUS}:badge"


def attribute(
    name: str,
    type: AttributeType = "string",
    uniqueness: Literal["none", "server", "global"] = "server",
    **characteristics: Any,
) -> Attribute:
    """Return an attribute that is unique by default."""
    return Attribute(name, type, uniqueness=uniqueness, label=name, **characteristics)


def with_extension(resource_type: ResourceType, *attributes: Attribute) -> ResourceType:
    """Return the type with an extension of these attributes."""
    schema = Schema(CAMPUS, "Campus", {one.name.lower(): one for one in attributes}, {"id": CAMPUS})
    return replace(resource_type, extensions={**resource_type.extensions, CAMPUS: schema})


def with_characteristics(resource_type: ResourceType, name: str, **characteristics: Any) -> ResourceType:
    """Return the type with other characteristics of one of its core attributes."""
    attributes = resource_type.schema.attributes
    other = replace(attributes[name.lower()], **characteristics)
    return replace(resource_type, schema=replace(resource_type.schema, attributes={**attributes, name.lower(): other}))


USER: Final = core().resource_types["User"]


def registry(*attributes: Attribute, user: ResourceType = USER) -> Registry:
    """Return a registry with User and Group, each with an extension of these attributes."""
    resource_types = {
        name: with_extension(resource_type, *attributes)
        for name, resource_type in {**core().resource_types, "User": user}.items()
    }
    campus = {CAMPUS: resource_types["User"].extensions[CAMPUS]}
    return Registry({**core().schemas, **campus}, resource_types)


def body(name: str, /, **campus: Any) -> dict[str, Any]:
    """Return the body of a user with this name and these attributes of the extension."""
    return {"userName": name, **({CAMPUS: campus} if campus else {})}
