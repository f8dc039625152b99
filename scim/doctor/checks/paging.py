"""Checks paging by index: over the run's own users, and the first page of all users."""

from functools import partial
from typing import Any, Final

from scim.doctor.assertions import resources_of
from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.checks.discovery import groups_unsupported
from scim.doctor.effects import GALLERY, Effect, Impact, by_outcome
from scim.doctor.verdicts import Fault, Skip

_PAGE: Final = 2
_MOST: Final = 500
"""The users that are read if no filter finds only those of the run."""
_OKTA: Final = 100
"""The page size of Okta's import, which adds it to startIndex whatever it received."""


def _pages(context: CheckContext) -> list[Any]:
    """Return the exchanges of a walk, which are sent once."""
    if "pages" not in context.kept:
        context.kept["pages"] = _walk(context)
    context.client.exchanges.extend(context.kept["pages"][-2:])
    pages: list[Any] = context.kept["pages"]
    return pages


def _walk(context: CheckContext) -> list[Any]:
    parameters: dict[str, str] = {}
    if "shared" in context.kept:
        parameters = {"filter": f'externalId eq "{context.kept["shared"]}"'}
    size = _PAGE if parameters else 100
    start, pages = 1, []
    while True:
        page = context.client.get("/Users", **parameters, startIndex=start, count=size)
        pages.append(page)
        found = resources_of(page)
        if page.json["totalResults"] > _MOST:
            raise Skip(f"the directory has {page.json['totalResults']} users, and no filter finds the run's own alone")
        start += len(found)
        if not found or start > page.json["totalResults"] or len(pages) > _MOST:
            return pages


def walk(context: CheckContext) -> str:
    pages = _pages(context)
    ids = [one.get("id") for page in pages for one in page.resources]
    total = pages[0].json["totalResults"]
    if len(set(ids)) != len(ids):
        raise Fault(f"the pages show {len(ids)} users, {len(ids) - len(set(ids))} of them twice")
    if "shared" in context.kept and total != 5:
        raise Fault(f"totalResults is {total} instead of 5: it counts all results, not those of a page")
    if len(ids) != total:
        raise Fault(f"totalResults is {total}, and the pages show {len(ids)} users")
    return f"{len(ids)} users in {len(pages)} pages"


def start_index(context: CheckContext) -> None:
    start = 1
    for page in _pages(context):
        if page.json.get("startIndex") != start:
            raise Fault(f"startIndex={start} was answered with startIndex {page.json.get('startIndex')}")
        start += len(page.resources)


def past_the_end(context: CheckContext) -> None:
    total = resources_of(context.client.get("/Users", count=1)) and context.client.exchanges[-1].json["totalResults"]
    found = resources_of(context.client.get("/Users", startIndex=(total or 0) + 1_000_000, count=1))
    if found:
        raise Fault("a startIndex past the end was answered with users")


def full(context: CheckContext) -> str:
    """Raise `Fault` if a page isn't full although more users exist. A client that adds count to startIndex would never
    see them.
    """
    if "shared" in context.kept:
        shared = f'externalId eq "{context.kept["shared"]}"'
        ids: set[Any] = set()
        for start in (1, 1 + _PAGE, 1 + 2 * _PAGE):
            page = context.client.get("/Users", filter=shared, startIndex=start, count=_PAGE)
            ids.update(one.get("id") for one in resources_of(page))
        if len(ids) != 5:
            raise Fault(f"a walk by startIndex += {_PAGE} with count={_PAGE} shows {len(ids)} of 5 users")
    said = []
    for endpoint in ("Users", "Groups"):
        if endpoint == "Groups" and groups_unsupported(context):
            continue
        page = context.client.get(f"/{endpoint}", startIndex=1, count=_OKTA)
        found, total = len(resources_of(page)), page.json["totalResults"]
        if found < min(total, _OKTA):
            raise Fault(
                f"/{endpoint} with count={_OKTA} was answered with {found} of {total} resources: a client that goes on at "
                f"startIndex={1 + _OKTA} never sees the next {min(total, _OKTA) - found}"
            )
        said.append(f"{found} of {total} {endpoint}")
    return ", ".join(said)


_WRITES: Final = partial(Check, only="write")

CHECKS: Final = (
    _WRITES(
        "paging-walk",
        "A walk with startIndex and count shows every user once, and totalResults counts them all",
        GALLERY,
        "Order the list by an attribute that doesn't change, such as the id, cut pages by startIndex and count, and count all "
        "results.",
        walk,
        needs=("user-create", "match-external-id"),
    ),
    _WRITES(
        "paging-start-index",
        "A page has the startIndex that was asked for",
        GALLERY,
        "Answer with the startIndex of the request.",
        start_index,
        needs=("user-create", "paging-walk"),
    ),
    _WRITES(
        "paging-full",
        "A page is full while more resources exist, so that a client may add count to startIndex",
        by_outcome(
            Effect(
                Impact.OTHER_CLIENTS,
                "Okta adds 100 to startIndex whatever it received: its import never sees the resources in between, and takes "
                "them as deleted.",
            ),
            Effect(Impact.OTHER_CLIENTS, "Okta's import asks for pages of 100, and stops with an error."),
        ),
        "Return count resources as long as so many are left, up to 100 at least; large groups are no reason for a shorter page.",
        full,
        needs=("user-create", "paging-walk"),
    ),
    _WRITES(
        "paging-past-the-end",
        "A page past the end is empty",
        GALLERY,
        "Answer 200 with an empty list past the end, not the last or the first page again.",
        past_the_end,
        needs=("user-create",),
    ),
)
