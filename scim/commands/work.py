"""Opens the store of a command, runs the work on it, and turns every error into one line with an exit code."""

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
from scim.security import customers
from scim.security.customers import Customers
from scim.settings import SettingsError
from scim.storage.interface import Store, StoreError, StoreUnavailable


def on_store(target: Target, work: Callable[[Store], Awaitable[None]], *, may_be_new: bool = False) -> None:
    """Open the store, work on it, close it. With `may_be_new` a SQLite file is made if it is missing."""
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
    except customers.Refused as refused:
        remedy = f" Run: {target.command(*refused.remedy)}" if refused.remedy else ""
        ended: type[click.ClickException] = NotFound if isinstance(refused, customers.NotFound) else Failed
        raise ended(f"{refused}{remedy}") from None
    except StoreError as error:
        reason = str(error) or type(error).__name__
        raise Failed(f"Not complete: {reason}. Run the same command again to continue.") from None
    except BrokenPipeError:
        raise  # `scim ... | head` has seen enough; click ends without a message
    except OSError as error:
        raise Failed(f"Not complete: {error.filename or 'a file'}: {error.strerror}.") from None


def on_customers(target: Target, work: Callable[[Customers], Awaitable[None]], *, may_be_new: bool = False) -> None:
    """Do the same for work on the records of customers."""

    async def on_opened(opened: Store) -> None:
        await work(Customers(opened, app.utc_now))

    on_store(target, on_opened, may_be_new=may_be_new)


@contextmanager
def opening(target: Target) -> Iterator[None]:
    """Turn what goes wrong before a store answers into an error that says what to do."""
    # azure-identity logs pages of text about each credential that it tried. The error below is the line that matters.
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)
    try:
        yield
    except SettingsError as error:
        raise Failed(str(error)) from None
    except StoreUnavailable as error:
        raise StoreNotOpened(explain(error, target)) from None


async def reach(opened: Store) -> None:
    """Read a record, so that an error about an unreachable database comes before anything is announced or changed."""
    await Customers(opened, app.utc_now).customer(app.TENANT)


async def items_of(opened: Store, name: str) -> int:
    """Count the items of a customer. Raises `customers.NotFound` if there is no such customer.

    `default`, the customer of the development token, has no record, and a removed customer has none any more. Both count
    as customers while the store holds items of theirs.
    """
    found = await opened.count(name)
    if not found:
        await Customers(opened, app.utc_now).need(name)
    return found


def confirm(target: Target, change: str, *, yes: bool) -> None:
    """Say what is about to change and in which store, and ask for a confirmation unless `--yes` was given."""
    note(change)
    note(f"Store: {target}")
    if yes:
        return
    if not sys.stdin.isatty():
        raise NotConfirmed("Nothing was changed. There is no terminal to ask on: add --yes to confirm.")
    # asyncio's own handler only cancels the task, which waits for the answer: Ctrl-C would do nothing.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        agreed = click.confirm("Continue?", err=True)
    finally:
        signal.signal(signal.SIGINT, before)
    if not agreed:
        raise Failed("Nothing was changed.")


def _check_data(target: Target, *, may_be_new: bool) -> None:
    """Raise a usage error unless the SQLite file exists: a new or an empty store would look erased."""
    if target.is_in_memory:
        raise click.UsageError("No store is chosen: add --data FILE, or --store cosmos.")
    file = target.settings.data if target.settings.store == "sqlite" else None
    if file is not None and not may_be_new and not file.exists():
        raise click.UsageError(f"There is no file {file}.")
