"""Sends requests as Entra's provisioning client does: at a limited rate, with limits of time and size, with retries
after 429.
"""

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx

from scim.doctor.exchange import Exchange

MEDIA_TYPE: Final = "application/scim+json"
TIMEOUT: Final = 30.0
"""Seconds for one request with its body."""
LARGEST: Final = 8 * 2**20
"""Bytes of a response that are read."""
_REPEATS: Final = 3
_LONGEST_WAIT: Final = 120.0
_DEFAULT_WAIT: Final = 5.0
_IDLE: Final = 2.0
"""Seconds for which an idle connection is kept. Servers close theirs after five, and a request at that moment would be
lost.
"""
_WAIT_STATUSES: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Collaborators:
    """The clock and other outside functions: monotonic seconds, sleep, seconds since 1970, random hexadecimal digits."""

    clock: Callable[[], float]
    sleep: Callable[[float], None]
    now: Callable[[], float]
    digits: Callable[[int], str]


class BadAddress(ValueError):
    """The Tenant URL can't be used. The text says why, without the URL."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of a Tenant URL. Its query is sent with every request, as Entra sends its flags."""

    origin: str
    path: str
    query: str

    @classmethod
    def of(cls, url: str) -> "Endpoint":
        """Parse a URL. Raises `BadAddress`."""
        try:
            parts = urlsplit(url.strip())
            port = "" if parts.port is None else f":{parts.port}"
        except ValueError:
            raise BadAddress("this is no URL") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise BadAddress("a Tenant URL looks like https://host/scim")
        if "@" in parts.netloc:
            raise BadAddress("a Tenant URL has no user name or password in it")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(f"{parts.scheme}://{host}{port}", parts.path.rstrip("/"), parts.query)

    @property
    def https(self) -> bool:
        """Whether it is https."""
        return self.origin.startswith("https:")

    @property
    def host(self) -> str:
        """The host name or address."""
        return urlsplit(self.origin).hostname or ""

    @property
    def secrets(self) -> list[str]:
        """Return the values in the query, such as a function key."""
        return [value for _, value in parse_qsl(self.query) if len(value) >= 8]

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


class Client:
    """Sends requests, and keeps their exchanges in `exchanges`."""

    def __init__(
        self,
        endpoint: Endpoint,
        token: str,
        outside: Collaborators,
        *,
        rate: float,
        trust: Callable[[], ssl.SSLContext],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.outside = outside
        self.exchanges: list[Exchange] = []
        self.interrupted = False
        """Set by a signal: no further request is sent. An exception of a signal handler could be swallowed."""
        self.unanswered = 0
        """The number of last requests in a row without a response."""
        self._token = token
        self._interval = 1 / rate
        self._trust = trust
        self._transport = transport
        self._last = float("-inf")
        self._http = self._connection(trust())

    def get(self, path: str, **parameters: str | int) -> Exchange:
        """Send a GET to a path under the Tenant URL. Query parameters are percent-encoded."""
        return self.send("GET", path, query=_query(parameters))

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        token: str | None = "",
        paced: bool = True,
        repeat: bool = True,
    ) -> Exchange:
        """Send a request. `token` None sends no token, empty the real one. A failed connection is an exchange with an
        `error`.
        """
        if self.interrupted:
            raise KeyboardInterrupt
        if paced:
            self._pace()
        exchange = self._once(method, path, body, query, headers, token)
        for _ in range(_REPEATS if repeat else 0):
            if exchange.status not in _WAIT_STATUSES:
                break
            wait = _retry_after(exchange)
            if wait > _LONGEST_WAIT:
                break
            self.outside.sleep(wait)
            exchange = self._once(method, path, body, query, headers, token)
        self.exchanges.append(exchange)
        self.unanswered = 0 if exchange.error is None else self.unanswered + 1
        return exchange

    def at_most_tls_1_2(self) -> Exchange:
        """Send the first request with a client that supports TLS up to 1.2."""
        old = self._trust()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        kept, self._http = self._http, self._connection(old)
        try:
            return self.send("GET", "/Users", query=_query({"startIndex": 1, "count": 1}))
        finally:
            self._http.close()
            self._http = kept

    def forget_last(self) -> None:
        """Remove the last exchange, because it doesn't belong to the check."""
        self.exchanges.pop()

    def reconnect(self) -> None:
        """Start new connections, because an interruption may have left the old ones in the middle of a response."""
        self._http.close()
        self._http = self._connection(self._trust())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _connection(self, trust: ssl.SSLContext) -> httpx.Client:
        limits = httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=_IDLE)
        return httpx.Client(
            verify=trust, timeout=TIMEOUT / 2, follow_redirects=False, transport=self._transport, limits=limits
        )

    def _pace(self) -> None:
        wait = self._last + self._interval - self.outside.clock()
        if wait > 0:
            self.outside.sleep(wait)
        self._last = self.outside.clock()

    def _once(
        self, method: str, path: str, body: Any, query: str, headers: Mapping[str, str] | None, token: str | None
    ) -> Exchange:
        sent = {"Accept": MEDIA_TYPE}
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self._token}"
        content = ""
        if body is not None:
            sent["Content-Type"] = MEDIA_TYPE
            content = json.dumps(body)
        sent.update(headers or {})
        query = "&".join(part for part in (query, self.endpoint.query) if part)
        url = f"{self.endpoint}{path}{'?' if query else ''}{query}"
        self._http.cookies.clear()  # a session would pass for a token
        begun = self.outside.clock()
        try:
            with self._http.stream(method, url, headers=sent, content=content.encode()) as response:
                tls, valid_until = _tls_of(response)  # before the end of the body, which may close the connection
                text = self._read(response, begun)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            reason = f"{type(error).__name__}: {error}"
            return Exchange(method, url, sent, content, seconds=self.outside.clock() - begun, error=reason)
        received = {name.lower(): value for name, value in response.headers.items()}
        seconds = self.outside.clock() - begun
        return Exchange(
            method, url, sent, content, response.status_code, received, text, seconds, tls=tls, valid_until=valid_until
        )

    def _read(self, response: httpx.Response, begun: float) -> str:
        pieces: list[bytes] = []
        length = 0
        for piece in response.iter_bytes():
            pieces.append(piece)
            length += len(piece)
            if length > LARGEST:
                raise httpx.ReadError(f"the response is longer than {LARGEST} bytes")
            if self.outside.clock() - begun > TIMEOUT:
                raise httpx.ReadTimeout(f"the response took longer than {TIMEOUT:.0f} seconds")
        return b"".join(pieces).decode(errors="replace")


def in_path(id: str) -> str:
    """Return an id as a segment of a path."""
    return quote(id, safe="")


def _query(parameters: Mapping[str, str | int]) -> str:
    return urlencode(parameters, quote_via=quote)


def _retry_after(exchange: Exchange) -> float:
    seconds = exchange.headers.get("retry-after", "").strip()
    return float(seconds) if seconds.isascii() and seconds.isdigit() else _DEFAULT_WAIT


def _tls_of(response: httpx.Response) -> tuple[str | None, str | None]:
    """Return the version of TLS and the end of the certificate's validity."""
    stream = response.extensions.get("network_stream")
    spoken = None if stream is None else stream.get_extra_info("ssl_object")
    if spoken is None:
        return None, None
    return spoken.version(), (spoken.getpeercert() or {}).get("notAfter")
