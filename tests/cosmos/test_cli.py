"""`scim cosmos init`, `scim customer export|erase` and `scim reindex`: effects, output and errors."""

import asyncio
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scim.app import utc_now
from scim.cli import main
from scim.security.customers.repository import Customers
from scim.storage.cosmos.container import CONTAINER
from scim.storage.cosmos.items import marker
from scim.storage.interface import Member, Search
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import CosmosServer, Loop, PortClient, Server
from tests.contract.write_models import group, resource_id, user
from tests.cosmos_emulator import CutBefore, Emulator, Fault


@pytest.fixture
def account(loop: Loop) -> Iterator[tuple[Emulator, dict[str, str]]]:
    """An empty emulator, and the environment variables that point to it."""
    emulator = Emulator()
    endpoint = loop.run(emulator.start())
    yield emulator, {"COSMOS_ENDPOINT": endpoint, "COSMOS_KEY": emulator.key}
    loop.run(emulator.stop())


def run(*arguments: str, **environment: str) -> Result:
    """Run the command in this process, with these environment variables only."""
    none = {name: None for name in os.environ if name.startswith(("SCIM_", "COSMOS_"))}
    return CliRunner(env={**none, **environment}).invoke(main, arguments)


def fails_with(ended: Result, *words: str) -> None:
    assert ended.exit_code in {1, 2, 3, 4}, ended.output
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("Error:"), ended.stderr
    for word in words:
        assert word in line


# --- scim cosmos init -------------------------------------------------------------------------------------------


def test_init_creates_database_and_container_as_defined(account: tuple[Emulator, dict[str, str]]) -> None:
    emulator, environment = account
    ended = run("cosmos", "init", **environment)
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines() == ["Created the database scim.", "Created the container resources."]
    properties = emulator.container("scim", "resources").properties
    for name in ("defaultTtl", "uniqueKeyPolicy"):
        assert properties[name] == CONTAINER[name]
    assert properties["partitionKey"]["paths"] == CONTAINER["partitionKey"]["paths"]
    assert properties["partitionKey"]["version"] == 2
    included = properties["indexingPolicy"]["includedPaths"]
    assert [one["path"] for one in included] == [one["path"] for one in CONTAINER["indexingPolicy"]["includedPaths"]]


def test_init_may_be_repeated(account: tuple[Emulator, dict[str, str]]) -> None:
    emulator, environment = account
    run("cosmos", "init", **environment)
    emulator.seed([{"id": "User:1", "tenant": "default", "type": "User", "key": "User:1"}])
    ended = run("cosmos", "init", **environment)
    assert ended.exit_code == 0, ended.output
    assert [line.split(" exists already")[0] for line in ended.stdout.splitlines()] == [
        "The database scim",
        "The container resources",
    ]
    assert len(emulator.items("default")) == 1


def test_init_creates_what_the_settings_name(account: tuple[Emulator, dict[str, str]]) -> None:
    emulator, environment = account
    ended = run("cosmos", "init", **environment, COSMOS_DATABASE="one", COSMOS_CONTAINER="two")
    assert ended.exit_code == 0, ended.output
    assert emulator.container("one", "two").properties["id"] == "two"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("partitionKey", {"paths": ["/id"], "kind": "Hash", "version": 2}),
        ("uniqueKeyPolicy", {"uniqueKeys": [{"paths": ["/type"]}]}),
        ("indexingPolicy", {**CONTAINER["indexingPolicy"], "includedPaths": [{"path": "/f/*"}]}),
    ],
)
def test_init_reports_a_container_with_another_definition(
    account: tuple[Emulator, dict[str, str]], name: str, value: dict[str, Any]
) -> None:
    emulator, environment = account
    emulator.create("scim", {"id": "resources", **CONTAINER, name: value})
    fails_with(run("cosmos", "init", **environment), "resources", name)


def test_init_needs_an_emulator() -> None:
    """For an account in Azure, or without a key, the deployment creates the container."""
    fails_with(run("cosmos", "init"), "COSMOS_ENDPOINT")
    fails_with(run("cosmos", "init", COSMOS_ENDPOINT="http://127.0.0.1:1"), "azd provision")
    azure = "https://contoso.documents.azure.com:443/"
    fails_with(run("cosmos", "init", COSMOS_ENDPOINT=azure), "azd provision")
    fails_with(run("cosmos", "init", COSMOS_ENDPOINT=azure, COSMOS_KEY="a2V5"), "azd provision")


