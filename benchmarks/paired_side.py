"""One side of `benchmarks.paired`: sends the requests of a row to the service of one checkout.

Reads the name of a row per line of standard input, as JSON, and writes the CPU seconds per request of one batch, or the text of an error.
"""

import asyncio
import gc
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

from benchmarks import loads, people
from benchmarks.measure import Batch
from benchmarks.served import Call, Ours, Served, call

_BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
_IN_A_BULK: Final = 100
_TOKENS: Final = 5
_QUESTION: Final = call("GET", "/ServiceProviderConfig")
_SECRET: Final = re.compile(r"\bscimaf_\w+")


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of request: how to get ready for it, given the checkout, and how many requests make a batch."""

    ready: Callable[[str], Batch]
    requests: int


def main(checkout: str) -> None:
    """Serve the other side of the pipe until it closes."""
    answers, sys.stdout = sys.stdout, sys.stderr
    ready: dict[str, Batch] = {}
    for line in sys.stdin:
        name = json.loads(line)
        row = ROWS[name]
        try:
            if name not in ready:
                ready[name] = row.ready(checkout)
                _check_origin(checkout)
                gc.collect()
                # What the store holds is not the collector's business while a request is measured.
                gc.freeze()
            told: float | str = ready[name](row.requests) / row.requests
        except Exception as error:  # noqa: BLE001 - whatever it is, the other process has to be told
            told = f"{type(error).__name__}: {error}"[:500].replace("|", "/").replace("\n", " ")
        answers.write(json.dumps(told) + "\n")
        answers.flush()


def _check_origin(checkout: str) -> None:
    found = sys.modules["scim"].__file__ or ""
    if not Path(found).resolve().is_relative_to(Path(checkout).resolve()):
        raise RuntimeError(f"the service comes from {found}")


def _sent(load: loads.Load) -> Callable[[str], Batch]:
    def ready(checkout: str) -> Batch:  # noqa: ARG001 - the same for all rows
        server = Ours()
        requests = load(server)
        return lambda number: server.spend([next(requests) for _ in range(number)])

    return ready


# --- further requests ---


def _by_external_id(server: Served) -> Iterator[Call]:
    loads.users(server)
    ids = (people.external_id(n % loads.USERS) for n in count())
    return (call("GET", "/Users", filter=f'externalId eq "{id}"') for id in ids)


def _by_work_email(server: Served) -> Iterator[Call]:
    loads.users(server)
    addresses = (people.work_email(n % loads.USERS) for n in count())
    return (call("GET", "/Users", filter=f'emails[type eq "work"].value eq "{address}"') for address in addresses)


def _second_page(server: Served) -> Iterator[Call]:
    loads.users(server)
    cursor = server.send(call("GET", "/Users", count=loads.LISTED, cursor="")).json["nextCursor"]
    return (call("GET", "/Users", count=loads.LISTED, cursor=cursor) for _ in count())


def _remove_member(server: Served) -> Iterator[Call]:
    path = f"/Groups/{loads.group(server, loads.MEMBERS)}"
    return (call("PATCH", path, people.removing(people.member(n))) for n in range(loads.MEMBERS))


def _whole_group(members: int) -> loads.Load:
    def load(server: Served) -> Iterator[Call]:
        path = f"/Groups/{loads.group_of(server, loads.users(server, members))}"
        return (call("GET", path) for _ in count())

    return load


def _without_members(server: Served) -> Iterator[Call]:
    path = f"/Groups/{loads.group(server, loads.MEMBERS)}"
    return (call("GET", path, excludedAttributes="members") for _ in count())


def _bulk(server: Served) -> Iterator[Call]:
    loads.users(server)
    return (call("POST", "/Bulk", _creations(first)) for first in count(loads.USERS, _IN_A_BULK))


def _creations(first: int) -> dict[str, Any]:
    numbers = range(first, first + _IN_A_BULK)
    operations = [{"method": "POST", "path": "/Users", "bulkId": f"u{n}", "data": people.user(n)} for n in numbers]
    return {"schemas": [_BULK], "Operations": operations}


# --- tokens ---


class _Customer:
    """A customer in a file of the checkout's own making, with secret tokens and an Entra tenant; made by its own commands."""

    def __init__(self, checkout: str, secret_tokens: int = 1) -> None:
        # Not before: they are the checkout's own.
        from scim.settings import Settings  # noqa: PLC0415
        from tests.security.issuer import CONTOSO, Issuer  # noqa: PLC0415

        self._folder = tempfile.TemporaryDirectory()
        file = str(Path(self._folder.name, "scim.db"))

        def command(*arguments: str) -> str:
            start = "import sys; sys.path.insert(0, sys.argv.pop(1)); from scim.cli import main; main()"
            line = [sys.executable, "-I", "-c", start, checkout, *arguments, "--data", file]
            return subprocess.run(line, check=True, capture_output=True, text=True).stdout

        command("customer", "create", "contoso")
        command("customer", "allow", "contoso", "--entra-tenant", CONTOSO)
        found = (_SECRET.search(command("token", "create", "contoso")) for _ in range(secret_tokens))
        self.secret_tokens = [token[0] for token in found if token]
        self.issuer = Issuer()
        self._loop = asyncio.new_event_loop()
        origin = self._loop.run_until_complete(self.issuer.start())
        self._settings = Settings(data=Path(file), dev_keys=origin, requests_per_second=100_000)

    def server(self) -> Ours:
        """A service that has seen no token yet, but has answered a request."""
        server = Ours(self._settings, self._loop)
        server.spend([_QUESTION])
        return server


