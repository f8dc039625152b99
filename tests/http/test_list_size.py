"""A page by index is full while there is more, a list answer has at most `SCIM_MAX_LIST_BYTES`, and little is read for it.

Bytes, calls and turns of the event loop are counted here; seconds are measured by `make soak` and the benchmarks.
"""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from scim.app import App, Collaborators, build
from scim.settings import Settings
from scim.storage.interface import Membership, Search, SearchPage, Stored, Take
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import TOKEN, Answer, Client, CosmosServer, HandlerClient, Loop
from tests.http.checks import is_error, names, resources

ROOM: Final = 64 * 1024
"""The smallest setting."""
MANY: Final = 100_000


class Counting(SqliteStore):
    """A store that counts what is read of it: bytes of resources, and members."""

    def __init__(self) -> None:
        super().__init__()
        self.resource_bytes = self.members_read = 0

    async def search(self, tenant: str, resource_type: str, search: Search, take: Take | None = None) -> SearchPage:
        def counted(stored: Stored, key: str) -> bool:
            self.resource_bytes += len(json.dumps(stored.resource))
            return take is None or take(stored, key)

        return await super().search(tenant, resource_type, search, counted)

    async def members(self, *given: Any, **options: Any) -> Any:
        found: list[Membership] = list(await super().members(*given, **options))
        self.members_read += len(found)
        return found

    async def memberships(self, *given: Any, **options: Any) -> Any:
        found: list[Membership] = list(await super().memberships(*given, **options))
        self.members_read += len(found)
        return found


class Limited:
    """A service with a small limit for lists, what its store has read, and how often it let others have their turn."""

    def __init__(self, loop: Loop, **settings: Any) -> None:
        self.store = Counting()
        self.turns = 0
        given = {"max_list_bytes": ROOM, "requests_per_second": MANY, "max_members": MANY, "max_body_bytes": 2**24}
        self.app: App = build(
            Settings(dev_token=TOKEN, **{**given, **settings}), Collaborators(sleep=self._sleep), store=self.store
        )
        self.client: Client = HandlerClient(self.app.handler, loop)

    async def _sleep(self, seconds: float) -> None:
        assert seconds == 0
        self.turns += 1


@pytest.fixture
def limited(loop: Loop) -> Iterator[Callable[..., Limited]]:
    built: list[Limited] = []

    def make(**settings: Any) -> Limited:
        built.append(Limited(loop, **settings))
        return built[-1]

    yield make
    for each in built:
        loop.run(each.app.close())


@pytest.fixture(scope="module")
def small_lists_on_cosmos(loop: Loop) -> Iterator[CosmosServer]:
    running = CosmosServer(loop, SCIM_MAX_LIST_BYTES=str(ROOM))
    yield running
    running.stop()


@pytest.fixture(params=["sqlite", "cosmos"])
def small_lists(request: pytest.FixtureRequest, limited: Callable[..., Limited]) -> Client:
    """Services on both stores with the smallest limit for lists."""
    if request.param == "sqlite":
        return limited().client
    cosmos: CosmosServer = request.getfixturevalue("small_lists_on_cosmos")
    cosmos.empty()
    return cosmos.client


@pytest.fixture(params=["client", "cosmos_client"])
def either(request: pytest.FixtureRequest) -> Client:
    chosen: Client = request.getfixturevalue(request.param)
    return chosen


def groups(client: Client, *sizes: int) -> list[str]:
    """Groups of so many members each; their names."""
    for number, size in enumerate(sizes):
        client.group(f"g{number:03}", *(f"{number}-{member:05}" for member in range(size)))
    return [f"g{number:03}" for number in range(len(sizes))]


def large_users(client: Client, number: int, size: int = 20_000) -> list[str]:
    return [client.user(f"u{n:03}", title=f"{n:03}" + "x" * (size - 3))["userName"] for n in range(number)]


