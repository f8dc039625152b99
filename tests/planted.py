"""What requests carry must not turn up in a log; nor a token, or what another client has sent, in an error.

Every request of a test's client plants its values here. When the test ends they are looked for in the log records of this
process and in what its servers wrote to stderr; one that is found fails the test. Knows what a request holds and what a
log line is; knows no server and no client. `tests/conftest.py` takes the hooks from here.
"""

import base64
import binascii
import logging
import os
import re
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, quote, unquote

import orjson
import pytest

from scim.edge.triggers import TRIGGERS
from scim.protocol.schema.registry import read

SHORTEST: Final = 6
"""Shorter values turn up by chance."""
LONGEST: Final = 32
"""The beginning of a longer value gives it away already, and a log line may have cut it off."""

EXAMPLES: Final = Path(__file__).parents[1] / "examples" / "schemas"

# Loggers of the clients that tests send with, and of their tools: they log every URL, and speak for nobody but the tests.
_TESTS_OWN: Final = ("httpx", "httpcore", "httpx2", "httpcore2", "hypothesis", "scim2_tester", "scim2_client")

# Values that are words of the protocol or of our own log lines. A value in a log that is one of these tells nothing of
# anybody, and tests send them all the time. Whole values only, so that "default-user" is still looked for.
_WORDS: Final = frozenset(
    {
        # routes, as in `PATCH /Users/{id} 204`
        *(word.casefold() for route in TRIGGERS.values() for word in route.split("/")),
        # the routes and types of the examples that deployments start from
        *(
            word.casefold()
            for resource_type in read(EXAMPLES).resource_types.values()
            for word in (resource_type.endpoint[1:], resource_type.name)
        ),
        # PATCH's words, which stand in the code lines of a traceback too
        *("replace", "remove", "members"),
        # a bulk request's own name, and what an operation of it has as its method and path
        *("operations", "delete", "/users", "/groups"),
        "customer",  # a name in each log line
        "default",  # as in `default-src` of a header
    }
)

# What nobody sends and no log may have all the same: the hash of a password.
_NEVER: Final = frozenset({"$argon2"})

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PLAIN: Final = re.compile(r"[\w.-]*", re.ASCII)
# Between these stand a token's parts (JWT, or the id and the secret of a secret token), each a secret by itself.
_PARTS: Final = re.compile(r"[._]")
_SHORTEST_PART: Final = 16
_CLIENT_ERROR: Final = 400


class Leak(AssertionError):
    """A value of a request is where it must not be."""


