"""The two servers in process: a request as bytes in, an answer as bytes out, the token checked."""

import asyncio
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, quote

from scim2_server.memory import InMemoryStorage
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import load_default_provider

from benchmarks.measure import timed
from scim.app import build
from scim.edge.http import Request
from scim.settings import Settings

_TOKEN: Final = "a-token-for-benchmarks"
_HOST: Final = "scim.example.com"
_MEDIA_TYPE: Final = "application/scim+json"


@dataclass(frozen=True, slots=True)
class Call:
    """A request: the path below the base path, a query as it stands in a URL, a body as bytes, a bearer token."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    token: str = _TOKEN


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body read."""
        return json.loads(self.body)


def call(method: str, path: str, body: Any = None, **parameters: str | int) -> Call:
    """A request with a JSON body and query parameters."""
    query = "&".join(f"{name}={quote(str(value))}" for name, value in parameters.items())
    return Call(method, path, query, b"" if body is None else json.dumps(body).encode())


class Served(Protocol):
    """A server that can be measured."""

    def send(self, request: Call) -> Answer:
        """One request."""

    def spend(self, requests: Sequence[Call]) -> float:
        """CPU seconds that these requests take, each of which must succeed."""

    def close(self) -> None:
        """Let go of everything."""


class Ours:
    """The handler, its requests run one after another by one event loop; without settings on the embedded store in memory."""

    def __init__(self, settings: Settings | None = None, loop: asyncio.AbstractEventLoop | None = None) -> None:
        app = build(replace(settings or Settings(), dev_token=_TOKEN))
        self._handler = app.handler
        self._app = app
        self._loop = loop or asyncio.new_event_loop()
        self._owns_loop = loop is None

    def send(self, request: Call) -> Answer:
        """One request."""
        return self._loop.run_until_complete(self._answer(request))

    def spend(self, requests: Sequence[Call]) -> float:
        """CPU seconds that these requests take, each of which must succeed."""
        answers: list[Answer] = []

        async def all_of_them() -> None:
            for request in requests:
                answers.append(await self._answer(request))  # noqa: PERF401 - one after another

        seconds = timed(partial(self._loop.run_until_complete, all_of_them()))
        _all_succeeded(answers)
        return seconds

    def close(self) -> None:
        """Let go of the store."""
        self._loop.run_until_complete(self._app.close())
        if self._owns_loop:
            self._loop.close()

    async def _answer(self, request: Call) -> Answer:
        # The headers that a client sends, read as the triggers read them.
        headers = {
            "host": _HOST,
            "accept": _MEDIA_TYPE,
            "content-type": _MEDIA_TYPE,
            "authorization": f"Bearer {request.token}",
        }
        response = await self._handler.handle(
            Request(
                request.method,
                f"/scim/v2{request.path}",
                dict(parse_qsl(request.query, keep_blank_values=True)),
                headers,
                request.body,
                f"https://{_HOST}",
            )
        )
        return Answer(response.status, response.body)


class Peer:
    """scim2-server's WSGI application on its store in memory, with its check of a bearer token on."""

    def __init__(self) -> None:
        logging.getLogger("scim2_server").setLevel(logging.CRITICAL)
        self._application = BearerTokenApplication(InMemoryStorage(), load_default_provider(), bearer_tokens=[_TOKEN])

    def send(self, request: Call) -> Answer:
        """One request."""
        status = 0

        def start(line: str, headers: list[tuple[str, str]], failed: Any = None) -> Any:  # noqa: ARG001 - WSGI's signature
            nonlocal status
            status = int(line.split(" ", 1)[0])

        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": f"/v2{request.path}",
            "QUERY_STRING": request.query,
            "CONTENT_TYPE": _MEDIA_TYPE,
            "CONTENT_LENGTH": str(len(request.body)),
            "SERVER_NAME": _HOST,
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": _HOST,
            "HTTP_ACCEPT": _MEDIA_TYPE,
            "HTTP_AUTHORIZATION": f"Bearer {_TOKEN}",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        body = b"".join(self._application(environ, start))
        return Answer(status, body)

    def spend(self, requests: Sequence[Call]) -> float:
        """CPU seconds that these requests take, each of which must succeed."""
        answers: list[Answer] = []
        seconds = timed(lambda: answers.extend(self.send(request) for request in requests))
        _all_succeeded(answers)
        return seconds

    def close(self) -> None:
        """Nothing to let go of."""


def _all_succeeded(answers: Sequence[Answer]) -> None:
    for answer in answers:
        if answer.status not in {200, 201, 204}:
            raise RuntimeError(f"a request that was measured failed: {answer.status} {answer.body[:500]!r}")
