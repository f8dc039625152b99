"""What the service knows of a request: whose resources, under which address, and what the answer should carry."""

from dataclasses import dataclass, field

from scim.protocol import etag
from scim.protocol.errors import PreconditionFailed


@dataclass(frozen=True, slots=True)
class Caller:
    """The tenant that the client was let in for, and the base URL that it used (without a trailing slash)."""

    tenant: str
    base_url: str
    subjects: tuple[str, ...] = field(default=(), repr=False)
    """What its token calls its bearer; any text at all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`attributes` and `excludedAttributes` as sent (RFC 7644 §3.9)."""

    attributes: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.attributes or self.excluded)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The headers `If-Match` and `If-None-Match` (RFC 7644 §3.14)."""

    if_match: str | None = None
    if_none_match: str | None = None

    def single(self) -> str | None:
        """The one version that `If-Match` asks for, when a store can check that by itself."""
        if self.if_match is None or self.if_none_match is not None:
            return None
        named = etag.versions(self.if_match)
        return next(iter(named)) if named is not None and len(named) == 1 else None

    def need_the_version(self) -> bool:
        """Whether the resource must be read before a write that is conditional."""
        # A header without a tag is one that no version satisfies, not a missing one.
        return (self.if_match is not None or self.if_none_match is not None) and self.single() is None

    def check(self, version: str) -> None:
        """Raises `PreconditionFailed` if a write of a resource at this version isn't wanted."""
        if self.if_match is not None and not etag.matches(self.if_match, version):
            raise stale()
        if self.if_none_match is not None and etag.matches(self.if_none_match, version):
            raise PreconditionFailed("The resource is at a version that 'If-None-Match' excludes.")


def stale() -> PreconditionFailed:
    """The answer to a write that was made for another version."""
    return PreconditionFailed("The resource has changed since the version in 'If-Match'; read it again.")
