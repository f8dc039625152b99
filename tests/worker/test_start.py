"""What a worker loads and builds, and when; what it says when it can't; and what it leaves when it ends."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import copy
from typing import Final

import pytest

from scim.security.clouds import CLOUDS
from tests.conftest import TOKEN, CosmosAccount, Loop, PortClient, Server
from tests.security.conftest import scim, secret_token
from tests.security.issuer import CONTOSO, Issuer
from tests.worker.harness import NoAnswer, Worker, WorkerResponse
from tests.worker.host_client import ROOT, SETTINGS
from tests.worker.slow import held_at, let_go

URL: Final = "https://scim.example.net/scim/v2"
AT_ONCE: Final = 20
OF_COSMOS: Final = {"azure.core", "azure.cosmos"}
OF_TOKENS: Final = {"joserfc", "cryptography"}
EXPENSIVE: Final = {*OF_COSMOS, *OF_TOKENS, "aiohttp", "azure.identity", "azure.monitor", "opentelemetry"}
"""What costs a start so much that only who needs it may load it."""
OF_THE_SERVICE: Final = {"scim.app", "pydantic", "cachetools", "sqlite3"}

# The app itself, and a trigger that tells what its worker has loaded.
WINDOW: Final = """

import json

@app.function_name("loaded")
@app.route(route="loaded")
async def loaded(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(list(sys.modules)))
"""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def users(worker: Worker, token: str = TOKEN) -> WorkerResponse:
    return await worker.invoke("users", "GET", f"{URL}/Users", bearer(token))


async def make(worker: Worker, name: str) -> WorkerResponse:
    body = json.dumps({"userName": name}).encode()
    return await worker.invoke("users", "POST", f"{URL}/Users", bearer(TOKEN), body)


@pytest.fixture(scope="module")
def account(loop: Loop) -> Iterator[CosmosAccount]:
    running = CosmosAccount(loop)
    yield running
    running.stop()


@pytest.fixture
def issuer(loop: Loop) -> Iterator[Issuer]:
    running = Issuer()
    loop.run(running.start())
    yield running
    loop.run(running.stop())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data file with one customer, which tokens of its Entra tenant lead to."""
    path = tmp_path / "scim.db"
    scim("customer", "create", "contoso", "--data", str(path))
    scim("customer", "allow", "contoso", "--entra-tenant", CONTOSO, "--data", str(path))
    return path


@pytest.fixture
def secret(data: Path) -> str:
    """A secret token of that customer."""
    return secret_token("contoso", data)


