"""`scim cosmos`: what a Cosmos DB emulator needs before the service can use it."""

import asyncio

import click

from scim.commands.environment import configured, variables
from scim.storage import cosmos_setup
from scim.storage.interface import StoreUnavailable


@click.group()
def cosmos() -> None:
    """Prepare a Cosmos DB emulator."""


@cosmos.command()
def init() -> None:
    """Make database and container in an emulator, unless they are there.

    COSMOS_ENDPOINT and COSMOS_KEY say which emulator, COSMOS_DATABASE and COSMOS_CONTAINER what to make. In Azure the
    deployment makes both, and the service has no right to.
    """
    settings = configured(variables(store="cosmos"))
    endpoint = settings.cosmos_endpoint or ""
    if settings.cosmos_key is None or cosmos_setup.is_in_azure(endpoint):
        raise click.ClickException(
            "This is for an emulator, with COSMOS_KEY. In Azure the Bicep deployment makes database and container."
        )
    making = cosmos_setup.make(endpoint, settings.cosmos_key, settings.cosmos_database, settings.cosmos_container)
    try:
        done = asyncio.run(making)
    except (StoreUnavailable, cosmos_setup.Differs) as error:
        raise click.ClickException(str(error)) from None
    for sentence in done:
        click.echo(sentence)
