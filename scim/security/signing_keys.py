"""The keys that sign Entra ID's tokens, by address and `kid`: fetched, kept, refreshed before they are needed.

Knows no token. An address comes from the configured tenant, never from what a token says.
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
"""Older keys are fetched again in the background, while requests go on with those that are there."""
_KEPT_SECONDS: Final = 24 * 3600.0
"""The last good keys are used for so long when Entra's endpoint is down."""
_UNKNOWN_SECONDS: Final = 60.0
"""A `kid` that isn't among the keys makes them be fetched at most this often."""
_RETRY_SECONDS: Final = 10.0
"""After a fetch that failed there is no other for so long."""
_SETS: Final = 1_000
_KEYS: Final = 100
_MISSING: Final = 100
"""The most unknown `kid`s that are cached for each set."""

_log: Final = logging.getLogger("scim.security")


class FetchFailed(Exception):
    """The keys can't be had at their address now; the text is for the log."""


@dataclass(slots=True)
class _KeySet:
    """What is known of one address; times are those of the timer."""

    keys: "Mapping[str, RSAKey]"
    missing: "LRUCache[str, float]" = field(default_factory=lambda: LRUCache(_MISSING))
    """The `kid`s that were looked for and weren't among the keys, and when the fetch of those keys began."""
    fetched: float | None = None
    failed: float | None = None
    """When the last fetch failed, unless one has worked since."""
    unknown: float | None = None
    """When a `kid` that wasn't there last made the keys be fetched."""
    fetching: "asyncio.Task[None] | None" = None


class SigningKeys:
    """All sets of keys. `fetch` gives the bytes at an address or raises `FetchFailed`; `timer` gives seconds."""

    def __init__(self, fetch: Callable[[str], Awaitable[bytes]], *, timer: Callable[[], float]) -> None:
        self._fetch = fetch
        self._timer = timer
        self._sets: LRUCache[str, _KeySet] = LRUCache(_SETS)

    async def key(self, address: str, kid: str) -> "RSAKey | None":
        """Return the key, or `None` if the set has no key of that name. Raises `Unavailable` if that can't be told now.

        How it works: a `kid` that isn't among the keys may be that of a new key, so the keys are fetched again, but at most
        once a minute, because anybody can make up a `kid`. There is no such key for certain only if a fetch that began after
        the request came doesn't bring it. Until then the client is told to come back: a refusal would stop a provisioning job.
        """
        known = self._sets.get(address)
        if known is None:
            known = self._sets[address] = _KeySet({})
        now = self._timer()
        is_under_way = known.fetching is not None
        if known.fetched is None or now - known.fetched >= _KEPT_SECONDS:
            await self._fetched(address, known)
        elif kid in known.keys:
            if now - known.fetched >= _FRESH_SECONDS and not is_under_way and not _failed_lately(known, now):
                self._begin(address, known)
        elif _is_missing(known, kid, now):
            return None
        elif is_under_way:
            await self._fetched(address, known)
        else:
            await self._fetched_for_unknown(address, known)
        if is_under_way and kid not in known.keys and not _is_missing(known, kid, now):
            await self._fetched_for_unknown(address, known)
        if kid not in known.keys:
            known.missing[kid] = now
        return known.keys.get(kid)

    async def close(self) -> None:
        """Stop what is being fetched."""
        tasks = [known.fetching for known in self._sets.values() if known.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetched(self, address: str, known: _KeySet) -> None:
        """Wait for the fetch that is under way, or for one of our own."""
        if known.fetching is None:
            if _failed_lately(known, self._timer()):
                raise _unavailable()
            self._begin(address, known)
        if known.fetching is not None:
            await asyncio.shield(known.fetching)
        if known.failed is not None:
            raise _unavailable()

    async def _fetched_for_unknown(self, address: str, known: _KeySet) -> None:
        """Do the same because of an unknown `kid`. Raises `Unavailable` within a minute of the last such fetch that worked."""
        now = self._timer()
        if known.failed is None:
            left = 0.0 if known.unknown is None else known.unknown + _UNKNOWN_SECONDS - now
            if left > 0:
                raise _unavailable(left, reason="kid")
            known.unknown = now
        await self._fetched(address, known)

    def _begin(self, address: str, known: _KeySet) -> None:
        known.fetching = asyncio.create_task(self._refresh(address, known))

    async def _refresh(self, address: str, known: _KeySet) -> None:
        try:
            before, known.keys = known.keys, _read(await self._fetch(address))
        except FetchFailed as failure:
            known.failed = self._timer()
            _log.warning("signing keys can't be fetched (%s); %s", failure, self._what_now(known))
        else:
            known.fetched, known.failed = self._timer(), None
            known.missing.update(dict.fromkeys(before.keys() - known.keys.keys(), known.fetched))  # taken back
        finally:
            known.fetching = None

    def _what_now(self, known: _KeySet) -> str:
        seconds = _KEPT_SECONDS if known.fetched is None else self._timer() - known.fetched
        if seconds >= _KEPT_SECONDS:
            return "no token of that tenant can be checked"
        return f"going on with those of {seconds / 3600:.1f} hours ago"


def _failed_lately(known: _KeySet, now: float) -> bool:
    return known.failed is not None and now - known.failed < _RETRY_SECONDS


def _is_missing(known: _KeySet, kid: str, now: float) -> bool:
    return kid in known.missing and now - known.missing[kid] < _UNKNOWN_SECONDS


def _unavailable(seconds: float = _RETRY_SECONDS, *, reason: str = "keys") -> Unavailable:
    return Unavailable(
        "The keys that tokens are checked with can't be fetched now; repeat the request later.",
        retry_after=max(1, math.ceil(seconds)),
        reason=reason,
    )


def _read(content: bytes) -> "dict[str, RSAKey]":
    """The keys of a JWKS that could sign a token; others are left out. Raises `FetchFailed`."""
    from scim.security.jws import rsa_key  # noqa: PLC0415 - loads when first needed

    try:
        document: Json = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise FetchFailed("the answer isn't JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise FetchFailed("the answer isn't a JWKS")
    found = dict(filter(None, map(rsa_key, listed[:_KEYS])))
    if not found:
        raise FetchFailed("the answer has no key that could sign a token")
    return found
