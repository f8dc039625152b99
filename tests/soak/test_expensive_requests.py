"""The most expensive requests within the limits, through `scim serve`: CPU, memory, and how long `/healthz` waits beside them.

Only in the soak, because it counts seconds and bytes of a process. `make test` counts the work of the same requests instead.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from time import clock_gettime, monotonic
from typing import Any, Final

import httpx
import pytest

from tests.conftest import Answer, Client, PortClient, Server
from tests.soak.conftest import Log
from tests.soak.test_soak import PATCH, members, patch

pytestmark = pytest.mark.soak

MB: Final = 1_000_000
HEALTHZ_SECONDS: Final = 1.5
# U+FDFA has 18 characters under NFKC, the longest expansion of Unicode.
LONG: Final = "\ufdfa" * 66
MEMBERS: Final = 200_000
BULK: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


@dataclass(frozen=True)
class Bound:
    """What a request may take."""

    seconds: float = 1.0
    memory: int = 100 * MB
    """Bytes added to what was resident before."""
    answers: int = 0
    """If not 0: the bound of memory is so many times the bytes of the answer."""


@dataclass(frozen=True)
class Measured:
    """What a request took."""

    answer: Answer
    seconds: float
    memory: int
    healthz: float
    """Seconds until `/healthz` was answered, at the longest, without those in which other programs had the CPU."""


type Prepare = Callable[[Client], Callable[[], Answer]]
"""Fills the service and returns the request."""


def operations(number: int, operation: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": [operation] * number}


def sending(client: Client, method: str, path: str, body: Any = None) -> Callable[[], Answer]:
    return lambda: client.request(method, path, body)


def patch_of_many_emails(client: Client) -> Callable[[], Answer]:
    emails = [{"type": "other", "value": f"x{n}", "display": LONG} for n in range(900)]
    id = client.user("many", emails=emails)["id"]
    change = {"op": "replace", "path": 'emails[display eq "x0"].display', "value": "y"}
    return sending(client, "PATCH", f"/Users/{id}", operations(1_000, change))


def patch_of_long_emails(client: Client) -> Callable[[], Answer]:
    id = client.user("long", emails=[{"type": "other", "value": f"{LONG}{n}"} for n in range(900)])["id"]
    change = {"op": "replace", "path": 'emails[value eq "x0"].display', "value": "y"}
    return sending(client, "PATCH", f"/Users/{id}", operations(1_000, change))


def patch_of_members_by_display(client: Client) -> Callable[[], Answer]:
    id = client.group("shown", *(f"m{n}" for n in range(900)))["id"]
    shown = [{"value": f"m{n}", "display": LONG} for n in range(900)]
    client.patch(f"/Groups/{id}", {"op": "replace", "path": "members", "value": shown})
    change = {"op": "remove", "path": 'members[display eq "x0"]'}
    return sending(client, "PATCH", f"/Groups/{id}", operations(1_000, change))


def put_of_a_group(client: Client) -> Callable[[], Answer]:
    id = client.group("put")["id"]
    client.request("PATCH", f"/Groups/{id}", patch("add", "members", members(0, 5_000)))
    return sending(client, "PUT", f"/Groups/{id}", {"displayName": "put", "members": members(5_000, 10_000)})


def large_user(client: Client) -> Callable[[], Answer]:
    return sending(
        client, "POST", "/Users", {"userName": "large", "emails": [{"value": f"{LONG}{n}"} for n in range(900)]}
    )


def whole_group(client: Client) -> Callable[[], Answer]:
    id = client.group("whole")["id"]
    for first in range(0, MEMBERS, 10_000):
        client.request("PATCH", f"/Groups/{id}", patch("add", "members", members(first, first + 10_000)))
    return sending(client, "GET", f"/Groups/{id}")


def list_of_16_mebibytes(client: Client) -> Callable[[], Answer]:
    for number in range(66):
        emails = [{"type": f"t{n}", "value": f"{n}@example.com", "display": "x" * 900} for n in range(250)]
        client.user(f"large{number}", emails=emails)
    return sending(client, "GET", "/Users?count=66")


def filter_of_100_comparisons(client: Client) -> Callable[[], Answer]:
    for first in range(0, 20_000, 1_000):
        created = [
            {"method": "POST", "path": "/Users", "bulkId": f"u{n}", "data": {"userName": f"user{n}"}}
            for n in range(first, first + 1_000)
        ]
        client.post("/Bulk", {"schemas": [BULK], "Operations": created})
    asked = " or ".join(f'userName co "absent{n}"' for n in range(100))
    return sending(client, "POST", "/Users/.search", {"filter": asked})


def bulk_of_2_mebibytes(client: Client) -> Callable[[], Answer]:
    created = [
        {"method": "POST", "path": "/Users", "bulkId": f"u{n}", "data": {"userName": f"u{n}", "title": "x" * 1_980}}
        for n in range(1_000)
    ]
    return sending(client, "POST", "/Bulk", {"schemas": [BULK], "Operations": created})


def bulk_of_patches(client: Client) -> Callable[[], Answer]:
    id = client.user("bulk", emails=[{"type": "other", "value": f"{LONG}{n}"} for n in range(900)])["id"]
    change = patch("replace", 'emails[value eq "x0"].display', "y")
    changes = [{"method": "PATCH", "path": f"/Users/{id}", "data": change} for _ in range(100)]
    return sending(client, "POST", "/Bulk", {"schemas": [BULK], "Operations": changes})


ROWS: Final[dict[str, tuple[Prepare, Bound]]] = {
    "PATCH of 1,000 operations, e-mails by display": (patch_of_many_emails, Bound()),
    "PATCH of 1,000 operations, e-mails by value": (patch_of_long_emails, Bound()),
    "PATCH of 1,000 operations, members by display": (patch_of_members_by_display, Bound()),
    "PUT of a group, 5,000 members for 5,000 others": (put_of_a_group, Bound()),
    "POST of a user of 256 KiB": (large_user, Bound()),
    "GET of a group of 200,000 members": (whole_group, Bound(seconds=MEMBERS * 10e-6, answers=3)),
    "list of 16 MiB": (list_of_16_mebibytes, Bound()),
    "filter of 100 comparisons over 20,000 users": (filter_of_100_comparisons, Bound()),
    "bulk of 1,000 users, 2 MiB": (bulk_of_2_mebibytes, Bound(seconds=10.0, memory=200 * MB)),
    # A second for each of its operations.
    "bulk of 100 PATCHes of a large user": (bulk_of_patches, Bound(seconds=100.0, memory=200 * MB)),
}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own: what an earlier request left of memory would hide what this one needs."""
    running = Server()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def told(log: Log) -> Iterator[list[str]]:
    """The rows of the report."""
    rows: list[str] = []
    yield rows
    head = ["| request | status | CPU seconds | MB added | MB of the answer | `/healthz` beside it, seconds |"]
    if len(rows) == len(ROWS):
        log.write("The most expensive requests", *head, "|---|--:|--:|--:|--:|--:|", *rows)


