"""The `Host` header, without SCIM_BASE_URL: a host name or an address with an optional port, or 400. Nobody's text is reflected."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import azure.functions as func
import pytest

from scim.app import build
from scim.edge.http import Request
from scim.settings import Settings
from tests.conftest import BASE, TOKEN, Client, Loop, Server, indexed_functions
from tests.http.checks import is_error
from tests.worker.host_client import HostClient

GOOD: Final = [
    "scim.example.com", "localhost", "localhost:7071", "SCIM.Example.COM:443", "a", "a-b.c", "xn--mnchen-3ya.example", "example.com.",
    "127.0.0.1", "127.0.0.1:7071", "255.255.255.255:65535", "[::1]", "[::1]:7071", "[2001:db8::192.0.2.1]:80", "1a.example", "3com.com",
    f"{'a' * 63}.example",
]  # fmt: skip
BAD: Final = {
    "a script": 'a"><script>alert(1)</script>',
    "userinfo": "good@evil",
    "userinfo of two parts": "good:better@evil",
    "empty": "",
    "a port alone": ":7071",
    "a blank": "a b",
    "a blank behind": "a .example",
    "an underscore": "a_b.example",
    "a comma": "a,b",
    "two": "a.example,b.example",
    "a slash": "a/b",
    "a backslash": "a\\b",
    "a question mark": "a?b",
    "a hash": "a#b",
    "a percent": "a%41",
    "quotes": "'a'",
    "an empty label": "a..b",
    "a dot before": ".a",
    "two dots behind": "a..",
    "a hyphen before": "-a.example",
    "a hyphen behind": "a-.example",
    "a label of 64": f"{'a' * 64}.example",
    "very long": ".".join(["a" * 60] * 5),
    "a megabyte of labels": "a." * 10_000 + "a",
    "a port that isn't": "a:b",
    "an empty port": "a:",
    "port 0": "a:0",
    "port 65536": "a:65536",
    "a port of digits of another script": "a:\N{ARABIC-INDIC DIGIT ONE}",
    "two ports": "a:1:2",
    "IPv4 with 5 parts": "1.2.3.4.5",
    "IPv4 with 3 parts": "1.2.3",
    "IPv4 over 255": "1.2.3.256",
    "IPv4 with a leading zero": "01.2.3.4",
    "a number": "2130706433",
    "a hexadecimal number": "0x7f000001",
    "a last label that is a number": "a.1",
    "IPv6 without brackets": "::1",
    "IPv6 that isn't": "[::g]",
    "IPv6 of too many parts": "[1:2:3:4:5:6:7:8:9]",
    "IPv6 with a zone": "[fe80::1%25eth0]",
    "IPv4 in brackets": "[127.0.0.1]",
    "brackets of nothing": "[]",
    "an open bracket": "[::1",
    "something behind the brackets": "[::1]a",
    "a future address": "[v1.fe80::a]",
    "letters of another alphabet": "\N{CYRILLIC SMALL LETTER A}.example",
    "a control character": "a\x01",
    "a line break": "a\r\nX-Injected: 1",
}


@pytest.fixture(scope="module")
def app(loop: Loop) -> Iterator[Any]:
    made = build(Settings(), tokens={TOKEN: "default"})
    yield made
    loop.run(made.close())


def ask(app: Any, loop: Loop, origin: str, method: str = "GET") -> Any:
    headers = {"authorization": f"Bearer {TOKEN}"}
    return loop.run(app.handler.handle(Request(method, f"{BASE}/ServiceProviderConfig", {}, headers, b"", origin)))


@pytest.mark.parametrize("host", GOOD)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_or_an_address_is_in_the_urls_of_the_answer(app: Any, loop: Loop, scheme: str, host: str) -> None:
    answer = ask(app, loop, f"{scheme}://{host}")
    assert answer.status == 200
    assert json.loads(answer.body)["meta"]["location"] == f"{scheme}://{host}{BASE}/ServiceProviderConfig"


@pytest.mark.parametrize("host", BAD.values(), ids=BAD)
def test_any_other_host_is_400_and_is_not_echoed(app: Any, loop: Loop, host: str) -> None:
    for origin in (f"http://{host}", f"https://{host}"):
        answer = ask(app, loop, origin)
        assert (answer.status, json.loads(answer.body)["status"]) == (400, "400")
        assert "Host" in json.loads(answer.body)["detail"]
        assert not host or len(host) < 2 or host not in answer.body.decode() + str(answer.headers)


@pytest.mark.parametrize(
    "origin", ["", "ftp://a.example", "javascript://a", "a.example", "//a.example", "http:a.example"]
)
def test_another_scheme_or_none_is_400(app: Any, loop: Loop, origin: str) -> None:
    assert ask(app, loop, origin).status == 400


def test_with_a_base_url_in_the_settings_the_header_does_not_matter(loop: Loop) -> None:
    made = build(Settings(base_url="https://fixed.example/scim/v2"), tokens={TOKEN: "default"})
    for host in BAD.values():
        answer = ask(made, loop, f"http://{host}")
        assert json.loads(answer.body)["meta"]["location"].startswith("https://fixed.example/")
    loop.run(made.close())


def test_authentication_comes_before_the_check_of_the_host(app: Any, loop: Loop) -> None:
    request = Request("GET", f"{BASE}/Users", {}, {}, b"", 'http://a"><script>')
    assert loop.run(app.handler.handle(request)).status == 401
    assert loop.run(app.handler.handle(Request("GET", "/healthz", {}, {}, b"", 'http://a"><script>'))).status == 200


# --- over a port ------------------------------------------------------------------------------------------------


def said(server: Server, target: str, *headers: str, version: str = "1.1") -> tuple[int, bytes]:
    """Status and the rest of the answer to a request with exactly this target and these headers."""
    url = urlsplit(server.origin)
    lines = [f"GET {target} HTTP/{version}", f"Authorization: Bearer {TOKEN}", "Connection: close", *headers, "", ""]
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        answer = connection.makefile("rb").read()
    return int(answer.split()[1]), answer


_PATH: Final = f"{BASE}/ServiceProviderConfig"


@pytest.mark.parametrize(
    ("target", "headers", "status", "location"),
    [
        (_PATH, ["Host: a.example:81"], 200, "http://a.example:81"),
        (_PATH, ["Host: [::1]:81"], 200, "http://[::1]:81"),
        (_PATH, ['Host: a"><script>'], 400, None),
        (_PATH, ["Host: good@evil"], 400, None),
        (_PATH, ["Host:"], 400, None),
        (_PATH, [], 400, None),
        (_PATH, ["Host: a.example", "Host: b.example"], 400, None),
        (_PATH, ["Host: a.example", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https"], 200, "http://a.example"),
        # RFC 9112 §3.2.2: the target counts, not the header.
        (f"http://b.example:82{_PATH}", ["Host: a.example"], 200, "http://b.example:82"),
        (f"http://good@evil{_PATH}", ["Host: a.example"], 400, None),
        (f"http://a_b{_PATH}", ["Host: a.example"], 400, None),
    ],
)  # fmt: skip
def test_over_a_port(server: Server, target: str, headers: list[str], status: int, location: str | None) -> None:
    told, answer = said(server, target, *headers)
    assert told == status, answer
    assert b"evil" not in answer
    assert b"<script>" not in answer
    if location is not None:
        assert f'"location":"{location}{_PATH}"'.encode() in answer


def test_http_1_0_without_a_host_does_not_get_the_name_of_the_machine(server: Server) -> None:
    status, answer = said(server, _PATH, version="1.0")
    assert status == 400
    assert socket.gethostname().encode() not in answer


# --- on Azure ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ['a"><script>', "good@evil", "", "a b", "a_b", "a?b", "a#b"])
def test_a_trigger_takes_the_host_from_the_url_that_the_functions_host_makes(
    client: Client, loop: Loop, host: str
) -> None:
    trigger = next(one for one in indexed_functions() if one.get_function_name() == "service_provider_config")
    request = func.HttpRequest(
        "GET",
        f"https://{host}{_PATH}",
        headers={"authorization": f"Bearer {TOKEN}"},
        params={},
        route_params={},
        body=b"",
    )
    response: Any = loop.run(trigger.get_user_function()(request))
    assert response.status_code == 400
    assert b"script" not in response.get_body()


def test_behind_the_host(loop: Loop, tmp_path: Path) -> None:
    client = HostClient(loop, {"SCIM_DEV_TOKEN": TOKEN})
    try:
        for host in ("good@evil", "a_b", "a:99999"):
            is_error(client.get("/ServiceProviderConfig", headers={"Host": host}), 400)
        assert client.get("/ServiceProviderConfig", headers={"Host": "a.example"}).status == 200
    finally:
        client.close()
