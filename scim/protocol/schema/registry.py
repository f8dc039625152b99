"""The registry of schemas and resource types: the shipped ones, and those of the deployment's folder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from scim.protocol.schema.checks import check_resource_type, check_schema, is_schema
from scim.protocol.schema.compile import resource_type_from, schema_from, shown_schema
from scim.protocol.schema.files import Part, read_definitions
from scim.protocol.schema.model import COMMON, ResourceType, Schema

_SHIPPED: Final = Path(__file__).parent / "data"

# Attributes that are derived from memberships and not stored in the resource.
_RELATIONS: Final[Mapping[str, str]] = {"User": "groups", "Group": "members"}
_MOST_UNIQUE: Final = 20
"""The unique attributes that one type may have. Each is an item or a row of its own, which each write changes."""


@dataclass(frozen=True, slots=True)
class Registry:
    """All schemas by URN, and all resource types by name."""

    schemas: Mapping[str, Schema]
    resource_types: Mapping[str, ResourceType]


@cache
def core() -> Registry:
    """Return the shipped registry: User with the enterprise extension, and Group (RFC 7643 §4, §8.7.1)."""
    return _compiled(_Definitions(read_definitions(_SHIPPED)))


def read(folder: Path) -> Registry:
    """Return the shipped registry with the definitions of a folder. Raises `SchemaError`."""
    return _compiled(_Definitions(read_definitions(_SHIPPED), read_definitions(folder)))


class _Definitions:
    """Checked definitions by lower-case id or name."""

    def __init__(self, shipped: Iterable[Part], own: Iterable[Part] = ()) -> None:
        self.schemas: dict[str, Part] = {}
        self.types: dict[str, Part] = {}
        for part in shipped:
            self._add(part, {}, {})
        shipped_schemas, shipped_types = self.schemas, self.types
        self.schemas, self.types = {}, {}
        for part in own:
            self._add(part, shipped_schemas, shipped_types)
        self.own = frozenset(self.schemas)
        self.schemas = {**shipped_schemas, **self.schemas}
        # A type that replaces a shipped one keeps its position.
        self.types = {**shipped_types, **self.types}

    def _add(self, part: Part, shipped_schemas: Mapping[str, Part], shipped_types: Mapping[str, Part]) -> None:
        if is_schema(part):
            check_schema(part)
            self._add_schema(part, shipped_schemas)
        else:
            check_resource_type(part)
            self._add_type(part, shipped_types)

    def _add_schema(self, part: Part, shipped: Mapping[str, Part]) -> None:
        id = part.value["id"].lower()
        if id in shipped:
            if shown_schema(part.value) != shown_schema(shipped[id].value):
                raise part.fault("is a schema of this service and can't be changed; define an extension instead", "id")
            return
        if id in self.schemas:
            raise part.fault(
                f"is defined in {self.schemas[id].file} already (upper and lower case count as equal)", "id"
            )
        self.schemas[id] = part

    def _add_type(self, part: Part, shipped: Mapping[str, Part]) -> None:
        name, endpoint = part.value["name"], part.value["endpoint"]
        if name.lower() in self.types:
            first = self.types[name.lower()].file
            raise part.fault(f"is defined in {first} already (upper and lower case count as equal)", "name")
        ours = shipped.get(name.lower())
        if ours is not None:
            for key in ("name", "endpoint", "schema"):
                if part.value[key] != ours.value[key]:
                    raise part.fault(f"must be {ours.value[key]}: a shipped type can only get extensions", key)
        for other in (*shipped.values(), *self.types.values()):
            if other is not ours and other.value["endpoint"].lower() == endpoint.lower():
                raise part.fault(f"is the endpoint of {other.value['name']}", "endpoint")
        self.types[name.lower()] = part


def _compiled(definitions: _Definitions) -> Registry:
    """Return the registry. Raises `SchemaError` if the definitions don't fit together."""
    names = {part.value["name"] for part in definitions.types.values()}
    for part in definitions.schemas.values():
        _check_references(part.at("attributes"), names)
    cores = {part.value["schema"] for part in definitions.types.values()}
    by_urn = {
        part.value["id"]: schema_from(part.value, is_extension=part.value["id"] not in cores)
        for part in definitions.schemas.values()
    }
    _check_paths(definitions)

    resource_types: dict[str, ResourceType] = {}
    for part in definitions.types.values():
        if part.value["schema"] not in by_urn:
            raise part.fault("there is no schema with this id", "schema")
        for extension in part.at("schemaExtensions").items() if "schemaExtensions" in part.value else ():
            if extension.value["schema"] not in by_urn:
                raise extension.fault("there is no schema with this id", "schema")
            if COMMON.keys() & by_urn[extension.value["schema"]].attributes.keys():
                raise extension.fault("an extension can't have externalId, which every resource has", "schema")
        resource_type = resource_type_from(part.value, by_urn, _RELATIONS.get(part.value["name"], ""))
        if len(resource_type.unique_attributes) > _MOST_UNIQUE:
            raise part.fault(
                f"{resource_type.name} has more than {_MOST_UNIQUE} unique attributes in its schemas", "schema"
            )
        resource_types[resource_type.name] = resource_type

    # In the order of use: the schema of each type, then its extensions.
    used = {
        schema.id: schema
        for resource_type in resource_types.values()
        for schema in (resource_type.schema, *resource_type.extensions.values())
    }
    for id in definitions.own:
        part = definitions.schemas[id]
        if part.value["id"] not in used:
            raise part.fault("no resource type has this schema; name it in one's schema or schemaExtensions", "id")
    return Registry(used, resource_types)


def _check_references(attributes: Part, names: Iterable[str]) -> None:
    for attribute in attributes.items():
        for target in attribute.at("referenceTypes").items() if "referenceTypes" in attribute.value else ():
            if target.value not in {"external", "uri", *names}:
                raise target.fault("must be external, uri or the name of a resource type")
        if "subAttributes" in attribute.value:
            _check_references(attribute.at("subAttributes"), names)


def _check_paths(definitions: _Definitions) -> None:
    """Raise `SchemaError` if the URN of a schema is also the path of an attribute in another schema."""
    for id, part in definitions.schemas.items():
        before, _, last = id.rpartition(":")
        other = definitions.schemas.get(before)
        if other is None:
            continue
        if any(attribute["name"].lower() == last.partition(".")[0] for attribute in other.value["attributes"]):
            raise part.fault(f"is also the path of an attribute of {other.value['id']}", "id")
