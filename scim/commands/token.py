"""`scim token`: manages secret tokens, which an identity provider sends as bearer tokens."""

from datetime import datetime

import click

from scim import app
from scim.commands.exits import NotFound
from scim.commands.groups import CommandGroup
from scim.commands.output import Output, format_option, note as tell, table, token_json
from scim.commands.parameters import customer_name, guid, one_line, optional_customer_name
from scim.commands.run_on_store import confirm, on_customers
from scim.commands.target import Target, store_options
from scim.ids import uuid7
from scim.security import secret_tokens
from scim.security.customers.records import SecretToken
from scim.security.customers.repository import Customers


@click.group(cls=CommandGroup)
def token() -> None:
    """Create, list and revoke secret tokens.

    To replace a token without an outage: create a new one, enter it in the identity provider, wait until 'list' shows
    that it is used, and revoke the old one.
    """


@token.command()
@click.argument("name", metavar="CUSTOMER", callback=customer_name)
@click.option(
    "--days",
    type=click.IntRange(1, 1095),
    default=365,
    show_default=True,
    help="Days until the token expires. In the last 30 days, uses of the token log a warning, at most once a day.",
)
@click.option("--note", default="", callback=one_line, help="Purpose of the token, shown by 'list'.")
@click.option("--read-only", is_flag=True, help="Allow reading only.")
@format_option
@store_options
def create(name: str, days: int, note: str, read_only: bool, output: Output, target: Target) -> None:
    """Create a secret token for a customer and print it.

    The token is printed only now, because only a digest of it is stored. Enter the two printed values in the identity
    provider. The Tenant URL is SCIM_BASE_URL.
    """

    async def work(customers: Customers) -> None:
        text, record = secret_tokens.create(
            uuid7(app.utc_now)(),
            name,
            key=await customers.require_mac_key(),
            access="read" if read_only else "write",
            note=note,
            now=app.utc_now(),
            days=days,
        )
        await customers.add_token(record)
        url = target.settings.base_url
        output.result(
            {**token_json(record, app.utc_now()), "tenantUrl": url, "secretToken": text},
            [f"Tenant URL:   {url or _where_the_url_is(target)}", f"Secret Token: {text}"],
        )
        tell(
            f"Created token {record.id} for customer {name}. It expires on {record.expires:%Y-%m-%d} and isn't shown again."
        )

    on_customers(target, work)


@token.command("list")
@click.argument("name", metavar="[CUSTOMER]", required=False, callback=optional_customer_name)
@format_option
@store_options
def list_all(name: str | None, output: Output, target: Target) -> None:
    """List the secret tokens of a customer, or of all customers.

    The service records the use of a token about once an hour.
    """

    async def work(customers: Customers) -> None:
        now = app.utc_now()
        found = [one async for one in customers.tokens(name)]
        if name is not None and not found:
            await customers.require(name)
        header = ("ID", "ACCESS", "CREATED", "EXPIRES", "LAST USED", "CUSTOMER", "NOTE")
        output.result(
            [token_json(one, now) for one in found], table(header, [_row(one, now) for one in found]) if found else []
        )
        if not found:
            tell(f"There are no tokens. To create one, run: {target.command('token', 'create', name or 'CUSTOMER')}")

    on_customers(target, work)


@token.command()
@click.argument("id", callback=guid)
@click.option("--yes", is_flag=True, help="Don't ask for a confirmation.")
@format_option
@store_options
def revoke(id: str, yes: bool, output: Output, target: Target) -> None:
    """Revoke a secret token by its id.

    All instances of the service refuse it within a minute.
    """

    async def work(customers: Customers) -> None:
        found = await customers.secret_token(id)
        if found is None:
            raise NotFound(f"There is no secret token {id}. Run: {target.command('token', 'list')}")
        about = f" ({found.note})" if found.note else ""
        confirm(target, f"This revokes token {id}{about} of customer {found.customer}.", yes=yes)
        await customers.revoke(id)
        output.result(
            token_json(found, app.utc_now()),
            [f"Revoked token {id} of customer {found.customer}. This takes effect within a minute."],
        )

    on_customers(target, work)


def _where_the_url_is(target: Target) -> str:
    if target.settings.store == "cosmos":
        return "not known here. On Azure, run: azd env get-value TENANT_URL"
    return f"the base URL that this command prints: {target.command('serve')}"


def _row(one: SecretToken, now: datetime) -> tuple[str, ...]:
    used = f"{one.last_used:%Y-%m-%d %H:%M}" if one.last_used else "never"
    expires = f"{one.expires:%Y-%m-%d}{' (expired)' if now >= one.expires else ''}"
    return one.id, one.access, f"{one.created:%Y-%m-%d}", expires, used, one.customer, one.note
