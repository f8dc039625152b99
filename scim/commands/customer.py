"""`scim customer`: who may come in, and by which ways."""

from pathlib import Path
from typing import get_args

import click

from scim.commands.environment import guid, store_options, tenant_name
from scim.commands.work import on_customers
from scim.security.clouds import CLOUDS, SYNC_FABRIC, CloudName
from scim.security.customers import Customers
from scim.security.principal import Access
from scim.security.records import EntraTenant, EntraWay
from scim.telemetry.record import hashed

_NAME = click.argument("name", metavar="CUSTOMER", callback=tenant_name)


def _guids(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(guid(context, parameter, one) for one in value)


_ENTRA_TENANT = click.option(
    "--entra-tenant",
    required=True,
    callback=guid,
    help="The customer's Entra tenant id: its 'Directory (tenant) ID' in the Entra admin center.",
)


@click.group()
def customer() -> None:
    """Say which customers there are, and whose tokens let somebody in.

    A customer is a tenant of the store. On Azure the service serves nobody until there is one. A running service follows
    a change within a minute.
    """


@customer.command()
@_NAME
@store_options
def create(name: str, data: Path | None, store: str | None) -> None:
    """Make a customer. Nobody can come in until it has a way: 'customer allow' or 'token create'."""

    async def work(customers: Customers) -> None:
        await customers.create(name)
        click.echo(f"Made customer {name}. Open a way in:")
        click.echo(f"  scim token create {name}                        # a secret token, for any identity provider")
        click.echo(f"  scim customer allow {name} --entra-tenant ...   # tokens of its Entra tenant")

    on_customers(data, store, work, may_be_new=True, advice=f"'scim customer show {name}' shows its ways in.")


@customer.command()
@_NAME
@_ENTRA_TENANT
@click.option(
    "--cloud",
    type=click.Choice(get_args(CloudName.__value__)),
    default="global",
    show_default=True,
    help="The cloud that the Entra tenant is in.",
)
@click.option("--audience", help="The tokens' 'aud'. [default: that of an application that isn't from the gallery]")
@click.option(
    "--application",
    "applications",
    multiple=True,
    callback=_guids,
    help="An application that may use the way, by its id; may be given again. [default: Entra's provisioning service]",
)
@click.option("--role", help="An application role that the token must have.")
@click.option("--read-only", is_flag=True, help="The way leads to reading, not to changing.")
@click.option(
    "--people",
    is_flag=True,
    help="People who have signed in to one of the applications may read their own user at /Me, and nothing else. "
    "Needs --audience and --application: your own API's, and that of the app that they sign in to.",
)
@store_options
def allow(
    name: str,
    entra_tenant: str,
    cloud: CloudName,
    audience: str | None,
    applications: tuple[str, ...],
    role: str | None,
    read_only: bool,
    people: bool,
    data: Path | None,
    store: str | None,
) -> None:
    """Let tokens of an Entra tenant in as a customer. The same tenant and audience again replaces what was allowed."""
    if people and not (audience and applications):
        # Without them the way would take the place of the provisioning service's, through which no person comes.
        raise click.UsageError("--people needs --audience and --application: a way of its own, beside provisioning's.")
    access: Access = "read" if read_only else "write"
    way = EntraWay(
        customer=name,
        audience=audience or CLOUDS[cloud].audience,
        applications=applications or (SYNC_FABRIC,),
        role=role or None,
        access=access,
        people=people,
    )

    async def work(customers: Customers) -> None:
        await customers.allow(EntraTenant(id=entra_tenant, cloud=cloud, ways=(way,)))
        click.echo(f"Tokens of Entra tenant {entra_tenant} with audience {way.audience} now let in {name}.")
        if people:
            click.echo("People who have signed in to those applications may read their own user at /Me.")

    on_customers(data, store, work)


@customer.command()
@_NAME
@_ENTRA_TENANT
@click.option("--audience", help="Close the way with this 'aud' only.")
@store_options
def deny(name: str, entra_tenant: str, audience: str | None, data: Path | None, store: str | None) -> None:
    """Let tokens of an Entra tenant no longer in as a customer."""

    async def work(customers: Customers) -> None:
        await customers.deny(name, entra_tenant, audience)
        click.echo(f"Tokens of Entra tenant {entra_tenant} no longer let in {name}; it takes up to a minute.")

    on_customers(data, store, work, advice=f"'scim customer show {name}' shows those that do.")


@customer.command("list")
@store_options
def list_all(data: Path | None, store: str | None) -> None:
    """List the customers, and which of them people come in to as well."""

    async def work(customers: Customers) -> None:
        found = [one async for one in customers.all()]
        ways = [way for tenant in await customers.entra_tenants() for way in tenant.ways]
        of_people = {way.customer for way in ways if way.people}
        for one in found:
            click.echo(f"{one.name:<64} {one.created:%Y-%m-%d}{' people' if one.name in of_people else ''}")
        if not found:
            click.echo("There is no customer yet; 'scim customer create NAME' makes one.", err=True)

    on_customers(data, store, work)


@customer.command()
@_NAME
@store_options
def show(name: str, data: Path | None, store: str | None) -> None:
    """Show the ways in to a customer, but for its secret tokens, which 'token list' shows."""

    async def work(customers: Customers) -> None:
        await customers.need(name)
        click.echo(f"In the log: tenant={hashed(name)}")
        for tenant in await customers.entra_tenants(name):
            for way in tenant.ways:
                if way.customer == name:
                    click.echo(f"Entra tenant {tenant.id} ({tenant.cloud})")
                    click.echo(f"  audience      {way.audience}")
                    click.echo(f"  applications  {', '.join(way.applications)}")
                    click.echo(f"  role          {way.role or '-'}")
                    click.echo(f"  access        {way.access}")
                    click.echo(f"  people        {'yes, for /Me' if way.people else 'no'}")
        click.echo(f"Secret tokens: {len([token async for token in customers.tokens(name)])}")

    on_customers(data, store, work)


@customer.command()
@_NAME
@click.option("--yes", is_flag=True, help="Really remove; without it the command only says what would happen.")
@store_options
def remove(name: str, yes: bool, data: Path | None, store: str | None) -> None:
    """Close all ways in to a customer and forget them. Users and groups stay: 'tenant erase' deletes those."""

    async def work(customers: Customers) -> None:
        if not yes:
            raise click.ClickException(
                f"This closes all ways in to {name} and forgets its tokens. To do it, add --yes."
            )
        if not await customers.remove(name):
            raise click.ClickException(f"There is no customer {name}; 'scim customer list' shows those there are.")
        click.echo(f"Removed customer {name}; within a minute nobody comes in. Its users and groups are still there.")

    on_customers(data, store, work)
