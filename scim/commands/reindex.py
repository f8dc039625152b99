"""`scim reindex`: brings what is stored up to the present rules and schemas."""

import sys
from pathlib import Path

import click

from scim import app
from scim.commands.environment import configured, store_options, tenant_name, variables
from scim.commands.work import on_store
from scim.protocol.registry import Registry
from scim.security.customers import Customers
from scim.service.reindex import Reindex, Seen
from scim.settings import SettingsError
from scim.storage.interface import Store


def _name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    return None if value is None else tenant_name(context, parameter, value)


@click.command()
@click.option("--customer", metavar="NAME", callback=_name, help="The customer whose resources are brought up to date.")
@click.option("--all", "everybody", is_flag=True, help="All customers, and 'default' of a development token.")
@store_options
def reindex(customer: str | None, everybody: bool, data: Path | None, store: str | None) -> None:
    """Write anew what was written by an older version or under other schemas: for search, order and uniqueness.

    Run it after an upgrade that says so, and after a change of schemas. The service may run meanwhile. It may be stopped at
    any time; the same command again goes on. Nothing that a client sees changes but the version (ETag).
    """
    if everybody == (customer is not None):
        raise click.UsageError("Say whose: --customer NAME, or --all.")

    try:
        registry = app.registry_of(configured(variables(data, store)))
    except SettingsError as error:
        raise click.ClickException(str(error)) from None

    async def work(opened: Store) -> None:
        names = [customer or app.TENANT]
        if everybody:
            names += [one.name async for one in Customers(opened, app.utc_now).all() if one.name != app.TENANT]
        left = sum([await _one(opened, registry, name) for name in names])
        if left:
            raise click.ClickException(
                f"{left} resources are not up to date; the lines above say why. Change them, and run the command again."
            )

    on_store(data, store, work)


async def _one(store: Store, registry: Registry, name: str) -> int:
    """Bring one tenant up to date; how many resources of it couldn't be."""
    work = Reindex(store, registry, app.Collaborators().sleep)
    rewritten, left = 0, list[Seen]()
    total = await work.count(name)
    with click.progressbar(length=total, label=f"Reindexing {name}", file=sys.stderr) as bar:
        async for seen in work.run(name):
            if seen:
                rewritten += 1
            else:
                left.append(seen)
            bar.update(1)
        bar.update(total - bar.pos)  # those that were up to date
    for seen in left:
        click.echo(f"{seen.kind} {seen.id}: {seen.reason}")
    click.echo(f"Rewrote {rewritten} of {total} resources of {name}.")
    return len(left)
