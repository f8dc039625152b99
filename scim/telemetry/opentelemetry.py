"""Writes traces and metrics with OpenTelemetry, by its semantic conventions for HTTP servers. Imported only if switched
on.

On Azure the Functions host creates the span of the request and passes its context on, so this span is a child of it.
Elsewhere this span is the server's.
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
from scim.telemetry.record import OTHER_METHOD, Finish, Observe, Record, StartedRequest

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

_SCOPE: Final = "scim"
# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_SECONDS: Final = 60.0
_PATIENCE: Final = 2.0
"""Seconds for sending the remaining traces, and the remaining metrics, when the process ends. It usually takes
milliseconds.
"""


def export(*, to_azure_monitor: bool) -> Callable[[], Awaitable[None]]:
    """Set up the export unless a provider exists already; return the function that ends it.

    Exports to Application Insights (`APPLICATIONINSIGHTS_CONNECTION_STRING`) or by OTLP
    (`OTEL_EXPORTER_OTLP_ENDPOINT`). On Azure the worker sets up Application Insights before it loads the app.
    """
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - loads when first needed
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - loads when first needed

    ours = not isinstance(trace.get_tracer_provider(), TracerProvider)
    if ours:
        _set_up(to_azure_monitor=to_azure_monitor)
    providers = (trace.get_tracer_provider(), metrics.get_meter_provider())
    own_types = [provider for provider in providers if isinstance(provider, TracerProvider | MeterProvider)]

    async def close() -> None:
        # The SDK retries an endpoint that is down without heeding its own timeout. It does so in daemon threads, which don't
        # delay the end of the process. A provider that this module didn't create is flushed, but not shut down.
        sending = [Thread(target=one.shutdown if ours else one.force_flush, daemon=True) for one in own_types]
        for thread in sending:
            thread.start()
        for thread in sending:
            await asyncio.to_thread(thread.join, _PATIENCE)

    return close


def _set_up(*, to_azure_monitor: bool) -> None:
    if to_azure_monitor:
        from azure.monitor.opentelemetry import configure_azure_monitor  # noqa: PLC0415 - loads when first needed

        # Azure's libraries log each of their requests, also those of this exporter.
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

    # OTEL_RESOURCE_ATTRIBUTES takes precedence over these.
    resource = Resource({SERVICE_VERSION: __version__}).merge(Resource.create())
    # Without OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES the SDK uses a name of this form.
    is_named = not str(resource.attributes[SERVICE_NAME]).startswith("unknown_service")
    return resource if is_named else resource.merge(Resource({SERVICE_NAME: "scim"}))


def observer(*, within_host: bool, timer: Callable[[], float]) -> Observe:
    """Return the observer that writes a span and the metrics of each request.

    `within_host` says that the Functions host has created a span of the request. Requests that any client can send have
    a span at most once a minute for each status and reason; the metrics count all of them. `timer` gives seconds.
    """
    tracer, meter = trace.get_tracer(_SCOPE, __version__), metrics.get_meter(_SCOPE, __version__)
    span_kind = SpanKind.INTERNAL if within_host else SpanKind.SERVER
    duration = meter.create_histogram(
        "http.server.request.duration",
        unit="s",
        description="Duration of HTTP server requests.",
        explicit_bucket_boundaries_advisory=_BUCKETS,
    )
    calls = meter.create_histogram(
        "scim.server.request.database_calls", unit="{call}", description="Database calls of a request."
    )
    charge = meter.create_histogram(
        "scim.server.request.request_charge",
        unit="{request_unit}",
        description="Request units that Cosmos DB charged for a request.",
    )
    ignored = meter.create_counter(
        "scim.server.ignored_operations",
        unit="{operation}",
        description="PATCH operations that were skipped because their attribute is unknown.",
    )

    sent_at: dict[tuple[str, int], float] = {}
    """The time of the last span for each reason and status."""

    def is_sent(record: Record) -> bool:
        now, which = timer(), (record.reason, record.status)
        is_due = now - sent_at.get(which, -math.inf) >= _SECONDS
        if record.reason and is_due:
            sent_at[which] = now
        return is_due or not record.reason

    def observe(started: StartedRequest) -> Finish:
        # https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name
        method = "HTTP" if started.method == OTHER_METHOD else started.method
        span = tracer.start_span(f"{method} {started.route}" if _is_route(started.route) else method, kind=span_kind)
        attached = context.attach(trace.set_span_in_context(span))

        def finish(record: Record) -> None:
            context.detach(attached)
            known = _common_attributes(started, record)
            span.set_attributes({**known, **_details(record)})
            if record.status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            if is_sent(record):
                span.end()  # a span without an end isn't exported
            duration.record(record.milliseconds / 1000, known)
            calls.record(record.database_calls, known)
            charge.record(record.request_units, known)
            if record.ignored_operations:
                ignored.add(record.ignored_operations, known)

        return finish

    return observe


def _is_route(route: str) -> bool:
    return route.startswith("/")


def _common_attributes(started: StartedRequest, record: Record) -> dict[str, str | int]:
    """Return the attributes that have few values, for spans and metrics."""
    known: dict[str, str | int] = {
        "http.request.method": started.method,
        "http.response.status_code": record.status,
        "url.scheme": "https" if started.scheme == "https" else "http",  # may be text from a header of the client
        "scim.action": record.action,
        "scim.client": record.client,
    }
    if _is_route(started.route):
        known["http.route"] = started.route
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
    """Return the attributes for spans only."""
    details: dict[str, str | int | float | tuple[str, ...]] = {
        "scim.request_id": record.request_id,
        "scim.database_calls": record.database_calls,
        "azure.cosmosdb.operation.request_charge": record.request_units,
    }
    if record.customer:
        details["scim.customer"] = record.customer
    if record.tolerances:
        details["scim.tolerances"] = record.tolerances
    if record.bulk_operations:
        details["scim.bulk.operations"] = record.bulk_operations
        details["scim.bulk.failed"] = record.bulk_failed
    if record.ignored_operations:
        details["scim.ignored_operations"] = record.ignored_operations
    return details
