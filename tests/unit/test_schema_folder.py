"""A folder of schemas is read as a whole or not at all: each fault is told with the file, the path inside it, the reason.

A row of `schema_faults.json` is a good folder in which one file is changed: a value is `set`, a key dropped, or the file
has another content. The fault is in that file unless the row says which is `told of`.
"""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import pytest

from scim.protocol.schema.files import SchemaError
from scim.protocol.schema.registry import Registry, core, read
from scim.protocol.search_fields import index_version
from tests.unit.tables import Row, rows

SHIPPED: Final = Path(__file__).parents[2] / "scim" / "protocol" / "schema" / "data"
EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "schemas"
LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
DEVICE: Final = "urn:example:params:scim:Device"
EXTENSION: Final = "urn:example:params:scim:extension"

GOOD: Final[Mapping[str, Any]] = {
    "device.json": {
        "schemas": [SCHEMA],
        "id": DEVICE,
        "attributes": [
            {"name": "serial", "required": True, "uniqueness": "server", "sortable": True},
            {"name": "weight"},
            {"name": "tags", "multiValued": True},
            {
                "name": "owner",
                "type": "complex",
                "subAttributes": [
                    {"name": "value"},
                    {"name": "$ref", "type": "reference", "referenceTypes": ["User"]},
                ],
            },
        ],
    },
    "device_type.json": {"schemas": [RESOURCE_TYPE], "name": "Device", "endpoint": "/Devices", "schema": DEVICE},
    "extension.json": {"schemas": [SCHEMA], "id": EXTENSION, "attributes": [{"name": "badge"}]},
    "user.json": {
        "schemas": [RESOURCE_TYPE],
        "name": "User",
        "endpoint": "/Users",
        "schema": USER,
        "schemaExtensions": [{"schema": EXTENSION, "required": False}],
    },
}


def written(folder: Path, files: Mapping[str, Any]) -> Path:
    """The folder with these files: texts as they are, everything else as JSON."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def registry(folder: Path, **changed: Any) -> Registry:
    """What the good folder with other contents of some files (`user_json`) describes."""
    files = {name.replace("_json", ".json"): content for name, content in changed.items()}
    return read(written(folder, {**GOOD, **files}))


def placed(whole: Any, path: str, value: Any = None, *, gone: bool = False) -> None:
    """Set, or take away, what stands at a path such as `attributes[1].type`."""
    *before, last = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
    for step in before:
        whole = whole[step]
    if gone:
        del whole[last]
    elif isinstance(whole, list) and last == len(whole):
        whole.append(value)
    else:
        whole[last] = value


def changed(row: Row) -> Any:
    """The content of the row's file."""
    if "text" in row:
        return row["text"]
    if "whole" in row:
        return json.dumps(row["whole"])
    content = deepcopy(GOOD[row["file"]])
    for path, value in row.get("set", {}).items():
        placed(content, path, value)
    if "drop" in row:
        placed(content, row["drop"], gone=True)
    return content


