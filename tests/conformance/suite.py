"""scim2-tester, a conformance suite that isn't ours, against any server that answers at an origin."""

from collections import Counter

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import CheckResult, Status, check_server

from tests.conftest import BASE, TOKEN

DISCOVERY = {
    "service_provider_config_endpoint",
    "service_provider_config_endpoint_methods",
    "query_all_resource_types",
    "query_resource_type_by_id",
    "access_invalid_resource_type",
    "resource_types_endpoint_methods",
    "resource_types_schema_validation",
    "query_all_schemas",
    "access_schema_by_id",
    "access_invalid_schema",
    "schemas_endpoint_methods",
    "random_url",
}
OF_EACH_TYPE = {
    "object_creation",
    "object_query",
    "object_query_without_id",
    "object_query_with_attributes",
    "object_list_with_attributes",
    "search_with_attributes",
    "object_replacement",
    "object_deletion",
    "check_add_attribute",
    "check_replace_attribute",
    "check_remove_attribute",
}
# How many attributes of a type the suite adds, replaces and removes by PATCH, at the least.
PATCHED = {
    ("User", "check_add_attribute"): 27,
    ("User", "check_replace_attribute"): 28,
    ("User", "check_remove_attribute"): 26,
    ("Group", "check_add_attribute"): 2,
    ("Group", "check_replace_attribute"): 3,
    ("Group", "check_remove_attribute"): 2,
}


def check(origin: str) -> None:
    """Run the suite; every check of it succeeds, and the checks are those that we know it to have."""
    with httpx2.Client(base_url=origin + BASE, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        results = check_server(SyncSCIMClient(http))

    assert [_told(result) for result in results if result.status is not Status.SUCCESS] == []

    made = Counter((result.resource_type, result.title) for result in results)
    assert {title for kind, title in made if kind is None} >= DISCOVERY
    for kind in ("User", "Group"):
        assert {title for of, title in made if of == kind} >= OF_EACH_TYPE, kind
    assert {title: made[title] for title in PATCHED if made[title] < PATCHED[title]} == {}


def _told(result: CheckResult) -> str:
    return f"{result.status.name} {result.title} of {result.resource_type}: {result.reason} {result.data}"
