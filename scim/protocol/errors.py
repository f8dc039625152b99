"""Every error that a SCIM client can be told about, and how it looks on the wire. Knows no HTTP library."""

from collections.abc import Mapping

from scim.protocol.json import JsonObject

ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimError(Exception):
    """An answer that is an error: HTTP `status`, SCIM `scimType` and a `detail` that a person can act on.

    `headers` go out with the answer (`Allow`, `Retry-After`, `WWW-Authenticate`). `reason` is a word for the log, where it
    says more than the class; the client doesn't see it. Source: RFC 7644 §3.12.
    """

    status: int = 500
    scim_type: str | None = None

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, reason: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.reason = reason

    def body(self) -> JsonObject:
        """The error message of RFC 7644 §3.12; `status` is a string there."""
        message: JsonObject = {"schemas": [ERROR_SCHEMA], "status": str(self.status), "detail": self.detail}
        if self.scim_type is not None:
            message["scimType"] = self.scim_type
        return message


class BadRequest(ScimError):
    """400 without a more telling `scimType`."""

    status = 400


class InvalidFilter(BadRequest):
    """The filter has a syntax error, or compares what can't be compared."""

    scim_type = "invalidFilter"


class TooMany(BadRequest):
    """The filter yields more than the service is willing to work through."""

    scim_type = "tooMany"


class InvalidSyntax(BadRequest):
    """The message is not JSON, or not of the form that the RFC gives it."""

    scim_type = "invalidSyntax"


class InvalidPath(BadRequest):
    """A PATCH path or a `sortBy` that is malformed or names nothing that the schemas know."""

    scim_type = "invalidPath"


class UnknownAttribute(InvalidPath):
    """A well-formed PATCH path whose attribute or extension the resource type doesn't have."""


class InvalidCursor(BadRequest):
    """The cursor isn't one that was given out for this query (RFC 9865 §2.1)."""

    scim_type = "invalidCursor"


class ExpiredCursor(BadRequest):
    """The cursor was given out too long ago (RFC 9865 §2.1)."""

    scim_type = "expiredCursor"


class InvalidCount(BadRequest):
    """The `count` of a query that pages by cursor isn't a number, or not the one that the paging began with (RFC 9865 §2.1)."""

    scim_type = "invalidCount"


class NoTarget(BadRequest):
    """A PATCH path that yields nothing to operate on."""

    scim_type = "noTarget"


class InvalidValue(BadRequest):
    """A required value is missing, or a value doesn't fit its attribute."""

    scim_type = "invalidValue"


class Mutability(BadRequest):
    """The change is not compatible with the attribute's mutability, or unassigns what is required."""

    scim_type = "mutability"


class Unauthorized(ScimError):
    """401: no credential, or one that doesn't let anybody in."""

    status = 401


class Forbidden(ScimError):
    """403: known who it is, and that it may not do this."""

    status = 403


class NotFound(ScimError):
    """404: no such resource or no such endpoint."""

    status = 404


class MethodNotAllowed(ScimError):
    """405: the endpoint exists, the method doesn't; `Allow` says which do."""

    status = 405

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        listed = ", ".join(allowed)
        super().__init__(f"{method} isn't possible here; possible are {listed}.", headers={"Allow": listed})


class Conflict(ScimError):
    """409: a bulk operation refers to a resource that the same request didn't come to create (RFC 7644 §3.7.1)."""

    status = 409


class Uniqueness(ScimError):
    """409: another resource has this value already."""

    status = 409
    scim_type = "uniqueness"


class PreconditionFailed(ScimError):
    """412: the resource is at another version than `If-Match` or `If-None-Match` asks for."""

    status = 412


class PayloadTooLarge(ScimError):
    """413: the request, or the resource that it would make, is over a limit."""

    status = 413


class UnsupportedMediaType(ScimError):
    """415: the body isn't JSON by its `Content-Type`."""

    status = 415


class TooManyRequests(ScimError):
    """429 with `Retry-After`: the database has no capacity left for now."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many requests; repeat this one later.", headers={"Retry-After": str(retry_after)})


class InternalError(ScimError):
    """500: a fault of ours; the log has the rest."""

    status = 500


class NotImplementedHere(ScimError):
    """501: what the RFCs have and this service doesn't, or doesn't have for this token."""

    status = 501


class Unavailable(ScimError):
    """503 with `Retry-After`: nothing is wrong with the request, it should be repeated."""

    status = 503

    def __init__(self, detail: str, *, retry_after: int = 5, reason: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)}, reason=reason)
