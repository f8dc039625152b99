"""The harness and the host's routing rule, on apps made up for it: a fault in them would let `test_worker.py` pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker.harness import Worker, WorkerError, query_of
from tests.worker.host_routes import ORDERS, first_match, match, shadowed

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


async def test_an_invocation_carries_the_request_and_brings_the_answer(tmp_path: Path) -> None:
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


def test_a_query_is_what_the_host_makes_of_it() -> None:
    assert query_of("http://h/p?a=1&b=&a=2&c=%C3%A9+x") == {"a": "1,2", "c": "é x"}


@pytest.mark.parametrize(
    ("route", "path", "found"),
    [
        ("a/b", "/A/b/", {}),
        ("a/b", "/a/b/c", None),
        ("a/b", "/a", None),
        ("a/{id}", "/a/x%20y", {"id": "x y"}),
        ("a/{id}", "/a", None),
        ("a/{id:guid}", "/a/x", {"id": "x"}),
        ("a/{id?}", "/a", {}),
        ("a/{*path}", "/a", {}),
        ("a/{*path}", "/a/b/c", {"path": "b/c"}),
        ("a/{*path}", "/b", None),
        ("{*path}", "/", {}),
        ("{*path}", "/a//b", None),
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
def test_a_shadow_is_found_in_either_order(
    routes: dict[str, str], pairs: list[tuple[str, str]], order: Callable[[str], str]
) -> None:
    assert shadowed(routes, order) == pairs


def test_the_first_name_in_alphabetical_order_wins_whatever_its_case() -> None:
    assert first_match({"b": "{*p}", "A": "{*q}"}, "/x") == ("A", {"q": "x"})
