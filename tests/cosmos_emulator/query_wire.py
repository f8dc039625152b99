"""Handles a query request: parses body, page size and continuation token, and returns a page. Knows no conditions.

A token is bound to its query. It is refused with another text, other parameters or another partition.
"""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

from tests.cosmos_emulator import charges
from tests.cosmos_emulator.container import Container
from tests.cosmos_emulator.faults import Call
from tests.cosmos_emulator.partition import Partition
from tests.cosmos_emulator.query import Execution, Page, Position
from tests.cosmos_emulator.sql_parse import parse
from tests.cosmos_emulator.wire import WireRequest, WireResponse, dump, load, refuse

DEFAULT_PAGE = 100  # "queries return up to 100 items by default"
DYNAMIC_PAGE = 1000  # the page size for -1, "let the service choose"
_ALL = {"query": "SELECT * FROM c"}


def answer_query(
    request: WireRequest, call: Call, container: Container, partition: Partition, short: int | None, *, doubled: bool
) -> tuple[WireResponse, int]:
    """Return the response for one page, and its number of rows. `short` is a fault that ends the page early."""
    if call.operation == "query" and not request.headers.get("content-type", "").startswith("application/query+json"):
        refuse("A query has the content type application/query+json.")
    call.body = load(request.body) if call.operation == "query" else _ALL
    text, parameters = _read(call.body)
    digest = sha256(dump([call.body, repr(call.partition_key), container.rid])).hexdigest()[:16]
    execution = Execution(parse(text), parameters, partition, container.definition.indexing)
    token = request.headers.get("x-ms-continuation")
    position = _position(token, digest) if token else execution.start()
    if short == 0:
        page = Page([], charges.QueryWork(), position)
    else:
        size = _page_size(request)
        page = execution.page(position, size if short is None else min(short, size))
    body = {"_rid": container.rid, "Documents": page.rows, "_count": len(page.rows)}
    headers = {"x-ms-item-count": str(len(page.rows))}
    if page.next is not None:
        headers["x-ms-continuation"] = _token(page.next, digest)
    return WireResponse(200, dump(body), headers, charges.query(page.work, doubled=doubled)), len(page.rows)


def _read(body: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(body, dict) or not set(body) <= {"query", "parameters"} or not isinstance(body.get("query"), str):
        refuse("A query is an object with the properties query and parameters.")
    parameters: dict[str, Any] = {}
    given = body.get("parameters", [])
    if not isinstance(given, list):
        refuse("The parameters of a query are a list.")
    for parameter in given:
        if not isinstance(parameter, dict) or set(parameter) != {"name", "value"}:
            refuse("A parameter has a name and a value.")
        name = parameter["name"]
        if not isinstance(name, str) or not name.startswith("@") or name in parameters:
            refuse(f"The parameter name {name!r} is invalid or given twice.")
        parameters[name] = parameter["value"]
    return body["query"], parameters


def _page_size(request: WireRequest) -> int:
    text = request.headers.get("x-ms-max-item-count", str(DEFAULT_PAGE))
    try:
        size = int(text)
    except ValueError:
        size = 0
    if size == 0 or size < -1:
        refuse("The input value for x-ms-max-item-count is invalid.")
    return DYNAMIC_PAGE if size == -1 else size


def _token(position: Position, digest: str) -> str:
    fields = [digest, position.number, position.value, position.offset, position.limit, position.started]
    return base64.b64encode(json.dumps(fields).encode()).decode()


def _position(token: str, digest: str) -> Position:
    try:
        made_for, number, value, offset, limit, started = json.loads(base64.b64decode(token, validate=True))
    except (ValueError, TypeError):
        refuse("Invalid Continuation Token")
    if made_for != digest:
        refuse("Invalid Continuation Token: it was made for another query.")
    return Position(number, value, offset, limit, started)
