"""The contract of every store for filters on numbers, dates, booleans, references and elements without `value`."""

from typing import Any, Final

import pytest
import pytest_asyncio

from scim.protocol import search_fields, validate
from scim.protocol.filter import binding, syntax
from scim.protocol.filter.evaluate import matches
from scim.storage.interface import Search, Store, WriteModel
from tests.contract.conftest import new_tenant
from tests.contract.write_models import resource_id
from tests.unit.tables import LOCK, RESOURCE_TYPES

pytestmark = pytest.mark.asyncio(loop_scope="module")

GADGET: Final = RESOURCE_TYPES["Gadget"]
GADGETS: Final[tuple[dict[str, Any], ...]] = (
    {"weight": 1, "count": 1, "home": "https://a.example/x"},
    {"weight": 1.0, "count": 100, "home": "https://A.example/x", "secret": "S3cret"},
    {"weight": 2.5, "count": -3, "maker": {"code": "S3cret"}},
    {"weight": -0.0, "count": 0, "sites": [{"floor": 0, "open": False, "type": "work"}]},
    {"weight": 0.1, "sites": [{"floor": 2, "open": True}, {"key": "S3cret"}], "prints": ["QUJD"]},
    {"weight": 1e300, "count": 2**53 - 1, "sites": [{"key": "S3cret"}], LOCK: {"pin": "S3cret"}},
    {"weight": -1.7976931348623157e308, "count": 1 - 2**53, "seen": "2026-01-31T11:30:00+02:00"},
    {"weight": 0.30000000000000004, "seen": "2026-01-31t09:30:00.0000001z", "maker": {"name": "M", "code": "c"}},
    {"weight": 2**53 + 1, "seen": "2026-01-31T09:30:00", "sites": [{"since": "2026-01-31T04:30:00-05:00"}]},
    {"readings": [{"value": 1, "type": "a"}, {"value": 2.0, "type": "b"}], LOCK: {"model": "x", "pin": "p"}},
)
FILTERS: Final[tuple[tuple[str, list[int]], ...]] = (
    ("weight eq 1", [0, 1]),
    ("weight eq 1.0", [0, 1]),
    ("weight eq 10e-1", [0, 1]),
    ("weight ne 1", [2, 3, 4, 5, 6, 7, 8, 9]),
    ("weight eq 0", [3]),
    ("weight eq -0.0", [3]),
    ("weight eq 0.1", [4]),
    ("weight eq 0.3", []),
    ("weight eq 0.30000000000000004", [7]),
    ("weight ge 1e300", [5]),
    ("weight lt -1e308", [6]),
    ("weight eq 9007199254740993", [8]),
    ("weight gt 1e18 or weight lt -99999999999999999999", [5, 6]),
    ("count eq 1e2", [1]),
    ("count eq 100.0", [1]),
    ("count gt 0", [0, 1, 5]),
    ("not (count gt 0)", [2, 3, 4, 6, 7, 8, 9]),
    ("count eq 9007199254740991", [5]),
    ("count le -9007199254740991", [6]),
    ("count lt 99999999999999999999999", [0, 1, 2, 3, 5, 6]),
    ("count eq 99999999999999999999999", []),
    ("count pr and count le 0", [2, 3, 6]),
    ('seen eq "2026-01-31T09:30:00Z"', [6, 8]),
    ('seen gt "2026-01-31T09:30:00Z"', [7]),
    ('seen le "2026-01-31T04:30:00.0000001-05:00"', [6, 7, 8]),
    ('sites.since eq "2026-01-31T09:30:00Z"', [8]),
    ("sites.open eq false", [3]),
    ("sites.open ne true", [3, 8]),
    ("sites[floor ge 0 and open eq true]", [4]),
    ("sites[not (floor pr)]", [8]),
    ("sites pr", [3, 4, 8]),
    ("maker pr", [7]),
    (f"{LOCK} pr", [9]),
    ("prints pr", [4]),
    ('home eq "https://a.example/x"', [0]),
    ('home sw "https://A"', [1]),
    ("readings eq 2", [9]),
    ('readings[value eq 2 and type eq "b"]', [9]),
    ('readings[value eq 1e0 and type eq "b"]', []),
)


def write_model(number: int, body: dict[str, Any]) -> WriteModel:
    resource = validate.resource({"serial": f"G-{number}", **body}, GADGET)
    created = f"2026-01-31T09:30:{number:02}.000000Z"
    resource["id"] = resource_id(number)
    resource["meta"] = {"resourceType": "Gadget", "created": created, "lastModified": created}
    f = search_fields.build(resource, GADGET)
    return WriteModel(
        "Gadget",
        resource["id"],
        search_fields.key(resource, GADGET),
        resource,
        f,
        search_fields.sort_keys(resource, f, GADGET),
    )


WRITE_MODELS: Final = [write_model(number, body) for number, body in enumerate(GADGETS)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gadgets(store: Store) -> str:
    tenant = new_tenant()
    for new in WRITE_MODELS:
        await store.create(tenant, new)
    return tenant


@pytest.mark.parametrize(("text", "keeps"), FILTERS, ids=[text for text, _ in FILTERS])
async def test_a_filter_matches_these(store: Store, gadgets: str, text: str, keeps: list[int]) -> None:
    bound = binding.bind(syntax.parse(text), GADGET)
    assert [number for number, new in enumerate(WRITE_MODELS) if matches(bound, new.search_fields)] == keeps
    found = await store.search(gadgets, "Gadget", Search(bound, 0, 100))
    assert [item.id for item in found.items] == [WRITE_MODELS[number].id for number in keeps]


async def test_values_are_read_as_they_were_written(store: Store, gadgets: str) -> None:
    for new in WRITE_MODELS:
        stored = await store.read(gadgets, "Gadget", new.id)
        assert stored is not None
        assert stored.resource == new.resource


@pytest.mark.parametrize(
    ("path", "order"),
    [("count", [6, 2, 3, 0, 1, 5, 4, 7, 8, 9]), ("seen", [6, 8, 7, 0, 1, 2, 3, 4, 5, 9])],
)
async def test_numbers_and_moments_sort_as_such(store: Store, gadgets: str, path: str, order: list[int]) -> None:
    found = await store.search(gadgets, "Gadget", Search(None, 0, 100, path))
    assert [item.id for item in found.items] == [WRITE_MODELS[number].id for number in order]


async def test_a_changed_number_is_found_by_its_new_value_only(store: Store) -> None:
    """1 and 1.0 are the same value in an index too, so a change from one to the other must keep the entry."""
    tenant = new_tenant()
    version = await store.create(tenant, write_model(1, {"weight": 1}))
    version = await store.replace(tenant, write_model(1, {"weight": 1.0, "count": 5}), expected=version)

    async def matches(text: str) -> int:
        bound = binding.bind(syntax.parse(text), GADGET)
        return (await store.search(tenant, "Gadget", Search(bound, 0, 10))).total

    assert [await matches(text) for text in ("weight eq 1", "weight eq 1.0", "count eq 5.0")] == [1, 1, 1]
    await store.replace(tenant, write_model(1, {"weight": 2.0}), expected=version)
    assert [await matches(text) for text in ("weight eq 1", "weight eq 2", "count eq 5")] == [0, 1, 0]
