"""Checks cursor paging (RFC 9865) if ServiceProviderConfig offers it. Entra pages by startIndex, which must still work."""

import re
from functools import partial
from typing import Any, Final

from scim.doctor.assertions import error_body, resources_of, status
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import CURSOR, GALLERY, HARMLESS
from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault, Skip

_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]+")
_PAGE: Final = 2
_MOST: Final = 20
"""The pages after which a walk over five users counts as endless."""
_SIZES: Final = ("defaultPageSize", "maxPageSize", "cursorTimeout")


def _offered(context: CheckContext) -> bool:
    found = context.kept["config"].get("pagination")
    return isinstance(found, dict) and found.get("cursor") is True


def _needs_cursors(context: CheckContext) -> None:
    if not _offered(context):
        raise Skip("ServiceProviderConfig doesn't offer cursors")


def config(context: CheckContext) -> str:
    context.client.exchanges.append(context.kept["config answer"])
    found = context.kept["config"].get("pagination")
    if found is None:
        return "says nothing, so by index"
    if not isinstance(found, dict):
        raise Fault("pagination is no object")
    for name in ("cursor", "index"):
        if not isinstance(found.get(name), bool):
            raise Fault(f"pagination.{name} is {found.get(name)!r} instead of a boolean")
    if not found["index"]:
        raise Fault("pagination.index is false: a client that pages by startIndex gets the first page alone")
    default = found.get("defaultPaginationMethod")
    if default not in {None, "index"}:
        raise Fault(f"pagination.defaultPaginationMethod is {default!r} instead of 'index'")
    for name in _SIZES:
        if name in found and (type(found[name]) is not int or found[name] < 1):
            raise Fault(f"pagination.{name} is {found[name]!r} instead of a positive integer", warning=True)
    return "index and cursor" if found["cursor"] else "index"


def index_default(context: CheckContext) -> None:
    _needs_cursors(context)
    first = context.client.get("/Users", startIndex=1, count=1)
    second = context.client.get("/Users", startIndex=2, count=1)
    ids = [[one.get("id") for one in resources_of(page)] for page in (first, second)]
    if second.json["totalResults"] < 2:
        raise Skip("there are no two users")
    if second.json.get("startIndex") != 2 or ids[0] == ids[1]:
        raise Fault("startIndex=2 isn't answered with the second user")


def walk(context: CheckContext) -> str:
    _needs_cursors(context)
    context.kept["cursor pages"] = pages = []
    shared = f'externalId eq "{context.kept["shared"]}"'
    ids: set[Any] = set()
    cursor: str | None = ""
    while cursor is not None:
        page = context.client.get("/Users", filter=shared, count=_PAGE, cursor=cursor)
        pages.append(page)
        found = [one.get("id") for one in resources_of(page)]
        if len(found) > _PAGE:
            raise Fault(f"count={_PAGE} was answered with {len(found)} users")
        if not ids.isdisjoint(found):
            raise Fault("a page shows a user whom a page before it has shown")
        ids.update(found)
        cursor = _next(page)
        if len(pages) == _MOST and cursor is not None:
            raise Fault(f"page {_MOST} of a walk over five users still has a nextCursor")
    if len(ids) != 5:
        raise Fault(f"the pages show {len(ids)} users instead of 5")
    return f"{len(ids)} users in {len(pages)} pages"


def _next(page: Exchange) -> str | None:
    """Return the cursor of the next page; None at the end."""
    found = page.json.get("nextCursor")
    if found is not None and (not isinstance(found, str) or not found):
        raise Fault(f"nextCursor is {found!r}; at the end it is left out")
    return found


def _pages(context: CheckContext) -> list[Exchange]:
    found: list[Exchange] = context.kept["cursor pages"]
    context.client.exchanges.extend(found[:2])
    return found


def form(context: CheckContext) -> None:
    for page in _pages(context):
        for name in ("nextCursor", "previousCursor"):
            found = page.json.get(name)
            if found is not None and not _UNRESERVED.fullmatch(str(found)):
                raise Fault(f"{name} has other characters than letters, digits, '-', '.', '_' and '~'")


def first_page(context: CheckContext) -> None:
    if _pages(context)[0].json.get("previousCursor") is not None:
        raise Fault("the first page has a previousCursor")


def made_up(context: CheckContext) -> None:
    _needs_cursors(context)
    answer = status(context.client.get("/Users", count=_PAGE, cursor=f"scim-doctor-{context.run}"), 400)
    if error_body(answer).get("scimType") != "invalidCursor":
        raise Fault(f"the 400 has the scimType {answer.resource.get('scimType')!r}", warning=True)


_FIRST: Final = ("cursor-walk",)
_WRITES: Final = partial(Check, only="write", needs=_FIRST)

CHECKS: Final = (
    Check(
        "pagination-config",
        "ServiceProviderConfig says that lists are paged by index unless a cursor is asked for",
        GALLERY,
        "Say pagination.index true and defaultPaginationMethod index (RFC 9865 §4): Entra's client pages by startIndex.",
        config,
        ("service-provider-config",),
    ),
    Check(
        "cursor-index",
        "Without the parameter cursor, startIndex pages as before",
        GALLERY,
        "Use cursors for requests that have the parameter cursor, and startIndex for all others.",
        index_default,
        ("pagination-config", "list-form"),
    ),
    Check(
        "cursor-unknown",
        "A cursor that the server hasn't issued is 400",
        CURSOR,
        "Answer 400 with scimType invalidCursor (RFC 9865 §2.1); the first page again makes a client begin anew without end.",
        made_up,
        ("pagination-config",),
    ),
    _WRITES(
        "cursor-walk",
        "A walk from cursor to cursor shows every user once, and ends",
        CURSOR,
        "Send nextCursor with every page but the last, and go on behind the last user of the page before.",
        walk,
        needs=("pagination-config", "user-external-id-shared", "match-external-id"),
    ),
    _WRITES(
        "cursor-letters",
        "Cursors need no encoding in a URL",
        CURSOR,
        "Make cursors of letters, digits, '-', '.', '_' and '~' (RFC 9865 §2), as base64url without = does.",
        form,
        warning=True,
    ),
    _WRITES(
        "cursor-first-page",
        "The first page has no previousCursor",
        HARMLESS,
        "Leave previousCursor out of the first page (RFC 9865 §2).",
        first_page,
        warning=True,
    ),
)
