"""All errors of SCIM, and their form in a response. Knows no HTTP library."""

from collections.abc import Mapping

from scim.protocol.json import JsonObject

ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"


class ScimError(Exception):
    """An error response: the HTTP `status`, `scimType`, and a `detail` that names the problem and the remedy.

    `headers` are sent with it (`Allow`, `Retry-After`, `WWW-Authenticate`). `reason` is a word for the log only, if it
    says more than the class. Source: RFC 7644 §3.12.
    """

    status: int = 500
    scim_type: str | None = None

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, reason: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})
        self.reason = reason

    def body(self) -> JsonObject:
        """Return the error message (RFC 7644 §3.12), in which `status` is a string."""
        message: JsonObject = {"schemas": [ERROR_SCHEMA], "status": str(self.status), "detail": self.detail}
        if self.scim_type is not None:
            message["scimType"] = self.scim_type
        return message


class BadRequest(ScimError):
    """400 without a `scimType`."""

    status = 400


class InvalidFilter(BadRequest):
    """400: the filter has a syntax error, or a comparison that isn't possible."""

    scim_type = "invalidFilter"


class TooMany(BadRequest):
    """400: the filter matches more than the service processes, or the page would be too large."""

    scim_type = "tooMany"


class InvalidSyntax(BadRequest):
    """400: the message isn't JSON, or doesn't have the form that the RFC defines."""

    scim_type = "invalidSyntax"


class InvalidPath(BadRequest):
    """400: a PATCH path or `sortBy` is malformed, or names no attribute of the schemas."""

    scim_type = "invalidPath"


class UnknownAttribute(InvalidPath):
    """400: a well-formed PATCH path names an attribute or extension that the resource type doesn't have."""


class InvalidCursor(BadRequest):
    """400: the cursor doesn't belong to this query (RFC 9865 §2.1)."""

    scim_type = "invalidCursor"


class ExpiredCursor(BadRequest):
    """400: the cursor is too old (RFC 9865 §2.1)."""

    scim_type = "expiredCursor"


class InvalidCount(BadRequest):
    """400: in cursor paging, `count` isn't a number, or isn't that of the first page (RFC 9865 §2.1)."""

    scim_type = "invalidCount"


class NoTarget(BadRequest):
    """400: a PATCH operation has no target."""

    scim_type = "noTarget"


class InvalidValue(BadRequest):
    """400: a required value is missing, or a value doesn't fit its attribute."""

    scim_type = "invalidValue"


class Mutability(BadRequest):
    """400: the change isn't compatible with the attribute's mutability, or unassigns a required attribute."""

    scim_type = "mutability"


class Unauthorized(ScimError):
    """401: the request has no credential, or an invalid one."""

    status = 401


class Forbidden(ScimError):
    """403: the client is known, but lacks the access."""

    status = 403


class NotFound(ScimError):
    """404: there is no such resource or endpoint."""

    status = 404


class MethodNotAllowed(ScimError):
    """405: the path has no such method; the header `Allow` lists the others. `method` is `None` if HTTP doesn't define it."""

    status = 405

    def __init__(self, method: str | None, allowed: tuple[str, ...]) -> None:
        listed = ", ".join(allowed)
        super().__init__(
            f"{method or 'The method'} isn't allowed at this path. Allowed: {listed}.", headers={"Allow": listed}
        )


class Conflict(ScimError):
    """409: a bulk operation refers to a resource that the same request didn't create (RFC 7644 §3.7.1)."""

    status = 409


class Uniqueness(ScimError):
    """409: another resource has the same unique value."""

    status = 409
    scim_type = "uniqueness"


class PreconditionFailed(ScimError):
    """412: the resource has another version than `If-Match` or `If-None-Match` requires."""

    status = 412


class PayloadTooLarge(ScimError):
    """413: the request, or the resource that it would create, exceeds a limit."""

    status = 413


class UnsupportedMediaType(ScimError):
    """415: the `Content-Type` isn't JSON, or the `Content-Encoding` isn't supported."""

    status = 415


class TooManyRequests(ScimError):
    """429 with `Retry-After`: the database or a rate limit has no capacity now."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many requests. Repeat this one later.", headers={"Retry-After": str(retry_after)})


class InternalError(ScimError):
    """500: a fault of the service. The log has the details."""

    status = 500


class NotImplementedHere(ScimError):
    """501: a feature of the RFCs that the service doesn't have, or not for this token."""

    status = 501


class Unavailable(ScimError):
    """503 with `Retry-After`: the request is valid and can be repeated."""

    status = 503

    def __init__(self, detail: str, *, retry_after: int = 5, reason: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)}, reason=reason)
