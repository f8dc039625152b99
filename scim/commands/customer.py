"""`scim customer`: manages customers, their Entra rules and their data."""

from collections.abc import Sequence
from typing import get_args

import click

from scim import app
from scim.commands.customer_data import erase, export
from scim.commands.exits import NotFound
from scim.commands.groups import CommandGroup
from scim.commands.output import Output, customer_json, format_option, note, rule_json, table
from scim.commands.parameters import customer_name, guid, guids
from scim.commands.run_on_store import confirm, on_customers
from scim.commands.target import Target, store_options
from scim.protocol.json import JsonObject
from scim.security.clouds import CLOUDS, SYNC_FABRIC, CloudName
from scim.security.customers.records import AccessRule, Customer, EntraTenant, SecretToken
from scim.security.customers.repository import Customers
from scim.security.principal import Access

_NAME = click.argument("name", metavar="CUSTOMER", callback=customer_name)
_YES = click.option("--yes", is_flag=True, help="Don't ask for a confirmation.")
_ENTRA_TENANT = click.option(
    "--entra-tenant",
    required=True,
    callback=guid,
    help="The customer's Entra tenant id: 'Directory (tenant) ID' in the Entra admin center.",
)
_HEADER = ("CUSTOMER", "CREATED", "ACCESS", "TOKENS", "NEXT EXPIRY", "ENTRA RULES", "PEOPLE")

type Rules = list[tuple[EntraTenant, AccessRule]]


@click.group(cls=CommandGroup)
def customer() -> None:
    """Manage customers, their credentials and their data.

    On Azure, the service accepts no requests until a customer exists. A running service applies a change within a
    minute.
    """


customer.add_command(export)
customer.add_command(erase)


@customer.command()
@_NAME
@format_option
@store_options
def create(name: str, output: Output, target: Target) -> None:
    """Create a customer.

    The customer needs a credential before it can use the service: a secret token ('token create') or an Entra rule
    ('customer allow').
    """

    async def work(customers: Customers) -> None:
        made = await customers.create(name)
        output.result(customer_json(made, [], [], app.utc_now()), [f"Created customer {name}."])
        note("Next, create a credential, for any identity provider or for Entra ID:")
        note(f"  {target.command('token', 'create', name)}")
        note(f"  {target.command('customer', 'allow', name, '--entra-tenant', 'ENTRA_TENANT_ID')}")

    on_customers(target, work, may_be_new=True)


@customer.command()
@_NAME
@_ENTRA_TENANT
@click.option(
    "--cloud",
    type=click.Choice(get_args(CloudName.__value__)),
    default="global",
    show_default=True,
    help="The cloud of the Entra tenant.",
)
@click.option("--audience", help="Audience (claim 'aud') of the tokens. [default: that of a non-gallery application]")
@click.option(
    "--application",
    "applications",
    multiple=True,
    callback=guids,
    help="Id of an application whose tokens are accepted. Can be repeated. [default: Entra's provisioning service]",
)
@click.option("--role", help="An application role that the token must have.")
@click.option("--read-only", is_flag=True, help="Allow reading only.")
@click.option(
    "--people",
    is_flag=True,
    help="Accept only tokens of users who signed in to one of the applications. They may only read their own user at /Me. "
    "Needs --audience, the audience of your API, and --application, the application that the users sign in to.",
)
@format_option
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
    output: Output,
    target: Target,
) -> None:
    """Accept tokens of an Entra tenant for a customer.

    A rule with the same Entra tenant and audience replaces the customer's earlier one. If it belongs to another
    customer, the command fails.
    """
    if people and not (audience and applications):
        # Without them, the rule would replace the one for the provisioning service, whose tokens never belong to users.
        raise click.UsageError(
            "--people needs --audience and --application, because it is a separate rule from the one for provisioning."
        )
    access: Access = "read" if read_only else "write"
    rule = AccessRule(
        customer=name,
        audience=audience or CLOUDS[cloud].audience,
        applications=applications or (SYNC_FABRIC,),
        role=role or None,
        access=access,
        people=people,
    )
    tenant = EntraTenant(id=entra_tenant, cloud=cloud, access_rules=(rule,))

    async def work(customers: Customers) -> None:
        await customers.allow(tenant)
        text = [
            f"Tokens of Entra tenant {entra_tenant} with audience {rule.audience} are accepted for customer {name}."
        ]
        if people:
            text.append("Users who signed in to these applications may read their own user at /Me.")
        output.result(rule_json(tenant, rule), text)

    on_customers(target, work)


