"""What a use case needs to know about a request besides the resource type, the id and the body."""

from dataclasses import dataclass, field

from scim.protocol import etag
from scim.protocol.errors import PreconditionFailed


@dataclass(frozen=True, slots=True)
class Conditions:
    """The values of the headers `If-Match` and `If-None-Match`; `None` if a header wasn't sent (RFC 7644 §3.14)."""

    if_match: str | None = None
    if_none_match: str | None = None

    def single_version(self) -> str | None:
        """Return the version if the condition is `If-Match` with exactly one; a store checks that itself. Else `None`."""
        if self.if_match is None or self.if_none_match is not None:
            return None
        versions = etag.versions(self.if_match)
        return next(iter(versions)) if versions is not None and len(versions) == 1 else None

    def needs_read(self) -> bool:
        """Return whether the resource must be read before the write, because the store can't check the conditions."""
        # A header without an entity tag counts as sent: no version satisfies it.
        return (self.if_match is not None or self.if_none_match is not None) and self.single_version() is None

    def check(self, version: str) -> None:
        """Raise `PreconditionFailed` if the conditions forbid a write of a resource that has this version."""
        if self.if_match is not None and not etag.matches(self.if_match, version):
            raise version_mismatch()
        if self.if_none_match is not None and etag.matches(self.if_none_match, version):
            raise PreconditionFailed("The resource has a version that 'If-None-Match' excludes.")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The request as the use cases see it."""

    customer: str
    """The customer that the credential belongs to: the only partition that the request may read or write."""
    base_url: str
    """The URL that the client used for the service, without a trailing slash: the beginning of `location` and `$ref`."""
    subjects: tuple[str, ...] = field(default=(), repr=False)
    """The token's claims `oid` and `sub`, which can contain any text. `/Me` finds a user by them."""
    request_id: str = ""
    """The id of the request in the log."""
    attributes: tuple[str, ...] = ()
    """The parameter `attributes` (RFC 7644 §3.9)."""
    excluded: tuple[str, ...] = ()
    """The parameter `excludedAttributes`."""
    conditions: Conditions = Conditions()

    @property
    def selects_attributes(self) -> bool:
        """Whether the client sent `attributes` or `excludedAttributes`."""
        return bool(self.attributes or self.excluded)


def version_mismatch() -> PreconditionFailed:
    """Return the error for a write that the client made conditional on another version."""
    return PreconditionFailed("The resource has changed since the version in 'If-Match'. Read it again.")
