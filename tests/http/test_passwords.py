"""A user's password: accepted in every form, forgotten or hashed, and never to be found where it must not be."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import enumerate as threads
from typing import Any, Final

import pytest
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from scim.app import App, build
from scim.protocol.messages import PatchOperation
from scim.protocol.patch.operations import changes
from scim.protocol.schema.registry import core
from scim.service.passwords import Hash, Passwords, prepare
from scim.settings import from_environment
from tests.conftest import TOKEN, Client, CosmosAccount, HandlerClient, Loop
from tests.http.checks import ENTERPRISE, USER, is_error, unchanged

TEXT: Final = "hunter2-Secret-pässword"
OTHER: Final = "correct-horse-battery"
PREFIX: Final = "$argon2id$v=19$m=19456,t=2,p=1$"


@dataclass
class Service:
    """A service on one of the stores."""

    client: Client
    app: App
    loop: Loop
    files: Callable[[], bytes]
    """The bytes of the store's files; with Cosmos DB, of all items."""
    content: Callable[[], str]
    """All that the store holds now."""

    def stored(self, id: str) -> dict[str, Any]:
        """A user as the store has it."""
        assert self.app.store is not None
        found = self.loop.run(self.app.store.read("default", "User", id))
        assert found is not None
        return found.resource

    def password(self, id: str) -> str | None:
        return self.stored(id).get("password")


type Make = Callable[[str], Service]


@pytest.fixture(params=["sqlite", "cosmos"])
def make(request: pytest.FixtureRequest, loop: Loop, tmp_path: Path) -> Iterator[Make]:
    """Makes services on one store that keep passwords in this way: `drop` or `hash`."""
    account = CosmosAccount(loop) if request.param == "cosmos" else None
    apps: list[App] = []

    def content() -> str:
        if account is not None:
            container = account.emulator.core.account.databases["scim"].containers["resources"]
            return "\n".join(str(item.document) for part in container.partitions() for item in part.items())
        with closing(sqlite3.connect(tmp_path / "scim.db")) as db:
            return "\n".join(db.iterdump())

    def files() -> bytes:
        return content().encode() if account is not None else b"".join(f.read_bytes() for f in tmp_path.iterdir())

    def made(passwords: str) -> Service:
        environment = {"SCIM_DEV_TOKEN": TOKEN, "SCIM_PASSWORDS": passwords}
        if account is not None:
            environment |= {"SCIM_STORE": "cosmos", **account.environment}
        else:
            environment["SCIM_DATA"] = str(tmp_path / "scim.db")
        app = build(from_environment(environment))
        apps.append(app)
        return Service(HandlerClient(app.handler, loop), app, loop, files, content)

    yield made
    for app in apps:
        loop.run(app.close())
    if account is not None:
        account.stop()


def is_hash_of(text: str, stored: str | None) -> bool:
    assert stored is not None
    assert stored.startswith(PREFIX)
    try:
        Argon2id.verify_phc_encoded(text.encode(), stored)
    except InvalidKey:
        return False
    return True


BODIES: Final[tuple[dict[str, Any], ...]] = (
    {"password": TEXT},
    {"PassWord": TEXT},
    {f"{USER}:password": TEXT},
    {USER: {"PASSWORD": TEXT}},
)
OPERATIONS: Final = (
    {"op": "add", "path": "password", "value": TEXT},
    {"op": "Replace", "path": "PASSWORD", "value": TEXT},
    {"op": "replace", "path": f"{USER}:password", "value": TEXT},
    {"op": "replace", "path": USER, "value": {"password": TEXT}},
    *({"op": "replace", "value": body} for body in BODIES),
)


def requests(client: Client, id: str) -> Iterator[Any]:
    """Every way to send the password of a user that is there."""
    for body in BODIES:
        yield client.put(f"/Users/{id}", {"userName": "u", **body})
    for operation in OPERATIONS:
        yield client.patch(f"/Users/{id}", operation)


def test_a_password_is_hashed_in_each_operation(make: Make) -> None:
    service = make("hash")
    ids = [service.client.user(f"new-{number}", **body)["id"] for number, body in enumerate(BODIES)]
    assert all(is_hash_of(TEXT, service.password(id)) for id in ids)
    assert len({service.password(id) for id in ids}) == len(ids)  # each has a salt of its own
    user = service.client.user("u", password=OTHER)
    last = service.password(user["id"])
    for answer in requests(service.client, user["id"]):
        assert answer.status in {200, 204}, answer.body
        now = service.password(user["id"])
        assert is_hash_of(TEXT, now)
        assert not is_hash_of(OTHER, now)
        assert now != last
        last = now


def test_passwords_are_dropped_by_default(make: Make) -> None:
    service = make("drop")
    ids = [service.client.user(f"new-{number}", **body)["id"] for number, body in enumerate(BODIES)]
    assert not any("password" in service.stored(id) for id in ids)
    user = service.client.user("u")
    for answer in requests(service.client, user["id"]):
        assert answer.status in {200, 204}, answer.body
        assert "password" not in service.stored(user["id"])
    assert b"argon2" not in service.files()


