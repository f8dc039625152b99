"""The `scim` command."""

import asyncio
import ipaddress
import logging
import os
import secrets
from pathlib import Path

import click

from scim import app, settings
from scim.edge.routes import BASE_PATH
from scim.edge.server import serve as serve_until_stopped
from scim.storage.interface import StoreUnavailable


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """SCIM for Azure Functions."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on: loopback only.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7071,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--data",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the embedded store. Without it (and SCIM_DATA) everything is kept in memory.",
)
def serve(host: str, port: int, data: Path | None) -> None:
    """Run the service on this machine.

    It prints the base URL and the bearer token to use. SCIM_DEV_TOKEN fixes the token; otherwise each start makes one.
    """
    if not _is_loopback(host):
        raise click.UsageError("A server with a development token listens on loopback only, such as 127.0.0.1.")
    given = {name: value for name, value in os.environ.items() if value}
    environ = {"SCIM_DEV_TOKEN": secrets.token_urlsafe(32), **given}
    if data is not None:
        environ["SCIM_DATA"] = str(data)
    try:
        configured = settings.from_environment(environ)
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from None
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    def ready(origin: str) -> None:
        kept = f"in {configured.data}" if configured.data else "in memory: gone when the server stops"
        click.echo(f"Base URL:     {configured.base_url or origin + BASE_PATH}")
        click.echo(f"Bearer token: {environ['SCIM_DEV_TOKEN']}")
        click.echo(f"Data:         {kept}")
        click.echo("Ctrl-C stops the server.")

    async def run() -> None:
        service = app.build(configured)
        try:
            await serve_until_stopped(service.handler, host, port, limit=configured.limits.body_bytes, ready=ready)
        finally:
            await service.close()

    try:
        asyncio.run(run())
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
