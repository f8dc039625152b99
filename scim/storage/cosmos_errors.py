"""What an error of the Cosmos SDK says about the database: `StoreUnavailable` with the problem that an operator can solve.

Knows no items: 404 here is a database or a container that doesn't exist.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from scim.storage.interface import Problem, StoreUnavailable

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

_PROBLEMS: Final[Mapping[int, Problem]] = {401: "credential", 403: "forbidden", 404: "missing"}


def unavailable(error: "AzureError") -> StoreUnavailable:
    """Return the error as the store's own, in one line without the SDK's text, which may quote a request."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError  # noqa: PLC0415 - loads when first needed

    if isinstance(error, ClientAuthenticationError) and error.status_code is None:
        # azure-identity found no credential, or none that gave a token. Nothing was sent to the database.
        return StoreUnavailable("no Azure credential gives a token for Cosmos DB", problem="sign-in")
    if isinstance(error, HttpResponseError):
        reason = f"Cosmos DB answered {error.status_code}, sub-status {getattr(error, 'sub_status', None)}"
        return StoreUnavailable(reason, problem=_PROBLEMS.get(error.status_code or 0))
    return StoreUnavailable(f"Cosmos DB can't be reached: {type(error).__name__}", problem="unreachable")
