"""The suites that clients stand for, through the stand-in for the host: every request over HTTP, to a real worker."""

from collections.abc import Iterator

import pytest

from tests.conformance.suite import check
from tests.conftest import CosmosAccount, Loop
from tests.http.supported import PROOFS
from tests.recorded.replay import Case, Client, load, replay
from tests.rfc.examples import Row, load as rows_of_the_rfcs
from tests.worker.host_client import SETTINGS, HostClient


def without_null(case: Case) -> Case:
    """The case without the requests that no app on Azure gets to see: Kestrel refuses a NUL in a path."""
    then = [step for step in case.data.get("then", []) if "%00" not in step.get("request", {}).get("path", "")]
    return Case(case.chapter, {**case.data, "then": then})


CASES = [without_null(case) for case in load()]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
each_row = pytest.mark.parametrize("row", rows_of_the_rfcs(), ids=lambda row: row.id)


@pytest.fixture(scope="module")
def in_memory(loop: Loop) -> Iterator[HostClient]:
    client = HostClient(loop)
    yield client
    client.close()


@pytest.fixture
def memory_client(in_memory: HostClient) -> HostClient:
    """A host on an empty store in memory."""
    in_memory.empty()
    return in_memory


@pytest.fixture(scope="module")
def account(loop: Loop) -> Iterator[CosmosAccount]:
    running = CosmosAccount(loop)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def on_cosmos(loop: Loop, account: CosmosAccount) -> Iterator[HostClient]:
    client = HostClient(loop, {**SETTINGS, "SCIM_STORE": "cosmos", **account.environment})
    yield client
    client.close()


@pytest.fixture
def cosmos_client(account: CosmosAccount, on_cosmos: HostClient) -> HostClient:
    """A host on an empty container of Cosmos DB."""
    account.empty()
    return on_cosmos


# On Cosmos DB `tests/package` sends them, to a worker on what Azure would run.
@each_case
def test_recorded_exchange_through_the_host(case: Case, memory_client: Client) -> None:
    replay(case, memory_client)


@pytest.mark.parametrize("feature", PROOFS)
def test_a_supported_feature_works_through_the_host(feature: str, memory_client: HostClient) -> None:
    PROOFS[feature](memory_client)


@pytest.mark.parametrize("feature", PROOFS)
def test_a_supported_feature_works_through_the_host_on_cosmos(feature: str, cosmos_client: HostClient) -> None:
    PROOFS[feature](cosmos_client)


@each_row
def test_example_of_an_rfc_through_the_host(row: Row, memory_client: Client) -> None:
    replay(row.case, memory_client)


@each_row
def test_example_of_an_rfc_through_the_host_on_cosmos(row: Row, cosmos_client: Client) -> None:
    replay(row.case, cosmos_client)


def test_a_null_in_a_path_is_refused_by_the_host(memory_client: HostClient) -> None:
    answer = memory_client.get("/Users/%00")
    assert (answer.status, answer.body) == (400, b"")


@pytest.mark.parametrize("empty", ["cursor", "cursor=", "CURSOR=", "filter=&cursor"])
@pytest.mark.parametrize("store", ["memory_client", "cosmos_client"])
def test_pages_by_cursor_through_the_host_which_drops_a_parameter_without_a_value(
    request: pytest.FixtureRequest, store: str, empty: str
) -> None:
    client: HostClient = request.getfixturevalue(store)
    ids = [client.user(f"u{number}")["id"] for number in range(5)]
    assert client.get("/Users?startIndex=&filter=&count").json["startIndex"] == 1
    answer = client.get(f"/Users?{empty}&count=2").json
    seen = [user["id"] for user in answer["Resources"]]
    while "nextCursor" in answer:
        answer = client.get(f"/Users?count=2&cursor={answer['nextCursor']}").json
        seen += [user["id"] for user in answer["Resources"]]
    assert seen == ids
    before = client.get(f"/Users?cursor={answer['previousCursor']}").json
    assert [user["id"] for user in before["Resources"]] == ids[2:4]
    refused = client.get("/Users?cursor=made.up")
    assert (refused.status, refused.json["scimType"]) == (400, "invalidCursor")


@pytest.mark.parametrize("path", ["", "/", "//", "/?filter=", "?count=10"])
@pytest.mark.parametrize("store", ["memory_client", "cosmos_client"])
def test_a_query_of_the_server_root_through_the_host(request: pytest.FixtureRequest, store: str, path: str) -> None:
    client: HostClient = request.getfixturevalue(store)
    client.group("g")
    client.user("u")
    answer = client.get(path)
    assert (answer.status, answer.json["totalResults"]) == (200, 2)
    found = client.get(f'{path.partition("?")[0]}?filter=userName eq "U"')
    assert [user["userName"] for user in found.json["Resources"]] == ["u"]


def test_scim2_tester_finds_no_error_through_the_host(memory_client: HostClient) -> None:
    check(memory_client.origin)


def test_scim2_tester_finds_no_error_through_the_host_on_cosmos(cosmos_client: HostClient) -> None:
    check(cosmos_client.origin)


# `tests/conformance` does the same without a worker, and `tests/contract` has each type of values on Cosmos DB.
@pytest.mark.soak
def test_scim2_tester_finds_no_error_in_own_schemas_through_the_host_on_cosmos(
    loop: Loop, account: CosmosAccount
) -> None:
    account.empty()
    settings = {**SETTINGS, "SCIM_STORE": "cosmos", "SCIM_SCHEMAS": "examples/schemas", **account.environment}
    client = HostClient(loop, settings)
    try:
        check(client.origin, with_examples=True)
    finally:
        client.close()
