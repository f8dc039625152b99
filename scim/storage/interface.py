"""What the service asks of a store, and the closed set of errors that it answers with. Knows no database."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from scim.protocol.json import JsonObject
from scim.protocol.query import Bound


class StoreError(Exception):
    """Base of everything that a store may raise."""


class Taken(StoreError):
    """Another resource of the tenant has this key, or this value of the unique attribute `path`."""

    def __init__(self, kind: str, path: str | None = None) -> None:
        super().__init__(kind)
        self.path = path
        """A key of `Draft.claims`; `None`: it is the resource's key that is taken."""


class Gone(StoreError):
    """The resource to change isn't there."""


class Changed(StoreError):
    """The resource is at another version than the one expected."""


class Interrupted(Changed):
    """Another write came between two batches of one change: the batches before it are done, the others aren't."""


type Problem = Literal["sign-in", "credential", "forbidden", "missing", "unreachable"]
"""Why a database on the network can't be used: no Azure sign-in; a key or an identity that it doesn't accept; an identity or
an address without the right; no such database or container; no answer at that address."""


class StoreUnavailable(StoreError):
    """The database can't answer now; `retry_after` is in seconds. The detail is for the log, not for a client."""

    def __init__(self, reason: str, *, retry_after: int = 5, problem: Problem | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.problem = problem
        """Lets the command line say what to do."""


class QueryRefused(StoreUnavailable):
    """The database refuses a query: its text is too complex, or it looks through too many values. A repeat would be refused too."""


class Throttled(StoreError):
    """The database has no capacity left; `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("throttled")
        self.retry_after = retry_after


class TooLarge(StoreError):
    """The database doesn't take an item or a batch of this size."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource as the store has it. `version` is the store's own and changes with every write."""

    kind: str
    id: str
    version: str
    resource: JsonObject
    rules: str = field(default="", compare=False)
    """The `Draft.rules` that it was written with."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A resource to be written: canonical, with its key, its folded copy and its sort keys (`fold`)."""

    kind: str
    id: str
    key: str
    resource: JsonObject
    f: JsonObject
    s: Mapping[str, str]
    claims: Mapping[str, str] = field(default_factory=dict)
    """Further values that are unique within the tenant, as texts, each by the path of its attribute (`fold.claims`)."""
    rules: str = ""
    """What all these were made by (`fold.rules`); empty if they aren't all that they should be."""


# Named tuples, because a large group has 200,000 of each and a frozen dataclass takes four times as long to make.
class Member(NamedTuple):
    """A member of a group, by the id that the client gave; `type` and `display` only if the client sent them."""

    value: str
    type: str | None = None
    display: str | None = None


class Membership(NamedTuple):
    """One member item: a group's id and the member."""

    group: str
    member: Member
    known: str | None = None
    """The type of the resource with this id, if that was asked for and no client has sent one."""


@dataclass(frozen=True, slots=True)
class MemberChanges:
    """Members to add and values to remove. A value in both is removed first, and then added as it stands in `add`."""

    add: tuple[Member, ...] = ()
    remove: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)

    def __len__(self) -> int:
        return len(self.add) + len(self.remove)


NO_CHANGES = MemberChanges()
NO_CLAIMS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Touch:
    """A new `meta.lastModified`, as it stands in the resource, in the folded copy and as a sort key."""

    modified: str
    folded: str
    sort_key: str


@dataclass(frozen=True, slots=True)
class Search:
    """Which resources of one type, in which order. `filter` has no `Linked` left; `sort` is a key of `Draft.s`."""

    filter: Bound | None
    offset: int
    limit: int
    sort: str | None = None
    descending: bool = False
    after: str | None = None
    """One of `Found.keys`: only what comes behind it in this order, however far in that is."""
    counted: bool = True
    """Whether the total is asked for; it costs a query of its own."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of a search, and how many there are in all (0 if that wasn't asked for)."""

    items: Sequence[Stored]
    total: int
    keys: Sequence[str] = ()
    """For each item what it is ordered by, which no other item has: its sort key, or its id."""


