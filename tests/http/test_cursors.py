"""Paging by cursor (RFC 9865), request by request: what a page holds and leads to, and which cursors are refused."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from string import ascii_letters, digits
from typing import Any
from urllib.parse import quote

import pytest

from scim.app import Collaborators, build
from scim.settings import Settings
from scim.storage.interface import Store
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import TOKEN, Answer, Client, HandlerClient, Loop, PortClient
from tests.http.checks import SEARCH, is_error, names, resources

type Query = dict[str, Any]

MOST_PAGES = 50
"""Nobody here has more of them; a walk that goes on is one in a circle."""


def page(client: Client, path: str = "/Users", **query: Any) -> Answer:
    """A GET with these parameters; `cursor` is there, empty if nothing is said."""
    given = {"cursor": "", **query}
    return client.get(f"{path}?{'&'.join(f'{name}={quote(str(value))}' for name, value in given.items())}")


def searched(client: Client, path: str = "/.search", **query: Any) -> Answer:
    """The same as a POST."""
    return client.post(path, {"schemas": [SEARCH], "cursor": "", **query})


def walked(ask: Callable[..., Answer], client: Client, to: str = "nextCursor", **query: Any) -> list[list[str]]:
    """The names on each page, from this query on as far as `to` leads."""
    answer = ask(client, **query)
    pages = [names(answer)]
    while to in answer.json:
        answer = ask(client, **{**query, "cursor": answer.json[to]})
        pages.append(names(answer))
        assert len(pages) < MOST_PAGES
    return pages


def last(ask: Callable[..., Answer], client: Client, **query: Any) -> Answer:
    answer = ask(client, **query)
    for _ in range(MOST_PAGES):
        if "nextCursor" not in answer.json:
            return answer
        answer = ask(client, **{**query, "cursor": answer.json["nextCursor"]})
    raise AssertionError("there is no last page")


def people(client: Client, number: int) -> list[str]:
    return [client.user(f"u{n}")["userName"] for n in range(1, number + 1)]


@pytest.fixture(params=["client", "cosmos_client"])
def either(request: pytest.FixtureRequest) -> Client:
    """Both stores: the triggers on SQLite, a port on Cosmos DB."""
    chosen: Client = request.getfixturevalue(request.param)
    return chosen


# --- pages ------------------------------------------------------------------------------------------------------


def test_a_list_without_a_cursor_is_a_page_by_index(either: Client) -> None:
    people(either, 3)
    for answer in (either.get("/Users?count=2"), either.post("/Users/.search", {"count": 2, "cursor": None})):
        assert answer.json.keys() == {"schemas", "totalResults", "startIndex", "itemsPerPage", "Resources"}
        assert (answer.json["startIndex"], names(answer)) == (1, ["u1", "u2"])


def test_pages_lead_on_and_back(either: Client) -> None:
    people(either, 5)
    first = page(either, count=2)
    assert first.json.keys() == {"schemas", "totalResults", "itemsPerPage", "nextCursor", "Resources"}
    assert (first.json["totalResults"], names(first)) == (5, ["u1", "u2"])
    second = page(either, count=2, cursor=first.json["nextCursor"])
    assert second.json.keys() == {*first.json.keys(), "previousCursor"}
    assert (second.json["totalResults"], names(second)) == (5, ["u3", "u4"])
    third = page(either, count=2, cursor=second.json["nextCursor"])
    assert third.json.keys() == {*first.json.keys(), "previousCursor"} - {"nextCursor"}
    assert (third.json["totalResults"], names(third)) == (5, ["u5"])
    back = page(either, count=2, cursor=third.json["previousCursor"])
    assert names(back) == ["u3", "u4"]
    assert names(page(either, count=2, cursor=back.json["nextCursor"])) == ["u5"]
    begin = page(either, count=2, cursor=back.json["previousCursor"])
    assert begin.json.keys() == first.json.keys()
    assert (begin.json["totalResults"], names(begin)) == (5, ["u1", "u2"])
    assert names(page(either, count=2, cursor=begin.json["nextCursor"])) == ["u3", "u4"]


@pytest.mark.parametrize("query", ["cursor", "cursor=", "Cursor=", "count=2&cursor", "cursor&startIndex=1&filter="])
def test_a_cursor_without_a_value_asks_for_the_first_page(client: Client, port_client: PortClient, query: str) -> None:
    client.user("u1")
    assert "startIndex" not in client.get(f"/Users?{query}").json
    assert "startIndex" not in port_client.get(f"/Users?{query}").json


@pytest.mark.parametrize("query", ["filter=", "sortBy=&count=&startIndex=", "attributes=&excludedAttributes", "filter"])
def test_other_parameters_without_a_value_are_not_given(client: Client, port_client: PortClient, query: str) -> None:
    for each in (client, port_client):
        user = each.user(f"blank-{quote(query)}")
        assert each.get(f"/Users?{query}").json == each.get("/Users").json
        assert each.get(f"/Users/{user['id']}?{query}").json == user
        assert each.get(f"/ServiceProviderConfig?{query}").status == 200


def test_the_last_page_has_no_next_cursor(either: Client) -> None:
    people(either, 4)
    assert walked(page, either, count=2) == [["u1", "u2"], ["u3", "u4"]]
    assert walked(page, either, count=4) == [["u1", "u2", "u3", "u4"]]
    assert walked(page, either, count=3) == [["u1", "u2", "u3"], ["u4"]]
    assert walked(page, either, filter='userName eq "nobody"') == [[]]


def test_without_a_count_pages_are_of_the_usual_size_and_none_is_larger_than_the_largest(client: Client) -> None:
    for number in range(1001):
        client.user(f"u{number:04}")
    assert [len(found) for found in walked(page, client)] == [100] * 10 + [1]
    assert [len(found) for found in walked(page, client, count=5000)] == [1000, 1]


@pytest.mark.parametrize("count", ["0", "-1", "-99999999999999"])
def test_a_count_of_zero_or_below_asks_for_the_total_alone(either: Client, count: str) -> None:
    people(either, 2)
    answer = page(either, count=count)
    assert answer.json == {
        "schemas": answer.json["schemas"],
        "totalResults": 2,
        "itemsPerPage": 0,
        "Resources": [],
    }


def test_attributes_may_differ_on_the_next_page(client: Client) -> None:
    people(client, 2)
    first = page(client, count=1, attributes="userName")
    second = page(client, count=1, cursor=first.json["nextCursor"], excludedAttributes="meta,groups")
    assert resources(second)[0].keys() == {"schemas", "id", "userName", "active"}


def test_the_example_of_the_rfc_goes_on_although_it_spells_the_attribute_otherwise(either: Client) -> None:
    """RFC 9865 §2: `userName sw J`, and for the next page `username sw J`."""
    for number in range(5):
        either.user(f"j{number}")
        either.user(f"k{number}")
    first = either.get("/Users?filter=userName%20sw%20J&cursor&count=3")
    assert (first.json["totalResults"], names(first)) == (5, ["j0", "j1", "j2"])
    second = either.get(f"/Users?filter=username%20sw%20J&cursor={first.json['nextCursor']}&count=3")
    assert (second.json["totalResults"], names(second)) == (5, ["j3", "j4"])


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"sortBy": "id"},
        {"sortBy": "id", "sortOrder": "descending"},
        {"sortBy": "title"},
        {"sortBy": "title", "sortOrder": "descending"},
        {"sortBy": "userName", "sortOrder": "descending"},
        {"filter": 'title eq "a" or not (title pr)', "sortBy": "TITLE"},
        {"filter": 'groups eq "{group}"', "sortBy": "displayName"},
    ],
    ids=lambda query: " ".join(query.values()) or "nothing",
)
@pytest.mark.parametrize("count", [1, 2, 3, 100])
def test_in_every_order_the_pages_are_the_whole_list_both_ways(either: Client, query: Query, count: int) -> None:
    titles = ["b", "a", None, "a", "A", None, "字", "b"]
    users = [either.user(f"u{number}", title=title)["id"] for number, title in enumerate(titles)]
    group = either.group("some", *users[1:])["id"]
    query = {name: value.replace("{group}", group) for name, value in query.items()}
    whole = names(either.post("/Users/.search", query))
    assert len(whole) > 2
    pages = walked(page, either, count=count, **query)
    assert [name for shown in pages for name in shown] == whole
    assert [len(shown) for shown in pages[:-1]] == [count] * (len(pages) - 1)
    end = last(page, either, count=count, **query)
    if "previousCursor" in end.json:
        before = walked(page, either, "previousCursor", count=count, cursor=end.json["previousCursor"], **query)
        assert [name for shown in reversed(before) for name in shown] + names(end) == whole


@pytest.mark.parametrize("order", ["ascending", "descending"])
@pytest.mark.parametrize("sort_by", [None, "id", "displayName", "userName", "meta.created"])
def test_all_types_are_one_list_both_ways(either: Client, sort_by: str | None, order: str) -> None:
    for number in range(3):
        either.user(f"u{number}", displayName=f"d{9 - number}")
        either.group(f"g{number}")
    query: Query = {"sortOrder": order} | ({} if sort_by is None else {"sortBy": sort_by})
    whole = names(either.post("/.search", query))
    assert sorted(whole) == ["g0", "g1", "g2", "u0", "u1", "u2"]
    for count in (1, 2, 3, 4, 6):
        pages = walked(searched, either, count=count, **query)
        assert [name for shown in pages for name in shown] == whole, count
        assert [len(shown) for shown in pages[:-1]] == [count] * (len(pages) - 1)
        end = last(searched, either, count=count, **query)
        assert end.json["totalResults"] == 6
        if count < 6:
            before = walked(searched, either, "previousCursor", count=count, cursor=end.json["previousCursor"], **query)
            assert [name for shown in reversed(before) for name in shown] + names(end) == whole, count


# --- changes meanwhile ------------------------------------------------------------------------------------------


def test_resources_present_throughout_are_listed_once(either: Client) -> None:
    """In order of creation; the total stays that of the beginning."""
    users = {f"u{number}": either.user(f"u{number}")["id"] for number in range(10)}
    answer = page(either, count=3)
    seen = names(answer)
    for gone, new in (("u0", "new1"), ("u2", "new2"), ("u5", "new3"), ("u9", "new4")):
        either.delete(f"/Users/{users.pop(gone)}")
        either.user(new)
        if "nextCursor" in answer.json:
            answer = page(either, count=3, cursor=answer.json["nextCursor"])
            assert answer.json["totalResults"] == 10
            seen += names(answer)
    assert [name for name in seen if name in users] == list(users)
    assert len(seen) == len(set(seen))


def test_a_page_whose_resources_were_deleted_is_empty_and_has_a_cursor(either: Client) -> None:
    users = {f"u{number}": either.user(f"u{number}")["id"] for number in range(6)}
    first = page(either, count=2)
    second = page(either, count=2, cursor=first.json["nextCursor"])
    third = page(either, count=2, cursor=second.json["nextCursor"])
    for name in ("u0", "u1", "u4", "u5"):
        either.delete(f"/Users/{users[name]}")
    nothing = page(either, count=2, cursor=second.json["nextCursor"])
    assert nothing.json.keys() == {"schemas", "totalResults", "itemsPerPage", "Resources"}
    assert names(nothing) == []
    assert names(page(either, count=2, cursor=third.json["previousCursor"])) == ["u2", "u3"]
    before = page(either, count=2, cursor=second.json["previousCursor"])
    assert names(before) == []
    assert "previousCursor" not in before.json
    begin = page(either, count=2, cursor=before.json["nextCursor"])
    assert names(begin) == ["u2", "u3"]
    assert "previousCursor" not in begin.json


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "scim_type"),
    [
        ({"startIndex": 2}, "invalidValue"),
        ({"startIndex": "x"}, "invalidValue"),
        ({"count": "ten"}, "invalidCount"),
        ({"count": 1.5}, "invalidCount"),
        ({"count": True}, "invalidCount"),
        ({"cursor": 5}, "invalidCursor"),
        ({"cursor": ["x"]}, "invalidCursor"),
        ({"cursor": True}, "invalidCursor"),
        ({"cursor": {}}, "invalidCursor"),
        ({"cursor": 5, "count": "ten"}, "invalidCursor"),
        ({"cursor": "x"}, "invalidCursor"),
        ({"cursor": " "}, "invalidCursor"),
        ({"cursor": "é"}, "invalidCursor"),
        ({"cursor": "gAAAAA" + "A" * 94}, "invalidCursor"),
        ({"cursor": "A" * 5000}, "invalidCursor"),
        ({"sortBy": "nothing"}, "invalidPath"),
        ({"filter": "nothing eq 5"}, "invalidFilter"),
    ],
    ids=lambda given: str(given)[:40] if isinstance(given, dict) else "",
)
def test_an_impossible_cursor_query_is_an_error(client: Client, query: Query, scim_type: str) -> None:
    is_error(searched(client, "/Users/.search", **query), 400, scim_type)
    if all(isinstance(value, str) for value in query.values()):
        is_error(page(client, **query), 400, scim_type)


@pytest.mark.parametrize("count", [1, 3, 0, -1])
def test_another_count_than_the_paging_began_with_is_refused(client: Client, count: int) -> None:
    people(client, 5)
    cursor = page(client, count=2).json["nextCursor"]
    refused = page(client, count=count, cursor=cursor)
    is_error(refused, 400, "invalidCount")
    assert "'count' of 2" in refused.json["detail"]
    assert names(page(client, cursor=cursor)) == ["u3", "u4"]
    assert names(page(client, count=2, cursor=cursor)) == ["u3", "u4"]


def test_the_largest_count_may_be_sent_as_it_was(client: Client) -> None:
    for number in range(1001):
        client.user(f"u{number:04}")
    cursor = page(client, count=5000).json["nextCursor"]
    for count in (5000, 1000, 99999):
        assert names(page(client, count=count, cursor=cursor)) == ["u1000"]


MOVES: list[tuple[str, str, Query]] = [
    ("another filter", "/Users/.search", {"filter": 'userName sw "v"', "sortBy": "userName", "count": 2}),
    ("no filter", "/Users/.search", {"sortBy": "userName", "count": 2}),
    ("the other way", "/Users/.search", {"filter": 'userName sw "u"', "sortBy": "userName", "sortOrder": "descending"}),
    ("another order", "/Users/.search", {"filter": 'userName sw "u"', "sortBy": "title", "count": 2}),
    ("no order", "/Users/.search", {"filter": 'userName sw "u"', "count": 2}),
    ("another type", "/Groups/.search", {"filter": 'displayName sw "u"', "sortBy": "displayName", "count": 2}),
    ("all types", "/.search", {"filter": 'userName sw "u"', "sortBy": "userName", "count": 2}),
]


@pytest.mark.parametrize(("path", "query"), [row[1:] for row in MOVES], ids=[row[0] for row in MOVES])
def test_a_cursor_is_invalid_in_another_query(client: Client, path: str, query: Query) -> None:
    people(client, 5)
    own: Query = {"filter": 'userName sw "u"', "sortBy": "userName", "count": 2}
    cursor = page(client, **own).json["nextCursor"]
    is_error(searched(client, path, **{**query, "cursor": cursor}), 400, "invalidCursor")
    assert names(searched(client, "/Users/.search", **{**own, "cursor": cursor})) == ["u3", "u4"]


def test_equivalent_filters_are_the_same_query(client: Client) -> None:
    people(client, 5)
    cursor = page(client, filter='userName sw "U" and not (title pr)', sortBy="userName", count=2).json["nextCursor"]
    for filter, sort_by in (
        ('username SW "u" and title eq null', "USERNAME"),
        ('(userName sw "u") and (not (title pr))', "urn:ietf:params:scim:schemas:core:2.0:User:userName"),
    ):
        assert names(page(client, filter=filter, sortBy=sort_by, sortOrder="", cursor=cursor)) == ["u3", "u4"]


# --- instances of our own: tenants, clocks, keys ---------------------------------------------------------------


@dataclass
class Clock:
    """The time, which passes when a test says so."""

    now: datetime = field(default_factory=lambda: datetime(2026, 1, 31, 9, 30, 0, 900_000, UTC))

    def __call__(self) -> datetime:
        return self.now

    def timer(self) -> float:
        return self.now.timestamp()

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Instances:
    """Services that share a store and a clock; the second tenant has another token."""

    loop: Loop
    store: Store = field(default_factory=SqliteStore)
    clock: Clock = field(default_factory=Clock)

    def start(self, **settings: Any) -> HandlerClient:
        given = Collaborators(clock=self.clock, timer=self.clock.timer)
        app = build(Settings(dev_token=TOKEN, **settings), given, tokens={OTHER: "other"}, store=self.store)
        return HandlerClient(app.handler, self.loop)


OTHER = "a-token-of-another-tenant"


@pytest.fixture
def instances(loop: Loop) -> Iterator[Instances]:
    running = Instances(loop)
    yield running
    loop.run(running.store.close())


def test_a_cursor_is_invalid_for_another_customer(instances: Instances) -> None:
    one = instances.start()
    for token in (TOKEN, OTHER):
        for number in range(3):
            assert one.post("/Users", {"userName": f"u{number}"}, token=token).status == 201
    cursors = {token: one.get("/Users?cursor&count=1", token=token).json["nextCursor"] for token in (TOKEN, OTHER)}
    for token, other in ((TOKEN, OTHER), (OTHER, TOKEN)):
        is_error(one.get(f"/Users?cursor={cursors[other]}", token=token), 400, "invalidCursor")
        assert names(one.get(f"/Users?cursor={cursors[token]}", token=token)) == ["u1"]


def test_a_cursor_that_was_changed_anywhere_is_refused(instances: Instances) -> None:
    one = instances.start()
    people(one, 3)
    cursor = page(one, count=1).json["nextCursor"]
    changed = {cursor[:at] + other + cursor[at + 1 :] for at in range(len(cursor)) for other in "A-_z"} - {cursor}
    changed |= {cursor[:at] for at in range(1, len(cursor))} | {cursor[at:] for at in range(1, len(cursor))}
    changed |= {f"{cursor}=", f"{cursor}==", f"{cursor}A", f" {cursor}", f"{cursor}\n", f"{cursor[:9]}.{cursor[9:]}"}
    changed |= {cursor.swapcase(), cursor * 2, cursor[::-1]}
    refused = {searched(one, "/Users/.search", cursor=text).body for text in changed}
    assert len(refused) == 1
    is_error(searched(one, "/Users/.search", cursor=changed.pop()), 400, "invalidCursor")
    assert names(page(one, cursor=cursor)) == ["u2"]


def test_a_cursor_has_one_spelling(instances: Instances) -> None:
    """In Base64 some bits of the last letter may mean nothing, depending on the length."""
    one = instances.start()
    for number in range(9):
        one.user(f"{number}{sha256(b'some').hexdigest()}{sha256(b'other').hexdigest()}"[: 1 + 14 * number])
    lengths = set()
    answer = page(one, count=1, sortBy="userName")
    while "nextCursor" in answer.json:
        cursor = answer.json["nextCursor"]
        lengths.add(len(cursor) % 4)
        for letter in set(f"{ascii_letters}{digits}-_") - {cursor[-1]}:
            respelled = searched(one, "/Users/.search", sortBy="userName", cursor=cursor[:-1] + letter)
            is_error(respelled, 400, "invalidCursor")
        answer = page(one, count=1, sortBy="userName", cursor=cursor)
    assert lengths == {0, 2, 3}


def test_every_invalid_cursor_gets_the_same_error(instances: Instances) -> None:
    """RFC 9865 §5.2: nobody learns whether it is forged, damaged, old, or somebody else's."""
    one = instances.start()
    people(one, 3)
    for number in range(3):
        one.post("/Users", {"userName": f"u{number}"}, token=OTHER)
    own, others = (one.get("/Users?cursor&count=1", token=token).json["nextCursor"] for token in (TOKEN, OTHER))
    instances.clock.wait(100_000)
    told = {
        one.get(f"/Users?cursor={others}").body,
        one.get(f"/Users?cursor={own}&sortBy=title").body,
        one.get(f"/Groups?cursor={own}").body,
        one.get(f"/Users?cursor={own[:-4]}AAAA").body,
        one.get("/Users?cursor=forged").body,
    }
    assert len(told) == 1


