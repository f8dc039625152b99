"""`scim token`: secret tokens, for the "Secret Token" field of an identity provider."""

from datetime import datetime
from pathlib import Path

import click

from scim import app
from scim.commands.environment import guid, store_options, tenant_name
from scim.commands.work import on_customers
from scim.ids import uuid7
from scim.security import secret_tokens
from scim.security.customers import Customers
from scim.security.records import SecretToken


def _one_line(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    if not value.isprintable():
        raise click.BadParameter("a note is one line of plain text")
    return value


@click.group()
def token() -> None:
    """Make, list and revoke secret tokens.

    To rotate one without an outage: create another, put it into the identity provider, see with 'list' that it is in use,
    revoke the old one.
    """


@token.command()
@click.argument("name", metavar="CUSTOMER", callback=tenant_name)
@click.option(
    "--days",
    type=click.IntRange(1, 1095),
    default=365,
    show_default=True,
    help="How long it lets in; from 30 days before the end the service's log warns.",
)
@click.option("--note", default="", callback=_one_line, help="What it is for; shown by 'list'.")
@click.option("--read-only", is_flag=True, help="It may read, and change nothing.")
@store_options
def create(name: str, days: int, note: str, read_only: bool, data: Path | None, store: str | None) -> None:
    """Make a secret token for a customer and print it. It is shown this once and kept nowhere."""

    async def work(customers: Customers) -> None:
        text, record = secret_tokens.make(
            uuid7(app.utc_now)(),
            name,
            key=await customers.need_mac_key(),
            access="read" if read_only else "write",
            note=note,
            now=app.utc_now(),
            days=days,
        )
        await customers.add_token(record)
        click.echo(text)
        click.echo(
            f"Made token {record.id} for {name}, until {record.expires:%Y-%m-%d}. It isn't shown again.", err=True
        )

    on_customers(data, store, work)


@token.command("list")
@click.argument("name", metavar="[CUSTOMER]", required=False, callback=lambda c, p, v: v and tenant_name(c, p, v))
@store_options
def list_all(name: str | None, data: Path | None, store: str | None) -> None:
    """List the secret tokens of a customer, or of all. Their use is noted about once an hour."""

    async def work(customers: Customers) -> None:
        now = app.utc_now()
        click.echo(f"{'ID':<36}  {'ACCESS':<6}  {'CREATED':<10}  {'EXPIRES':<10}  {'LAST USED':<16}  CUSTOMER  NOTE")
        found = [one async for one in customers.tokens(name)]
        for one in found:
            click.echo(_line(one, now))
        if not found:
            click.echo(f"There is none; 'scim token create {name or 'CUSTOMER'}' makes one.", err=True)

    on_customers(data, store, work)


@token.command()
@click.argument("id", callback=guid)
@store_options
def revoke(id: str, data: Path | None, store: str | None) -> None:
    """Revoke a secret token by its id. Within a minute it lets nobody in, on any instance."""

    async def work(customers: Customers) -> None:
        await customers.revoke(id)
        click.echo(f"Revoked token {id}; it takes up to a minute.")

    on_customers(data, store, work, advice="'scim token list' shows those there are.")


def _line(one: SecretToken, now: datetime) -> str:
    used = f"{one.last_used:%Y-%m-%d %H:%M}" if one.last_used else "never"
    expired = " (expired)" if now >= one.expires else ""
    return (
        f"{one.id}  {one.access:<6}  {one.created:%Y-%m-%d}  {one.expires:%Y-%m-%d}  {used:<16}  "
        f"{one.customer}  {one.note}{expired}"
    )
