"""What the log gets to know of a request: words of our own, numbers and hashes. Knows no log."""

from typing import Final

from scim.edge.http import Request
from scim.edge.routes import Route
from scim.protocol import tolerances
from scim.protocol.errors import ScimError
from scim.protocol.tolerances import Used
from scim.security.principal import Principal
from scim.telemetry.record import Begun, Client, Record, hashed
from scim.telemetry.spending import Spending

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Seen:
    """What the line in the log needs to know of a request while it is answered."""

    def __init__(self, request: Request, route: Route | None, request_id: str) -> None:
        self._request = request
        self._route = route
        self.request_id = request_id
        self.principal: Principal | None = None
        self.bulk_operations = self.bulk_failed = 0
        template = route.template if route is not None else "(no route)"
        self.begun: Final = Begun(known_method(request.method), template, request.origin.partition(":")[0])
        """The request as it came. Only words of our own: a client's don't get into a log line."""

    def record(
        self, status: int, error: ScimError | None, milliseconds: float, spending: Spending, used: Used
    ) -> Record:
        """The request as it was answered."""
        begun, route, principal = self.begun, self._route, self.principal
        method = "GET" if begun.method == "HEAD" else begun.method
        return Record(
            method=begun.method,
            route=begun.route,
            operation=route.actions.get(method, "none") if route is not None else "none",
            resource_type=route.kind.name if route is not None and route.kind is not None else "",
            status=status,
            scim_type=(error.scim_type or "") if error is not None else "",
            error=type(error).__name__ if error is not None else "",
            milliseconds=milliseconds,
            database_calls=spending.calls,
            request_units=spending.request_units,
            tenant=hashed(principal.tenant) if principal is not None else "",
            client=self._client(used),
            tolerances=tuple(sorted(used)),
            request_id=self.request_id,
            bulk_operations=self.bulk_operations,
            bulk_failed=self.bulk_failed,
            ignored_operations=used.ignored_operations,
            reason=self._reason(status, error),
        )

    def _reason(self, status: int, error: ScimError | None) -> str:
        """Return why the request isn't authenticated: the reason of the error, else its class. Empty if it is."""
        if self.principal is not None:
            return ""
        if error is not None:
            return error.reason or type(error).__name__
        return "health" if status == 200 else "called-off"

    def _client(self, used: Used) -> Client:
        if "okta" in self._request.headers.get("user-agent", "").lower():
            return "okta"
        # Entra's user agent isn't documented; with a secret token its capitals give it away.
        is_entra = (self.principal is not None and self.principal.is_entra) or tolerances.operation.__name__ in used
        return "entra" if is_entra else "other"


def known_method(method: str) -> str:
    """One of HTTP's methods, or `This method`."""
    # The method comes from the client, so an unknown one doesn't get into an answer or a log line.
    return method if method in _METHODS else "This method"
