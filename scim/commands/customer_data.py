"""`scim customer export` and `scim customer erase`: all resources and memberships of one customer."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from scim.commands.output import Output, format_option
from scim.commands.parameters import customer_name
from scim.commands.run_on_store import confirm, items_of, on_store
from scim.commands.target import Target, store_options
from scim.protocol.json import JsonObject
from scim.storage.interface import Membership, Store, Stored


@click.command()
@click.argument("name", metavar="CUSTOMER", callback=customer_name)
@click.option(
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. It gets this name when it is complete. [default: standard output]",
)
@format_option
@store_options
def export(name: str, file: Path | None, output: Output, target: Target) -> None:
    """Write all resources and memberships of a customer as JSON lines.

    Each line is {"resource": {...}} or {"member": {"group": ..., "value": ...}}. A member has a type and a display name
    if a client sent them. The export may lack changes that are made while it runs.

    With --output, the command prints a summary in the form that --format chooses.
    """
    if output.as_json and file is None:
        raise click.UsageError("--format json needs --output FILE, because the resources go to standard output.")

    async def work(opened: Store) -> None:
        total = await items_of(opened, name)
        with _complete_or_not_at_all(file) as lines:
            written = await _export(opened, name, total, lines)
        if file is None:
            click.echo(f"Exported {written} items of {name}.", err=True)
        else:
            summary = {"customer": name, "items": written, "file": str(file)}
            output.result(summary, [f"Exported {written} items of {name} to {file}."])

    on_store(target, work)


@click.command()
@click.argument("name", metavar="CUSTOMER", callback=customer_name)
@click.option("--yes", is_flag=True, help="Don't ask for a confirmation.")
@format_option
@store_options
def erase(name: str, yes: bool, output: Output, target: Target) -> None:
    """Delete all users, groups and other resources of a customer. This can't be undone.

    The customer and its credentials are kept; 'customer remove' removes them. Stop the customer's provisioning job
    first, because users that it creates during the erasure may remain. If the command is interrupted, run it again to
    continue.
    """

    async def work(opened: Store) -> None:
        items = await items_of(opened, name)
        confirm(target, f"This deletes all data of customer {name} (items: {items}). It can't be undone.", yes=yes)
        erased = 0
        with click.progressbar(length=items, label=f"Erasing {name}", file=sys.stderr) as bar:
            async for number in opened.erase(name):
                erased += number
                bar.update(number)
        output.result({"customer": name, "erased": erased}, [f"Erased {erased} items of {name}."])

    on_store(target, work)


@contextmanager
def _complete_or_not_at_all(output: Path | None) -> Iterator[IO[str]]:
    """Open standard output, or a temporary file that gets its name at the end. Only its owner may read the file."""
    if output is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    partial = output.with_name(f"{output.name}.part")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600, exist_ok=False)
    try:
        with partial.open("w", encoding="utf-8") as file:
            yield file
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


async def _export(store: Store, name: str, total: int, file: IO[str]) -> int:
    written = 0
    with click.progressbar(length=total, label=f"Exporting {name}", file=sys.stderr) as bar:
        async for page in store.everything(name):
            file.writelines(f"{json.dumps(_line(kept), ensure_ascii=False)}\n" for kept in page)
            written += len(page)
            bar.update(len(page))
    return written


def _line(kept: Stored | Membership) -> JsonObject:
    if isinstance(kept, Stored):
        return {"resource": kept.resource}
    member = {"value": kept.member.value, "type": kept.member.type, "display": kept.member.display}
    return {"member": {"group": kept.group, **{name: value for name, value in member.items() if value is not None}}}
