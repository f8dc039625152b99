"""Which store a command works on, what it says if it can't be used, and advice that can be pasted."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scim.storage.cosmos.container import CONTAINER
from tests.commands.processes import SCIM, environment
from tests.conftest import Loop
from tests.cosmos_emulator import CutBefore, Emulator, Fault, forbidden
from tests.security.issuer import CONTOSO
from tests.security.places import run

COMMANDS = [
    ("customer", "list"),
    ("customer", "erase", "default", "--yes"),
    ("customer", "export", "default"),
    ("reindex", "--all"),
    ("token", "list"),
    ("serve", "--port", "0"),
]


@pytest.fixture
def account(loop: Loop) -> Iterator[tuple[Emulator, dict[str, str]]]:
    """An emulator with the container, and the variables that lead to it."""
    emulator = Emulator()
    emulator.create("scim", {"id": "resources", **CONTAINER})
    endpoint = loop.run(emulator.start())
    yield emulator, {"COSMOS_ENDPOINT": endpoint, "COSMOS_KEY": emulator.key}
    loop.run(emulator.stop())


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A SQLite file with the customer contoso."""
    path = str(tmp_path / "scim.db")
    assert run("customer", "create", "contoso", "--data", path).exit_code == 0
    return path


# --- which store ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_file_beside_cosmos_db_is_a_usage_error(
    account: tuple[Emulator, dict[str, str]], file: str, command: tuple[str, ...], by: str
) -> None:
    emulator, variables = account
    if by == "option":
        ended = run(*command, "--data", file, "--store", "cosmos", **variables)
    else:
        ended = run(*command, "--data", file, **variables, SCIM_STORE="cosmos")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "--data names a SQLite file" in ended.stderr.splitlines()[-1]
    assert emulator.requests == []


def test_data_chooses_the_file_and_the_option_wins_over_the_variables(
    account: tuple[Emulator, dict[str, str]], file: str
) -> None:
    emulator, variables = account
    variables |= {"SCIM_STORE": "cosmos"}
    for arguments, more in (
        (("--data", file), {"SCIM_STORE": ""}),
        (("--data", file), {"SCIM_STORE": "sqlite"}),
        (("--data", file), {"SCIM_STORE": "", "SCIM_DATA": "another.db"}),
        (("--data", file, "--store", "sqlite"), {}),
        (("--store", "sqlite"), {"SCIM_DATA": file}),
    ):
        ended = run("customer", "list", *arguments, **variables | more)
        assert "contoso" in ended.stdout, ended.stderr
        assert ended.stderr == ""
    assert emulator.requests == []
    ended = run("customer", "list", "--store", "cosmos", **variables, SCIM_DATA=file)
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "Warning" not in ended.stderr
    ended = run("customer", "list", **variables, SCIM_DATA=file)
    assert ended.stderr.startswith("Warning: SCIM_DATA has no effect, because SCIM_STORE=cosmos chooses Cosmos DB.\n")


@pytest.mark.parametrize("arguments", [(), ("--store", "sqlite")], ids=str)
def test_a_store_in_memory_is_for_serve_only(arguments: tuple[str, ...]) -> None:
    ended = run("customer", "list", *arguments)
    assert ended.exit_code == 2
    assert ended.stderr.splitlines()[-1] == "Error: No store is chosen. Add --data FILE or --store cosmos."


# --- a store that can't be used ---------------------------------------------------------------------------------


