"""Fetches signing keys by HTTP GET, with limits of time and size. Follows no redirects."""

from typing import TYPE_CHECKING, Final

from scim.security.entra.signing_keys import FetchFailed

if TYPE_CHECKING:
    from aiohttp import ClientSession

_SECONDS: Final = 5.0
_BYTES: Final = 256 * 1024


class Fetch:
    """The HTTP client. The first call creates it; the process has one."""

    def __init__(self) -> None:
        self._session: ClientSession | None = None

    async def __call__(self, address: str) -> bytes:
        """Return the body at the address. Raises `FetchFailed`."""
        from aiohttp import ClientError, ClientSession, ClientTimeout  # noqa: PLC0415 - loads when first needed

        if self._session is None:
            self._session = ClientSession(timeout=ClientTimeout(total=_SECONDS))
        try:
            async with self._session.get(address, allow_redirects=False) as response:
                if response.status != 200:
                    raise FetchFailed(f"status {response.status}")
                content = bytearray()
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) > _BYTES:
                        raise FetchFailed(f"more than {_BYTES} bytes")
                return bytes(content)
        except (ClientError, TimeoutError) as error:
            raise FetchFailed(type(error).__name__) from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
