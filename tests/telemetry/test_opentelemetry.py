"""Traces and metrics as a collector gets them from a process; and that they cost nothing where they are off."""

import asyncio
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import scim
from tests.conftest import TOKEN, CosmosAccount, CosmosServer, Loop, PortClient, Server
from tests.cosmos_emulator import Fault, unavailable
from tests.telemetry.collector import Collector, attributes
from tests.telemetry.lines import Line, lines_in, read
from tests.telemetry.test_log_line import OPERATIONS, world
from tests.worker.harness import Worker

ROOT: Final = Path(__file__).parents[2]
ON: Final = "PYTHON_ENABLE_OPENTELEMETRY"
# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration
ADVISED: Final = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
OF_METRICS: Final = {
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "url.scheme",
    "error.type",
    "scim.action",
    "scim.resource_type",
    "scim.scim_type",
    "scim.client",
    "scim.reason",
}
OF_SPANS: Final = OF_METRICS | {
    "scim.customer",
    "scim.request_id",
    "scim.tolerances",
    "scim.database_calls",
    "azure.cosmosdb.operation.request_charge",
    "scim.bulk.operations",
    "scim.bulk.failed",
    "scim.ignored_operations",
}


@dataclass(frozen=True)
class Told:
    """What a process has told the collector until it ended, and its lines."""

    collector: Collector
    lines: list[Line]
    spans: dict[str, Span]
    """By the id of the request."""


@pytest.fixture
def collector(loop: Loop) -> Iterator[Collector]:
    running = Collector(loop)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def told(loop: Loop) -> Iterator[Told]:
    """`scim serve --store cosmos` was sent each request that there is, and has ended."""
    collector = Collector(loop)
    service = CosmosServer(loop, **collector.environment)
    client = service.client
    for name, (send, _) in OPERATIONS.items():
        send(client, world(client, f"id.{name}"))
    user = world(client, "-")["u"]
    client.patch(
        f"/Users/{user}", {"op": "Replace", "path": "active", "value": "False"}, headers={"X-Request-Id": "id.entra"}
    )
    unknown = {"op": "add", "path": "mallory", "value": "mallory-was-here"}
    known = {"op": "add", "path": "title", "value": "x"}
    client.patch(f"/Users/{user}", unknown, known, unknown, headers={"X-Request-Id": "id.ignored"})
    secret = "mallory-was-here"  # pragma: allowlist secret - what must not be seen anywhere
    client.get(f"/Users/{secret}?filter={secret}", headers={"User-Agent": secret, "X-Forwarded-Proto": secret})
    client.get(f"/{secret}", token=secret)
    client.request("PROPFIND", "/Users", {"userName": secret}, headers={"X-Request-Id": "id.other"})
    service.emulator.faults.append(Fault("item.read", unavailable(), times=None))
    client.get(f"/Users/{user}", headers={"X-Request-Id": "id.down"})
    client.close()
    code, log = service.server.stop()
    CosmosAccount.stop(service)
    assert code == 0, log
    spans = {attributes(span.attributes)["scim.request_id"]: span for span in collector.spans}
    yield Told(collector, lines_in(log.splitlines()), spans)
    collector.stop()


def test_each_request_is_one_span_that_says_what_its_line_says(told: Told) -> None:
    assert len(told.collector.spans) == len(told.spans) == len(told.lines)
    for line in told.lines:
        found = attributes(told.spans[line["request_id"]].attributes)
        assert found["http.response.status_code"] == int(line["status"])
        assert found["scim.action"] == line["action"]
        assert found.get("scim.resource_type", "-") == line["resource_type"]
        assert found.get("scim.scim_type", "-") == line["scim_type"]
        assert found.get("scim.customer", "-") == line["customer"]
        assert found["scim.client"] == line["client"]
        assert set(found.get("scim.tolerances", ())) == line.tolerances
        spent = found["scim.database_calls"], round(found["azure.cosmosdb.operation.request_charge"], 2)
        assert spent == line.spent
        assert (found.get("scim.bulk.operations", 0), found.get("scim.bulk.failed", 0)) == line.bulk
        assert line.spent[0] or not line.spent[1]
        assert found.get("scim.ignored_operations", 0) == int(line["ignored_operations"])
    assert sum(line.spent[0] for line in told.lines) > len(OPERATIONS)


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, (_, words) in OPERATIONS.items()], ids=OPERATIONS)
def test_a_span_has_the_name_and_the_attributes_of_the_conventions(told: Told, name: str, words: str) -> None:
    span = told.spans[f"id.{name}"]
    _, _, method, route, status, _ = words.replace("(no route)", "(no_route)").split()
    known = route != "(no_route)"
    found = attributes(span.attributes)
    assert span.name == (f"{method} {route}" if known else method)
    assert span.kind == Span.SPAN_KIND_SERVER
    assert not span.parent_span_id
    assert found["http.request.method"] == method
    assert found.get("http.route") == (route if known else None)
    assert found["http.response.status_code"] == int(status)
    assert found["url.scheme"] == "http"
    assert span.end_time_unix_nano > span.start_time_unix_nano
    failed = int(status) >= 500
    assert span.status.code == (Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET)
    assert found.get("error.type") == ("NotImplementedHere" if failed else None)


