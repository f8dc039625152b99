"""Every error about a value names its attribute by the path that a client would use, in an extension with the URN."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from scim.protocol import patch, validate
from scim.protocol.errors import BadRequest, InvalidValue, Mutability
from scim.protocol.messages import Operation
from scim.protocol.registry import core, read
from scim.protocol.schema import Attribute, ResourceType
from tests.unit.tables import ID, KINDS

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "schemas"
TYPES: Final[dict[str, ResourceType]] = {
    **{f"own {name}": kind for name, kind in read(EXAMPLES).resource_types.items()},
    **core().resource_types,
    "Gadget": KINDS["Gadget"],
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


def attributes(kind: ResourceType) -> Iterator[tuple[str | None, Attribute]]:
    """Every attribute of the type, with the URN of the extension it is in."""
    levels = [(None, kind.by_name), *((urn, schema.by_name) for urn, schema in kind.extensions.items())]
    yield from ((urn, attribute) for urn, by_name in levels for attribute in by_name.values())


def places(kind: ResourceType) -> Iterator[tuple[str | None, Attribute, Attribute | None]]:
    """Every attribute that a client may write, and each sub-attribute of it, with the URN of the extension it is in."""
    for urn, attribute in attributes(kind):
        if attribute.mutability == "readOnly":
            continue
        yield urn, attribute, None
        yield from ((urn, attribute, sub) for sub in attribute.by_name.values() if sub.is_taken)


ROWS: Final = [
    pytest.param(kind, urn, attribute, sub, id=f"{name}-{attribute.name}{f'.{sub.name}' if sub else ''}")
    for name, kind in TYPES.items()
    for urn, attribute, sub in places(kind)
]


def path(urn: str | None, attribute: Attribute, sub: Attribute | None) -> str:
    return f"{f'{urn}:' if urn else ''}{attribute.name}{f'.{sub.name}' if sub else ''}"


def stored(kind: ResourceType, values: dict[str, Any]) -> dict[str, Any]:
    required = {attribute.name: "x" for attribute in kind.by_name.values() if attribute.required}
    return {**required, "schemas": [kind.schema.id], "id": ID, "meta": {}, **values}


def wrong(attribute: Attribute, sub: Attribute | None) -> Any:
    value = WRONG[(sub or attribute).type]
    value = value if sub is None else {sub.name: value}
    return [value] if attribute.multi_valued else value


def refused(run: Any, named: str, *errors: type[BadRequest]) -> None:
    with pytest.raises(errors or InvalidValue) as raised:
        run()
    assert f"'{named}'" in raised.value.detail


@pytest.mark.parametrize(("kind", "urn", "attribute", "sub"), ROWS)
def test_a_value_of_the_wrong_type_is_an_error_that_names_the_attribute(
    kind: ResourceType, urn: str | None, attribute: Attribute, sub: Attribute | None
) -> None:
    named, value = path(urn, attribute, sub), wrong(attribute, sub)
    body = {attribute.name: value} if urn is None else {urn: {attribute.name: value}}
    current = stored(kind, {})
    refused(lambda: validate.resource(body, kind), named)
    refused(lambda: validate.replacement(body, current, kind), named)
    for operation in (
        Operation("add", path(urn, attribute, None), value),
        Operation("replace", None, body),
        Operation("replace", named, WRONG[(sub or attribute).type]),
    ):
        if attribute.name != kind.relation:  # members are read by the service
            refused(lambda op=operation: patch.apply(current, patch.changes([op], kind), kind), named)


REQUIRED: Final = [
    pytest.param(kind, urn, attribute, id=f"{name}-{attribute.name}")
    for name, kind in TYPES.items()
    for urn, attribute, sub in places(kind)
    if sub is None and attribute.required
]


@pytest.mark.parametrize(("kind", "urn", "attribute"), REQUIRED)
def test_a_missing_or_removed_required_attribute_is_named(
    kind: ResourceType, urn: str | None, attribute: Attribute
) -> None:
    named = path(urn, attribute, None)
    if urn is None:
        refused(lambda: validate.resource({}, kind), named)
    removal = [Operation("remove", named, None)]
    values: dict[str, Any] = {attribute.name: "x"}
    current = stored(kind, values if urn is None else {urn: values})
    refused(lambda: patch.apply(current, patch.changes(removal, kind), kind), named, Mutability)


READ_ONLY: Final = [
    pytest.param(kind, urn, attribute, sub, id=f"{name}-{path(urn, attribute, sub)}")
    for name, kind in TYPES.items()
    for urn, attribute in attributes(kind)
    for sub in (None, *attribute.by_name.values())
    if "readOnly" in {attribute.mutability, sub.mutability if sub else None}
]


@pytest.mark.parametrize(("kind", "urn", "attribute", "sub"), READ_ONLY)
def test_a_path_to_a_read_only_attribute_is_an_error_that_names_it(
    kind: ResourceType, urn: str | None, attribute: Attribute, sub: Attribute | None
) -> None:
    named = path(urn, attribute, sub)
    texts = [named]
    if sub is not None and attribute.value is not None:
        texts.append(f'{path(urn, attribute, None)}[value eq "x"].{sub.name}')
    for text in texts:
        operation = Operation("replace", text, "x")
        refused(lambda op=operation: list(patch.changes([op], kind)), named, Mutability)
