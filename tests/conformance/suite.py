"""scim2-tester, a conformance suite that isn't ours, against any server that answers at an origin."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import httpx2
from pydantic import BaseModel
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


# The same for `examples/schemas`, with the attributes of the extension.
PATCHED_EXAMPLES = {
    ("User", "check_add_attribute"): 37,
    ("User", "check_replace_attribute"): 38,
    ("User", "check_remove_attribute"): 34,
    ("Device", "check_add_attribute"): 16,
    ("Device", "check_replace_attribute"): 16,
    ("Device", "check_remove_attribute"): 13,
    ("Entitlement", "check_add_attribute"): 3,
    ("Entitlement", "check_replace_attribute"): 4,
    ("Entitlement", "check_remove_attribute"): 3,
}
STAFF = "urn:example:params:scim:schemas:extension:staff:1.0:User"
# Where the suite takes for a fault what the RFCs ask for: the attribute, and why.
MISTAKEN = {
    (
        "User",
        STAFF,
    ): "it expects dayRate in it, which is returned on request (RFC 7643 §7), and a sum of what was added",
    ("User", f"{STAFF}:dayRate"): "returned on request, and the suite doesn't ask for it",
    ("User", f"{STAFF}:shifts"): "an added value joins those that are there (RFC 7644 §3.5.2.1)",
    ("Device", "notes"): "returned on request, and the suite doesn't ask for it",
    ("Device", "fingerprint"): "it compares the base64 that it sent with the bytes that it read",
}
# What the suite fills in for types that it would otherwise send any text for.
EXAMPLES: dict[Any, list[Any]] = {float: [19.5, 7.25], datetime: [datetime(2026, 1, 31, 9, 30, tzinfo=UTC)]}


def check(origin: str, *, with_examples: bool = False) -> None:
    """Run the suite; every check of it succeeds, and the checks are those that we know it to have.

    With `with_examples` the server has read `examples/schemas`.
    """
    with httpx2.Client(base_url=origin + BASE, headers={"Authorization": f"Bearer {TOKEN}"}) as http:
        client = SyncSCIMClient(http)
        if with_examples:
            client.discover()
            _give_examples(*client.provider.models)
        results = check_server(client)

    failed = [result for result in results if result.status is not Status.SUCCESS]
    mistaken = MISTAKEN if with_examples else {}
    assert [_told(result) for result in failed if _about(result) not in mistaken] == []

    made = Counter((result.resource_type, result.title) for result in results)
    patched = {**PATCHED, **(PATCHED_EXAMPLES if with_examples else {})}
    assert {title for resource_type, title in made if resource_type is None} >= DISCOVERY
    for resource_type in {of for of, _ in patched}:
        assert {title for of, title in made if of == resource_type} >= OF_EACH_TYPE, resource_type
    assert {title: made[title] for title in patched if made[title] < patched[title]} == {}


def _give_examples(*models: type[BaseModel]) -> None:
    for model in models:
        for field in model.model_fields.values():
            for leaf in _leaves(field.annotation):
                if leaf in EXAMPLES:
                    field.examples = EXAMPLES[leaf]
                elif isinstance(leaf, type) and issubclass(leaf, BaseModel):
                    _give_examples(leaf)


def _leaves(annotation: Any) -> Iterator[Any]:
    inner = get_args(annotation)
    if not inner:
        yield annotation
    for each in inner:
        yield from _leaves(each)


def _about(result: CheckResult) -> tuple[str | None, str]:
    """The attribute that a check of PATCH is about."""
    urn = result.data.get("urn", "") if isinstance(result.data, dict) else ""
    return result.resource_type, urn if (result.title or "").endswith("_attribute") else ""


def _told(result: CheckResult) -> str:
    return f"{result.status.name} {result.title} of {result.resource_type}: {result.reason} {result.data}"
