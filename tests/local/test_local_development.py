"""The sample of `local.settings.json` does what docs/local-development.md says: with the service, Azurite and Cosmos DB."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pytest
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient
from click.testing import CliRunner

from scim.cli import main
from scim.settings import Settings, from_environment, variable
from tests.conftest import Loop
from tests.cosmos_emulator import Emulator
from tests.local.azurite import VERSION, Azurite, described
from tests.worker.host_client import HostClient

ROOT: Final = Path(__file__).parents[2]
SAMPLE: Final[dict[str, Any]] = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))
VALUES: Final[dict[str, str]] = SAMPLE["Values"]
# What Core Tools add to them.
OF_CORE_TOOLS: Final = {"AZURE_FUNCTIONS_ENVIRONMENT": "Development", "WEBSITE_HOSTNAME": "localhost:7071"}
# What the Functions host reads itself.
OF_THE_HOST: Final = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"}
BLOB_PORT: Final = 10_000


def test_every_name_in_the_sample_is_a_setting() -> None:
    ours = {variable(setting.name) for setting in fields(Settings) if setting.name != "on_azure"}
    assert VALUES.keys() - OF_THE_HOST <= ours


def test_the_sample_is_one_that_core_tools_read_as_it_stands() -> None:
    """Values are texts, and nothing in them is encrypted."""
    assert SAMPLE.keys() == {"IsEncrypted", "Values"}
    assert SAMPLE["IsEncrypted"] is False
    assert all(isinstance(value, str) for value in VALUES.values())
    assert VALUES["FUNCTIONS_WORKER_RUNTIME"] == "python"


def test_settings_of_the_sample_have_the_default_values() -> None:
    """So the sample says what happens without it, and taking a line out changes nothing."""
    chosen = {"SCIM_DEV_TOKEN", "SCIM_DATA", "COSMOS_ENDPOINT", "COSMOS_KEY"}
    kept = {name: value for name, value in VALUES.items() if name not in chosen}
    assert from_environment(kept) == from_environment({})


def test_the_sample_serves_as_it_is(loop: Loop, tmp_path: Path) -> None:
    """On the embedded store, with the sample's token."""
    client = HostClient(loop, {**VALUES, **OF_CORE_TOOLS, "SCIM_DATA": str(tmp_path / VALUES["SCIM_DATA"])})
    try:
        token = VALUES["SCIM_DEV_TOKEN"]
        assert client.post("/Users", {"userName": "bjensen"}, token=token).status == 201
        assert client.get("/Users", token=token).json["totalResults"] == 1
        assert client.get("/Users", token="another").status == 401
    finally:
        client.close()
    assert (tmp_path / VALUES["SCIM_DATA"]).exists()


@pytest.fixture
def emulator(loop: Loop) -> Iterator[Emulator]:
    """An emulator of Cosmos DB that the sample's key opens, with nothing in it."""
    running = Emulator(key=VALUES["COSMOS_KEY"])
    yield running
    loop.run(running.stop())


def test_the_sample_serves_from_an_emulator_when_the_store_is_cosmos(loop: Loop, emulator: Emulator) -> None:
    """In the sample's database and container, which `scim cosmos init` makes. The port alone is another."""
    cosmos = {name: value for name, value in VALUES.items() if name.startswith("COSMOS_")}
    cosmos["COSMOS_ENDPOINT"] = loop.run(emulator.start())
    made = CliRunner(env=cosmos).invoke(main, ["cosmos", "init"])
    assert made.exit_code == 0, made.output
    client = HostClient(loop, {**VALUES, **cosmos, **OF_CORE_TOOLS, "SCIM_STORE": "cosmos"})
    try:
        assert client.post("/Users", {"userName": "bjensen"}, token=VALUES["SCIM_DEV_TOKEN"]).status == 201
    finally:
        client.close()
    assert list(emulator.core.account.databases) == [VALUES["COSMOS_DATABASE"]]
    assert list(emulator.core.account.databases["scim"].containers) == [VALUES["COSMOS_CONTAINER"]]


class ToPort(RequestsTransport):  # type: ignore[misc]  # the library imports it when asked, so that its type is lost
    """Sends what is for the storage emulator's own port to another one. Nothing else about a request changes."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def send(self, request: Any, **options: Any) -> Any:
        # The client has signed the request by now.
        request.url = request.url.replace(f"http://127.0.0.1:{BLOB_PORT}/", f"http://127.0.0.1:{self._port}/", 1)
        return super().send(request, **options)


@pytest.fixture
def azurite() -> Iterator[Azurite]:
    with Azurite() as running:
        yield running


def test_the_document_names_the_release_of_azurite_that_is_tested() -> None:
    assert f"azurite@{VERSION} " in (ROOT / "docs" / "local-development.md").read_text(encoding="utf-8")


def test_azurite_is_opened_by_the_connection_string_of_the_sample(azurite: Azurite) -> None:
    connection = VALUES["AzureWebJobsStorage"]
    with BlobServiceClient.from_connection_string(connection, transport=ToPort(azurite.ports["blob"])) as service:
        # Where the sample leads, which is where Azurite listens unless told otherwise.
        assert service.primary_endpoint.startswith(f"http://127.0.0.1:{BLOB_PORT}/")
        assert re.search(rf"--blobPort .*defaults to {BLOB_PORT}\)", described())

        container = service.create_container("azure-webjobs-hosts")
        container.upload_blob("locks/scim", b"held by this test")
        assert [blob.name for blob in container.list_blobs()] == ["locks/scim"]
        assert container.download_blob("locks/scim").readall() == b"held by this test"
