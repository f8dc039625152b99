"""Checks Schemas, ResourceTypes and ServiceProviderConfig, as the portal and Microsoft's validators read them."""

import re
from collections.abc import Iterator
from typing import Any, Final

from scim.doctor.assertions import CORE, ENTERPRISE, GROUP, resources_of, status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import GALLERY, SCHEMAS
from scim.doctor.verdicts import Fault, Skip

_WORDS: Final = {
    "type": {"string", "boolean", "decimal", "integer", "dateTime", "reference", "complex", "binary"},
    "mutability": {"readOnly", "readWrite", "immutable", "writeOnly"},
    "returned": {"always", "never", "default", "request"},
    "uniqueness": {"none", "server", "global"},
}
_REQUIRED: Final[dict[str, type]] = {"name": str, "type": str, "multiValued": bool, "required": bool}
_ENDPOINT: Final = re.compile(r"/?[A-Za-z0-9_~-][A-Za-z0-9._~-]*(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
# The target attributes of Entra's default mapping, and the path of its application roles. Microsoft's validation for the app
# gallery looks for each in /Schemas, and exempts `id` alone: RFC 7643 §3.1 lets a server leave externalId out, this doesn't.
_MAPPED: Final = {
    CORE: (
        "active",
        'addresses[type eq "other"].formatted',
        'addresses[type eq "work"].postalCode',
        'addresses[type eq "work"].streetAddress',
        "displayName",
        'emails[type eq "other"].value',
        'emails[type eq "work"].value',
        "externalId",
        "name.familyName",
        "name.givenName",
        'phoneNumbers[type eq "fax"].value',
        'phoneNumbers[type eq "mobile"].value',
        'phoneNumbers[type eq "work"].value',
        "preferredLanguage",
        'roles[primary eq "True"].value',
        "title",
        "userName",
    ),
    ENTERPRISE: ("department", "employeeNumber", "manager"),
    GROUP: ("displayName", "externalId", "members"),
}
_REFERENCES: Final = frozenset({"manager", "members"})


def schemas(context: CheckContext) -> None:
    answer = context.client.get("/Schemas")
    found = {str(schema.get("id")): schema for schema in resources_of(answer)}
    if CORE not in found:
        raise Fault("/Schemas doesn't list the User schema")
    context.kept["schemas"], context.kept["schemas answer"] = found, answer


def _schemas(context: CheckContext) -> dict[str, dict[str, Any]]:
    """Return the schemas by URN, as read before."""
    context.client.exchanges.append(context.kept["schemas answer"])
    found: dict[str, dict[str, Any]] = context.kept["schemas"]
    return found


def no_nulls(context: CheckContext) -> None:
    for path, value in _walk(_schemas(context), ""):
        if value is None:
            raise Fault(f"{path} is null")


def camel_case(context: CheckContext) -> None:
    for path, attribute in _attributes(context):
        for name, words in _WORDS.items():
            value = attribute.get(name)
            if value is not None and value not in words:
                raise Fault(f"{name} of {path} is {value!r}")


def canonical_values(context: CheckContext) -> None:
    for path, attribute in _attributes(context):
        if path.endswith(".type") and path.count(".") == 1 and not attribute.get("canonicalValues"):
            if path.split(".")[0] not in {"emails", "phoneNumbers", "addresses", "ims", "photos"}:
                continue  # Entra has no mapping by type for the others
            raise Fault(f"{path} has no canonicalValues")


def characteristics(context: CheckContext) -> None:
    for path, attribute in _attributes(context):
        for name, form in _REQUIRED.items():
            if not isinstance(attribute.get(name), form):
                raise Fault(f"{name} of {path} is {attribute.get(name)!r}", warning=name == "required")
        if attribute["type"] == "complex" and not _objects(attribute.get("subAttributes")):
            raise Fault(f"{path} is complex and has no subAttributes")


def mapped(context: CheckContext) -> None:
    known = _schemas(context)
    if ENTERPRISE not in known:
        raise Fault(f"/Schemas doesn't list {ENTERPRISE}")
    missing: list[str] = []
    for urn in _MAPPED.keys() & known.keys():
        there = {path.lower() for attribute in _objects(known[urn].get("attributes")) for path in _targets(attribute)}
        missing += [f"{path} of {urn}" for path in _MAPPED[urn] if path.lower() not in there]
    if missing:
        raise Fault(f"/Schemas doesn't offer {', '.join(sorted(missing))}")


def _targets(attribute: dict[str, Any]) -> Iterator[str]:
    """Yield the attribute paths that Microsoft's validation derives from an attribute, to find those of the mapping."""
    name = str(attribute.get("name"))
    inner = _objects(attribute.get("subAttributes"))
    if name in _REFERENCES or not inner:
        yield name
    elif not attribute.get("multiValued"):
        yield from (f"{name}.{one.get('name')}" for one in inner)
    else:
        type_ = next((one for one in inner if one.get("name") == "type"), {})
        # By type where types are declared, else by primary: a list of types hides the path of the primary element.
        words = type_.get("canonicalValues") or []
        brackets = [f'[type eq "{word}"]' for word in words] or ['[primary eq "True"]']
        yield from (f"{name}{bracket}.{one.get('name')}" for bracket in brackets for one in inner)


def group_schema(context: CheckContext) -> None:
    if GROUP not in _schemas(context):
        raise Fault("/Schemas doesn't list the Group schema")


def resource_types(context: CheckContext) -> None:
    answer = context.client.get("/ResourceTypes")
    found = {str(one.get("name")): one for one in resources_of(answer)}
    context.kept["resource types"], context.kept["resource types answer"] = found, answer
    if found.get("User", {}).get("endpoint") not in {"/Users", "Users"}:
        raise Fault("/ResourceTypes has no User with the endpoint /Users")


def _resource_types(context: CheckContext) -> dict[str, dict[str, Any]]:
    """Return the resource types by name, as read before."""
    context.client.exchanges.append(context.kept["resource types answer"])
    found: dict[str, dict[str, Any]] = context.kept["resource types"]
    return found


def complete_resource_types(context: CheckContext) -> None:
    # Users, groups and the enterprise extension have checks of their own.
    known = {urn.lower() for urn in (*_schemas(context), CORE, GROUP, ENTERPRISE)}
    for name, resource_type in _resource_types(context).items():
        extensions = [one.get("schema") for one in _objects(resource_type.get("schemaExtensions"))]
        for urn in (resource_type.get("schema"), *extensions):
            if not isinstance(urn, str) or urn.lower() not in known:
                raise Fault(f"{name} has the schema {urn!r}, which /Schemas doesn't list")


def served(context: CheckContext) -> str:
    # Users and groups have checks of their own.
    resource_types = {
        name: resource_type for name, resource_type in _resource_types(context).items() if name not in {"User", "Group"}
    }
    for name, resource_type in resource_types.items():
        endpoint = resource_type.get("endpoint")
        # A path and nothing else: an address of another host would get the token.
        if not isinstance(endpoint, str) or not _ENDPOINT.fullmatch(endpoint):
            raise Fault(f"the endpoint of {name} is {endpoint!r} instead of a path as /Users")
        try:
            resources_of(context.client.get(f"/{endpoint.lstrip('/')}", startIndex=1, count=1))
        except Fault as fault:
            raise Fault(f"{name} at {endpoint}: {fault}") from None
    return ", ".join(resource_types) or "none but users and groups"


def service_provider_config(context: CheckContext) -> None:
    answer = context.client.get("/ServiceProviderConfig")
    found = status(answer, 200).resource
    context.kept["config"], context.kept["config answer"] = found, answer
    for name in ("patch", "filter"):
        feature = found.get(name)
        if not isinstance(feature, dict) or feature.get("supported") is not True:
            raise Fault(f"{name} isn't said to be supported; Entra can't do without it")
    if not isinstance(found.get("authenticationSchemes"), list):
        raise Fault("authenticationSchemes, which RFC 7643 §5 requires, is missing", warning=True)


def _attributes(context: CheckContext) -> Iterator[tuple[str, dict[str, Any]]]:
    for schema in _schemas(context).values():
        yield from _of(schema)


def _of(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for attribute in _objects(schema.get("attributes")):
        name = str(attribute.get("name"))
        yield name, attribute
        for inner in _objects(attribute.get("subAttributes")):
            yield f"{name}.{inner.get('name')}", inner


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _walk(inner, f"{path}/{number}")


def groups_unsupported(context: CheckContext) -> bool:
    """Return whether the server states that it has no groups."""
    return "Group" not in context.kept.get("resource types", {"Group"})


def needs_groups(context: CheckContext) -> None:
    """Raise `Skip` if the server has no groups."""
    if groups_unsupported(context):
        raise Skip("groups unsupported: /ResourceTypes doesn't list Group")


CHECKS: Final = (
    Check(
        "schemas",
        "/Schemas is a ListResponse with the User schema",
        SCHEMAS,
        "Answer GET /Schemas with 200 and a ListResponse of Schema resources (gallery applications are read by it).",
        schemas,
    ),
    Check(
        "schemas-nulls",
        "/Schemas has no null in it",
        SCHEMAS,
        "Leave out what has no value instead of sending null.",
        no_nulls,
        ("schemas",),
    ),
    Check(
        "schemas-words",
        "/Schemas spells type, mutability, returned and uniqueness as RFC 7643 does",
        SCHEMAS,
        "Write readWrite, dateTime and so on in camel case.",
        camel_case,
        ("schemas",),
    ),
    Check(
        "schemas-attributes",
        "Every attribute in /Schemas has name, type, multiValued and required, and sub-attributes if it is complex",
        SCHEMAS,
        "Give every attribute its characteristics (RFC 7643 §7), also those of your own schemas.",
        characteristics,
        ("schemas",),
    ),
    Check(
        "schemas-types",
        "Every type that attribute mappings select by has canonicalValues",
        GALLERY,
        "Declare canonicalValues (work, home, mobile ...); without them the validator makes up a type called untyped.",
        canonical_values,
        ("schemas",),
    ),
    Check(
        "schemas-mapping",
        "/Schemas offers every attribute that Entra's default mapping and its application roles write",
        GALLERY,
        "Add the attribute to the schema, externalId too. A path by type needs the type among canonicalValues of type; the path "
        'roles[primary eq "True"].value needs a roles.type without canonicalValues (RFC 7643 §8.7.1).',
        mapped,
        ("schemas", "schemas-attributes", "schemas-types"),
    ),
    Check(
        "schemas-group",
        "/Schemas lists the Group schema",
        GALLERY,
        "Add the Group schema; the validation for the gallery fails without it even if groups aren't used.",
        group_schema,
        ("schemas",),
        warning=True,
    ),
    Check(
        "resource-types",
        "/ResourceTypes is a ListResponse with User at /Users",
        GALLERY,
        "Answer GET /ResourceTypes with a ListResponse; each resource type has name, endpoint and schema.",
        resource_types,
    ),
    Check(
        "resource-types-schemas",
        "/Schemas lists the schema and the extensions of every resource type",
        GALLERY,
        "List every schema that a resource type names; the portal finds an application's own attributes nowhere else.",
        complete_resource_types,
        ("schemas", "resource-types"),
        warning=True,
    ),
    Check(
        "resource-types-served",
        "The endpoint of every resource type answers with a list",
        GALLERY,
        "Serve what /ResourceTypes lists, with 200 and a ListResponse also if it is empty, or take it out.",
        served,
        ("resource-types",),
    ),
    Check(
        "service-provider-config",
        "/ServiceProviderConfig says that PATCH and filters work",
        GALLERY,
        "Answer GET /ServiceProviderConfig as in RFC 7643 §5, with patch and filter supported.",
        service_provider_config,
    ),
)