def by_cursor(client: Client, path: str, query: str = "") -> list[Answer]:
    """All pages, each within the limit unless it has a single resource."""
    answers = [client.get(f"{path}?cursor{query}")]
    while (cursor := answers[-1].json.get("nextCursor")) is not None:
        answers.append(client.get(f"{path}?cursor={cursor}{query}"))
        assert len(answers) < 100
    for answer in answers:
        assert len(answer.body) <= ROOM or answer.json["itemsPerPage"] == 1
    return answers


def shown(answers: list[Answer]) -> list[str]:
    return [name for answer in answers for name in names(answer)]


# --- pages by index ---------------------------------------------------------------------------------------------


def test_a_client_that_adds_its_count_to_the_start_index_sees_every_group(either: Client) -> None:
    """Okta's import: `startIndex` grows by 100, whatever `itemsPerPage` says."""
    created = groups(either, *[60] * 120)
    seen: list[str] = []
    start, total = 1, 1
    while start <= total:
        answer = either.get(f"/Groups?startIndex={start}&count=100")
        seen += names(answer)
        total, start = answer.json["totalResults"], start + 100
    assert seen == created
    assert all(len(group["members"]) == 60 for group in resources(either.get("/Groups?startIndex=101&count=100")))


@pytest.mark.parametrize("count", [1, 3, 7])
def test_pages_by_index_are_full_whatever_the_groups_have(small_lists: Client, count: int) -> None:
    created = groups(small_lists, 0, 200, 3, 0, 150, 90, 1, 0, 0, 300)
    for start in range(1, len(created) + 1, count):
        page = small_lists.get(f"/Groups?startIndex={start}&count={count}")
        assert names(page) == created[start - 1 : start - 1 + count]
        assert page.json["totalResults"] == len(created)


def test_a_page_by_index_that_would_be_too_large_says_what_to_do(small_lists: Client) -> None:
    groups(small_lists, 600, 600, 600)
    answer = small_lists.get("/Groups")
    is_error(answer, 400, "tooMany")
    for word in (str(ROOM), "'count'", "excludedAttributes=members"):
        assert word in answer.json["detail"]
    assert small_lists.get("/Groups?count=1").status == 200
    assert names(small_lists.get("/Groups?excludedAttributes=members")) == ["g000", "g001", "g002"]
    assert names(small_lists.get("/Groups?attributes=displayName")) == ["g000", "g001", "g002"]
    is_error(small_lists.get("/Groups?attributes=members.value"), 400, "tooMany")
    is_error(small_lists.post("/Groups/.search", {"attributes": ["members"]}), 400, "tooMany")


def test_users_that_are_too_large_for_a_page_are_asked_for_in_smaller_ones(small_lists: Client) -> None:
    created = large_users(small_lists, 5)
    answer = small_lists.get("/Users")
    is_error(answer, 400, "tooMany")
    assert "'count'" in answer.json["detail"]
    assert names(small_lists.get("/Users?count=3")) == created[:3]
    assert names(small_lists.get("/Users?count=3&startIndex=4")) == created[3:]
    assert names(small_lists.get("/Users?attributes=userName")) == created
    assert names(small_lists.get("/Users?excludedAttributes=title")) == created
    assert small_lists.get("/Users?count=0").json["totalResults"] == 5


def test_a_page_that_shows_little_of_large_resources_is_bounded_by_what_is_read_for_it(small_lists: Client) -> None:
    created = large_users(small_lists, 12)
    answer = small_lists.get("/Users?attributes=userName")
    is_error(answer, 400, "tooMany")
    assert "'count'" in answer.json["detail"]
    is_error(small_lists.get("/Users?excludedAttributes=title"), 400, "tooMany")
    assert names(small_lists.get("/Users?attributes=userName&count=6")) == created[:6]
    assert names(small_lists.get("/Users?attributes=userName&count=6&startIndex=7")) == created[6:]
    pages = by_cursor(small_lists, "/Users", "&attributes=userName")
    assert shown(pages) == created
    assert len(pages) == 2


