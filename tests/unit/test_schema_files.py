"""The schema files are complete, well formed and, but for recorded differences, what RFC 7643 §8.7.1 defines.

Reads them as plain JSON: what stands here holds for the text that `/Schemas` and `/ResourceTypes` return.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from scim2_models import EnterpriseUser, Extension, Group, Resource, User

from scim.protocol.schema.model import COMMON
from scim.protocol.schema.registry import core

FOLDER: Final = Path(__file__).parents[2] / "scim" / "protocol" / "schema" / "data"
CORE: Final = "urn:ietf:params:scim:schemas:core:2.0:"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

# RFC 7643 §7: the characteristics that every attribute states, and the values that they take.
CHARACTERISTICS: Final[dict[str, tuple[object, ...]]] = {
    "type": ("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"),
    "multiValued": (True, False),
    "required": (True, False),
    "caseExact": (True, False),
    "mutability": ("readOnly", "readWrite", "immutable", "writeOnly"),
    "returned": ("always", "never", "default", "request"),
    "uniqueness": ("none", "server", "global"),
}
STATED: Final = {"name", "description", *CHARACTERISTICS}
WHERE_APPLICABLE: Final = {"canonicalValues", "referenceTypes", "subAttributes"}

# RFC 7643 §2.1: ATTRNAME = ALPHA *(nameChar). `$ref` breaks the RFC's own rule (§2.4).
ATTRNAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9$_-]*")

# The names of RFC 7643 §8.7.1.
PLURAL: Final = ("value", "display", "type", "primary")
NAMES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "user": {
        "userName": (),
        "name": ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"),
        "displayName": (),
        "nickName": (),
        "profileUrl": (),
        "title": (),
        "userType": (),
        "preferredLanguage": (),
        "locale": (),
        "timezone": (),
        "active": (),
        "password": (),
        "emails": PLURAL,
        "phoneNumbers": PLURAL,
        "ims": PLURAL,
        "photos": PLURAL,
        "addresses": ("formatted", "streetAddress", "locality", "region", "postalCode", "country", "type"),
        "groups": ("value", "$ref", "display", "type"),
        "entitlements": PLURAL,
        "roles": PLURAL,
        "x509Certificates": PLURAL,
    },
    "enterprise_user": {
        "employeeNumber": (),
        "costCenter": (),
        "organization": (),
        "division": (),
        "department": (),
        "manager": ("value", "$ref", "displayName"),
    },
    "group": {"displayName": (), "members": ("value", "$ref", "type")},
}

# What we have besides, each with its reason.
ADDED: Final[dict[str, dict[str, str]]] = {
    "user": {
        "externalId": "RFC 7643 §3.1 allows it, and Microsoft's gallery test looks for what the default mapping writes",
        "addresses.primary": "a default sub-attribute (RFC 7643 §2.4) that §8.2 shows and Okta sends",
    },
    "enterprise_user": {},
    "group": {
        "externalId": "as in User",
        "members.display": "a default sub-attribute (RFC 7643 §2.4) that clients send and show",
    },
}

# RFC 7643 §8.7.1 where it has them; those of entitlements and x509Certificates are ours. `roles.type` has none there, and
# Microsoft's gallery test finds `roles[primary eq "True"].value` only so.
CANONICAL: Final[dict[str, dict[str, list[str]]]] = {
    "user": {
        "emails.type": ["work", "home", "other"],
        "phoneNumbers.type": ["work", "home", "mobile", "fax", "pager", "other"],
        "ims.type": ["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"],
        "photos.type": ["photo", "thumbnail"],
        "addresses.type": ["work", "home", "other"],
        "groups.type": ["direct", "indirect"],
        "entitlements.type": ["license", "permission", "other"],
        "x509Certificates.type": ["authentication", "signing", "encryption", "other"],
    },
    "enterprise_user": {},
    "group": {"members.type": ["User", "Group"]},
}

# Identifiers, references and binary values; all other text compares in any letter case.
CASE_EXACT: Final[dict[str, set[str]]] = {
    "user": {"externalId", "profileUrl", "photos.value", "groups.value", "groups.$ref", "x509Certificates.value"},
    "enterprise_user": {"manager.value", "manager.$ref"},
    "group": {"externalId", "members.value", "members.$ref"},
}


class Difference(NamedTuple):
    """What `scim2-models` says instead of what we say, and why we say it."""

    ours: object
    theirs: object
    reason: str


REFEREES: Final[dict[str, type[Resource[Any] | Extension]]] = {
    "user": User,
    "enterprise_user": EnterpriseUser,
    "group": Group,
}
COMPARED: Final = ("type", "multiValued", "required", "mutability", "returned", "uniqueness")
DIFFERENCES: Final[dict[str, dict[tuple[str, str], Difference]]] = {
    "user": {},
    "enterprise_user": {
        ("manager.value", "required"): Difference(
            False, True, "RFC 7643 §8.7.1 says false, and clients clear the manager with an empty value"
        ),
        ("manager.$ref", "required"): Difference(
            False, True, "RFC 7643 §8.7.1 says false, and Entra sends the value alone"
        ),
    },
    "group": {
        ("displayName", "uniqueness"): Difference(
            "server", "none", "a second group of the same name is a conflict, as Entra's validator wants"
        ),
        ("members.display", "mutability"): Difference(
            "immutable", "readWrite", "RFC 7643 §2.4: display is immutable, like the rest of a member"
        ),
    },
}


def read(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def paths(attributes: list[dict[str, Any]], parent: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every attribute and sub-attribute with its dotted path."""
    for attribute in attributes:
        yield parent + attribute["name"], attribute
        yield from paths(attribute.get("subAttributes", []), f"{attribute['name']}.")


