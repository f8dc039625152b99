"""One proof for each feature that ServiceProviderConfig speaks of: a client uses it and gets what the RFCs promise."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from tests.conftest import Client
from tests.http.checks import USER, is_error, names

BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def _patch(client: Client) -> None:
    id = client.user()["id"]
    assert client.patch(f"/Users/{id}", {"op": "replace", "path": "title", "value": "Guide"}).status == 204
    assert client.get(f"/Users/{id}").json["title"] == "Guide"


def _bulk(client: Client) -> None:
    operations = [
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "G", "members": [{"value": "bulkId:u"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "u", "data": {"schemas": [USER], "userName": "in-bulk"}},
    ]  # fmt: skip
    answer = client.post("/Bulk", {"schemas": [BULK], "Operations": operations})
    assert [one["status"] for one in answer.json["Operations"]] == ["201", "201"]
    group, user = (one["location"].rpartition("/")[2] for one in answer.json["Operations"])
    assert [member["value"] for member in client.get(f"/Groups/{group}").json["members"]] == [user]


def _filter(client: Client) -> None:
    for name in ("ann", "ben"):
        client.user(name)
    assert names(client.get(f"/Users?filter={quote('userName eq "ANN"')}")) == ["ann"]


def _sort(client: Client) -> None:
    for name in ("ben", "ann"):
        client.user(name)
    assert names(client.get("/Users?sortBy=userName")) == ["ann", "ben"]
    assert names(client.get("/Users?sortBy=userName&sortOrder=descending")) == ["ben", "ann"]


def _etag(client: Client) -> None:
    id = client.user()["id"]
    answer = client.get(f"/Users/{id}?excludedAttributes=groups")
    tag = answer.headers["etag"]
    assert tag == answer.json["meta"]["version"]
    path = f"/Users/{id}?excludedAttributes=groups"
    assert client.request("GET", path, headers={"If-None-Match": tag}).status == 304
    assert client.put(f"/Users/{id}", {"userName": "changed"}, headers={"If-Match": tag}).status == 200
    is_error(client.put(f"/Users/{id}", {"userName": "again"}, headers={"If-Match": tag}), 412)


def _index(client: Client) -> None:
    for name in "abc":
        client.user(name)
    found = client.get("/Users?startIndex=2&count=1")
    assert names(found) == ["b"]
    assert (found.json["totalResults"], found.json["startIndex"]) == (3, 2)


def _cursor(client: Client) -> None:
    for name in "abc":
        client.user(name)
    first = client.get("/Users?cursor&count=2")
    assert (names(first), first.json["totalResults"]) == (["a", "b"], 3)
    last = client.get(f"/Users?cursor={first.json['nextCursor']}&count=2")
    assert names(last) == ["c"]
    assert "nextCursor" not in last.json
    assert names(client.get(f"/Users?cursor={last.json['previousCursor']}&count=2")) == ["a", "b"]
    is_error(client.get("/Users?cursor=made-up"), 400, "invalidCursor")


PROOFS: Final[Mapping[str, Callable[[Client], None]]] = {
    "patch": _patch,
    "bulk": _bulk,
    "filter": _filter,
    "sort": _sort,
    "etag": _etag,
    "pagination.index": _index,
    "pagination.cursor": _cursor,
}
