"""Checks 25 requests per second, which Microsoft requires of every application, with queries that match no user."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from statistics import quantiles
from typing import Final

from scim.doctor.catalogue import Check
from scim.doctor.check_context import CheckContext
from scim.doctor.effects import SLOW
from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault

RATE: Final = 25
SLOWEST: Final = 2.0
"""Seconds within which 95 % of the requests must be answered. A provisioning cycle becomes too long otherwise."""
_WORKERS: Final = 50


def _loaded(context: CheckContext) -> list[Exchange]:
    """Return the exchanges under load, which are sent once."""
    if "load" not in context.kept:
        context.kept["load"] = _send(context)
    found: list[Exchange] = context.kept["load"]
    # Evidence is the worst one, not the last.
    context.client.exchanges[-len(found) :] = sorted(found, key=lambda one: (one.status == 200, -one.seconds))[:1]
    return found


def _send(context: CheckContext) -> list[Exchange]:
    outside = context.client.outside
    number = max(1, round(context.seconds_of_load * RATE))
    queries = [f"filter=userName%20eq%20%22{context.guid()}%22" for _ in range(number)]
    begun = outside.clock()
    sent: list[Future[Exchange]] = []
    with ThreadPoolExecutor(_WORKERS) as workers:
        for index, query in enumerate(queries):
            wait = begun + index / RATE - outside.clock()
            if wait > 0:
                outside.sleep(wait)
            sent.append(workers.submit(context.client.send, "GET", "/Users", query=query, paced=False, repeat=False))
    return [one.result() for one in sent]


def errors(context: CheckContext) -> str:
    found = _loaded(context)
    bad = [one for one in found if one.error is not None or one.status not in {200, 429}]
    if bad:
        outcomes = sorted({str(one.status) if one.error is None else "no response" for one in bad})
        raise Fault(f"{len(bad)} of {len(found)} requests failed: {', '.join(outcomes)}")
    return f"{len(found)} requests"


def latency(context: CheckContext) -> str:
    seconds = [one.seconds for one in _loaded(context) if one.error is None and one.status == 200]
    if len(seconds) < 2:
        raise Fault("fewer than two requests succeeded")
    cuts = quantiles(seconds, n=20, method="inclusive")
    said = f"p50 {cuts[9] * 1000:.0f} ms, p95 {cuts[18] * 1000:.0f} ms"
    if cuts[18] > SLOWEST:
        raise Fault(f"{said}: more than {SLOWEST:.0f} s", warning=True)
    return said


def throttled(context: CheckContext) -> str:
    found = _loaded(context)
    refused = [one for one in found if one.status == 429]
    if any(not one.headers.get("retry-after", "").strip().isdigit() for one in refused):
        raise Fault("a 429 has no Retry-After in seconds")
    if refused:
        raise Fault(
            f"{len(refused)} of {len(found)} requests were answered 429, below Microsoft's 25 per second", warning=True
        )
    return "no 429"


_LOADS: Final = partial(Check, only="load", needs=("test-connection",))

CHECKS: Final = (
    _LOADS(
        "load-errors",
        "At 25 requests per second none fails",
        SLOW,
        "Find the resource that runs out first: database connections, workers, memory. Answer 429 with Retry-After before it does.",
        errors,
    ),
    _LOADS(
        "load-429",
        "At 25 requests per second none is refused without Retry-After",
        SLOW,
        "Raise the limit to at least 25 requests per second and tenant, and send Retry-After in seconds with every 429.",
        throttled,
    ),
    _LOADS(
        "load-latency",
        "At 25 requests per second 95 % are answered within two seconds",
        SLOW,
        "Put an index on every matching attribute, and keep enough instances warm.",
        latency,
        needs=("test-connection", "load-429"),
    ),
)
