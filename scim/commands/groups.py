"""How the command and its groups behave without a subcommand, at Ctrl-C and in usage lines."""

import sys
from typing import Any

import click

from scim.commands.exits import INTERRUPTED
from scim.commands.target import program


class CommandGroup(click.Group):
    """A group that prints its help if no subcommand is given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; none at all is a request for help, as with `gh` and `az`."""
        return super().parse_args(ctx, args or ["--help"])


class MainGroup(CommandGroup):
    """The `scim` command itself."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Name the program in usage lines as the user typed it."""
        return super().make_context(program() if parent is None else info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Ctrl-C, at a prompt too, ends it with the exit code that shells expect."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)
