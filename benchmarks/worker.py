"""The service under Azure's worker library, beside a trigger that returns a constant: what a request costs, and a start.

Each app has a worker process of its own, whose CPU is read from outside, all its threads counted.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import clock_gettime, perf_counter
from typing import Final
from urllib.parse import quote

from benchmarks import people
from benchmarks.measure import Figure, Side, compare, growth
from benchmarks.report import Section, microseconds, verdict
from scim.app import utc_now
from scim.ids import uuid7
from scim.security import secret_tokens
from scim.security.clouds import CLOUDS
from scim.security.customers.records import AccessRule, EntraTenant
from scim.security.customers.repository import Customers
from scim.storage.sqlite.store import SqliteStore
from tests.security.issuer import CONTOSO, Issuer
from tests.worker.harness import Worker

_TITLE: Final = "In the Functions worker"
_ROOT: Final = Path(__file__).parents[1]
_ORIGIN: Final = "https://scim.example.com"
_DEVELOPER: Final = "a-token-for-benchmarks"
_CUSTOMER: Final = "contoso"
_USERS: Final = 200
_REQUESTS: Final = 100
_AT_ONCE: Final = (1, 8)
_STARTS, _IMPORTS = 11, 15
_ADDED_TARGET, _START_TARGET, _IMPORT_TARGET = 1.0, 1.5, 1.3

_BARE: Final = "bare trigger"
_DEVELOPMENT: Final = "development token"
_ENTRA: Final = "Entra token"
_SECRET: Final = "secret token"
_CONSTANT: Final = '''"""A trigger that returns a constant."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.function_name("users")
@app.route(route="scim/v2/Users/{*rest}")
async def users(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(b'{"status":"ok"}', mimetype="application/json")
'''

_HELLO: Final = "hello world"
_ALONE: Final = "`azure.functions` and `pydantic`"
_FUNCTION_APP: Final = "`function_app`"
_IMPORTED: Final[Mapping[str, str]] = {
    _ALONE: "import azure.functions, pydantic",
    _FUNCTION_APP: "import function_app",
}
_IMPORT: Final = """
import sys
from time import process_time
sys.path.insert(0, sys.argv[1])
before = process_time()
{}
print(process_time() - before)
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as the worker gets it; `rest` is what the route's parameter stands for."""

    method: str
    path: str
    rest: str = ""
    query: str = ""
    body: bytes = b""
    function: str = "users"


@dataclass(frozen=True, slots=True)
class App:
    """A function app: where it is, what it is told, and the token that its requests carry."""

    folder: Path
    environment: Mapping[str, str]
    token: str

    async def start(self) -> Worker:
        """A new worker process that has indexed the app."""
        return await Worker.start(self.folder, self.environment)

    async def send(self, worker: Worker, ask: Ask) -> bytes:
        """The body of the answer to a request, which must succeed."""
        headers = {
            "host": _ORIGIN.removeprefix("https://"),
            "accept": "application/scim+json",
            "content-type": "application/scim+json",
            "authorization": f"Bearer {self.token}",
        }
        url = f"{_ORIGIN}/scim/v2{ask.path}{'?' if ask.query else ''}{ask.query}"
        params = {"rest": ask.rest} if ask.rest else {}
        answer = await worker.invoke(ask.function, ask.method, url, headers, ask.body, route_params=params)
        if answer.status not in {200, 201, 204}:
            raise RuntimeError(f"a request that was measured failed: {answer.status} {answer.body[:500]!r}")
        return answer.body


@dataclass(frozen=True, slots=True)
class Sending:
    """A batch: sends requests to a worker, so many at once, and notes how many a second were answered."""

    loop: asyncio.AbstractEventLoop
    app: App
    worker: Worker
    asks: Iterator[Ask]
    at_once: int
    per_second: list[float] = field(default_factory=list)

    def __call__(self, number: int) -> float:
        """CPU seconds of the worker that so many requests take."""
        return self.loop.run_until_complete(self._spent(iter(list(islice(self.asks, number))), number))

    async def _spent(self, waiting: Iterator[Ask], number: int) -> float:
        async def one_after_another() -> None:
            for ask in waiting:
                await self.app.send(self.worker, ask)

        cpu, started = _cpu(self.worker), perf_counter()
        await asyncio.gather(*(one_after_another() for _ in range(self.at_once)))
        self.per_second.append(number / (perf_counter() - started))
        return _cpu(self.worker) - cpu


type Case = tuple[str, int, str]
"""A kind of request, how many at once, and whose."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What requests took, and how many a second were answered."""

    figures: Mapping[Case, Figure]
    per_second: Mapping[Case, float]

    def added(self, request: str, at_once: int, ours: str) -> float:
        """What ours takes more than the bare trigger, as a multiple of what that takes."""
        return growth(self.figures[request, at_once, _BARE], self.figures[request, at_once, ours]) - 1


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from a new process to its first answer."""

    wall: float
    cpu: float


def run(rounds: int) -> Section:
    """Measure requests, then starts, then imports; the section of the report."""
    loop = asyncio.new_event_loop()
    issuer = Issuer()
    try:
        with TemporaryDirectory() as folder:
            origin = loop.run_until_complete(issuer.start())
            apps = loop.run_until_complete(_apps(Path(folder), origin, issuer.token()))
            asked = {name: app for name, app in apps.items() if name != _SECRET}
            requests = _requests(loop, asked, rounds)
            starts = loop.run_until_complete(_starts(apps, max(_STARTS, rounds)))
    finally:
        loop.run_until_complete(issuer.stop())
        loop.close()
    return _section(requests, starts, _imports(max(_IMPORTS, rounds)), rounds)


async def _apps(folder: Path, keys: str, token: str) -> dict[str, App]:
    """The bare trigger and ours, by whose requests they get."""
    bare, data = folder / "bare", folder / "scim.db"
    bare.mkdir()
    (bare / "function_app.py").write_text(_CONSTANT, encoding="utf-8")
    store = SqliteStore(data)
    customers = Customers(store, utc_now)
    way = AccessRule(customer=_CUSTOMER, audience=CLOUDS["global"].audience)
    await customers.create(_CUSTOMER)
    await customers.allow(EntraTenant(id=CONTOSO, cloud="global", access_rules=(way,)))
    key = await customers.require_mac_key()
    secret, record = secret_tokens.create(
        uuid7(utc_now)(), _CUSTOMER, key=key, access="write", note="", now=utc_now(), days=1
    )
    await customers.add_token(record)
    await store.close()
    # An Entra token needs a customer before it comes, so that store is a file.
    entra = {"SCIM_DATA": str(data), "SCIM_DEV_KEYS": keys, "SCIM_REQUESTS_PER_SECOND": "100000"}
    return {
        _BARE: App(bare, {}, _DEVELOPER),
        _DEVELOPMENT: App(_ROOT, {"SCIM_DEV_TOKEN": _DEVELOPER}, _DEVELOPER),
        _ENTRA: App(_ROOT, entra, token),
        _SECRET: App(_ROOT, entra, secret),
    }


def _cpu(worker: Worker) -> float:
    """CPU seconds of the whole worker process so far, kernel included."""
    # What clock_getcpuclockid(3) gives on Linux: a process's number, inverted, above the bits for "process" and "scheduler".
    return clock_gettime(~worker.pid << 3 | 2)


# --- requests ---


def _get(ids: Sequence[str]) -> Iterator[Ask]:
    return (Ask("GET", f"/Users/{id}", id) for id in _one_after_another(ids))


def _hit(ids: Sequence[str]) -> Iterator[Ask]:
    names = (people.user_name(n * 7919 % len(ids)) for n in count())
    return (Ask("GET", "/Users", query=_filter(name)) for name in names)


def _patch(ids: Sequence[str]) -> Iterator[Ask]:
    bodies = (json.dumps(people.one_change(n)).encode() for n in count())
    return (
        Ask("PATCH", f"/Users/{id}", id, body=body) for id, body in zip(_one_after_another(ids), bodies, strict=False)
    )


_ASKED: Final[Mapping[str, Callable[[Sequence[str]], Iterator[Ask]]]] = {
    "GET a user": _get,
    'filter `userName eq "…"`, one hit': _hit,
    "PATCH a user, one attribute": _patch,
}


def _one_after_another(ids: Sequence[str]) -> Iterator[str]:
    return (ids[n * 7919 % len(ids)] for n in count())


def _filter(user_name: str) -> str:
    return f"filter={quote(f'userName eq "{user_name}"')}"


def _requests(loop: asyncio.AbstractEventLoop, apps: Mapping[str, App], rounds: int) -> Requests:
    workers = {name: loop.run_until_complete(app.start()) for name, app in apps.items()}
    try:
        ids = {
            name: loop.run_until_complete(_filled(app, workers[name])) for name, app in apps.items() if name != _BARE
        }
        # The bare trigger gets the same requests.
        ids[_BARE] = ids[_DEVELOPMENT]
        batches = {
            (request, at_once, name): Sending(loop, apps[name], workers[name], _ASKED[request](ids[name]), at_once)
            for request, at_once, name in product(_ASKED, _AT_ONCE, apps)
        }
        sides = {" ".join(map(str, case)): Side(batch, _REQUESTS) for case, batch in batches.items()}
        figures = compare(sides, rounds)
    finally:
        for worker in workers.values():
            loop.run_until_complete(worker.stop())
    return Requests(
        {case: figures[" ".join(map(str, case))] for case in batches},
        {case: median(batch.per_second[-rounds:]) for case, batch in batches.items()},
    )


async def _filled(app: App, worker: Worker) -> list[str]:
    """The ids of new users."""
    bodies = [json.dumps(people.user(n)).encode() for n in range(_USERS)]
    return [json.loads(await app.send(worker, Ask("POST", "/Users", body=body)))["id"] for body in bodies]


# --- starts and imports ---


async def _starts(apps: Mapping[str, App], number: int) -> dict[str, Start]:
    """The median of so many starts of each, in turns; the first of each is a rehearsal."""
    config = Ask("GET", "/ServiceProviderConfig", function="service_provider_config")
    found = Ask("GET", "/Users", query=_filter(people.user_name(0)))
    sides = {
        _HELLO: (apps[_BARE], found),
        "ServiceProviderConfig, development token": (apps[_DEVELOPMENT], config),
        "filter, development token": (apps[_DEVELOPMENT], found),
        "filter, secret token": (apps[_SECRET], found),
        "filter, Entra token": (apps[_ENTRA], found),
    }
    started: dict[str, list[Start]] = {name: [] for name in sides}
    for _ in range(number + 1):
        for name, (app, ask) in sides.items():
            started[name].append(await _start(app, ask))
    return {
        name: Start(median(one.wall for one in starts[1:]), median(one.cpu for one in starts[1:]))
        for name, starts in started.items()
    }


async def _start(app: App, ask: Ask) -> Start:
    begun = perf_counter()
    worker = await app.start()
    try:
        await app.send(worker, ask)
        return Start(perf_counter() - begun, _cpu(worker))
    finally:
        await worker.stop()


def _imports(number: int) -> dict[str, float]:
    """The median CPU seconds of so many imports of each, in turns, each in a new process; the first is a rehearsal."""
    seconds: dict[str, list[float]] = {name: [] for name in _IMPORTED}
    for _ in range(number + 1):
        for name, statement in _IMPORTED.items():
            command = [sys.executable, "-I", "-c", _IMPORT.format(statement), str(_ROOT)]
            seconds[name].append(float(subprocess.run(command, check=True, capture_output=True, env={}).stdout))
    return {name: median(values[1:]) for name, values in seconds.items()}


# --- the report ---


def _section(requests: Requests, starts: Mapping[str, Start], imports: Mapping[str, float], rounds: int) -> Section:
    lines = [
        "`function_app` under `azure-functions-runtime`, the library that Azure's worker process runs, each app in a process of its",
        "own (`tests/worker`). Requests and answers are lines of JSON there. On Azure the worker process has gRPC messages in their",
        "place and ships its logs, so that a bare trigger costs more there. This one gets the same requests as ours and returns a",
        f"constant. Users are in SQLite, {_USERS} of them: in memory for the development token, in a file for the token of Entra ID,",
        f"which the worker has seen before. Medians of {rounds} rounds in which all take turns.",
        "",
        "What our part of a request takes, as a multiple of what the bare trigger takes, in CPU of the worker process:",
        "",
        "| request | at once | whose | ours : the worker's own | target | |",
        "|---|--:|---|--:|--:|---|",
    ]
    for request, at_once, name in product(_ASKED, _AT_ONCE, (_DEVELOPMENT, _ENTRA)):
        added = requests.added(request, at_once, name)
        held = f"< {_ADDED_TARGET:g} | {verdict(added < _ADDED_TARGET)}"
        lines.append(f"| {request} | {at_once} | {name} | {added:.2f} | {held} |")
    hello, alone = starts[_HELLO], imports[_ALONE]
    lines += [
        "",
        f"A new process to its first answer, beside a hello-world app: medians of {max(_STARTS, rounds)} starts each, in turns. With a token of",
        "Entra ID the first request also loads what checks it, and fetches the signing keys.",
        "",
        "| first answer | time : hello world | CPU : hello world | target | |",
        "|---|--:|--:|--:|---|",
    ]
    for name, start in starts.items():
        if name != _HELLO:
            wall, cpu = start.wall / hello.wall, start.cpu / hello.cpu
            held = f"≤ {_START_TARGET:g} | {verdict(max(wall, cpu) <= _START_TARGET)}"
            lines.append(f"| {name} | {wall:.2f} | {cpu:.2f} | {held} |")
    ratio = imports[_FUNCTION_APP] / alone
    lines += [
        "",
        f"The import of {_FUNCTION_APP} takes {ratio:.2f} times the CPU of that of {_ALONE} (target ≤ {_IMPORT_TARGET:g}: {verdict(ratio <= _IMPORT_TARGET)}).",
        "",
        "Microseconds of CPU per request, with the middle half of the rounds in brackets, and requests a second, which the side",
        "that asks takes its part in:",
        "",
        "| request | at once | whose | CPU | a second |",
        "|---|--:|---|--:|--:|",
        *(
            f"| {request} | {at_once} | {name} | {microseconds(figure)} | {requests.per_second[request, at_once, name]:,.0f} |"
            for (request, at_once, name), figure in requests.figures.items()
        ),
        "",
        "Milliseconds to the first answer, and of an import:",
        "",
        "| | time | CPU |",
        "|---|--:|--:|",
        *(f"| {name} | {start.wall * 1e3:.0f} | {start.cpu * 1e3:.0f} |" for name, start in starts.items()),
        *(f"| import of {name} | | {seconds * 1e3:.0f} |" for name, seconds in imports.items()),
    ]
    return Section(_TITLE, "\n".join(lines))