PROBLEMS = {
    "no such database": ({"COSMOS_DATABASE": "elsewhere"}, "has no database elsewhere with a container resources"),
    "no such container": ({"COSMOS_CONTAINER": "elsewhere"}, "scim cosmos init"),
    "another key": ({"COSMOS_KEY": "YW5vdGhlciBrZXk="}, "refused the key. Set COSMOS_KEY"),
    "no key": ({"COSMOS_KEY": ""}, "needs a key. Set COSMOS_KEY"),
    "nothing listens": ({"COSMOS_ENDPOINT": "http://127.0.0.1:1"}, "http://127.0.0.1:1 can't be reached"),
    "not signed in": (
        # One credential alone, and no such program: nothing is asked over the network.
        {
            "COSMOS_ENDPOINT": "https://127.0.0.1:1",
            "COSMOS_KEY": "",
            "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
            "PATH": "/nowhere",
        },
        "Not signed in to Azure, so Cosmos DB at https://127.0.0.1:1 can't be opened. Run 'az login'",
    ),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_one_line_says_what_failed_where_and_what_to_do(
    account: tuple[Emulator, dict[str, str]], command: tuple[str, ...], problem: str, capfd: pytest.CaptureFixture[str]
) -> None:
    emulator, variables = account
    changes, words = PROBLEMS[problem]
    variables |= changes
    ended = run(*command, "--store", "cosmos", **variables)
    assert (ended.exit_code, ended.stdout) == (4, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith("Error: ")
    assert words in line
    assert variables["COSMOS_ENDPOINT"] in line
    assert emulator.key not in line
    assert capfd.readouterr() == ("", ""), "what logging writes by itself"


def test_cosmos_db_without_an_address_is_told_by_the_name_of_the_setting() -> None:
    for command in COMMANDS:
        ended = run(*command, "--store", "cosmos")
        assert (ended.exit_code, ended.stdout) == (1, "")
        [line] = ended.stderr.splitlines()
        assert (
            line
            == "Error: COSMOS_ENDPOINT: must be the address of a Cosmos DB account or emulator, because SCIM_STORE=cosmos"
        )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault("container.read", forbidden(), times=None), "INFRA_OPERATORS"),
        (Fault("account.read", CutBefore(), times=None), "can't be reached"),
    ],
    ids=["forbidden", "cut"],
)
def test_a_refused_identity_and_a_cut_connection_have_their_own_line(
    account: tuple[Emulator, dict[str, str]], fault: Fault, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_COSMOS_HEALTH_CHECK_RETRY_AFTER_MS", "1")
    emulator, variables = account
    emulator.faults.append(fault)
    for command in COMMANDS:
        ended = run(*command, "--store", "cosmos", **variables)
        assert (ended.exit_code, ended.stdout) == (4, "")
        [line] = ended.stderr.splitlines()
        assert words in line


def test_an_account_of_another_consistency_is_reported(loop: Loop) -> None:
    emulator = Emulator(consistency="Session")
    emulator.create("scim", {"id": "resources", **CONTAINER})
    variables = {"COSMOS_ENDPOINT": loop.run(emulator.start()), "COSMOS_KEY": emulator.key}
    ended = run("serve", "--port", "0", "--store", "cosmos", **variables)
    loop.run(emulator.stop())
    assert (ended.exit_code, ended.stdout) == (4, "")
    assert "has consistency Session; it must be Strong" in ended.stderr


# --- advice that can be pasted ----------------------------------------------------------------------------------


def typed(*arguments: str, cwd: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], cwd=cwd, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )


def test_advice_repeats_program_and_store_as_they_were_typed(tmp_path: Path) -> None:
    (tmp_path / "bin").symlink_to(SCIM.parent)
    store = ("--data", "my data.db")
    made = typed("customer", "create", "contoso", *store, cwd=tmp_path, program="bin/scim")
    _, for_a_token, for_entra = made.stderr.splitlines()
    assert for_a_token == "  bin/scim token create contoso --data 'my data.db'"
    for advice in (for_a_token, for_entra.replace("ENTRA_TENANT_ID", CONTOSO)):
        program, *arguments = shlex.split(advice)
        assert typed(*arguments, cwd=tmp_path, program=program).returncode == 0
    wrong = typed("customer", "show", "contosso", *store, cwd=tmp_path, program="bin/scim")
    assert wrong.returncode == 3
    assert wrong.stderr == "Error: There is no customer contosso. Run: bin/scim customer list --data 'my data.db'\n"
    program, *arguments = shlex.split(wrong.stderr.partition("Run: ")[2])
    listed = typed(*arguments, "--format", "json", cwd=tmp_path, program=program)
    assert [one["name"] for one in json.loads(listed.stdout)] == ["contoso"]


def test_a_program_that_was_found_through_path_is_advised_by_its_name(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["sh", "-c", "scim customer create contoso --data scim.db; scim token"],
        cwd=tmp_path,
        env={**environment(), "PATH": f"{SCIM.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "  scim token create contoso --data scim.db" in ended.stderr.splitlines()
    assert "Usage: scim token [OPTIONS]" in ended.stdout


def test_a_reader_that_closes_standard_output_early_is_no_error(file: str) -> None:
    """As in `scim customer list | head -0`."""
    for command in (("customer", "list"), ("customer", "list", "--format", "json"), ("customer", "--help")):
        with subprocess.Popen(
            [SCIM, *command, *(() if "--help" in command else ("--data", file))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as process:
            assert process.stdout is not None
            process.stdout.close()
            assert process.stderr is not None
            assert process.stderr.read() == ""
