"""The interface between the service and a store, implemented by every adapter.

A store keeps canonical resources and the memberships of groups, separated by customer, and searches them. This module
knows no database. A store knows no schema: the service passes it the values to search, to sort by and to keep unique.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

import orjson

from scim.protocol.filter.binding import Bound
from scim.protocol.json import JsonObject


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored resource. The store assigns `version` and changes it with every write."""

    type_name: str
    id: str
    version: str
    resource: JsonObject
    index_version: str = field(default="", compare=False)
    """The `WriteModel.index_version` that it was written with. `Store.everything` may leave it empty."""


@dataclass(frozen=True, slots=True)
class WriteModel:
    """A canonical resource to write, with its key, search fields and sort keys (`scim.protocol.search_fields`)."""

    type_name: str
    id: str
    key: str
    resource: JsonObject
    search_fields: JsonObject
    sort_keys: Mapping[str, str]
    unique_values: Mapping[str, str] = field(default_factory=dict)
    """Further values that are unique within the customer, as texts, by attribute path."""
    index_version: str = ""
    """The fingerprint of the indexing rules (`search_fields.index_version`); empty if a value is missing here."""
    json: bytes = field(init=False, repr=False, compare=False)
    """The resource as JSON. Made here once, for the size limit and for the store."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "json", orjson.dumps(self.resource))


# Named tuples, because a large group has 200,000 of each and a frozen dataclass takes four times as long to create.
class Member(NamedTuple):
    """A member of a group, by the id that the client sent; `type` and `display` only if the client sent them."""

    value: str
    type: str | None = None
    display: str | None = None


class Membership(NamedTuple):
    """A stored membership: the id of a group and one of its members."""

    group: str
    member: Member
    resolved_type: str | None = None
    """The type of the stored resource with the member's id, if the caller asked for it and the client sent no type."""


@dataclass(frozen=True, slots=True)
class MemberChanges:
    """Members to add and member values to remove. A value in both is removed first, and then added as `add` has it."""

    add: tuple[Member, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)

    def __len__(self) -> int:
        return len(self.add) + len(self.remove)


NO_CHANGES = MemberChanges()
NO_UNIQUE_VALUES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Touch:
    """A new `meta.lastModified` of a group: the value in the resource, in the search fields and as a sort key."""

    modified: str
    folded: str
    sort_key: str


@dataclass(frozen=True, slots=True)
class Search:
    """A page of the resources of one type that match a filter.

    `filter` contains no `RelatedTo`: the service has resolved it to ids. `sort` is a key of `WriteModel.sort_keys`.
    """

    filter: Bound | None
    offset: int
    limit: int
    sort: str | None = None
    descending: bool = False
    after: str | None = None
    """One of `SearchPage.keys`: the page starts behind it."""
    counted: bool = True
    """Whether to return the total, which can cost a second query."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of a search, and the total number of matches (0 unless `Search.counted`)."""

    items: Sequence[Stored]
    total: int
    keys: Sequence[str] = ()
    """For each item its position in the order, which no other item has: its sort key, or without a sort its id."""


type Take = Callable[[Stored, str], bool]
"""Receives each resource of a page as it is read, and its position (`SearchPage.keys`). Returns whether to continue."""


@dataclass(frozen=True, slots=True)
class ResourceName:
    """The type and the `displayName` of a resource."""

    type_name: str
    display: str | None


class Store(Protocol):
    """All resources of all customers. Every method stays within the customer that it is called for.

    Each method may raise `StoreUnavailable` or `Throttled`, and a write `TooLarge`.

    A write that raises `AlreadyExists`, `NotFound`, `PreconditionFailed`, `Throttled` or `TooLarge` has changed
    nothing; after `StoreUnavailable` it may have been applied. Member changes of more than one batch may be applied in
    part after any error; repeating the call completes them. With `expected`, each batch of a write requires a version:
    the first one requires `expected`, and every other one the version that the batch before it has made.
    """

    async def read(self, customer: str, type_name: str, id: str) -> Stored | None:
        """Return a resource, or `None` if it doesn't exist."""

    async def create(self, customer: str, write_model: WriteModel, members: Sequence[Member] = ()) -> str:
        """Write a new resource, and its members if it is a group. Return its version. Raises `AlreadyExists`."""

    async def replace(
        self,
        customer: str,
        write_model: WriteModel,
        *,
        expected: str,
        members: MemberChanges = NO_CHANGES,
        old_unique_values: Mapping[str, str] | None = NO_UNIQUE_VALUES,
    ) -> str:
        """Replace a resource that is at version `expected`, and change its members. Return its new version.

        `old_unique_values` are the unique values of that version. With `None` the store reads them.
        Raises `AlreadyExists`, `NotFound`, `PreconditionFailed`, `Interrupted`.
        """

    async def delete(self, customer: str, type_name: str, id: str, *, expected: str | None = None) -> None:
        """Delete a resource and all of its memberships, those as a group and those as a member.

        Raises `NotFound`, `PreconditionFailed`.
        """

    async def change_members(
        self, customer: str, group: str, changes: MemberChanges, touch: Touch, *, expected: str | None = None
    ) -> str:
        """Add and remove members of a group. Return the group's version after that.

        Changes that are done already are skipped. If none remains, the group isn't written. Concurrent changes have the
        same result as if they were made one after another, as long as each of them fits into one batch. Raises
        `NotFound`, `PreconditionFailed`, `Interrupted`.
        """

    async def search(self, customer: str, type_name: str, search: Search, take: Take | None = None) -> SearchPage:
        """Return a page of the resources that match the filter. Without `sort` they are in the order of their ids.

        With `take`, each resource is passed to it instead of being added to the page, so that a page of large resources
        is never in memory as a whole. After `take` has returned `False`, no further resource is read. Raises
        `QueryRefused`.
        """

    async def members(
        self,
        customer: str,
        groups: Sequence[str],
        *,
        after: tuple[str, str] | None = None,
        limit: int,
        type_names: Sequence[str] = (),
    ) -> Sequence[Membership]:
        """Return members of these groups, ordered by (group, member value), starting behind `after`.

        `type_names` are the resource types among which `Membership.resolved_type` is looked up.
        """

    async def memberships(
        self, customer: str, members: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        """Return the direct memberships of these members, ordered by (member value, group), starting behind `after`."""

    async def is_member(self, customer: str, group: str, member: str) -> bool:
        """Return whether the group has this member."""

    async def names(self, customer: str, type_names: Sequence[str], ids: Sequence[str]) -> Mapping[str, ResourceName]:
        """Return type and name, by id, of the resources of these types that exist."""

    # --- a whole customer ---

    async def outdated(
        self, customer: str, type_name: str, index_version: str, *, after: str | None = None, limit: int
    ) -> Sequence[Stored]:
        """Return resources of a type that have another `index_version`, ordered by id, starting behind `after`."""

    async def count(self, customer: str) -> int:
        """Return the number of items or rows of a customer: the maximum of a progress bar."""

    def everything(self, customer: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        """Yield all resources and memberships, page by page. Concurrent changes may be included or not."""

    def erase(self, customer: str) -> AsyncIterator[int]:
        """Delete all data of a customer step by step. Yield the number of items that each step deleted.

        After an error or a stop, repeating the call deletes the rest.
        """

    async def sweep(self, customer: str) -> int:
        """Delete the items left behind by deleted resources. Return the number of deleted items.

        These items are memberships and unique values. A sweep is safe at any time, also while another one runs.
        """

    async def close(self) -> None:
        """Close the connection to the database."""