def _question(token: str) -> Call:
    return replace(_QUESTION, token=token)


def _known_token(resource_type: str) -> Callable[[str], Batch]:
    def ready(checkout: str) -> Batch:
        customer = _Customer(checkout)
        server = customer.server()
        token = customer.issuer.token() if resource_type == "Entra" else customer.secret_tokens[0]
        return lambda number: server.spend([_question(token)] * number)

    return ready


def _new_entra_token(checkout: str) -> Batch:
    customer = _Customer(checkout)
    server = customer.server()
    tokens = (customer.issuer.token(uti=f"{number:022}") for number in count())
    return lambda number: server.spend([_question(token) for token in islice(tokens, number)])


def _new_secret_token(checkout: str) -> Batch:
    customer = _Customer(checkout, _TOKENS)

    def batch(number: int) -> float:
        seconds = 0.0
        for _ in range(number // _TOKENS):
            server = customer.server()
            seconds += server.spend([_question(token) for token in customer.secret_tokens])
            server.close()
        return seconds

    return batch


ROWS: Final[dict[str, Row]] = {
    "create a user": Row(_sent(loads.create), 600),
    "get a user": Row(_sent(loads.get), 2_000),
    'filter `userName eq "…"`, one hit': Row(_sent(loads.filter_hit), 1_000),
    'filter `externalId eq "…"`, one hit': Row(_sent(_by_external_id), 1_000),
    'filter `emails[type eq "work"].value eq "…"`, one hit': Row(_sent(_by_work_email), 1_000),
    "PATCH a user, five operations": Row(_sent(loads.five_operations), 600),
    f"list {loads.LISTED} users": Row(_sent(loads.page), 60),
    "list the second page by cursor": Row(_sent(_second_page), 60),
    "PATCH adding one member": Row(_sent(loads.add_member), 600),
    "PATCH removing one member": Row(_sent(_remove_member), 600),
    "GET a group of 1,000 users": Row(_sent(_whole_group(1_000)), 60),
    "GET a group of 10,000 users": Row(_sent(_whole_group(10_000)), 6),
    "GET a group with `excludedAttributes=members`": Row(_sent(_without_members), 2_000),
    f"bulk of {_IN_A_BULK} creations": Row(_sent(_bulk), 6),
    "Entra token, seen before": Row(_known_token("Entra"), 2_000),
    "Entra token, new": Row(_new_entra_token, 300),
    "secret token, seen before": Row(_known_token("secret"), 2_000),
    "secret token, new": Row(_new_secret_token, 40 * _TOKENS),
}
"""What is compared."""