def test_a_cursor_expires_by_the_clock_and_says_so(instances: Instances) -> None:
    one = instances.start(cursor_seconds=60)
    assert one.get("/ServiceProviderConfig").json["pagination"]["cursorTimeout"] == 60
    people(one, 4)
    cursor = page(one, count=1).json["nextCursor"]
    instances.clock.wait(60)
    following = page(one, cursor=cursor)
    assert names(following) == ["u2"]
    instances.clock.wait(2)
    expired = page(one, cursor=cursor)
    is_error(expired, 400, "expiredCursor")
    assert "60 seconds" in expired.json["detail"]
    # Each page begins the time anew.
    assert names(page(one, cursor=following.json["nextCursor"])) == ["u3"]


def test_a_cursor_is_short_and_of_letters_that_need_no_quotes(instances: Instances) -> None:
    one = instances.start()
    for letter in ("a", "é", "字", "🎉"):
        for number in range(3):
            one.user(f"{letter}{number}", title="".join(chr(ord(letter) + step % 90) for step in range(300)))
    cursor = page(one, count=1).json["nextCursor"]
    assert re.fullmatch("[A-Za-z0-9_-]{100,250}", cursor)
    answer = page(one, sortBy="title", count=1)
    while "nextCursor" in answer.json:
        assert re.fullmatch("[A-Za-z0-9_-]{100,999}", answer.json["nextCursor"])
        answer = page(one, sortBy="title", count=1, cursor=answer.json["nextCursor"])