@customer.command()
@_NAME
@_ENTRA_TENANT
@click.option("--audience", help="Remove only the rule with this 'aud'. [default: all rules of that Entra tenant]")
@_YES
@format_option
@store_options
def deny(name: str, entra_tenant: str, audience: str | None, yes: bool, output: Output, target: Target) -> None:
    """Stop accepting tokens of an Entra tenant for a customer."""

    async def work(customers: Customers) -> None:
        rules = [
            (tenant, rule)
            for tenant, rule in await _rules(customers, name)
            if tenant.id == entra_tenant and audience in {None, rule.audience}
        ]
        if not rules:
            await customers.require(name)
            shown = target.command("customer", "show", name)
            raise NotFound(f"Customer {name} has no such Entra rule. Run: {shown}")
        audiences = ", ".join(rule.audience for _, rule in rules)
        confirm(
            target,
            f"Tokens of Entra tenant {entra_tenant} with audience {audiences} will be refused for customer {name}.",
            yes=yes,
        )
        await customers.deny(name, entra_tenant, audience)
        output.result(
            [rule_json(tenant, rule) for tenant, rule in rules],
            [
                f"Tokens of Entra tenant {entra_tenant} are no longer accepted for customer {name}. This takes effect within a minute."
            ],
        )

    on_customers(target, work)


@customer.command("list")
@format_option
@store_options
def list_all(output: Output, target: Target) -> None:
    """List the customers with their access, secret tokens and Entra rules.

    TOKENS is the number of secret tokens that haven't expired, and NEXT EXPIRY is when the first of them expires.
    PEOPLE says whether users may read their own user at /Me.
    """

    async def work(customers: Customers) -> None:
        rules, tokens = await _rules(customers), [token async for token in customers.tokens()]
        now = app.utc_now()
        rows = [
            customer_json(one, _of(one.name, rules), [token for token in tokens if token.customer == one.name], now)
            async for one in customers.all()
        ]
        output.result(rows, table(_HEADER, [_row(one) for one in rows]) if rows else [])
        if not rows:
            note(f"There are no customers. To create one, run: {target.command('customer', 'create', 'NAME')}")

    on_customers(target, work)


@customer.command()
@_NAME
@format_option
@store_options
def show(name: str, output: Output, target: Target) -> None:
    """Show a customer: its name in the log, its Entra rules and its secret tokens."""

    async def work(customers: Customers) -> None:
        await customers.require(name)
        shown = await _customer(customers, name)
        output.result(shown, _shown(shown))

    on_customers(target, work)


@customer.command()
@_NAME
@_YES
@format_option
@store_options
def remove(name: str, yes: bool, output: Output, target: Target) -> None:
    """Remove a customer and its credentials.

    Its users and groups are kept. 'customer erase' deletes them, before or after this command.
    """

    async def work(customers: Customers) -> None:
        shown = await _customer(customers, name)
        rules, tokens = len(shown["entraRules"]), len(shown["tokens"])
        if not rules and not tokens:
            await customers.require(name)
        confirm(
            target,
            f"This removes customer {name} (secret tokens: {tokens}, Entra rules: {rules}). Its users and groups are kept.",
            yes=yes,
        )
        await customers.remove(name)
        output.result(shown, [f"Removed customer {name}. Its credentials are refused within a minute."])
        note(
            f"If it has users and groups, they are kept. To delete them, run: {target.command('customer', 'erase', name)}"
        )

    on_customers(target, work)


async def _customer(customers: Customers, name: str) -> JsonObject:
    """Return a customer as JSON. After an interrupted removal there can be credentials without a record, and so no
    `created`.
    """
    record = await customers.customer(name)
    tokens: Sequence[SecretToken] = [token async for token in customers.tokens(name)]
    now = app.utc_now()
    shown = customer_json(record or Customer(name, now), await _rules(customers, name), tokens, now)
    return shown if record is not None else {**shown, "created": None}


async def _rules(customers: Customers, name: str | None = None) -> Rules:
    """Return the Entra rules of a customer, or of all customers, each with its Entra tenant."""
    return [
        (tenant, rule)
        for tenant in await customers.entra_tenants(name)
        for rule in tenant.access_rules
        if name in {None, rule.customer}
    ]


def _of(name: str, rules: Rules) -> Rules:
    return [(tenant, rule) for tenant, rule in rules if rule.customer == name]


def _row(one: JsonObject) -> tuple[str, ...]:
    live = sum(not token["expired"] for token in one["tokens"])
    none = "all expired" if one["tokens"] else "-"
    return (
        one["name"],
        one["created"][:10],
        ", ".join(one["access"]) or "none",
        str(live),
        one["nextExpiry"][:10] if one["nextExpiry"] else none,
        str(len(one["entraRules"])),
        "yes" if one["people"] else "no",
    )


def _shown(one: JsonObject) -> list[str]:
    lines = [
        f"Customer:      {one['name']}",
        f"Created:       {one['created'][:10]}",
        f"In the log:    customer={one['logName']}",
        f"Secret tokens: {len(one['tokens'])}",
    ]
    for token in one["tokens"]:
        until = f"{'expired' if token['expired'] else 'expires'} {token['expires'][:10]}"
        lines.append(f"  {token['id']}  {token['access']:<5}  {until}  {token['note']}".rstrip())
    lines.append(f"Entra rules:   {len(one['entraRules'])}")
    for rule in one["entraRules"]:
        lines += [
            f"  Entra tenant {rule['entraTenant']} ({rule['cloud']})",
            f"    audience      {rule['audience']}",
            f"    applications  {', '.join(rule['applications'])}",
            f"    role          {rule['role'] or '-'}",
            f"    access        {rule['access']}",
            f"    people        {'yes, for /Me' if rule['people'] else 'no'}",
        ]
    return lines
