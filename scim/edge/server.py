"""The local server: the same handler as on Azure behind aiohttp, on a port of this machine."""

import asyncio
import signal
from collections.abc import Callable

from aiohttp import web

from scim.edge.handler import Handler, Unconfigured
from scim.edge.http import Request


async def serve(
    handler: Handler | Unconfigured, host: str, port: int, *, limit: int, ready: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C or SIGTERM. `ready` is called with the origin once the port is open; port 0 picks a free one.

    Bodies of more than `limit` bytes are answered by the handler without being read to the end.
    """

    async def answer(incoming: web.BaseRequest) -> web.Response:
        request = Request(
            method=incoming.method,
            path=incoming.rel_url.raw_path,
            parameters=dict(incoming.query),
            headers={name.lower(): value for name, value in incoming.headers.items()},
            # One byte over the limit is enough for the handler to refuse the body.
            body=await _read(incoming, limit + 1),
            origin=f"{incoming.scheme}://{incoming.host}",
        )
        response = await handler.handle(request)
        return web.Response(status=response.status, headers=response.headers, body=response.body)

    server = web.Server(answer, access_log=None)
    runner = web.ServerRunner(server)
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


async def _read(incoming: web.BaseRequest, most: int) -> bytes:
    body = bytearray()
    async for chunk in incoming.content.iter_any():
        body += chunk
        if len(body) >= most:
            break
    return bytes(body)


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
