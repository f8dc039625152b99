"""All errors that a store may raise. Knows no database, and no SCIM error: the service translates these."""

from typing import Literal

type Problem = Literal["sign-in", "credential", "forbidden", "missing", "unreachable"]
"""The reason why the service can't use a remote database.

`sign-in`: no Azure sign-in was found. `credential`: the database doesn't accept the key or the identity. `forbidden`:
the identity or the network address has no access. `missing`: the database or the container doesn't exist.
`unreachable`: there is no response from the address.
"""


class StoreError(Exception):
    """Base class of all errors that a store raises."""


class AlreadyExists(StoreError):
    """Another resource of the customer has the same key, or the same value of the unique attribute `path`."""

    def __init__(self, type_name: str, path: str | None = None) -> None:
        super().__init__(type_name)
        self.path = path
        """A key of `WriteModel.unique_values`; `None` if another resource has the same key."""


class NotFound(StoreError):
    """The resource to change or delete doesn't exist."""


class PreconditionFailed(StoreError):
    """The stored resource has another version than the expected one."""


class Interrupted(PreconditionFailed):
    """Another request wrote the group between two batches of a change: only the earlier batches are applied."""


class StoreUnavailable(StoreError):
    """The database can't be used now. `retry_after` is in seconds. `reason` is logged and never sent to clients."""

    def __init__(self, reason: str, *, retry_after: int = 5, problem: Problem | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.problem = problem
        """Selects the remedy that the command line shows."""


class QueryRefused(StoreUnavailable):
    """The database refused a query: it is too complex, or it reads too many values. Repeating it doesn't help."""


class Throttled(StoreError):
    """The request rate exceeds the throughput of the database (request units). `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("throttled")
        self.retry_after = retry_after


class TooLarge(StoreError):
    """An item or a batch is larger than the database accepts."""