# --- what is loaded ---


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script root of the app with its window."""
    folder = tmp_path_factory.mktemp("app")
    beside = f"import sys\n\nsys.path.insert(0, {str(ROOT)!r})\n"
    text = (ROOT / "function_app.py").read_text(encoding="utf-8")
    (folder / "function_app.py").write_text(f"{beside}{text}{WINDOW}", encoding="utf-8")
    copy(ROOT / "host.json", folder)
    return folder


async def loaded_by(root: Path, settings: Mapping[str, str], token: str, status: int = 200) -> set[str]:
    """What a worker has loaded when it has answered its first request, of all that the tests here speak of."""
    async with await Worker.start(root, settings) as worker:
        before = await looked_at(worker)
        assert before & (EXPENSIVE | OF_THE_SERVICE) == set()
        assert (await users(worker, token)).status == status
        return (await looked_at(worker)) & EXPENSIVE


async def looked_at(worker: Worker) -> set[str]:
    return set(json.loads((await worker.invoke("loaded", "GET", "https://scim.example.net/loaded")).body))


def test_importing_the_app_loads_routes_and_nothing_else() -> None:
    """That is what indexing does, and what a worker pays for that the host never sends a request to."""
    told = "import sys; sys.path.insert(0, sys.argv[1]); import function_app; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-I", "-c", told, str(ROOT)], text=True).split())
    assert loaded & (EXPENSIVE | OF_THE_SERVICE) == set()
    assert {name for name in loaded if name.startswith("scim")} <= {
        "scim",
        *("scim.edge", "scim.edge.http", "scim.edge.triggers"),
        *("scim.protocol", "scim.protocol.json"),
    }


async def test_a_development_token_on_the_embedded_store_loads_nothing_expensive(window: Path) -> None:
    assert await loaded_by(window, SETTINGS, TOKEN) == set()


async def test_a_secret_token_loads_no_verification_libraries(window: Path, data: Path, secret: str) -> None:
    assert await loaded_by(window, {"SCIM_DATA": str(data)}, secret) == set()


async def test_a_text_that_is_no_token_loads_no_verification_libraries(window: Path, data: Path) -> None:
    assert await loaded_by(window, {"SCIM_DATA": str(data)}, "nonsense", 401) == set()


async def test_cosmos_db_with_a_key_loads_its_client_and_no_identity(window: Path, account: CosmosAccount) -> None:
    settings = {**SETTINGS, "SCIM_STORE": "cosmos", **account.environment}
    assert await loaded_by(window, settings, TOKEN) == {*OF_COSMOS, "aiohttp"}


async def test_a_token_of_entra_id_loads_the_libraries_that_verify_it(window: Path, data: Path, issuer: Issuer) -> None:
    settings = {"SCIM_DATA": str(data), "SCIM_DEV_KEYS": issuer.origin}
    assert await loaded_by(window, settings, issuer.token()) == {*OF_TOKENS, "aiohttp"}


# --- first requests at once ---


async def test_first_requests_at_once_share_one_store(tmp_path: Path) -> None:
    """One in memory, of which each service would have its own."""
    async with await Worker.start(ROOT, SETTINGS) as worker:
        made = await asyncio.gather(*(make(worker, f"user-{number}") for number in range(AT_ONCE)))
        assert [answer.status for answer in made] == [201] * AT_ONCE
        assert (await users(worker)).json["totalResults"] == AT_ONCE


async def test_first_requests_at_once_open_one_connection(account: CosmosAccount) -> None:
    """As many reads of the account and of the container as one first request makes."""
    seen = []
    for number in (1, AT_ONCE):
        account.empty()
        async with await Worker.start(ROOT, {**SETTINGS, "SCIM_STORE": "cosmos", **account.environment}) as worker:
            made = await asyncio.gather(*(make(worker, f"user-{each}") for each in range(number)))
            assert [answer.status for answer in made] == [201] * number
            found = account.emulator.counts(metadata=True)
            seen.append({resource_type: found[resource_type] for resource_type in ("account.read", "container.read")})
    assert seen[0]["container.read"] == 1
    assert seen[0] == seen[1]


async def test_first_requests_at_once_fetch_the_keys_of_tokens_once(data: Path, issuer: Issuer) -> None:
    async with await Worker.start(ROOT, {"SCIM_DATA": str(data), "SCIM_DEV_KEYS": issuer.origin}) as worker:
        tokens = [issuer.token(uti=str(number)) for number in range(AT_ONCE)]
        answers = await asyncio.gather(*(users(worker, token) for token in tokens))
    assert [answer.status for answer in answers] == [200] * AT_ONCE
    host = CLOUDS["global"].authority.removeprefix("https://")
    assert issuer.requests == [f"/{host}/{CONTOSO}/discovery/keys"]


# --- what can't be started ---


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"SCIM_STORE": "nonsense"}, "wrong setting: SCIM_STORE: must be sqlite or cosmos"),
        ({"SCIM_STORE": "cosmos"}, "wrong setting: COSMOS_ENDPOINT: must be the address of a Cosmos DB account"),
        ({"SCIM_DATA": "/dev/null/no/such/folder"}, "can't open the store: "),
        ({"WEBSITE_SITE_NAME": "scim"}, "wrong setting: SCIM_STORE: must be cosmos on Azure"),
    ],
    ids=["a store that there isn't", "no endpoint", "a file that can't be opened", "the embedded store on Azure"],
)
async def test_a_wrong_setting_is_503_and_one_log_line(settings: Mapping[str, str], says: str) -> None:
    async with await Worker.start(ROOT, settings) as worker:
        health = worker.invoke("healthz", "GET", "https://scim.example.net/healthz")
        answers = await asyncio.gather(users(worker), health, make(worker, "eve"), users(worker))
        await worker.invoke_timer("sweep")
    assert {answer.status for answer in answers} == {503}
    assert all(answer.json["status"] == "503" and answer.headers["retry-after"] for answer in answers)
    [line] = [line for line in worker.log.splitlines() if not line.startswith("request ")]
    assert line.startswith(says)


# --- the end ---


async def test_an_ending_worker_closes_its_connections_without_warnings(
    account: CosmosAccount, data: Path, issuer: Issuer
) -> None:
    """`Unclosed client session`, as aiohttp calls it, in a log at each end would hide what matters there."""
    on_cosmos = {**SETTINGS, "SCIM_STORE": "cosmos", **account.environment}
    cases: list[tuple[Mapping[str, str], str]] = [
        (SETTINGS, TOKEN),
        (on_cosmos, TOKEN),
        ({"SCIM_DATA": str(data), "SCIM_DEV_KEYS": issuer.origin}, issuer.token()),
    ]
    for settings, token in cases:
        async with await Worker.start(ROOT, settings) as worker:
            assert (await users(worker, token)).status == 200
        assert worker.log == ""


async def test_a_worker_that_only_swept_closes_its_connections(account: CosmosAccount) -> None:
    async with await Worker.start(ROOT, {**SETTINGS, "SCIM_STORE": "cosmos", **account.environment}) as worker:
        await worker.invoke_timer("sweep")
    assert worker.log == ""


async def test_a_worker_that_ends_during_a_request_closes_its_connections(loop: Loop, account: CosmosAccount) -> None:
    account.empty()
    async with await Worker.start(ROOT, {**SETTINGS, "SCIM_STORE": "cosmos", **account.environment}) as worker:
        assert (await users(worker)).status == 200
        slow = loop.run(held_at(account.emulator, "query"))
        asking = asyncio.create_task(users(worker))
        await asyncio.to_thread(loop.run, slow.reached.wait())
    with pytest.raises(NoAnswer):
        await asking
    loop.run(let_go(account.emulator, slow))
    assert worker.log == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_local_server_ends_without_warnings(
    number: signal.Signals, account: CosmosAccount, data: Path, issuer: Issuer
) -> None:
    account.empty()
    servers: list[tuple[Server, str]] = [
        (Server("--store", "cosmos", environment=account.environment), TOKEN),
        (Server("--data", str(data), environment={"SCIM_DEV_KEYS": issuer.origin}), issuer.token()),
    ]
    for server, token in servers:
        client = PortClient(server.origin)
        assert client.get("/Users", token=token).status == 200
        client.close()
        code, log = server.stop(number)
        assert code == 0
        assert [line for line in log.splitlines() if " INFO " not in line] == []
