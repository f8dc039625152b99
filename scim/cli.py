"""The `scim` command."""

import asyncio
import ipaddress
import logging
import secrets
from pathlib import Path

import click

from scim import app
from scim.commands.cosmos import cosmos
from scim.commands.customer import customer
from scim.commands.doctor import doctor
from scim.commands.environment import configured, store_options, variables
from scim.commands.reindex import reindex
from scim.commands.tenant import tenant
from scim.commands.token import token
from scim.edge.routes import BASE_PATH
from scim.edge.server import serve as serve_until_stopped
from scim.settings import SettingsError
from scim.storage.interface import StoreUnavailable


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """SCIM for Azure Functions."""


for command in (cosmos, customer, doctor, reindex, tenant, token):
    main.add_command(command)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on: loopback only.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7071,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@store_options
def serve(host: str, port: int, data: Path | None, store: str | None) -> None:
    """Run the service on this machine.

    It prints the base URL and the bearer token to use. SCIM_DEV_TOKEN fixes the token; otherwise each start makes one.
    """
    if not _is_loopback(host):
        raise click.UsageError("A server with a development token listens on loopback only, such as 127.0.0.1.")
    environ = {"SCIM_DEV_TOKEN": secrets.token_urlsafe(32), **variables(data, store)}
    settings = configured(environ)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    def ready(origin: str) -> None:
        if settings.store == "cosmos":
            kept = f"in Cosmos DB at {settings.cosmos_endpoint}"
        else:
            kept = f"in {settings.data}" if settings.data else "in memory: gone when the server stops"
        click.echo(f"Base URL:     {settings.base_url or origin + BASE_PATH}")
        click.echo(f"Bearer token: {environ['SCIM_DEV_TOKEN']}")
        click.echo(f"Data:         {kept}")
        click.echo("Ctrl-C stops the server.")

    async def run() -> None:
        service = app.build(settings)
        sweeping = asyncio.create_task(service.sweep_regularly())
        try:
            limit = max(settings.limits.body_bytes, settings.limits.bulk_bytes)
            await serve_until_stopped(service.handler, host, port, limit=limit, ready=ready)
        finally:
            sweeping.cancel()
            await service.close()

    try:
        asyncio.run(run())
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    except StoreUnavailable as error:
        raise click.ClickException(f"Can't open the data: {error}") from None
    except OSError as error:
        raise click.ClickException(f"Can't listen on {host} port {port}: {error.strerror}") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
