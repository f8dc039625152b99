"""Work of a command on the store that options and environment name, and what goes wrong there as one line."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from scim import app
from scim.commands.environment import configured, variables
from scim.security.customers import Customers, Refused
from scim.settings import Settings
from scim.storage.interface import Store, StoreError, StoreUnavailable


def on_store(
    data: Path | None, store: str | None, work: Callable[[Store], Awaitable[None]], *, may_be_new: bool = False
) -> None:
    """Open the store, work on it, close it. With `may_be_new` the file of an embedded store is made if it is missing."""
    settings = configured(variables(data, store))
    _check_data(settings, may_be_new=may_be_new)

    async def run() -> None:
        try:
            opened = app.open_store(settings, app.Collaborators())
        except StoreUnavailable as error:
            raise click.ClickException(f"Can't open the data: {error}. --data or SCIM_DATA says where it is.") from None
        try:
            await work(opened)
        finally:
            await opened.close()

    try:
        asyncio.run(run())
    except StoreError as error:
        reason = str(error) or type(error).__name__
        raise click.ClickException(f"Not complete: {reason}. The same command again goes on.") from None
    except OSError as error:
        raise click.ClickException(f"Not complete: {error.strerror}") from None


def on_customers(
    data: Path | None,
    store: str | None,
    work: Callable[[Customers], Awaitable[None]],
    *,
    may_be_new: bool = False,
    advice: str = "",
) -> None:
    """The same for work on the customers. `advice` says what to do when it is refused."""

    async def on_opened(opened: Store) -> None:
        try:
            await work(Customers(opened, app.utc_now))
        except Refused as refused:
            raise click.ClickException(f"{refused} {advice}".strip()) from None

    on_store(data, store, on_opened, may_be_new=may_be_new)


def _check_data(settings: Settings, *, may_be_new: bool) -> None:
    """An embedded store must be there already: a new one, or one in memory, would be empty and look erased."""
    if settings.store != "sqlite":
        return
    if settings.data is None:
        raise click.UsageError("Say which data: --data FILE, or --store cosmos.")
    if not may_be_new and not settings.data.is_file():
        raise click.UsageError(f"There is no file {settings.data}.")
