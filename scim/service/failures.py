"""Translates exceptions into SCIM errors. The only module that decides what a client and what the log gets of a failure."""

import logging
import math
import traceback
from collections.abc import Callable
from typing import Final

from scim.protocol.errors import InternalError, PayloadTooLarge, ScimError, TooManyRequests, Unavailable
from scim.storage.errors import StoreUnavailable, Throttled, TooLarge

_SECONDS: Final = 60.0
"""A failure of an unauthenticated request is logged at most once in this time, because any client can cause it."""
_log: Final = logging.getLogger("scim.request")


class Failures:
    """Translates exceptions, and logs the details that the client doesn't get. `timer` gives seconds."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._logged_at: dict[str, float] = {}

    def error(self, raised: Exception, request_id: str, *, is_authenticated: bool) -> ScimError:
        """Return the error for the client. Log the details that it doesn't get: the place in the code, never values."""
        match raised:
            case ScimError():
                return raised
            case Throttled():
                return TooManyRequests(raised.retry_after)
            case TooLarge():
                return PayloadTooLarge(
                    "The request or the resource is larger than the database accepts. Send less at a time."
                )
        may_log = is_authenticated or self._is_due(raised)
        if isinstance(raised, StoreUnavailable):
            if may_log:
                _log.error("the store is unavailable: %s (request %s)", raised, request_id)
            return Unavailable(
                "The service can't reach its database. Repeat the request later.",
                retry_after=raised.retry_after,
                reason="store",
            )
        if may_log:
            trace = "".join(traceback.format_tb(raised.__traceback__))
            _log.error("unexpected %s (request %s)\n%s", type(raised).__name__, request_id, trace)
        return InternalError("The service failed. Its log has the details under the request id.")

    def _is_due(self, raised: Exception) -> bool:
        now, name = self._timer(), type(raised).__name__
        if now - self._logged_at.get(name, -math.inf) < _SECONDS:
            return False
        self._logged_at[name] = now
        return True