def test_a_fault_is_an_error(told: Told) -> None:
    span = told.spans["id.down"]
    assert span.status.code == Status.STATUS_CODE_ERROR
    found = attributes(span.attributes)
    assert (found["error.type"], found["http.response.status_code"]) == ("Unavailable", 503)


def test_a_method_that_http_doesnt_have_is_other(told: Told) -> None:
    span = told.spans["id.other"]
    assert span.name == "HTTP /Users"
    assert attributes(span.attributes)["http.request.method"] == "_OTHER"


def test_tolerances_and_client_are_in_the_log_line(told: Told) -> None:
    found = attributes(told.spans["id.entra"].attributes)
    assert (found["scim.tolerances"], found["scim.client"]) == (["boolean", "operation"], "entra")


def test_traces_contain_no_client_text_but_request_ids(told: Told) -> None:
    everything = b"".join(body for bodies in told.collector.bodies.values() for body in bodies)
    for secret in (b"mallory", TOKEN.encode(), b"dora", b"Guides", b"nonsense", b"python-httpx", b"127.0.0.1"):
        assert secret not in everything
    for span in told.collector.spans:
        found = attributes(span.attributes)
        assert found.keys() <= OF_SPANS
        assert (
            OF_METRICS - {"http.route", "error.type", "scim.resource_type", "scim.scim_type", "scim.reason"}
            <= found.keys()
        )
        assert len(span.events) == len(span.links) == 0
        assert span.status.message == ""


def test_the_duration_is_measured_in_seconds_by_the_advised_buckets(told: Told) -> None:
    metric = told.collector.metric("http.server.request.duration")
    points = metric.histogram.data_points
    assert metric.unit == "s"
    assert {tuple(point.explicit_bounds) for point in points} == {tuple(ADVISED)}
    assert sum(point.count for point in points) == len(told.lines)
    milliseconds = sum(float(line["ms"]) for line in told.lines)
    assert sum(point.sum for point in points) * 1000 == pytest.approx(milliseconds, abs=0.05 * len(told.lines))


@pytest.mark.parametrize(
    ("name", "unit", "at"),
    [
        ("scim.server.request.database_calls", "{call}", 0),
        ("scim.server.request.request_charge", "{request_unit}", 1),
    ],
)
def test_database_costs_are_measured(told: Told, name: str, unit: str, at: int) -> None:
    metric = told.collector.metric(name)
    points = metric.histogram.data_points
    assert metric.unit == unit
    assert sum(point.count for point in points) == len(told.lines)
    total = sum(line.spent[at] for line in told.lines)
    assert sum(point.sum for point in points) == pytest.approx(total, abs=0.01 * len(told.lines))
    assert total > 0


def test_ignored_operations_are_counted(told: Told) -> None:
    assert attributes(told.spans["id.ignored"].attributes)["scim.ignored_operations"] == 2
    points = told.collector.metric("scim.server.ignored_operations").sum.data_points
    assert [point.as_int for point in points] == [2]


def test_metrics_have_attributes_of_few_values(told: Told) -> None:
    """Neither the customer nor the request is among them."""
    for name in ("http.server.request.duration", "scim.server.request.database_calls"):
        points = told.collector.metric(name).histogram.data_points
        assert {key for point in points for key in attributes(point.attributes)} == OF_METRICS
        assert len(points) < len(told.lines)


