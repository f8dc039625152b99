"""The types of RFC 7643 §2.3: which values are taken, in which form they are kept, and how numbers and moments sort."""

from typing import Any

import pytest

from scim.protocol import search_fields, values
from scim.protocol.errors import InvalidValue
from scim.protocol.schema.model import Attribute
from tests.unit.tables import RESOURCE_TYPES, whole

GADGET = RESOURCE_TYPES["Gadget"]
MOST = 2**53 - 1


def attribute(path: str) -> Attribute:
    name, _, sub = path.partition(".")
    found = GADGET.by_name[name]
    return found.by_name[sub] if sub else found


@pytest.mark.parametrize(
    ("path", "sent", "kept"),
    [
        ("count", 0, 0),
        ("count", -5, -5),
        ("count", MOST, MOST),
        ("count", -MOST, -MOST),
        ("weight", 1.5, 1.5),
        ("weight", 7, 7),
        ("weight", 1e300, 1e300),
        ("weight", -1.7976931348623157e308, -1.7976931348623157e308),
        ("weight", 5e-324, 5e-324),
        ("weight", -0.0, 0.0),
        ("weight", 2**53, 9007199254740992.0),
        ("weight", 2**53 + 1, 9007199254740992.0),  # as a database that keeps doubles gives it back
        ("sites.open", False, False),
        ("sites.open", "TRUE", True),
        ("seen", "2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"),
        ("seen", "2026-01-31t09:30:00.5z", "2026-01-31t09:30:00.5z"),
        ("seen", "2026-01-31T09:30:00.1234567890+05:30", "2026-01-31T09:30:00.1234567890+05:30"),
        ("seen", "2026-01-31T09:30:00", "2026-01-31T09:30:00"),
        ("print", "QUJD", "QUJD"),
        ("print", "QQ==", "QQ=="),
        ("print", "QQ", "QQ"),  # RFC 7643 §2.3.6: the padding may be left out
        ("print", "+/+/", "+/+/"),
        ("prints", "QQ", ["QQ"]),
        ("prints", ["QQ", None, "", "QUJD"], ["QQ", "QUJD"]),
        ("home", "https://a.example/B?c#d", "https://a.example/B?c#d"),
        ("home", "../Users/2819c223", "../Users/2819c223"),
        ("home", "urn:example:a", "urn:example:a"),
        ("sites", [{"street": "s", "floor": 0}, {}, {"street": ""}], [{"street": "s", "floor": 0}]),
        ("sites", {"open": "False"}, [{"open": False}]),
    ],
)
def test_a_value_is_kept(path: str, sent: Any, kept: Any) -> None:
    value = values.value(sent, attribute(path))
    assert (value, type(value), str(value)) == (kept, type(kept), str(kept))


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("count", MOST + 1),
        ("count", -MOST - 1),
        ("count", 10**30),
        ("count", 1.0),  # RFC 7643 §2.3.4: no fraction and no exponent
        ("count", 1e2),
        ("count", True),
        ("count", "5"),
        ("count", [5]),
        ("weight", "1.5"),
        ("weight", True),
        ("weight", float("inf")),
        ("weight", float("nan")),
        ("weight", {"value": {"value": 1}}),
        ("sites.open", 1),
        ("sites.open", "yes"),
        ("sites.floor", 1.5),
        ("seen", "2016-12-31T23:59:60Z"),  # xsd:dateTime has no leap seconds
        ("seen", "2026-02-30T00:00:00Z"),
        ("seen", "2026-01-31"),
        ("seen", "-0001-01-31T09:30:00Z"),
        ("seen", "12026-01-31T09:30:00Z"),
        ("seen", "2026-01-31T09:30:00 Z"),
        ("seen", 1769851800),
        ("print", "Q"),
        ("print", "QQ==QQ=="),
        ("print", "===="),
        ("print", "QU JD"),
        ("print", "QUJD\n"),
        ("print", "-_-_"),  # base64url, which an attribute would have to say
        ("print", "Ä==="),
        ("print", 5),
        ("prints", ["QUJD", "Q"]),
        ("home", 5),
        ("home", "a\0b"),
        ("sites", ["street"]),
    ],
)
def test_a_value_is_refused(path: str, sent: Any) -> None:
    with pytest.raises(InvalidValue) as raised:
        values.value(sent, attribute(path))
    assert path.partition(".")[0] in raised.value.detail


def in_order(path: str, *kept: Any) -> list[Any]:
    """The values in the order of the sort keys; each is the value of one resource."""
    keys = {}
    for place, value in enumerate(kept):
        resource = whole({"id": f"{place:03}", path: value}, GADGET)
        keys[search_fields.sort_keys(resource, search_fields.build(resource, GADGET), GADGET)[path]] = value
    return [keys[key] for key in sorted(keys)]


def test_moments_sort_by_time_whatever_their_zone_and_letter_case() -> None:
    moments = [
        "2026-01-31T11:00:00+02:00",
        "2026-01-31t09:00:00.5z",
        "2026-01-31T09:00:01",
        "2026-01-31T04:30:02-05:00",
    ]
    assert in_order("seen", *reversed(moments)) == moments


def test_numbers_fold_to_themselves_and_nothing_unseen_folds() -> None:
    resource = whole(
        {
            "count": 0,
            "weight": 1.5,
            "secret": "S3cret",
            "vault": {"place": "S3cret"},
            "maker": {"name": "M", "code": "S3cret"},
            "sites": [{"key": "S3cret"}, {"floor": 0, "key": "S3cret"}, {"open": False}],
            "urn:example:schemas:Lock": {"pin": "S3cret"},
        },
        GADGET,
    )
    f = search_fields.build(resource, GADGET)
    assert (f["count"], f["weight"], f["maker"]) == (0, 1.5, {"name": "m"})
    assert f["sites"] == [{"floor": 0}, {"open": False}]
    assert not {"secret", "vault", "urn:example:schemas:Lock"} & f.keys()
    assert "s3cret" not in str((f, search_fields.sort_keys(resource, f, GADGET))).lower()