def test_init_reports_a_refused_or_missing_database_in_one_line(
    account: tuple[Emulator, dict[str, str]],
) -> None:
    _, environment = account
    fails_with(run("cosmos", "init", **{**environment, "COSMOS_KEY": "YW5vdGhlciBrZXk="}), "refused the key")
    fails_with(run("cosmos", "init", **{**environment, "COSMOS_KEY": "no key"}), "refused the key")
    fails_with(run("cosmos", "init", **{**environment, "COSMOS_ENDPOINT": "http://127.0.0.1:1"}), "can't be reached")


# --- scim customer, on both stores --------------------------------------------------------------------------------


def filled(path: Path, *tenants: str) -> Path:
    """Return a data file in which each of these customers has a user in a group."""

    async def fill() -> None:
        store = SqliteStore(path)
        for tenant in tenants:
            await store.create(tenant, user("bjensen-élodie", 1))
            await store.create(tenant, group("Guides", 2), [Member(resource_id(1), "User"), Member("x")])
        await store.close()

    asyncio.run(fill())
    return path


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_export_has_a_line_for_each_resource_and_member(tmp_path: Path) -> None:
    data = filled(tmp_path / "scim.db", "acme", "other")
    ended = run("customer", "export", "acme", "--data", str(data))
    assert ended.exit_code == 0, ended.output
    *resources, one, two = lines(ended.stdout)
    assert {line["resource"]["id"] for line in resources} == {resource_id(1), resource_id(2)}
    assert {line["resource"].get("userName") for line in resources} == {"bjensen-élodie", None}
    assert one == {"member": {"group": resource_id(2), "value": resource_id(1), "type": "User"}}
    assert two == {"member": {"group": resource_id(2), "value": "x"}}
    assert "Exported 4 items of acme." in ended.stderr


def test_an_export_to_a_file_is_for_its_owner_only(tmp_path: Path) -> None:
    data, output = filled(tmp_path / "scim.db", "acme"), tmp_path / "acme.jsonl"
    ended = run("customer", "export", "acme", "--output", str(output), SCIM_DATA=str(data))
    assert ended.exit_code == 0, ended.output
    assert ended.stdout == f"Exported 4 items of acme to {output}.\n"
    assert len(lines(output.read_text(encoding="utf-8"))) == 4
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if "jsonl" in path.name) == ["acme.jsonl"]


def test_an_erasure_removes_one_customer_from_the_file(tmp_path: Path) -> None:
    """The bytes of the file contain none of its data either. The other customer keeps all data."""
    data = filled(tmp_path / "scim.db", "acme")
    ended = run("customer", "erase", "acme", "--yes", "--data", str(data))
    assert ended.exit_code == 0, ended.output
    assert ended.stdout == "Erased 4 items of acme.\n"
    assert b"bjensen" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    filled(data, "other", "acme")
    run("customer", "erase", "acme", "--yes", "--data", str(data))
    assert run("customer", "export", "acme", "--data", str(data)).exit_code == 3
    assert len(lines(run("customer", "export", "other", "--data", str(data)).stdout)) == 4


def test_an_erasure_requires_confirmation_and_states_the_number_of_items(tmp_path: Path) -> None:
    data = filled(tmp_path / "scim.db", "acme")
    ended = run("customer", "erase", "acme", "--data", str(data))
    fails_with(ended, "Nothing was changed", "--yes")
    assert "items: 4" in ended.stderr
    assert len(lines(run("customer", "export", "acme", "--data", str(data)).stdout)) == 4


@pytest.mark.parametrize("command", [["export"], ["erase", "--yes"]], ids=["export", "erase"])
def test_missing_data_and_invalid_names_are_reported(tmp_path: Path, command: list[str]) -> None:
    fails_with(run("customer", *command, "acme"), "--data")
    fails_with(run("customer", *command, "acme", "--data", str(tmp_path / "none.db")), "no file")
    assert not (tmp_path / "none.db").exists()
    data = filled(tmp_path / "scim.db", "acme")
    for name in ("$system", "Acme", "a/b", "", "a" * 65, ".."):
        fails_with(run("customer", *command, "--data", str(data), "--", name), "1 to 64")


