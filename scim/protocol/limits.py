"""What the service is willing to take. Each limit has a setting; going over one is an error that names it."""

from dataclasses import dataclass
from typing import Final, Literal

type UnknownPaths = Literal["skip", "refuse"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, lengths in characters, the rest in pieces."""

    body_bytes: int = 1024 * 1024
    bulk_bytes: int = 2 * 1024 * 1024
    """The body of a bulk request."""
    bulk_operations: int = 1_000
    resource_bytes: int = 256 * 1024
    filter_characters: int = 10_000
    filter_depth: int = 50
    filter_comparisons: int = 100
    """Comparisons of a filter, those in brackets included."""
    patch_operations: int = 1_000
    patch_values: int = 1_000_000
    """Values of multi-valued attributes that the operations of one PATCH may look through, all together."""
    patch_characters: int = 4_000_000
    """Characters of different texts that they may compare."""
    patch_path_characters: int = 200_000
    """Characters that their different paths may have."""
    unknown_paths: UnknownPaths = "skip"
    """What becomes of an operation on an unknown attribute: skipped beside others that are of use, or refused with them."""
    members: int = 10_000
    """Members that one request may add and remove."""
    page: int = 1_000
    default_page: int = 100
    linked: int = 1_000
    """Resources that a predicate on `members` or `groups` may lead to."""
    linked_together: int = 10_000
    """Resources that all such predicates of a filter may lead to."""
    linked_values: int = 50
    """Different values that all such predicates of a filter may ask for: each costs the store a query."""
    list_bytes: int = 16 * 1024 * 1024
    """The body of a list answer with more than one resource."""
    cursor_seconds: int = 3_600
    """How long after it was given out a cursor leads on."""


DEFAULT: Final = Limits()
