"""Traces and metrics by OpenTelemetry, named by its semantic conventions for HTTP servers. Imported only where it is on.

On Azure the Functions host writes the span of the request and hands its context over, so that ours is a part of it; elsewhere
ours is the server's own.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from threading import Thread
from typing import TYPE_CHECKING, Final

from opentelemetry import context, metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from scim import __version__
from scim.telemetry.record import Begun, Finish, Observe, Record

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

_SCOPE: Final = "scim"
# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_SECONDS: Final = 60.0
_PATIENCE: Final = 2.0
"""Seconds that the sending of what is left may take at the end, for traces and for metrics; it takes milliseconds."""


def export(*, to_azure_monitor: bool) -> Callable[[], Awaitable[None]]:
    """Send to where the standard variables say, unless somebody sends already; what ends it.

    To Application Insights (`APPLICATIONINSIGHTS_CONNECTION_STRING`), or by OTLP (`OTEL_EXPORTER_OTLP_ENDPOINT`). On Azure the
    worker has set the first up by itself before the app is loaded.
    """
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - loads when first needed
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - loads when first needed

    ours = not isinstance(trace.get_tracer_provider(), TracerProvider)
    if ours:
        _set_up(to_azure_monitor=to_azure_monitor)
    providers = (trace.get_tracer_provider(), metrics.get_meter_provider())
    known = [provider for provider in providers if isinstance(provider, TracerProvider | MeterProvider)]

    async def close() -> None:
        # The SDK tries again and again to reach a side that is down, and heeds no timeout of its own in that. So it tries in
        # threads that don't hold the process up. A provider of somebody else may have more to send, and isn't ours to end.
        sending = [Thread(target=one.shutdown if ours else one.force_flush, daemon=True) for one in known]
        for thread in sending:
            thread.start()
        for thread in sending:
            await asyncio.to_thread(thread.join, _PATIENCE)

    return close


def _set_up(*, to_azure_monitor: bool) -> None:
    if to_azure_monitor:
        from azure.monitor.opentelemetry import configure_azure_monitor  # noqa: PLC0415 - loads when first needed

        # Azure's libraries log every request, those of this exporter too.
        logging.getLogger("azure").setLevel(logging.WARNING)
        configure_azure_monitor(resource=_resource())
        return
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - loads when first needed
        OTLPMetricExporter,
    )
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - loads when first needed
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - loads when first needed
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415 - loads when first needed
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - loads when first needed
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - loads when first needed

    resource = _resource()
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(traces)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    metrics.set_meter_provider(MeterProvider([reader], resource=resource))


def _resource() -> "Resource":
    from opentelemetry.sdk.resources import (  # noqa: PLC0415 - loads when first needed
        SERVICE_NAME,
        SERVICE_VERSION,
        Resource,
    )

    # An operator's OTEL_RESOURCE_ATTRIBUTES win over ours.
    named = Resource({SERVICE_VERSION: __version__}).merge(Resource.create())
    # Without OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES the SDK makes up a name of this form.
    is_named = not str(named.attributes[SERVICE_NAME]).startswith("unknown_service")
    return named if is_named else named.merge(Resource({SERVICE_NAME: "scim"}))


def observer(*, within_host: bool, timer: Callable[[], float]) -> Observe:
    """Return the observer that writes a span and the metrics of each request.

    `within_host`: the Functions host has a span of the request already.

    Requests that anybody can send have a span at most once a minute for each status and reason; the metrics count all of them.
    `timer` gives seconds.
    """
    tracer, meter = trace.get_tracer(_SCOPE, __version__), metrics.get_meter(_SCOPE, __version__)
    kind = SpanKind.INTERNAL if within_host else SpanKind.SERVER
    duration = meter.create_histogram(
        "http.server.request.duration",
        unit="s",
        description="Duration of HTTP server requests.",
        explicit_bucket_boundaries_advisory=_BUCKETS,
    )
    calls = meter.create_histogram(
        "scim.server.request.database_calls", unit="{call}", description="Calls of the database that a request made."
    )
    charge = meter.create_histogram(
        "scim.server.request.request_charge", unit="{request_unit}", description="What Cosmos DB charged for a request."
    )
    ignored = meter.create_counter(
        "scim.server.ignored_operations",
        unit="{operation}",
        description="PATCH operations that were skipped, because they were on unknown attributes.",
    )

    told: dict[tuple[str, int], float] = {}
    """When the last span was sent for a reason and a status."""

    def is_sent(record: Record) -> bool:
        now, which = timer(), (record.reason, record.status)
        is_due = now - told.get(which, -math.inf) >= _SECONDS
        if record.reason and is_due:
            told[which] = now
        return is_due or not record.reason

    def observe(begun: Begun) -> Finish:
        # https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name
        method = _method(begun.method)
        span = tracer.start_span(f"{method} {begun.route}" if _is_route(begun.route) else method, kind=kind)
        attached = context.attach(trace.set_span_in_context(span))

        def finish(record: Record) -> None:
            context.detach(attached)
            known = _known(begun, record)
            span.set_attributes({**known, **_details(record)})
            if record.status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            if is_sent(record):
                span.end()  # a span that doesn't end is sent nowhere
            duration.record(record.milliseconds / 1000, known)
            calls.record(record.database_calls, known)
            charge.record(record.request_units, known)
            if record.ignored_operations:
                ignored.add(record.ignored_operations, known)

        return finish

    return observe


def _method(method: str) -> str:
    return method if " " not in method else "HTTP"


def _is_route(route: str) -> bool:
    return route.startswith("/")


def _known(begun: Begun, record: Record) -> dict[str, str | int]:
    """Attributes of few values: those of the metrics."""
    method = _method(begun.method)
    known: dict[str, str | int] = {
        "http.request.method": method if method != "HTTP" else "_OTHER",
        "http.response.status_code": record.status,
        "url.scheme": "https" if begun.scheme == "https" else "http",  # it may be what a client's header says
        "scim.operation": record.operation,
        "scim.client": record.client,
    }
    if _is_route(begun.route):
        known["http.route"] = begun.route
    if record.resource_type:
        known["scim.resource_type"] = record.resource_type
    if record.scim_type:
        known["scim.scim_type"] = record.scim_type
    if record.reason:
        known["scim.reason"] = record.reason
    if record.status >= 500:
        known["error.type"] = record.error or str(record.status)
    return known


def _details(record: Record) -> dict[str, str | int | float | tuple[str, ...]]:
    """Attributes for the span alone."""
    details: dict[str, str | int | float | tuple[str, ...]] = {
        "scim.request_id": record.request_id,
        "scim.database_calls": record.database_calls,
        "azure.cosmosdb.operation.request_charge": record.request_units,
    }
    if record.tenant:
        details["scim.tenant"] = record.tenant
    if record.tolerances:
        details["scim.tolerances"] = record.tolerances
    if record.bulk_operations:
        details["scim.bulk.operations"] = record.bulk_operations
        details["scim.bulk.failed"] = record.bulk_failed
    if record.ignored_operations:
        details["scim.ignored_operations"] = record.ignored_operations
    return details
