"""The local server: serves the handler with aiohttp on a port of this machine. Azure uses `function_app` instead."""

import asyncio
import json
import logging
import math
import signal
from collections.abc import Callable
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from scim.edge.bodies import MEDIA_TYPE
from scim.edge.handler import Handler, Unconfigured
from scim.edge.http import Request
from scim.protocol.errors import BadRequest

_MAX_HEADER: Final = 32 * 1024
"""Bytes of one header. Tokens with many claims are long."""

_PATIENCE: Final = 2.0
"""Seconds that running requests have to end after the server was asked to stop. They usually take milliseconds."""

_TELL_SECONDS: Final = 60.0
"""The shortest time between two log entries about requests that aren't valid HTTP."""

_log: Final = logging.getLogger("scim.request")


async def serve(
    handler: Handler | Unconfigured, host: str, port: int, *, limit: int, ready: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C or SIGTERM. `ready` is called with the origin when the port is open; port 0 picks a free one.

    `limit` is the largest size of the request line in bytes. A body is read only when the handler calls `receive`; the
    rest of it is discarded as it arrives.
    """

    async def answer(incoming: web.BaseRequest) -> web.Response:
        # RFC 9110 §10.1.1: the client waits for "100 Continue" before it sends the body.
        is_held_back = incoming.headers.get(hdrs.EXPECT, "").lower() == "100-continue"
        is_held_back = is_held_back and incoming.version >= HttpVersion11

        async def receive(limit: int) -> bytes:
            nonlocal is_held_back
            if is_held_back:
                await incoming.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                incoming.writer.output_size = 0
                is_held_back = False
            return await _read(incoming, limit)

        request = Request(
            method=incoming.method,
            path=incoming.rel_url.raw_path,
            # As the Functions host passes them: repeated ones joined, and also those without a value, such as `cursor`.
            parameters={name: ",".join(filter(None, incoming.query.getall(name))) for name in incoming.query},
            headers={name.lower(): ",".join(incoming.headers.getall(name)) for name in incoming.headers},
            body=b"",
            origin=f"{incoming.scheme}://{_authority(incoming)}",
            receive=receive,
        )
        response = await handler.handle(request)
        answered = web.Response(status=response.status, headers=response.headers, body=response.body)
        if is_held_back:
            answered.force_close()  # the client may send the body or not, so the next bytes are ambiguous
        return answered

    server = _Server(
        answer,
        access_log=None,
        auto_decompress=False,  # as on Azure
        max_line_size=limit,  # the handler refuses a filter that is too long
        max_field_size=_MAX_HEADER,
    )
    runner = web.ServerRunner(server, shutdown_timeout=_PATIENCE)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        await site.start()
        bound = runner.addresses[0]
        ready(f"http://{_in_url(bound[0])}:{bound[1]}")
        await stopped.wait()
    finally:
        await runner.cleanup()


class _Server(web.Server):
    _logged_at = -math.inf
    _unlogged = 0

    def __call__(self) -> web.RequestHandler:
        connection = _Connection(self, loop=self._loop, **self._kwargs)
        connection.tell = self._tell
        return connection

    def _tell(self, error: str, status: int) -> None:
        """Log a request that isn't valid HTTP, at most once a minute, because any client can send these."""
        now = self._loop.time()
        if now - self._logged_at < _TELL_SECONDS:
            self._unlogged += 1
            return
        _log.warning(
            "a request that isn't HTTP, or that broke off: %s %d (and %d before)", error, status, self._unlogged
        )
        self._logged_at, self._unlogged = now, 0


class _Connection(web.RequestHandler):
    """One connection. Also responds to requests that aren't valid HTTP with a SCIM error, and keeps their text out of
    the log.
    """

    tell: Callable[[str, int], None]

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; it quotes what the client sent
    ) -> web.StreamResponse:
        self.tell(type(exc).__name__, status)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        error = BadRequest("The request isn't valid HTTP, or a header is too long.")
        answer = web.Response(status=error.status, body=json.dumps(error.body()).encode(), content_type=MEDIA_TYPE)
        answer.force_close()
        return answer


def _authority(incoming: web.BaseRequest) -> str:
    """Return the host and port of the request, as the client wrote them."""
    _, is_absolute, rest = incoming.raw_path.partition("://") if incoming.raw_path[:1] != "/" else ("", "", "")
    if is_absolute:
        # RFC 9112 §3.2.2: the host of an absolute target takes precedence over the `Host` header.
        return rest.partition("/")[0]
    return ",".join(incoming.headers.getall(hdrs.HOST, ()))


async def _read(incoming: web.BaseRequest, limit: int) -> bytes:
    body = bytearray()
    async for chunk in incoming.content.iter_any():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
