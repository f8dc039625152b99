# ruff: noqa: RUF001 - folding is about letters that look alike
"""A data file that was written by other rules is reindexed when the service opens it."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from scim import app
from scim.protocol import search_fields
from scim.settings import from_environment
from scim.storage.interface import Member, WriteModel
from scim.storage.sqlite.store import SqliteStore
from tests.conftest import TOKEN, Client, HandlerClient, Loop
from tests.contract.write_models import RESOURCE_TYPES, group, resource_id, user
from tests.http.checks import is_error, names

OLD: Final = "1.0123456789abcdef"


def outdated(new: WriteModel, name: str) -> WriteModel:
    """The resource as another version of the rules would have folded its name."""
    unique = str(RESOURCE_TYPES[new.type_name].unique)
    return replace(
        new,
        key=f"{new.type_name}:{name}",
        search_fields={**new.search_fields, unique: name},
        sort_keys={},
        index_version=OLD,
    )


def written(path: Path, *drafts: tuple[str, WriteModel]) -> None:
    async def write() -> None:
        store = SqliteStore(path)
        for tenant, draft in drafts:
            await store.create(tenant, draft, [Member(resource_id(1))] if draft.type_name == "Group" else [])
        await store.close()

    asyncio.run(write())


@pytest.fixture
def opened(loop: Loop) -> Iterator[Callable[[Path], Client]]:
    """Opens a service on a file."""
    built: list[app.App] = []

    def open_file(path: Path) -> Client:
        service = app.build(from_environment({"SCIM_DEV_TOKEN": TOKEN, "SCIM_DATA": str(path)}))
        built.append(service)
        return HandlerClient(service.handler, loop)

    yield open_file
    for service in built:
        loop.run(service.close())


def test_outdated_resources_are_found_sorted_and_unique_after_the_start(
    tmp_path: Path, opened: Callable[[Path], Client], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "scim.app")
    path = tmp_path / "scim.db"
    written(
        path,
        ("default", outdated(user("Straße", 1), "strasse")),
        ("default", outdated(user("abel", 2), "abel")),
        ("default", outdated(group("Sales²", 3), "sales2")),
        ("other", outdated(user("Straße", 4), "strasse")),
    )
    client = opened(path)
    for name, hits in (("STRAẞE", ["Straße"]), ("strasse", [])):
        assert names(client.get(f"/Users?filter={quote(f'userName eq "{name}"')}")) == hits
    assert names(client.get("/Users?sortBy=userName")) == ["abel", "Straße"]
    assert client.post("/Users", {"userName": "Strasse"}).status == 201
    is_error(client.post("/Users", {"userName": "STRAẞE"}), 409, "uniqueness")
    assert client.post("/Groups", {"displayName": "Sales2"}).status == 201
    shown = client.get(f"/Groups/{resource_id(3)}").json
    assert [member["value"] for member in shown["members"]] == [resource_id(1)]
    assert "reindexed 3 resources" in caplog.text
    assert "reindexed 1 resources" in caplog.text


def test_a_file_that_is_up_to_date_is_left_alone(
    tmp_path: Path, opened: Callable[[Path], Client], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "scim.app")
    path = tmp_path / "scim.db"
    new = user("abel", 1)
    written(
        path,
        ("default", replace(new, index_version=search_fields.index_version(RESOURCE_TYPES["User"]))),
        ("default", outdated(user("b", 2), "b")),
    )
    client = opened(path)
    versions = [client.get(f"/Users/{resource_id(number)}").json["meta"]["version"] for number in (1, 2)]
    assert versions == ['W/"1"', 'W/"2"']
    caplog.clear()
    again = opened(path)
    assert [again.get(f"/Users/{resource_id(n)}").json["meta"]["version"] for n in (1, 2)] == versions
    assert "reindexed" not in caplog.text


def test_resources_whose_names_the_new_rules_fold_alike_are_logged_and_stay_usable(
    tmp_path: Path, opened: Callable[[Path], Client], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "scim.db"
    written(
        path,
        ("default", outdated(user("ｂｏｂ", 1), "by other rules")),
        ("default", outdated(user("bob", 2), "bob")),
        ("default", outdated(user("cid", 3), "cid")),
    )
    client = opened(path)
    # The one that had the key by the old rules keeps it.
    assert f"User {resource_id(1)} is not completely indexed: another User has this 'userName'" in caplog.text
    assert "cid" not in caplog.text
    found = client.get(f"/Users?filter={quote('userName eq "BOB"')}").json
    assert [one["id"] for one in found["Resources"]] == [resource_id(1), resource_id(2)]
    # The other one can be disabled, and gets the key when it is free.
    assert client.patch(f"/Users/{resource_id(1)}", {"op": "replace", "path": "active", "value": False}).status == 204
    assert client.get(f"/Users/{resource_id(1)}").json["active"] is False
    is_error(client.post("/Users", {"userName": "BOB"}), 409, "uniqueness")
    assert client.delete(f"/Users/{resource_id(2)}").status == 204
    caplog.clear()
    is_error(opened(path).post("/Users", {"userName": "BOB"}), 409, "uniqueness")
    assert "not completely indexed" not in caplog.text


def test_a_key_held_by_the_old_rules_only_is_free_after_the_reindex(
    tmp_path: Path, opened: Callable[[Path], Client], caplog: pytest.LogCaptureFixture
) -> None:
    """The older resource's new key is the younger one's old one."""
    path = tmp_path / "scim.db"
    written(
        path,
        ("default", outdated(user("bob", 1), "ada")),
        ("default", outdated(user("cid", 2), "bob")),
    )
    client = opened(path)
    assert "not completely indexed" not in caplog.text
    for name in ("BOB", "CID"):
        is_error(client.post("/Users", {"userName": name}), 409, "uniqueness")
    assert client.post("/Users", {"userName": "ada"}).status == 201
