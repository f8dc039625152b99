"""`scim cosmos`: prepares a Cosmos DB emulator for the service."""

import asyncio

import click

from scim.commands.exits import Failed
from scim.commands.groups import CommandGroup
from scim.commands.output import Output, format_option
from scim.commands.run_on_store import opening
from scim.commands.target import Target
from scim.storage.cosmos import setup


@click.group(cls=CommandGroup)
def cosmos() -> None:
    """Prepare a Cosmos DB emulator."""


@cosmos.command()
@format_option
def init(output: Output) -> None:
    """Create the database and the container in an emulator if they are missing.

    COSMOS_ENDPOINT and COSMOS_KEY are the address and the key of the emulator; COSMOS_DATABASE and COSMOS_CONTAINER are
    the names to create. In Azure, the deployment creates both, and the service isn't allowed to.
    """
    target = Target.of(None, "cosmos")
    given = target.settings
    endpoint = given.cosmos_endpoint or ""
    if given.cosmos_key is None or setup.is_in_azure(endpoint):
        raise Failed(
            "This command is for an emulator, with its key in COSMOS_KEY. In Azure the deployment ('azd provision') creates "
            "database and container."
        )
    making = setup.create(endpoint, given.cosmos_key, given.cosmos_database, given.cosmos_container)
    try:
        with opening(target):
            made = asyncio.run(making)
    except setup.ContainerDiffers as error:
        raise Failed(f"{error}.") from None
    names = (("database", given.cosmos_database), ("container", given.cosmos_container))
    output.result(
        {
            "endpoint": endpoint,
            **dict(names),
            "created": [what for (what, _), new in zip(names, made, strict=True) if new],
        },
        [
            f"Created the {what} {name}." if new else f"The {what} {name} exists already."
            for (what, name), new in zip(names, made, strict=True)
        ],
    )