def named(definition: dict[str, tuple[str, ...]]) -> list[str]:
    """The dotted paths of a table of names."""
    return [path for name, subs in definition.items() for path in (name, *(f"{name}.{sub}" for sub in subs))]


SCHEMAS: Final = [pytest.param(read(name), name, id=name) for name in NAMES]
ATTRIBUTES: Final = [
    pytest.param(path, attribute, id=f"{name}:{path}")
    for name in NAMES
    for path, attribute in paths(read(name)["attributes"])
]


def test_the_folder_holds_these_files_and_no_other() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == {*NAMES, "resource_types"}


@pytest.mark.parametrize(
    ("name", "urn", "title"),
    [
        ("user", f"{CORE}User", "User"),
        ("enterprise_user", ENTERPRISE, "EnterpriseUser"),
        ("group", f"{CORE}Group", "Group"),
    ],
)
def test_a_schema_names_itself_and_carries_no_meta(name: str, urn: str, title: str) -> None:
    schema = read(name)
    assert schema.keys() == {"schemas", "id", "name", "description", "attributes"}
    assert (schema["schemas"], schema["id"], schema["name"]) == ([f"{CORE}Schema"], urn, title)
    assert schema["description"]


@pytest.mark.parametrize("name", [*NAMES, "resource_types"])
def test_no_key_stands_twice_in_an_object_and_nothing_is_null(name: str) -> None:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        assert all(value is not None for _, value in pairs)
        return dict(pairs)

    json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"), object_pairs_hook=unique)


@pytest.mark.parametrize(("path", "attribute"), ATTRIBUTES)
def test_an_attribute_states_every_characteristic_with_an_allowed_value(path: str, attribute: dict[str, Any]) -> None:
    assert attribute.keys() >= STATED
    assert attribute["description"].strip() == attribute["description"] != ""
    for characteristic, allowed in CHARACTERISTICS.items():
        value = attribute[characteristic]
        assert any(value is each or (isinstance(value, str) and value == each) for each in allowed), characteristic


@pytest.mark.parametrize(("path", "attribute"), ATTRIBUTES)
def test_an_attribute_has_no_member_that_the_rfc_does_not_define_but_for_the_mark_of_a_sortable_one(
    path: str, attribute: dict[str, Any]
) -> None:
    assert attribute.keys() <= STATED | WHERE_APPLICABLE | {"sortable"}


@pytest.mark.parametrize(("path", "attribute"), ATTRIBUTES)
def test_a_name_follows_the_grammar(path: str, attribute: dict[str, Any]) -> None:
    assert ATTRNAME.fullmatch(attribute["name"]) or path.endswith(".$ref")


@pytest.mark.parametrize(("path", "attribute"), ATTRIBUTES)
def test_references_and_only_they_name_the_types_they_lead_to(path: str, attribute: dict[str, Any]) -> None:
    """And they are case exact, as binary values are (RFC 7643 §2.3.6, §2.3.7)."""
    assert (attribute["type"] == "reference") == ("referenceTypes" in attribute)
    if attribute["type"] == "reference":
        targets = attribute["referenceTypes"]
        assert targets
        assert set(targets) <= {"User", "Group", "external", "uri"}
    if attribute["type"] in {"reference", "binary"}:
        assert attribute["caseExact"] is True


@pytest.mark.parametrize(("path", "attribute"), ATTRIBUTES)
def test_complex_attributes_and_only_they_have_sub_attributes_and_those_are_simple(
    path: str, attribute: dict[str, Any]
) -> None:
    """RFC 7643 §2.3.8: no complex attribute inside a complex attribute."""
    assert (attribute["type"] == "complex") == ("subAttributes" in attribute)
    if attribute["type"] == "complex":
        assert attribute["subAttributes"]
        assert all(sub["type"] != "complex" and not sub["multiValued"] for sub in attribute["subAttributes"])


