"""What a response must be, as functions that raise `Fault` if it isn't. Knows SCIM's envelopes; sends nothing."""

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
    """The exchange, if it has one of these status codes."""
    if exchange.error is not None:
        raise Fault(f"{exchange.method} got no response: {exchange.error}", outcome=Outcome.UNANSWERED)
    if exchange.status not in allowed:
        wanted = " or ".join(map(str, allowed))
        detail = exchange.resource.get("detail")
        said = f": {detail}" if isinstance(detail, str) and detail else ""
        found = f"{exchange.method} was answered {exchange.status} instead of {wanted}{said[:200]}"
        raise Fault(found, outcome=Outcome.of(exchange.status))
    return exchange


def listed(exchange: Exchange) -> list[dict[str, Any]]:
    """The resources of a 200 with a ListResponse."""
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


def none(exchange: Exchange) -> None:
    """An empty ListResponse."""
    if listed(exchange) or exchange.json["totalResults"] != 0:
        raise Fault(f"the list has {exchange.json['totalResults']} results instead of none")


def one(exchange: Exchange, id: str) -> dict[str, Any]:
    """The one resource of a list, which has this id."""
    found = listed(exchange)
    if len(found) != 1 or exchange.json["totalResults"] != 1:
        several = len(found) > 1 or exchange.json["totalResults"] > 1
        raise Fault(
            f"the filter found {exchange.json['totalResults']} resources instead of 1",
            outcome=Outcome.SEVERAL if several else Outcome.ACCEPTED,
        )
    if found[0].get("id") != id:
        raise Fault("the filter found another resource")
    return found[0]


def at(resource: Any, path: str) -> Any:
    """A value by dotted names in any letter case; `emails[work].value` picks an element by its type, a URN may stand in front."""
    names = path.split(".")
    if path.startswith("urn:"):
        urn, _, rest = path.partition(":User.")
        names = [f"{urn}:User", *rest.split(".")]
    for name in names:
        bare, _, kind = name.rstrip("]").partition("[")
        resource = _member(resource, bare)
        if kind:
            elements = resource if isinstance(resource, list) else []
            resource = next((e for e in elements if _same(_member(e, "type"), kind)), None)
    return resource


def same(resource: Any, path: str, wanted: Any) -> None:
    """The resource has this value there; None means that there is nothing (`""` and `[]` are nothing)."""
    found = at(resource, path)
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
    """The body of a SCIM error, its schemas checked."""
    body = exchange.resource
    if ERROR not in (body.get("schemas") or []):
        raise Fault(f"the body of a {exchange.status} is no SCIM error: {exchange.media_type or 'no content type'}")
    return body


def operations(exchange: Exchange) -> list[dict[str, Any]]:
    """The operations of a 200 with a BulkResponse."""
    status(exchange, 200)
    found = exchange.resource.get("Operations", [])
    if BULK not in (exchange.resource.get("schemas") or []) or not isinstance(found, list):
        raise Fault("the body is no BulkResponse with a list of Operations")
    return [operation for operation in found if isinstance(operation, dict)]


def answer_to(exchange: Exchange, id: str, place: int = 0) -> dict[str, Any]:
    """What a BulkResponse says of an operation: by its bulkId, else what stands in its place without any."""
    found = operations(exchange)
    named = [operation for operation in found if operation.get("bulkId") == id]
    named = named or [operation for operation in found[place : place + 1] if not operation.get("bulkId")]
    if not named:
        raise Fault(f"the answer has no operation with the bulkId {id}")
    return named[0]


def code(operation: dict[str, Any]) -> int:
    """The status of an operation, as text, as a number or as drafts of RFC 7644 had it."""
    said = operation.get("status")
    said = said.get("code") if isinstance(said, dict) else said
    if not str(said).isdecimal():
        raise Fault(f"the status of an operation is {said!r}")
    return int(str(said))


def detail(operation: dict[str, Any]) -> str:
    """What the error of an operation says, if anything."""
    response = operation.get("response")
    return str(response.get("detail") or "")[:200] if isinstance(response, dict) else ""


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return None
    lowered = name.lower()
    return next((inner for key, inner in value.items() if key.lower() == lowered), None)


def _same(found: Any, wanted: str) -> bool:
    return isinstance(found, str) and found.lower() == wanted.lower()
