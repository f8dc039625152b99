"""Assertions about responses, which raise `Fault`. Know the messages of SCIM, send nothing."""

from typing import Any, Final

from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault, Outcome

CORE: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTRA_GROUP: Final = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"


def status(exchange: Exchange, *allowed: int) -> Exchange:
    """Return the exchange if it has one of these status codes. Raises `Fault`."""
    if exchange.error is not None:
        raise Fault(f"{exchange.method} got no response: {exchange.error}", outcome=Outcome.UNANSWERED)
    if exchange.status not in allowed:
        wanted = " or ".join(map(str, allowed))
        detail = exchange.resource.get("detail")
        said = f": {detail}" if isinstance(detail, str) and detail else ""
        found = f"{exchange.method} was answered {exchange.status} instead of {wanted}{said[:200]}"
        raise Fault(found, outcome=Outcome.of(exchange.status))
    return exchange


def resources_of(exchange: Exchange) -> list[dict[str, Any]]:
    """Return the resources of a 200 with a ListResponse. Raises `Fault`."""
    status(exchange, 200)
    body = exchange.json
    if not isinstance(body, dict):
        raise Fault("the body is no JSON object")
    if LIST not in (body.get("schemas") or []):
        raise Fault("the body is no ListResponse: its schemas don't name it")
    if not isinstance(body.get("totalResults"), int):
        raise Fault("totalResults is missing or no integer")
    if body["totalResults"] and not isinstance(body.get("Resources"), list):
        raise Fault("Resources is missing, and totalResults isn't 0")
    return exchange.resources


def no_resources(exchange: Exchange) -> None:
    """Assert that the response is an empty ListResponse. Raises `Fault`."""
    if resources_of(exchange) or exchange.json["totalResults"] != 0:
        raise Fault(f"the list has {exchange.json['totalResults']} results instead of none")


def only_one(exchange: Exchange, id: str) -> dict[str, Any]:
    """Return the only resource of a list, which must have this id. Raises `Fault`."""
    found = resources_of(exchange)
    if len(found) != 1 or exchange.json["totalResults"] != 1:
        several = len(found) > 1 or exchange.json["totalResults"] > 1
        raise Fault(
            f"the filter found {exchange.json['totalResults']} resources instead of 1",
            outcome=Outcome.SEVERAL if several else Outcome.ACCEPTED,
        )
    if found[0].get("id") != id:
        raise Fault("the filter found another resource")
    return found[0]


def value_at(resource: Any, path: str) -> Any:
    """Return a value by dotted names in any case. `emails[work].value` selects an element by its type; a URN can come
    first.
    """
    names = path.split(".")
    if path.startswith("urn:"):
        urn, _, rest = path.partition(":User.")
        names = [f"{urn}:User", *rest.split(".")]
    for name in names:
        bare, _, json_type = name.rstrip("]").partition("[")
        resource = _member(resource, bare)
        if json_type:
            elements = resource if isinstance(resource, list) else []
            resource = next((e for e in elements if _same(_member(e, "type"), json_type)), None)
    return resource


def has_value(resource: Any, path: str, wanted: Any) -> None:
    """Assert that the resource has this value at the path; `None` means no value, like `""` and `[]`.

    Raises `Fault`.
    """
    found = value_at(resource, path)
    empty = found is None or found in ("", [], {})
    path = path.removeprefix(f"{ENTERPRISE}.")
    if wanted is None:
        if not empty:
            raise Fault(f"{path} is still {found!r}")
    elif empty:
        raise Fault(f"{path} is missing")
    elif found != wanted or isinstance(found, bool) is not isinstance(wanted, bool):
        raise Fault(f"{path} is {found!r} instead of {wanted!r}")


def error_body(exchange: Exchange) -> dict[str, Any]:
    """Return the body of a SCIM error with the right `schemas`. Raises `Fault`."""
    body = exchange.resource
    if ERROR not in (body.get("schemas") or []):
        raise Fault(f"the body of a {exchange.status} is no SCIM error: {exchange.media_type or 'no content type'}")
    return body


def operations(exchange: Exchange) -> list[dict[str, Any]]:
    """Return the operations of a 200 with a BulkResponse. Raises `Fault`."""
    status(exchange, 200)
    found = exchange.resource.get("Operations", [])
    if BULK not in (exchange.resource.get("schemas") or []) or not isinstance(found, list):
        raise Fault("the body is no BulkResponse with a list of Operations")
    return [operation for operation in found if isinstance(operation, dict)]


def entry_of(exchange: Exchange, id: str, place: int = 0) -> dict[str, Any]:
    """Return the entry of an operation in a BulkResponse: by its bulkId, else by its position. Raises `Fault`."""
    found = operations(exchange)
    named = [operation for operation in found if operation.get("bulkId") == id]
    named = named or [operation for operation in found[place : place + 1] if not operation.get("bulkId")]
    if not named:
        raise Fault(f"the answer has no operation with the bulkId {id}")
    return named[0]


def status_of(operation: dict[str, Any]) -> int:
    """Return the status of an operation, as a string, a number, or in the form of drafts of RFC 7644.

    Raises `Fault`.
    """
    said = operation.get("status")
    said = said.get("code") if isinstance(said, dict) else said
    if not str(said).isdecimal():
        raise Fault(f"the status of an operation is {said!r}")
    return int(str(said))


def detail_of(operation: dict[str, Any]) -> str:
    """Return the detail in the error of an operation, if it has one."""
    response = operation.get("response")
    return str(response.get("detail") or "")[:200] if isinstance(response, dict) else ""


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return None
    lowered = name.lower()
    return next((inner for key, inner in value.items() if key.lower() == lowered), None)


def _same(found: Any, wanted: str) -> bool:
    return isinstance(found, str) and found.lower() == wanted.lower()
