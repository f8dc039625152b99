"""Checks one Schema or ResourceType definition by itself. Does not compare definitions: see `registry`.

Each fault is a `SchemaError` with the file, the path in the file and the reason.
"""

import json
import re
from collections.abc import Mapping
from typing import Final, get_args

from scim.protocol.json import Json, JsonObject
from scim.protocol.schema.compile import RESOURCE_TYPE, SCHEMA
from scim.protocol.schema.files import Part
from scim.protocol.schema.model import COMMON, AttributeType, MutabilityKind, Returned

_SCHEMA_KEYS: Final = ("schemas", "id", "name", "description", "attributes", "meta")
_TYPE_KEYS: Final = ("schemas", "id", "name", "description", "endpoint", "schema", "schemaExtensions", "meta")
_EXTENSION_KEYS: Final = ("schema", "required")
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "type": get_args(AttributeType.__value__),
    "mutability": get_args(MutabilityKind.__value__),
    "returned": get_args(Returned.__value__),
    "uniqueness": ("none", "server", "global"),
}
_SWITCHES: Final = ("multiValued", "required", "caseExact", "sortable")
_LISTS: Final = ("canonicalValues", "referenceTypes")
_ATTRIBUTE_KEYS: Final = ("name", "description", *_CHOICES, *_SWITCHES, *_LISTS, "subAttributes")