@pytest.mark.parametrize("name", ROWS)
def test_an_expensive_request_leaves_the_server_responsive(name: str, server: Server, told: list[str]) -> None:
    prepare, bound = ROWS[name]
    client = PortClient(server.origin)
    try:
        took = measured(server, prepare(client))
    finally:
        client.close()
    size = len(took.answer.body)
    told.append(
        f"| {name} | {took.answer.status} | {took.seconds:.2f} | {took.memory / MB:,.0f} | {size / MB:,.1f} "
        f"| {took.healthz:.2f} |"
    )
    assert took.answer.status < 500, took.answer.body[:500]
    assert took.healthz <= HEALTHZ_SECONDS
    assert took.seconds <= bound.seconds
    assert took.memory <= (bound.answers * size if bound.answers else bound.memory)
    if name.startswith("bulk"):
        statuses = {operation["status"] for operation in json.loads(took.answer.body)["Operations"]}
        assert statuses <= {"200", "201", "204"}


def measured(server: Server, request: Callable[[], Answer]) -> Measured:
    """Send the request, and ask for `/healthz` again and again until it is answered."""
    process = Path("/proc", str(server.process.pid))
    # Linux has the CPU clock of another process under this number; see clock_getcpuclockid(3).
    clock = (~server.process.pid << 3) | 2
    with httpx.Client(base_url=server.origin, timeout=120) as other, ThreadPoolExecutor(1) as pool:
        other.get("/healthz")
        (process / "clear_refs").write_text("5")  # the peak begins again at what is resident now
        memory, seconds, longest = peak(process), clock_gettime(clock), 0.0
        sent = pool.submit(request)
        while not sent.done():
            asked, queued = monotonic(), without_a_cpu(process)
            assert other.get("/healthz").status_code == 200
            longest = max(longest, monotonic() - asked - (without_a_cpu(process) - queued))
            wait([sent], timeout=0.01)
        return Measured(sent.result(), clock_gettime(clock) - seconds, peak(process) - memory, longest)


def without_a_cpu(process: Path) -> float:
    """Seconds in which the process was ready to run and no CPU was free."""
    return int((process / "schedstat").read_text().split()[1]) / 1e9


def peak(process: Path) -> int:
    """Bytes that were resident at most."""
    (line,) = (line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
