"""No request within the limits keeps the others waiting: a search for the most expensive one finds none that takes too long."""

import json
import tracemalloc
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import pytest

from tests.soak import expensive
from tests.soak.conftest import Log, Service
from tests.soak.expensive import Recipe, Steps

MOST_STEPS: Final = 15_000_000
"""Functions begun, calls and rounds of loops that one request may take; about 60 ns each."""
MOST_SECONDS: Final = 1.0
MOST_BYTES: Final = 100_000_000
ROUNDS: Final = 300
KEPT: Final = 12
SEED: Final = 20_261_201
FIRST: Final = [Recipe(request=name) for name in expensive.REQUESTS]


class Meter:
    """Sends what recipes describe to a service of its own, and measures it."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def prepared(self, recipe: Recipe) -> tuple[str, str, Any, dict[str, str]]:
        """The request, after its resource has been made; bytes are made beforehand, so that they don't count."""
        endpoint, body = expensive.setting(recipe)
        made = self._service.change("POST", endpoint, encoded(body)).json
        method, path, sent, parameters = expensive.request(recipe, f"{endpoint}/{made['id']}")
        return method, path, None if sent is None else encoded(sent), parameters

    def cleared(self) -> None:
        """Take away what a recipe has left."""
        for endpoint in ("/Users", "/Groups"):
            for found in self._service.get(endpoint, attributes="id")["Resources"]:
                self._service.change("DELETE", f"{endpoint}/{found['id']}")

    def steps(self, recipe: Recipe) -> int:
        request = self.prepared(recipe)
        with Steps() as steps:
            answer = self._service.send(*request)
        assert answer.status < 500, (recipe, answer.status)
        self.cleared()
        return steps.taken

    def seconds(self, recipe: Recipe) -> float:
        request = self.prepared(recipe)
        self._service.lap()
        self._service.send(*request)
        seconds = self._service.lap()
        self.cleared()
        return seconds

    def bytes(self, recipe: Recipe) -> int:
        request = self.prepared(recipe)
        tracemalloc.start()
        try:
            self._service.send(*request)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            self.cleared()


def encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.fixture
def meter() -> Iterator[Meter]:
    service = Service(requests_per_second=100_000)
    yield Meter(service)
    service.close()


@pytest.mark.parametrize("recipe", expensive.kept(), ids=lambda recipe: recipe.place)
def test_requests_that_earlier_searches_found_take_no_more_steps_than_allowed(meter: Meter, recipe: Recipe) -> None:
    assert meter.steps(recipe) <= MOST_STEPS


def test_a_short_search_finds_no_request_that_takes_more_steps(meter: Meter) -> None:
    best = {recipe.place: (0, recipe) for recipe in FIRST}
    found = expensive.climb(best, meter.steps, Random(SEED), rounds=15)
    assert max(steps for steps, _ in found.values()) <= MOST_STEPS
    assert any(steps for steps, _ in found.values())


@pytest.mark.soak
def test_a_long_search_finds_no_request_that_takes_too_much_time_or_memory(meter: Meter, log: Log) -> None:
    """Guided by steps, which don't depend on the machine; what it ends with is measured in seconds and bytes, and kept."""
    best = {recipe.place: (meter.steps(recipe), recipe) for recipe in [*FIRST, *expensive.kept()]}
    best = expensive.climb(best, meter.steps, Random(SEED), rounds=ROUNDS)
    worst = sorted(best.values(), key=lambda one: -one[0])
    told = []
    for steps, recipe in worst:
        # What other processes take away is the machine's; the least of three is the request's.
        seconds, size = min(meter.seconds(recipe) for _ in range(3)), meter.bytes(recipe)
        assert (seconds <= MOST_SECONDS, size <= MOST_BYTES) == (True, True), (recipe, seconds, size)
        told.append(f"| {recipe.place} | {steps:,} | {seconds:.3f} | {size / 1e6:.0f} |")
    expensive.keep(recipe for _, recipe in worst[:KEPT])
    log.write(
        "The most expensive requests that a search has found",
        f"{ROUNDS:,} rounds.",
        "",
        "| request | steps | seconds | MB |",
        "|---|--:|--:|--:|",
        *told[:KEPT],
    )