@pytest.mark.parametrize(("path", "attribute"), ATTRIBUTES)
def test_every_type_sub_attribute_and_nothing_else_has_canonical_values(path: str, attribute: dict[str, Any]) -> None:
    """Entra's validator invents `[type eq "untyped"]` where a `type` has none."""
    has_some = path.endswith(".type") and path != "roles.type"
    assert has_some == ("canonicalValues" in attribute)
    values = attribute.get("canonicalValues", [])
    assert has_some == bool(values)
    assert all(isinstance(value, str) and value for value in values)


@pytest.mark.parametrize(("schema", "name"), SCHEMAS)
def test_the_canonical_values_are_those_of_the_table(schema: dict[str, Any], name: str) -> None:
    found = {path: a["canonicalValues"] for path, a in paths(schema["attributes"]) if "canonicalValues" in a}
    assert found == CANONICAL[name]


@pytest.mark.parametrize(("schema", "name"), SCHEMAS)
def test_the_attributes_are_those_of_the_rfc_and_what_we_added(schema: dict[str, Any], name: str) -> None:
    found = [path for path, _ in paths(schema["attributes"])]
    assert sorted(found) == sorted([*named(NAMES[name]), *ADDED[name]])
    assert len({path.lower() for path in found}) == len(found)


@pytest.mark.parametrize(("schema", "name"), SCHEMAS)
def test_common_attributes_but_external_id_are_in_no_schema(schema: dict[str, Any], name: str) -> None:
    """RFC 7643 §3.1: every resource has them without a schema listing them."""
    assert not {"schemas", "id", "meta"} & {a["name"].lower() for a in schema["attributes"]}


@pytest.mark.parametrize("name", ["user", "group"])
def test_a_listed_external_id_is_the_one_that_every_resource_has(name: str) -> None:
    resource_type = core().resource_types[name.title()]
    listed, common = resource_type.schema.by_name["externalId"], COMMON["externalid"]
    assert [getattr(listed, f.name) for f in fields(listed)] == [getattr(common, f.name) for f in fields(common)]


@pytest.mark.parametrize(("schema", "name"), SCHEMAS)
def test_identifiers_references_and_binaries_are_case_exact_and_nothing_else_is(
    schema: dict[str, Any], name: str
) -> None:
    assert {path for path, attribute in paths(schema["attributes"]) if attribute["caseExact"]} == CASE_EXACT[name]


@pytest.mark.parametrize(("name", "key"), [("user", "userName"), ("enterprise_user", None), ("group", "displayName")])
def test_one_attribute_of_a_resource_is_its_required_and_unique_key(name: str, key: str | None) -> None:
    everything = list(paths(read(name)["attributes"]))
    expected = [key] if key else []
    assert [path for path, attribute in everything if attribute["required"]] == expected
    assert [path for path, attribute in everything if attribute["uniqueness"] != "none"] == expected


def test_only_the_password_is_never_returned() -> None:
    hidden = [
        (path, attribute["mutability"])
        for name in NAMES
        for path, attribute in paths(read(name)["attributes"])
        if attribute["returned"] != "default" or attribute["mutability"] == "writeOnly"
    ]
    assert hidden == [("password", "writeOnly")]
    assert dict(paths(read("user")["attributes"]))["password"]["returned"] == "never"


@pytest.mark.parametrize(("schema", "name"), SCHEMAS)
def test_the_schema_is_the_referees_but_for_the_recorded_differences(schema: dict[str, Any], name: str) -> None:
    """Fails on a difference that nobody recorded, and on a recorded one that is gone."""
    referee = REFEREES[name].to_schema().model_dump()
    ours = dict(paths(schema["attributes"]))
    theirs = dict(paths(referee["attributes"]))
    ours.pop("externalId", None)  # the referee lists no common attribute
    assert (schema["id"], schema["name"]) == (referee["id"], referee["name"])
    assert ours.keys() == theirs.keys()
    found = {
        (path, characteristic): (ours[path][characteristic], theirs[path][characteristic])
        for path in ours
        for characteristic in COMPARED
        if ours[path][characteristic] != theirs[path][characteristic]
    }
    assert found == {where: (difference.ours, difference.theirs) for where, difference in DIFFERENCES[name].items()}


def test_the_resource_types_are_user_with_the_optional_enterprise_extension_and_group() -> None:
    """RFC 7643 §6, §8.6."""
    user, group = read("resource_types")
    assert user.pop("description")
    assert group.pop("description")
    assert user == {
        "schemas": [f"{CORE}ResourceType"],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "schema": f"{CORE}User",
        "schemaExtensions": [{"schema": ENTERPRISE, "required": False}],
    }
    assert group == {
        "schemas": [f"{CORE}ResourceType"],
        "id": "Group",
        "name": "Group",
        "endpoint": "/Groups",
        "schema": f"{CORE}Group",
    }
