"""Commands that delete or revoke: they name store and customer first, and do nothing without a confirmation."""

import asyncio
import json
from pathlib import Path

import pytest

from scim.storage.sqlite.store import SqliteStore
from tests.commands.processes import answered
from tests.conftest import Loop
from tests.contract.write_models import user
from tests.security.issuer import CONTOSO
from tests.security.places import Place, on_cosmos, on_file


@pytest.fixture(params=["file", "cosmos"])
def place(request: pytest.FixtureRequest, tmp_path: Path, loop: Loop) -> Place:
    """A store in which the customer contoso has a user, a token and an Entra rule."""
    made = on_file(tmp_path) if request.param == "file" else on_cosmos(*request.getfixturevalue("cosmos"))
    made.scim("customer", "create", "contoso")
    made.scim("customer", "allow", "contoso", "--entra-tenant", CONTOSO)
    made.token("contoso", "--note", "Okta")

    async def fill() -> None:
        async with made.opened() as store:
            await store.create("contoso", user())

    loop.run(fill())
    return made


def store_of(place: Place) -> str:
    if place.folder is not None:
        return f"SQLite file {place.environment['SCIM_DATA']}"
    endpoint, database = place.environment["COSMOS_ENDPOINT"], place.environment["COSMOS_DATABASE"]
    return f"Cosmos DB at {endpoint}, database {database}, container resources"


def contents(place: Place) -> str:
    """Everything that one of the commands might change."""
    return place.scim("customer", "list", "--format", "json") + place.scim("customer", "export", "contoso")


def command(place: Place, name: str) -> tuple[str, ...]:
    """The command, with the id of the token where it needs one."""
    [token] = json.loads(place.scim("token", "list", "--format", "json"))
    return {
        "erase": ("customer", "erase", "contoso"),
        "remove": ("customer", "remove", "contoso"),
        "deny": ("customer", "deny", "contoso", "--entra-tenant", CONTOSO),
        "revoke": ("token", "revoke", token["id"]),
    }[name]


@pytest.mark.parametrize("name", ["erase", "remove", "deny", "revoke"])
def test_without_a_confirmation_nothing_is_changed(place: Place, name: str) -> None:
    before = contents(place)
    ended = place.run(*command(place, name))
    assert (ended.exit_code, ended.stdout) == (2, "")
    change, store, last = ended.stderr.splitlines()
    assert "contoso" in change
    assert store == f"Store: {store_of(place)}"
    assert last == "Error: Nothing was changed. There is no terminal to ask on: add --yes to confirm."
    assert contents(place) == before


@pytest.mark.parametrize("name", ["erase", "remove", "deny", "revoke"])
def test_with_yes_customer_and_store_are_named_and_the_change_is_made(place: Place, name: str) -> None:
    before = contents(place)
    ended = place.run(*command(place, name), "--yes")
    assert ended.exit_code == 0, ended.output
    change, store, *_ = ended.stderr.splitlines()
    assert "contoso" in change
    assert store == f"Store: {store_of(place)}"
    assert contents(place) != before


def test_a_person_at_a_terminal_is_asked(tmp_path: Path) -> None:
    data = str(tmp_path / "scim.db")
    place = Place({"SCIM_DATA": data}, folder=tmp_path)
    place.scim("customer", "create", "contoso")
    remove = ("customer", "remove", "contoso", "--data", data)
    for answer, code, end in (("n\n", 1, "Error: Nothing was changed.\n"), (None, 130, "Interrupted.\n")):
        ended = answered(answer, *remove)
        assert ended[:2] == (code, "")
        assert ended[2].endswith(end)
        assert "Traceback" not in ended[2]
        assert "contoso" in place.scim("customer", "list")
    code, output, errors = answered("y\n", *remove)
    assert code == 0, errors
    assert output.startswith("Removed customer contoso")
    assert "contoso" not in place.scim("customer", "list")


def test_data_of_a_customer_without_a_record_can_be_exported_and_erased(tmp_path: Path) -> None:
    """Such as `default`, whom the development token lets in, or a customer that was removed. An erased one is none any more."""
    data = tmp_path / "scim.db"

    async def fill() -> None:
        store = SqliteStore(data)
        for customer in ("default", "removed"):
            await store.create(customer, user())
        await store.close()

    asyncio.run(fill())
    place = Place({"SCIM_DATA": str(data)}, folder=tmp_path)
    for customer in ("default", "removed"):
        assert place.run("reindex", "--customer", customer).exit_code == 0
        assert len(place.scim("customer", "export", customer).splitlines()) == 1
        assert place.scim("customer", "erase", customer, "--yes") == f"Erased 1 items of {customer}.\n"
        for command in (("customer", "export"), ("customer", "erase", "--yes"), ("reindex", "--customer")):
            assert place.run(*command, customer).exit_code == 3
    place.scim("customer", "create", "empty")
    assert place.scim("customer", "erase", "empty", "--yes") == "Erased 0 items of empty.\n"
