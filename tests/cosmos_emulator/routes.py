"""Maps method and path of a request to an operation, and to the resource that its signature covers. Knows no items.

The string to sign contains the link of the resource, or for a request on a feed the link of its parent.
"""

from __future__ import annotations

from tests.cosmos_emulator.faults import Call
from tests.cosmos_emulator.wire import WireRequest, segments

_ITEM = {"GET": "item.read", "PUT": "item.replace", "DELETE": "item.delete", "PATCH": "item.patch"}


def classify(request: WireRequest) -> Call:
    """Return the call of a request. Its operation is `unknown` if there is no such route."""
    parts = segments(request.path)
    if len(parts) % 2:
        resource_type, link = parts[-1], "/".join(parts[:-1])
    else:
        resource_type, link = (parts[-2], "/".join(parts)) if parts else ("", "")
    names = [*parts[1::2], "", "", ""]
    operation = _operation(request, parts)
    call = Call(
        operation, resource_type, link, request.method, request.path, names[0], names[1], headers=request.headers
    )
    if operation.startswith("item."):
        call.item = names[2]
    return call


def _operation(request: WireRequest, parts: list[str]) -> str:
    method = request.method
    match parts:
        case []:
            return "account.read" if method == "GET" else "unknown"
        case ["dbs"] | ["dbs", _, "colls"] if method == "POST":
            return "database.create" if len(parts) == 1 else "container.create"
        case ["dbs", _]:
            return {"GET": "database.read", "DELETE": "database.delete"}.get(method, "unknown")
        case ["dbs", _, "colls", _]:
            return {"GET": "container.read", "DELETE": "container.delete"}.get(method, "unknown")
        case ["dbs", _, "colls", _, "pkranges"] if method == "GET":
            return "pkranges.read"
        case ["dbs", _, "colls", _, "docs"]:
            return _documents(request)
        case ["dbs", _, "colls", _, "docs", _]:
            return _ITEM.get(method, "unknown")
    return "unknown"


def _documents(request: WireRequest) -> str:
    """Return the operation on the path of all documents. Headers distinguish four of them."""
    headers = request.headers
    if request.method == "GET":
        return "feed.read"
    if request.method != "POST":
        return "unknown"
    if headers.get("x-ms-cosmos-is-batch-request", "").lower() == "true":
        return "batch"
    if headers.get("x-ms-cosmos-is-query-plan-request", "").lower() == "true":
        return "query.plan"
    if headers.get("x-ms-documentdb-isquery", "").lower() == "true":
        return "query"
    return "item.create"
