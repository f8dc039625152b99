"""The exit codes of the `scim` command, and the errors that end it with them (docs/commands.md).

0 is success. `scim doctor` uses 1 and 2 differently (docs/doctor.md).
"""

from typing import Final

import click

INTERRUPTED: Final = 130
"""Ctrl-C. Shells report 128 plus the number of the signal."""


class Failed(click.ClickException):
    """The command failed. A part of its work may be done."""

    exit_code = 1


class NotConfirmed(click.ClickException):
    """`--yes` is missing, and there is no terminal to ask on. Nothing was changed."""

    exit_code = 2


class NotFound(click.ClickException):
    """The customer, token or Entra rule doesn't exist. Nothing was changed."""

    exit_code = 3


class StoreNotOpened(click.ClickException):
    """The store can't be opened or reached. Nothing was changed."""

    exit_code = 4
