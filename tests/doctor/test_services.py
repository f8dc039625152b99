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
from scim.doctor.page import as_html
from tests.conftest import BASE, ORIGIN, TOKEN, CosmosServer, PortClient, Server
from tests.doctor.scimmy import TOKEN as PEER_TOKEN, scimmy
from tests.doctor.served import Got, Outside, bent, examined, named

# The findings on scim2-server, which keeps to the RFCs by the letter, and on SCIMMY: verdict, and what each server did with
# the request. Every one was compared with the raw answers.
STRICT = {
    "www-authenticate": ("warning", "accepted"),
    "schemas-mapping": ("fail", "accepted"),
    "service-provider-config": ("warning", "accepted"),
    "user-create-unknown": ("fail", "refused"),
    "user-create-manager-string": ("fail", "refused"),
    "match-external-id-unquoted": ("warning", "refused"),
    "reference-probe": ("fail", "refused"),
    "patch-path-creates": ("fail", "refused"),
    "patch-path-adds": ("fail", "refused"),
    "patch-no-path-unknown": ("fail", "refused"),
    "manager-string": ("fail", "refused"),
    "manager-array": ("fail", "refused"),
    "group-create-schema": ("fail", "refused"),
    "group-duplicate": ("fail", "accepted"),
    "member-remove-body": ("fail", "refused"),
    "user-delete-member": ("warning", "accepted"),
}
STRICT_NEEDS = {
    "patch-path-merges": "patch-path-adds",
    "patch-repeat": "patch-path-adds",
    "manager-clear-empty": "manager-string",
    "group-duplicate-case": "group-duplicate",
    "member-remove-absent": "member-remove-body",
    "member-remove-empty": "member-remove-body",
    "member-add-and-remove": "member-remove-body",
}
SCIMMY = {
    "www-authenticate": ("warning", "accepted"),
    "schemas-mapping": ("fail", "accepted"),
    "user-create-location": ("warning", "accepted"),
    "user-create-nulls": ("fail", "refused"),
    "user-create-active-string": ("fail", "refused"),
    "user-create-manager-string": ("fail", "refused"),
    "match-user-name-case": ("fail", "accepted"),
    "reference-probe": ("fail", "accepted"),
    "attributes-schemas": ("warning", "accepted"),
    "patch-core-path": ("fail", "refused"),
    "patch-path-case": ("fail", "refused"),
    "patch-path-creates": ("fail", "refused"),
    "patch-path-adds": ("fail", "refused"),
    "patch-no-path-unknown": ("fail", "refused"),
    "patch-primary": ("fail", "accepted"),
    "disable": ("fail", "refused"),
    "manager-string": ("fail", "refused"),
    "manager-array": ("fail", "refused"),
    "manager-clear-null": ("fail", "refused"),
    "group-match-case": ("fail", "accepted"),
    "group-patch-answer": ("warning", "accepted"),
    "member-add-again": ("fail", "accepted"),
    "member-probe": ("fail", "refused"),
    "paging-past-the-end": ("fail", "accepted"),
    "bulk-reference": ("fail", "not found"),
    "bulk-unknown-reference": ("warning", "refused"),
    "user-delete-member": ("warning", "accepted"),
}
SCIMMY_NEEDS = {
    "user-create-roles": "user-create-active-string",
    "patch-path-merges": "patch-path-adds",
    "patch-repeat": "patch-path-adds",
    "restore": "disable",
    "manager-clear-empty": "manager-string",
    "roles-replace": "user-create-active-string",
    "roles-quoted-primary": "user-create-active-string",
}


def _outcomes(report: Report) -> dict[str, tuple[str, str]]:
    """The findings of a report: verdict, and what the server did with the request."""
    return {one.check.id: (one.verdict, one.outcome) for one in report.results if one.outcome is not None}


def _needs(report: Report) -> dict[str, str]:
    """The checks that were not made, and the failed ones that they need."""
    return {one.check.id: one.needs for one in report.results if one.needs}


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
    assert _outcomes(report) == STRICT
    assert _needs(report) == STRICT_NEEDS
    assert [one.check.id for one in report.fix_first] == [
        "group-duplicate",
        "user-create-unknown",
        "user-create-manager-string",
        "member-remove-body",
        "patch-path-adds",
    ]
    assert len(as_html(report).encode()) < 300_000
    assert report.left_behind == ()
    assert not report.stopped
    verdicts = {one.check.id: one.verdict for one in report.results}
    assert verdicts["bulk-too-many"] == "pass"
    assert verdicts["cursor-first-page"] == ("pass" if cursors else "skipped")


@pytest.mark.soak
def test_finds_the_faults_of_a_server_of_scimmy() -> None:
    """Not in `make test`, for it fetches the server from the npm registry."""
    with scimmy() as url:
        report = examined(None, url, PEER_TOKEN)
    assert _outcomes(report) == SCIMMY
    assert _needs(report) == SCIMMY_NEEDS
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