def test_the_groups_of_users_count_too(small_lists: Client) -> None:
    for name in "abc":
        small_lists.user(name)
    ids = [user["id"] for user in resources(small_lists.get("/Users"))]
    for number in range(220):
        small_lists.group(f"a group with a name of some length, {number}", *ids)
    answer = small_lists.get("/Users")
    is_error(answer, 400, "tooMany")
    assert "excludedAttributes=groups" in answer.json["detail"]
    assert names(small_lists.get("/Users?excludedAttributes=groups")) == ["a", "b", "c"]
    assert len(resources(small_lists.get("/Users?count=1"))[0]["groups"]) == 220
    assert shown(by_cursor(small_lists, "/Users")) == ["a", "b", "c"]


def test_a_page_of_one_resource_is_answered_whole(small_lists: Client) -> None:
    """Otherwise nobody could get past it: a smaller count than one there isn't."""
    groups(small_lists, 5, 4000, 5)
    large_users(small_lists, 1, 100_000)
    ids = []
    for page in (
        "/Groups?count=1&startIndex=2",
        '/Groups?filter=displayName eq "g001"',
        '?filter=displayName eq "g001"',
    ):
        [group] = resources(small_lists.get(page))
        assert len(group["members"]) == 4000
        ids.append(f"/Groups/{group['id']}")
    [user] = resources(small_lists.get("/Users"))
    assert len(user["title"]) == 100_000
    for path in (*ids, f"/Users/{user['id']}"):
        answer = small_lists.get(path)
        assert (answer.status, len(answer.body) > ROOM) == (200, True)
    is_error(small_lists.get("/Groups?count=2"), 400, "tooMany")


def test_the_limit_holds_for_all_types_of_a_search_together(small_lists: Client) -> None:
    groups(small_lists, 150, 150)
    created = large_users(small_lists, 2)
    assert names(small_lists.post("/Groups/.search", {})) == ["g000", "g001"]
    assert names(small_lists.post("/Users/.search", {})) == created
    is_error(small_lists.post("/.search", {}), 400, "tooMany")
    answer = small_lists.get("/")
    is_error(answer, 400, "tooMany")
    assert "excludedAttributes=groups,members" in answer.json["detail"]
    assert names(small_lists.post("/.search", {"count": 3})) == ["g000", "g001", "u000"]
    assert shown(by_cursor(small_lists, "/")) == ["g000", "g001", *created]


@pytest.mark.parametrize("character", ["x", "é", "字"])
def test_a_response_up_to_the_limit_is_sent(limited: Callable[..., Limited], character: str) -> None:
    """The limit counts bytes: of characters with several bytes as of the others."""
    client = limited().client
    sizes = []
    for number in range(60):
        client.user(f"{number}", title=character * 1000)
        answer = client.get("/Users")
        if answer.status == 200:
            sizes.append(len(answer.body))
        else:
            is_error(answer, 400, "tooMany")
    assert 0 < len(sizes) < 60
    assert ROOM * 0.8 < max(sizes) <= ROOM


# --- pages by cursor --------------------------------------------------------------------------------------------


SIZES: Final = [0, 700, 3, 0, 1500, 90, 1, 400, 0, 600]


@pytest.mark.parametrize(
    "query", ["", "&sortBy=displayName&sortOrder=descending", "&sortBy=id&sortOrder=descending", "&count=3"]
)
def test_pages_by_cursor_are_shorter_and_show_every_group(small_lists: Client, query: str) -> None:
    created = groups(small_lists, *SIZES)
    answers = by_cursor(small_lists, "/Groups", query)
    assert len(answers) > 2
    assert all(answer.json["itemsPerPage"] for answer in answers)
    assert shown(answers) == (created[::-1] if "descending" in query else created)
    assert {answer.json["totalResults"] for answer in answers} == {len(created)}
    members = {g["displayName"]: len(g.get("members", [])) for answer in answers for g in resources(answer)}
    assert [members[name] for name in created] == SIZES


