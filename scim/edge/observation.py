"""Collects what the log line of a request may contain: words from fixed sets, numbers, hashes and the request id.
Writes no log.
"""

from typing import Final

from scim.edge.http import METHODS, Request
from scim.edge.routes import Match
from scim.protocol import tolerances
from scim.protocol.errors import ScimError
from scim.protocol.tolerances import Used
from scim.security.principal import Principal
from scim.telemetry.record import OTHER_METHOD, Client, Record, StartedRequest, hashed
from scim.telemetry.usage import Usage


class Observation:
    """Collects the facts about a request for its log line while it is handled."""

    def __init__(self, request: Request, match: Match | None, request_id: str) -> None:
        self._request = request
        self._target = None if match is None else match.target
        self.request_id = request_id
        self.principal: Principal | None = None
        self.bulk_operations = self.bulk_failed = 0
        template = "(no route)" if match is None else match.target.template
        self.started: Final = StartedRequest(_logged_method(request.method), template, request.origin.partition(":")[0])
        """The request at its start. Has only words from fixed sets, because text of a client must not get into a log
        line.
        """

    def record(self, status: int, error: ScimError | None, milliseconds: float, usage: Usage, used: Used) -> Record:
        """Return the record of the request after its response."""
        started, target, principal = self.started, self._target, self.principal
        route = None if target is None else target.routes.get("GET" if started.method == "HEAD" else started.method)
        return Record(
            method=started.method,
            route=started.route,
            action=route.name if route is not None else "none",
            resource_type=target.resource_type.name if target is not None and target.resource_type is not None else "",
            status=status,
            scim_type=(error.scim_type or "") if error is not None else "",
            error=type(error).__name__ if error is not None else "",
            milliseconds=milliseconds,
            database_calls=usage.calls,
            request_units=usage.request_units,
            customer=hashed(principal.customer) if principal is not None else "",
            client=self._client(used),
            tolerances=tuple(sorted(used)),
            request_id=self.request_id,
            bulk_operations=self.bulk_operations,
            bulk_failed=self.bulk_failed,
            ignored_operations=used.ignored_operations,
            reason=self._reason(status, error),
        )

    def _reason(self, status: int, error: ScimError | None) -> str:
        """Return why the request isn't authenticated: the reason of the error, else its class; empty if it is
        authenticated.
        """
        if self.principal is not None:
            return ""
        if error is not None:
            return error.reason or type(error).__name__
        return "health" if status == 200 else "cancelled"

    def _client(self, used: Used) -> Client:
        if "okta" in self._request.headers.get("user-agent", "").lower():
            return "okta"
        # Entra's user agent isn't documented. With a secret token, its capitalised `op` values identify it.
        is_entra = (self.principal is not None and self.principal.is_entra) or tolerances.operation.__name__ in used
        return "entra" if is_entra else "other"


def _logged_method(method: str) -> str:
    # Text of the client must not get into a log line.
    return method if method in METHODS else OTHER_METHOD
