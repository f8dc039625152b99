"""Checks POST /Bulk (RFC 7644 §3.7). Entra doesn't use it; other clients do if ServiceProviderConfig offers it."""

from functools import partial
from typing import Any, Final

from scim.doctor.assertions import (
    ERROR,
    PATCH,
    detail_of,
    entry_of,
    error_body,
    has_value,
    no_resources,
    operations,
    status,
    status_of,
)
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.checks.discovery import needs_groups
from scim.doctor.effects import BULK, HARMLESS
from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault, Outcome, Skip

REQUEST: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
_MOST: Final = 10_000
"""The operations of the largest request that is sent."""


def _offered(context: CheckContext) -> dict[str, Any]:
    """Return the bulk limits of ServiceProviderConfig; empty if bulk isn't supported."""
    found = context.kept["config"].get("bulk")
    return found if isinstance(found, dict) and found.get("supported") is True else {}


def config(context: CheckContext) -> str:
    context.client.exchanges.append(context.kept["config answer"])
    found = context.kept["config"].get("bulk")
    if not isinstance(found, dict) or not isinstance(found.get("supported"), bool):
        raise Fault("bulk.supported, which RFC 7643 §5 requires, is missing or no boolean", warning=True)
    if not found["supported"]:
        return "not supported"
    for name in ("maxOperations", "maxPayloadSize"):
        if type(found.get(name)) is not int or found[name] < 1:
            raise Fault(f"bulk is supported, and {name} is {found.get(name)!r} instead of a positive integer")
    return f"{found['maxOperations']} operations, {found['maxPayloadSize']} bytes"


def endpoint(context: CheckContext) -> str:
    answer = context.objects.bulk([])
    if _offered(context):
        if status(answer, 200, 400).status == 200:
            operations(answer)
        return f"offered, answered {answer.status}"
    if answer.status not in {400, 403, 404, 405, 501}:
        found = f"bulk isn't offered, and POST /Bulk was answered {answer.status}"
        raise Fault(found, warning=True, outcome=Outcome.of(answer.status))
    try:
        error_body(answer)
    except Fault as fault:
        raise Fault(str(fault), warning=True) from None
    return f"not offered, answered {answer.status}"


def _send(context: CheckContext, *sent: dict[str, Any], stop_at: int | None = None) -> Exchange:
    """Send a bulk request. Raises `Skip` if the server offers none."""
    if not _offered(context):
        raise Skip("ServiceProviderConfig doesn't offer bulk")
    return context.objects.bulk(sent, fail_on_errors=stop_at)


def _post(endpoint: str, id: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"method": "POST", "path": f"/{endpoint}", "bulkId": id, "data": data}


def _made(context: CheckContext, answer: Exchange, id: str, label: str, place: int = 0) -> dict[str, Any]:
    """Return the user that an operation created; its status must be 201."""
    operation = entry_of(answer, id, place)
    if status_of(operation) != 201:
        found = f"the operation {id} was answered {status_of(operation)} instead of 201: {detail_of(operation)}"
        raise Fault(found, outcome=Outcome.of(status_of(operation)))
    there = context.client.get("/Users", filter=f'userName eq "{context.objects.address(label)}"').resources
    if not there:
        raise Fault(f"the operation {id} was answered 201, and its user isn't there")
    return there[0]


def create(context: CheckContext) -> None:
    operation = {"op": "replace", "path": "displayName", "value": "Doctor in bulk"}
    patch = {"schemas": [PATCH], "Operations": [operation]}
    context.kept["bulk"] = answer = _send(
        context,
        _post("Users", "one", context.user_body("bulk-one")),
        {"method": "PATCH", "path": "/Users/bulkId:one", "bulkId": "two", "data": patch},
    )
    context.kept["bulk user"] = _made(context, answer, "one", "bulk-one")


def _first(context: CheckContext) -> Exchange:
    answer: Exchange = context.kept["bulk"]
    context.client.exchanges.append(answer)
    return answer


def bulk_id(context: CheckContext) -> None:
    for operation, id in zip(operations(_first(context)), ("one", "two"), strict=False):
        if id == "one" and operation.get("bulkId") != id:
            raise Fault(f"the answer to the POST has the bulkId {operation.get('bulkId')!r} instead of {id!r}")
        if operation.get("bulkId") not in {id, None}:
            raise Fault(f"the answer to the PATCH has the bulkId {operation['bulkId']!r} instead of {id!r}")


