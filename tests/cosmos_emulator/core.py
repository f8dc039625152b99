"""Handles a request: returns a response, or raises `Cut` to cut the connection. Knows no sockets.

Routes (REST reference): `/`, `/dbs`, `/dbs/{db}`, `.../colls`, `.../colls/{coll}`, `.../pkranges`, `.../docs` (create,
query, batch, read feed), `.../docs/{id}`. Anything else is 400.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.cosmos_emulator import batch, charges
from tests.cosmos_emulator.auth import Authentication
from tests.cosmos_emulator.container import Account, Container
from tests.cosmos_emulator.faults import (
    Answer,
    Call,
    Cut,
    CutAfter,
    CutBefore,
    FailOperation,
    Fault,
    ShortPage,
    Slow,
)
from tests.cosmos_emulator.partition import Clock
from tests.cosmos_emulator.points import Done, Points
from tests.cosmos_emulator.query import plan
from tests.cosmos_emulator.query_wire import answer_query
from tests.cosmos_emulator.routes import classify
from tests.cosmos_emulator.sql_parse import parse
from tests.cosmos_emulator.values import UNDEFINED, Value
from tests.cosmos_emulator.wire import (
    CONTAINER_RID_MISMATCH,
    SESSION_NOT_AVAILABLE,
    CosmosError,
    WireRequest,
    WireResponse,
    check_headers,
    dump,
    error_response,
    load,
    refuse,
)

_FAULT_MESSAGE = "A fault was injected."
_PATCH_TYPES = frozenset(["application/json_patch+json", "application/json-patch+json"])


class Core:
    """An account with its databases, its authentication, the injected faults and the record of all requests."""

    def __init__(self, clock: Clock, authentication: Authentication, consistency: str) -> None:
        self.account = Account(clock)
        self.requests: list[Call] = []
        self.faults: list[Fault] = []
        self._authentication = authentication
        self._consistency = consistency
        self._doubled = consistency in {"Strong", "BoundedStaleness"}

    async def handle(self, request: WireRequest) -> WireResponse:
        """Handle one request. Raises `Cut` if a fault cuts the connection."""
        call = classify(request)
        self.requests.append(call)
        fault = self._fault_effect(call)
        call.fault = fault
        match fault:
            case CutBefore():
                raise Cut
            case Answer(status, substatus, retry_after_ms, False):
                error = CosmosError(status, _FAULT_MESSAGE, substatus, retry_after_ms)
                return self._finish(call, request, error_response(error))
            case Slow(after=False) as slow:
                await slow.wait()
        response = self._answer(request, call)
        match fault:
            case CutAfter():
                call.charge = response.charge
                raise Cut
            case Answer(status, substatus, retry_after_ms, True):
                response = error_response(CosmosError(status, _FAULT_MESSAGE, substatus, retry_after_ms))
            case Slow(after=True) as slow:
                await slow.wait()
        return self._finish(call, request, response)

    def _fault_effect(self, call: Call) -> Any:
        """Return the effect of the first fault that applies. Every matching fault counts the call."""
        struck = [fault.effect for fault in self.faults if fault.applies_to(call)]
        return struck[0] if struck else None

    def _answer(self, request: WireRequest, call: Call) -> WireResponse:
        try:
            metadata_write = call.method != "GET" and call.operation.startswith(("database.", "container."))
            self._authentication.check(request, call.resource_type, call.link, metadata_write=metadata_write)
            check_headers(request, self._consistency)
            response = self._route(call)(request, call)
        except CosmosError as error:
            return error_response(error)
        call.applied = response.status < 400 and response.status != 207
        return response

    def _finish(self, call: Call, request: WireRequest, response: WireResponse) -> WireResponse:
        call.status = response.status
        call.charge = response.charge
        headers = response.headers
        headers["x-ms-request-charge"] = f"{response.charge:.2f}"
        headers["x-ms-activity-id"] = request.headers.get("x-ms-activity-id", "")
        headers["x-ms-gatewayversion"] = "2.0.0"
        if response.body:
            headers["content-type"] = "application/json"
        return response

    def _route(self, call: Call) -> Callable[[WireRequest, Call], WireResponse]:
        match call.operation.split("."):
            case ["account", _]:
                return self._account
            case ["database", _]:
                return self._database
            case ["container", _]:
                return self._container
            case ["pkranges", _]:
                return self._ranges
            case ["item", _]:
                return self._item
            case ["batch"]:
                return self._batch
            case ["query"] | ["feed", _]:
                return self._query
            case ["query", "plan"]:
                return self._plan
        raise CosmosError(400, f"The request {call.method} {call.path} is not emulated.")

    # -- account, databases, containers

    def _account(self, request: WireRequest, _call: Call) -> WireResponse:
        here = [{"name": "Local", "databaseAccountEndpoint": request.base_url + "/"}]
        body = {
            "_self": "",
            "id": "emulator",
            "_rid": "emulator",
            "media": "//media/",
            "addresses": "//addresses/",
            "_dbs": "//dbs/",
            "writableLocations": here,
            "readableLocations": here,
            "enableMultipleWriteLocations": False,
            "userConsistencyPolicy": {"defaultConsistencyLevel": self._consistency},
            "queryEngineConfiguration": "{}",
        }
        return WireResponse(200, dump(body))

    def _database(self, request: WireRequest, call: Call) -> WireResponse:
        match call.verb:
            case "create":
                database = self.account.create(load(request.body))
                return WireResponse(201, dump(database.properties), charge=charges.create(0, 0))
            case "read":
                database = self.account.database(call.database, as_owner=False)
                return WireResponse(200, dump(database.properties), charge=charges.read(0, doubled=self._doubled))
        self.account.database(call.database, as_owner=False)
        del self.account.databases[call.database]
        return WireResponse(204, charge=charges.create(0, 0))

    def _container(self, request: WireRequest, call: Call) -> WireResponse:
        database = self.account.database(call.database, as_owner=True)
        if call.verb == "create":
            container = database.create(load(request.body))
            return WireResponse(201, dump(container.properties), charge=charges.create(0, 0))
        container = database.container(call.container, as_owner=False)
        if call.verb == "delete":
            del database.containers[call.container]
            return WireResponse(204, charge=charges.create(0, 0))
        headers = {"etag": container.properties["_etag"], "x-ms-session-token": container.session_token}
        return WireResponse(200, dump(container.properties), headers, charges.read(0, doubled=self._doubled))

    def _ranges(self, request: WireRequest, call: Call) -> WireResponse:
        """Return the one partition key range. The SDK reads it as a change feed, until the response is 304."""
        container = self._owner(request, call)
        headers = {"etag": f'"{container.rid}-ranges"', "x-ms-session-token": container.session_token}
        if request.headers.get("if-none-match") == headers["etag"]:
            return WireResponse(304, b"", headers, 1.0)
        one = {
            "id": "0",
            "minInclusive": "",
            "maxExclusive": "FF",
            "_rid": container.rid,
            "status": "online",
            "parents": [],
        }
        body = {"_rid": container.rid, "PartitionKeyRanges": [one], "_count": 1}
        return WireResponse(200, dump(body), headers, 1.0)

    # -- items

    def _owner(self, request: WireRequest, call: Call) -> Container:
        """Return the container of a request. Refuses recreated containers, and session tokens from the future."""
        database = self.account.database(call.database, as_owner=True)
        container = database.container(call.container, as_owner=True)
        intended = request.headers.get("x-ms-cosmos-intended-collection-rid")
        if intended not in {None, container.rid}:
            refuse("The collection rid doesn't match the intended one.", CONTAINER_RID_MISMATCH)
        token = request.headers.get("x-ms-session-token")
        if token:
            number = token.rpartition("#")[2]
            if not token.startswith("0:") or not number.isdigit():
                refuse("The session token is malformed.")
            if int(number) > container.lsn:
                raise CosmosError(
                    404, "The read session is not available for the input session token.", SESSION_NOT_AVAILABLE
                )
        return container

    def _points(self, request: WireRequest, call: Call) -> tuple[Container, Points]:
        container = self._owner(request, call)
        call.partition_key = key = _partition_key(request)
        return container, Points(container, key, doubled_reads=self._doubled)

    def _item(self, request: WireRequest, call: Call) -> WireResponse:
        headers = request.headers
        match, none_match = headers.get("if-match"), headers.get("if-none-match")
        if none_match is not None and call.verb != "read":
            refuse("If-None-Match is emulated for reads only.")
        if match is not None and call.verb in {"read", "create"}:
            refuse("If-Match is emulated for replace, delete and patch only.")
        container, points = self._points(request, call)
        size = len(request.body)
        done: Done
        match call.verb:
            case "create":
                call.body = load(request.body)
                done = points.create(call.body, size)
            case "read":
                done = points.read(call.item, none_match)
            case "replace":
                call.body = load(request.body)
                done = points.replace(call.item, call.body, size, match)
            case "delete":
                done = points.delete(call.item, match)
            case _:
                if headers.get("content-type") not in _PATCH_TYPES:
                    refuse("A patch has the content type application/json_patch+json or application/json-patch+json.")
                call.body = load(request.body)
                done = points.patch(call.item, call.body, match)
        return _item_response(request, call, container, done)

    def _batch(self, request: WireRequest, call: Call) -> WireResponse:
        if not request.flag("x-ms-cosmos-batch-atomic") or request.flag("x-ms-cosmos-batch-continue-on-error"):
            refuse("Only an atomic batch is emulated.")
        container, points = self._points(request, call)
        call.body = load(request.body)
        effect = call.fault
        fails = effect if isinstance(effect, FailOperation) else None
        status, results, charge = batch.execute(
            call.body, points, lambda index: fails.status if fails and fails.index == index else None
        )
        if status == 200 and request.headers.get("prefer") == "return=minimal":
            for result, operation in zip(results, call.body, strict=True):
                if operation["operationType"] != "Read":
                    result.pop("resourceBody", None)
        return WireResponse(status, dump(results), _session(call, container), charge)

    def _query(self, request: WireRequest, call: Call) -> WireResponse:
        container, points = self._points(request, call)
        short = call.fault.rows if isinstance(call.fault, ShortPage) else None
        response, call.rows = answer_query(request, call, container, points.partition, short, doubled=self._doubled)
        response.headers.update(_session(call, container))
        return response

    def _plan(self, request: WireRequest, call: Call) -> WireResponse:
        self._owner(request, call)
        call.body = load(request.body)
        if not isinstance(call.body, dict) or not isinstance(call.body.get("query"), str):
            refuse("A query is an object with the property query.")
        return WireResponse(200, dump(plan(parse(call.body["query"]))), charge=1.0)


def _partition_key(request: WireRequest) -> Value:
    """Return the partition key value of the header, such as `["acme"]`; `[{}]` is a missing value."""
    text = request.headers.get("x-ms-documentdb-partitionkey")
    if text is None:
        refuse("PartitionKey value must be supplied for this operation; queries across partitions are not emulated.")
    try:
        values = json.loads(text)
    except ValueError:
        refuse("The partition key header is no JSON.")
    if not isinstance(values, list) or len(values) != 1:
        refuse("The partition key supplied has another number of components than the container's.")
    return UNDEFINED if values[0] == {} else values[0]


def _session(call: Call, container: Container) -> dict[str, str]:
    """Return the headers with the session token, and the container and range that it is for."""
    return {
        "x-ms-session-token": container.session_token,
        "x-ms-documentdb-partitionkeyrangeid": "0",
        "x-ms-alt-content-path": quote(f"dbs/{call.database}/colls/{call.container}"),
        "x-ms-content-path": container.rid,
        "lsn": str(container.lsn),
    }


def _item_response(request: WireRequest, call: Call, container: Container, done: Done) -> WireResponse:
    headers = _session(call, container)
    if done.status == 204:
        return WireResponse(204, b"", headers, done.charge)
    headers["etag"] = done.item.etag
    minimal = request.method != "GET" and request.headers.get("prefer") == "return=minimal"
    body = b"" if minimal or done.status == 304 else dump(done.item.document)
    return WireResponse(done.status, body, headers, done.charge)
