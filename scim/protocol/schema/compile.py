"""Compiles checked definitions into schemas and resource types, and into the form that discovery returns."""

from collections.abc import Mapping
from typing import Final

from scim.protocol.json import JsonObject
from scim.protocol.schema.model import Attribute, ResourceType, Schema, by_lower_name

SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"

# RFC 7643 §2.2: the defaults of characteristics.
_DEFAULTS: Final[JsonObject] = {
    "type": "string",
    "multiValued": False,
    "required": False,
    "caseExact": False,
    "mutability": "readWrite",
    "returned": "default",
    "uniqueness": "none",
}


def shown_schema(source: JsonObject) -> JsonObject:
    """Return a Schema as `/Schemas` returns it, without `meta`: with all characteristics, and without `sortable`."""
    shown = {name: value for name, value in source.items() if name != "meta"}
    return {"schemas": [SCHEMA], **shown, "attributes": [_shown_attribute(a) for a in source["attributes"]]}


def _shown_attribute(source: JsonObject) -> JsonObject:
    shown = {name: value for name, value in source.items() if name != "sortable"}
    shown = {**shown, **{name: value for name, value in _DEFAULTS.items() if name not in shown}}
    # RFC 7643 §2.3.6, §2.3.7: binary values and references are always case exact.
    shown["caseExact"] |= shown["type"] in {"binary", "reference"}
    if "subAttributes" in shown:
        shown["subAttributes"] = [_shown_attribute(sub) for sub in shown["subAttributes"]]
    return shown


def attribute_from(source: JsonObject, prefix: str = "") -> Attribute:
    """Compile one attribute definition (RFC 7643 §7). `prefix` comes before its name in paths."""
    stated = _shown_attribute(source)
    label = f"{prefix}{source['name']}"
    return Attribute(
        name=stated["name"],
        type=stated["type"],
        multi_valued=stated["multiValued"],
        required=stated["required"],
        case_exact=stated["caseExact"],
        mutability=stated["mutability"],
        returned=stated["returned"],
        uniqueness=stated["uniqueness"],
        reference_types=tuple(stated.get("referenceTypes", ())),
        sortable=source.get("sortable", False),
        sub_attributes=by_lower_name(*(attribute_from(sub, f"{label}.") for sub in source.get("subAttributes", ()))),
        label=label,
    )


def schema_from(source: JsonObject, *, is_extension: bool = False) -> Schema:
    """Compile a Schema definition, in which attributes may be marked as sortable.

    Paths to the attributes of an extension start with its URN (RFC 7644 §3.10).
    """
    prefix = f"{source['id']}:" if is_extension else ""
    attributes = by_lower_name(*(attribute_from(attribute, prefix) for attribute in source["attributes"]))
    return Schema(source["id"], source.get("name", ""), attributes, shown_schema(source))


def resource_type_from(source: JsonObject, schemas: Mapping[str, Schema], relation: str = "") -> ResourceType:
    """Compile a ResourceType definition. `schemas` must have its schemas."""
    extensions = [
        {**listed, "required": listed.get("required", False)} for listed in source.get("schemaExtensions", ())
    ]
    shown = {name: value for name, value in source.items() if name != "meta"}
    shown = {"schemas": [RESOURCE_TYPE], "id": source["name"], **shown}
    return ResourceType(
        name=source["name"],
        endpoint=source["endpoint"],
        schema=schemas[source["schema"]],
        extensions={extension["schema"]: schemas[extension["schema"]] for extension in extensions},
        required_extensions=frozenset(extension["schema"] for extension in extensions if extension["required"]),
        relation=relation,
        source={**shown, "schemaExtensions": extensions} if extensions else shown,
    )
