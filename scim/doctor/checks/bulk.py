"""POST /Bulk (RFC 7644 §3.7), for clients that send it because ServiceProviderConfig offers it; Entra sends none."""

from functools import partial
from typing import Any, Final

from scim.doctor.catalogue import Check
from scim.doctor.checks.discovery import needs_groups
from scim.doctor.effects import BULK, HARMLESS
from scim.doctor.exchange import Exchange
from scim.doctor.expect import ERROR, PATCH, answer_to, code, detail, error_body, none, operations, same, status
from scim.doctor.verdicts import Fault, Outcome, Skip
from scim.doctor.visit import Visit

REQUEST: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
_MOST: Final = 10_000
"""Operations of the largest request that is sent."""


def _offered(visit: Visit) -> dict[str, Any]:
    """What ServiceProviderConfig says of bulk; empty if it isn't supported."""
    found = visit.kept["config"].get("bulk")
    return found if isinstance(found, dict) and found.get("supported") is True else {}


def config(visit: Visit) -> str:
    visit.client.exchanges.append(visit.kept["config answer"])
    found = visit.kept["config"].get("bulk")
    if not isinstance(found, dict) or not isinstance(found.get("supported"), bool):
        raise Fault("bulk.supported, which RFC 7643 §5 requires, is missing or no boolean", warning=True)
    if not found["supported"]:
        return "not supported"
    for name in ("maxOperations", "maxPayloadSize"):
        if type(found.get(name)) is not int or found[name] < 1:
            raise Fault(f"bulk is supported, and {name} is {found.get(name)!r} instead of a positive integer")
    return f"{found['maxOperations']} operations, {found['maxPayloadSize']} bytes"


def endpoint(visit: Visit) -> str:
    answer = visit.objects.bulk([])
    if _offered(visit):
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


def _send(visit: Visit, *sent: dict[str, Any], stop_at: int | None = None) -> Exchange:
    """A bulk request. Skips the check if the server offers none."""
    if not _offered(visit):
        raise Skip("ServiceProviderConfig doesn't offer bulk")
    return visit.objects.bulk(sent, fail_on_errors=stop_at)


def _post(endpoint: str, id: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"method": "POST", "path": f"/{endpoint}", "bulkId": id, "data": data}


def _made(visit: Visit, answer: Exchange, id: str, label: str, place: int = 0) -> dict[str, Any]:
    """The user that an operation has made; its status must be 201."""
    operation = answer_to(answer, id, place)
    if code(operation) != 201:
        found = f"the operation {id} was answered {code(operation)} instead of 201: {detail(operation)}"
        raise Fault(found, outcome=Outcome.of(code(operation)))
    there = visit.client.get("/Users", filter=f'userName eq "{visit.objects.address(label)}"').resources
    if not there:
        raise Fault(f"the operation {id} was answered 201, and its user isn't there")
    return there[0]


def create(visit: Visit) -> None:
    operation = {"op": "replace", "path": "displayName", "value": "Doctor in bulk"}
    patch = {"schemas": [PATCH], "Operations": [operation]}
    visit.kept["bulk"] = answer = _send(
        visit,
        _post("Users", "one", visit.user_body("bulk-one")),
        {"method": "PATCH", "path": "/Users/bulkId:one", "bulkId": "two", "data": patch},
    )
    visit.kept["bulk user"] = _made(visit, answer, "one", "bulk-one")


def _first(visit: Visit) -> Exchange:
    answer: Exchange = visit.kept["bulk"]
    visit.client.exchanges.append(answer)
    return answer


def bulk_id(visit: Visit) -> None:
    for operation, id in zip(operations(_first(visit)), ("one", "two"), strict=False):
        if id == "one" and operation.get("bulkId") != id:
            raise Fault(f"the answer to the POST has the bulkId {operation.get('bulkId')!r} instead of {id!r}")
        if operation.get("bulkId") not in {id, None}:
            raise Fault(f"the answer to the PATCH has the bulkId {operation['bulkId']!r} instead of {id!r}")


def status_text(visit: Visit) -> None:
    for operation in operations(_first(visit)):
        if not isinstance(operation.get("status"), str):
            raise Fault(f'the status of an operation is {operation.get("status")!r} instead of a string as "201"')


def location(visit: Visit) -> None:
    found = answer_to(_first(visit), "one").get("location")
    if not isinstance(found, str) or not found.rstrip("/").endswith(f"/Users/{visit.kept['bulk user']['id']}"):
        raise Fault("the location of the user that was made is missing or leads elsewhere")


