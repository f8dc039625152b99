"""The harness and the host's routing rule, on apps made up for it: a fault in them would let `test_worker.py` pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker.harness import NoAnswer, Worker, WorkerError, query_of
from tests.worker.host_routes import ORDERS, decoded, encoded, first_match, match, shadowed

APP = """
import azure.functions as func

app = func.FunctionApp()

@app.route(route="echo/{*path}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    print("what an app prints must not break the harness")
    parts = [req.method, req.url, req.headers["X-One"], req.params.get("q"), req.route_params.get("path")]
    return func.HttpResponse(repr(parts).encode() + req.get_body(), status_code=207, headers={"ETag": "W/\\"1\\""})

@app.route()
def fails(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("as planned")

@app.timer_trigger(schedule="0 0 * * * *", arg_name="timer")
async def sweep(timer: func.TimerRequest) -> None: ...
"""


def app(folder: Path, text: str = APP) -> Path:
    (folder / "function_app.py").write_text(text, encoding="utf-8")
    return folder


async def test_functions_are_read_as_the_host_reads_them(tmp_path: Path) -> None:
    async with await Worker.start(app(tmp_path)) as worker:
        assert {f.name: (f.trigger, f.route, f.methods, f.auth_level) for f in worker.functions} == {
            "echo": ("httpTrigger", "echo/{*path}", ("GET", "POST"), "ANONYMOUS"),
            "fails": ("httpTrigger", "fails", (), "FUNCTION"),
            "sweep": ("timerTrigger", None, (), None),
        }


async def test_the_library_registers_triggers_as_the_worker_expects(tmp_path: Path) -> None:
    """Each of these changes what the host does: raw bodies; no news of clients that left, no empty query values, all headers."""
    async with await Worker.start(app(tmp_path)) as worker:
        assert worker.capabilities.keys() >= {"RawHttpBodyBytes", "RpcHttpBodyOnly"}
        unasked = {"HandlesInvocationCancelMessage", "UseNullableValueDictionaryForHttp"}
        unasked |= {"IgnoreEmptyValuedRpcHttpHeaders", "HttpUri"}
        assert worker.capabilities.keys() & unasked == set()


async def test_an_invocation_passes_the_request_and_returns_the_response(tmp_path: Path) -> None:
    async with await Worker.start(app(tmp_path)) as worker:
        url = "http://localhost/echo/a/b?q=1&q=2&empty="
        answer = await worker.invoke("echo", "POST", url, {"X-One": "1"}, b"\x00\xff", route_params={"path": "a/b"})
        assert answer.status == 207
        assert answer.headers == {"etag": 'W/"1"', "content-type": "text/plain; charset=utf-8"}
        assert answer.body == repr(["POST", url, "1", "1,2", "a/b"]).encode() + b"\x00\xff"


async def test_a_function_that_raises_is_an_error_and_the_worker_lives_on(tmp_path: Path) -> None:
    async with await Worker.start(app(tmp_path)) as worker:
        for _ in range(2):
            with pytest.raises(WorkerError, match="ValueError: as planned"):
                await worker.invoke("fails", "GET", "http://localhost/fails")


async def test_a_timer_passes_its_schedule_and_ignores_the_result(tmp_path: Path) -> None:
    text = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
seen = []

@app.timer_trigger(schedule="0 0 * * * *", arg_name="timer")
async def sweep(timer: func.TimerRequest) -> None:
    seen.append((timer.past_due, sorted(timer.schedule_status)))
    if len(seen) > 2:
        raise ValueError("as planned")

@app.route()
async def told(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(repr(seen))
"""
    async with await Worker.start(app(tmp_path, text)) as worker:
        await worker.invoke_timer("sweep")
        await worker.invoke_timer("sweep", past_due=True)
        told = await worker.invoke("told", "GET", "http://localhost/told")
        status = ["Last", "LastUpdated", "Next"]
        assert told.body.decode() == repr([(False, status), (True, status)])
        with pytest.raises(WorkerError, match="ValueError: as planned"):
            await worker.invoke_timer("sweep")


async def test_what_a_process_writes_to_stderr_is_kept(tmp_path: Path) -> None:
    async with await Worker.start(app(tmp_path)) as worker:
        await worker.invoke("echo", "GET", "http://localhost/echo", {"X-One": "1"})
    assert "what an app prints" in worker.log


async def test_invocations_overlap_and_answers_come_as_they_are_ready(tmp_path: Path) -> None:
    """Each of three waits for all three, and then for those that came later."""
    text = """
import asyncio
import azure.functions as func

app = func.FunctionApp()
met = asyncio.Barrier(3)
gone = [asyncio.Event() for _ in range(4)]
gone[3].set()

@app.route()
async def meet(req: func.HttpRequest) -> func.HttpResponse:
    number = int(req.params["number"])
    await met.wait()
    await gone[number + 1].wait()
    gone[number].set()
    return func.HttpResponse(str(number))
"""
    finished = []
    async with await Worker.start(app(tmp_path, text)) as worker:

        async def call(number: int) -> bytes:
            answer = await worker.invoke("meet", "GET", f"http://localhost/meet?number={number}")
            finished.append(number)
            return answer.body

        assert await asyncio.gather(*map(call, range(3))) == [b"0", b"1", b"2"]
    assert finished == [2, 1, 0]


async def test_an_invocation_of_a_disconnected_client_is_completed(tmp_path: Path) -> None:
    """And its answer is taken for no other's."""
    text = """
import asyncio
import azure.functions as func

app = func.FunctionApp()
begun, gate, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

@app.route()
async def wait(req: func.HttpRequest) -> func.HttpResponse:
    begun.set()
    await gate.wait()
    ended.set()
    return func.HttpResponse("late")

@app.route()
async def begin(req: func.HttpRequest) -> func.HttpResponse:
    await begun.wait()
    return func.HttpResponse("begun")

@app.route()
async def end(req: func.HttpRequest) -> func.HttpResponse:
    gate.set()
    await ended.wait()
    return func.HttpResponse("ended")
"""
    async with await Worker.start(app(tmp_path, text)) as worker:

        async def call(name: str) -> bytes:
            return (await worker.invoke(name, "GET", f"http://localhost/{name}")).body

        waiting = asyncio.create_task(call("wait"))
        assert await call("begin") == b"begun"
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await call("end") == b"ended"
        assert await call("begin") == b"begun"


async def test_an_ending_worker_ends_running_requests(tmp_path: Path) -> None:
    text = APP.replace('raise ValueError("as planned")', "__import__('os')._exit(7)")
    async with await Worker.start(app(tmp_path, text)) as worker:
        with pytest.raises(NoAnswer, match="ended with code 7"):
            await worker.invoke("fails", "GET", "http://localhost/fails")
        with pytest.raises(NoAnswer, match="has ended"):
            await worker.invoke("fails", "GET", "http://localhost/fails")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import no_such_module", "no_such_module"),
        ("x = 1", "Could not find top level function app"),
        (APP.replace("(req: func.HttpRequest)", "(req: func.HttpRequest, more: str)", 1), "FunctionLoadError"),
        ("import os\nos._exit(3)", "ended with code 3"),
    ],
    ids=["an import that fails", "no app", "a parameter without a binding", "a process that dies"],
)
async def test_an_app_that_cannot_be_indexed_is_an_error_that_says_why(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(WorkerError, match=says):
        await Worker.start(app(tmp_path, text))


async def test_the_app_sees_only_the_environment_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_SITE_NAME", "leaked")
    text = "import os\nraise ValueError(sorted(os.environ))"
    with pytest.raises(WorkerError) as caught:
        await Worker.start(app(tmp_path, text), {"GIVEN": "1"})
    assert "GIVEN" in str(caught.value)
    assert "WEBSITE" not in str(caught.value)


def test_query_parameters_are_those_of_the_host() -> None:
    assert query_of("http://h/p?a=1&b=&A=2&c=%C3%A9+x&a=") == {"a": "1,2", "c": "é x"}


@pytest.mark.parametrize(
    ("raw", "handed_on", "in_url"),
    [
        ("/a%20b/%C3%A9", "/a b/é", "/a%20b/%C3%A9"),
        ("/a%3Fb%23c", "/a?b#c", "/a%3Fb%23c"),
        ("/a%2Fb%2fc", "/a%2Fb%2fc", "/a%2Fb%2fc"),
        ("/urn%3Aietf", "/urn:ietf", "/urn:ietf"),
        ("/a%252Fb", "/a%2Fb", "/a%2Fb"),
        ("/100%25", "/100%", "/100%25"),
        ("/%C3%28", "/%C3%28", "/%C3%28"),
        ("/a/../b/./c", "/b/c", "/b/c"),
        ("/a/%2E%2E/b", "/b", "/b"),
        ("/../../a", "/a", "/a"),
        ("/a/b/..", "/a/", "/a/"),
        ("/a//b/", "/a//b/", "/a//b/"),
    ],
)
def test_a_path_is_decoded_for_routes_and_encoded_again_for_the_url(raw: str, handed_on: str, in_url: str) -> None:
    assert decoded(raw) == handed_on
    assert encoded(handed_on) == in_url


@pytest.mark.parametrize(
    ("route", "path", "found"),
    [
        ("a/b", "/A/b/", {}),
        ("a/b", "/a/b/c", None),
        ("a/b", "/a", None),
        ("a/{id}", "/a/x y", {"id": "x y"}),
        ("a/{id}", "/a", None),
        ("a/{id:guid}", "/a/x", {"id": "x"}),
        ("a/{id?}", "/a", {}),
        ("a/{*path}", "/a", {}),
        ("a/{*path}", "/a/b/c", {"path": "b/c"}),
        ("a/{*path}", "/b", None),
        ("{*path}", "/", {}),
        ("a/b", "/a//b", None),
        ("a/{id}", "/a//", None),
        ("a/{*rest}", "/a//b", None),
        ("{*path}", "/a//b", {"path": "a//b"}),
        ("{*path}", "//a", None),
        ("a/{*rest}", "/a/", {}),
        ("a/{*rest}", "/a/b/", {"rest": "b/"}),
    ],
)
def test_a_route_matches_as_on_the_host(route: str, path: str, found: dict[str, str] | None) -> None:
    assert match(route, path) == found


@pytest.mark.parametrize(
    ("routes", "pairs"),
    [
        ({"users": "Users/{*path}", "zz": "{*path}"}, []),
        ({"all": "{*path}", "users": "Users/{*path}"}, [("all", "users")]),
        ({"a": "Users/{id}", "b": "users/.search"}, [("a", "b")]),
        ({"a": "users/.search", "b": "Users/{id}"}, []),
        ({"a": "{x}/b", "b": "a/{y}"}, [("a", "b")]),
        ({"a": "x", "b": "X"}, [("a", "b")]),
        ({"a": "{x}", "b": "{y}"}, [("a", "b")]),
        ({"a": "x/{id?}", "b": "x"}, [("a", "b")]),
        ({"a": "x/{id}", "b": "x"}, []),
    ],
)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_shadowed_routes_are_found_in_either_order(
    routes: dict[str, str], pairs: list[tuple[str, str]], order: Callable[[str], str]
) -> None:
    assert shadowed(routes, order) == pairs


def test_the_first_name_in_alphabetical_order_wins_whatever_its_case() -> None:
    assert first_match({"b": "{*p}", "A": "{*q}"}, "/x") == ("A", {"q": "x"})