def status_text(context: CheckContext) -> None:
    for operation in operations(_first(context)):
        if not isinstance(operation.get("status"), str):
            raise Fault(f'the status of an operation is {operation.get("status")!r} instead of a string as "201"')


def location(context: CheckContext) -> None:
    found = entry_of(_first(context), "one").get("location")
    if not isinstance(found, str) or not found.rstrip("/").endswith(f"/Users/{context.kept['bulk user']['id']}"):
        raise Fault("the location of the user that was made is missing or leads elsewhere")


def reference(context: CheckContext) -> None:
    said = status_of(entry_of(_first(context), "two", 1))
    if said not in {200, 204}:
        raise Fault(f"a PATCH of /Users/bulkId:one was answered {said}", outcome=Outcome.of(said))
    has_value(context.kept["bulk user"], "displayName", "Doctor in bulk")


def member(context: CheckContext) -> None:
    needs_groups(context)
    body = context.group_body("bulk-group", members=[{"type": "User", "value": "bulkId:member"}])
    answer = _send(context, _post("Users", "member", context.user_body("bulk-member")), _post("Groups", "group", body))
    user = _made(context, answer, "member", "bulk-member")
    said = status_of(entry_of(answer, "group", 1))
    if said != 201:
        raise Fault(f"a group with the member bulkId:member was answered {said}", outcome=Outcome.of(said))
    name = context.objects.name("bulk-group")
    groups = context.client.get("/Groups", excludedAttributes="members", filter=f'displayName eq "{name}"').resources
    if not groups:
        raise Fault("the group was answered 201, and it isn't there")
    found = context.members(str(groups[0].get("id")))
    if found != {user.get("id")}:
        raise Fault(f"the members of the group are {sorted(found)} instead of the user with the bulkId")


def _with_a_failure(context: CheckContext, label: str, stop_at: int | None = None) -> Exchange:
    """Send a POST that must fail, because its userName exists, and another one after it."""
    context.user("bulk-taken")
    taken = context.user_body("bulk-taken", emails=[])
    return _send(
        context, _post("Users", "taken", taken), _post("Users", "after", context.user_body(label)), stop_at=stop_at
    )


def goes_on(context: CheckContext) -> None:
    context.kept["bulk failure"] = answer = _with_a_failure(context, "bulk-after")
    said = status_of(entry_of(answer, "taken"))
    if said != 409:
        found = f"the operation with a userName that is taken was answered {said} instead of 409"
        raise Fault(found, outcome=Outcome.of(said))
    _made(context, answer, "after", "bulk-after", 1)


def error(context: CheckContext) -> None:
    answer: Exchange = context.kept["bulk failure"]
    context.client.exchanges.append(answer)
    response = entry_of(answer, "taken").get("response")
    if not isinstance(response, dict) or ERROR not in (response.get("schemas") or []):
        raise Fault("an operation was refused, and response has no SCIM error that says why")


def stops(context: CheckContext) -> None:
    answer = _with_a_failure(context, "bulk-stopped", stop_at=1)
    if status_of(entry_of(answer, "taken")) < 400:
        raise Skip("a userName that is taken wasn't refused")
    no_resources(context.client.get("/Users", filter=f'userName eq "{context.objects.address("bulk-stopped")}"'))
    context.client.exchanges.append(answer)
    if len(operations(answer)) > 1:
        raise Fault("an operation that wasn't tried stands in the answer", warning=True)


def unknown_reference(context: CheckContext) -> None:
    needs_groups(context)
    body = context.group_body("bulk-nobody", members=[{"type": "User", "value": "bulkId:nobody"}])
    answer = _send(context, _post("Groups", "group", body))
    # Some servers refuse the whole request.
    said = answer.status if answer.status == 409 else status_of(entry_of(answer, "group"))
    if said < 400:
        raise Fault(f"a member bulkId:nobody, which no operation creates, was answered {said}")
    if said != 409:
        found = f"a member bulkId:nobody, which no operation creates, was answered {said} instead of 409"
        raise Fault(found, warning=True, outcome=Outcome.of(said))


