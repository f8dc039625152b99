"""The reference part of docs/commands.md, from the commands themselves: `python -m tests.commands.page` writes it."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from scim.cli import main

PAGE: Final = Path(__file__).parents[2] / "docs" / "commands.md"
BEGIN: Final = "<!-- python -m tests.commands.page writes what follows -->\n"


def commands(command: click.Command = main, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its words after `scim`."""
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from commands(command.commands[name], *names, name)
    else:
        yield " ".join(names), command


def reference() -> str:
    """A section for each command."""
    return "".join(_section(name, command) for name, command in commands())


def _section(name: str, command: click.Command) -> str:
    # With the settings of the main command: a command keeps the help option that it makes at its first use.
    context = click.Context(command, info_name=name, **main.context_settings)
    options = [option for option in command.params if isinstance(option, click.Option)]
    rows = "".join(_row(option, context) for option in options)
    usage = " ".join(["scim", name, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or "").replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")
    table = f"| option | meaning |\n|---|---|\n{rows}\n" if rows else ""
    return f"\n### scim {name}\n```\n{usage}\n```\n\n{text}\n\n{table}".rstrip() + "\n"


def _row(option: click.Option, context: click.Context) -> str:
    names, meaning = option.get_help_record(context) or ("", "")
    cells = (f"`{names}`", " ".join(meaning.split()))
    return f"| {' | '.join(cell.replace('|', '\\|') for cell in cells)} |\n"


if __name__ == "__main__":
    head, _, _ = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}{reference()}", encoding="utf-8")
