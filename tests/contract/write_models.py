"""Write models of resources, built from request bodies in the same way as the service does."""

from collections.abc import Iterable
from typing import Any, Final

from scim.protocol import validate
from scim.protocol.filter import binding, evaluate, syntax
from scim.protocol.filter.binding import All, AnyOf, Bound
from scim.protocol.schema.registry import core
from scim.service.write_model import build
from scim.storage.interface import Touch, WriteModel
from tests.contract.people import PEOPLE

RESOURCE_TYPES: Final = core().resource_types
CREATED: Final = "2026-01-31T09:30:00.000000Z"


def resource_id(number: int) -> str:
    """Return an id. The order of ids is that of their numbers, as UUIDs of version 7 are in the order of creation."""
    return f"01900000-0000-7000-8000-{number:012x}"


def write_model(
    type_name: str,
    body: dict[str, Any],
    *,
    id: str = resource_id(1),
    created: str = CREATED,
    modified: str | None = None,
) -> WriteModel:
    """Return the write model that the service builds for a body. `meta` in the body sets the dates."""
    resource_type = RESOURCE_TYPES[type_name]
    resource = validate.resource(body, resource_type)
    dates = body.get("meta", {})
    created = dates.get("created", created)
    resource["id"] = id
    resource["meta"] = {
        "resourceType": type_name,
        "created": created,
        "lastModified": modified or dates.get("lastModified", created),
    }
    return build(resource, resource_type)


def user(name: str = "bjensen", number: int = 1, **attributes: Any) -> WriteModel:
    """Return the write model of a user."""
    return write_model("User", {"userName": name, **attributes}, id=resource_id(number))


def group(name: str = "Tour Guides", number: int = 100, **attributes: Any) -> WriteModel:
    """Return the write model of a group."""
    return write_model("Group", {"displayName": name, **attributes}, id=resource_id(number))


def touch(group: WriteModel, modified: str) -> Touch:
    """Return the new `lastModified` of a group for a change of members at this time."""
    new = write_model("Group", {"displayName": group.resource["displayName"]}, id=group.id, modified=modified)
    return Touch(modified, new.search_fields["meta"]["lastModified"], new.sort_keys["meta.lastModified"])


def bound(text: str, type_name: str = "User") -> Bound:
    """Return the bound filter of a text."""
    return binding.bind(syntax.parse(text), RESOURCE_TYPES[type_name])


def bound_long(word: str, form: str, values: Iterable[str]) -> Bound:
    """Return a bound filter of many terms, longer than a client can send it."""
    terms = tuple(bound(form.format(value)) for value in values)
    return All(terms) if word == " and " else AnyOf(terms)


def kept(type_name: str, text: str) -> list[str]:
    """Return the ids of the resources of `people` that the reference evaluator matches."""
    tree = bound(text, type_name)
    write_models = (write_model(k, body, id=resource_id(number)) for number, (k, body) in enumerate(PEOPLE))
    return [new.id for new in write_models if new.type_name == type_name and evaluate.matches(tree, new.search_fields)]
