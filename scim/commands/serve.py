"""`scim serve`: runs the service on this machine."""

import asyncio
import errno
import ipaddress
import logging
import secrets
import shlex

import click

from scim import __version__, app
from scim.commands.exits import Failed
from scim.commands.run_on_store import opening, reach
from scim.commands.target import Target, configured, store_options
from scim.edge.routes import BASE_PATH
from scim.edge.server import serve as serve_until_stopped


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7071,
    show_default=True,
    help="Port to listen on. 0 picks a free one.",
)
@store_options
def serve(host: str, port: int, target: Target) -> None:
    """Run the service on this machine until Ctrl-C.

    Prints the base URL and the bearer token. The token is SCIM_DEV_TOKEN, or a new one at each start. It belongs to the
    customer 'default'. With SQLite and without --data and SCIM_DATA, all data is kept in memory.
    """
    if not _is_loopback(host):
        raise click.UsageError(
            "With a development token, the server can only listen on a loopback address, such as 127.0.0.1."
        )
    environ = {"SCIM_DEV_TOKEN": secrets.token_urlsafe(32), **target.environ}
    settings = configured(environ)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    def ready(origin: str) -> None:
        base_url, token = settings.base_url or origin + BASE_PATH, environ["SCIM_DEV_TOKEN"]
        header = shlex.quote(f"Authorization: Bearer {token}")
        click.echo(f"Base URL:     {base_url}")
        click.echo(f"Bearer token: {token}")
        click.echo(f"Data:         {target}{', lost when the server stops' if target.is_in_memory else ''}")
        click.echo(f"Version:      {__version__}")
        click.echo(f"Try it:       curl -s {shlex.quote(f'{origin}{BASE_PATH}/Users')} -H {header}")
        click.echo("Ctrl-C stops the server.")

    async def run() -> None:
        with opening(target):
            service = app.build(settings)
        sweeping: asyncio.Task[None] | None = None
        try:
            if service.store is not None:
                with opening(target):
                    await reach(service.store)
            sweeping = asyncio.create_task(service.sweep_regularly())
            limit = max(settings.limits.body_bytes, settings.limits.bulk_bytes)
            await serve_until_stopped(service.handler, host, port, limit=limit, ready=ready)
        finally:
            if sweeping is not None:
                sweeping.cancel()
            await service.close()

    try:
        asyncio.run(run())
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            free = target.command("serve", "--port", "0")
            raise Failed(
                f"Port {port} on {host} is in use by another program. To use a free one, run: {free}"
            ) from None
        raise Failed(f"Can't listen on {host} port {port}: {error.strerror}.") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
