"""Builds the write model of a resource, and replaces resources whose unique values aren't known.

How it works: a stored resource carries the index version that it was written with. With the current one, its unique values
follow from the resource. With another one they don't: the rules or the schemas have changed since. The store then looks up
the unique values that the resource holds, which costs one query more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from scim.protocol import search_fields
from scim.protocol.json import JsonObject
from scim.protocol.schema.conform import conform
from scim.protocol.schema.model import ResourceType
from scim.storage.errors import AlreadyExists
from scim.storage.interface import MemberChanges, Store, Stored, WriteModel

NONCONFORMING: Final = "+"
"""Suffix of an index version: the resource has values that its schemas don't define any more."""


def build(resource: JsonObject, resource_type: ResourceType, *, conforms: bool = False) -> WriteModel:
    """Return the resource with its key, search fields, sort keys and unique values, by the current schemas.

    `conforms` says that the resource is known to conform to the schemas, which saves finding it out.
    """
    # Values that the schemas don't define are kept in the resource. They can't be searched and aren't unique.
    conforming = resource if conforms else conform(resource, resource_type)
    fields = search_fields.build(conforming, resource_type)
    return WriteModel(
        resource_type.name,
        resource["id"],
        search_fields.key(conforming, resource_type),
        resource,
        fields,
        search_fields.sort_keys(conforming, fields, resource_type),
        search_fields.unique_values(conforming, resource_type),
        search_fields.index_version(resource_type) + ("" if conforming is resource else NONCONFORMING),
    )


def stored_unique_values(stored: Stored, resource_type: ResourceType) -> Mapping[str, str] | None:
    """Return, by attribute path, the unique values of a stored resource besides `WriteModel.key`.

    Returns `None` if its index version isn't the current one, with or without the suffix `NONCONFORMING`.
    """
    current = search_fields.index_version(resource_type)
    if stored.index_version == current:
        return search_fields.unique_values(stored.resource, resource_type)
    if stored.index_version == current + NONCONFORMING:
        return search_fields.unique_values(conform(stored.resource, resource_type), resource_type)
    return None


async def replace_outdated(
    store: Store,
    customer: str,
    resource_type: ResourceType,
    stored: Stored,
    write_model: WriteModel,
    members: MemberChanges,
) -> tuple[str, Sequence[str]]:
    """Replace a resource that has another index version.

    Returns the new version, and the paths of unique attributes whose values another resource holds. The resource had these
    values before, so they are no reason to refuse an unrelated change such as `active: false`: it is written without
    holding them, and stays outdated. Raises what `Store.replace` raises.
    """
    before, conflicts = conform(stored.resource, resource_type), list[str]()
    values_before = search_fields.unique_values(before, resource_type)
    key_before = search_fields.key(before, resource_type)
    while True:
        try:
            version = await store.replace(
                customer, write_model, expected=stored.version, members=members, old_unique_values=None
            )
        except AlreadyExists as conflict:
            path = conflict.path
            if path is None and write_model.key == key_before:
                conflicts.append(resource_type.unique or "id")
                # A key that no folded name equals, because no resource type is called `x`.
                write_model = replace(write_model, key=f"x:{resource_type.name}:{write_model.id}", index_version="")
                continue
            if path is None or values_before.get(path) != write_model.unique_values[path]:
                raise
            conflicts.append(path)
            others = {other: value for other, value in write_model.unique_values.items() if other != path}
            write_model = replace(write_model, unique_values=others, index_version="")
        else:
            return version, conflicts