def test_a_cursor_does_not_reveal_its_content(instances: Instances) -> None:
    """Two cursors to the same page have nothing in common but the version and the time."""
    one = instances.start()
    people(one, 2)
    first, again = (page(one, count=1, sortBy="userName").json["nextCursor"] for _ in range(2))
    assert first != again
    assert sum(a == b for a, b in zip(first[16:], again[16:], strict=True)) < len(first) / 3


def test_an_instance_decrypts_cursors_of_another(instances: Instances) -> None:
    one, other = instances.start(), instances.start()
    people(one, 4)
    first = page(one, count=1)
    second = page(other, cursor=first.json["nextCursor"])
    assert names(second) == ["u2"]
    third = page(one, cursor=second.json["nextCursor"])
    assert names(third) == ["u3"]
    assert names(page(instances.start(), cursor=third.json["previousCursor"])) == ["u2"]


def test_after_deleting_the_key_old_cursors_are_invalid_and_new_ones_work(instances: Instances) -> None:
    one = instances.start()
    people(one, 4)
    old = page(one, count=1).json["nextCursor"]
    instances.loop.run(instances.store.delete("$system", "SealingKey", "cursors"))
    other = instances.start()
    new = page(other, count=1).json["nextCursor"]
    is_error(page(other, cursor=old), 400, "invalidCursor")
    assert names(page(one, cursor=old)) == ["u2"]
    instances.clock.wait(61)
    # The first instance doesn't know the other's key, and reads it.
    mixed = page(one, cursor=new)
    assert names(mixed) == ["u2"]
    assert names(page(other, cursor=mixed.json["nextCursor"])) == ["u3"]


def test_a_smaller_largest_page_makes_the_pages_of_old_cursors_smaller(instances: Instances) -> None:
    before, after = instances.start(), instances.start(max_page=2)
    people(before, 8)
    cursor = page(before, count=4).json["nextCursor"]
    answer = page(after, count=4, cursor=cursor)
    assert names(answer) == ["u5", "u6"]
    assert names(page(after, cursor=answer.json["nextCursor"])) == ["u7", "u8"]