def test_pages_by_cursor_lead_back_over_the_same_resources(small_lists: Client) -> None:
    created = groups(small_lists, *SIZES)
    last = by_cursor(small_lists, "/Groups")[-1]
    seen = names(last)
    while (cursor := last.json.get("previousCursor")) is not None:
        last = small_lists.get(f"/Groups?cursor={cursor}")
        assert names(last)
        assert len(last.body) <= ROOM or last.json["itemsPerPage"] == 1
        seen = names(last) + seen
    assert seen == created


def test_large_users_come_in_shorter_pages(small_lists: Client) -> None:
    created = large_users(small_lists, 7)
    answers = by_cursor(small_lists, "/Users")
    assert [len(names(answer)) for answer in answers] == [3, 3, 1]
    assert shown(answers) == created
    assert shown(by_cursor(small_lists, "/Users", "&attributes=userName")) == created


def test_of_many_groups_in_another_order_only_some_are_read_one_by_one(limited: Callable[..., Limited]) -> None:
    """The group that has no room is read first, because the store has them in the order of their ids."""
    service = limited()
    created = groups(service.client, 2000, *[1] * 120)
    answers = by_cursor(service.client, "/Groups", "&sortBy=id&sortOrder=descending&count=1000")
    assert shown(answers) == created[::-1]
    assert [len(names(answer)) for answer in answers] == [32, 32, 32, 24, 1]


# --- what is read for it ----------------------------------------------------------------------------------------


def test_a_page_of_large_users_is_not_read_to_its_end(limited: Callable[..., Limited]) -> None:
    service = limited()
    created = large_users(service.client, 60)
    for query in ("/Users?count=1000", "/Users?count=1000&sortBy=userName", "/Users?cursor&count=1000"):
        service.store.resource_bytes = 0
        service.client.get(query)
        assert service.store.resource_bytes < ROOM + 2 * 21_000, query
    for query in ("/Users?count=1000&attributes=userName", "/Users?cursor&count=1000&excludedAttributes=title"):
        service.store.resource_bytes = 0
        service.client.get(query)
        assert service.store.resource_bytes < 2 * ROOM + 2 * 21_000, query
    assert names(service.client.get("/Users?count=6&attributes=userName")) == created[:6]


def test_members_are_read_up_to_the_size_of_the_response(limited: Callable[..., Limited]) -> None:
    """A member counts for at least 128 bytes, so that 512 fill the smallest answer."""
    service = limited()
    groups(service.client, 5, 20_000, 5)
    for query in (
        "",
        "?attributes=members",
        "?attributes=members.display",
        "?cursor",
        "?cursor&sortBy=id&sortOrder=descending",
    ):
        service.store.members_read = 0
        service.client.get(f"/Groups{query}")
        assert service.store.members_read <= 3 * ROOM // 128, query
    for query in ("?excludedAttributes=members", "?attributes=displayName", "?count=0"):
        service.store.members_read = 0
        assert service.client.get(f"/Groups{query}").status == 200
        assert service.store.members_read == 0, query


def test_the_answer_for_a_large_group_yields_every_1000_members(limited: Callable[..., Limited]) -> None:
    service = limited()
    groups(service.client, 10_000)
    [group] = resources(service.client.get("/Groups?excludedAttributes=members"))
    for path in (f"/Groups/{group['id']}", "/Groups"):
        service.turns = 0
        assert service.client.get(path).status == 200
        assert service.turns == 10, path


def test_a_large_response_needs_three_times_its_bytes(limited: Callable[..., Limited]) -> None:
    service = limited(max_list_bytes=2**24)
    members = [service.client.user(f"u{number}")["id"] for number in range(2_000)]
    members += [f"{number:036}" for number in range(8_000)]
    group = service.client.group("g", *members)
    large_users(service.client, 50, 50_000)
    for path in (f"/Groups/{group['id']}", "/Groups", "/Users?count=50&startIndex=2001"):
        service.client.get(path)
        tracemalloc.start()
        answer = service.client.get(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert answer.status == 200
        assert peak < 3 * len(answer.body) + 2**20, path