def too_many(context: CheckContext) -> str:
    limits = _offered(context)
    if not limits:
        raise Skip("ServiceProviderConfig doesn't offer bulk")
    most = limits["maxOperations"]
    # The endpoint doesn't exist, so nothing is created.
    operation = {"method": "POST", "path": "/ScimDoctorNoSuch", "bulkId": "0", "data": {}}
    body = {
        "schemas": [REQUEST],
        "failOnErrors": 1,
        "Operations": [{**operation, "bulkId": str(n)} for n in range(most + 1)],
    }
    if most > _MOST or 100 * most > limits["maxPayloadSize"]:
        raise Skip(f"{most + 1} operations are more than is sent")
    answer = context.client.send("POST", "/Bulk", body)
    status(answer, 413)
    return f"{most + 1} operations were answered 413"


_WRITES: Final = partial(Check, only="write", needs=("user-create", "bulk-endpoint"))
_MADE: Final = ("bulk-create",)

CHECKS: Final = (
    Check(
        "bulk-config",
        "ServiceProviderConfig says whether bulk is supported, and its limits",
        BULK,
        "Say bulk.supported, and with it maxOperations and maxPayloadSize as positive integers (RFC 7643 §5).",
        config,
        ("service-provider-config",),
    ),
    Check(
        "bulk-endpoint",
        "POST /Bulk is answered as ServiceProviderConfig says, in SCIM form",
        BULK,
        "Answer a BulkResponse if bulk is offered, else 501 (or 403, 404) with a SCIM error.",
        endpoint,
        ("bulk-config",),
        only="write",
    ),
    _WRITES(
        "bulk-create",
        "A bulk request creates a user: 200, and 201 for the operation",
        BULK,
        "Carry out the operations of a bulk request like single requests, and answer 200 with the status of each.",
        create,
        needs=("user-create", "match-user-name", "bulk-endpoint"),
    ),
    _WRITES(
        "bulk-id",
        "The answer to a POST has its bulkId",
        BULK,
        "Send bulkId back; a client tells by it which user an operation has created (RFC 7644 §3.7.2).",
        bulk_id,
        needs=_MADE,
    ),
    _WRITES(
        "bulk-status",
        "The status of an operation is a string",
        HARMLESS,
        'Send the status of each operation as text, as "201" (RFC 7644 §3.7).',
        status_text,
        needs=_MADE,
        warning=True,
    ),
    _WRITES(
        "bulk-location",
        "The answer to a POST has the location of the user",
        BULK,
        "Send the location with every operation but a POST that failed; it is where the client finds the id.",
        location,
        needs=_MADE,
    ),
    _WRITES(
        "bulk-reference",
        "A PATCH of /Users/bulkId:one changes the user that the same request creates",
        BULK,
        "Put the id of the new resource in the place of bulkId: in paths (RFC 7644 §3.7.2).",
        reference,
        needs=_MADE,
    ),
    _WRITES(
        "bulk-member",
        "A group's member bulkId:one is the user that the same request creates",
        BULK,
        "Put the id of the new resource in the place of bulkId: in data, at any depth.",
        member,
        needs=(*_MADE, "group-match"),
    ),
    _WRITES(
        "bulk-goes-on",
        "An operation that fails has a status of its own, and the others are carried out",
        BULK,
        "Without failOnErrors carry out every operation, also after one that failed (RFC 7644 §3.7.3).",
        goes_on,
        needs=(*_MADE, "user-duplicate"),
    ),
    _WRITES(
        "bulk-error",
        "An operation that fails has a SCIM error in response",
        BULK,
        "Put the body that the single request would get into response.",
        error,
        needs=("bulk-goes-on",),
    ),
    _WRITES(
        "bulk-stop",
        "failOnErrors 1 stops at the first operation that fails",
        BULK,
        "Count the errors; when failOnErrors is reached, carry out no further operation, and leave the rest out of the answer.",
        stops,
        needs=(*_MADE, "user-duplicate", "test-connection"),
    ),
    _WRITES(
        "bulk-unknown-reference",
        "A bulkId that no operation creates is 409",
        BULK,
        "Answer the operation 409 instead of storing the text bulkId:nobody.",
        unknown_reference,
        needs=(*_MADE, "group-create"),
    ),
    _WRITES(
        "bulk-too-many",
        "More operations than maxOperations are 413",
        HARMLESS,
        "Count the operations before carrying any out, and answer 413 with the limit in detail (RFC 7644 §3.7.4).",
        too_many,
        needs=("bulk-endpoint",),
        warning=True,
    ),
)
