"""Bodies near the limits of the service and of the host, with the host's limit as the sample settings have it."""

import json
from collections.abc import Iterator
from typing import Final

import pytest

from scim.protocol.limits import DEFAULT
from tests.conftest import Answer, Loop
from tests.recorded.replay import departures
from tests.worker.host_client import ROOT, SETTINGS, HostClient

_NAME: Final = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
_SAMPLE: Final = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))["Values"]
HOST_LIMIT: Final = int(_SAMPLE[_NAME])

USER: Final = b'{"userName": "u"}'
BULK: Final = json.dumps(
    {"Operations": [{"method": "POST", "path": "/Users", "bulkId": "b", "data": {"userName": "b"}}]}
)


@pytest.fixture(scope="module")
def client(loop: Loop) -> Iterator[HostClient]:
    client = HostClient(loop, {**SETTINGS, _NAME: _SAMPLE[_NAME]})
    yield client
    client.close()


def is_413(answer: Answer, limit: int) -> bool:
    """Whether it is a SCIM error that names the limit."""
    return answer.status == 413 and list(departures(answer)) == [] and str(limit) in answer.json["detail"]


def test_a_body_at_the_limit_is_accepted(client: HostClient) -> None:
    assert client.post("/Users", USER.ljust(DEFAULT.body_bytes)).status == 201
    assert client.post("/Bulk", BULK.encode().ljust(DEFAULT.bulk_bytes)).status == 200


@pytest.mark.parametrize("size", [DEFAULT.body_bytes + 1, DEFAULT.bulk_bytes, HOST_LIMIT])
def test_a_larger_body_that_the_host_passes_on_is_a_scim_413(client: HostClient, size: int) -> None:
    for path in ("/Users", "/Users/.search"):
        assert is_413(client.post(path, b"{}".ljust(size)), DEFAULT.body_bytes)
    assert is_413(client.request("PATCH", "/Users/x", b"{}".ljust(size)), DEFAULT.body_bytes)


@pytest.mark.parametrize("size", [DEFAULT.bulk_bytes + 1, HOST_LIMIT])
def test_a_larger_bulk_that_the_host_passes_on_is_a_scim_413(client: HostClient, size: int) -> None:
    assert is_413(client.post("/Bulk", BULK.encode().ljust(size)), DEFAULT.bulk_bytes)


def test_the_host_answers_a_body_over_its_own_limit_without_the_service(client: HostClient) -> None:
    answer = client.post("/Bulk", BULK.encode().ljust(HOST_LIMIT + 1))
    assert (answer.status, answer.body) == (500, b"")
    assert client.get("/Users?count=0").status == 200
