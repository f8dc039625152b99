"""Resource types as a deployment may have them: User and Group with an extension whose attributes are unique."""

from dataclasses import replace
from typing import Any, Final, Literal

from scim.protocol.registry import Registry, core
from scim.protocol.schema import Attribute, AttributeType, ResourceType, Schema

CAMPUS: Final = "urn:example:params:scim:schemas:extension:campus:2.0:User"
BADGE: Final = f"{CAMPUS}:badge"


def attribute(
    name: str,
    type: AttributeType = "string",
    uniqueness: Literal["none", "server", "global"] = "server",
    **characteristics: Any,
) -> Attribute:
    """An attribute that is unique unless said otherwise."""
    return Attribute(name, type, uniqueness=uniqueness, label=name, **characteristics)


def extended(kind: ResourceType, *attributes: Attribute) -> ResourceType:
    """The type with the extension of these attributes."""
    schema = Schema(CAMPUS, "Campus", {one.name.lower(): one for one in attributes}, {"id": CAMPUS})
    return replace(kind, extensions={**kind.extensions, CAMPUS: schema})


def described(kind: ResourceType, name: str, **characteristics: Any) -> ResourceType:
    """The type with other characteristics of one of its own attributes."""
    attributes = kind.schema.attributes
    other = replace(attributes[name.lower()], **characteristics)
    return replace(kind, schema=replace(kind.schema, attributes={**attributes, name.lower(): other}))


USER: Final = core().resource_types["User"]


def registry(*attributes: Attribute, user: ResourceType = USER) -> Registry:
    """User and Group with the extension of these attributes."""
    kinds = {name: extended(kind, *attributes) for name, kind in {**core().resource_types, "User": user}.items()}
    campus = {CAMPUS: kinds["User"].extensions[CAMPUS]}
    return Registry({**core().schemas, **campus}, kinds)


def body(name: str, /, **campus: Any) -> dict[str, Any]:
    """A user of that name with these attributes of the extension."""
    return {"userName": name, **({CAMPUS: campus} if campus else {})}
