"""`scim reindex`: rewrites resources that have another index version than the current one."""

import sys

import click

from scim import app
from scim.commands.exits import Failed
from scim.commands.output import Output, format_option
from scim.commands.parameters import optional_customer_name
from scim.commands.run_on_store import items_of, on_store
from scim.commands.target import Target, store_options
from scim.protocol.json import JsonObject
from scim.protocol.schema.registry import Registry
from scim.security.customers.repository import Customers
from scim.service.reindex import Reindex
from scim.settings import SettingsError
from scim.storage.interface import Store


@click.command()
@click.option("--customer", metavar="NAME", callback=optional_customer_name, help="Customer to reindex.")
@click.option(
    "--all",
    "everybody",
    is_flag=True,
    help="Reindex all customers, including 'default', the customer of the development token.",
)
@format_option
@store_options
def reindex(customer: str | None, everybody: bool, output: Output, target: Target) -> None:
    """Rewrite resources whose indexed values are outdated.

    Use either --customer NAME or --all. Run it after an upgrade if the changelog says so, and after changing the custom
    schemas. The service can run at the same time. If the command is interrupted, run it again to continue. If resources
    stay outdated, it lists the reasons and exits with 1. Clients see no change except the version (ETag).
    """
    if everybody == (customer is not None):
        raise click.UsageError("Use --customer NAME or --all.")

    try:
        registry = app.registry_of(target.settings)
    except SettingsError as error:
        raise Failed(str(error)) from None

    async def work(opened: Store) -> None:
        if customer is None:
            others = [
                one.name async for one in Customers(opened, app.utc_now).all() if one.name != app.DEFAULT_CUSTOMER
            ]
            names = [app.DEFAULT_CUSTOMER, *others]
        else:
            await items_of(opened, customer)
            names = [customer]
        done = [await _one(opened, registry, name) for name in names]
        output.result(done, [line for one in done for line in _text(one)])
        if left := sum(len(one["outdated"]) for one in done):
            raise Failed(
                f"Resources that are still outdated, for the reasons above: {left}. Change them, and run the same command again."
            )

    on_store(target, work)


async def _one(store: Store, registry: Registry, name: str) -> JsonObject:
    """Reindex one customer. Return the numbers, and the resources that are still outdated."""
    work = Reindex(store, registry, app.Collaborators().sleep)
    rewritten, outdated = 0, list[JsonObject]()
    total = await work.count(name)
    with click.progressbar(length=total, label=f"Reindexing {name}", file=sys.stderr) as bar:
        async for result in work.run(name):
            if result:
                rewritten += 1
            else:
                outdated.append({"resourceType": result.type_name, "id": result.id, "reason": result.reason})
            bar.update(1)
        bar.update(total - bar.pos)  # up to date before
    return {"customer": name, "resources": total, "rewritten": rewritten, "outdated": outdated}


def _text(one: JsonObject) -> list[str]:
    return [
        *(f"{left['resourceType']} {left['id']}: {left['reason']}" for left in one["outdated"]),
        f"Rewrote {one['rewritten']} of {one['resources']} resources of {one['customer']}.",
    ]
