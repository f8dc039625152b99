"""What the commands share: the settings, from the environment and from options that stand for a variable."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from scim import settings


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
