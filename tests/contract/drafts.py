"""Resources as the service hands them to a store, made from bodies: canonical, with all that follows from them."""

from collections.abc import Iterable
from typing import Any, Final

from scim.protocol import filter as syntax, match, query, validate
from scim.protocol.query import All, AnyOf, Bound
from scim.protocol.registry import core
from scim.service.drafts import draft_of
from scim.storage.interface import Draft, Touch
from tests.contract.people import PEOPLE

KINDS: Final = core().resource_types
CREATED: Final = "2026-01-31T09:30:00.000000Z"


def resource_id(number: int) -> str:
    """An id whose order is that of the numbers, as ids of version 7 are ordered by their making."""
    return f"01900000-0000-7000-8000-{number:012x}"


def draft(
    kind: str, body: dict[str, Any], *, id: str = resource_id(1), created: str = CREATED, modified: str | None = None
) -> Draft:
    """What the service would ask a store to write for this body; `meta` in the body sets the dates."""
    type_ = KINDS[kind]
    resource = validate.resource(body, type_)
    dates = body.get("meta", {})
    created = dates.get("created", created)
    resource["id"] = id
    resource["meta"] = {
        "resourceType": kind,
        "created": created,
        "lastModified": modified or dates.get("lastModified", created),
    }
    return draft_of(resource, type_)


def user(name: str = "bjensen", number: int = 1, **attributes: Any) -> Draft:
    """A user to be written."""
    return draft("User", {"userName": name, **attributes}, id=resource_id(number))


def group(name: str = "Tour Guides", number: int = 100, **attributes: Any) -> Draft:
    """A group to be written."""
    return draft("Group", {"displayName": name, **attributes}, id=resource_id(number))


def touch(group: Draft, modified: str) -> Touch:
    """What goes with a change of members at that time."""
    new = draft("Group", {"displayName": group.resource["displayName"]}, id=group.id, modified=modified)
    return Touch(modified, new.f["meta"]["lastModified"], new.s["meta.lastModified"])


def bound(text: str, kind: str = "User") -> Bound:
    """A filter's text as a store gets it."""
    return query.bind(syntax.parse(text), KINDS[kind])


def bound_long(word: str, form: str, values: Iterable[str]) -> Bound:
    """A filter of many terms, longer than what a client may send."""
    terms = tuple(bound(form.format(value)) for value in values)
    return All(terms) if word == " and " else AnyOf(terms)


def kept(kind: str, text: str) -> list[str]:
    """The ids of those of `people` that the reference evaluator keeps."""
    tree = bound(text, kind)
    drafts = (draft(k, body, id=resource_id(number)) for number, (k, body) in enumerate(PEOPLE))
    return [new.id for new in drafts if new.kind == kind and match.matches(tree, new.f)]