def test_the_service_is_called_scim_and_tells_its_version(told: Told) -> None:
    resources = told.collector.resources
    assert {resource["service.name"] for resource in resources} == {"scim"}
    assert {resource["service.version"] for resource in resources} == {scim.__version__}


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"OTEL_SERVICE_NAME": "provisioning"}, "provisioning"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=people,deployment.environment=test"}, "people"),
    ],
)
def test_the_standard_variables_name_it_otherwise(collector: Collector, variables: dict[str, str], name: str) -> None:
    server = Server(environment={**collector.environment, **variables})
    ask_for(server, "~/healthz")
    assert server.stop()[0] == 0
    assert {resource["service.name"] for resource in collector.resources} == {name}
    assert [span.name for span in collector.spans] == ["GET /healthz"]


def ask_for(server: Server, *paths: str) -> None:
    client = PortClient(server.origin)
    for path in paths:
        assert client.get(path).status == 200
    client.close()


# --- the other side is down -------------------------------------------------------------------------------------


@pytest.mark.parametrize("listens", [True, False], ids=["it takes and never answers", "it refuses"])
def test_an_unreachable_collector_delays_neither_requests_nor_the_end(listens: bool) -> None:
    """The exporter would wait for an hour; `Server.stop` waits for half a minute."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        if listens:
            deaf.listen()
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        # Quick, so that the exporters are at it while requests come.
        variables = {
            "OTEL_EXPORTER_OTLP_TIMEOUT": "3600",
            "OTEL_BSP_SCHEDULE_DELAY": "1",
            "OTEL_METRIC_EXPORT_INTERVAL": "1",
        }
        server = Server(environment={ON: "true", "OTEL_EXPORTER_OTLP_ENDPOINT": address, **variables})
        ask_for(server, *["/Users"] * 50)
        code, log = server.stop()
    assert code == 0
    assert len(lines_in(log.splitlines())) == 50
    assert "Traceback" not in log


# --- within the Functions worker --------------------------------------------------------------------------------

TRACE: Final = "4bf92f3577b34da6a3ce929d0e0e4736"  # pragma: allowlist secret - W3C Trace Context's own example
PARENT: Final = "00f067aa0ba902b7"
FROM_HOST: Final = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
AZURE: Final = {
    "WEBSITE_INSTANCE_ID": "1",
    "SCIM_STORE": "cosmos",
    "COSMOS_ENDPOINT": "https://contoso.documents.azure.com:443/",
}


@pytest.mark.parametrize(
    ("settings", "kind"),
    [({"SCIM_DEV_TOKEN": TOKEN}, Span.SPAN_KIND_SERVER), (AZURE, Span.SPAN_KIND_INTERNAL)],
    ids=["on this machine", "on azure"],
)
async def test_within_the_worker_the_span_is_part_of_the_hosts(
    collector: Collector, settings: dict[str, str], kind: int
) -> None:
    async with await Worker.start(ROOT, {**collector.environment, **settings}) as worker:
        answer = await worker.invoke("healthz", "GET", "https://scim.example.com/healthz", FROM_HOST)
        assert answer.status == 200
        answer = await worker.invoke("healthz", "POST", "https://scim.example.com/healthz", {})
        assert answer.status == 405
    within, alone = collector.spans
    assert [(span.name, span.kind) for span in (within, alone)] == [("GET /healthz", kind), ("POST /healthz", kind)]
    assert (within.trace_id.hex(), within.parent_span_id.hex()) == (TRACE, PARENT)
    assert alone.trace_id.hex() != TRACE
    assert not alone.parent_span_id
    assert attributes(within.attributes)["url.scheme"] == "https"


# --- off --------------------------------------------------------------------------------------------------------

TELLS: Final = """
import atexit, sys
def tell():
    loaded = sorted(name for name in sys.modules if name.startswith(("opentelemetry", "azure.monitor")))
    print("loaded:", *loaded, file=sys.stderr)
