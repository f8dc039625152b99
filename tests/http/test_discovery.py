"""What the service says of itself (RFC 7643 §5-§7, RFC 7644 §4), and that it is true."""

from typing import Any

import pytest

from tests.conftest import BASE, ORIGIN, Client
from tests.http.checks import ENTERPRISE, GROUP, LIST, USER, is_error, resources


def test_the_service_provider_config_lists_the_features(client: Client) -> None:
    answer = client.get("/ServiceProviderConfig")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/scim+json"
    config = answer.json
    assert config["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]
    supported = {
        name: config[name]["supported"] for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag")
    }
    assert supported == {
        "patch": True,
        "bulk": True,
        "filter": True,
        "changePassword": False,
        "sort": True,
        "etag": True,
    }
    assert config["filter"]["maxResults"] == 1000
    assert config["bulk"] == {"supported": True, "maxOperations": 1_000, "maxPayloadSize": 2 * 1024 * 1024}
    [scheme] = config["authenticationSchemes"]
    assert scheme["type"] == "oauthbearertoken"
    assert scheme["name"]
    assert scheme["description"]
    assert config["meta"] == {
        "resourceType": "ServiceProviderConfig",
        "location": f"{ORIGIN}{BASE}/ServiceProviderConfig",
    }


def test_the_service_provider_config_is_true(client: Client) -> None:
    config = client.get("/ServiceProviderConfig").json
    page = config["pagination"]
    assert (page["index"], page["cursor"], page["defaultPaginationMethod"]) == (True, True, "index")
    assert page["cursorTimeout"] == 3600
    for number in range(page["defaultPageSize"] + 1):
        client.user(f"u{number}")
    assert len(resources(client.get("/Users"))) == page["defaultPageSize"]
    assert len(resources(client.get("/Users?cursor"))) == page["defaultPageSize"]
    assert page["maxPageSize"] == config["filter"]["maxResults"]


def test_resource_types_are_a_list_and_one_by_one(client: Client) -> None:
    listed = resources(client.get("/ResourceTypes"))
    assert {resource_type["name"]: resource_type["endpoint"] for resource_type in listed} == {
        "User": "/Users",
        "Group": "/Groups",
    }
    by_name = {resource_type["id"]: resource_type for resource_type in listed}
    assert by_name["User"]["schema"] == USER
    assert by_name["User"]["schemaExtensions"] == [{"schema": ENTERPRISE, "required": False}]
    assert by_name["Group"]["schema"] == GROUP
    for id, resource_type in by_name.items():
        assert resource_type["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"]
        assert resource_type["meta"] == {
            "resourceType": "ResourceType",
            "location": f"{ORIGIN}{BASE}/ResourceTypes/{id}",
        }
        assert client.get(f"/ResourceTypes/{id}").json == resource_type
        assert client.get(f"/resourcetypes/{id.lower()}/").json == resource_type
        assert client.get(resource_type["endpoint"]).status == 200


def test_schemas_are_a_list_and_one_by_one(client: Client) -> None:
    listed = resources(client.get("/Schemas"))
    assert [schema["id"] for schema in listed] == [USER, ENTERPRISE, GROUP]
    for schema in listed:
        assert schema["meta"] == {"resourceType": "Schema", "location": f"{ORIGIN}{BASE}/Schemas/{schema['id']}"}
        assert client.get(f"/Schemas/{schema['id']}").json == schema
        assert client.get(f"/Schemas/{schema['id'].upper()}").json == schema
        assert client.get(f"/Schemas/{schema['id'].replace(':', '%3A')}").json == schema


def attributes(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for attribute in listed for one in (attribute, *attributes(attribute.get("subAttributes", [])))]


def test_every_attribute_is_described_in_full(client: Client) -> None:
    """RFC 7643 §7."""
    for schema in resources(client.get("/Schemas")):
        assert schema["name"]
        assert schema["description"]
        for attribute in attributes(schema["attributes"]):
            assert attribute["type"] in {
                "string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"
            }  # fmt: skip
            assert isinstance(attribute["multiValued"], bool), attribute
            assert attribute["mutability"] in {"readOnly", "readWrite", "immutable", "writeOnly"}
            assert attribute["returned"] in {"always", "never", "default", "request"}
            assert attribute["description"]
            assert ("subAttributes" in attribute) == (attribute["type"] == "complex")
            assert ("referenceTypes" in attribute) == (attribute["type"] == "reference")


def test_a_missing_resource_is_404(client: Client) -> None:
    for path in (
        "/ResourceTypes/Device",
        "/Schemas/urn:x",
        "/Schemas/User",
        "/ServiceProviderConfig/1",
        "/Schemas/.search",
    ):
        is_error(client.get(path), 404)


@pytest.mark.parametrize("path", ["/Schemas", "/ResourceTypes", "/ServiceProviderConfig"])
def test_paging_and_projection_are_ignored(client: Client, path: str) -> None:
    """RFC 7644 §4: discovery ignores sorting, paging and attributes."""
    plain = client.get(path).json
    assert client.get(f"{path}?count=1&startIndex=2&sortBy=id&sortOrder=descending&attributes=id&foo=1").json == plain
    assert client.get(f"{path}?count=abc").json == plain


def test_a_list_of_everything_is_one_page(client: Client) -> None:
    for path in ("/Schemas", "/ResourceTypes"):
        body = client.get(path).json
        assert body["schemas"] == [LIST]
        assert body["totalResults"] == body["itemsPerPage"] == len(body["Resources"])
        assert body["startIndex"] == 1
