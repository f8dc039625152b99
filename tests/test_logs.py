"""The watch over logs and errors finds what it is there for. That it sees every test is what `tests/conftest.py` is for."""

import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from scim.edge.triggers import TRIGGERS
from tests.conftest import TOKEN, Client, Server
from tests.planted import Leak, Watch
from tests.security.issuer import Issuer

ROOT = Path(__file__).parents[1]

# A test run of its own: what each of these does with a request's value decides whether it may pass.
SUITE = """
import logging, subprocess, sys, tempfile
import pytest
from tests.planted import WATCH, pytest_configure, pytest_runtest_setup, pytest_runtest_call, pytest_runtest_teardown

log = logging.getLogger("scim.anything")

def plant(value="bjensen"):
    WATCH.sent("/scim/v2/Users", {"Authorization": "Bearer the-token-of-it"}, b'{"userName":"%s"}' % value.encode())

@pytest.fixture
def leaks_at_the_end():
    yield
    log.debug("bye, bjensen")

def test_passes_without_a_log():
    plant()

def test_passes_with_a_log_line():
    plant()
    log.info("request action=create status=201 request_id=01890000-0000-7000-8000-000000000000")

def test_passes_after_another_planted_it():
    log.info("bjensen is of no interest here")

def test_leaks_the_hash_of_a_password():
    plant()
    log.info("kept $argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")

def test_leaks_in_a_message():
    plant()
    log.debug("made %s", "bjensen")

def test_leaks_in_an_exception():
    plant()
    try:
        raise KeyError("bjensen")
    except KeyError:
        log.exception("something went wrong")

def test_leaks_in_the_cause_of_an_exception():
    plant()
    try:
        try:
            raise KeyError("bjensen")
        except KeyError as error:
            raise ValueError("else") from error
    except ValueError:
        log.error("something went wrong", exc_info=True)

@pytest.mark.parametrize("name", ["azure.core.pipeline", "aiohttp.access", "asyncio", "root", "never.heard.of"])
def test_leaks_through(name):
    plant()
    logging.getLogger(name).warning("the-token-of-it")

def test_leaks_from_a_process():
    plant()
    with tempfile.TemporaryFile(buffering=0) as stderr:
        WATCH.follow(stderr)
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('hello bjensen')"], stderr=stderr)
        WATCH.unfollow(stderr)

def test_leaks_at_the_end(leaks_at_the_end):
    plant()
"""


def test_a_leak_fails_the_test_that_it_happens_in_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.planted import *  # noqa: F403")
    (tmp_path / "test_suite.py").write_text(SUITE)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    names: dict[str, set[str]] = {}
    for line in ran.stdout.splitlines():
        outcome, _, name = line.partition(" ")
        if outcome.isupper() and "test_suite.py::" in name:
            names.setdefault(outcome, set()).add(name.partition("::")[2].split()[0])
    assert names["FAILED"] == {
        "test_leaks_the_hash_of_a_password",
        "test_leaks_in_a_message",
        "test_leaks_in_an_exception",
        "test_leaks_in_the_cause_of_an_exception",
        *(
            f"test_leaks_through[{n}]"
            for n in ("azure.core.pipeline", "aiohttp.access", "asyncio", "root", "never.heard.of")
        ),
        "test_leaks_from_a_process",
    }, ran.stdout + ran.stderr
    assert names["ERROR"] == {"test_leaks_at_the_end"}
    assert all(name.startswith("test_passes") or name == "test_leaks_at_the_end" for name in names["PASSED"])
    assert len(names["PASSED"]) == 4
    assert "'bjensen' was logged: scim.anything DEBUG made bjensen" in ran.stdout


SENT = '~/scim/v2/Users/an-id-of-no-form?filter=title eq "a filter\'s value"&count=3'.removeprefix("~")
BODY = b'{"userName":"babs.jensen","emails":[{"value":"babs@example.com"}],"filter":"nickName sw \\"Nick name\\""}'


@pytest.mark.parametrize(
    "line",
    [
        "an-id-of-no-form",
        "title eq a filter's value",
        "?filter=title%20eq%20%22a%20filter%27s%20value%22",
        "key username:babs.jensen",
        "BABS.JENSEN",
        "{'value': 'babs@example.com'}",
        "to babs%40example.com",
        "Nick name",
        "the start of it: the-token-of-this-request-which-is",
    ],
)
def test_every_part_of_a_request_is_planted_and_found_in_any_form(line: str) -> None:
    token = "the-token-of-this-request-which-is-long"
    watch = Watch()
    watch.sent(SENT, {"authorization": f"Bearer {token}"}, BODY)
    watch.emit(logging.makeLogRecord({"name": "scim", "msg": "%s", "args": (f"GET /Users/{{id}} 200: {line}",)}))
    with pytest.raises(Leak):
        watch.check()


