"""The context of a run: its client, its objects, and the users and groups that several checks share. Knows no checks."""

from typing import Any

from scim.doctor.assertions import CORE, ENTERPRISE, GROUP, status
from scim.doctor.client import Client, in_path
from scim.doctor.exchange import Exchange
from scim.doctor.objects import Objects
from scim.doctor.verdicts import Fault, Skip

MADE = frozenset({200, 201})


class CheckContext:
    """The context that a check gets."""

    def __init__(self, client: Client, run: str, seconds_of_load: float = 0) -> None:
        self.client = client
        self.objects = Objects(client, run)
        self.run = run
        self.seconds_of_load = seconds_of_load
        self.kept: dict[str, Any] = {}
        """Values that one check keeps for another, by name."""

    def guid(self) -> str:
        """Return a random GUID."""
        d = self.client.outside.digits(16)
        return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:32]}"

    def user_body(self, label: str, **more: Any) -> dict[str, Any]:
        """Return the body with which Entra creates a user."""
        name = self.objects.address(label)
        return {
            "schemas": [CORE, ENTERPRISE],
            "externalId": self.guid(),
            "userName": name,
            "active": True,
            "displayName": f"Doctor {label}",
            "emails": [{"primary": True, "type": "work", "value": name}],
            "meta": {"resourceType": "User"},
            "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"},
            **more,
        }

    def group_body(self, label: str, **more: Any) -> dict[str, Any]:
        """Return the body with which Entra creates a group, without Entra's own schema URN, which has a separate check."""
        return {
            "schemas": [GROUP],
            "externalId": self.guid(),
            "displayName": self.objects.name(label),
            "meta": {"resourceType": "Group"},
            **more,
        }

    def user(self, label: str, **more: Any) -> str:
        """Return the id of the user with this label, created now if missing. Raises `Skip` if it can't be created."""
        return self._made("Users", label, self.user_body(label, **more))

    def group(self, label: str, *members: str) -> str:
        """Return the id of the group with this label, created now if missing. Adds members in the form of the RFC."""
        id = self._made("Groups", label, self.group_body(label))
        if members:
            added = [{"value": member} for member in members]
            answer = self.objects.patch("Groups", id, [{"op": "add", "path": "members", "value": added}])
            if answer.status not in {200, 204} or not set(members) <= self.members(id):
                raise Skip("members for this check couldn't be added")
        return id

    def members(self, group: str) -> set[str]:
        """Return the values of a group's members."""
        found = self.read("Groups", group).get("members") or []
        return {str(one.get("value")) for one in found if isinstance(one, dict)}

    def read(self, endpoint: str, id: str) -> dict[str, Any]:
        """Return a resource by its id."""
        return status(self.client.get(f"/{endpoint}/{in_path(id)}"), 200).resource

    def changed(self, user: str, *operations: dict[str, Any]) -> dict[str, Any]:
        """Return the user after a PATCH that must be accepted."""
        status(self.objects.patch("Users", user, operations), 200, 204)
        return self.read("Users", user)

    def accepted(self, exchange: Exchange) -> str:
        """Return the id in the response to a POST, which must be 201."""
        status(exchange, 201)
        id = exchange.resource.get("id")
        if not isinstance(id, str) or not id:
            raise Fault("the response to POST has no id")
        return id

    def _made(self, endpoint: str, label: str, body: dict[str, Any]) -> str:
        key = f"{endpoint} {label}"
        if key not in self.kept:
            answer = self.objects.post(endpoint, body)
            id = answer.resource.get("id")
            if answer.status not in MADE or not self.objects.owns(endpoint, id):
                raise Skip(f"the object for this check couldn't be created: the response to POST was {answer.status}")
            self.kept[key] = id
        made: str = self.kept[key]
        return made
