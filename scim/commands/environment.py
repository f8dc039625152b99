"""What the commands share: settings, from the environment and from options that stand for a variable, and names."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from scim import settings
from scim.security.records import GUID, NAME


def store_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--data` and `--store`, which stand for SCIM_DATA and SCIM_STORE."""
    data = click.option(
        "--data",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File of the embedded store (SCIM_DATA); a server without one keeps everything in memory.",
    )
    store = click.option(
        "--store", type=click.Choice(["sqlite", "cosmos"]), help="Where resources are kept (SCIM_STORE)."
    )
    return data(store(command))


def tenant_name(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    """Checks the name of a tenant, which is that of a customer."""
    if NAME.fullmatch(value) is None:
        raise click.BadParameter("a name is 1 to 64 of a-z, 0-9 and -")
    return value


def guid(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    """Checks an id and makes it lower case."""
    lowered = value.strip().lower()
    if GUID.fullmatch(lowered) is None:
        raise click.BadParameter("an id looks like 8adf8e6e-67b2-4cf2-a259-e3dc5476c621")
    return lowered


def variables(data: Path | None = None, store: str | None = None) -> dict[str, str]:
    """The environment with the options in it; an empty variable counts as missing."""
    environ = {name: value for name, value in os.environ.items() if value}
    if data is not None:
        environ["SCIM_DATA"] = str(data)
    if store is not None:
        environ["SCIM_STORE"] = store
    return environ


def configured(environ: Mapping[str, str]) -> settings.Settings:
    """The settings; a wrong one ends the command with a line that names it."""
    try:
        return settings.from_environment(environ)
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from None
