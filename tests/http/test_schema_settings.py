"""The folder that SCIM_SCHEMAS names: a wrong one stops the start in one line, a right one is followed in everything."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

import function_app
from scim.app import build, registry_of
from scim.cli import main
from scim.settings import Settings, SettingsError
from tests.conftest import TOKEN, Client, HandlerClient, Loop, TriggerClient
from tests.http.checks import ENTERPRISE, USER, is_error, resources

SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
RESOURCE_TYPE: Final = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
PASS: Final = "urn:example:params:scim:schemas:extension:pass:User"
ROOM: Final = "urn:example:params:scim:schemas:Room"

EXTENSION: Final[dict[str, Any]] = {
    "schemas": [SCHEMA],
    "id": PASS,
    "attributes": [
        {"name": "number", "required": True},
        # As in other schemas, where they mean something else.
        {"name": "groups", "multiValued": True},
        {"name": "active", "type": "boolean"},
    ],
}
USERS: Final[dict[str, Any]] = {
    "schemas": [RESOURCE_TYPE],
    "name": "User",
    "endpoint": "/Users",
    "schema": USER,
    "schemaExtensions": [{"schema": ENTERPRISE}, {"schema": PASS, "required": True}],
}
ROOMS: Final[list[dict[str, Any]]] = [
    {
        "schemas": [SCHEMA],
        "id": ROOM,
        "attributes": [
            {"name": "active"},
            {"name": "members", "multiValued": True},
            {"name": "displayName", "type": "integer"},
            {"name": "schema-version", "sortable": True},
            {"name": "and"},
        ],
    },
    {"schemas": [RESOURCE_TYPE], "name": "Room", "endpoint": "/Rooms", "schema": ROOM},
]
BAD: Final = {**EXTENSION, "attributes": [{"name": "number", "type": "text"}]}
WRONG: Final = "SCIM_SCHEMAS: pass.json: attributes[0].type: must be one of string, boolean, decimal, integer, "


def written(folder: Path, **files: Any) -> Path:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner(env={"SCIM_STORE": None, "SCIM_DATA": None, **environment}).invoke(main, arguments)


# --- a folder that can't be served ---


def test_serve_ends_with_one_line(tmp_path: Path) -> None:
    ended = run("serve", "--port", "0", SCIM_SCHEMAS=str(written(tmp_path, **{"pass": BAD})))
    assert ended.exit_code == 1
    [line] = ended.output.splitlines()
    assert line.startswith(f"Error: {WRONG}")


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("nowhere", "the folder doesn't exist or can't be read"),
        (".", "has no *.json file"),
        ("a-file", "the folder doesn't exist or can't be read"),
    ],
)
def test_there_must_be_a_folder_with_files(tmp_path: Path, folder: str, reason: str) -> None:
    (tmp_path / "a-file").touch()
    ended = run("serve", "--port", "0", SCIM_SCHEMAS=str(tmp_path / folder))
    assert ended.exit_code == 1
    [line] = ended.output.splitlines()
    assert line.startswith("Error: SCIM_SCHEMAS: ")
    assert reason in line


def test_the_function_app_answers_503_and_logs_the_line(
    tmp_path: Path, loop: Loop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SCIM_SCHEMAS", str(written(tmp_path, **{"pass": BAD})))
    monkeypatch.setenv("SCIM_DEV_TOKEN", TOKEN)
    function_app.service_of_this_worker.cache_clear()
    try:
        client = TriggerClient(loop)
        for path in ("/Users", "/Schemas", "~/healthz"):
            answer = client.get(path)
            is_error(answer, 503)
            assert b"pass.json" not in answer.body
    finally:
        loop.run(function_app.service_of_this_worker().close())
        function_app.service_of_this_worker.cache_clear()
    [record] = [record for record in caplog.records if record.levelno >= logging.CRITICAL]
    assert WRONG in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize("command", [("customer", "export", "contoso"), ("customer", "list")], ids=" ".join)
def test_commands_that_need_no_schema_work_all_the_same(tmp_path: Path, command: tuple[str, ...]) -> None:
    variables = {"SCIM_SCHEMAS": str(written(tmp_path, **{"pass": BAD})), "SCIM_DATA": str(tmp_path / "scim.db")}
    for arguments in (("customer", "create", "contoso"), command):
        ended = run(*arguments, **variables)
        assert ended.exit_code == 0, ended.output


def test_a_relative_path_counts_from_the_app_wherever_the_process_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Device" in registry_of(Settings(schemas=Path("examples/schemas"))).resource_types
    (tmp_path / "own").mkdir()
    written(tmp_path / "own", rooms=ROOMS)
    with pytest.raises(SettingsError, match=r"^SCIM_SCHEMAS: the folder doesn't exist or can't be read"):
        registry_of(Settings(schemas=Path("own")))
    assert "Room" in registry_of(Settings(schemas=tmp_path / "own")).resource_types


# --- a folder that can ---


@pytest.fixture
def own(loop: Loop, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Makes a service on an empty store with a folder of these files."""
    services = []

    def make(**files: Any) -> Client:
        service = build(Settings(schemas=written(tmp_path, **files)), tokens={TOKEN: "default"})
        services.append(service)
        return HandlerClient(service.handler, loop)

    yield make
    for service in services:
        loop.run(service.close())


