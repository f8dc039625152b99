"""Bulk requests through the stand-in for the host, to a real worker."""

from collections.abc import Iterator

import pytest

from tests.conftest import Loop
from tests.http.bulk import CASES
from tests.worker.host_client import HostClient


@pytest.fixture(scope="module")
def host(loop: Loop) -> Iterator[HostClient]:
    client = HostClient(loop)
    yield client
    client.close()


@pytest.mark.parametrize("case", CASES)
def test_a_bulk_through_the_host(host: HostClient, case: str) -> None:
    host.empty()
    CASES[case](host)