@pytest.mark.parametrize("row", rows("schema_faults"))
def test_a_fault_is_told_with_file_path_and_reason(row: Row, tmp_path: Path) -> None:
    with pytest.raises(SchemaError) as caught:
        read(written(tmp_path, {**GOOD, row["file"]: changed(row)}))
    error = caught.value
    assert (error.file, error.path) == (row.get("told of", row["file"]), row["path"]), str(error)
    assert row["reason"] in error.reason
    assert str(error) == ": ".join(part for part in (error.file, error.path, error.reason) if part)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" * 100_000, "is nested too deeply"),
        (f'{{"id": {"9" * 5_000}}}', "is not JSON: Exceeds the limit"),
        ("\ud800", "is not in UTF-8"),
    ],
    ids=["nesting", "digits", "bytes"],
)
def test_no_text_makes_another_error(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "device.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(SchemaError, match=f"^device.json: {reason}"):
        read(tmp_path)


def test_a_type_has_at_most_20_unique_attributes_besides_its_key(tmp_path: Path) -> None:
    device = deepcopy(GOOD["device.json"])
    device["attributes"] += [{"name": f"a{number}", "uniqueness": "server"} for number in range(20)]
    assert len(registry(tmp_path, device_json=device).resource_types["Device"].unique_attributes) == 20
    device["attributes"].append({"name": "a20", "uniqueness": "global"})
    with pytest.raises(SchemaError, match=r"^device_type.json: schema: Device has more than 20 unique attributes"):
        registry(tmp_path, device_json=device)


def test_a_folder_must_be_there_and_have_a_file(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"^the folder doesn't exist or can't be read"):
        read(tmp_path / "nowhere")
    (tmp_path / "README.md").write_text("{", encoding="utf-8")
    (tmp_path / ".json").write_text("{", encoding="utf-8")
    (tmp_path / "._device.json").write_text("{", encoding="utf-8")
    with pytest.raises(SchemaError, match=r"^the folder has no \*.json file"):
        read(tmp_path)
    with pytest.raises(SchemaError, match=r"^the folder doesn't exist or can't be read"):
        read(tmp_path / "README.md")
    (tmp_path / "sub.json").mkdir()
    with pytest.raises(SchemaError, match=r"^sub.json: can't be read"):
        read(tmp_path)


def test_the_good_folder_is_good(tmp_path: Path) -> None:
    found = registry(tmp_path)
    assert list(found.resource_types) == ["User", "Group", "Device"]
    assert list(found.schemas) == [USER, EXTENSION, *list(core().schemas)[-1:], DEVICE]
    device = found.resource_types["Device"]
    assert (device.unique, device.relation, device.endpoint) == ("serial", "", "/Devices")
    assert found.resource_types["User"].relation == "groups"
    assert [*found.resource_types["User"].extensions] == [EXTENSION]


def test_a_type_of_its_own_may_list_external_id_as_every_resource_has_it(tmp_path: Path) -> None:
    """RFC 7643 §3.1. Whether it does or not makes no difference to its resources."""
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    listing = deepcopy(GOOD["device.json"])
    listing["attributes"].append({"name": "externalId", "caseExact": True})
    silent, listed = registry(tmp_path / "one"), registry(tmp_path / "other", device_json=listing)
    assert [a["name"] for a in listed.schemas[DEVICE].source["attributes"]].count("externalId") == 1
    resource_types = [which.resource_types["Device"] for which in (silent, listed)]
    assert index_version(resource_types[0]) == index_version(resource_types[1])
    assert resource_types[0].sort_paths == resource_types[1].sort_paths


def test_the_shipped_files_are_read_by_the_same_code_with_the_same_checks() -> None:
    """A folder that repeats them changes nothing."""
    again = read(SHIPPED)
    assert [schema.source for schema in again.schemas.values()] == [s.source for s in core().schemas.values()]
    assert [k.source for k in again.resource_types.values()] == [k.source for k in core().resource_types.values()]


@pytest.mark.parametrize("form", ["a list", "an array", "one by one", "with a mark"])
def test_what_discovery_returns_can_be_saved_as_it_is(form: str, tmp_path: Path) -> None:
    first = registry(tmp_path)
    documents = [
        {**document, "meta": {"resourceType": "any", "location": "https://example.com/"}}
        for document in (
            *(s.source for s in first.schemas.values()),
            *(k.source for k in first.resource_types.values()),
        )
    ]
    for name in GOOD:
        (tmp_path / name).unlink()
    if form == "one by one":
        files: dict[str, Any] = {f"{number}.json": document for number, document in enumerate(documents)}
    elif form == "a list":
        files = {"all.json": {"schemas": [LIST], "totalResults": len(documents), "Resources": documents}}
    else:
        # As Windows' editors save it.
        files = {"all.json": ("\ufeff" if form == "with a mark" else "") + json.dumps(documents)}
    again = read(written(tmp_path, files))
    assert {id: schema.source for id, schema in again.schemas.items()} == {
        id: schema.source for id, schema in first.schemas.items()
    }
    assert [k.source for k in again.resource_types.values()] == [k.source for k in first.resource_types.values()]


def test_what_a_definition_leaves_out_is_the_default_and_is_shown(tmp_path: Path) -> None:
    """RFC 7643 §2.2."""
    found = registry(tmp_path)
    serial = found.schemas[DEVICE].source["attributes"][0]
    assert serial == {
        "name": "serial",
        "type": "string",
        "multiValued": False,
        "required": True,
        "caseExact": False,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "server",
    }
    assert found.schemas[DEVICE].source["attributes"][3]["subAttributes"][1]["caseExact"] is True
    assert found.resource_types["Device"].source == {"id": "Device", **GOOD["device_type.json"]}


def test_a_type_without_a_required_unique_text_has_its_id_as_key_and_may_have_claims(tmp_path: Path) -> None:
    device = deepcopy(GOOD["device.json"])
    device["attributes"][0] = {"name": "serial", "uniqueness": "server"}
    device["attributes"][1] = {"name": "number", "type": "integer", "required": True, "uniqueness": "server"}
    resource_type = registry(tmp_path, device_json=device).resource_types["Device"]
    assert resource_type.unique is None
    assert [(place.extension, place.attribute.name) for place in resource_type.unique_attributes] == [
        (None, "serial"),
        (None, "number"),
    ]


def test_the_examples_are_what_the_document_says() -> None:
    found = read(EXAMPLES)
    assert [(k.name, k.endpoint, k.unique) for k in found.resource_types.values()] == [
        ("User", "/Users", "userName"),
        ("Group", "/Groups", "displayName"),
        ("Device", "/Devices", "serialNumber"),
        ("Entitlement", "/Entitlements", None),
    ]
    user, device = found.resource_types["User"], found.resource_types["Device"]
    assert [place.attribute.name for place in (*user.unique_attributes, *device.unique_attributes)] == [
        "badgeNumber",
        "assetTag",
    ]
    assert ENTERPRISE in user.extensions
