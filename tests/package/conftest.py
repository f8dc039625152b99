"""The package that Azure would run, made once from this folder, and a worker on it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import CosmosAccount, Loop
from tests.package.build import SITE_PACKAGES, assemble, build, worker_library
from tests.worker.host_client import SETTINGS, HostClient

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that Azure would run: what is uploaded, with what the remote build installs."""
    folder = tmp_path_factory.mktemp("deployed") / "wwwroot"
    assemble(ROOT, folder)
    build(folder)
    return folder


@pytest.fixture(scope="session")
def packages(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Where a worker on the package finds packages: those of the remote build, and its own library."""
    own = tmp_path_factory.mktemp("worker")
    worker_library(own)
    return package / SITE_PACKAGES, own


@pytest.fixture(scope="session")
def account(loop: Loop) -> Iterator[CosmosAccount]:
    running = CosmosAccount(loop)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def deployed(package: Path, packages: Sequence[Path], account: CosmosAccount, loop: Loop) -> Iterator[HostClient]:
    """A host on the package and Cosmos DB, as on Azure but for the key and the development token."""
    client = HostClient(loop, {**SETTINGS, "SCIM_STORE": "cosmos", **account.environment}, package, packages)
    yield client
    client.close()