@pytest.mark.parametrize("kept", ["drop", "hash"])
def test_a_password_is_neither_stored_nor_returned(make: Make, kept: str) -> None:
    """What is logged is looked at after every test (`tests/planted.py`)."""
    service = make(kept)
    client = service.client
    created = client.post("/Users", {"userName": "u", "password": TEXT, "title": "t"})
    id = created.json["id"]
    path = f"/Users/{id}"
    answers = [
        created,
        *requests(client, id),
        client.patch(f"{path}?attributes=password,userName", {"op": "replace", "value": {"password": TEXT}}),
        client.patch(f"{path}?excludedAttributes=title", {"op": "add", "path": "password", "value": TEXT}),
        client.post("/Users?attributes=password", {"userName": "v", "password": TEXT}),
        client.get(path),
        client.get(f"{path}?attributes=password,{USER}:password,{USER}"),
        client.get("/Users?attributes=password"),
        client.get("/Users"),
        client.post("/.search", {"attributes": ["password", USER]}),
        client.post("/Users", {"userName": "u", "password": TEXT}),
        client.post("/Users", {"userName": "w", "password": {"value": [TEXT]}}),
        client.patch(path, {"op": "replace", "path": f'password[value eq "{TEXT}"]', "value": TEXT}),
        client.patch(path, {"op": "add", "path": "password.value", "value": TEXT}),
        client.get(f'/Users?filter=password eq "{TEXT}"'),
        client.get("/Users?filter=password pr"),
        client.get("/Users?sortBy=password"),
    ]
    assert [answer.status for answer in answers[-7:]] == [409, 400, 400, 400, 400, 400, 400]
    for answer in answers:
        shown = answer.body.decode() + str(answer.headers)
        assert "hunter2" not in shown
        assert "argon2" not in shown
        if answer.status < 400:
            assert "password" not in shown.lower()
    assert b"hunter2" not in service.files()
    # The hash stands in the resource, and not in what filters, sorting and uniqueness work on.
    assert service.content().count("$argon2id$") == (0 if kept == "drop" else 2)


def test_put_keeps_it_if_the_body_does_not_name_it_and_null_clears_it(make: Make) -> None:
    service = make("hash")
    user = service.client.user("u", password=TEXT, department="d")
    path, first = f"/Users/{user['id']}", service.password(user["id"])
    assert service.client.put(path, {"userName": "u", "title": "t"}).status == 200
    assert service.password(user["id"]) == first
    answer = service.client.put(path, {"userName": "u", "title": "t"})
    again = service.client.put(path, {"userName": "u", "title": "t"})
    assert answer.headers["etag"] == again.headers["etag"]
    nothings: tuple[Any, ...] = (None, "", [])
    for nothing in nothings:
        service.client.patch(path, {"op": "add", "path": "password", "value": TEXT})
        assert service.client.put(path, {"userName": "u", "password": nothing}).status == 200
        assert service.password(user["id"]) is None


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "password"},
        {"op": "replace", "path": "password", "value": None},
        {"op": "replace", "value": {"password": ""}},
    ],
)
def test_patch_clears_it(make: Make, operation: dict[str, Any]) -> None:
    service = make("hash")
    user = service.client.user("u", password=TEXT)
    path = f"/Users/{user['id']}"
    assert service.client.patch(path, operation).status == 204
    assert service.password(user["id"]) is None
    with unchanged(service.client):
        assert service.client.patch(path, operation).status == 204


def test_the_same_password_again_counts_as_a_change(make: Make) -> None:
    service = make("hash")
    user = service.client.user("u", password=TEXT)
    answer = service.client.patch(f"/Users/{user['id']}", {"op": "replace", "path": "password", "value": TEXT})
    assert (answer.status, answer.headers["etag"] != user["meta"]["version"]) == (204, True)


def test_a_password_that_is_dropped_changes_nothing(make: Make) -> None:
    service = make("drop")
    user = service.client.user("u")
    with unchanged(service.client):
        service.client.patch(f"/Users/{user['id']}", {"op": "replace", "path": "password", "value": TEXT})
        service.client.put(f"/Users/{user['id']}", {"userName": "u", "password": TEXT})


def test_a_password_equal_to_the_stored_hash_is_hashed(make: Make) -> None:
    service = make("hash")
    user = service.client.user("u", password=OTHER)
    path, stored = f"/Users/{user['id']}", service.password(user["id"])
    assert stored is not None
    assert service.client.put(path, {"userName": "u", "password": stored}).status == 200
    assert is_hash_of(stored, service.password(user["id"]))


