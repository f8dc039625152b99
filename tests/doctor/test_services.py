"""The doctor at whole servers: nothing to find at ours, what a strict server gets wrong, nobody else's object touched."""

import logging

import httpx
import pytest
from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import load_default_provider

from scim.doctor.catalogue import Report
from tests.conftest import BASE, TOKEN, CosmosServer, PortClient, Server
from tests.doctor.served import Outside, bent, examined, named

# What scim2-server, which keeps to the RFCs by the letter, does to a job of Entra's.
STRICT = {
    "www-authenticate": "warning",
    "service-provider-config": "warning",
    "user-create-nulls": "fail",
    "user-create-unknown": "fail",
    "user-create-manager-string": "fail",
    "match-external-id-unquoted": "fail",
    "reference-probe": "fail",
    "patch-path-creates": "fail",
    "patch-path-adds": "fail",
    "patch-path-merges": "fail",
    "patch-no-path-unknown": "fail",
    "patch-repeat": "fail",
    "manager-string": "fail",
    "manager-array": "fail",
    "manager-clear-empty": "fail",
    "group-create-schema": "fail",
    "group-duplicate": "fail",
    "member-remove-body": "fail",
    "member-remove-absent": "fail",
    "member-remove-empty": "fail",
    "member-add-and-remove": "fail",
    "user-delete-member": "warning",
}


def _unanswered(report: Report) -> list[str]:
    return [f"{one.check.id}: {one.found}" for one in report.results if one.verdict == "skipped"]


def _everything(client: PortClient) -> list[bytes]:
    return [client.get(f"{path}?count=1000").body for path in ("/Users", "/Groups")]


def _people(client: PortClient) -> None:
    """Users and groups of somebody else's."""
    ids = [client.user(f"person-{number}@example.com", externalId=f"person-{number}")["id"] for number in range(4)]
    client.group("Everybody", *ids)
    client.group("Nobody")


def _finds_nothing(client: PortClient) -> None:
    before = _everything(client)
    report = examined(None, client.origin + BASE, write=True, load=1)
    assert named(report) == []
    assert _unanswered(report) == [
        "https: a server on this machine; Entra needs https",
        "certificate: the Tenant URL isn't https",
        "tls-1.2: the Tenant URL isn't https",
    ]
    assert not report.stopped
    assert report.left_behind == ()
    assert _everything(client) == before


def test_finds_nothing_on_the_embedded_store_and_leaves_nothing_behind(server: Server) -> None:
    client = PortClient(server.origin)
    _people(client)
    _finds_nothing(client)
    client.close()


def test_finds_nothing_on_cosmos_db_and_leaves_nothing_behind(
    cosmos_client: PortClient, cosmos_server: CosmosServer
) -> None:
    _people(cosmos_client)
    _finds_nothing(cosmos_client)


@pytest.fixture
def strict() -> httpx.WSGITransport:
    logging.getLogger("scim2_server").setLevel(logging.CRITICAL)
    application = BearerTokenApplication(InMemoryStorage(), load_default_provider(), bearer_tokens=[TOKEN])
    return httpx.WSGITransport(application)


def test_finds_the_faults_of_a_strict_server(strict: httpx.WSGITransport) -> None:
    report = examined(strict, "https://scim.example.com/v2")
    assert {one.check.id: one.verdict for one in report.results if one.verdict in {"fail", "warning"}} == STRICT
    assert report.left_behind == ()
    assert not report.stopped


def test_only_reads_unless_told_to_write() -> None:
    with bent() as server:
        report = examined(server, write=False)
        assert {sent.method for sent in server.seen} == {"GET"}
    assert named(report) == []


def test_sends_a_few_requests_per_second() -> None:
    outside = Outside()
    with bent() as server:
        examined(server, outside=outside, write=False)
        sent = len(server.seen)
    assert outside.seconds - 1_000 >= (sent - 1) / 4 - 0.001
    assert all(wait <= 0.25 for wait in outside.waits)


def test_25_requests_per_second_under_load() -> None:
    outside = Outside()
    with bent() as server:
        examined(server, outside=outside, write=False, load=2)
        sent = len(server.seen)
        before = outside.seconds
    quiet = Outside()
    with bent() as server:
        examined(server, outside=quiet, write=False)
        assert sent - len(server.seen) == 50
    assert before - quiet.seconds == pytest.approx(49 / 25, abs=0.3)