atexit.register(tell)
"""


def loaded(log: str) -> set[str]:
    [told] = re.findall(r"^loaded:(.*)$", log, re.MULTILINE)
    return {".".join(name.split(".")[:1]) for name in told.split()}


@pytest.mark.parametrize("setting", [None, "", "false", "true"])
def test_where_it_is_off_nothing_of_it_is_loaded_by_a_server(
    collector: Collector, tmp_path: Path, setting: str | None
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELLS)
    variables = {} if setting is None else {ON: setting}
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.origin, "PYTHONPATH": str(tmp_path)}
    server = Server(environment={**where, **variables})
    ask_for(server, "/Users", "~/healthz")
    code, log = server.stop()
    assert code == 0
    assert loaded(log) == ({"opentelemetry"} if setting == "true" else set())
    assert bool(collector.bodies) == (setting == "true")


@pytest.mark.parametrize("setting", ["false", "true"])
async def test_where_it_is_off_nothing_of_it_is_loaded_by_the_function_app(
    collector: Collector, tmp_path: Path, setting: str
) -> None:
    (tmp_path / "function_app.py").write_text(
        f"{TELLS}\n"
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('the_app', {str(ROOT / 'function_app.py')!r})\n"
        "module = module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "app = module.app\n"
    )
    settings = {"SCIM_DEV_TOKEN": TOKEN, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.origin, ON: setting}
    async with await Worker.start(tmp_path, settings) as worker:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        answer = await worker.invoke("users", "GET", "https://scim.example.com/scim/v2/Users", bearer)
        assert answer.status == 200
    assert loaded(worker.log) == ({"opentelemetry"} if setting == "true" else set())


# --- Application Insights ---------------------------------------------------------------------------------------


KEY: Final = "11111111-2222-4333-8444-555555555555"


def to_application_insights(collector: Collector, folder: Path) -> dict[str, str]:
    """App settings, with the collector in the place of Azure."""
    return {
        "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": (
            f"InstrumentationKey={KEY};IngestionEndpoint={collector.origin};LiveEndpoint={collector.origin}"
        ),
        "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",  # what the exporter tells Microsoft of itself
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel",
        "OTEL_TRACES_SAMPLER": "microsoft.fixed_percentage",  # by itself the exporter keeps five traces a second
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_BLRP_SCHEDULE_DELAY": "50",
        "TMPDIR": str(folder),  # it keeps there what it couldn't send
    }


def of_kind(collector: Collector, kind: str) -> list[Any]:
    return [item for item in collector.items if item["data"]["baseType"] == kind]


def test_application_insights_gets_the_span_and_in_it_the_line(collector: Collector, tmp_path: Path) -> None:
    server = Server(environment=to_application_insights(collector, tmp_path))
    try:
        ask_for(server, "/Users")
        collector.wait_until(lambda: of_kind(collector, "RequestData") and of_kind(collector, "MessageData"))
    finally:
        code, log = server.stop()
    assert code == 0, log
    [request] = of_kind(collector, "RequestData")
    [message] = of_kind(collector, "MessageData")
    told = request["data"]["baseData"]
    assert (told["name"], told["responseCode"], told["success"]) == ("GET /Users", "200", True)
    assert [read("INFO", message["data"]["baseData"]["message"])] == lines_in(log.splitlines())
    assert message["tags"]["ai.operation.id"] == request["tags"]["ai.operation.id"]
    assert message["tags"]["ai.operation.parentId"] == told["id"]
    assert {item["tags"]["ai.cloud.role"] for item in (request, message)} == {"scim"}
    assert {item["iKey"] for item in collector.items} == {KEY}
    assert TOKEN not in str(collector.items)


async def test_application_insights_gets_them_from_the_worker(collector: Collector, tmp_path: Path) -> None:
    """The worker sets its exporter up before the app is loaded; what is left is sent before it ends."""
    settings = {"SCIM_DEV_TOKEN": TOKEN, **to_application_insights(collector, tmp_path)}
    async with await Worker.start(ROOT, settings) as worker:
        answer = await worker.invoke("healthz", "GET", "https://scim.example.com/healthz", FROM_HOST)
        assert answer.status == 200
        # Off the worker's loop, which has the process to listen to.
        await asyncio.to_thread(collector.wait_until, lambda: of_kind(collector, "RequestData"))
    [request] = of_kind(collector, "RequestData")
    assert request["data"]["baseData"]["name"] == "GET /healthz"
    assert (request["tags"]["ai.operation.id"], request["tags"]["ai.operation.parentId"]) == (TRACE, PARENT)
