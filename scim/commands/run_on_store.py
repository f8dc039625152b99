"""Opens the store of a command, runs the work on it, and turns each error into one line and an exit code."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import click

from scim import app
from scim.commands.exits import Failed, NotConfirmed, NotFound, StoreNotOpened
from scim.commands.output import note
from scim.commands.store_problems import explain
from scim.commands.target import Target
from scim.security.customers import repository
from scim.security.customers.repository import Customers
from scim.settings import SettingsError
from scim.storage.errors import StoreError, StoreUnavailable
from scim.storage.interface import Store


def on_store(target: Target, work: Callable[[Store], Awaitable[None]], *, may_be_new: bool = False) -> None:
    """Open the store, run `work` on it and close it. With `may_be_new`, create a missing SQLite file."""
    _check_data(target, may_be_new=may_be_new)

    async def run() -> None:
        with opening(target):
            opened = app.open_store(target.settings, app.Collaborators())
        try:
            with opening(target):
                await reach(opened)
            await work(opened)
        finally:
            await opened.close()

    try:
        asyncio.run(run())
    except repository.ChangeRefused as refused:
        remedy = f" Run: {target.command(*refused.remedy)}" if refused.remedy else ""
        ended: type[click.ClickException] = NotFound if isinstance(refused, repository.RecordNotFound) else Failed
        raise ended(f"{refused}{remedy}") from None
    except StoreError as error:
        reason = str(error) or type(error).__name__
        raise Failed(f"Not complete: {reason}. Run the same command again to continue.") from None
    except BrokenPipeError:
        raise  # `scim ... | head` closed the pipe; click ends without a message
    except OSError as error:
        raise Failed(f"Not complete: {error.filename or 'a file'}: {error.strerror}.") from None


def on_customers(target: Target, work: Callable[[Customers], Awaitable[None]], *, may_be_new: bool = False) -> None:
    """Do the same for work on the records of customers."""

    async def on_opened(opened: Store) -> None:
        await work(Customers(opened, app.utc_now))

    on_store(target, on_opened, may_be_new=may_be_new)


@contextmanager
def opening(target: Target) -> Iterator[None]:
    """Turn an error of opening or reaching the store into a message with the remedy."""
    # azure-identity logs pages of text about each credential that it tried. The error below is enough.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    try:
        yield
    except SettingsError as error:
        raise Failed(str(error)) from None
    except StoreUnavailable as error:
        raise StoreNotOpened(explain(error, target)) from None


async def reach(opened: Store) -> None:
    """Read a record, so that an unreachable database is reported before anything is announced or changed."""
    await Customers(opened, app.utc_now).customer(app.DEFAULT_CUSTOMER)


async def items_of(opened: Store, name: str) -> int:
    """Return the number of items of a customer. Raises `RecordNotFound` if the customer doesn't exist.

    The customer `default` of the development token has no record, and neither has a removed customer. Both exist as
    long as the store has items of theirs.
    """
    items = await opened.count(name)
    if not items:
        await Customers(opened, app.utc_now).require(name)
    return items


def confirm(target: Target, change: str, *, yes: bool) -> None:
    """Print the change and the store, and ask for confirmation, unless `--yes` was given. Raises `NotConfirmed`."""
    note(change)
    note(f"Store: {target}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed("Nothing was changed. There is no terminal to ask on: add --yes to confirm.")
    # asyncio's handler would only cancel the task, which waits for the answer, so Ctrl-C would have no effect.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        agreed = click.confirm("Continue?", err=True)
    finally:
        signal.signal(signal.SIGINT, before)
    if not agreed:
        raise Failed("Nothing was changed.")


def _check_data(target: Target, *, may_be_new: bool) -> None:
    """Raise a usage error if the SQLite file doesn't exist, because a new, empty store would look as if data were lost."""
    if target.is_in_memory:
        raise click.UsageError("No store is chosen. Add --data FILE or --store cosmos.")
    file = target.settings.data if target.settings.store == "sqlite" else None
    if file is not None and not may_be_new and not file.exists():
        raise click.UsageError(f"There is no file {file}.")