def test_a_customer_on_cosmos_is_exported_and_erased(cosmos_server: CosmosServer, cosmos_client: PortClient) -> None:
    emulator = cosmos_server.emulator
    person, leaver = cosmos_client.user("bjensen"), cosmos_client.user("leaver")
    guides = cosmos_client.group("Guides", person["id"], leaver["id"], *(f"member-{n}" for n in range(1_500)))
    assert cosmos_client.delete(f"/Users/{leaver['id']}").status == 204
    emulator.seed([{"id": "User:1", "tenant": "other", "type": "User", "key": "User:1"}])
    environment = {
        "SCIM_STORE": "cosmos",
        "COSMOS_ENDPOINT": cosmos_server.endpoint,
        "COSMOS_KEY": emulator.key,
    }
    exported = lines(run("customer", "export", "default", **environment).stdout)
    assert {line["resource"]["id"] for line in exported if "resource" in line} == {person["id"], guides["id"]}
    assert sum("member" in line for line in exported) == 1_501
    # After a cut connection, the same command completes the erasure.
    fault = Fault("query", CutBefore(), nth=3, times=None)
    emulator.faults.append(fault)
    fails_with(run("customer", "erase", "default", "--yes", **environment), "same command again")
    emulator.faults.remove(fault)
    assert 0 < len(emulator.items("default")) < 1_504
    ended = run("customer", "erase", "default", "--yes", **environment)
    assert ended.exit_code == 0, ended.output
    assert emulator.items("default") == []
    assert len(emulator.items("other")) == 1
    assert cosmos_client.get("/Users").json["totalResults"] == 0


def test_a_failed_export_leaves_no_file(tmp_path: Path, cosmos_server: CosmosServer, cosmos_client: PortClient) -> None:
    cosmos_client.user("bjensen")
    fault = Fault("query", CutBefore(), nth=2, times=None)
    cosmos_server.emulator.faults.append(fault)
    output = tmp_path / "default.jsonl"
    ended = run(
        *("customer", "export", "default", "--store", "cosmos", "--output", str(output)),
        COSMOS_ENDPOINT=cosmos_server.endpoint,
        COSMOS_KEY=cosmos_server.emulator.key,
    )
    cosmos_server.emulator.faults.remove(fault)
    fails_with(ended, "Not complete")
    assert not output.exists()


# --- scim reindex, on both stores -------------------------------------------------------------------------------


def outdated(path: Path, tenant: str, *names: str) -> Path:
    """Return a data file in which a customer has outdated users with these names, and an up-to-date one."""

    async def fill() -> None:
        store = SqliteStore(path)
        if tenant != "default":
            await Customers(store, utc_now).create(tenant)
        for number, name in enumerate(names):
            await store.create(tenant, replace(user(name, number), index_version="0.old", sort_keys={}))
        await store.create(tenant, group(number=1_000))
        await store.close()

    asyncio.run(fill())
    return path


def test_a_reindex_updates_a_customer_and_reports_the_number_of_resources(tmp_path: Path) -> None:
    data = outdated(tmp_path / "scim.db", "acme", "ada", "bob")
    ended = run("reindex", "--customer", "acme", "--data", str(data))
    assert ended.exit_code == 0, ended.output
    assert ended.stdout == "Rewrote 2 of 3 resources of acme.\n"
    assert run("reindex", "--customer", "acme", SCIM_DATA=str(data)).stdout == "Rewrote 0 of 3 resources of acme.\n"
    store = SqliteStore(data)
    found = asyncio.run(store.search("acme", "User", Search(None, 0, 10, sort="userName", descending=True)))
    assert [item.resource["userName"] for item in found.items] == ["bob", "ada"]
    asyncio.run(store.close())


def test_a_reindex_of_all_includes_every_customer_and_default(tmp_path: Path) -> None:
    data = outdated(tmp_path / "scim.db", "acme", "ada", "bob")
    outdated(data, "contoso", *(f"user-{number}" for number in range(230)))
    outdated(data, "default", "eve")
    ended = run("reindex", "--all", "--data", str(data))
    assert ended.exit_code == 0, ended.output
    assert ended.stdout.splitlines() == [
        "Rewrote 1 of 2 resources of default.",
        "Rewrote 2 of 3 resources of acme.",
        "Rewrote 230 of 231 resources of contoso.",
    ]
    # Customer records aren't resources.
    shown = run("customer", "list", "--data", str(data)).stdout
    assert [line.split()[0] for line in shown.splitlines()[1:]] == ["acme", "contoso"]