def test_invalid_json_is_planted_too() -> None:
    for body in (b'{"userName":"babs.jensen"', b'{"userName":"babs.jensen"}\xff', b'["babs.jensen"' * 5000):
        watch = Watch()
        watch.sent("/", {}, body)
        watch.emit(logging.makeLogRecord({"name": "scim", "msg": "babs.jensen"}))
        with pytest.raises(Leak):
            watch.check()


def test_a_token_is_planted_with_its_parts_and_what_it_says() -> None:
    token = Issuer().token(version="2.0")
    for part in (token, *token.split("."), "E2ZgYLgU7zWv" * 3, "azp: 00000014-0000-0000-c000-000000000000/x"):
        watch = Watch()
        watch.sent("/", {"Authorization": f"Bearer {token}"}, b"")
        watch.emit(logging.makeLogRecord({"name": "scim", "msg": f"refused {part}"}))
        if part.startswith("azp"):
            watch.check()  # ids are nobody's name
        else:
            with pytest.raises(Leak):
                watch.check()


@pytest.mark.parametrize("route", TRIGGERS.values())
def test_our_own_words_are_no_leaks(route: str) -> None:
    watch = Watch()
    watch.sent(f"/{route}", {}, b'{"op":"replace","path":"members"}')
    watch.emit(logging.makeLogRecord({"name": "scim.request", "msg": f"GET /{route} 200 1.0 ms; replace members"}))
    watch.check()


# --- errors -----------------------------------------------------------------------------------------------------


def test_an_error_may_show_what_the_client_itself_has_sent_but_not_its_token() -> None:
    watch = Watch()
    headers = {"Authorization": "Bearer token-of-contoso"}
    values = watch.sent("/", headers, b'{"userName":"bjensen"}')
    watch.answered(headers, values, 400, "bjensen is no name")
    watch.answered(headers, values, 200, "token-of-contoso")
    with pytest.raises(Leak):
        watch.answered(headers, values, 400, "token-of-contoso isn't known")


def test_an_error_never_shows_what_another_client_has_sent() -> None:
    contoso, fabrikam = ({"Authorization": f"Bearer token-of-{name}"} for name in ("contoso", "fabrikam"))
    watch = Watch()
    watch.answered(contoso, watch.sent("/", contoso, b'{"userName":"bjensen"}'), 201, "")
    values = watch.sent("/", fabrikam, b'{"userName":"mallory"}')
    watch.answered(fabrikam, values, 409, "mallory is there already")
    with pytest.raises(Leak):
        watch.answered(fabrikam, values, 409, "bjensen is there already")
    watch.answered(fabrikam, watch.sent("/", fabrikam, b'{"userName":"bjensen"}'), 409, "bjensen is there already")


# --- what is watched --------------------------------------------------------------------------------------------


def test_a_request_of_any_client_is_planted(client: Client, server: Server) -> None:
    """What a trigger is asked in this process, and what a server is asked over a port."""
    from tests.conftest import PortClient
    from tests.planted import WATCH

    port_client = PortClient(server.origin)
    for each in (client, port_client):
        each.user("planted.by.a.test")
    port_client.close()
    assert {"planted.by.a.test", TOKEN} <= WATCH._values
    assert any("action=create" in line for line in WATCH._lines)
    assert server._stderr.fileno() in WATCH._files


def test_no_logger_keeps_its_records_from_the_root() -> None:
    """Neither ours nor Azure's, whose own level is all that keeps URLs out of a log."""
    import azure.cosmos.aio
    import azure.identity.aio  # noqa: F401

    known = logging.Logger.manager.loggerDict.items()
    silent = [name for name, logger in known if isinstance(logger, logging.Logger) and not logger.propagate]
    assert silent == []


def test_a_log_that_a_process_still_writes_keeps_its_place() -> None:
    """Reading must not move the place where the process writes next."""
    watch = Watch()
    with tempfile.TemporaryFile(buffering=0) as log:
        watch.follow(log)
        for text in (b"first\n", b"second\n"):
            log.write(text)
            watch.check()
        watch.unfollow(log)
        log.seek(0)
        assert log.read() == b"first\nsecond\n"
    assert watch._lines == ["first\n", "second\n"]