def reference(visit: Visit) -> None:
    said = code(answer_to(_first(visit), "two", 1))
    if said not in {200, 204}:
        raise Fault(f"a PATCH of /Users/bulkId:one was answered {said}", outcome=Outcome.of(said))
    same(visit.kept["bulk user"], "displayName", "Doctor in bulk")


def member(visit: Visit) -> None:
    needs_groups(visit)
    body = visit.group_body("bulk-group", members=[{"type": "User", "value": "bulkId:member"}])
    answer = _send(visit, _post("Users", "member", visit.user_body("bulk-member")), _post("Groups", "group", body))
    user = _made(visit, answer, "member", "bulk-member")
    said = code(answer_to(answer, "group", 1))
    if said != 201:
        raise Fault(f"a group with the member bulkId:member was answered {said}", outcome=Outcome.of(said))
    name = visit.objects.name("bulk-group")
    groups = visit.client.get("/Groups", excludedAttributes="members", filter=f'displayName eq "{name}"').resources
    if not groups:
        raise Fault("the group was answered 201, and it isn't there")
    found = visit.members(str(groups[0].get("id")))
    if found != {user.get("id")}:
        raise Fault(f"the members of the group are {sorted(found)} instead of the user with the bulkId")


def _with_a_failure(visit: Visit, label: str, stop_at: int | None = None) -> Exchange:
    """A POST that must fail, as its userName is taken, and another one after it."""
    visit.user("bulk-taken")
    taken = visit.user_body("bulk-taken", emails=[])
    return _send(
        visit, _post("Users", "taken", taken), _post("Users", "after", visit.user_body(label)), stop_at=stop_at
    )


def goes_on(visit: Visit) -> None:
    visit.kept["bulk failure"] = answer = _with_a_failure(visit, "bulk-after")
    said = code(answer_to(answer, "taken"))
    if said != 409:
        found = f"the operation with a userName that is taken was answered {said} instead of 409"
        raise Fault(found, outcome=Outcome.of(said))
    _made(visit, answer, "after", "bulk-after", 1)


def error(visit: Visit) -> None:
    answer: Exchange = visit.kept["bulk failure"]
    visit.client.exchanges.append(answer)
    response = answer_to(answer, "taken").get("response")
    if not isinstance(response, dict) or ERROR not in (response.get("schemas") or []):
        raise Fault("an operation was refused, and response has no SCIM error that says why")


def stops(visit: Visit) -> None:
    answer = _with_a_failure(visit, "bulk-stopped", stop_at=1)
    if code(answer_to(answer, "taken")) < 400:
        raise Skip("a userName that is taken wasn't refused")
    none(visit.client.get("/Users", filter=f'userName eq "{visit.objects.address("bulk-stopped")}"'))
    visit.client.exchanges.append(answer)
    if len(operations(answer)) > 1:
        raise Fault("an operation that wasn't tried stands in the answer", warning=True)


def unknown_reference(visit: Visit) -> None:
    needs_groups(visit)
    body = visit.group_body("bulk-nobody", members=[{"type": "User", "value": "bulkId:nobody"}])
    answer = _send(visit, _post("Groups", "group", body))
    # Some refuse the whole request.
    said = answer.status if answer.status == 409 else code(answer_to(answer, "group"))
    if said < 400:
        raise Fault(f"a member bulkId:nobody, which no operation creates, was answered {said}")
    if said != 409:
        found = f"a member bulkId:nobody, which no operation creates, was answered {said} instead of 409"
        raise Fault(found, warning=True, outcome=Outcome.of(said))


def too_many(visit: Visit) -> str:
    limits = _offered(visit)
    if not limits:
        raise Skip("ServiceProviderConfig doesn't offer bulk")
    most = limits["maxOperations"]
    # At an endpoint that nobody has: whatever the server does with them, nothing is made.
    operation = {"method": "POST", "path": "/ScimDoctorNoSuch", "bulkId": "0", "data": {}}
    body = {
        "schemas": [REQUEST],
        "failOnErrors": 1,
        "Operations": [{**operation, "bulkId": str(n)} for n in range(most + 1)],
    }
    if most > _MOST or 100 * most > limits["maxPayloadSize"]:
        raise Skip(f"{most + 1} operations are more than is sent")
    answer = visit.client.send("POST", "/Bulk", body)
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
