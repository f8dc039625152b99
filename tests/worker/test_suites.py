"""The suites that clients stand for, through the stand-in for the host: every request over HTTP, to a real worker."""

from collections.abc import Iterator

import pytest

from tests.conformance.suite import check
from tests.conftest import CosmosAccount, Loop
from tests.recorded.replay import Case, Client, load, replay
from tests.worker.host_client import SETTINGS, HostClient


def without_null(case: Case) -> Case:
    """The case without the requests that no app on Azure gets to see: Kestrel refuses a NUL in a path."""
    then = [step for step in case.data.get("then", []) if "%00" not in step.get("request", {}).get("path", "")]
    return Case(case.chapter, {**case.data, "then": then})


CASES = [without_null(case) for case in load()]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)


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


@each_case
def test_recorded_exchange_through_the_host(case: Case, memory_client: Client) -> None:
    replay(case, memory_client)


@each_case
def test_recorded_exchange_through_the_host_on_cosmos(case: Case, cosmos_client: Client) -> None:
    replay(case, cosmos_client)


def test_a_null_in_a_path_never_reaches_the_app(memory_client: HostClient) -> None:
    answer = memory_client.get("/Users/%00")
    assert (answer.status, answer.body) == (400, b"")


def test_scim2_tester_finds_no_error_through_the_host(memory_client: HostClient) -> None:
    check(memory_client.origin)


def test_scim2_tester_finds_no_error_through_the_host_on_cosmos(cosmos_client: HostClient) -> None:
    check(cosmos_client.origin)
