"""A collector of telemetry in this process: keeps what OTLP exporters and Azure Monitor's send it over HTTP. Knows no SCIM."""

import json
from collections.abc import Callable, Iterator
from threading import Condition
from typing import Any, Final

from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.conftest import Loop

_TRACK: Final = "/v2.1/track"


class Collector:
    """Listens on a free port until it is stopped."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._more = Condition()
        self.bodies: dict[str, list[bytes]] = {}
        """What was sent, by path."""
        self._runner = loop.run(self._start())
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _start(self) -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(self._answer, access_log=None), shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    def stop(self) -> None:
        self._loop.run(self._runner.cleanup())

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        with self._more:
            self.bodies.setdefault(request.path, []).append(body)
            self._more.notify_all()
        if request.path == _TRACK:
            items = len(self._items(body))
            return web.json_response({"itemsReceived": items, "itemsAccepted": items, "errors": []})
        return web.Response(content_type="application/x-protobuf")

    def wait_until(self, is_here: Callable[[], object]) -> None:
        """Wait for what a process sends while it runs; what it sends at its end is bounded in time."""
        with self._more:
            assert self._more.wait_for(is_here, timeout=60)

    @staticmethod
    def _items(body: bytes) -> list[Any]:
        found: list[Any] = json.loads(body)
        return found

    @property
    def environment(self) -> dict[str, str]:
        """The app settings that lead a process here by OTLP."""
        return {"PYTHON_ENABLE_OPENTELEMETRY": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": self.origin}

    @property
    def items(self) -> list[Any]:
        """What Azure Monitor's exporter has sent."""
        return [item for body in self.bodies.get(_TRACK, ()) for item in self._items(body)]

    @property
    def resources(self) -> list[dict[str, Any]]:
        """The attributes of what has sent traces and metrics here."""
        traces = [of.resource for request in self._traces() for of in request.resource_spans]
        measures = [of.resource for request in self._metrics() for of in request.resource_metrics]
        return [attributes(resource.attributes) for resource in [*traces, *measures]]

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self._traces()
            for of in request.resource_spans
            for scope in of.scope_spans
            if scope.scope.name == "scim"
            for span in scope.spans
        ]

    def metric(self, name: str) -> Metric:
        """The metric as it was sent last: it is cumulative."""
        found: list[Metric] = [
            metric
            for request in self._metrics()
            for of in request.resource_metrics
            for scope in of.scope_metrics
            if scope.scope.name == "scim"
            for metric in scope.metrics
            if metric.name == name
        ]
        return found[-1]

    def _traces(self) -> Iterator[ExportTraceServiceRequest]:
        for body in self.bodies.get("/v1/traces", ()):
            yield ExportTraceServiceRequest.FromString(body)

    def _metrics(self) -> Iterator[ExportMetricsServiceRequest]:
        for body in self.bodies.get("/v1/metrics", ()):
            yield ExportMetricsServiceRequest.FromString(body)


def attributes(pairs: Any) -> dict[str, Any]:
    """Attributes by name."""
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return None if kind is None else getattr(value, kind)
