"""The doctor at whole servers: nothing to find at ours, what a strict server gets wrong, nobody else's object touched."""

import logging
from pathlib import Path

import httpx
import pytest
from scim2_models import Pagination
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import load_default_provider

from scim.doctor.catalogue import Report
from scim.doctor.checks import CHECKS, me
from tests.conftest import BASE, ORIGIN, TOKEN, CosmosServer, PortClient, Server
from tests.doctor.served import Got, Outside, bent, examined, named

# Bulk it has, and the doctor finds nothing wrong with it. What scim2-server, which keeps to the RFCs by the letter, does to a job of Entra's.
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
        "me-location: /Me was answered 501",
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


@pytest.mark.parametrize(
    ("got", "found"),
    [
        (Got(200, {"id": "1", "userName": "x"}, {"location": f"{ORIGIN}{BASE}/Users/1"}), []),
        (Got(308, None, {"location": f"{ORIGIN}{BASE}/Users/1"}), []),
        (Got(308, None, {"location": f"{BASE}/Users/1"}), []),
        (Got(308, None, {"location": f"{ORIGIN}.example.com{BASE}/Users/1"}), ["me"]),
        (Got(308, None, {"location": "//example.com/Users/1"}), ["me"]),
        (Got(308, None, {}), ["me"]),
    ],
)
def test_me_may_be_a_resource_or_a_redirect_to_one_and_to_nothing_else(got: Got, found: list[str]) -> None:
    checks = [check for check in CHECKS if check.id in {"reachable", "token-accepted"} or check in me.CHECKS]
    with bent(lambda sent, serve: got if sent.path == "/Me" else serve(sent)) as server:
        assert named(examined(server, checks=checks)) == found


def test_finds_nothing_on_a_service_with_resource_types_of_its_own() -> None:
    with bent(schemas=Path("examples/schemas")) as server:
        report = examined(server)
    assert named(report) == []
    found = {one.check.id: one.found for one in report.results}
    assert found["resource-types-served"] == "Device, Entitlement"


def _strict(*, cursors: bool) -> httpx.WSGITransport:
    logging.getLogger("scim2_server").setLevel(logging.CRITICAL)
    provider = load_default_provider()
    if cursors and provider.config is not None:
        provider.config.pagination = Pagination(cursor=True, index=True, default_pagination_method="index")
    service = ScimService(provider, secret=TOKEN)
    return httpx.WSGITransport(BearerTokenApplication(InMemoryStorage(), provider, service, bearer_tokens=[TOKEN]))


@pytest.mark.parametrize("cursors", [False, True], ids=["by index", "by index and cursor"])
def test_finds_the_faults_of_a_strict_server(cursors: bool) -> None:
    report = examined(_strict(cursors=cursors), "https://scim.example.com/v2")
    assert {one.check.id: one.verdict for one in report.results if one.verdict in {"fail", "warning"}} == STRICT
    assert report.left_behind == ()
    assert not report.stopped
    verdicts = {one.check.id: one.verdict for one in report.results}
    assert verdicts["bulk-too-many"] == "pass"
    assert verdicts["cursor-first-page"] == ("pass" if cursors else "skipped")


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
