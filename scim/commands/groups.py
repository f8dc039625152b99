"""The behaviour of the command and its groups: without a subcommand, at Ctrl-C, and in usage lines."""

import sys
from typing import Any

import click

from scim.commands.exits import INTERRUPTED
from scim.commands.target import program


class CommandGroup(click.Group):
    """A group that prints its help if no subcommand is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Without arguments, print the help, as `gh` and `az` do."""
        return super().parse_args(ctx, args or ["--help"])


class MainGroup(CommandGroup):
    """The `scim` command itself."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Return a context with the program's name as the user typed it, for usage lines."""
        return super().make_context(program() if parent is None else info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Ctrl-C, also at a prompt, ends it with the usual exit code."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)
