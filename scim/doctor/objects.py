"""The users and groups that a run creates. Only these are changed or deleted, and all of them are deleted at the end."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

from scim.doctor.client import Client, in_path
from scim.doctor.exchange import Exchange

PREFIX: Final = "scim-doctor"
_NAMES: Final = {"Users": "userName", "Groups": "displayName"}
_BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
_GONE: Final = frozenset({200, 202, 204, 404, 410})


class NotOurs(AssertionError):
    """A request would change an object that this run hasn't created."""


class Objects:
    """The objects of this run, by endpoint (`Users`, `Groups`) and id."""

    def __init__(self, client: Client, run: str) -> None:
        self._client = client
        self.run = run
        self._made: dict[tuple[str, str], str] = {}
        self._there: dict[tuple[str, str], str] = {}
        self._unsure: dict[tuple[str, str], None] = {}
        self._denied: dict[tuple[str, str], None] = {}

    def name(self, label: str) -> str:
        """Return a name that identifies the run: `scim-doctor-1a2b3c4d-label`."""
        return f"{PREFIX}-{self.run}-{label}"

    def address(self, label: str) -> str:
        """Return the same as a userName or mail address."""
        return f"{self.name(label)}@example.com"

    def post(self, endpoint: str, body: dict[str, Any], *, paced: bool = True) -> Exchange:
        """Send a POST. The created object belongs to the run if it has the run's name."""
        name = _named(endpoint, body)[1]
        self._unsure[endpoint, name] = None  # before the request: the answer may never come
        exchange = self._client.send("POST", f"/{endpoint}", body, paced=paced)
        id = exchange.resource.get("id")
        if 200 <= exchange.status < 300 and isinstance(id, str) and id:
            self._believe(endpoint, id, name, exchange.resource, paced=paced)
        elif 400 <= exchange.status < 500 and (exchange.status != 409 or self._holds(endpoint, name)):
            del self._unsure[endpoint, name]
        return exchange

    def bulk(self, operations: Sequence[dict[str, Any]], *, fail_on_errors: int | None = None) -> Exchange:
        """A bulk request: POSTs, each with a bulkId and a name of this run's, and changes of what they make or of what this
        run has made before. What is made by it becomes this run's own. Raises `NotOurs`."""
        posts = [one for one in operations if one["method"] == "POST"]
        references = {f"bulkId:{one['bulkId']}" for one in posts}
        for one in operations:
            if one["method"] != "POST":
                _, endpoint, target = one["path"].split("/")
                if target not in references:
                    self._check(endpoint, target)
        names = {one["bulkId"]: _named(one["path"][1:], one["data"]) for one in posts}
        self._unsure |= dict.fromkeys(names.values())
        stop = {} if fail_on_errors is None else {"failOnErrors": fail_on_errors}
        body = {"schemas": [_BULK], **stop, "Operations": list(operations)}
        exchange = self._client.send("POST", "/Bulk", body)
        answers = exchange.resource.get("Operations")
        found = (
            {one.get("bulkId"): one for one in answers if isinstance(one, dict)} if isinstance(answers, list) else {}
        )
        for id, name in names.items():
            untried = {"status": "400"} if stop and exchange.status == 200 else {}
            self._settle(name, exchange.status, found.get(id, untried))
        return exchange

    def _settle(self, named: tuple[str, str], status: int, said: dict[str, Any]) -> None:
        """Record what became of an operation, by the response as a whole and by its entry."""
        endpoint, name = named
        location = said.get("location")
        if 400 <= status < 500 or str(said.get("status")).startswith("4"):
            # Looked for all the same: it may have been carried out in spite of the answer.
            del self._unsure[named]
            self._denied[named] = None
        elif status == 200 and isinstance(location, str) and location:
            self._believe(endpoint, unquote(location.rstrip("/").rpartition("/")[2]), name, {})

    def owns(self, endpoint: str, id: object) -> bool:
        """Return whether this run has created the object."""
        return (endpoint, id) in self._made

    def patch(
        self,
        endpoint: str,
        id: str,
        operations: Sequence[dict[str, Any]],
        *,
        headers: dict[str, str] | None = None,
        paced: bool = True,
    ) -> Exchange:
        """PATCH an object of this run. Raises `NotOurs`."""
        self._check(endpoint, id)
        body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list(operations)}
        return self._client.send("PATCH", f"/{endpoint}/{in_path(id)}", body, headers=headers, paced=paced)

    def delete(self, endpoint: str, id: str) -> Exchange:
        """DELETE an object of this run. Raises `NotOurs`."""
        self._check(endpoint, id)
        exchange = self._client.send("DELETE", f"/{endpoint}/{in_path(id)}")
        if exchange.status in _GONE:
            self._there.pop((endpoint, id), None)
        return exchange

    def clean_up(self) -> list[str]:
        """Delete all remaining objects; return a text for each that couldn't be deleted. Ctrl-C stops it."""
        left: dict[tuple[str, str], str] = {}
        try:
            self._client.reconnect()
            for (endpoint, id), name in reversed(list(self._made.items())):  # groups were made after their members
                there = (endpoint, id) in self._there
                reason = self._delete(endpoint, id) if there else self._still_there(endpoint, id)
                if reason:
                    left[endpoint, id] = f"/{endpoint}/{id} ({name}): {reason}"
                if self._client.unanswered:
                    break
            else:
                self._delete_lost(left)
        except KeyboardInterrupt:
            pass
        for (endpoint, id), name in self._there.items():
            left.setdefault((endpoint, id), f"/{endpoint}/{id} ({name}): not deleted any more")
        return [*left.values(), *(f"/{endpoint} named {name}: perhaps made" for endpoint, name in self._unsure)]

    def _delete_lost(self, left: dict[tuple[str, str], str]) -> None:
        """Find and delete by name the objects of a POST without a clear response, or of a refused operation."""
        for endpoint, name in [*self._unsure, *self._denied]:
            literal = name.replace("\\", "\\\\").replace('"', '\\"')
            found = self._client.get(f"/{endpoint}", filter=f'{_NAMES[endpoint]} eq "{literal}"')
            if found.status == 200:
                self._unsure.pop((endpoint, name), None)
            for resource in found.resources:
                id = resource.get("id")
                if not isinstance(id, str) or self.owns(endpoint, id) or not self._is_ours(resource):
                    continue
                self._keep(endpoint, id, name)
                reason = self._delete(endpoint, id)
                if reason:
                    left[endpoint, id] = f"/{endpoint}/{id} ({name}): {reason}"

    def _delete(self, endpoint: str, id: str) -> str:
        """Delete an object; return why it still exists, or an empty string."""
        exchange = self.delete(endpoint, id)
        if exchange.error is not None:
            return f"no answer to DELETE ({exchange.error})"
        if exchange.status not in _GONE:
            return f"DELETE was answered {exchange.status}"
        return self._still_there(endpoint, id)

    def _still_there(self, endpoint: str, id: str) -> str:
        """Return the same for an object whose DELETE was answered as done."""
        there = self._client.send("GET", f"/{endpoint}/{in_path(id)}").status == 200
        return "it is still there after DELETE" if there else ""

    def _believe(self, endpoint: str, id: str, name: str, said: dict[str, Any], *, paced: bool = True) -> None:
        """Record the object that a POST reports, after reading it: a wrong id would belong to another object."""
        known = self._client.send("GET", f"/{endpoint}/{in_path(id)}", paced=paced)
        self._client.forget_last()
        if self._is_ours(known.resource) or (known.status != 200 and self._is_ours(said)):
            self._keep(endpoint, id, name)
            del self._unsure[endpoint, name]

    def _keep(self, endpoint: str, id: str, name: str) -> None:
        self._made[endpoint, id] = name
        self._there[endpoint, id] = name

    def _holds(self, endpoint: str, name: str) -> bool:
        """Return whether a 409 is about a known object. Otherwise a repeated POST may have met its own first attempt."""
        return any(
            type_name == endpoint and made.lower() == name.lower() for (type_name, _), made in self._made.items()
        )

    def _is_ours(self, resource: dict[str, Any]) -> bool:
        lowered = {name.lower(): value for name, value in resource.items()}
        named = (lowered.get("username"), lowered.get("displayname"))
        return any(isinstance(name, str) and self.run in name.lower() for name in named)

    def _check(self, endpoint: str, id: str) -> None:
        if not self.owns(endpoint, id):
            raise NotOurs(f"/{endpoint}/{id} was not made by this run")


def _named(endpoint: str, body: dict[str, Any]) -> tuple[str, str]:
    return endpoint, str(body[_NAMES[endpoint]])