class Watch(logging.Handler):
    """Keeps what was planted and what was logged since the test began."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))  # and the exception, with its causes
        self._lines: list[str] = []
        self._values: set[str] = set()
        self._accepted: dict[str | None, set[str]] = {}
        self._files: dict[int, tuple[BinaryIO, int]] = {}
        self._reading = RLock()  # servers may be stopped by several threads at once

    # --- what is planted ---

    def begin(self) -> None:
        """A test begins: what was planted and logged before counts no more."""
        self._read_files()
        self._lines.clear()
        self._values.clear()
        self._accepted.clear()

    def sent(self, path: str, headers: Mapping[str, str], body: bytes) -> set[str]:
        """Plant the values of a request; `path` has the query. Returns them."""
        raw_path, _, query = path.partition("?")
        found = {unquote(segment) for segment in raw_path.split("/")}
        for _, value in parse_qsl(query):
            found.update(_QUOTED.findall(value))
        found.update(_strings_in(body))
        found.update(_token_values(_token(headers)))
        values = {value for value in found if len(value) >= SHORTEST and value.casefold() not in _WORDS}
        # Ids of ours may be logged: they are nobody's name. Schema URNs and request ids are the protocol's.
        values = {value for value in values if not _UUID.fullmatch(value) and not value.startswith("urn:ietf:params:")}
        self._values |= values
        return values

    def answered(self, headers: Mapping[str, str], values: set[str], status: int, shown: str) -> None:
        """Raise `Leak` if an error shows the token, or what only requests with other tokens have sent."""
        token = _token(headers)
        if status < _CLIENT_ERROR:
            self._accepted.setdefault(token, set()).update(values - _token_values(token))
            return
        own = self._accepted.get(token, set()) | values
        others = {value for other, sent in self._accepted.items() if other != token for value in sent}
        secret = {value for value in _token_values(token) if len(value) >= SHORTEST and value.casefold() not in _WORDS}
        leaked = _found(secret | (others - own), shown)
        if leaked is not None:
            raise Leak(f"{leaked!r} is in an error of {status}: {shown[:500]}")

    # --- what is logged ---

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def follow(self, log: BinaryIO) -> None:
        """Watch the file that a process writes its stderr to, from here on."""
        with self._reading:
            self._files[log.fileno()] = (log, os.fstat(log.fileno()).st_size)

    def unfollow(self, log: BinaryIO) -> None:
        """The process has ended: look at the rest of its log, and at no more."""
        with self._reading:
            self._read_files()
            self._files.pop(log.fileno(), None)

    def check(self) -> None:
        """Raise `Leak`, which names the line, if a planted value is in a log."""
        self._read_files()
        if not self._lines or not self._values:
            return
        values = _NEVER | {variant for value in list(self._values) for variant in _variants(value)}
        if _found(values, "\n".join(self._lines)) is None:
            return
        for line in list(self._lines):
            leaked = _found(values, line)
            if leaked is not None:
                self._lines.clear()  # one report of it is enough
                raise Leak(f"{leaked!r} was logged: {line}")

    def _read_files(self) -> None:
        with self._reading:
            for number, (log, seen) in self._files.items():
                # The offset of the file is the writer's too, so it stays where it is.
                written = os.pread(number, os.fstat(number).st_size - seen, seen)
                self._files[number] = (log, seen + len(written))
                if written:
                    self._lines.append(written.decode(errors="replace"))


WATCH: Final = Watch()


def _found(values: Iterable[str], text: str) -> str | None:
    # Ids are hexadecimal digits, among which a value such as "000001" stands by chance.
    text = _UUID.sub("{id}", text).casefold()
    return next((value for value in values if value[:LONGEST].casefold() in text), None)


def _variants(value: str) -> Iterable[str]:
    """The value as it may stand in a log line: as it is, with escapes, percent-encoded."""
    value = value[:LONGEST]
    return [value] if _PLAIN.fullmatch(value) else [value, ascii(value)[1:-1], quote(value, errors="replace")]


def _strings_in(body: bytes) -> set[str]:
    """The strings of a JSON text but for names; of other texts what is between quotes."""
    try:
        unread: list[Any] = [orjson.loads(body)] if body else []
    except orjson.JSONDecodeError:
        return set(_QUOTED.findall(body.decode(errors="replace")))
    found: set[str] = set()
    while unread:
        match unread.pop():
            case str(value):
                found.add(value)
                found.update(_QUOTED.findall(value))  # a filter
            case list(values):
                unread += values
            case dict(members):
                unread += members.values()
    return found


def _token(headers: Mapping[str, str]) -> str | None:
    given = next((value for name, value in headers.items() if name.lower() == "authorization"), None)
    return None if given is None else given.partition(" ")[2].strip()


def _token_values(token: str | None) -> set[str]:
    """A token, its longer parts, and the strings that a JWT says."""
    if not token:
        return set()
    parts = _PARTS.split(token)
    found = {token, *(part for part in parts if len(part) >= _SHORTEST_PART)}
    if token.count(".") == 2:
        for part in parts[:2]:
            try:
                decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
            except (binascii.Error, ValueError):
                continue
            found |= _strings_in(decoded)
    return found


# --- hooks of pytest --------------------------------------------------------------------------------------------


def pytest_configure() -> None:
    root = logging.getLogger()
    root.addHandler(WATCH)
    root.setLevel(logging.DEBUG)
    for name in _TESTS_OWN:
        logging.getLogger(name).setLevel(logging.WARNING)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    WATCH.begin()
    result = yield
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    result = yield
    WATCH.check()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    result = yield
    WATCH.check()
    return result
