"""The lines of the requests of a test, and the function app on a store with two customers, as the tests of security have it."""

import logging
from collections.abc import Iterator

import pytest

from tests.security.conftest import authenticated, data, issuer  # noqa: F401 - pytest finds its fixtures here
from tests.telemetry.lines import Lines


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The lines that requests leave in this process from here on."""
    kept = Lines()
    logger = logging.getLogger("scim.request")
    logger.addHandler(kept)
    yield kept
    logger.removeHandler(kept)
