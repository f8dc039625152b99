"""An azure-core transport that passes each request to the emulator without a socket. Knows no Cosmos DB."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from aiohttp import ServerDisconnectedError
from azure.core.exceptions import AzureError, ServiceResponseError
from azure.core.pipeline.transport import AsyncHttpResponse, AsyncHttpTransport, HttpRequest
from azure.core.utils import CaseInsensitiveDict
from yarl import URL

from tests.cosmos_emulator.core import Core
from tests.cosmos_emulator.faults import Cut
from tests.cosmos_emulator.wire import WireRequest, WireResponse


class InProcessResponse(AsyncHttpResponse):
    """A response whose body is complete."""

    def __init__(self, request: HttpRequest, response: WireResponse) -> None:
        super().__init__(request, None)
        self.status_code = response.status
        self.headers = CaseInsensitiveDict(response.headers)
        self.reason = ""
        self.content_type = response.headers.get("content-type", "")
        self._body = response.body

    def body(self) -> bytes:
        return self._body


class InProcessTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Passed to CosmosClient as `transport=`. A cut connection raises `cut_error`, by default ServiceResponseError.

    The URL is normalised as in aiohttp, so that an id `..` addresses the container here too.
    """

    def __init__(self, core: Core, cut_error: type[AzureError] = ServiceResponseError) -> None:
        self._core = core
        self._cut_error = cut_error

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def __aenter__(self) -> InProcessTransport:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()

    async def send(self, request: HttpRequest, **_options: Any) -> AsyncHttpResponse:
        url = URL(request.url)
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        data = request.data or b""
        body = data.encode() if isinstance(data, str) else data
        if not isinstance(body, bytes):
            raise TypeError(type(data))
        wire = WireRequest(request.method, url.raw_path_qs, headers, body, str(url.origin()))
        try:
            response = await self._core.handle(wire)
        except Cut:
            error = ServerDisconnectedError()
            raise self._cut_error(error, error=error) from error
        return InProcessResponse(request, response)
