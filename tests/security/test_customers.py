"""`scim customer`, on both stores: what it does, what it says and what it refuses."""

import asyncio
import json
from pathlib import Path

import pytest

from scim.app import utc_now
from scim.security.clouds import CLOUDS, SYNC_FABRIC
from scim.security.customers.records import AccessRule, EntraTenant
from scim.security.customers.repository import SYSTEM, ChangeRefused, Customers
from scim.storage.sqlite.store import SqliteStore
from scim.telemetry.record import hashed
from tests.conftest import Client, HandlerClient, Loop
from tests.cosmos_emulator import CutBefore, Emulator, Fault
from tests.http.checks import SEARCH
from tests.security.issuer import CONTOSO, FABRIKAM, STRANGER
from tests.security.places import Place, Time, Watched, on_cosmos, on_file, run

GLOBAL = CLOUDS["global"].audience
GALLERY = "7a9ab1c5-5555-4555-8555-555555555555"
OWN_APPLICATION = "0dd1c0de-6666-4666-8666-666666666666"


@pytest.fixture(params=["file", "cosmos"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store."""
    return on_file(tmp_path) if request.param == "file" else on_cosmos(*request.getfixturevalue("cosmos"))


@pytest.fixture
def two(place: Place) -> Place:
    """A store with two customers, to which no way leads."""
    place.scim("customer", "create", "contoso")
    place.scim("customer", "create", "fabrikam")
    return place


def allow(place: Place, name: str, tenant: str, *options: str) -> str:
    return place.scim("customer", "allow", name, "--entra-tenant", tenant, *options)


# --- what the commands do and say -------------------------------------------------------------------------------


def test_creating_a_customer_prints_the_next_step(place: Place) -> None:
    began = utc_now()
    ended = place.run("customer", "create", "contoso")
    assert ended.stdout == "Created customer contoso.\n"
    assert "scim token create contoso" in ended.stderr
    assert "scim customer allow contoso --entra-tenant" in ended.stderr
    place.scim("customer", "create", "acme-2")
    header, *listed = [line.split("  ") for line in place.scim("customer", "list").splitlines()]
    assert header[0] == "CUSTOMER"
    assert [name.strip() for name, *_ in listed] == ["acme-2", "contoso"]
    assert {line[1].strip() for line in listed} <= {*(f"{day:%Y-%m-%d}" for day in (began, utc_now())), ""}
    shown = place.scim("customer", "show", "contoso").splitlines()
    assert f"In the log:    customer={hashed('contoso')}" in shown
    assert "Secret tokens: 0" in shown
    assert "Entra rules:   0" in shown


def test_an_empty_list_names_the_command_to_create(place: Place) -> None:
    if place.folder is not None:
        Path(place.environment["SCIM_DATA"]).touch()
    ended = place.run("customer", "list")
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "scim customer create" in ended.stderr


def test_a_rule_is_shown_with_all_its_conditions(two: Place) -> None:
    said = allow(two, "contoso", CONTOSO.upper())
    for word in (CONTOSO, GLOBAL, "contoso"):
        assert word in said
    shown = two.scim("customer", "show", "contoso")
    for word in (CONTOSO, "global", GLOBAL, SYNC_FABRIC, "write"):
        assert word in shown
    assert CONTOSO not in two.scim("customer", "show", "fabrikam")


def test_a_customer_can_have_several_rules(two: Place) -> None:
    allow(two, "contoso", CONTOSO)
    allow(two, "contoso", CONTOSO, "--audience", GALLERY, "--role", "Provision")
    allow(two, "contoso", STRANGER, "--cloud", "us-government", "--application", OWN_APPLICATION, "--read-only")
    two.token("contoso")
    two.token("contoso")
    shown = two.scim("customer", "show", "contoso")
    assert shown.count(f"Entra tenant {CONTOSO} (global)") == 2
    assert shown.count(f"Entra tenant {STRANGER} (us-government)") == 1
    for word in (GLOBAL, GALLERY, "Provision", CLOUDS["us-government"].audience, OWN_APPLICATION, "read"):
        assert word in shown
    assert "Secret tokens: 2" in shown.splitlines()
    assert "Entra rules:   3" in shown.splitlines()


def test_an_entra_tenant_can_have_a_customer_per_audience(two: Place) -> None:
    allow(two, "contoso", CONTOSO)
    allow(two, "fabrikam", CONTOSO, "--audience", GALLERY)
    shown = {name: two.scim("customer", "show", name) for name in ("contoso", "fabrikam")}
    assert GLOBAL in shown["contoso"]
    assert GALLERY not in shown["contoso"]
    assert GALLERY in shown["fabrikam"]
    assert GLOBAL not in shown["fabrikam"]
    two.scim("customer", "remove", "contoso", "--yes")
    assert two.scim("customer", "show", "fabrikam") == shown["fabrikam"]


def test_allowing_the_same_rule_again_replaces_its_conditions(two: Place) -> None:
    allow(two, "contoso", CONTOSO, "--role", "Provision", "--read-only")
    allow(two, "contoso", CONTOSO, "--application", OWN_APPLICATION)
    shown = two.scim("customer", "show", "contoso")
    assert shown.count("Entra tenant") == 1
    for word, there in (
        ("Provision", False),
        ("access        read\n", False),
        (SYNC_FABRIC, False),
        (OWN_APPLICATION, True),
    ):
        assert (word in shown) is there


def test_deny_removes_one_rule_or_all_of_an_entra_tenant(two: Place, loop: Loop) -> None:
    for audience in (GLOBAL, GALLERY):
        allow(two, "contoso", CONTOSO, "--audience", audience)
    allow(two, "contoso", FABRIKAM)
    assert "minute" in two.scim("customer", "deny", "--yes", "contoso", "--entra-tenant", CONTOSO, "--audience", GLOBAL)
    shown = two.scim("customer", "show", "contoso")
    assert GALLERY in shown
    assert shown.count(CONTOSO) == 1
    two.scim("customer", "deny", "--yes", "contoso", "--entra-tenant", CONTOSO)
    shown = two.scim("customer", "show", "contoso")
    assert CONTOSO not in shown
    assert FABRIKAM in shown
    assert f"EntraTenant:{CONTOSO}" not in loop.run(two.system())


def test_an_entra_tenant_may_change_its_customer_once_it_is_denied(two: Place) -> None:
    allow(two, "contoso", CONTOSO)
    two.scim("customer", "deny", "--yes", "contoso", "--entra-tenant", CONTOSO)
    allow(two, "fabrikam", CONTOSO, "--cloud", "china")
    assert f"{CONTOSO} (china)" in two.scim("customer", "show", "fabrikam")


def test_user_tokens_need_a_rule_for_users(two: Place) -> None:
    allow(two, "contoso", CONTOSO)
    people = ("--people", "--audience", GALLERY, "--application", OWN_APPLICATION)
    said = allow(two, "contoso", CONTOSO, *people)
    assert "/Me" in said
    shown = two.scim("customer", "show", "contoso")
    assert [line.split()[1:] for line in shown.splitlines() if line.split()[0] == "people"] == [["no"], ["yes,", "for", "/Me"]]  # fmt: skip
    assert [line.split()[-1] for line in two.scim("customer", "list").splitlines()] == ["PEOPLE", "yes", "no"]
    # The same way again without the option shuts them out.
    allow(two, "contoso", CONTOSO, *people[1:])
    assert "yes, for /Me" not in two.scim("customer", "show", "contoso")
    assert "yes" not in two.scim("customer", "list")


# --- what they refuse: in one line that says what to do ---------------------------------------------------------


def test_a_customer_is_created_once(two: Place) -> None:
    line = two.refused("customer", "create", "contoso")
    assert "contoso already" in line
    assert "scim customer show contoso" in line


@pytest.mark.parametrize(
    "command",
    [
        ("customer", "show", "acme"),
        ("customer", "allow", "acme", "--entra-tenant", CONTOSO),
        ("customer", "deny", "acme", "--entra-tenant", CONTOSO, "--yes"),
        ("customer", "remove", "acme", "--yes"),
        ("customer", "export", "acme"),
        ("customer", "erase", "acme", "--yes"),
        ("reindex", "--customer", "acme"),
        ("token", "create", "acme"),
        ("token", "list", "acme"),
    ],
    ids=" ".join,
)
def test_an_unknown_customer_has_an_exit_code_of_its_own(two: Place, loop: Loop, command: tuple[str, ...]) -> None:
    ended = two.run(*command)
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert ended.stderr == "Error: There is no customer acme. Run: scim customer list\n"
    assert loop.run(two.system()) == ["Customer:contoso", "Customer:fabrikam"]


def test_an_audience_belongs_to_one_customer(two: Place) -> None:
    allow(two, "contoso", CONTOSO)
    line = two.refused("customer", "allow", "fabrikam", "--entra-tenant", CONTOSO)
    assert "belong to customer contoso" in line
    assert "scim customer deny" in line
    assert CONTOSO in two.scim("customer", "show", "contoso")
    assert CONTOSO not in two.scim("customer", "show", "fabrikam")


@pytest.mark.parametrize("given", [(), ("--audience", GALLERY), ("--application", OWN_APPLICATION)], ids=str)
def test_a_rule_for_users_needs_its_own_audience_and_application(two: Place, given: tuple[str, ...]) -> None:
    """Else they would take the way of the provisioning service away from it."""
    allow(two, "contoso", CONTOSO)
    before = two.scim("customer", "show", "contoso")
    line = two.refused("customer", "allow", "contoso", "--entra-tenant", CONTOSO, "--people", *given)
    assert "--audience and --application" in line
    assert two.scim("customer", "show", "contoso") == before


def test_an_entra_tenant_is_in_one_cloud(two: Place) -> None:
    allow(two, "contoso", CONTOSO)
    before = two.scim("customer", "show", "contoso")
    line = two.refused("customer", "allow", "contoso", "--entra-tenant", CONTOSO, "--cloud", "china")
    assert "cloud global" in line
    assert "scim customer deny" in line
    assert two.scim("customer", "show", "contoso") == before


def test_a_rule_that_does_not_exist_can_not_be_removed(two: Place) -> None:
    allow(two, "contoso", CONTOSO)
    before = two.scim("customer", "show", "contoso")
    for command in (
        ("fabrikam", "--entra-tenant", CONTOSO),
        ("contoso", "--entra-tenant", STRANGER),
        ("contoso", "--entra-tenant", CONTOSO, "--audience", GALLERY),
        ("acme", "--entra-tenant", CONTOSO),
    ):
        ended = two.run("customer", "deny", "--yes", *command)
        assert ended.exit_code == 3
        assert "Run: scim customer" in ended.stderr
    assert two.scim("customer", "show", "contoso") == before


@pytest.mark.parametrize("name", ["$system", "Contoso", "a b", "a/b", "..", "", "a" * 65, "é", "a\n", "%24system"])
def test_a_bad_name_is_refused_by_every_command(two: Place, loop: Loop, name: str) -> None:
    """`$system`, where the customers themselves are kept, is nobody's name."""
    for command in (
        ("customer", "create"),
        ("customer", "allow", "--entra-tenant", CONTOSO),
        ("customer", "deny", "--entra-tenant", CONTOSO, "--yes"),
        ("customer", "show"),
        ("customer", "remove", "--yes"),
        ("token", "create"),
        ("customer", "export"),
        ("customer", "erase", "--yes"),
    ):
        assert "1 to 64" in two.refused(*command, "--", name)
    if name:  # an empty one isn't given at all, and lists everybody's
        assert "1 to 64" in two.refused("token", "list", "--", name)
    assert loop.run(two.system()) == ["Customer:contoso", "Customer:fabrikam"]


@pytest.mark.parametrize("id", ["contoso.onmicrosoft.com", "", "c0a7e5a1", f"{{{CONTOSO}}}", CONTOSO[:-1] + "g"])
def test_a_bad_id_is_refused_with_an_example(two: Place, id: str) -> None:
    assert "must have the form" in two.refused("customer", "allow", "contoso", "--entra-tenant", id)
    assert "must have the form" in two.refused("customer", "deny", "contoso", "--entra-tenant", id)
    command = ("customer", "allow", "contoso", "--entra-tenant", CONTOSO, "--application", SYNC_FABRIC)
    assert "must have the form" in two.refused(*command, "--application", id)
    assert "Entra tenant" not in two.scim("customer", "show", "contoso")


COMMANDS = [
    ("customer", "allow", "contoso", "--entra-tenant", CONTOSO),
    ("customer", "deny", "contoso", "--entra-tenant", CONTOSO, "--yes"),
    ("customer", "list"),
    ("customer", "show", "contoso"),
    ("customer", "remove", "contoso", "--yes"),
    ("token", "create", "contoso"),
    ("token", "list"),
    ("token", "revoke", CONTOSO, "--yes"),
    ("customer", "export", "contoso"),
    ("customer", "erase", "contoso", "--yes"),
    ("reindex", "--all"),
]


@pytest.mark.parametrize("command", [("customer", "create", "contoso"), *COMMANDS], ids=" ".join)
def test_every_command_says_which_data_it_needs(tmp_path: Path, command: tuple[str, ...]) -> None:
    assert "--data FILE" in Place({}).refused(*command)
    assert "COSMOS_ENDPOINT" in Place({"SCIM_STORE": "cosmos"}).refused(*command)
    nonsense = tmp_path / "nonsense.db"
    nonsense.write_bytes(b"something else altogether " * 100)
    line = Place({}).refused(*command, "--data", str(nonsense))
    assert line == f"Error: Can't open the data file {nonsense}: it is not a SQLite database."
    assert nonsense.read_bytes() == b"something else altogether " * 100


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_but_create_makes_a_file(tmp_path: Path, command: tuple[str, ...]) -> None:
    missing = tmp_path / "missing.db"
    assert "missing.db" in Place({}).refused(*command, "--data", str(missing))
    assert not missing.exists()
    Place({}).scim("customer", "create", "contoso", "--data", str(missing))
    assert missing.is_file()


def test_an_unreachable_database_is_logged_in_one_line(cosmos: tuple[Emulator, str]) -> None:
    place = on_cosmos(*cosmos)
    emulator, endpoint = cosmos
    fault = Fault(lambda call: call.item != "" or call.operation in {"query", "batch"}, CutBefore(), times=None)
    emulator.faults.append(fault)
    for command in (("customer", "create", "contoso"), ("customer", "list"), ("token", "revoke", CONTOSO)):
        ended = place.run(*command)
        assert ended.exit_code == 4
        assert f"Cosmos DB at {endpoint} can't be reached" in ended.stderr
    emulator.faults.remove(fault)


# --- remove -----------------------------------------------------------------------------------------------------


def test_remove_deletes_credentials_and_keeps_users_and_groups(two: Place, loop: Loop) -> None:
    for options in ((CONTOSO,), (CONTOSO, "--audience", GALLERY), (STRANGER, "--cloud", "china")):
        allow(two, "contoso", *options)
    allow(two, "fabrikam", FABRIKAM)
    token, other = two.token("contoso"), two.token("fabrikam")
    time = Time()
    app, _ = loop.run(two.service(time))
    client = HandlerClient(app.handler, loop)
    person = client.request("POST", "/Users", {"userName": "bjensen"}, token=token).json["id"]
    guides = {"displayName": "Guides", "members": [{"value": person}]}
    assert client.request("POST", "/Groups", guides, token=token).status == 201
    exported = two.scim("customer", "export", "contoso")
    assert exported.count("\n") == 3

    ended = two.run("customer", "remove", "contoso", "--yes")
    assert "If it has users and groups, they are kept" in ended.stderr
    assert "scim customer erase contoso" in ended.stderr
    customer, tenant, *tokens = loop.run(two.system())
    assert (customer, tenant, len(tokens)) == ("Customer:fabrikam", f"EntraTenant:{FABRIKAM}", 1)
    assert two.scim("customer", "export", "contoso") == exported
    time.pass_by(minutes=1)
    assert client.get("/Users", token=token).status == 401
    assert client.get("/Users", token=other).status == 200
    loop.run(app.close())


def test_a_customer_created_again_has_its_data_and_no_old_credentials(two: Place, loop: Loop) -> None:
    allow(two, "contoso", CONTOSO)
    old = two.token("contoso")
    two.scim("customer", "remove", "contoso", "--yes")
    two.scim("customer", "create", "contoso")
    shown = json.loads(two.scim("customer", "show", "contoso", "--format", "json"))
    assert (shown["tokens"], shown["entraRules"]) == ([], [])
    assert status(two, loop, old) == 401
    assert status(two, loop, two.token("contoso")) == 200


def test_remove_may_be_repeated_until_it_is_complete(two: Place, loop: Loop) -> None:
    """Wherever it is interrupted, nobody comes in from then on, and the same command again closes the rest."""
    for tenant in (CONTOSO, STRANGER):
        allow(two, "contoso", tenant)
    tokens = [two.token("contoso") for _ in range(2)]

    async def cut_short_after(deletions: int) -> None:
        async with two.opened() as store:
            watched = Watched(store)
            customers = Customers(watched.store, utc_now)

            async def cut() -> None:
                if watched.calls["delete"] > deletions:
                    raise ConnectionError
                watched.before["delete"] = cut

            watched.before["delete"] = cut
            with pytest.raises(ConnectionError):
                await customers.remove("contoso")

    for deletions in range(1, 3):
        loop.run(cut_short_after(deletions))
        assert "Customer:contoso" not in loop.run(two.system())
        assert [status(two, loop, token) for token in tokens] == [401, 401]
    assert "Removed customer contoso" in two.scim("customer", "remove", "contoso", "--yes")
    assert loop.run(two.system()) == ["Customer:fabrikam"]
    assert "no customer contoso" in two.refused("customer", "remove", "contoso", "--yes")


def status(place: Place, loop: Loop, token: str) -> int:
    """What a new instance answers to a request with the token."""
    app, _ = loop.run(place.service(Time()))
    answer = HandlerClient(app.handler, loop).get("/Users", token=token)
    loop.run(app.close())
    return answer.status


# --- records ----------------------------------------------------------------------------------------------------


RECORD = {
    "customer": "contoso",
    "audience": "an-audience",
    "applications": [SYNC_FABRIC],
    "role": None,
    "access": "write",
}
"""A way as it was kept before people could come in, and still is where they don't."""


def test_an_old_record_without_the_field_people_accepts_no_user_tokens() -> None:
    read = AccessRule.of(RECORD)
    assert read == AccessRule(customer="contoso", audience="an-audience")
    assert read.people is False
    assert read.record() == RECORD


def test_a_rule_for_users_is_stored_and_read(place: Place, loop: Loop) -> None:
    ways = (
        AccessRule(customer="contoso", audience="an-audience", people=True),
        AccessRule.of({**RECORD, "audience": "b"}),
    )
    assert ways[0].record() == {**RECORD, "people": True}

    async def kept() -> list[EntraTenant]:
        async with place.opened() as store:
            customers = Customers(store, utc_now)
            await customers.create("contoso")
            await customers.allow(EntraTenant(id=CONTOSO, cloud="global", access_rules=ways))
            return await customers.entra_tenants()

    assert loop.run(kept()) == [EntraTenant(id=CONTOSO, cloud="global", access_rules=ways)]


@pytest.mark.parametrize(
    "changes",
    [{"access": "self"}, {"access": "all"}, {"people": "true"}, {"people": 1}, {"people": None}, {"persons": True}],
    ids=str,
)
def test_a_record_with_an_impossible_value_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        AccessRule.of({**RECORD, **changes})


# --- operators at once ------------------------------------------------------------------------------------------


def way(name: str, audience: str) -> EntraTenant:
    return EntraTenant(id=CONTOSO, cloud="global", access_rules=(AccessRule(customer=name, audience=audience),))


def test_concurrent_operators_lose_no_change(two: Place, loop: Loop) -> None:
    """Each has a connection of its own, and all change the same Entra tenant."""
    audiences = [f"audience-{number}" for number in range(4)]

    async def at_once(first: bool) -> None:
        async with two.opened() as one, two.opened() as other:
            operators = [Customers(store, utc_now) for store in (one, other, one, other)]
            names = ("contoso", "fabrikam", "contoso", "fabrikam")
            if first:
                each = zip(operators, names, audiences, strict=True)
                await asyncio.gather(*(who.allow(way(name, audience)) for who, name, audience in each))
            else:
                await asyncio.gather(
                    operators[0].deny("contoso", CONTOSO, audiences[0]),
                    operators[1].deny("fabrikam", CONTOSO, audiences[1]),
                    operators[2].allow(way("contoso", "audience-4")),
                )

    loop.run(at_once(first=True))
    assert sorted(shown_audiences(two, "contoso")) == [audiences[0], audiences[2]]
    assert sorted(shown_audiences(two, "fabrikam")) == [audiences[1], audiences[3]]
    loop.run(at_once(first=False))
    assert sorted(shown_audiences(two, "contoso")) == [audiences[2], "audience-4"]
    assert shown_audiences(two, "fabrikam") == [audiences[3]]


@pytest.mark.parametrize("known", [False, True])
def test_a_change_between_reading_and_writing_is_kept(two: Place, loop: Loop, known: bool) -> None:
    if known:
        allow(two, "contoso", CONTOSO, "--audience", "first")

    async def work() -> None:
        async with two.opened() as store:
            watched = Watched(store)

            async def meanwhile() -> None:
                await Customers(store, utc_now).allow(way("fabrikam", "theirs"))

            watched.before["replace" if known else "create"] = meanwhile
            await Customers(watched.store, utc_now).allow(way("contoso", "ours"))

            watched.before["replace"] = lambda: Customers(store, utc_now).allow(way("fabrikam", "taken"))
            with pytest.raises(ChangeRefused, match="belong to customer fabrikam"):
                await Customers(watched.store, utc_now).allow(way("contoso", "taken"))

    loop.run(work())
    assert sorted(shown_audiences(two, "contoso")) == (["first", "ours"] if known else ["ours"])
    assert sorted(shown_audiences(two, "fabrikam")) == ["taken", "theirs"]


def test_a_change_that_always_loses_the_race_is_refused(two: Place, loop: Loop) -> None:
    allow(two, "contoso", CONTOSO)

    async def work() -> None:
        async with two.opened() as store:
            watched = Watched(store)

            async def meanwhile() -> None:
                await Customers(store, utc_now).allow(way("fabrikam", f"audience-{watched.calls['replace']}"))
                watched.before["replace"] = meanwhile

            watched.before["replace"] = meanwhile
            with pytest.raises(ChangeRefused, match="Try again"):
                await Customers(watched.store, utc_now).allow(way("contoso", "ours"))
            assert watched.calls["replace"] < 20

    loop.run(work())
    assert shown_audiences(two, "contoso") == [GLOBAL]


def shown_audiences(place: Place, name: str) -> list[str]:
    lines = place.scim("customer", "show", name).splitlines()
    return [line.split()[1] for line in lines if line.split()[0] == "audience"]


# --- customers aren't resources ---------------------------------------------------------------------------------


def test_records_of_customers_never_show_among_resources(two: Place, loop: Loop) -> None:
    allow(two, "contoso", CONTOSO)
    token = two.token("contoso", "--note", "a-planted-note")
    app, _ = loop.run(two.service(Time()))
    client: Client = HandlerClient(app.handler, loop)
    created = client.request("POST", "/Users", {"userName": "bjensen"}, token=token)
    assert created.status == 201

    [id] = [one.removeprefix("SecretToken:") for one in loop.run(two.system()) if one.startswith("SecretToken:")]
    answers = [client.get(path, token=token) for path in ("/Users", "/Groups", "/?count=1000", "/Schemas")]
    answers.append(client.request("POST", "/.search", {"schemas": [SEARCH]}, token=token))
    for resource_type in ("Customer", "EntraTenant", "SecretToken"):
        answers += [client.get(f"/{resource_type}s", token=token), client.get(f"/{resource_type}", token=token)]
    for one in ("contoso", CONTOSO, id):
        answers += [client.get(f"/{resource_type}/{one}", token=token) for resource_type in ("Users", "Groups")]
    text = b"".join(answer.body for answer in answers)
    for planted in (b"a-planted-note", CONTOSO.encode(), b"fabrikam", b"digest", b"SecretToken", b"EntraTenant"):
        assert planted not in text
    assert client.get("/Users", token=token).json["totalResults"] == 1
    loop.run(app.close())

    [line] = two.scim("customer", "export", "contoso").splitlines()
    assert json.loads(line)["resource"]["userName"] == "bjensen"
    assert two.scim("customer", "export", "fabrikam") == ""
    assert "items: 1" in two.run("customer", "erase", "contoso").stderr
    assert "items: 0" in two.run("customer", "erase", "fabrikam").stderr
    before = loop.run(two.system())
    two.scim("customer", "erase", "contoso", "--yes")
    assert loop.run(two.system()) == before
    assert SYSTEM not in two.scim("customer", "list")


def test_a_command_takes_its_data_from_the_environment_or_from_options(tmp_path: Path) -> None:
    data = str(tmp_path / "scim.db")
    assert run("customer", "create", "contoso", "--data", data, "--store", "sqlite").exit_code == 0
    assert "contoso" in run("customer", "list", SCIM_DATA=data).stdout


async def test_an_incomplete_removal_does_not_restore_credentials(tmp_path: Path) -> None:
    """A removal that broke off, or met an `allow`, may leave ways in behind; a new customer of that name must not get them."""
    store = SqliteStore(tmp_path / "scim.db")
    customers = Customers(store, utc_now)
    await customers.create("contoso")
    way = AccessRule(customer="contoso", audience="an-audience")
    await customers.allow(EntraTenant(id=CONTOSO, cloud="global", access_rules=(way,)))
    await store.delete(SYSTEM, "Customer", "contoso")
    with pytest.raises(ChangeRefused, match="complete it first"):
        await customers.create("contoso")
    assert await customers.remove("contoso")
    await customers.create("contoso")
    assert await customers.entra_tenants("contoso") == []
    await store.close()
