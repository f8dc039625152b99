"""Checks of arguments that several commands take."""

import click

from scim.security.records import GUID, NAME


def customer_name(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    """Check the name of a customer."""
    if NAME.fullmatch(value) is None:
        raise click.BadParameter("a name has 1 to 64 characters out of a-z, 0-9 and -")
    return value


def optional_customer_name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Check the name of a customer if one is given."""
    return None if value is None else customer_name(context, parameter, value)


def guid(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    """Check an id and make it lower case."""
    lowered = value.strip().lower()
    if GUID.fullmatch(lowered) is None:
        raise click.BadParameter("an id looks like 8adf8e6e-67b2-4cf2-a259-e3dc5476c621")
    return lowered


def guids(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Check several ids and make them lower case."""
    return tuple(guid(context, parameter, one) for one in value)


def one_line(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    """Check a text that is shown in a table."""
    if not value.isprintable():
        raise click.BadParameter("a note is one line of plain text")
    return value
