"""Renders the results of all commands except `scim doctor`: text for people, or JSON for scripts (docs/commands.md has
the fields).

Results go to standard output, messages to standard error.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

import click

from scim.protocol.json import Json
from scim.security.customers.records import AccessRule, Customer, EntraTenant, SecretToken
from scim.telemetry.record import hashed


@dataclass(frozen=True, slots=True)
class Output:
    """The output format that `--format` chose."""

    as_json: bool = False

    def result(self, value: Json, text: Iterable[str]) -> None:
        """Print a result: the JSON value or the lines of text."""
        if self.as_json:
            click.echo(json.dumps(value, indent=2, ensure_ascii=False))
            return
        for line in text:
            click.echo(line)


def format_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option `--format` to a command, which gets an `Output` as its argument `output`."""

    @wraps(command)
    def with_output(*arguments: Any, form: str, **named: Any) -> None:
        command(*arguments, output=Output(as_json=form == "json"), **named)

    option = click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Form of the result on standard output.",
    )
    return option(with_output)


def note(text: str) -> None:
    """Print a message to standard error."""
    click.echo(text, err=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (header, *rows)]


def customer_json(
    customer: Customer, rules: Sequence[tuple[EntraTenant, AccessRule]], tokens: Sequence[SecretToken], now: datetime
) -> dict[str, Json]:
    """Return a customer with its credentials as JSON."""
    live = [token for token in tokens if now < token.expires]
    return {
        "name": customer.name,
        "created": _time(customer.created),
        "logName": hashed(customer.name),
        "access": sorted({token.access for token in live} | {rule.access for _, rule in rules}),
        "people": any(rule.people for _, rule in rules),
        "nextExpiry": _time(min((token.expires for token in live), default=None)),
        "tokens": [token_json(token, now) for token in tokens],
        "entraRules": [rule_json(tenant, rule) for tenant, rule in rules],
    }


def rule_json(tenant: EntraTenant, rule: AccessRule) -> dict[str, Json]:
    """Return an Entra rule as JSON."""
    return {
        "customer": rule.customer,
        "entraTenant": tenant.id,
        "cloud": tenant.cloud,
        "audience": rule.audience,
        "applications": list(rule.applications),
        "role": rule.role,
        "access": rule.access,
        "people": rule.people,
    }


def token_json(token: SecretToken, now: datetime) -> dict[str, Json]:
    """Return a secret token as JSON, without the secret."""
    return {
        "id": token.id,
        "customer": token.customer,
        "access": token.access,
        "created": _time(token.created),
        "expires": _time(token.expires),
        "expired": now >= token.expires,
        "lastUsed": _time(token.last_used),
        "note": token.note,
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds").replace("+00:00", "Z")
