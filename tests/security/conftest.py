"""An issuer, and the function app on a store with two customers: `contoso`, `fabrikam`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import function_app
from scim.cli import main
from tests.conftest import Client, Loop, TriggerClient
from tests.security.issuer import CONTOSO, FABRIKAM, Issuer


@pytest.fixture
def issuer(loop: Loop) -> Iterator[Issuer]:
    running = Issuer()
    loop.run(running.start())
    yield running
    loop.run(running.stop())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data file with two customers, each with a way in from its Entra tenant, made by the command line."""
    path = tmp_path / "scim.db"
    for name, tenant in (("contoso", CONTOSO), ("fabrikam", FABRIKAM)):
        scim("customer", "create", name, "--data", str(path))
        scim("customer", "allow", name, "--entra-tenant", tenant, "--data", str(path))
    return path


def scim(*arguments: str) -> Result:
    """The command line, in this process."""
    ended = CliRunner().invoke(main, arguments)
    assert ended.exit_code == 0, ended.output
    return ended


def secret_token(customer: str, data: Path, *options: str) -> str:
    """A new secret token."""
    return secret_token_at(customer, "--data", str(data), *options)


def secret_token_at(customer: str, *options: str) -> str:
    """A new secret token in the store that the options name."""
    made = scim("token", "create", customer, "--format", "json", *options)
    return str(json.loads(made.stdout)["secretToken"])


@pytest.fixture
def authenticated(loop: Loop, issuer: Issuer, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The function app with those customers, and no development token."""
    for name in ("SCIM_DEV_TOKEN", "SCIM_STORE", "SCIM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SCIM_DATA", str(data))
    monkeypatch.setenv("SCIM_DEV_KEYS", issuer.origin)
    function_app.service_of_this_worker.cache_clear()
    yield TriggerClient(loop)
    loop.run(function_app.service_of_this_worker().close())
    function_app.service_of_this_worker.cache_clear()
