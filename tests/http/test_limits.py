"""Limits: what is at one is taken, what is over it gets the error that docs/limits.md gives, and nothing is written."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import pytest

from scim import app
from scim.protocol.limits import Limits
from scim.service.memberships import MIN_BYTES
from scim.settings import Settings, from_environment, variable
from tests.conftest import TOKEN, Answer, Client, HandlerClient, Loop
from tests.http.checks import PATCH, is_error, unchanged

DOCUMENT: Final = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

type Make = Callable[..., Client]


@pytest.fixture
def limited(loop: Loop) -> Iterator[Make]:
    """Makes a service with these limits, by the names of their variables."""
    built: list[app.App] = []

    def make(**environment: str) -> Client:
        service = app.build(from_environment({"SCIM_DEV_TOKEN": TOKEN, **environment}))
        built.append(service)
        return HandlerClient(service.handler, loop)

    yield make
    for service in built:
        loop.run(service.close())


def padded(message: dict[str, Any], size: int) -> bytes:
    """The message as so many bytes."""
    text = json.dumps(message).encode()
    return text + b" " * (size - len(text))


def bulk(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [BULK], "Operations": list(operations)}


def creation(name: str) -> dict[str, Any]:
    return {"method": "POST", "path": "/Users", "bulkId": name, "data": {"userName": name}}


def replacing(count: int) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "title", "value": "t"}] * count}


def members(count: int) -> dict[str, Any]:
    return {"displayName": "G", "members": [{"value": f"m{number}"} for number in range(count)]}


def user(number_of_bytes: int) -> dict[str, Any]:
    """A user whose `title` has so many bytes."""
    return {"userName": "u", "title": "x" * number_of_bytes}


@dataclass(frozen=True)
class Row:
    """A limit: the setting that makes it small, and a request at it and over it."""

    name: str
    setting: dict[str, str]
    send: Callable[[Client, int], Answer]
    at: int
    taken: int
    status: int
    scim_type: str | None = None
    mentions: str = ""
    """What the detail must say; by default the limit."""


def _search(filter_text: str) -> dict[str, Any]:
    return {"filter": filter_text}


ROWS: Final = [
    Row("body", {"SCIM_MAX_BODY_BYTES": "2048"}, lambda c, n: c.post("/Users", padded(user(1), n)), 2048, 201, 413),
    Row(
        "body of a bulk",
        {"SCIM_MAX_BULK_BYTES": "2048"},
        lambda c, n: c.post("/Bulk", padded(bulk(creation("a")), n)),
        2048,
        200,
        413,
    ),
    Row(
        "operations of a bulk",
        {"SCIM_MAX_BULK_OPERATIONS": "3"},
        lambda c, n: c.post("/Bulk", bulk(*(creation(f"u{number}") for number in range(n)))),
        3,
        200,
        413,
    ),
    Row(
        "bulkId of a bulk",
        {},
        lambda c, n: c.post("/Bulk", bulk({**creation("u"), "bulkId": "x" * n})),
        2048,
        200,
        400,
        "invalidValue",
    ),
    Row(
        "operations of a PATCH",
        {"SCIM_MAX_PATCH_OPERATIONS": "3"},
        lambda c, n: c.request("PATCH", f"/Users/{c.user('patched')['id']}", replacing(n)),
        3,
        204,
        413,
    ),
    Row("members", {"SCIM_MAX_MEMBERS": "3"}, lambda c, n: c.post("/Groups", members(n)), 3, 201, 413),
    Row(
        "filter",
        {"SCIM_MAX_FILTER_CHARACTERS": "100"},
        lambda c, n: c.post("/Users/.search", _search('userName eq "' + "x" * (n - 14) + '"')),
        100,
        200,
        400,
        "invalidFilter",
    ),
    Row(
        "PATCH path",
        {"SCIM_MAX_FILTER_CHARACTERS": "100"},
        lambda c, n: c.patch(
            f"/Users/{c.user('pathed')['id']}",
            {"op": "remove", "path": 'emails[value eq "' + "x" * (n - 19) + '"]'},
        ),
        100,
        204,
        400,
        "invalidPath",
    ),
    Row(
        "depth of a filter",
        {"SCIM_MAX_FILTER_DEPTH": "4"},
        lambda c, n: c.post("/Users/.search", _search("(" * (n - 1) + "title pr" + ")" * (n - 1))),
        4,
        200,
        400,
        "invalidFilter",
    ),
    Row(
        "comparisons of a filter",
        {"SCIM_MAX_FILTER_COMPARISONS": "4"},
        lambda c, n: c.post("/Users/.search", _search(" or ".join(["title pr"] * (n - 2) + ['emails[type pr].value pr']))),
        4,
        200,
        400,
        "invalidFilter",
    ),
    Row(
        "comparisons of a PATCH path",
        {"SCIM_MAX_FILTER_COMPARISONS": "4"},
        lambda c, n: c.patch(
            f"/Users/{c.user('compared')['id']}",
            {"op": "remove", "path": f"emails[{' or '.join(['type pr'] * n)}]"},
        ),
        4,
        204,
        400,
        "invalidFilter",
    ),
    Row(
        "names in attributes",
        {},
        lambda c, n: c.post("/Users/.search", {"attributes": [f"a{number}" for number in range(n)] * 2}),
        10_000,
        200,
        400,
        "invalidValue",
    ),
    Row(
        "text of a filter",
        {},
        lambda c, n: c.post("/Users/.search", _search('title eq "' + "x" * n + '"')),
        1024,
        200,
        400,
        "invalidFilter",
    ),
    Row(
        "resource",
        {"SCIM_MAX_RESOURCE_BYTES": "2048"},
        # What is stored has the id and the dates as well, which are always as long.
        lambda c, n: c.post("/Users", user(n - SURROUNDINGS)),
        2048,
        201,
        413,
    ),
    Row("user name", {}, lambda c, n: c.post("/Users", {"userName": "x" * n}), 1024, 201, 400, "invalidValue"),
    Row(
        "member", {}, lambda c, n: c.post("/Groups", {"displayName": "G", "members": [{"value": "x" * n}]}), 1024, 201, 400,
        "invalidValue",
    ),
    Row(
        "nesting",
        {},
        lambda c, n: c.post("/Users", b'{"userName":"u","x":' + b"[" * (n - 1) + b"]" * (n - 1) + b"}"),
        1024,
        201,
        400,
        "invalidSyntax",
        mentions="1,024 levels",
    ),
]  # fmt: skip
SURROUNDINGS: Final = 258
"""Bytes of a user that has a name of one character and an empty title."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_request_at_the_limit_is_taken_and_one_over_it_is_refused(limited: Make, row: Row) -> None:
    assert row.send(limited(**row.setting), row.at).status == row.taken
    client = limited(**row.setting)
    if row.name not in {
        "operations of a PATCH",
        "PATCH path",
        "comparisons of a PATCH path",
    }:  # they need a user of their own
        with unchanged(client):
            answer = row.send(client, row.at + 1)
    else:
        answer = row.send(client, row.at + 1)
    is_error(answer, row.status, row.scim_type)
    assert (row.mentions or str(row.at)) in answer.json["detail"]


