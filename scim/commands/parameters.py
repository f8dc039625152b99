"""Validates arguments that several commands have."""

import click

from scim.protocol.uuids import UUID
from scim.security.customers.records import NAME


def customer_name(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    """Return a valid customer name. Raises `click.BadParameter`."""
    if NAME.fullmatch(value) is None:
        raise click.BadParameter("a name must have 1 to 64 characters from a-z, 0-9 and -")
    return value


def optional_customer_name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return a valid customer name, or `None` if none is given. Raises `click.BadParameter`."""
    return None if value is None else customer_name(context, parameter, value)


def guid(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    """Return a valid id in lower case. Raises `click.BadParameter`."""
    lowered = value.strip().lower()
    if UUID.fullmatch(lowered) is None:
        raise click.BadParameter("an id must have the form 8adf8e6e-67b2-4cf2-a259-e3dc5476c621")
    return lowered


def guids(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Return several valid ids in lower case. Raises `click.BadParameter`."""
    return tuple(guid(context, parameter, one) for one in value)


def one_line(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    """Return a text that fits into a table. Raises `click.BadParameter`."""
    if not value.isprintable():
        raise click.BadParameter("a note must be one line of plain text")
    return value
