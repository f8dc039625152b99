"""The small parts: entity tags, dateTimes, sort keys, ids, and the numbers of a search request."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from scim.ids import uuid7
from scim.protocol import datetimes, etag, search_fields
from scim.protocol.errors import InvalidSyntax, InvalidValue
from scim.protocol.limits import DEFAULT
from scim.protocol.messages import SearchRequest, search_parameters, search_request
from tests.unit.tables import ENTERPRISE, RESOURCE_TYPES, whole

USER = RESOURCE_TYPES["User"]


@pytest.mark.parametrize(
    ("header", "holds"),
    [
        ('W/"7"', True),
        ('"7"', True),  # compared without W/
        ("7", True),
        ('W/"8"', False),
        ('W/"77"', False),
        ("*", True),
        (" * ", True),
        ('"6", W/"7"', True),
        ('"6","7"', True),
        ('"6", "8"', False),
        ('"6,7"', False),  # a comma within a tag is part of it
        ('"6 7"', False),
        ('""', False),
        ("", False),
        ('"*"', False),
    ],
)
def test_a_condition_holds_for_the_version(header: str, holds: bool) -> None:
    assert etag.matches(header, "7") is holds


def test_tags_are_weak_and_match_themselves() -> None:
    assert etag.weak("7") == 'W/"7"'
    assert etag.matches(etag.weak("a-b:c"), "a-b:c")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:30:00.0000000Z"),
        ("2026-01-31t09:30:00z", "2026-01-31T09:30:00.0000000Z"),
        ("2026-01-31T09:30:00.1Z", "2026-01-31T09:30:00.1000000Z"),
        ("2026-01-31T09:30:00.1234567Z", "2026-01-31T09:30:00.1234567Z"),
        ("2026-01-31T09:30:00.12345678Z", "2026-01-31T09:30:00.1234567Z"),
        ("2026-01-31T09:30:00", "2026-01-31T09:30:00.0000000Z"),
        ("2026-01-31T09:30:00+02:00", "2026-01-31T07:30:00.0000000Z"),
        ("2026-01-31T23:30:00.5-05:30", "2026-02-01T05:00:00.5000000Z"),
        ("2024-02-29T00:00:00+00:01", "2024-02-28T23:59:00.0000000Z"),
        ("2026-01-31T09:30:00+14:00", "2026-01-30T19:30:00.0000000Z"),
        ("0001-01-03T00:00:00.0000000Z", "0001-01-03T00:00:00.0000000Z"),
        ("2026-01-31T09:30:00+14:01", None),
        ("2026-01-31T09:30:00+01:60", None),
        ("2026-01-31T09:30:00+0200", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("2026-02-29T00:00:00Z", None),
        ("2026-01-31T24:00:01Z", None),
        ("2026-01-31T09:60:00Z", None),
        ("2026-01-31 09:30:00Z", None),
        ("2026-01-31", None),
        ("2026-01-31T09:30Z", None),
        ("2026-01-31T09:30:00.Z", None),
        ("٢٠٢٦-01-31T09:30:00Z", None),
        ("20260131T093000Z", None),
        ("", None),
        (" 2026-01-31T09:30:00Z", None),
        ("2026-01-31T09:30:00Z\n", None),
    ],
)
def test_dateTime_in_one_form_whose_text_order_is_time_order(text: str, normal: str | None) -> None:  # noqa: N802 - the RFC's word
    assert datetimes.normal(text) == normal


def test_what_the_service_writes_is_utc_and_reads_back() -> None:
    moment = datetime(2026, 1, 31, 11, 30, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert datetimes.written(moment) == "2026-01-31T09:30:00.000005Z"
    assert datetimes.normal(datetimes.written(moment)) == "2026-01-31T09:30:00.0000050Z"


def order(path: str, *users: dict[str, Any]) -> list[str]:
    """The ids of the users, which are their places here, in the order of the sort keys."""
    keys = {}
    for place, user in enumerate(users):
        resource = whole({**user, "id": str(place)}, USER)
        keys[str(place)] = search_fields.sort_keys(resource, search_fields.build(resource, USER), USER)[path]
    return sorted(keys, key=keys.__getitem__)


def test_sort_keys_are_in_text_order_without_letter_case() -> None:
    assert order("title", {"title": "b"}, {"title": "A"}, {"title": "Ｃ"}) == ["1", "0", "2"]  # noqa: RUF001


def test_missing_values_sort_last_ascending_and_so_first_descending() -> None:
    assert order("title", {}, {"title": "z" * 300}, {"title": "\U0010ffff"}, {"title": "a"}) == ["3", "1", "2", "0"]


def test_equal_values_sort_by_id() -> None:
    assert order("title", {"title": "A"}, {"title": "a"}, {}, {}) == ["0", "1", "2", "3"]


def test_a_text_sorts_before_those_that_it_begins() -> None:
    assert order("title", {"title": "ab"}, {"title": "a"}, {"title": "a b"}) == ["1", "2", "0"]


def test_externalId_sorts_by_letter_case_because_it_is_case_exact() -> None:  # noqa: N802 - the attribute's name
    assert order("externalId", {"externalId": "a"}, {"externalId": "B"}) == ["1", "0"]


def test_false_sorts_before_true() -> None:
    assert order("active", {"active": True}, {}, {"active": False}) == ["2", "0", "1"]


def test_emails_sort_by_the_primary_one_else_by_the_first() -> None:
    assert order(
        "emails",
        {"emails": [{"value": "a"}, {"value": "z", "primary": True}]},
        {"emails": [{"value": "b"}, {"value": "a"}]},
        {"emails": [{"value": "c", "primary": False}]},
        {"emails": [{"type": "work"}]},
        {},
    ) == ["1", "2", "0", "3", "4"]


def test_dateTimes_sort_by_time() -> None:  # noqa: N802 - the RFC's word
    metas = [
        {"created": text} for text in ("2026-01-31T10:00:00+02:00", "2026-01-31T09:00:00Z", "2026-01-31T07:59:59.9Z")
    ]
    assert order("meta.created", *({"meta": meta} for meta in metas)) == ["2", "0", "1"]


def test_texts_of_more_than_a_kilobyte_sort_by_their_beginning() -> None:
    assert order("title", {"title": "b"}, {"title": "a" * 2_000}, {"title": "0"}, {"title": "c" * 2_000}) == [
        "2",
        "1",
        "0",
        "3",
    ]


def test_sort_keys_are_short_and_there_is_one_for_each_sortable_path() -> None:
    resource = whole({"title": "x" * 1_000, ENTERPRISE: {"department": "d"}}, USER)
    keys = search_fields.sort_keys(resource, search_fields.build(resource, USER), USER)
    assert keys.keys() == USER.sort_paths.keys()
    assert max(map(len, keys.values())) < 320


def ids_at(*times: datetime) -> Callable[[], str]:
    """A source of ids whose clock shows these times, and then the last one for ever."""

    def readings() -> Iterator[datetime]:
        yield from times
        while True:
            yield times[-1]

    clock = readings()
    return uuid7(lambda: next(clock))


NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_ids_are_version_7_and_lower_case() -> None:
    id = ids_at(NOON)()
    assert (str(UUID(id)), UUID(id).version, UUID(id).variant) == (id, 7, "specified in RFC 4122")
    assert int(id.replace("-", "")[:12], 16) == int(NOON.timestamp() * 1000)


def test_ids_grow_when_the_clock_stands_still() -> None:
    new = ids_at(NOON)
    made = [new() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_grow_when_the_clock_goes_back() -> None:
    new = ids_at(NOON, NOON - timedelta(days=1), NOON - timedelta(hours=1), NOON - timedelta(milliseconds=1), NOON)
    made = [new() for _ in range(100)]
    assert made == sorted(set(made))


def test_ids_grow_with_the_clock() -> None:
    new = ids_at(*(NOON + timedelta(milliseconds=step) for step in range(1_000)))
    made = [new() for _ in range(1_000)]
    assert made == sorted(set(made))


@pytest.mark.parametrize(
    ("parameters", "start", "count"),
    [
        ({}, 1, None),
        ({"count": "5", "startIndex": "3"}, 3, 5),
        ({"COUNT": "5", "startindex": "0"}, 1, 5),
        ({"count": "1000"}, 1, 1000),
        ({"count": "1001"}, 1, 1000),
        ({"count": "9" * 400}, 1, 1000),
        ({"count": "0"}, 1, 0),
        ({"count": "-1"}, 1, 0),
        ({"startIndex": "-5"}, 1, None),
        ({"count": "", "startIndex": ""}, 1, None),
        ({"count": " 7 "}, 1, 7),
        ({"shoeSize": "7"}, 1, None),
    ],
)
def test_page_asked_for(parameters: dict[str, str], start: int, count: int | None) -> None:
    asked = search_parameters(parameters, DEFAULT)
    assert (asked.start, asked.count) == (start, count)


@pytest.mark.parametrize("value", ["ten", "1.5", "1e3", "--1", "0x10", "²", "٣", "1 2"])
@pytest.mark.parametrize("name", ["count", "startIndex"])
def test_a_page_that_is_not_a_number_is_an_invalid_value(name: str, value: str) -> None:
    with pytest.raises(InvalidValue):
        search_parameters({name: value}, DEFAULT)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ([], InvalidSyntax),
        ({"filter": 5}, InvalidSyntax),
        ({"attributes": 5}, InvalidSyntax),
        ({"attributes": [5]}, InvalidSyntax),
        ({"count": 1, "Count": 2}, InvalidSyntax),
        ({"count": True}, InvalidValue),
        ({"count": [1]}, InvalidValue),
        ({"sortOrder": "upwards"}, InvalidValue),
    ],
)
def test_a_search_message_that_is_wrong(message: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        search_request(message, DEFAULT)


def test_a_search_message_in_full() -> None:
    message = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "attributes": ["userName", " title "],
        "excludedAttributes": "name, emails",
        "filter": "title pr",
        "sortBy": "userName",
        "sortOrder": "Descending",
        "startIndex": 2,
        "count": 10,
    }
    assert search_request(message, DEFAULT) == SearchRequest(
        filter="title pr",
        sort_by="userName",
        descending=True,
        start=2,
        count=10,
        attributes=("userName", "title"),
        excluded=("name", "emails"),
    )