def test_a_page_is_cut_to_the_limit(limited: Make) -> None:
    client = limited(SCIM_MAX_PAGE="2", SCIM_DEFAULT_PAGE="1")
    for name in "abc":
        client.user(name)
    assert [len(client.get(f"/Users{query}").json["Resources"]) for query in ("", "?count=2", "?count=3")] == [1, 2, 2]


def test_the_document_lists_every_setting_that_is_a_limit() -> None:
    settings = {variable(s.name) for s in fields(Settings) if re.match(r"max_|default_|cursor_|requests_", s.name)}
    assert set(re.findall(r"`(SCIM_[A-Z_]+)`", DOCUMENT)) == settings


def test_the_document_has_the_defaults() -> None:
    said = Limits()
    for text in (
        f"| {said.body_bytes // 2**20} MiB | `SCIM_MAX_BODY_BYTES`",
        f"| {said.bulk_bytes // 2**20} MiB | `SCIM_MAX_BULK_BYTES`",
        f"| {said.bulk_operations:,}, counted before the body is parsed | `SCIM_MAX_BULK_OPERATIONS`",
        f"| {said.patch_operations:,} | `SCIM_MAX_PATCH_OPERATIONS`",
        f"| {said.patch_values:,} in all |",
        f"| {said.patch_characters:,} in all |",
        f"| {said.patch_path_characters:,} in all |",
        f"| {said.members:,} | `SCIM_MAX_MEMBERS`",
        f"| {said.filter_characters:,} characters | `SCIM_MAX_FILTER_CHARACTERS`",
        f"| {said.filter_depth} levels | `SCIM_MAX_FILTER_DEPTH`",
        f"| {said.filter_comparisons}, those in brackets included | `SCIM_MAX_FILTER_COMPARISONS`",
        f"| {said.related_ids:,} |",
        f"| {said.related_values} | | 400 `tooMany` |",
        f"| {said.related_ids_together:,} |",
        f"| {said.resource_bytes // 2**10} KiB | `SCIM_MAX_RESOURCE_BYTES`",
        f"| {said.page:,}; {said.default_page} if `count` isn't given | `SCIM_MAX_PAGE`, `SCIM_DEFAULT_PAGE`",
        f"| {said.list_bytes // 2**20} MiB | `SCIM_MAX_LIST_BYTES`",
        f"| counts as {MIN_BYTES} bytes or more |",
        f"| {said.cursor_seconds:,} s | `SCIM_CURSOR_SECONDS`",
        f"| {Settings().requests_per_second} a second,",
    ):
        assert text in DOCUMENT
