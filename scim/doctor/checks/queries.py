"""Checks unusual queries: unknown ids, attributes and parameters, and the form of errors and lists."""

from typing import Final

from scim.doctor.assertions import error_body, no_resources, resources_of, status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import GALLERY, HARMLESS, INCOMPATIBLE, MATCH, UNKNOWN_ID, Effect, Impact, by_outcome
from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault, Outcome, Skip


def unknown_id(context: CheckContext) -> None:
    answer = context.client.get(f"/Users/{context.guid()}")
    context.kept["not found"] = answer
    status(answer, 404)


def error_form(context: CheckContext) -> None:
    answer: Exchange = context.kept["not found"]
    context.client.exchanges.append(answer)
    body = error_body(answer)
    if body.get("status") != "404":
        raise Fault(f'status in the body is {body.get("status")!r} instead of the string "404"')


def error_content_type(context: CheckContext) -> None:
    answer: Exchange = context.kept["not found"]
    context.client.exchanges.append(answer)
    if answer.media_type != "application/scim+json":
        raise Fault(f"the content type of a 404 is {answer.media_type or 'missing'}")


def strange_id(context: CheckContext) -> None:
    status(context.client.get("/Users/00919288221112222"), 404)


def unknown_attribute(context: CheckContext) -> None:
    answer = context.client.get("/Users", filter=f'scimDoctorKnowsNoSuch eq "{context.guid()}"', count=2)
    if answer.status == 200 and answer.resource.get("totalResults") == 0:
        everybody = context.client.get("/Users", count=1)
        if everybody.resource.get("totalResults") == 0:
            raise Skip("there is no user that the filter could have found")
        return
    status(answer, 400)


def unknown_parameter(context: CheckContext) -> None:
    no_resources(context.client.get("/Users", filter=f'userName eq "{context.guid()}"', scimDoctor="1"))


def flag(context: CheckContext) -> None:
    no_resources(
        context.client.send("GET", "/Users", query=f"aadOptscim062020&filter=userName%20eq%20%22{context.guid()}%22")
    )


def trailing_slash(context: CheckContext) -> None:
    no_resources(context.client.get("/Users/", filter=f'userName eq "{context.guid()}"'))


def encoding(context: CheckContext) -> None:
    no_resources(context.client.send("GET", "/Users", query=f"filter=userName+eq+%22{context.guid()}%2B%22"))


def list_form(context: CheckContext) -> None:
    answer = context.client.get("/Users", startIndex=1, count=1)
    found = resources_of(answer)
    body = answer.resource
    for name in ("startIndex", "itemsPerPage"):
        if not isinstance(body.get(name), int) and (found or name == "startIndex"):
            raise Fault(f"{name} is missing or no integer")
    if len(found) > 1:
        raise Fault(f"count=1 was answered with {len(found)} resources")
    if found and not isinstance(found[0].get("id"), str):
        raise Fault("a resource in the list has no id")


def count_zero(context: CheckContext) -> None:
    if resources_of(context.client.get("/Users", count=0)):
        raise Fault("count=0 was answered with resources")


def start_below_one(context: CheckContext) -> None:
    answer = context.client.get("/Users", startIndex=0, count=1)
    resources_of(answer)
    if answer.resource.get("startIndex") not in {1, None}:
        raise Fault(f"startIndex=0 was answered with startIndex {answer.resource.get('startIndex')}")


CHECKS: Final = (
    Check(
        "unknown-id",
        "An id that no user has is 404",
        UNKNOWN_ID,
        "Answer 404 with a SCIM error to an id that no object has.",
        unknown_id,
    ),
    Check(
        "error-form",
        "A 404 is a SCIM error, its status a string",
        GALLERY,
        'Answer errors with schemas [urn:ietf:params:scim:api:messages:2.0:Error] and status as a string: "404".',
        error_form,
        ("unknown-id",),
    ),
    Check(
        "error-content-type",
        "Errors have the content type application/scim+json",
        GALLERY,
        "Send Content-Type: application/scim+json with errors too, also those of the framework.",
        error_content_type,
        ("unknown-id",),
        warning=True,
    ),
    Check(
        "strange-id",
        "An id that is no UUID is 404",
        UNKNOWN_ID,
        "Look an id up as text, or answer 404 if it doesn't parse; Okta's test sends such an id.",
        strange_id,
        ("unknown-id",),
    ),
    Check(
        "unknown-filter-attribute",
        "A filter on an unknown attribute is refused or finds no user",
        by_outcome(
            Effect(
                Impact.OBJECTS,
                "If the job matches by an attribute that the application doesn't know, every user is a match: the object fails "
                "(DuplicateTargetEntries), or Entra changes another user.",
            ),
            MATCH[Outcome.REFUSED],
            not_found=MATCH[Outcome.NOT_FOUND],
        ),
        "Answer 400 with scimType invalidFilter if a filter can't be understood; never leave a condition out.",
        unknown_attribute,
        ("test-connection",),
    ),
    Check(
        "unknown-parameter",
        "Unknown query parameters are ignored",
        INCOMPATIBLE,
        "Read the parameters that you know and ignore the rest.",
        unknown_parameter,
        ("test-connection",),
    ),
    Check(
        "flag-parameter",
        "The flag aadOptscim062020 in the query is ignored",
        INCOMPATIBLE,
        "Accept a parameter without a value; administrators append this flag to the Tenant URL.",
        flag,
        ("test-connection",),
    ),
    Check(
        "trailing-slash",
        "/Users/ is /Users",
        INCOMPATIBLE,
        "Accept a slash at the end of a path, without a redirect; a Tenant URL may be written with one.",
        trailing_slash,
        ("test-connection",),
        warning=True,
    ),
    Check(
        "query-encoding",
        "+ and %2B in a query are decoded",
        MATCH,
        "Decode + as a space, %2B as + and %22 as a quote, once.",
        encoding,
        ("test-connection",),
    ),
    Check(
        "list-form",
        "A page has integers startIndex and itemsPerPage and no more than count resources",
        GALLERY,
        "Send totalResults, startIndex and itemsPerPage as integers, and cut Resources to count.",
        list_form,
        ("test-connection",),
    ),
    Check(
        "count-zero",
        "count=0 is a total without resources",
        HARMLESS,
        "Treat count=0 as a request for the total alone (RFC 7644 §3.4.2.4).",
        count_zero,
        ("test-connection",),
        warning=True,
    ),
    Check(
        "start-below-one",
        "startIndex=0 means 1",
        HARMLESS,
        "Read a startIndex below 1 as 1 (RFC 7644 §3.4.2.4).",
        start_below_one,
        ("test-connection",),
        warning=True,
    ),
)
