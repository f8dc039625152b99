"""The limits of requests. Each has a setting or a constant here, and an error that names it."""

from dataclasses import dataclass
from typing import Final, Literal

type UnknownPaths = Literal["skip", "refuse"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, lengths in characters, times in seconds, all others in numbers of items."""

    body_bytes: int = 1024 * 1024
    bulk_bytes: int = 2 * 1024 * 1024
    """The body of a bulk request."""
    bulk_operations: int = 1_000
    resource_bytes: int = 256 * 1024
    filter_characters: int = 10_000
    filter_depth: int = 50
    filter_comparisons: int = 100
    """The comparisons of a filter, including those in brackets."""
    patch_operations: int = 1_000
    patch_values: int = 1_000_000
    """The comparisons of elements that all operations of one PATCH may make."""
    patch_characters: int = 4_000_000
    """The characters of different strings that all operations of one PATCH may compare."""
    patch_path_characters: int = 200_000
    """The characters of the different paths of one PATCH."""
    unknown_paths: UnknownPaths = "skip"
    """What to do with a PATCH operation on an unknown attribute: `skip` it if another one is valid, or `refuse` the
    request.
    """
    members: int = 10_000
    """The members that one request may add and remove."""
    page: int = 1_000
    default_page: int = 100
    related_ids: int = 1_000
    """The resources that one `members eq` or `groups eq` may match."""
    related_ids_together: int = 10_000
    """The resources that all of these in a filter may match together."""
    related_values: int = 50
    """The different values of all of these in a filter. Each costs the store a query."""
    list_bytes: int = 16 * 1024 * 1024
    """The body of a list response with more than one resource."""
    cursor_seconds: int = 3_600
    """The lifetime of a cursor."""


DEFAULT: Final = Limits()
