"""Chooses the store of a command from `--data`, `--store` and the environment, and names it as the user typed it."""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Self

import click

from scim import settings
from scim.settings import Settings, SettingsError


@dataclass(frozen=True, slots=True)
class Target:
    """The store that a command line chooses."""

    environ: Mapping[str, str]
    """The environment with the options in it, without empty variables."""
    settings: Settings
    options: tuple[str, ...] = ()
    """The options that choose the store, as the user typed them."""

    @classmethod
    def of(cls, data: Path | None, store: str | None) -> Self:
        """Read the options and the environment, and print warnings. Raises a usage error if they contradict each other."""
        environ = {name: value for name, value in os.environ.items() if value}
        options: list[str] = []
        if data is not None:
            _check_sqlite(store, environ.get("SCIM_STORE"))
            environ |= {"SCIM_DATA": str(data), "SCIM_STORE": "sqlite"}
            options += ["--data", str(data)]
        if store is not None:
            if store == "cosmos":
                environ.pop("SCIM_DATA", None)  # no warning, because the option chose Cosmos DB on purpose
            environ["SCIM_STORE"] = store
            options += ["--store", store]
        for warning in settings.warnings(environ):
            click.echo(f"Warning: {warning}", err=True)
        return cls(environ, configured(environ), tuple(options))

    @property
    def is_in_memory(self) -> bool:
        """Whether the data is lost when the process ends."""
        return self.settings.store == "sqlite" and self.settings.data is None

    def __str__(self) -> str:
        given = self.settings
        if given.store == "cosmos":
            place = f"database {given.cosmos_database}, container {given.cosmos_container}"
            return f"Cosmos DB at {given.cosmos_endpoint}, {place}"
        return f"SQLite file {given.data.absolute()}" if given.data else "SQLite in memory"

    def command(self, *words: str) -> str:
        """Return a command on the same store, as the user must type it."""
        return f"{shlex.quote(program())} {shlex.join([*words, *self.options])}"


def store_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options `--data` and `--store` to a command, which gets the argument `target` for them."""

    @wraps(command)
    def on_target(*arguments: Any, data: Path | None, store: str | None, **named: Any) -> None:
        command(*arguments, target=Target.of(data, store), **named)

    with_data = click.option(
        "--data",
        type=click.Path(dir_okay=False, path_type=Path),
        help="SQLite file to use. With SCIM_STORE=cosmos, add --store sqlite. [default: SCIM_DATA]",
    )
    with_store = click.option(
        "--store", type=click.Choice(["sqlite", "cosmos"]), help="Store to use. [default: SCIM_STORE, or sqlite]"
    )
    return with_data(with_store(on_target))


def program() -> str:
    """Return the program as the user typed it; `scim` if that isn't known."""
    typed = Path(sys.argv[0])
    if typed.stem != "scim":
        return "scim"
    path = shutil.which("scim")
    # A program that was found through PATH has its full path here.
    return "scim" if path is not None and Path(path) == typed else str(typed)


def configured(environ: Mapping[str, str]) -> Settings:
    """Return the settings. A wrong one ends the command with a line that names it."""
    try:
        return settings.from_environment(environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def _check_sqlite(option: str | None, variable: str | None) -> None:
    """Raise a usage error if both `--data` and Cosmos DB are chosen, so that no command uses the wrong store."""
    if option == "cosmos":
        raise click.UsageError("--data names a SQLite file and --store cosmos chooses Cosmos DB. Use only one of them.")
    if option is None and variable == "cosmos":
        raise click.UsageError(
            "--data names a SQLite file, but SCIM_STORE=cosmos chooses Cosmos DB. "
            "Add '--store sqlite' to use the file, or leave out --data to use Cosmos DB."
        )
