"""25 requests per second, which Microsoft asks of every application. Only queries that find nobody are sent."""

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from statistics import quantiles
from typing import Final

from scim.doctor.catalogue import Check
from scim.doctor.effects import SLOW
from scim.doctor.exchange import Exchange
from scim.doctor.verdicts import Fault
from scim.doctor.visit import Visit

RATE: Final = 25
SLOWEST: Final = 2.0
"""Seconds that 95 % of the requests may take; a provisioning cycle gets long before that."""
_WORKERS: Final = 50


def _loaded(visit: Visit) -> list[Exchange]:
    """The exchanges under load, made once."""
    if "load" not in visit.kept:
        visit.kept["load"] = _send(visit)
    found: list[Exchange] = visit.kept["load"]
    # Evidence is the worst one, not the last.
    visit.client.exchanges[-len(found) :] = sorted(found, key=lambda one: (one.status == 200, -one.seconds))[:1]
    return found


def _send(visit: Visit) -> list[Exchange]:
    outside = visit.client.outside
    number = max(1, round(visit.seconds_of_load * RATE))
    queries = [f"filter=userName%20eq%20%22{visit.guid()}%22" for _ in range(number)]
    begun = outside.clock()
    sent: list[Future[Exchange]] = []
    with ThreadPoolExecutor(_WORKERS) as workers:
        for index, query in enumerate(queries):
            wait = begun + index / RATE - outside.clock()
            if wait > 0:
                outside.sleep(wait)
            sent.append(workers.submit(visit.client.send, "GET", "/Users", query=query, paced=False, repeat=False))
    return [one.result() for one in sent]


def errors(visit: Visit) -> str:
    found = _loaded(visit)
    bad = [one for one in found if one.error is not None or one.status not in {200, 429}]
    if bad:
        kinds = sorted({str(one.status) if one.error is None else "no response" for one in bad})
        raise Fault(f"{len(bad)} of {len(found)} requests failed: {', '.join(kinds)}")
    return f"{len(found)} requests"


def latency(visit: Visit) -> str:
    seconds = [one.seconds for one in _loaded(visit) if one.error is None and one.status == 200]
    if len(seconds) < 2:
        raise Fault("fewer than two requests succeeded")
    cuts = quantiles(seconds, n=20, method="inclusive")
    said = f"p50 {cuts[9] * 1000:.0f} ms, p95 {cuts[18] * 1000:.0f} ms"
    if cuts[18] > SLOWEST:
        raise Fault(f"{said}: more than {SLOWEST:.0f} s", warning=True)
    return said


def throttled(visit: Visit) -> str:
    found = _loaded(visit)
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
