"""Translates errors of the database, as the Cosmos SDK raises them, to `StoreUnavailable` with a problem for operators.

It doesn't handle errors of items: a 404 here means that the database or the container doesn't exist.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from scim.storage.errors import Problem, StoreUnavailable

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

_PROBLEMS: Final[Mapping[int, Problem]] = {401: "credential", 403: "forbidden", 404: "missing"}


def unavailable(error: "AzureError") -> StoreUnavailable:
    """Translate an error to one line of text, without the SDK's own text, which may quote a request."""
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError  # noqa: PLC0415 - loads when first needed

    if isinstance(error, ClientAuthenticationError) and error.status_code is None:
        # azure-identity found no credential, or none that returned a token. No request was sent to the database.
        return StoreUnavailable("no Azure credential returned a token for Cosmos DB", problem="sign-in")
    if isinstance(error, HttpResponseError):
        reason = f"Cosmos DB answered {error.status_code}, sub-status {getattr(error, 'sub_status', None)}"
        return StoreUnavailable(reason, problem=_PROBLEMS.get(error.status_code or 0))
    return StoreUnavailable(f"Cosmos DB can't be reached: {type(error).__name__}", problem="unreachable")
