"""Checks entity tags (RFC 7644 §3.14). Entra sends none; other clients use them to avoid lost updates."""

from functools import partial
from typing import Any, Final

from scim.doctor.assertions import has_value, status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import Impact, always
from scim.doctor.verdicts import Fault, Outcome, Skip


def _titled(title: str) -> dict[str, Any]:
    return {"op": "replace", "path": "title", "value": title}


def any_version(context: CheckContext) -> None:
    user = context.user("patch-etag")
    status(context.objects.patch("Users", user, [_titled("1")], headers={"If-Match": "*"}), 200, 204)
    status(context.objects.patch("Users", user, [_titled("2")]), 200, 204)


def stale(context: CheckContext) -> None:
    offered = context.kept["config"].get("etag")
    if not isinstance(offered, dict) or offered.get("supported") is not True:
        # An ETag may still be there: web frameworks add one to every answer.
        raise Skip("ServiceProviderConfig doesn't offer entity tags")
    user = context.user("patch-stale")
    old = _version(context, user)
    if old is None:
        raise Fault("entity tags are offered, and a user has no version", warning=True)
    has_value(context.changed(user, _titled("newer")), "title", "newer")
    if _version(context, user) == old:
        raise Fault("the version of a user is the same after a change")
    answer = context.objects.patch("Users", user, [_titled("older")], headers={"If-Match": old})
    if context.read("Users", user).get("title") != "newer":
        raise Fault("a PATCH with an If-Match of an older version was carried out")
    context.client.exchanges.append(answer)
    if answer.status != 412:
        # Nothing was overwritten; the client only doesn't learn why.
        raise Fault(
            f"a PATCH with an If-Match of an older version was answered {answer.status} instead of 412",
            warning=True,
            outcome=Outcome.of(answer.status),
        )


def _version(context: CheckContext, user: str) -> str | None:
    """Return the entity tag of a user: the header, else meta.version."""
    found = context.read("Users", user)
    meta = found.get("meta")
    tag = context.client.exchanges[-1].headers.get("etag") or (meta.get("version") if isinstance(meta, dict) else None)
    return tag if isinstance(tag, str) and tag else None


_WRITES: Final = partial(Check, only="write", needs=("user-create", "patch-replace"))

CHECKS: Final = (
    _WRITES(
        "patch-if-match",
        "PATCH works with If-Match: * and without If-Match",
        always(
            Impact.OTHER_CLIENTS,
            "A client that sends If-Match: * can't change anything. Entra sends no If-Match, and fails only if the server "
            "requires one.",
        ),
        "Compare entity tags only if the client sends one. * matches every resource (RFC 9110 §13.1.1).",
        any_version,
        warning=True,
    ),
    _WRITES(
        "patch-stale",
        "A PATCH whose If-Match is out of date is 412",
        always(
            Impact.OTHER_CLIENTS,
            "Entra sends no If-Match. Clients that send the version which they have read, to learn of changes in between, "
            "overwrite them.",
        ),
        "Compare If-Match with the version of the resource in the write itself, and answer 412 if they differ (RFC 7644 §3.14), "
        "or say in ServiceProviderConfig that etag isn't supported.",
        stale,
        needs=("user-create", "patch-replace", "service-provider-config"),
    ),
)
