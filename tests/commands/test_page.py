"""docs/commands.md and the help of the commands say the same."""

import pytest

import scim
from scim.commands import exits
from tests.commands.page import BEGIN, PAGE, commands, reference
from tests.security.places import run


def test_the_page_lists_every_command_and_option() -> None:
    _, _, written = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert written == reference(), "run: .venv/bin/python -m tests.commands.page"


def test_the_page_lists_every_exit_code() -> None:
    codes = {value.exit_code for value in vars(exits).values() if hasattr(value, "exit_code")} | {0, exits.INTERRUPTED}
    text = PAGE.read_text(encoding="utf-8")
    assert codes == {0, 1, 2, 3, 4, 130}
    assert [code for code in sorted(codes) if f"\n| {code} | " not in text] == []


@pytest.mark.parametrize("name", ["", "customer", "token", "cosmos"])
def test_a_group_without_a_command_prints_its_help(name: str) -> None:
    ended = run(*name.split())
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout == run(*name.split(), "--help").stdout
    assert ended.stdout.startswith(f"Usage: scim {name}".rstrip())


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_has_a_help_text(name: str) -> None:
    ended = run(*name.split(), "-h")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Usage: scim {name} ")


def test_the_version_is_that_of_the_package() -> None:
    ended = run("--version")
    assert (ended.exit_code, ended.stdout) == (0, f"scim {scim.__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenant",),
        ("tenant", "erase", "contoso"),
        ("customer", "nothing"),
        ("customer", "list", "--nothing"),
        ("token", "create"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2_and_goes_to_standard_error(arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1].startswith("Error: ")