def test_an_old_hash_is_replaced_by_the_next_password(make: Make) -> None:
    """With the setting changed from `hash` to `drop`, an old hash would let the old password in."""
    hashing, dropping = make("hash"), make("drop")
    for by in ("put", "patch"):
        id = hashing.client.user(by, password=OTHER)["id"]
        dropping.client.patch(f"/Users/{id}", {"op": "replace", "path": "title", "value": by})
        assert is_hash_of(OTHER, dropping.password(id))
        if by == "put":
            dropping.client.put(f"/Users/{id}", {"userName": by, "password": TEXT})
        else:
            dropping.client.patch(f"/Users/{id}", {"op": "replace", "path": "password", "value": TEXT})
        assert dropping.password(id) is None


@pytest.mark.parametrize("kept", ["drop", "hash"])
def test_more_than_1024_bytes_are_an_invalid_value(make: Make, kept: str) -> None:
    client = make(kept).client
    path = f"/Users/{client.user('u')['id']}"
    with unchanged(client):
        for text in ("x" * 1025, "ä" * 513):
            is_error(client.post("/Users", {"userName": "v", "password": text}), 400, "invalidValue")
            is_error(client.put(path, {"userName": "u", "password": text}), 400, "invalidValue")
            operation = {"op": "replace", "path": "password", "value": text}
            is_error(client.patch(path, operation), 400, "invalidValue")
            # One of several, too, of which only the last would count.
            is_error(client.patch(path, operation, {"op": "remove", "path": "password"}), 400, "invalidValue")
    assert client.put(path, {"userName": "u", "password": "x" * 1024}).status == 200


@pytest.mark.parametrize("kept", ["drop", "hash"])
def test_discovery_says_whether_a_password_can_be_changed(make: Make, kept: str) -> None:
    config = make(kept).client.get("/ServiceProviderConfig").json
    assert config["changePassword"] == {"supported": kept == "hash"}


def test_a_custom_attribute_called_password_follows_its_schema(loop: Loop, tmp_path: Path) -> None:
    schemas = [
        {"id": "urn:example:Badge", "attributes": [{"name": "number"}, {"name": "password"}]},
        {"id": "urn:example:Door", "attributes": [{"name": "password", "returned": "never"}]},
        {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "name": "Badge",
            "endpoint": "/Badge",
            "schema": "urn:example:Badge",
            "schemaExtensions": [{"schema": "urn:example:Door"}],
        },
    ]
    (tmp_path / "badge.json").write_text(json.dumps(schemas))
    app = build(from_environment({"SCIM_DEV_TOKEN": TOKEN, "SCIM_PASSWORDS": "hash", "SCIM_SCHEMAS": str(tmp_path)}))
    client = HandlerClient(app.handler, loop)
    created = client.post("/Badge", {"password": TEXT, "urn:example:Door": {"password": OTHER}}).json
    assert created["password"] == TEXT
    assert "urn:example:Door" not in created
    assert app.store is not None
    stored = loop.run(app.store.read("default", "Badge", created["id"]))
    assert stored is not None
    assert stored.resource["urn:example:Door"] == {"password": OTHER}
    loop.run(app.close())


# --- the parts ---------------------------------------------------------------------------------------------------


def salts() -> tuple[Callable[[], bytes], list[bytes]]:
    made: list[bytes] = []

    def new() -> bytes:
        made.append(len(made).to_bytes(16))
        return made[-1]

    return new, made


@pytest.mark.asyncio
async def test_only_the_last_of_many_passwords_in_a_patch_is_hashed() -> None:
    new, made = salts()
    operations = [PatchOperation("replace", "password", f"text-{number}") for number in range(1_000)]
    operations.insert(500, PatchOperation("replace", "title", "t"))
    resource_type = core().resource_types["User"]
    title, last = await Passwords(Hash(new)).in_changes(changes(operations, resource_type), resource_type)
    assert len(made) == 1
    assert (title.place.attribute.name, last.op) == ("title", "replace")
    assert is_hash_of("text-999", last.value)


@pytest.mark.asyncio
async def test_at_most_four_are_hashed_at_once_and_the_loop_goes_on_meanwhile() -> None:
    before = set(threads())
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    hash_ = Hash(salts()[0])
    kept = await asyncio.gather(*(hash_(f"text-{number}") for number in range(12)))
    counting.cancel()
    assert len(set(kept)) == 12
    assert {thread.name.partition("_")[0] for thread in set(threads()) - before} == {"password"}
    assert len(set(threads()) - before) == 4
    assert turns > 100


@pytest.mark.parametrize(
    ("text", "hashed"),
    [
        ("Correct Horse", "Correct Horse"),
        ("a\u00a0b\u3000c", "a b c"),  # every space is the same
        ("A\u030a", "\u00c5"),
        ("\u212b", "\u00c5"),
        ("\uff21", "\uff21"),  # but full-width letters stay (RFC 8265 §4.2)
    ],
)
def test_a_password_is_prepared_by_rfc_7644(text: str, hashed: str) -> None:
    assert prepare(text) == hashed


def test_the_enterprise_extension_has_no_password() -> None:
    """The bare name leads to the core attribute: nothing else of that name stands in its way."""
    assert core().resource_types["User"].find("password") is not None
    assert core().resource_types["User"].find_in(ENTERPRISE, "password") is None
