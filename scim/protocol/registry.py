"""The schemas and resource types of a service, read from folders of JSON files: ours, and the deployment's after it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from scim.protocol.compile import resource_type_from, schema_from, shown_schema
from scim.protocol.definitions import check_resource_type, check_schema, is_schema
from scim.protocol.documents import Part, definitions
from scim.protocol.schema import COMMON, ResourceType, Schema

_SHIPPED: Final = Path(__file__).parent / "schemas"

# Attributes that are derived from member items, never stored in the resource.
_RELATIONS: Final[Mapping[str, str]] = {"User": "groups", "Group": "members"}
_MOST_UNIQUE: Final = 20
"""Unique attributes of one type: each is an item, or a row, of its own that a write has to see to."""


@dataclass(frozen=True, slots=True)
class Registry:
    """All schemas by URN and all resource types by name."""

    schemas: Mapping[str, Schema]
    resource_types: Mapping[str, ResourceType]


@cache
def core() -> Registry:
    """User with the enterprise extension, and Group (RFC 7643 §4, §8.7.1)."""
    return _compiled(_Described(definitions(_SHIPPED)))


def read(folder: Path) -> Registry:
    """The same with what the files of a folder add. Raises `SchemaError`."""
    return _compiled(_Described(definitions(_SHIPPED), definitions(folder)))


class _Described:
    """The definitions by lower-case id or name, each on its own as it must be."""

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
        # A type that takes the place of a shipped one stays where that one was.
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
                raise part.fault("this service's own; describe an extension instead", "id")
            return
        if id in self.schemas:
            raise part.fault(f"is described in {self.schemas[id].file} already; letter case makes no difference", "id")
        self.schemas[id] = part

    def _add_type(self, part: Part, shipped: Mapping[str, Part]) -> None:
        name, endpoint = part.value["name"], part.value["endpoint"]
        if name.lower() in self.types:
            first = self.types[name.lower()].file
            raise part.fault(f"is described in {first} already; letter case makes no difference", "name")
        ours = shipped.get(name.lower())
        if ours is not None:
            for key in ("name", "endpoint", "schema"):
                if part.value[key] != ours.value[key]:
                    raise part.fault(
                        f"must be {ours.value[key]}: a type of this service's own can get extensions only", key
                    )
        for other in (*shipped.values(), *self.types.values()):
            if other is not ours and other.value["endpoint"].lower() == endpoint.lower():
                raise part.fault(f"is the endpoint of {other.value['name']}", "endpoint")
        self.types[name.lower()] = part


def _compiled(described: _Described) -> Registry:
    """Raises `SchemaError` if the definitions don't fit together."""
    names = {part.value["name"] for part in described.types.values()}
    for part in described.schemas.values():
        _check_references(part.at("attributes"), names)
    cores = {part.value["schema"] for part in described.types.values()}
    by_urn = {
        part.value["id"]: schema_from(part.value, is_extension=part.value["id"] not in cores)
        for part in described.schemas.values()
    }
    _check_paths(described)

    kinds: dict[str, ResourceType] = {}
    for part in described.types.values():
        if part.value["schema"] not in by_urn:
            raise part.fault("there is no schema with this id", "schema")
        for extension in part.at("schemaExtensions").items() if "schemaExtensions" in part.value else ():
            if extension.value["schema"] not in by_urn:
                raise extension.fault("there is no schema with this id", "schema")
            if COMMON.keys() & by_urn[extension.value["schema"]].attributes.keys():
                raise extension.fault("an extension can't have externalId, which every resource has", "schema")
        kind = resource_type_from(part.value, by_urn, _RELATIONS.get(part.value["name"], ""))
        if len(kind.claimed) > _MOST_UNIQUE:
            raise part.fault(f"{kind.name} has more than {_MOST_UNIQUE} unique attributes in its schemas", "schema")
        kinds[kind.name] = kind

    # As they are used: each type's own schema, then its extensions.
    used = {schema.id: schema for kind in kinds.values() for schema in (kind.schema, *kind.extensions.values())}
    for id in described.own:
        part = described.schemas[id]
        if part.value["id"] not in used:
            raise part.fault("no resource type has this schema; name it in one's schema or schemaExtensions", "id")
    return Registry(used, kinds)


def _check_references(attributes: Part, names: Iterable[str]) -> None:
    for attribute in attributes.items():
        for target in attribute.at("referenceTypes").items() if "referenceTypes" in attribute.value else ():
            if target.value not in {"external", "uri", *names}:
                raise target.fault("must be external, uri or the name of a resource type")
        if "subAttributes" in attribute.value:
            _check_references(attribute.at("subAttributes"), names)


def _check_paths(described: _Described) -> None:
    """One text must not name a schema and, in another schema, an attribute."""
    for id, part in described.schemas.items():
        before, _, last = id.rpartition(":")
        other = described.schemas.get(before)
        if other is None:
            continue
        if any(attribute["name"].lower() == last.partition(".")[0] for attribute in other.value["attributes"]):
            raise part.fault(f"is also the path of an attribute of {other.value['id']}", "id")
