"""Lists walked page by page, over the run's own users."""

from functools import partial
from typing import Any, Final

from scim.doctor.catalogue import GALLERY, Check
from scim.doctor.expect import listed
from scim.doctor.verdicts import Fault, Skip
from scim.doctor.visit import Visit

_PAGE: Final = 2
_MOST: Final = 500
"""Users of a directory that are walked if the run's own can't be told apart by a filter."""


def _pages(visit: Visit) -> list[Any]:
    """The exchanges of a walk, made once."""
    if "pages" not in visit.kept:
        visit.kept["pages"] = _walk(visit)
    visit.client.exchanges.extend(visit.kept["pages"][-2:])
    pages: list[Any] = visit.kept["pages"]
    return pages


def _walk(visit: Visit) -> list[Any]:
    parameters: dict[str, str] = {}
    if "shared" in visit.kept:
        parameters = {"filter": f'externalId eq "{visit.kept["shared"]}"'}
    size = _PAGE if parameters else 100
    start, pages = 1, []
    while True:
        page = visit.client.get("/Users", **parameters, startIndex=start, count=size)
        pages.append(page)
        found = listed(page)
        if page.json["totalResults"] > _MOST:
            raise Skip(f"the directory has {page.json['totalResults']} users, and the run's own can't be told apart")
        start += len(found)
        if not found or start > page.json["totalResults"] or len(pages) > _MOST:
            return pages


def walk(visit: Visit) -> str:
    pages = _pages(visit)
    ids = [one.get("id") for page in pages for one in page.resources]
    total = pages[0].json["totalResults"]
    if len(set(ids)) != len(ids):
        raise Fault(f"the pages show {len(ids)} users, {len(ids) - len(set(ids))} of them twice")
    if "shared" in visit.kept and total != 5:
        raise Fault(f"totalResults is {total} instead of 5: it is the number of all results, not of a page")
    if len(ids) != total:
        raise Fault(f"totalResults is {total}, and the pages show {len(ids)} users")
    return f"{len(ids)} users in {len(pages)} pages"


def start_index(visit: Visit) -> None:
    start = 1
    for page in _pages(visit):
        if page.json.get("startIndex") != start:
            raise Fault(f"startIndex={start} was answered with startIndex {page.json.get('startIndex')}")
        start += len(page.resources)


def past_the_end(visit: Visit) -> None:
    total = listed(visit.client.get("/Users", count=1)) and visit.client.exchanges[-1].json["totalResults"]
    found = listed(visit.client.get("/Users", startIndex=(total or 0) + 1_000_000, count=1))
    if found:
        raise Fault("a startIndex past the end was answered with users")


_WRITES: Final = partial(Check, only="write")

CHECKS: Final = (
    _WRITES(
        "paging-walk",
        "A walk with startIndex and count shows every user once, and totalResults counts them all",
        GALLERY,
        "Order the list by something that doesn't change, cut pages by startIndex and count, and count before cutting.",
        walk,
        needs=("user-create",),
    ),
    _WRITES(
        "paging-start-index",
        "A page names the startIndex that was asked for",
        GALLERY,
        "Answer with the startIndex of the request.",
        start_index,
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