def test_a_reindex_names_failed_resources_without_their_values(tmp_path: Path) -> None:
    data = outdated(tmp_path / "scim.db", "acme", "ada", "bob")

    async def take() -> None:
        store = SqliteStore(data)
        # By older rules these two keys were different.
        new = replace(user("ADA", 7), key="User:another", index_version="0.old")
        await store.create("acme", new)
        await store.close()

    asyncio.run(take())
    ended = run("reindex", "--all", "--data", str(data))
    fails_with(ended, "still outdated", "1")
    assert ended.stdout.splitlines() == [
        "Rewrote 0 of 0 resources of default.",
        f"User {resource_id(7)}: another User has this 'userName'",
        "Rewrote 2 of 4 resources of acme.",
    ]
    assert "ADA" not in ended.output


@pytest.mark.parametrize("arguments", [[], ["--all", "--customer", "acme"]], ids=["nobody", "both"])
def test_a_reindex_requires_a_customer(tmp_path: Path, arguments: list[str]) -> None:
    data = outdated(tmp_path / "scim.db", "acme")
    fails_with(run("reindex", *arguments, "--data", str(data)), "--customer", "--all")
    fails_with(run("reindex", "--customer", "$system", "--data", str(data)), "1 to 64")
    fails_with(run("reindex", "--all"), "--data")


def test_repeating_a_failed_reindex_on_cosmos_completes_it(
    cosmos_server: CosmosServer, cosmos_client: PortClient
) -> None:
    emulator = cosmos_server.emulator
    ids = [cosmos_client.user(f"user-{number}")["id"] for number in range(5)]
    items = {item["id"]: item for item in emulator.items("default")}
    own = {name: value for name, value in items[f"User:{ids[0]}"].items() if not name.startswith("_")}
    partition = emulator.container().partition("default")
    for id in ids[:3]:  # in the format of the first version
        partition.delete(f"User:{id}", None)
        resource = items[f"User:{id}"]["resource"]
        old = {"id": f"User:{id}", "key": items[f"User:{id}"]["key"], "v": 1, "f": {"id": id}, "s": {}}
        emulator.seed([{**own, **old, "resource": resource}])
    environment = {
        "SCIM_STORE": "cosmos",
        "COSMOS_ENDPOINT": cosmos_server.endpoint,
        "COSMOS_KEY": emulator.key,
    }
    fault = Fault("batch", CutBefore(), nth=2, times=None)
    emulator.faults.append(fault)
    fails_with(run("reindex", "--all", **environment), "same command again")
    emulator.faults.remove(fault)
    assert cosmos_client.get("/Users?filter=userName+pr").json["totalResults"] == 3
    ended = run("reindex", "--all", **environment)
    assert ended.stdout == "Rewrote 2 of 5 resources of default.\n", ended.output
    assert cosmos_client.get("/Users?filter=userName+pr").json["totalResults"] == 5


def test_a_server_on_cosmos_sweeps_periodically(loop: Loop) -> None:
    emulator = Emulator()
    emulator.create("scim", {"id": "resources", **CONTAINER})
    endpoint = loop.run(emulator.start())
    gone, late = f"x:gone:Group:{resource_id(1)}", f"m:{resource_id(1)}:late"
    emulator.seed(
        [
            marker("default", gone, "gone", "2026-01-01T00:00:00.000000Z", "token"),
            {"id": late, "tenant": "default", "type": "member", "key": late, "group": resource_id(1), "member": "x"},
        ]
    )
    server = Server("--store", "cosmos", environment={"COSMOS_ENDPOINT": endpoint, "COSMOS_KEY": emulator.key})
    client = PortClient(server.origin)
    for _ in range(500):
        assert client.get("/Users").status == 200
        if any("the sweep deleted 1 leftover or expired items" in line for line in server._log):
            break
    client.close()
    code, log = server.stop()
    loop.run(emulator.stop())
    assert [(item["id"], item.get("done")) for item in emulator.items("default")] == [(gone, True)]
    assert code == 0
    assert "the sweep deleted 1 leftover or expired items" in log
    # The SDK would log each URL, which contains ids.
    assert resource_id(1) not in log
    assert endpoint not in log
