"""The limits that ServiceProviderConfig states, and whether pages keep to them."""

from typing import Any, Final

from scim.doctor.catalogue import Check
from scim.doctor.effects import Impact, always
from scim.doctor.expect import listed
from scim.doctor.verdicts import Fault
from scim.doctor.visit import Visit

_STATED: Final = (
    ("filter", "maxResults"),
    ("bulk", "maxOperations"),
    ("bulk", "maxPayloadSize"),
    ("pagination", "defaultPageSize"),
    ("pagination", "maxPageSize"),
    ("pagination", "cursorTimeout"),
)


def _stated(visit: Visit, feature: str, name: str) -> Any:
    """Return a limit as ServiceProviderConfig states it; None if it doesn't."""
    found = visit.kept["config"].get(feature)
    return found.get(name) if isinstance(found, dict) else None


def stated(visit: Visit) -> str:
    visit.client.exchanges.append(visit.kept["config answer"])
    most = _stated(visit, "filter", "maxResults")
    if type(most) is not int or most < 1:
        raise Fault(f"filter.maxResults, which RFC 7643 §5 requires, is {most!r} instead of a positive integer")
    values = ((f"{feature}.{name}", _stated(visit, feature, name)) for feature, name in _STATED)
    return ", ".join(f"{name} {value}" for name, value in values if value is not None)


def kept(visit: Visit) -> str:
    said = []
    limits: dict[str, tuple[Any, dict[str, str | int]]] = {
        "filter.maxResults": (_stated(visit, "filter", "maxResults"), {"startIndex": 1})
    }
    if _stated(visit, "pagination", "cursor") is True:
        limits["pagination.maxPageSize"] = (_stated(visit, "pagination", "maxPageSize"), {"cursor": ""})
    for name, (most, parameters) in limits.items():
        if type(most) is not int:
            continue
        answer = visit.client.get("/Users", attributes="id", count=most + 1, **parameters)
        if answer.status == 400 and answer.resource.get("scimType") in {"tooMany", "invalidCount"}:
            said.append(f"{name}: more is refused")
            continue
        found = len(listed(answer))
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