def test_a_required_extension_must_be_there_and_stay(own: Callable[..., Client]) -> None:
    """RFC 7643 §6."""
    client = own(**{"pass": EXTENSION, "user": USERS})
    bodies: list[dict[str, Any]] = [
        {},
        {PASS: {}},
        {PASS: None},
        {PASS: {"number": ""}},
        {ENTERPRISE: {"department": "x"}},
    ]
    for body in bodies:
        answer = client.post("/Users", {"userName": "ann", **body})
        is_error(answer, 400, "invalidValue")
        assert PASS in answer.json["detail"]
    ann = client.user("ann", **{PASS: {"number": "7", "active": False}})
    assert ann["schemas"] == [USER, PASS]
    path = f"/Users/{ann['id']}"
    is_error(client.put(path, {"userName": "ann"}), 400, "invalidValue")
    is_error(client.patch(path, {"op": "remove", "path": f"{PASS}:number"}), 400, "mutability")
    assert client.patch(path, {"op": "replace", "path": "title", "value": "Guide"}).status == 204
    is_error(client.put(path, {"userName": "ann", PASS: {"active": True}}), 400, "invalidValue")
    put = client.put(path, {"userName": "ann", PASS: {"number": "8"}})
    assert put.json[PASS] == {"number": "8"}
    [shown] = [
        resource_type for resource_type in resources(client.get("/ResourceTypes")) if resource_type["id"] == "User"
    ]
    assert shown["schemaExtensions"] == [{"schema": ENTERPRISE, "required": False}, {"schema": PASS, "required": True}]


def test_a_required_extension_of_optional_attributes_can_not_be_patched_away(own: Callable[..., Client]) -> None:
    optional = {**EXTENSION, "attributes": [{"name": "number"}]}
    client = own(**{"pass": optional, "user": USERS})
    ann = client.user("ann", **{PASS: {"number": "7"}})
    for path in (PASS, f"{PASS}:number"):
        is_error(client.patch(f"/Users/{ann['id']}", {"op": "remove", "path": path}), 400, "invalidValue")
    assert client.get(f"/Users/{ann['id']}").json == ann


def test_an_extension_may_use_the_names_of_derived_attributes(own: Callable[..., Client]) -> None:
    """`groups` of the extension is a list of texts; that of the core is who has the user."""
    client = own(**{"pass": EXTENSION, "user": USERS})
    ann = client.user("ann", **{PASS: {"number": "7", "groups": ["a", "b"]}})
    staff = client.group("Staff", ann["id"])
    for text in (f'{PASS}:groups eq "a"', f"{PASS}:groups pr", f'not ({PASS}:groups eq "c")'):
        assert [user["id"] for user in resources(client.get(f"/Users?filter={text}"))] == [ann["id"]], text
    change = {"op": "add", "path": f"{PASS}:groups", "value": "c"}
    assert client.patch(f"/Users/{ann['id']}", change).status == 204
    seen = client.get(f"/Users/{ann['id']}").json
    assert seen[PASS]["groups"] == ["a", "b", "c"]
    assert [group["value"] for group in seen["groups"]] == [staff["id"]]
    assert len(resources(client.get(f'/Users?filter=groups eq "{staff["id"]}"'))) == 1


def test_names_of_other_types_are_unknown_attributes(own: Callable[..., Client]) -> None:
    """A text `active` isn't switched on by itself nor kept, `members` is a list like others, and `and` is a name."""
    client = own(rooms=ROOMS)
    plain = client.post("/Rooms", {})
    assert plain.status == 201
    assert plain.json.keys() == {"schemas", "id", "meta"}
    room = client.post(
        "/Rooms", {"active": "yes", "members": ["x"], "displayName": 7, "schema-version": "2", "and": "a"}
    )
    assert (room.json["active"], room.json["members"], room.json["displayName"]) == ("yes", ["x"], 7)
    for text in ('members eq "x"', "displayName eq 7", 'schema-version eq "2"', 'and eq "A" and active pr'):
        assert [r["id"] for r in resources(client.get(f"/Rooms?filter={text}"))] == [room.json["id"]], text
    assert resources(client.get("/Rooms?sortBy=schema-version"))[0]["id"] == room.json["id"]
    path = f"/Rooms/{room.json['id']}"
    assert client.patch(path, {"op": "remove", "path": 'members[value eq "x"]'}).status == 204
    assert client.put(path, {"displayName": 8}).json.keys() == {"schemas", "id", "meta", "displayName"}
    # A group may have it, and be shown with it.
    group = client.group("Staff", room.json["id"])
    assert client.get(f"/Groups/{group['id']}").json["members"] == [{"value": room.json["id"]}]


