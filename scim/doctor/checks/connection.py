"""Checks the connection: the server, TLS with Entra's versions, and that only the right token is accepted."""

import ipaddress
import ssl
from typing import Final

from scim.doctor.assertions import ERROR, error_body, no_resources, status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import (
    GALLERY,
    HARMLESS,
    INCOMPATIBLE,
    NO_CONNECTION,
    UNAUTHORIZED,
    Effect,
    Effects,
    Impact,
    always,
    by_outcome,
)
from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault, Outcome, Skip

_DAY: Final = 86_400
_RENEWAL_DAYS: Final = 14


def _first(context: CheckContext, **options: str | None) -> Exchange:
    return context.client.send("GET", "/Users", query="startIndex=1&count=1", **options)  # type: ignore[arg-type]


def reachable(context: CheckContext) -> str:
    answer = _answered(_first(context), "no response")
    if 300 <= answer.status < 400:
        raise Fault(
            f"the Tenant URL redirects ({answer.status}); Entra isn't documented to follow", outcome=Outcome.REFUSED
        )
    if answer.status == 404 and ERROR not in (answer.resource.get("schemas") or []):
        raise Fault("there is no /Users below the Tenant URL (404)", outcome=Outcome.NOT_FOUND)
    context.kept["first"] = answer
    return f"answered {answer.status}"


def _answered(answer: Exchange, otherwise: str) -> Exchange:
    """Return the exchange if there was a response."""
    if answer.error is not None:
        raise Fault(f"{otherwise}: {answer.error}", outcome=Outcome.UNANSWERED)
    return answer


def https(context: CheckContext) -> None:
    if context.client.endpoint.https:
        return
    if _is_loopback(context.client.endpoint.host):
        raise Skip("a server on this machine; Entra needs https")
    raise Fault("the Tenant URL begins with http:, so the token crosses the network in the open")


def _encrypted(context: CheckContext) -> None:
    if not context.client.endpoint.https:
        raise Skip("the Tenant URL isn't https")


def certificate(context: CheckContext) -> str:
    _encrypted(context)
    answer = _answered(_first(context), "no response")
    if answer.valid_until is None:
        raise Skip("the certificate couldn't be seen")
    days = (ssl.cert_time_to_seconds(answer.valid_until) - context.client.outside.now()) / _DAY
    if days < _RENEWAL_DAYS:
        raise Fault(f"the certificate expires in {days:.0f} days ({answer.valid_until})", warning=True)
    return f"trusted here, valid for {days:.0f} days"


def tls_1_2(context: CheckContext) -> str:
    _encrypted(context)
    answer = _answered(context.client.at_most_tls_1_2(), "a client with TLS 1.2 gets no connection")
    return f"spoke {answer.tls}"


def token_accepted(context: CheckContext) -> None:
    answer: Exchange = context.kept["first"]
    context.client.exchanges.append(answer)
    if answer.status in {401, 403}:
        raise Fault(f"the token was refused with {answer.status}", outcome=Outcome.UNAUTHORIZED)


def no_token(context: CheckContext) -> None:
    answer = _first(context, token=None)
    context.kept["unauthorized"] = answer
    status(answer, 401)


def wrong_token(context: CheckContext) -> None:
    status(_first(context, token=f"wrong-{context.client.outside.digits(16)}"), 401)


def unauthorized_form(context: CheckContext) -> None:
    answer: Exchange = context.kept["unauthorized"]
    context.client.exchanges.append(answer)
    if str(error_body(answer).get("status")) != "401":
        raise Fault("the body's status isn't 401")


def challenge(context: CheckContext) -> None:
    answer: Exchange = context.kept["unauthorized"]
    context.client.exchanges.append(answer)
    if not answer.headers.get("www-authenticate", "").lower().startswith("bearer"):
        raise Fault("the 401 has no WWW-Authenticate header with the scheme Bearer")


def test_connection(context: CheckContext) -> None:
    answer = context.client.get("/Users", filter=f'userName eq "{context.guid()}"')
    context.kept["empty"] = answer
    no_resources(answer)


def test_connection_groups(context: CheckContext) -> None:
    no_resources(
        context.client.get("/Groups", excludedAttributes="members", filter=f'displayName eq "{context.guid()}"')
    )


def content_type(context: CheckContext) -> None:
    answer: Exchange = context.kept["empty"]
    context.client.exchanges.append(answer)
    if answer.media_type != "application/scim+json":
        raise Fault(
            f"the content type is {answer.media_type or 'missing'}", warning=answer.media_type == "application/json"
        )


