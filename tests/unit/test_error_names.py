"""Every error about a value names its attribute by the path that a client would use, in an extension with the URN."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from scim.protocol import patch, validate
from scim.protocol.errors import BadRequest, InvalidValue, Mutability
from scim.protocol.messages import PatchOperation
from scim.protocol.schema.model import Attribute, ResourceType
from scim.protocol.schema.registry import core, read
from tests.unit.tables import ID, RESOURCE_TYPES

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "schemas"
TYPES: Final[dict[str, ResourceType]] = {
    **{f"own {name}": resource_type for name, resource_type in read(EXAMPLES).resource_types.items()},
    **core().resource_types,
    "Gadget": RESOURCE_TYPES["Gadget"],
}
# For each type of attribute a value that it can't have; for a complex one any number is wrong.
WRONG: Final[dict[str, Any]] = {
    "string": 5,
    "reference": 5,
    "boolean": "maybe",
    "integer": "five",
    "decimal": "five",
    "dateTime": "yesterday",
    "binary": "?",
    "complex": 5,
}


def attributes(resource_type: ResourceType) -> Iterator[tuple[str | None, Attribute]]:
    """Every attribute of the type, with the URN of the extension it is in."""
    levels = [
        (None, resource_type.by_name),
        *((urn, schema.by_name) for urn, schema in resource_type.extensions.items()),
    ]
    yield from ((urn, attribute) for urn, by_name in levels for attribute in by_name.values())


def places(resource_type: ResourceType) -> Iterator[tuple[str | None, Attribute, Attribute | None]]:
    """Every attribute that a client may write, and each sub-attribute of it, with the URN of the extension it is in."""
    for urn, attribute in attributes(resource_type):
        if attribute.mutability == "readOnly":
            continue
        yield urn, attribute, None
        yield from ((urn, attribute, sub) for sub in attribute.by_name.values() if sub.is_taken)


ROWS: Final = [
    pytest.param(resource_type, urn, attribute, sub, id=f"{name}-{attribute.name}{f'.{sub.name}' if sub else ''}")
    for name, resource_type in TYPES.items()
    for urn, attribute, sub in places(resource_type)
]


def path(urn: str | None, attribute: Attribute, sub: Attribute | None) -> str:
    return f"{f'{urn}:' if urn else ''}{attribute.name}{f'.{sub.name}' if sub else ''}"


def stored(resource_type: ResourceType, values: dict[str, Any]) -> dict[str, Any]:
    required = {attribute.name: "x" for attribute in resource_type.by_name.values() if attribute.required}
    return {**required, "schemas": [resource_type.schema.id], "id": ID, "meta": {}, **values}


def wrong(attribute: Attribute, sub: Attribute | None) -> Any:
    value = WRONG[(sub or attribute).type]
    value = value if sub is None else {sub.name: value}
    return [value] if attribute.multi_valued else value


def refused(run: Any, named: str, *errors: type[BadRequest]) -> None:
    with pytest.raises(errors or InvalidValue) as raised:
        run()
    assert f"'{named}'" in raised.value.detail


@pytest.mark.parametrize(("resource_type", "urn", "attribute", "sub"), ROWS)
def test_a_value_of_the_wrong_type_is_an_error_that_names_the_attribute(
    resource_type: ResourceType, urn: str | None, attribute: Attribute, sub: Attribute | None
) -> None:
    named, value = path(urn, attribute, sub), wrong(attribute, sub)
    body = {attribute.name: value} if urn is None else {urn: {attribute.name: value}}
    current = stored(resource_type, {})
    refused(lambda: validate.resource(body, resource_type), named)
    refused(lambda: validate.replacement(body, current, resource_type), named)
    for operation in (
        PatchOperation("add", path(urn, attribute, None), value),
        PatchOperation("replace", None, body),
        PatchOperation("replace", named, WRONG[(sub or attribute).type]),
    ):
        if attribute.name != resource_type.relation:  # members are read by the service
            refused(lambda op=operation: patch.apply(current, patch.changes([op], resource_type), resource_type), named)


REQUIRED: Final = [
    pytest.param(resource_type, urn, attribute, id=f"{name}-{attribute.name}")
    for name, resource_type in TYPES.items()
    for urn, attribute, sub in places(resource_type)
    if sub is None and attribute.required
]


@pytest.mark.parametrize(("resource_type", "urn", "attribute"), REQUIRED)
def test_a_missing_or_removed_required_attribute_is_named(
    resource_type: ResourceType, urn: str | None, attribute: Attribute
) -> None:
    named = path(urn, attribute, None)
    if urn is None:
        refused(lambda: validate.resource({}, resource_type), named)
    removal = [PatchOperation("remove", named, None)]
    values: dict[str, Any] = {attribute.name: "x"}
    current = stored(resource_type, values if urn is None else {urn: values})
    refused(lambda: patch.apply(current, patch.changes(removal, resource_type), resource_type), named, Mutability)


READ_ONLY: Final = [
    pytest.param(resource_type, urn, attribute, sub, id=f"{name}-{path(urn, attribute, sub)}")
    for name, resource_type in TYPES.items()
    for urn, attribute in attributes(resource_type)
    for sub in (None, *attribute.by_name.values())
    if "readOnly" in {attribute.mutability, sub.mutability if sub else None}
]


@pytest.mark.parametrize(("resource_type", "urn", "attribute", "sub"), READ_ONLY)
def test_a_path_to_a_read_only_attribute_is_an_error_that_names_it(
    resource_type: ResourceType, urn: str | None, attribute: Attribute, sub: Attribute | None
) -> None:
    named = path(urn, attribute, sub)
    texts = [named]
    if sub is not None and attribute.value is not None:
        texts.append(f'{path(urn, attribute, None)}[value eq "x"].{sub.name}')
    for text in texts:
        operation = PatchOperation("replace", text, "x")
        refused(lambda op=operation: list(patch.changes([op], resource_type)), named, Mutability)
