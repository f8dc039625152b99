"""What tests of whole requests say about answers: SCIM errors, and the store as a client sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.conftest import Answer, Client

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"
"""An id in our form that no resource has."""


def is_error(answer: Answer, status: int, scim_type: str | None = None) -> None:
    """The answer is the error message of RFC 7644 §3.12 with this status and `scimType`, and tells a person something."""
    assert answer.status == status, (answer.status, answer.body[:300])
    assert answer.headers["content-type"] == "application/scim+json"
    body = answer.json
    assert body["schemas"] == [ERROR]
    assert body["status"] == str(status)
    assert body.get("scimType") == scim_type, body
    assert body["detail"].strip()
    assert body.keys() <= {"schemas", "status", "scimType", "detail"}


def resources(answer: Answer) -> list[dict[str, Any]]:
    """The resources of a ListResponse."""
    assert answer.status == 200, (answer.status, answer.body[:300])
    body = answer.json
    assert body["schemas"] == [LIST]
    assert body["itemsPerPage"] == len(body["Resources"])
    found: list[dict[str, Any]] = body["Resources"]
    return found


def names(answer: Answer) -> list[str]:
    """The `userName` or `displayName` of what a ListResponse lists, in its order."""
    return [resource.get("userName") or resource["displayName"] for resource in resources(answer)]


def everything(client: Client) -> list[dict[str, Any]]:
    """All that a client can see: every user and group in full, with members, groups, dates and versions."""
    seen: list[dict[str, Any]] = []
    for endpoint in ("/Users", "/Groups"):
        found: list[dict[str, Any]] = []
        while True:
            answer = client.get(f"{endpoint}?count=1000&startIndex={len(found) + 1}")
            page = resources(answer)
            found += page
            if not page or len(found) >= answer.json["totalResults"]:
                break
        seen += found
    return seen


@contextmanager
def unchanged(client: Client) -> Iterator[None]:
    """What happens within leaves the store as it was."""
    before = everything(client)
    yield
    assert everything(client) == before
