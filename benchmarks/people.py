"""The load: users, groups and changes as an identity provider sends them, the same for everybody who is measured."""

from typing import Any, Final

USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

_GIVEN: Final = ("Barbara", "Anna", "José", "Wei", "Amina", "Lars", "Priya", "Tomasz", "Zoë", "Kofi")
_FAMILY: Final = ("Jensen", "Müller", "García", "Zhang", "Okafor", "Nilsson", "Rao", "Kowalski", "Brontë", "Mensah")
_DEPARTMENTS: Final = ("Tour Operations", "Finance", "Engineering", "Support", "Sales", "Legal", "People")


def user_name(number: int) -> str:
    """What no other user has."""
    return f"user{number}@example.com"


def external_id(number: int) -> str:
    """The identity provider's own id: a UUID, as Entra's object ids are."""
    return f"{number:08x}-5c1d-4f7e-9b1a-{number * 2654435761 % 2**48:012x}"


def work_email(number: int) -> str:
    """The address of type `work`."""
    return f"first.last.{number}@example.com"


def user(number: int) -> dict[str, Any]:
    """A user with the attributes of Entra's default mapping."""
    given, family = _GIVEN[number % len(_GIVEN)], _FAMILY[number // 7 % len(_FAMILY)]
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": user_name(number),
        "externalId": external_id(number),
        "active": True,
        "displayName": f"{given} {family}",
        "title": f"Guide, grade {number % 9}",
        "preferredLanguage": "en-US",
        "name": {"givenName": given, "familyName": family, "formatted": f"{given} {family}"},
        "emails": [
            {"type": "work", "value": work_email(number), "primary": True},
            {"type": "home", "value": f"home{number}@example.org"},
        ],
        "phoneNumbers": [{"type": "work", "value": f"+1 555 {number:07d}"}],
        "addresses": [
            {
                "type": "work",
                "streetAddress": f"{number % 300} Universal City Plaza",
                "locality": "Hollywood",
                "region": "CA",
                "postalCode": "91608",
                "country": "US",
            }
        ],
        ENTERPRISE: {"employeeNumber": f"{number:07d}", "department": _DEPARTMENTS[number % len(_DEPARTMENTS)]},
    }


def group(number: int) -> dict[str, Any]:
    """A group without members."""
    return {"schemas": [GROUP], "displayName": f"Group {number}", "externalId": external_id(number)}


def member(number: int) -> str:
    """The id of somebody whom the store may not know: members are taken as they are given."""
    return f"01890a5d-ac96-774b-bcce-{number:012x}"


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    """A PATCH with these operations."""
    return {"schemas": [PATCH], "Operations": list(operations)}


def five_changes(turn: int) -> dict[str, Any]:
    """A PATCH whose five operations all change something, whatever the turn before was."""
    return patch(
        {"op": "replace", "path": "active", "value": turn % 2 == 0},
        {"op": "replace", "path": "name.givenName", "value": f"Given {turn}"},
        {"op": "replace", "path": "displayName", "value": f"Display {turn}"},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": f"changed.{turn}@example.com"},
        {"op": "replace", "path": f"{ENTERPRISE}:department", "value": f"Department {turn}"},
    )


def one_change(turn: int) -> dict[str, Any]:
    """A PATCH of one attribute."""
    return patch({"op": "replace", "path": "displayName", "value": f"Display {turn}"})


def adding(*members: str) -> dict[str, Any]:
    """A PATCH that adds members."""
    return patch({"op": "add", "path": "members", "value": [{"value": value} for value in members]})


def removing(value: str) -> dict[str, Any]:
    """A PATCH that removes one member, as Entra sends it."""
    return patch({"op": "remove", "path": f'members[value eq "{value}"]'})