# RFC 7643 §2.1 without $, which paths of filters and PATCH can't contain; `$ref` is the exception (§2.4).
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}", re.ASCII)
_TYPE_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}", re.ASCII)
_ENDPOINT: Final = re.compile(r"/[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
# RFC 8141 §2 without characters that need quoting in URLs, filters or paths of databases.
_URN: Final = re.compile(
    r"urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:[a-z0-9](?:[a-z0-9._:-]{0,198}[a-z0-9])?", re.IGNORECASE | re.ASCII
)
_OWN_ENDPOINTS: Final = frozenset({"/me", "/bulk", "/schemas", "/resourcetypes", "/serviceproviderconfig"})

# The types whose values can usefully be unique.
_UNIQUE_TYPES: Final = ("string", "reference", "integer", "dateTime")

_LISTABLE: Final = "externalId"
"""The only common attribute that a schema may list."""
_EXTERNAL_ID: Final[JsonObject] = {
    "type": "string",
    "multiValued": False,
    "required": False,
    "mutability": "readWrite",
    "returned": "default",
    "uniqueness": "none",
    "sortable": False,
}


def is_schema(part: Part) -> bool:
    """Return whether the definition is a Schema; otherwise it is a ResourceType. Raises `SchemaError` if `schemas` says
    neither.
    """
    if not isinstance(part.value, dict):
        raise part.fault("must be a JSON object: a Schema or a ResourceType")
    schemas = part.value.get("schemas")
    if schemas == [SCHEMA] or (schemas is None and "attributes" in part.value):
        return True
    if schemas != [RESOURCE_TYPE]:
        raise part.fault(f"must be [{SCHEMA!r}] or [{RESOURCE_TYPE!r}]".replace("'", '"'), "schemas")
    return False


def check_schema(part: Part) -> None:
    """Raise `SchemaError` unless the definition is a Schema that the service supports (RFC 7643 §7)."""
    part.object(_SCHEMA_KEYS, "a Schema")
    _text(part, "name", required=False)
    _text(part, "description", required=False)
    if _URN.fullmatch(_text(part, "id")) is None:
        raise part.fault("must be a URN of letters, digits and . _ : -, such as urn:example:params:scim:Device", "id")
    attributes = part.at("attributes")
    if not attributes.items():
        raise attributes.fault("must have an attribute")
    names: set[str] = set()
    for attribute in attributes.items():
        _check_attribute(attribute, names)
        if attribute.value["name"].lower() in COMMON:
            _check_common(attribute)


def _check_common(part: Part) -> None:
    """Raise `SchemaError` unless the attribute is `externalId` as in RFC 7643 §3.1, which a schema may list for clients."""
    if part.value["name"] != _LISTABLE:
        raise part.fault("is an attribute that every resource has (RFC 7643 §3.1)", "name")
    for key, value in _EXTERNAL_ID.items():
        if part.value.get(key, value) != value:
            raise part.fault(f"must be {json.dumps(value)}: every resource has {_LISTABLE} (RFC 7643 §3.1)", key)
    if not part.value.get("caseExact"):
        raise part.fault(f"must be true: every resource has {_LISTABLE} (RFC 7643 §3.1)", "caseExact")


def check_resource_type(part: Part) -> None:
    """Raise `SchemaError` unless the definition is a valid ResourceType by itself (RFC 7643 §6)."""
    part.object(_TYPE_KEYS, "a ResourceType")
    name = _text(part, "name")
    if _TYPE_NAME.fullmatch(name) is None:
        raise part.fault("must start with a capital letter and have only letters and digits, at most 64", "name")
    if part.value.get("id", name) != name:
        raise part.fault("must equal the name if it is present", "id")
    _text(part, "description", required=False)
    endpoint = _text(part, "endpoint")
    if _ENDPOINT.fullmatch(endpoint) is None:
        raise part.fault("must be / followed by letters, digits, - and _, such as /Devices", "endpoint")
    if endpoint.lower() in _OWN_ENDPOINTS:
        raise part.fault("is reserved by SCIM (RFC 7644 §3.2)", "endpoint")
    schema = _text(part, "schema")
    listed: set[str] = set()
    for extension in part.at("schemaExtensions").items() if "schemaExtensions" in part.value else ():
        extension.object(_EXTENSION_KEYS, "a schema extension")
        urn = _text(extension, "schema")
        _switch(extension, "required")
        if urn == schema:
            raise extension.fault("is the schema of the type, so it can't also be its extension", "schema")
        if urn in listed:
            raise extension.fault("is listed already", "schema")
        listed.add(urn)


def _check_attribute(part: Part, names: set[str], parent: Mapping[str, Json] | None = None) -> None:
    """Raise `SchemaError` for an invalid attribute. `names` are those of earlier attributes in lower case, `parent` is
    the complex attribute around it.
    """
    source = part.object(_ATTRIBUTE_KEYS, "an attribute")
    name = _text(part, "name")
    is_reference_of = parent is not None and name == "$ref" and source.get("type") == "reference"
    if not is_reference_of and (_NAME.fullmatch(name) is None or name.lower() == "not"):
        raise part.fault("must start with a letter, have only letters, digits, - and _, and not be 'not'", "name")
    if name.lower() in names:
        raise part.fault("is already the name of another attribute (upper and lower case count as equal)", "name")
    names.add(name.lower())
    _text(part, "description", required=False)
    for key, choices in _CHOICES.items():
        if key in source and source[key] not in choices:
            raise part.fault(f"must be one of {', '.join(choices)}", key)
    for key in _SWITCHES:
        _switch(part, key)
    for key in _LISTS:
        _texts(part, key)
    _check_type(part, parent)
    _check_characteristics(part)
    _check_unique(part, parent)
    _check_sortable(part, parent)


def _check_type(part: Part, parent: Mapping[str, Json] | None) -> None:
    source = part.value
    data_type = source.get("type", "string")
    if parent is not None and data_type == "complex":
        raise part.fault("can't be complex within a complex attribute (RFC 7643 §2.3.8)", "type")
    if parent is not None and source.get("multiValued"):
        # Paths of filters and PATCH can't select one of several values inside a complex value.
        raise part.fault("can't be true for a sub-attribute; make the complex attribute multi-valued", "multiValued")
    if data_type == "reference" and not source.get("referenceTypes"):
        raise part.fault("must list the targets of the reference: resource types, external or uri", "referenceTypes")
    if data_type != "reference" and "referenceTypes" in source:
        raise part.fault("is only allowed for the type reference", "referenceTypes")
    if data_type in {"boolean", "complex", "binary"} and "canonicalValues" in source:
        raise part.fault(f"isn't possible for the type {data_type}", "canonicalValues")
    if data_type != "complex":
        if "subAttributes" in source:
            raise part.fault("is only allowed for the type complex", "subAttributes")
        return
    subs = part.at("subAttributes")
    if not source.get("subAttributes"):
        raise subs.fault("must have at least one attribute, because the type is complex")
    names: set[str] = set()
    for sub in subs.items():
        _check_attribute(sub, names, source)
    primary = next((sub.value for sub in subs.items() if sub.value["name"].lower() == "primary"), {"type": "boolean"})
    if source.get("multiValued") and primary.get("type") != "boolean":
        raise subs.fault("'primary' marks one of several values, so its type must be boolean (RFC 7643 §2.4)")


def _check_characteristics(part: Part) -> None:
    source = part.value
    if source.get("required") and source.get("mutability") == "readOnly":
        raise part.fault("can't be required, because clients can't write a readOnly attribute", "required")
    if source.get("required") and source.get("returned") == "never":
        raise part.fault(
            "can't be required, because clients can't see whether an attribute that is never returned has a value",
            "required",
        )
    if source.get("mutability") == "writeOnly" and source.get("returned") != "never":
        raise part.fault("must be never, because mutability is writeOnly (RFC 7643 §7)", "returned")


def _check_unique(part: Part, parent: Mapping[str, Json] | None) -> None:
    source = part.value
    if source.get("uniqueness", "none") == "none":
        return
    data_type = source.get("type", "string")
    reason = ""
    if parent is not None:
        reason = "a sub-attribute"
    elif source.get("multiValued"):
        reason = "a multi-valued attribute"
    elif data_type not in _UNIQUE_TYPES:
        reason = f"the type {data_type}"
    elif source.get("returned") == "never":
        reason = "an attribute that is never returned"
    if reason:
        raise part.fault(
            f"can't be {source['uniqueness']} for {reason}, because the service can't enforce it for this type",
            "uniqueness",
        )


def _check_sortable(part: Part, parent: Mapping[str, Json] | None) -> None:
    source = part.value
    if not source.get("sortable"):
        return
    reason = ""
    if source.get("type") == "binary":
        reason = "the type binary has no order"
    elif source.get("returned") == "never":
        reason = "its order would reveal values that are never returned"
    elif parent is not None and parent.get("multiValued"):
        reason = "mark the multi-valued attribute instead, which is sorted by its value"
    elif parent is not None and parent.get("returned") == "never":
        reason = "its order would reveal values that are never returned"
    elif source.get("type") == "complex":
        value = next((sub for sub in source["subAttributes"] if sub["name"].lower() == "value"), None)
        if not source.get("multiValued"):
            reason = "mark one of its sub-attributes instead"
        elif value is None or value.get("type") == "binary" or value.get("returned") == "never":
            reason = "it has no sub-attribute 'value' to sort by"
    if reason:
        raise part.fault(f"can't be true here: {reason}", "sortable")


def _text(part: Part, key: str, *, required: bool = True) -> str:
    value = part.value.get(key)
    if key not in part.value and not required:
        return ""
    if not isinstance(value, str) or not value:
        raise part.fault("must be a string" if key not in part.value else "must be a text", key)
    return value


def _texts(part: Part, key: str) -> None:
    if key not in part.value:
        return
    listed = part.at(key)
    for item in listed.items():
        if not isinstance(item.value, str) or not item.value:
            raise item.fault("must be a text")
    if len(set(listed.value)) != len(listed.value):
        raise listed.fault("lists a value twice")


def _switch(part: Part, key: str) -> None:
    if not isinstance(part.value.get(key, False), bool):
        raise part.fault("must be true or false", key)
