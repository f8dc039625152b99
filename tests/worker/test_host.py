"""The stand-in for the host, on an app made up for it: each rule that the suites lean on without saying so."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.worker.harness import WorkerError
from tests.worker.host import Host, HostSettings, seconds

SCRIPT = """
import asyncio, json, os
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

def told(req, name):
    seen = {"function": name, "method": req.method, "url": req.url, "headers": dict(req.headers)}
    seen |= {"params": dict(req.params), "route": dict(req.route_params), "body": req.get_body().decode()}
    return func.HttpResponse(json.dumps(seen), mimetype="application/json")

@app.route(route="things/{id}/{*rest}", methods=["GET", "POST"])
async def things(req: func.HttpRequest) -> func.HttpResponse:
    return told(req, "things")

@app.route(route="things/new/now", methods=["GET"])
async def Then(req: func.HttpRequest) -> func.HttpResponse:
    return told(req, "Then")

@app.route(route="{*rest}", methods=["PUT"])
async def zz_put(req: func.HttpRequest) -> func.HttpResponse:
    return told(req, "zz_put")

@app.route(route="nothing")
async def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204, headers={"ETag": "1", "X-Own": "the function's"})

@app.route(route="binary")
async def binary(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(bytes(range(256)), headers={"Location": "http://h/1", "WWW-Authenticate": "Bearer"})

@app.route(route="fails")
async def fails(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("as planned")

@app.route(route="locked", auth_level=func.AuthLevel.FUNCTION)
async def locked(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("let in")

@app.route(route="process")
async def process(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(os.getpid()))

@app.route(route="forever")
async def forever(req: func.HttpRequest) -> func.HttpResponse:
    await asyncio.Event().wait()

@app.route(route="ends")
async def ends(req: func.HttpRequest) -> func.HttpResponse:
    os._exit(3)

running = most = 0
names = []

@app.route(route="held")
async def held(req: func.HttpRequest) -> func.HttpResponse:
    # Opening a pipe waits for the other end: the test knows that this has begun, and says when it ends.
    global running, most
    running += 1
    most = max(most, running)
    names.append(req.params["name"])
    if "pipe" in req.params:
        with await asyncio.to_thread(open, req.params["pipe"]) as pipe:
            await asyncio.to_thread(pipe.read)
    for _ in range(2000):
        await asyncio.sleep(0)
    running -= 1
    return func.HttpResponse(json.dumps([most, names]))
"""


def write(folder: Path, http: Mapping[str, Any] | None = None, **more: Any) -> Path:
    """The script root of the app, with a host.json that says this about HTTP."""
    (folder / "function_app.py").write_text(SCRIPT, encoding="utf-8")
    told = {"version": "2.0", "extensions": {"http": {"routePrefix": "", **(http or {})}}, **more}
    (folder / "host.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


@asynccontextmanager
async def calls(host: Host) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=host.origin, timeout=60) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    """A host with nothing in host.json but an empty prefix, for the tests that leave it as it is."""
    async with await Host.start(write(tmp_path_factory.mktemp("app"))) as host:
        yield host


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(shared: Host) -> AsyncIterator[httpx.AsyncClient]:
    async with calls(shared) as client:
        yield client


on_shared = pytest.mark.asyncio(loop_scope="module")


async def raw(host: Host, request: bytes) -> bytes:
    """The answer to these bytes, sent as they are."""
    reader, writer = await asyncio.open_connection(*host.origin.removeprefix("http://").split(":"))
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def seen(answer: bytes) -> Any:
    """What the function saw of a request that was sent raw."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@on_shared
async def test_the_first_match_in_alphabetical_order_wins(http: httpx.AsyncClient) -> None:
    """`Then` is before `things` whatever the case of its T, and `things` is narrower than `zz_put`."""
    assert (await http.get("/things/new/now")).json()["function"] == "Then"
    assert (await http.get("/THINGS/new/later")).json()["function"] == "things"
    assert (await http.put("/elsewhere")).json()["function"] == "zz_put"


@on_shared
async def test_a_function_that_does_not_list_the_method_is_passed_over(http: httpx.AsyncClient) -> None:
    assert (await http.post("/things/new/now")).json()["function"] == "things"
    assert (await http.put("/things/new/now")).json()["function"] == "zz_put"


@on_shared
@pytest.mark.parametrize(("method", "path"), [("DELETE", "/things/1"), ("HEAD", "/things/1"), ("GET", "/elsewhere")])
async def test_no_function_is_an_empty_404(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, path)
    assert (answer.status_code, answer.content) == (404, b"")
    assert "content-type" not in answer.headers
    assert "allow" not in answer.headers


@on_shared
async def test_head_is_answered_without_a_body_where_every_method_is_taken(http: httpx.AsyncClient) -> None:
    answer = await http.head("/binary")
    assert (answer.status_code, answer.content, answer.headers["location"]) == (200, b"", "http://h/1")


@on_shared
async def test_the_host_refuses_requests_to_a_function_with_a_key(http: httpx.AsyncClient) -> None:
    answer = await http.get("/locked")
    assert (answer.status_code, answer.content) == (401, b"")


@on_shared
async def test_header_names_are_lower_case_and_repeats_are_joined(shared: Host) -> None:
    lines = b"Host: h\r\nX-One: 1\r\nx-one: 2\r\nX-ONE:\r\nX-Empty:\r\nConnection: close\r\n"
    headers = seen(await raw(shared, b"GET /things/1 HTTP/1.1\r\n" + lines + b"\r\n"))["headers"]
    assert headers == {"host": "h", "x-one": "1,2", "x-empty": "", "connection": "close"}


@on_shared
async def test_repeats_in_the_query_are_joined_and_empty_values_dropped(http: httpx.AsyncClient) -> None:
    saw = (await http.get("/things/1?a=1&b=&a=2&B=3&c&d=x+y%26")).json()
    assert saw["params"] == {"a": "1,2", "B": "3", "d": "x y&"}
    assert saw["url"].endswith("/things/1?a=1&b=&a=2&B=3&c&d=x+y%26")


@on_shared
async def test_a_path_is_decoded_but_for_slashes(http: httpx.AsyncClient) -> None:
    """In the route parameters; in the URL it is encoded again."""
    saw = (await http.get("/things/a%20b%2Fc/urn%3Ad/%3F%C3%A9/?q=1")).json()
    assert saw["route"] == {"id": "a b%2Fc", "rest": "urn:d/?é/"}
    assert saw["url"] == f"{http.base_url}/things/a%20b%2Fc/urn:d/%3F%C3%A9/?q=1"


@on_shared
async def test_the_url_is_the_one_that_the_client_used(shared: Host) -> None:
    lines = b"Host: scim.example.net:8443\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
    saw = seen(await raw(shared, b"GET /things/1?q=1 HTTP/1.1\r\n" + lines))
    assert saw["url"] == "https://scim.example.net:8443/things/1?q=1"


@on_shared
async def test_a_null_in_a_path_is_an_empty_400(http: httpx.AsyncClient) -> None:
    answer = await http.get("/things/a%00")
    assert (answer.status_code, answer.content) == (400, b"")


@on_shared
async def test_a_body_arrives_with_its_length_and_a_chunked_one_arrives_empty(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"a": '
        yield b"1}"

    assert (await http.post("/things/1", content=b'{"a": 1}')).json()["body"] == '{"a": 1}'
    assert (await http.post("/things/1", content=chunks())).json()["body"] == ""
    # And the connection is still in step.
    assert (await http.post("/things/1", content=b"after")).json()["body"] == "after"


@on_shared
async def test_the_host_sends_100_continue(shared: Host) -> None:
    reader, writer = await asyncio.open_connection(*shared.origin.removeprefix("http://").split(":"))
    lines = b"Host: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    writer.write(b"POST /things/1 HTTP/1.1\r\n" + lines)
    async with asyncio.timeout(30):  # a host that waits for the body says nothing
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hi")
    assert seen(await reader.read())["body"] == "hi"
    writer.close()
    await writer.wait_closed()


@on_shared
async def test_a_compressed_body_is_left_as_it_is(http: httpx.AsyncClient) -> None:
    answer = await http.post("/things/1", content=b"not gzip", headers={"Content-Encoding": "gzip"})
    assert answer.json()["body"] == "not gzip"


@on_shared
async def test_an_exception_is_an_empty_500(http: httpx.AsyncClient) -> None:
    answer = await http.get("/fails")
    assert (answer.status_code, answer.content) == (500, b"")
    assert (await http.get("/things/1")).status_code == 200


@on_shared
async def test_the_answer_is_the_function_s(http: httpx.AsyncClient) -> None:
    answer = await http.get("/binary")
    assert (answer.status_code, answer.content) == (200, bytes(range(256)))
    assert (answer.headers["location"], answer.headers["www-authenticate"]) == ("http://h/1", "Bearer")


@on_shared
async def test_an_answer_without_a_body_is_text_as_the_library_has_it(http: httpx.AsyncClient) -> None:
    answer = await http.get("/nothing")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (204, b"", "1")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_routes_are_below_the_prefix(tmp_path: Path) -> None:
    async with await Host.start(write(tmp_path, {"routePrefix": "below/it"})) as host, calls(host) as http:
        assert (await http.get("/below/it/things/1")).json()["function"] == "things"
        assert (await http.get("/things/1")).status_code == 404


async def test_headers_of_host_json_are_added_where_the_function_has_none(tmp_path: Path) -> None:
    http_json = {"customHeaders": {"X-Own": "the host's", "X-Host": "1"}, "hsts": {"isEnabled": True, "maxAge": "10"}}
    async with await Host.start(write(tmp_path, http_json)) as host, calls(host) as http:
        for path, own in (("/nothing", "the function's"), ("/binary", "the host's"), ("/elsewhere", "the host's")):
            answer = await http.get(path)
            assert (answer.headers["x-own"], answer.headers["x-host"]) == (own, "1")
        answer = await http.get("/elsewhere", headers={"Host": "scim.example.net"})
        assert "strict-transport-security" not in answer.headers, "over plain HTTP"
        encrypted = {"X-Forwarded-Proto": "https", "Host": "scim.example.net"}
        answer = await http.get("/elsewhere", headers=encrypted)
        assert answer.headers["strict-transport-security"] == "max-age=864000"
        answer = await http.get("/elsewhere", headers=encrypted | {"Host": "localhost:7071"})
        assert "strict-transport-security" not in answer.headers


async def test_a_body_over_the_limit_is_an_empty_500(tmp_path: Path) -> None:
    settings = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "10"}
    async with await Host.start(write(tmp_path), settings) as host, calls(host) as http:
        assert (await http.post("/things/1", content=b"0123456789")).json()["body"] == "0123456789"
        answer = await http.post("/things/1", content=b"0123456789a")
        assert (answer.status_code, answer.content) == (500, b"")
        assert (await http.post("/elsewhere", content=b"0123456789a")).status_code == 404


async def test_a_function_over_the_time_limit_ends_the_worker(tmp_path: Path) -> None:
    """And whatever else it has under way; the next request finds another worker."""
    async with await Host.start(write(tmp_path, functionTimeout="00:00:01")) as host, calls(host) as http:
        before = host.worker
        answers = await asyncio.gather(http.get("/forever"), http.get("/forever"))
        assert [(answer.status_code, answer.content) for answer in answers] == [(500, b"")] * 2
        assert not before.running
        assert (await http.get("/nothing")).status_code == 204


async def test_a_worker_that_ends_is_replaced(tmp_path: Path) -> None:
    async with await Host.start(write(tmp_path)) as host, calls(host) as http:
        process = (await http.get("/process")).text
        answers = await asyncio.gather(http.get("/forever"), http.get("/ends"))
        assert [(answer.status_code, answer.content) for answer in answers] == [(500, b"")] * 2
        assert (await http.get("/process")).text != process


async def test_a_stopping_host_completes_running_requests(tmp_path: Path) -> None:
    host = await Host.start(write(tmp_path))
    address = host.origin.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /forever HTTP/1.1\r\nHost: h\r\n\r\n")
    await turns(100)
    await host.stop()
    assert (await reader.read()).startswith(b"HTTP/1.1 500 ")
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


async def test_more_outstanding_requests_than_the_limit_are_429(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with await Host.start(write(tmp_path, {"maxOutstandingRequests": 1})) as host, calls(host) as http:
        held = asyncio.create_task(http.get(f"/held?name=a&pipe={pipe}"))
        end = await asyncio.to_thread(pipe.open, "w")
        answer = await http.get("/process")
        assert (answer.status_code, answer.content) == (429, b"")
        end.close()
        assert (await held).status_code == 200
        assert (await http.get("/process")).status_code == 200


def test_app_settings_come_before_host_json(tmp_path: Path) -> None:
    write(tmp_path, {"maxConcurrentRequests": 100, "maxOutstandingRequests": 200})
    http = "AzureFunctionsJobHost__extensions__http__"
    told = HostSettings.read(tmp_path, {f"{http}maxConcurrentRequests": "6", f"{http}maxOutstandingRequests": "24"})
    assert (told.concurrent, told.outstanding) == (6, 24)
    assert HostSettings.read(tmp_path, {}).concurrent == 100


async def test_requests_over_the_concurrency_limit_wait(tmp_path: Path) -> None:
    async with await Host.start(write(tmp_path, {"maxConcurrentRequests": 2})) as host, calls(host) as http:
        answers = await asyncio.gather(*(http.get(f"/held?name={number}") for number in range(8)))
        assert max(answer.json()[0] for answer in answers) == 2


async def test_without_a_limit_all_run_at_once(tmp_path: Path) -> None:
    pipes = [tmp_path / str(number) for number in range(3)]
    async with await Host.start(write(tmp_path)) as host, calls(host) as http:
        for pipe in pipes:
            os.mkfifo(pipe)
        held = [asyncio.create_task(http.get(f"/held?name={pipe.name}&pipe={pipe}")) for pipe in pipes]
        for end in [await asyncio.to_thread(pipe.open, "w") for pipe in pipes]:
            end.close()
        assert max(answer.json()[0] for answer in await asyncio.gather(*held)) == 3


async def test_a_disconnected_client_does_not_stop_the_function(tmp_path: Path) -> None:
    """What runs, runs to its end: a Python worker is never told. What waits for a place is not begun."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    async with await Host.start(write(tmp_path, {"maxConcurrentRequests": 1})) as host, calls(host) as http:
        await leave(host, f"/held?name=runs&pipe={pipe}", pipe)
        await leave(host, "/held?name=waits")
        last = asyncio.create_task(http.get("/held?name=last"))
        await turns(100)
        end = await asyncio.to_thread(pipe.open, "w")
        end.close()
        assert (await last).json() == [1, ["runs", "last"]]


async def leave(host: Host, target: str, pipe: Path | None = None) -> None:
    """Ask for `target` and hang up, once the function has begun if there is a pipe to tell."""
    _, writer = await asyncio.open_connection(*host.origin.removeprefix("http://").split(":"))
    writer.write(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    await turns(100)
    writer.close()
    await writer.wait_closed()


async def turns(number: int) -> None:
    """Let the loop, which is the host's too, see all that has been sent on this machine."""
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("time_span", "expected"),
    [
        ("00:05:00", 300),
        ("01:00:01", 3601),
        ("1.00:00:00", 86400),
        ("10", 864_000),
        ("00:00:00.25", 0.25),
        ("01:30", 5400),
    ],
)
def test_a_time_span_is_read_as_in_dotnet(time_span: str, expected: float) -> None:
    assert seconds(time_span) == expected


@pytest.mark.parametrize(
    ("hsts", "header"),
    [
        ({}, None),
        ({"isEnabled": False, "maxAge": "10"}, None),
        ({"isEnabled": True}, "max-age=2592000"),
        (
            {"isEnabled": True, "maxAge": "1", "includeSubDomains": True, "preload": True},
            "max-age=86400; includeSubDomains; preload",
        ),
    ],
)
def test_strict_transport_security_is_that_of_host_json(
    tmp_path: Path, hsts: Mapping[str, object], header: str | None
) -> None:
    assert HostSettings.read(write(tmp_path, {"hsts": hsts}), {}).strict_transport == header


def test_host_json_leaves_other_settings_out(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}', encoding="utf-8")
    assert HostSettings.read(tmp_path, {}) == HostSettings()
    (tmp_path / "host.json").write_text('{"version": "2.0", "functionTimeout": "-1"}', encoding="utf-8")
    assert HostSettings.read(tmp_path, {}).timeout is None
    (tmp_path / "host.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="version"):
        HostSettings.read(tmp_path, {})


async def test_an_app_that_cannot_be_indexed_is_an_error(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "function_app.py").write_text("import no_such_module", encoding="utf-8")
    with pytest.raises(WorkerError, match="no_such_module"):
        await Host.start(tmp_path)
