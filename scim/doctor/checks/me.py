"""Checks GET /Me, the user of the token (RFC 7644 §3.11). Entra doesn't use it; other clients do."""

from typing import Final

from scim.doctor.assertions import error_body
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import HARMLESS, ME
from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault, Outcome, Skip

_REFUSED: Final = frozenset({403, 404, 501})


def answered(context: CheckContext) -> str:
    answer = context.client.get("/Me")
    context.kept["me"] = answer
    if answer.error is not None:
        raise Fault(f"no response: {answer.error}", outcome=Outcome.UNANSWERED)
    if answer.status == 308 and _below(context, answer):
        return "redirects to a resource"
    if 300 <= answer.status < 400:
        found = f"redirects ({answer.status}) to another address than a resource of this endpoint"
        raise Fault(found, outcome=Outcome.REFUSED)
    if answer.status in _REFUSED:
        error_body(answer)
    elif answer.status != 200:
        found = f"GET was answered {answer.status} instead of 200, 404, 501 or 403"
        raise Fault(found, outcome=Outcome.of(answer.status))
    elif not isinstance(answer.resource.get("id"), str):
        raise Fault("a 200 without a resource that has an id")
    return f"answered {answer.status}"


def _below(context: CheckContext, answer: Exchange) -> bool:
    """Return whether Location is a resource of this endpoint."""
    base = context.client.endpoint
    target = answer.headers.get("location", "").removeprefix(base.origin)
    return target.startswith(f"{base.path}/") and not target.startswith("//")


def location(context: CheckContext) -> None:
    answer: Exchange = context.kept["me"]
    context.client.exchanges.append(answer)
    if answer.status != 200:
        raise Skip(f"/Me was answered {answer.status}")
    if not answer.headers.get("location", "").rstrip("/").endswith(f"/{answer.resource['id']}"):
        raise Fault("the header Location is missing or isn't the address of the resource itself")


CHECKS: Final = (
    Check(
        "me",
        "GET /Me is answered 200, 404, 501 or 403, in SCIM form",
        ME,
        "Answer 501 with a SCIM error if /Me isn't supported, 404 if the token belongs to no user, else the resource. Redirect "
        "only with 308, and to the resource itself.",
        answered,
    ),
    Check(
        "me-location",
        "The Location of /Me is the resource's own",
        HARMLESS,
        "Send the resource's permanent address in Location (RFC 7644 §3.11).",
        location,
        ("me",),
        warning=True,
    ),
)
