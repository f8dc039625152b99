"""`scim tenant`: everything of one tenant, taken out or erased."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from scim.commands.environment import store_options, tenant_name
from scim.commands.work import on_store
from scim.protocol.json import JsonObject
from scim.storage.interface import Membership, Store, Stored


@click.group()
def tenant() -> None:
    """Take out or erase everything of one tenant."""


@tenant.command()
@click.argument("name", metavar="TENANT", callback=tenant_name)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; it appears when it is complete. Without it the lines go to standard output.",
)
@store_options
def export(name: str, output: Path | None, data: Path | None, store: str | None) -> None:
    """Write all resources and members of a tenant as JSON lines.

    A line is {"resource": {...}} or {"member": {"group": ..., "value": ...}}; a member's type and display are in it if
    a client sent them. What changes while the export runs may be in it or not.
    """

    async def work(opened: Store) -> None:
        with _complete_or_not_at_all(output) as file:
            await _export(opened, name, file)

    on_store(data, store, work)


@tenant.command()
@click.argument("name", metavar="TENANT", callback=tenant_name)
@click.option("--yes", is_flag=True, help="Really erase; without it the command only says how much there is.")
@store_options
def erase(name: str, yes: bool, data: Path | None, store: str | None) -> None:
    """Delete everything of a tenant: resources, members and markers. It can't be undone.

    It may be stopped at any time; the same command again goes on. Stop the tenant's provisioning first: what is
    written meanwhile may stay.
    """

    async def work(opened: Store) -> None:
        found = await opened.count(name)
        if not yes:
            raise click.ClickException(f"{name} has {found} items. To erase them, add --yes.")
        erased = 0
        with click.progressbar(length=found, label=f"Erasing {name}", file=sys.stderr) as bar:
            async for number in opened.erase(name):
                erased += number
                bar.update(number)
        click.echo(f"Erased {erased} items of {name}.")

    on_store(data, store, work)


@contextmanager
def _complete_or_not_at_all(output: Path | None) -> Iterator[IO[str]]:
    """Standard output, or a file that gets its name at the end. People's data: its owner alone may read it."""
    if output is None:
        yield sys.stdout
        return
    partial = output.with_name(f"{output.name}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600, exist_ok=False)
    with partial.open("w", encoding="utf-8") as file:
        yield file
    partial.replace(output)


async def _export(store: Store, name: str, file: IO[str]) -> None:
    written = 0
    with click.progressbar(length=await store.count(name), label=f"Exporting {name}", file=sys.stderr) as bar:
        async for page in store.everything(name):
            file.writelines(f"{json.dumps(_line(kept), ensure_ascii=False)}\n" for kept in page)
            written += len(page)
            bar.update(len(page))
    click.echo(f"Exported {written} items of {name}.", err=True)


def _line(kept: Stored | Membership) -> JsonObject:
    if isinstance(kept, Stored):
        return {"resource": kept.resource}
    member = {"value": kept.member.value, "type": kept.member.type, "display": kept.member.display}
    return {"member": {"group": kept.group, **{name: value for name, value in member.items() if value is not None}}}
