"""One run at one server: its client, its objects, and the users and groups that several checks share. Knows no check."""

from typing import Any

from scim.doctor.client import Client, in_path
from scim.doctor.exchange import Exchange
from scim.doctor.expect import CORE, ENTERPRISE, GROUP, status
from scim.doctor.objects import Objects
from scim.doctor.verdicts import Fault, Skip

MADE = frozenset({200, 201})


class Visit:
    """What a check works with."""

    def __init__(self, client: Client, run: str, seconds_of_load: float = 0) -> None:
        self.client = client
        self.objects = Objects(client, run)
        self.run = run
        self.seconds_of_load = seconds_of_load
        self.kept: dict[str, Any] = {}
        """What one check leaves for another, by name."""

    def guid(self) -> str:
        """A random GUID of the usual form."""
        d = self.client.outside.digits(16)
        return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:32]}"

    def user_body(self, label: str, **more: Any) -> dict[str, Any]:
        """The body with which Entra creates a user."""
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
        """The body with which Entra creates a group, but for its own schema URI, which has a check of its own."""
        return {
            "schemas": [GROUP],
            "externalId": self.guid(),
            "displayName": self.objects.name(label),
            "meta": {"resourceType": "Group"},
            **more,
        }

    def user(self, label: str, **more: Any) -> str:
        """The id of a user by this label, made now if it isn't there. Skips the check if it can't be made."""
        return self._made("Users", label, self.user_body(label, **more))

    def group(self, label: str, *members: str) -> str:
        """Return the id of the group with this label, created now if it isn't there; members are added in the RFC's form."""
        id = self._made("Groups", label, self.group_body(label))
        if members:
            added = [{"value": member} for member in members]
            answer = self.objects.patch("Groups", id, [{"op": "add", "path": "members", "value": added}])
            if answer.status not in {200, 204} or not set(members) <= self.members(id):
                raise Skip("members for this check couldn't be added")
        return id

    def members(self, group: str) -> set[str]:
        """The values of a group's members."""
        found = self.read("Groups", group).get("members") or []
        return {str(one.get("value")) for one in found if isinstance(one, dict)}

    def read(self, endpoint: str, id: str) -> dict[str, Any]:
        """A resource by its id."""
        return status(self.client.get(f"/{endpoint}/{in_path(id)}"), 200).resource

    def changed(self, user: str, *operations: dict[str, Any]) -> dict[str, Any]:
        """A user after a PATCH that must be accepted."""
        status(self.objects.patch("Users", user, operations), 200, 204)
        return self.read("Users", user)

    def accepted(self, exchange: Exchange) -> str:
        """The id of what a POST has made; the answer must be 201."""
        status(exchange, 201)
        id = exchange.resource.get("id")
        if not isinstance(id, str) or not id:
            raise Fault("the answer to POST has no id")
        return id

    def _made(self, endpoint: str, label: str, body: dict[str, Any]) -> str:
        key = f"{endpoint} {label}"
        if key not in self.kept:
            answer = self.objects.post(endpoint, body)
            id = answer.resource.get("id")
            if answer.status not in MADE or not self.objects.owns(endpoint, id):
                raise Skip(f"what this check needs couldn't be made: POST was answered {answer.status}")
            self.kept[key] = id
        made: str = self.kept[key]
        return made
