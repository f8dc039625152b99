"""The rows of the JSON tables beside this file, and the resource types that they speak of.

`{core}`, `{group}` and `{enterprise}` in a table stand for the URNs, `{long}` for a text of 1,025 characters.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from _pytest.mark.structures import ParameterSet

from scim.protocol.schema.compile import resource_type_from, schema_from
from scim.protocol.schema.model import ResourceType
from scim.protocol.schema.registry import core

type Row = Mapping[str, Any]

FOLDER: Final = Path(__file__).parent
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
WORDS: Final = {
    "{core}": "urn:ietf:params:scim:schemas:core:2.0:User",
    "{group}": "urn:ietf:params:scim:schemas:core:2.0:Group",
    "{enterprise}": ENTERPRISE,
    "{lock}": "urn:example:schemas:Lock",
    "{long}": "x" * 1025,
}
LOCK: Final = "urn:example:schemas:Lock"
GADGETS: Final = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
    "name": "Gadget",
    "endpoint": "/Gadgets",
    "schema": "urn:example:schemas:Gadget",
    "schemaExtensions": [{"schema": LOCK, "required": False}],
}
ID: Final = "0198c0de-0000-7000-8000-000000000001"


def read(name: str) -> Any:
    """A JSON file beside this one."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    for word, meaning in WORDS.items():
        text = text.replace(word, meaning)
    return json.loads(text)


def rows(name: str, section: str | None = None) -> list[ParameterSet]:
    """The rows of a table for `parametrize`, each under its own id."""
    table = read(name) if section is None else read(name)[section]
    return [pytest.param(row, id=row["id"]) for row in table]


def _gadget() -> ResourceType:
    """A type with what User and Group don't have: every type of value, every `mutability`, every `returned`."""
    schema, lock = schema_from(read("gadget")), schema_from(read("lock"), is_extension=True)
    return resource_type_from(GADGETS, {schema.id: schema, lock.id: lock})


RESOURCE_TYPES: Final[Mapping[str, ResourceType]] = {**core().resource_types, "Gadget": _gadget()}
NAMES: Final = {"User": "bjensen", "Group": "Staff", "Gadget": "G-1"}


def kind_of(row: Row) -> ResourceType:
    """The resource type that a row is about; User unless it says otherwise."""
    return RESOURCE_TYPES[row.get("kind", "User")]


def whole(values: Row, resource_type: ResourceType) -> dict[str, Any]:
    """A stored resource with these values: with `schemas`, `id`, `meta` and the required name, if they aren't given."""
    meta = {
        "resourceType": resource_type.name,
        "created": "2026-01-31T09:30:00Z",
        "lastModified": "2026-01-31T09:30:00Z",
    }
    urns = [resource_type.schema.id, *(urn for urn in resource_type.extensions if urn in values)]
    return {"schemas": urns, "id": ID, "meta": meta, str(resource_type.unique): NAMES[resource_type.name], **values}
