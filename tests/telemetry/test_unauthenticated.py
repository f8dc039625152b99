"""Requests that anybody can send are counted: at most one line, error and span a minute for each status and reason."""

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from scim.app import Collaborators, build, from_environment
from scim.edge.http import Request
from scim.settings import Settings
from scim.storage.errors import StoreUnavailable
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import BASE, ORIGIN, TOKEN, PortClient, Server
from tests.security.conftest import secret_token
from tests.security.instances import Instance, Timer, instance
from tests.security.issuer import STRANGER, Issuer
from tests.security.test_limits import made_up_secret
from tests.telemetry.collector import Collector, attributes
from tests.telemetry.lines import Line, Lines
from tests.telemetry.test_opentelemetry import collector  # noqa: F401 - pytest finds its fixture here

_MANY: Final = 300


def counted(lines: list[Line]) -> Counter[tuple[str, str]]:
    """How many requests the lines stand for, by status and reason."""
    found: Counter[tuple[str, str]] = Counter()
    for line in lines:
        found[line["status"], line.reason] += line.requests
    return found


async def flood(service: Instance, issuer: Issuer, number: int) -> None:
    """So many requests of each kind that needs no credential."""
    stranger = issuer.token(STRANGER)
    for one in range(number):
        for token in (None, "junk", made_up_secret(one), "scimaf_mistyped", stranger):
            assert await service.status(token) == 401
        healthz = Request("GET", "/healthz", {}, {}, b"", ORIGIN)
        assert (await service.app.handler.handle(healthz)).status == 200


_REASONS: Final = {
    ("401", "no-token"),
    ("401", "form"),
    ("401", "made-up"),
    ("401", "mistyped"),
    ("401", "entra-tenant"),
    ("200", "health"),
}


async def test_a_flood_leaves_one_line_a_minute_for_each_reason(issuer: Issuer, data: Path, lines: Lines) -> None:
    async with instance(data, issuer) as service:
        await flood(service, issuer, _MANY)
        first = lines.taken()
        assert counted(first) == dict.fromkeys(_REASONS, 1)  # at once, for the operator who tries a token
        for _ in range(3):
            service.timer.now += 59
            await flood(service, issuer, _MANY)
            assert lines.taken() == []
            service.timer.now += 1
            await flood(service, issuer, 1)
            told = lines.taken()
            assert len(told) == len(_REASONS)
            assert counted(told).keys() == _REASONS
            assert all(line.requests >= _MANY for line in told)


async def test_no_request_is_lost_or_counted_twice(issuer: Issuer, data: Path, lines: Lines) -> None:
    async with instance(data, issuer) as service:
        for seconds in (0, 30, 30, 61, 1, 200):
            service.timer.now += seconds
            await flood(service, issuer, 10)
    assert counted(lines.taken()) == dict.fromkeys(_REASONS, 60)


async def test_pending_counts_are_written_by_the_next_request_sweep_or_close(
    issuer: Issuer, data: Path, lines: Lines
) -> None:
    """The Functions host drops lines that are written outside of an invocation, so that nothing waits in the background."""
    token = await asyncio.to_thread(secret_token, "contoso", data)
    async with instance(data, issuer) as service:
        for come in (service.app.sweep, lambda: service.status(token)):
            await flood(service, issuer, 3)
            service.timer.now += 60
            lines.taken()
            await come()
            assert counted([line for line in lines.taken() if line.reason]).keys() <= _REASONS
            service.timer.now += 60
            await come()
            assert [line for line in lines.taken() if line.reason] == []


async def test_authenticated_requests_keep_a_line_each(issuer: Issuer, data: Path, lines: Lines) -> None:
    token = await asyncio.to_thread(secret_token, "contoso", data)
    async with instance(data, issuer) as service:
        for _ in range(20):
            assert await service.status(token) == 200
            assert (await service.get(token, "/nowhere")).status == 404
            assert await service.status(None) == 401
        told = [line for line in lines.taken() if not line.reason]
    assert Counter(line["status"] for line in told) == {"200": 20, "404": 20}
    assert {line.requests for line in told} == {1}


async def test_a_line_for_several_requests_has_what_all_of_them_cost(issuer: Issuer, data: Path, lines: Lines) -> None:
    async with instance(data, issuer) as service:
        await flood(service, issuer, 5)
        service.timer.now += 60
        lines.taken()
        answer = await service.get(None)
        [line] = [line for line in lines.taken() if line.reason == "no-token"]
    assert (line.requests, line["request_id"]) == (5, answer.headers["x-request-id"])


class Away(SqliteStore):
    """A store whose database can't be reached, or that fails in a way that nobody has thought of."""

    def __init__(self, error: Exception) -> None:
        super().__init__(None)
        self._error = error

    async def read(self, tenant: str, resource_type: str, id: str) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "begins"),
    [
        (StoreUnavailable("the database is away"), 503, "the store is unavailable: the database is away"),
        (ZeroDivisionError("bjensen"), 500, "unexpected ZeroDivisionError"),
    ],
    ids=["unavailable", "fault"],
)
async def test_an_unreachable_store_is_logged_once_a_minute_while_no_request_is_authenticated(
    caplog: pytest.LogCaptureFixture, lines: Lines, error: Exception, status: int, begins: str
) -> None:
    timer = Timer()
    app = build(Settings(), Collaborators(timer=timer), tokens={TOKEN: "default"}, store=Away(error))
    service = Instance(app, timer)
    for minute in range(3):
        for _ in range(50):
            assert await service.status(made_up_secret(minute)) == status
        timer.now += 60
    told = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert len(told) == 3
    assert all(one.getMessage().startswith(begins) for one in told)
    assert len(lines.taken()) == 3
    caplog.clear()
    for _ in range(3):  # who is known gets a line and an error each, as ever
        assert (await service.get(TOKEN, "/Users/01900000-0000-7000-8000-000000000000")).status == status
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 3
    assert len(lines.taken()) == 3 + 1  # and the count of those before
    await app.close()


async def test_a_service_with_a_wrong_setting_sends_the_headers(lines: Lines) -> None:
    app = from_environment({"SCIM_STORE": "none such"})
    for _ in range(50):
        assert (await app.handler.handle(Request("GET", f"{BASE}/Users", {}, {}, b"", ORIGIN))).status == 503
    assert [(line.reason, line.requests) for line in lines.taken()] == [("Unavailable", 1)]
    await app.close()
    assert [(line.reason, line.requests) for line in lines.taken()] == [("Unavailable", 49)]


def test_spans_are_as_few_and_the_metrics_count_all(collector: Collector) -> None:  # noqa: F811 - the fixture
    server = Server(environment=collector.environment)
    client = PortClient(server.origin)
    for _ in range(30):
        assert client.get("/Users", token=None).status == 401
        assert client.get("/Users").status == 200
    client.close()
    assert server.stop()[0] == 0
    statuses = Counter(attributes(span.attributes)["http.response.status_code"] for span in collector.spans)
    assert statuses[200] == 30
    assert 1 <= statuses[401] < 10  # one a minute
    points = collector.metric("http.server.request.duration").histogram.data_points
    counts = Counter[object]()
    for point in points:
        counts[attributes(point.attributes)["http.response.status_code"]] += point.count
    assert counts == {401: 30, 200: 30}
