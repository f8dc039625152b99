"""What is deployed: the app and nothing but the app, which works with what `requirements.txt` alone brings."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.conftest import CosmosAccount, Loop
from tests.package.build import SITE_PACKAGES, uploaded_by_azd, uploaded_by_core_tools
from tests.package.conftest import ROOT
from tests.recorded.replay import Case, Client, replay
from tests.worker.harness import Worker, WorkerError
from tests.worker.test_suites import each_case

APP = {"function_app.py", "host.json", "requirements.txt"}
DATA = {
    "scim/storage/cosmos/container.json",
    *(f"scim/protocol/schema/data/{file.name}" for file in ROOT.glob("scim/protocol/schema/data/*")),
}
# What work leaves in the folder, some of it secret or about people.
LEFT = [
    "__azurite_db_blob__.json",
    "__blobstorage__/0c1a52",
    "__pycache__/function_app.cpython-313.pyc",
    ".azure/production/.env",
    ".env",
    ".venv/lib/python3.13/site-packages/scim.py",
    "default.jsonl",
    "dist/scim.whl",
    "examples/schemas/device.json",
    "local.settings.json",
    "local.settings.sample.json",
    "requirements-dev.txt",
    "scim.db",
    "scim.db-wal",
    "scim/.DS_Store",
    "scim/__pycache__/app.cpython-313.pyc",
    "scim/edge/__pycache__/http.cpython-313.pyc",
    "tests/recorded/users_create.json",
    "user.json",
]
type Reader = Callable[[Path], set[str]]
by_reader = pytest.mark.parametrize("uploaded", [uploaded_by_azd, uploaded_by_core_tools], ids=["azd", "Core Tools"])


@by_reader
def test_the_app_is_uploaded_and_nothing_else(uploaded: Reader) -> None:
    names = uploaded(ROOT)
    assert {name for name in names if not name.startswith("scim/")} == APP
    assert {name for name in names if name.startswith("scim/") and not name.endswith(".py")} == DATA
    assert {str(file.relative_to(ROOT)) for file in ROOT.glob("scim/**/*.py")} <= names


@by_reader
def test_files_of_development_are_not_uploaded(uploaded: Reader, tmp_path: Path) -> None:
    """A deployment's own schemas are, from the folder that docs/custom-schemas.md names."""
    app = [*APP, "scim/app.py", "scim/protocol/schema/data/user.json", "schemas/device.json"]
    for name in [*app, *LEFT]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".funcignore").write_bytes((ROOT / ".funcignore").read_bytes())
    assert uploaded(tmp_path) == set(app)


def test_the_readers_of_funcignore_differ_where_they_do(tmp_path: Path) -> None:
    """Core Tools read a line as the beginning of a path, and `!` wins."""
    (tmp_path / "docs").mkdir()
    for name in ("docs/one.md", "two.md", "three.mdx", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / ".funcignore").write_text("# a comment\n\n!two.md\n*.md\nnote*\n.funcignore\n", encoding="utf-8")
    assert uploaded_by_azd(tmp_path) == {"three.mdx"}
    assert uploaded_by_core_tools(tmp_path) == {"docs/one.md", "two.md", "three.mdx"}


def test_the_remote_build_brings_no_development_package(package: Path) -> None:
    installed = {file.name.partition("-")[0] for file in (package / SITE_PACKAGES).glob("*.dist-info")}
    assert {"azure_functions", "azure_cosmos", "azure_identity"} <= installed
    assert installed & {"click", "pytest", "httpx", "azure_functions_runtime", "scim_azure_functions"} == set()


@pytest.mark.parametrize("name", ["click", "scim", "tests", "pytest"])
async def test_a_worker_of_the_package_does_not_see_this_environment(
    name: str, packages: Sequence[Path], tmp_path: Path
) -> None:
    """So whatever it can import came with the package."""
    (tmp_path / "function_app.py").write_text(f"import {name}", encoding="utf-8")
    with pytest.raises(WorkerError, match=f"No module named '{name}'"):
        await Worker.start(tmp_path, packages=packages)


def test_every_module_of_the_app_but_the_command_line_loads(
    package: Path, packages: Sequence[Path], tmp_path: Path, loop: Loop
) -> None:
    """The requests below don't load them all: an identity, for one, the app has on Azure only."""
    modules = [
        ".".join(file.relative_to(package).with_suffix("").parts)
        for file in sorted(package.glob("scim/**/*.py"))
        if {"commands", "doctor"}.isdisjoint(file.parts) and file.name != "cli.py"
    ]
    imports = [f"import {name}" for name in [*modules, "azure.cosmos.aio", "azure.identity.aio"]]
    (tmp_path / "function_app.py").write_text("\n".join([*imports, "raise ValueError('loaded')"]), encoding="utf-8")
    with pytest.raises(WorkerError, match="ValueError: loaded"):
        loop.run(Worker.start(tmp_path, packages=[package, *packages]))


@each_case
def test_recorded_exchange_with_the_package(case: Case, deployed: Client, account: CosmosAccount) -> None:
    """The package answers as recorded, on Cosmos DB."""
    account.empty()
    replay(case, deployed)