type Take = Callable[[Stored, str], bool]
"""Is given each resource of a page as it is read, and what it is ordered by. Returns whether to read on."""


@dataclass(frozen=True, slots=True)
class Name:
    """What is known of a resource by its id alone: its type, and what to show for it."""

    kind: str
    display: str | None


class Store(Protocol):
    """All resources of all tenants. Every method stays within the tenant that it is given.

    Each method may raise `StoreUnavailable`. A write that raises has changed nothing, but for member changes of more
    than one batch, where a repeated call completes the work. Where a write is given a version that it `expected`, all
    of its batches depend on it: the first one on that version, each other one on the version that the one before made.
    """

    async def read(self, tenant: str, kind: str, id: str) -> Stored | None:
        """One resource, or `None`."""

    async def create(self, tenant: str, draft: Draft, members: Sequence[Member] = ()) -> str:
        """Write a new resource, with members if it is a group; its version. Raises `Taken`."""

    async def replace(
        self,
        tenant: str,
        draft: Draft,
        *,
        expected: str,
        members: MemberChanges = NO_CHANGES,
        held: Mapping[str, str] | None = NO_CLAIMS,
    ) -> str:
        """Write a resource that is at version `expected`; its new version. Raises `Taken`, `Gone`, `Changed`, `Interrupted`.

        `held` are the claims that go with that version; `None`: nobody knows, so the store looks.
        """

    async def delete(self, tenant: str, kind: str, id: str, *, expected: str | None = None) -> None:
        """Remove a resource and every membership that it has, as a group and as a member. Raises `Gone`, `Changed`."""

    async def change_members(
        self, tenant: str, group: str, changes: MemberChanges, touch: Touch, *, expected: str | None = None
    ) -> str:
        """Add and remove members of a group; its version after that. Raises `Gone`, `Changed` or `Interrupted`.

        What is so already is left alone. If nothing is left to change, the group isn't touched.
        Beside other changes the result is that of one order of them all, as far as each fits into one batch.
        """

    async def search(self, tenant: str, kind: str, search: Search, take: Take | None = None) -> Found:
        """Return a page of the resources that the filter holds for. Without `sort` the order is that of creation.

        With `take`, each resource goes there instead of into `Found`, so that a page of large resources is never in
        memory as a whole. When `take` returns `False`, no further resource is read.
        """

    async def members(
        self,
        tenant: str,
        groups: Sequence[str],
        *,
        after: tuple[str, str] | None = None,
        limit: int,
        kinds: Sequence[str] = (),
    ) -> Sequence[Membership]:
        """Members of these groups in the order of (group, member value), from behind `after` on.

        `kinds`: resource types among which the type of a member is looked up, if no client has sent one.
        """

    async def memberships(
        self, tenant: str, members: Sequence[str], *, after: tuple[str, str] | None = None, limit: int
    ) -> Sequence[Membership]:
        """The groups that these are direct members of, in the order of (member value, group), from behind `after` on."""

    async def is_member(self, tenant: str, group: str, member: str) -> bool:
        """Whether the group has this member."""

    async def names(self, tenant: str, kinds: Sequence[str], ids: Sequence[str]) -> Mapping[str, Name]:
        """Type and name of those of the resources that exist, among these types."""

    # --- a whole tenant ---

    async def outdated(
        self, tenant: str, kind: str, rules: str, *, after: str | None = None, limit: int
    ) -> Sequence[Stored]:
        """Resources of a type that were written with other `Draft.rules`, in the order of their ids, from behind `after` on."""

    async def count(self, tenant: str) -> int:
        """How many items the tenant has, of whatever kind: what a progress bar goes up to."""

    def everything(self, tenant: str) -> AsyncIterator[Sequence[Stored | Membership]]:
        """All resources and members, page by page. What changes meanwhile may be in it or not."""

    def erase(self, tenant: str) -> AsyncIterator[int]:
        """Delete everything of the tenant, step by step: how many items each step deleted. A repeat goes on."""

    async def sweep(self, tenant: str) -> int:
        """Delete what deletions have left behind; how many items. It is safe at any time, and when several run."""

    async def close(self) -> None:
        """Let go of the database."""