def accept_json(context: CheckContext) -> None:
    filter = f"filter=userName%20eq%20%22{context.guid()}%22"
    no_resources(context.client.send("GET", "/Users", query=filter, headers={"Accept": "application/json"}))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_REACHED: Final = ("reachable",)
_OPEN: Final = Effect(Impact.EXPOSED, "Anyone can read and change users and groups. Entra doesn't notice.")
_NOT_401: Final = Effect(
    Impact.CHANGES,
    "The request is refused, but not with 401: when the token has expired, Entra repeats its requests instead of reporting "
    "that the token is the cause.",
)
_CERTIFICATE: Final = by_outcome(
    Effect(Impact.JOB, "From the day on which it expires every request fails (WebExceptionProtocolError)."),
    Effect(Impact.JOB, "Every request fails (WebExceptionProtocolError)."),
)
# 403 counts as a refusal here.
_TOKEN: Final[Effects] = {**by_outcome(_OPEN, _NOT_401, error=_NOT_401), Outcome.UNAUTHORIZED: _NOT_401}

CHECKS: Final = (
    Check(
        "https",
        "The Tenant URL is https",
        always(Impact.JOB, "Entra takes no Tenant URL without https: the job can't be set up."),
        "Give the endpoint a certificate of a public authority and register the https address; Entra refuses http.",
        https,
        needs=(),
    ),
    Check(
        "certificate",
        "The certificate is trusted and doesn't expire soon",
        _CERTIFICATE,
        "Serve a certificate for this host name with its whole chain, from a public authority, and renew it automatically.",
        certificate,
        needs=(),
    ),
    Check(
        "reachable",
        "GET /Users gets a response",
        NO_CONNECTION,
        "Check the address in the Tenant URL (it is what stands before /Users), DNS, firewall (service tag "
        "AzureActiveDirectory) and that nothing redirects.",
        reachable,
        needs=(),
    ),
    Check(
        "tls-1.2",
        "A client that supports TLS 1.2 and nothing newer can connect",
        NO_CONNECTION,
        "Leave TLS 1.2 enabled with ECDHE and AES-GCM suites, also where 1.3 is on.",
        tls_1_2,
        _REACHED,
    ),
    Check(
        "token-accepted",
        "The token is accepted",
        UNAUTHORIZED,
        "Create a new token, put it into the job's Secret Token field, then restart the job. A 403 says that the token may "
        "not do this.",
        token_accepted,
        _REACHED,
    ),
    Check(
        "no-token",
        "A request without a token is refused with 401",
        _TOKEN,
        "Check the token before anything else, on every path, and answer 401.",
        no_token,
        _REACHED,
    ),
    Check(
        "wrong-token",
        "A wrong token is refused with 401",
        _TOKEN,
        "Compare the whole token, in constant time, and answer 401 and nothing else when it is wrong.",
        wrong_token,
        _REACHED,
    ),
    Check(
        "unauthorized-form",
        "The 401 is a SCIM error",
        HARMLESS,
        "Answer 401 with schemas, status and detail as in RFC 7644 §3.12; a gateway's own error page hides the cause.",
        unauthorized_form,
        ("no-token",),
        warning=True,
    ),
    Check(
        "www-authenticate",
        "The 401 names the scheme Bearer in WWW-Authenticate",
        HARMLESS,
        "Send WWW-Authenticate: Bearer with every 401 (RFC 9110 §15.5.2).",
        challenge,
        ("no-token",),
        warning=True,
    ),
    Check(
        "test-connection",
        "Test Connection: a filter on an unknown userName is 200 and an empty list",
        INCOMPATIBLE,
        "Answer an empty search with 200 and a ListResponse with totalResults 0 and Resources [], never with 404 or 400.",
        test_connection,
    ),
    Check(
        "test-connection-groups",
        "Test Connection for groups: 200 and an empty list, also if the application has no groups",
        INCOMPATIBLE,
        "Answer GET /Groups with 200 and an empty ListResponse even if groups aren't used.",
        test_connection_groups,
    ),
    Check(
        "content-type",
        "Lists have the content type application/scim+json",
        always(
            Impact.JOB,
            "An answer that Entra doesn't take for SCIM, such as a page of HTML, puts the job into quarantine "
            "(SystemForCrossDomainIdentityManagementServiceIncompatible). With application/json a job goes on, and validators "
            "fail.",
        ),
        "Send Content-Type: application/scim+json with every response that has a body, errors too.",
        content_type,
        ("test-connection",),
    ),
    Check(
        "accept-json",
        "Accept: application/json is served",
        GALLERY,
        "Don't refuse a request for its Accept header; answer with application/scim+json.",
        accept_json,
        ("test-connection",),
    ),
)