# --- a folder that changes ---


def test_attributes_that_a_schema_no_longer_defines_are_kept_but_not_returned(loop: Loop, tmp_path: Path) -> None:
    """Nor does it get into the way of a write; with the old description it is there again."""
    data = tmp_path / "scim.db"
    rich, poor = tmp_path / "rich", tmp_path / "poor"
    for folder in (rich, poor):
        folder.mkdir()
    parts = {
        "name": "parts",
        "type": "complex",
        "multiValued": True,
        "subAttributes": [{"name": "value"}, {"name": "colour"}],
    }
    sizes: dict[str, Any] = {"name": "sizes", "type": "integer", "multiValued": True}
    floor: dict[str, Any] = {"name": "floor", "type": "complex", "subAttributes": [{"name": "level"}, {"name": "wing"}]}
    schema, resource_type = ROOMS
    written(
        rich,
        rooms=[{**schema, "attributes": [{"name": "label"}, {"name": "plan"}, sizes, parts, floor]}, resource_type],
    )
    written(rich, **{"pass": EXTENSION, "user": {**USERS, "schemaExtensions": [{"schema": PASS}]}})
    fewer_parts = {**parts, "subAttributes": [{"name": "value"}]}
    plan = {"name": "plan", "type": "complex", "subAttributes": [{"name": "value"}]}
    written(
        poor,
        rooms=[
            {**schema, "attributes": [{"name": "label"}, plan, sizes, fewer_parts, {"name": "floor"}]},
            resource_type,
        ],
    )

    def served(folder: Path) -> tuple[Client, Callable[[], None]]:
        service = build(Settings(schemas=folder, data=data), tokens={TOKEN: "default"})
        return HandlerClient(service.handler, loop), lambda: loop.run(service.close())

    client, close = served(rich)
    body = {
        "label": "a",
        "plan": "p",
        "sizes": [0, 1],
        "parts": [{"value": "x", "colour": "red"}, {"colour": "blue"}],
        "floor": {"level": "1"},
    }
    room = client.post("/Rooms", body).json
    ann = client.user("ann", **{PASS: {"number": "7"}})
    close()

    client, close = served(poor)
    seen = client.get(f"/Rooms/{room['id']}")
    assert {n: v for n, v in seen.json.items() if n != "meta"} == {
        "schemas": [ROOM],
        "id": room["id"],
        "label": "a",
        "sizes": [0, 1],
        "parts": [{"value": "x"}],
    }
    assert resources(client.get("/Rooms"))[0] == seen.json
    assert client.get(f"/Rooms/{room['id']}?attributes=parts.value").json["parts"] == [{"value": "x"}]
    user = client.get(f"/Users/{ann['id']}").json
    assert (user["schemas"], PASS in user) == ([USER], False)
    added = {"op": "add", "path": "parts", "value": [{"value": "y"}]}
    for change in (
        added,
        {"op": "remove", "path": 'parts[value eq "y"]'},
        {"op": "add", "path": "label", "value": "b"},
    ):
        assert client.patch(f"/Users/{ann['id']}", {"op": "add", "path": "title", "value": "t"}).status == 204
        assert client.patch(f"/Rooms/{room['id']}", change).status == 204, change
    close()

    client, close = served(rich)
    assert client.get(f"/Users/{ann['id']}").json[PASS] == {"number": "7"}
    again = client.get(f"/Rooms/{room['id']}").json
    close()
    assert (again["label"], again["parts"], again["floor"]) == ("b", body["parts"], body["floor"])


HR: Final = "urn:ietf:params:scim:schemas:extension:acme.hr-1:2.0:User"


def test_an_extension_whose_urn_has_dots_takes_what_entra_sends(own: Callable[..., Client]) -> None:
    """Several custom strings as objects, in the path that Entra builds from the URN."""
    extension = {"schemas": [SCHEMA], "id": HR, "attributes": [{"name": "department_ids", "multiValued": True}]}
    users = {**USERS, "schemaExtensions": [{"schema": ENTERPRISE}, {"schema": HR}]}
    client = own(hr=extension, user=users)
    user = client.user()
    for value, expected in (([{"value": "1"}], ["1"]), ({}, ["1"]), ([{"value": "2"}], ["1", "2"])):
        answer = client.patch(f"/Users/{user['id']}", {"op": "Add", "path": f"{HR}:department_ids", "value": value})
        assert answer.status == 204, answer.body
        assert client.get(f"/Users/{user['id']}").json[HR]["department_ids"] == expected
