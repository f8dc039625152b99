"""Checks the limits in ServiceProviderConfig, and that pages keep to them."""

from typing import Any, Final

from scim.doctor.assertions import resources_of
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import Impact, always
from scim.doctor.verdicts import Fault

_STATED: Final = (
    ("filter", "maxResults"),
    ("bulk", "maxOperations"),
    ("bulk", "maxPayloadSize"),
    ("pagination", "defaultPageSize"),
    ("pagination", "maxPageSize"),
    ("pagination", "cursorTimeout"),
)


def _stated(context: CheckContext, feature: str, name: str) -> Any:
    """Return a limit in ServiceProviderConfig; None if it has none."""
    found = context.kept["config"].get(feature)
    return found.get(name) if isinstance(found, dict) else None


def stated(context: CheckContext) -> str:
    context.client.exchanges.append(context.kept["config answer"])
    most = _stated(context, "filter", "maxResults")
    if type(most) is not int or most < 1:
        raise Fault(f"filter.maxResults, which RFC 7643 §5 requires, is {most!r} instead of a positive integer")
    values = ((f"{feature}.{name}", _stated(context, feature, name)) for feature, name in _STATED)
    return ", ".join(f"{name} {value}" for name, value in values if value is not None)


def kept(context: CheckContext) -> str:
    said = []
    limits: dict[str, tuple[Any, dict[str, str | int]]] = {
        "filter.maxResults": (_stated(context, "filter", "maxResults"), {"startIndex": 1})
    }
    if _stated(context, "pagination", "cursor") is True:
        limits["pagination.maxPageSize"] = (_stated(context, "pagination", "maxPageSize"), {"cursor": ""})
    for name, (most, parameters) in limits.items():
        if type(most) is not int:
            continue
        answer = context.client.get("/Users", attributes="id", count=most + 1, **parameters)
        if answer.status == 400 and answer.resource.get("scimType") in {"tooMany", "invalidCount"}:
            said.append(f"{name}: more is refused")
            continue
        found = len(resources_of(answer))
        if found > most:
            raise Fault(f"{name} is {most}, and count={most + 1} was answered with {found} users")
        said.append(f"{name}: {found} users in a page")
    return ", ".join(said)


_EFFECT: Final = always(
    Impact.OTHER_CLIENTS,
    "Entra doesn't read the limits. A client that sizes its requests by them sends too much, or reserves too little.",
)

CHECKS: Final = (
    Check(
        "limits",
        "ServiceProviderConfig states its limits",
        _EFFECT,
        "State filter.maxResults, the largest number of resources in one answer, as a positive integer (RFC 7643 §5).",
        stated,
        ("service-provider-config",),
        warning=True,
    ),
    Check(
        "limits-kept",
        "A page has no more resources than ServiceProviderConfig states",
        _EFFECT,
        "Cut a larger count to filter.maxResults, and with a cursor to pagination.maxPageSize.",
        kept,
        ("limits", "list-form"),
        warning=True,
    ),
)
