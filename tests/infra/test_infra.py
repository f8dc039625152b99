"""infra/ holds to its invariants, and each invariant notices when its line is broken."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from tests.infra.bicep import CLIENT, BicepError
from tests.infra.invariants import ALL
from tests.infra.mutations import MUTATIONS
from tests.infra.stack import Stack, at_hand


@pytest.fixture(scope="module")
def stack() -> Stack:
    return at_hand()


def faults(invariant: str, stack: Stack) -> list[str]:
    """What an invariant finds; a stack that can't be deployed is a fault too."""
    found: list[str] = []
    try:
        found.extend(ALL[invariant](stack))
    except BicepError as error:
        found.append(str(error))
    return found


@pytest.mark.parametrize("invariant", ALL)
def test_invariant_holds(invariant: str, stack: Stack) -> None:
    assert faults(invariant, stack) == []


@pytest.mark.parametrize(
    ("invariant", "file", "text", "instead"),
    MUTATIONS,
    ids=[f"{row[0]}-{number}" for number, row in enumerate(MUTATIONS)],
)
def test_invariant_fails_when_its_line_is_broken(
    invariant: str, file: str, text: str, instead: str, stack: Stack
) -> None:
    assert stack.files[file].count(text) == 1, "the row doesn't fit the file any more"
    assert faults(invariant, Stack({**stack.files, file: stack.files[file].replace(text, instead)})) != []


def test_every_invariant_has_a_line_that_breaks_it() -> None:
    assert {row[0] for row in MUTATIONS} == set(ALL)


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """Where Azure's endpoint of identities stands in, and the client ids that it was asked a token for."""
    clients: list[str] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            clients.extend(parse_qs(urlsplit(self.path).query)["client_id"])
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(
                b'{"access_token": "a", "expires_on": 4102444800, "resource": "r", "token_type": "Bearer"}'
            )

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token", clients
        server.shutdown()
        thread.join()


async def test_the_app_settings_use_the_managed_identity_only(
    stack: Stack, asked: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the service opens Cosmos DB with asks for the identity of the settings, and has nothing else to try."""
    endpoint, clients = asked
    monkeypatch.setenv("IDENTITY_ENDPOINT", endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    for name, value in stack.settings("defaults").items():
        monkeypatch.setenv(name, value)
    async with DefaultAzureCredential() as credential:
        assert [type(each) for each in credential.credentials] == [ManagedIdentityCredential]
        assert (await credential.get_token("https://cosmos.example/.default")).token == "a"
    assert clients == [CLIENT]
