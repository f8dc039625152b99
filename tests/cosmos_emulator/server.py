"""Serves the emulator on a loopback socket. Knows HTTP, but not Cosmos DB."""

from __future__ import annotations

from aiohttp import web

from tests.cosmos_emulator.core import Core
from tests.cosmos_emulator.faults import Cut
from tests.cosmos_emulator.wire import WireRequest

_LARGEST_BODY = 16 * 1024 * 1024  # above the limit of the protocol, so that the core responds


class Server:
    """Serves one core on 127.0.0.1 and a free port."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Start to listen. Return the endpoint."""
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        return f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        wire = WireRequest(request.method, request.raw_path, headers, body, f"http://{request.host}")
        try:
            response = await self._core.handle(wire)
        except Cut:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)  # not sent: the connection is closed
        return web.Response(status=response.status, body=response.body or None, headers=response.headers)
