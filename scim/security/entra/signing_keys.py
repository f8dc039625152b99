"""Caches the keys that sign Entra ID's tokens, by the URL of the key set and `kid`. Refreshes them hourly and for an
unknown `kid`.

Does not read tokens. A URL comes from a configured Entra tenant, never from a token. If Entra is down, keys are used
for up to 24 hours.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import orjson
from cachetools import LRUCache

from scim.protocol.errors import Unavailable
from scim.protocol.json import Json

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

_FRESH_SECONDS: Final = 3600.0
"""Older keys are fetched again in the background, while requests use the present ones."""
_KEPT_SECONDS: Final = 24 * 3600.0
"""The time for which the last keys are used if Entra's endpoint is down."""
_UNKNOWN_SECONDS: Final = 60.0
"""The shortest time between two fetches that an unknown `kid` causes."""
_RETRY_SECONDS: Final = 10.0
"""The pause after a failed fetch."""
_SETS: Final = 1_000
_KEYS: Final = 100
_MISSING: Final = 100
"""The number of unknown `kid` values that are cached for each address."""

_log: Final = logging.getLogger("scim.security")


class FetchFailed(Exception):
    """The keys can't be fetched now. The text is for the log."""


@dataclass(slots=True)
class _KeySet:
    """The keys of one address. Times are those of the timer."""

    keys: "Mapping[str, RSAKey]"
    missing: "LRUCache[str, float]" = field(default_factory=lambda: LRUCache(_MISSING))
    """Unknown `kid` values, each with the time at which the fetch that didn't bring it started."""
    fetched: float | None = None
    failed: float | None = None
    """The time of the last fetch if it failed."""
    unknown: float | None = None
    """The time of the last fetch that an unknown `kid` caused."""
    fetching: "asyncio.Task[None] | None" = None


class SigningKeys:
    """The keys of all addresses. `fetch` returns the bytes at an address or raises `FetchFailed`; `timer` gives seconds."""

    def __init__(self, fetch: Callable[[str], Awaitable[bytes]], *, timer: Callable[[], float]) -> None:
        self._fetch = fetch
        self._timer = timer
        self._sets: LRUCache[str, _KeySet] = LRUCache(_SETS)

    async def key(self, address: str, kid: str) -> "RSAKey | None":
        """Return the key with this `kid`; `None` if the address has none. Raises `Unavailable` if that isn't certain
        now.

        How it works: an unknown `kid` may belong to a new key, so the keys are fetched again, but at most once a
        minute, because clients can make up a `kid`. The key is certain to be missing only if a fetch that started after
        the request doesn't bring it. Until then the response is 503 with `Retry-After`: a 401 would stop a provisioning
        job.
        """
        key_set = self._sets.get(address)
        if key_set is None:
            key_set = self._sets[address] = _KeySet({})
        now = self._timer()
        is_under_way = key_set.fetching is not None
        if key_set.fetched is None or now - key_set.fetched >= _KEPT_SECONDS:
            await self._wait_for_fetch(address, key_set)
        elif kid in key_set.keys:
            if now - key_set.fetched >= _FRESH_SECONDS and not is_under_way and not _failed_lately(key_set, now):
                self._start_fetch(address, key_set)
        elif _is_missing(key_set, kid, now):
            return None
        elif is_under_way:
            await self._wait_for_fetch(address, key_set)
        else:
            await self._wait_for_fetch_of_unknown(address, key_set)
        if is_under_way and kid not in key_set.keys and not _is_missing(key_set, kid, now):
            await self._wait_for_fetch_of_unknown(address, key_set)
        if kid not in key_set.keys:
            key_set.missing[kid] = now
        return key_set.keys.get(kid)

    async def close(self) -> None:
        """Cancel running fetches."""
        tasks = [key_set.fetching for key_set in self._sets.values() if key_set.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait_for_fetch(self, address: str, key_set: _KeySet) -> None:
        """Wait for the running fetch, or start one."""
        if key_set.fetching is None:
            if _failed_lately(key_set, self._timer()):
                raise _unavailable()
            self._start_fetch(address, key_set)
        if key_set.fetching is not None:
            await asyncio.shield(key_set.fetching)
        if key_set.failed is not None:
            raise _unavailable()

    async def _wait_for_fetch_of_unknown(self, address: str, key_set: _KeySet) -> None:
        """Do the same because of an unknown `kid`. Raises `Unavailable` within a minute of the last such fetch that
        succeeded.
        """
        now = self._timer()
        if key_set.failed is None:
            remaining = 0.0 if key_set.unknown is None else key_set.unknown + _UNKNOWN_SECONDS - now
            if remaining > 0:
                raise _unavailable(remaining, reason="kid")
            key_set.unknown = now
        await self._wait_for_fetch(address, key_set)

    def _start_fetch(self, address: str, key_set: _KeySet) -> None:
        key_set.fetching = asyncio.create_task(self._refresh(address, key_set))

    async def _refresh(self, address: str, key_set: _KeySet) -> None:
        try:
            before, key_set.keys = key_set.keys, _read(await self._fetch(address))
        except FetchFailed as failure:
            key_set.failed = self._timer()
            _log.warning("signing keys can't be fetched (%s): %s", failure, self._consequence(key_set))
        else:
            key_set.fetched, key_set.failed = self._timer(), None
            key_set.missing.update(
                dict.fromkeys(before.keys() - key_set.keys.keys(), key_set.fetched)
            )  # the failed fetch doesn't count
        finally:
            key_set.fetching = None

    def _consequence(self, key_set: _KeySet) -> str:
        seconds = _KEPT_SECONDS if key_set.fetched is None else self._timer() - key_set.fetched
        if seconds >= _KEPT_SECONDS:
            return "no token of that Entra tenant can be verified"
        return f"still using those of {seconds / 3600:.1f} hours ago"


def _failed_lately(key_set: _KeySet, now: float) -> bool:
    return key_set.failed is not None and now - key_set.failed < _RETRY_SECONDS


def _is_missing(key_set: _KeySet, kid: str, now: float) -> bool:
    return kid in key_set.missing and now - key_set.missing[kid] < _UNKNOWN_SECONDS


def _unavailable(seconds: float = _RETRY_SECONDS, *, reason: str = "keys") -> Unavailable:
    return Unavailable(
        "The service can't fetch the keys that verify tokens now. Repeat the request later.",
        retry_after=max(1, math.ceil(seconds)),
        reason=reason,
    )


def _read(content: bytes) -> "dict[str, RSAKey]":
    """Return the keys of a JWKS that can sign tokens, by `kid`; leave out other entries. Raises `FetchFailed`."""
    from scim.security.entra.jws import rsa_key  # noqa: PLC0415 - loads when first needed

    try:
        document: Json = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise FetchFailed("the response isn't JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise FetchFailed("the response isn't a JWKS")
    keys = dict(filter(None, map(rsa_key, listed[:_KEYS])))
    if not keys:
        raise FetchFailed("the response has no key that could sign a token")
    return keys
