"""What a deployment describes in files works like what is built in, on both stores and through the worker.

The folder is `examples/schemas`: an extension of User, and the types Device and Entitlement.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import BASE, Client, CosmosServer, Loop, PortClient, Server
from tests.http.checks import ENTERPRISE, GROUP, SEARCH, UNKNOWN_ID, USER, is_error, resources
from tests.worker.host_client import SETTINGS, HostClient

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "schemas"
STAFF: Final = "urn:example:params:scim:schemas:extension:staff:1.0:User"
DEVICE: Final = "urn:example:params:scim:schemas:1.0:Device"
ENTITLEMENT: Final = "urn:example:params:scim:schemas:1.0:Entitlement"
# A relative path counts from where function_app.py is, wherever the process was started.
VARIABLES: Final = {"SCIM_SCHEMAS": "examples/schemas"}

ENDPOINTS: Final = ("/Groups", "/Users", "/Devices", "/Entitlements")

FULL: Final[dict[str, Any]] = {
    "schemas": [DEVICE],
    "externalId": "e-1",
    "serialNumber": "SN-1",
    "displayName": "Front desk",
    "kind": "laptop",
    "assetTag": 17,
    "price": 1199.5,
    "bought": "2026-01-31T10:30:00+01:00",
    "maker": "Contoso",
    "manual": "https://example.com/manual",
    "fingerprint": "q83v",
    "notes": "Lid is loose",
    "unlockCode": "2468",
    "tags": ["Desk", "shared"],
    "firmware": {"version": "2.10", "signed": True},
    "interfaces": [{"name": "eth0", "mac": "00:15:5d:00:00:01", "speed": 1000, "primary": True}, {"name": "wlan0"}],
}
DEVICES: Final[dict[str, dict[str, Any]]] = {
    "full": FULL,
    "next": {
        "serialNumber": "sn-2",
        "displayName": "front office",
        "kind": "phone",
        "active": False,
        "assetTag": 9,
        "price": 80,
        "bought": "2026-01-31T09:30:00.5Z",
        "manual": "https://example.com/Manual",
        "tags": ["shared"],
        "firmware": {"version": "2.9", "signed": False},
        "interfaces": [{"name": "eth0", "speed": 100}, {"name": "eth1", "speed": 1000, "mac": "aa"}],
    },
    "minus": {"serialNumber": "SN-3", "displayName": "Attic", "assetTag": -4, "price": -0.25, "tags": ["spare"]},
    "bare": {"serialNumber": "SN-4"},
}

# Which of the devices a filter keeps.
FILTERS: Final = {
    # string
    'serialNumber eq "SN-1"': "full",
    'serialNumber eq "sn-1"': "",
    'displayName eq "FRONT DESK"': "full",
    'displayName ne "attic"': "full next bare",
    'displayName co "FRONT"': "full next",
    'displayName sw "front o"': "next",
    'displayName ew "desk"': "full",
    'displayName gt "front desk"': "next",
    'displayName ge "front desk"': "full next",
    'displayName lt "front desk"': "minus",
    'displayName le "front desk"': "full minus",
    "displayName pr": "full next minus",
    "not (displayName pr)": "bare",
    "displayName eq null": "bare",
    # boolean
    "active eq true": "full minus bare",
    "active ne true": "next",
    "active eq false": "next",
    "active pr": "full next minus bare",
    # integer
    "assetTag eq 17": "full",
    "assetTag ne 17": "next minus bare",
    "assetTag gt 9": "full",
    "assetTag ge 9": "full next",
    "assetTag lt 9": "minus",
    "assetTag le 9": "next minus",
    "not (assetTag gt 9)": "next minus bare",
    "assetTag pr": "full next minus",
    # decimal
    "price eq 1199.5": "full",
    "price eq 80.0": "next",
    "price ne 80": "full minus bare",
    "price gt 79.99": "full next",
    "price ge 80": "full next",
    "price lt 0": "minus",
    "price le -0.25": "minus",
    "price pr": "full next minus",
    # dateTime, whatever its zone
    'bought eq "2026-01-31T09:30:00Z"': "full",
    'bought ne "2026-01-31T09:30:00Z"': "next minus bare",
    'bought gt "2026-01-31T09:30:00Z"': "next",
    'bought ge "2026-01-31T11:30:00+02:00"': "full next",
    'bought lt "2026-01-31T09:30:00.5Z"': "full",
    'bought le "2026-01-31T09:30:00.5Z"': "full next",
    'bought sw "2026-01"': "full next",
    "bought pr": "full next",
    # reference: letter case counts
    'manual eq "https://example.com/manual"': "full",
    'manual co "Manual"': "next",
    'manual sw "https:"': "full next",
    "manual pr": "full next",
    # binary
    "fingerprint pr": "full",
    "not (fingerprint pr)": "next minus bare",
    # several simple values
    'tags eq "SHARED"': "full next",
    'tags ne "shared"': "full minus",
    'tags co "ar"': "full next minus",
    'tags[value sw "des"]': "full",
    "not (tags pr)": "bare",
    # complex
    'firmware.version eq "2.10"': "full",
    "firmware.signed eq false": "next",
    "firmware pr": "full next",
    'firmware[version sw "2" and signed eq true]': "full",
    # several complex values without `value`
    'interfaces.name eq "ETH0"': "full next",
    "interfaces.speed ge 1000": "full next",
    'interfaces[name eq "eth0" and speed ge 1000]': "full",
    'interfaces[name eq "eth1" or primary eq true]': "full next",
    "interfaces[not (speed pr)]": "full",
    "interfaces pr": "full next",
    # with the URN, in any letter case
    f"{DEVICE}:assetTag eq 17": "full",
    f"{DEVICE.upper()}:FIRMWARE.SIGNED eq true": "full",
    f'{DEVICE}:interfaces[name eq "eth1"]': "next",
    'meta.resourceType eq "Device" and assetTag lt 10': "next minus",
    # what is returned on request can be searched
    'notes co "loose"': "full",
}

NO_FILTERS: Final = [
    'unlockCode eq "2468"',
    "unlockCode pr",
    'fingerprint eq "q83v"',
    "active gt true",
    'assetTag eq "17"',
    "assetTag co 1",
    'price sw "1"',
    'bought gt "yesterday"',
    'interfaces eq "eth0"',
    'firmware eq "2.10"',
    'userName eq "x"',
    f'{STAFF}:desk eq "x"',
    'firmware.colour eq "red"',
]

WRONG: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "no key": ({"displayName": "x"}, "'serialNumber' is required"),
    "an empty key": ({"serialNumber": ""}, "'serialNumber' is required"),
    "an integer as a text": ({"assetTag": "17"}, "'assetTag' must be a whole number"),
    "a number with a fraction": ({"assetTag": 1.5}, "'assetTag' must be a whole number"),
    "a decimal as a text": ({"price": "1"}, "'price' must be a number"),
    "a boolean as a number": ({"active": 1}, "'active' must be true or false"),
    "a day": ({"bought": "2026-01-31"}, "'bought' must be a dateTime"),
    "a binary that isn't one": ({"fingerprint": "§"}, "'fingerprint' must be base64"),
    "a text that isn't one": ({"displayName": {"a": 1}}, "'displayName' must be a string"),
    "a number among texts": ({"tags": ["a", 1]}, "'tags' must be a string"),
    "a text for a complex value": ({"firmware": "2.10"}, "'firmware' must be a JSON object"),
    "an element without what it must have": ({"interfaces": [{"mac": "aa"}]}, "'interfaces.name' is required"),
    "a sub-attribute of another type": ({"interfaces": [{"name": "a", "speed": "1"}]}, "'interfaces.speed' must be"),
}


def emptied(client: PortClient) -> PortClient:
    for endpoint in ENDPOINTS:
        while found := client.get(f"{endpoint}?attributes=id&count=1000").json.get("Resources"):
            for resource in found:
                assert client.delete(f"{endpoint}/{resource['id']}").status == 204
    return client


@pytest.fixture(scope="module", params=["sqlite", "cosmos", "worker"])
def way(request: pytest.FixtureRequest, loop: Loop) -> Iterator[PortClient]:
    if request.param == "worker":
        host = HostClient(loop, {**SETTINGS, **VARIABLES})
        yield host
        host.close()
    elif request.param == "cosmos":
        cosmos = CosmosServer(loop, **VARIABLES)
        yield cosmos.client
        cosmos.stop()
    else:
        server = Server(environment=VARIABLES)
        port = PortClient(server.origin)
        yield port
        port.close()
        server.stop()


@pytest.fixture
def own(way: PortClient) -> PortClient:
    """A service with the examples and nobody in it."""
    return emptied(way)


@pytest.fixture(scope="module")
def devices(way: PortClient) -> PortClient:
    """The same with the devices; for tests that change nothing."""
    emptied(way)
    for body in DEVICES.values():
        assert way.post("/Devices", body).status == 201
    return way


def made(client: Client, endpoint: str, body: Any) -> dict[str, Any]:
    answer = client.post(endpoint, body)
    assert answer.status == 201, answer.body
    created: dict[str, Any] = answer.json
    return created


def found(client: Client, query: str) -> list[str]:
    """The devices of a list, by what they are called here."""
    called = {body["serialNumber"]: name for name, body in DEVICES.items()}
    return [called[resource["serialNumber"]] for resource in resources(client.get(f"/Devices?{query}"))]


# --- searches ---


@pytest.mark.parametrize("text", FILTERS)
def test_filters(devices: Client, text: str) -> None:
    assert found(devices, f"filter={text.replace('+', '%2B')}") == FILTERS[text].split()


@pytest.mark.parametrize("text", NO_FILTERS)
def test_an_unsupported_filter_is_an_error(devices: Client, text: str) -> None:
    is_error(devices.get(f"/Devices?filter={text}"), 400, "invalidFilter")


@pytest.mark.parametrize(
    ("path", "ascending"),
    [
        ("serialNumber", "full minus bare next"),  # letter case counts, and capitals come first
        ("displayName", "minus full next bare"),
        ("active", "next full minus bare"),
        ("assetTag", "minus next full bare"),
        ("price", "minus next full bare"),
        ("bought", "full next minus bare"),
        ("tags", "full next minus bare"),
        ("firmware.version", "full next minus bare"),
        ("meta.created", "full next minus bare"),
        ("id", "full next minus bare"),
        (f"{DEVICE}:assetTag", "minus next full bare"),
        (f"{DEVICE.upper()}:FIRMWARE.VERSION", "full next minus bare"),
    ],
)
def test_sorts(devices: Client, path: str, ascending: str) -> None:
    """Those without a value come last, and first the other way round."""
    assert found(devices, f"sortBy={path}") == ascending.split()
    assert found(devices, f"sortBy={path}&sortOrder=descending") == ascending.split()[::-1]
    assert found(devices, f"sortBy={path}&startIndex=2&count=2") == ascending.split()[1:3]


@pytest.mark.parametrize("path", ["kind", "firmware", "interfaces", "fingerprint", "unlockCode", "userName", "owner"])
def test_unmarked_attributes_are_not_sortable(devices: Client, path: str) -> None:
    answer = devices.get(f"/Devices?sortBy={path}")
    is_error(answer, 400, "invalidPath")
    assert "assetTag, bought, displayName" in answer.json["detail"]


def test_the_endpoint_has_a_search_of_its_own_and_a_part_in_that_of_all(devices: Client) -> None:
    body = {"schemas": [SEARCH], "filter": "assetTag gt 0", "sortBy": "assetTag", "attributes": ["assetTag"]}
    for path in ("/Devices/.search", "/.search"):
        answer = devices.post(path, body)
        assert [device["assetTag"] for device in resources(answer)] == [9, 17]
        assert answer.json["totalResults"] == 2
        assert {frozenset(device) for device in resources(answer)} == {frozenset({"schemas", "id", "assetTag"})}


def test_projections(devices: Client) -> None:
    query = 'filter=serialNumber eq "SN-1"'
    [usual] = resources(devices.get(f"/Devices?{query}"))
    assert usual.keys() == {*FULL.keys() - {"notes", "unlockCode"}, "active", "id", "meta"}
    [asked] = resources(devices.get(f"/Devices?{query}&attributes=notes,firmware.version,{DEVICE}:tags,unlockCode"))
    assert asked == {
        "schemas": [DEVICE],
        "id": usual["id"],
        "notes": "Lid is loose",
        "tags": ["Desk", "shared"],
        "firmware": {"version": "2.10"},
    }
    [less] = resources(devices.get(f"/Devices?{query}&excludedAttributes=interfaces.mac,tags,FIRMWARE"))
    assert less["interfaces"] == [{"name": "eth0", "speed": 1000, "primary": True}, {"name": "wlan0"}]
    assert usual.keys() - less.keys() == {"tags", "firmware"}


# --- one resource ---


def test_a_resource_of_an_own_type_from_its_creation_to_its_end(own: Client) -> None:
    owner = own.user("owner")
    created = own.post("/Devices", {**FULL, "owner": owner["id"], "colour": "red"})
    assert created.status == 201
    body = created.json
    id, meta = body.pop("id"), body.pop("meta")
    location = created.headers["location"]
    assert location.endswith(f"{BASE}/Devices/{id}")
    assert meta.keys() == {"resourceType", "created", "lastModified", "location", "version"}
    assert (meta["resourceType"], meta["location"], meta["version"]) == ("Device", location, created.headers["etag"])
    # What is returned on request is in the answer to a write that names it (RFC 7643 §7).
    kept = {name: value for name, value in FULL.items() if name != "unlockCode"}
    user = {"value": owner["id"], "$ref": owner["meta"]["location"]}
    assert body == {**kept, "active": True, "owner": user}

    got = own.get(f"/Devices/{id}")
    assert got.json == {name: value for name, value in created.json.items() if name != "notes"}
    assert own.get(f"/Devices/{id}?attributes=notes").json["notes"] == "Lid is loose"
    assert own.get(f"/devices/{id}/", headers={"If-None-Match": got.headers["etag"]}).status == 304
    is_error(own.get(f"/Users/{id}"), 404)
    is_error(own.get(f"/Entitlements/{id}"), 404)
    is_error(own.get(f"/Devices/{owner['id']}"), 404)

    assert own.patch(f"/Devices/{id}", {"op": "replace", "path": "active", "value": "False"}).status == 204
    put = own.put(f"/Devices/{id}", {"serialNumber": "SN-1", "tags": "one"})
    assert put.status == 200
    # Switched off it stays, and what can't change stays; everything else that isn't named goes.
    assert {n: v for n, v in put.json.items() if n not in {"id", "meta"}} == {
        "schemas": [DEVICE],
        "serialNumber": "SN-1",
        "active": False,
        "tags": ["one"],
        "maker": "Contoso",
    }
    is_error(own.put(f"/Devices/{id}", {"serialNumber": "SN-1", "maker": "Fabrikam"}), 400, "mutability")
    is_error(own.put(f"/Devices/{id}", {"displayName": "x"}), 400, "invalidValue")

    stale = own.delete(f"/Devices/{id}", headers={"If-Match": got.headers["etag"]})
    is_error(stale, 412)
    assert own.delete(f"/Devices/{id}").status == 204
    for answer in (own.get(f"/Devices/{id}"), own.delete(f"/Devices/{id}"), own.put(f"/Devices/{id}", FULL)):
        is_error(answer, 404)
    assert made(own, "/Devices", FULL)["id"] != id


@pytest.mark.parametrize("case", WRONG)
def test_values_that_the_schema_forbids_are_refused(own: Client, case: str) -> None:
    wrong, detail = WRONG[case]
    base = {} if case == "no key" else {"serialNumber": "SN-9"}
    answer = own.post("/Devices", {**base, **wrong})
    is_error(answer, 400, "invalidValue")
    assert detail in answer.json["detail"]
    assert resources(own.get("/Devices")) == []


def test_the_key_is_unique_as_its_definition_says(own: Client) -> None:
    """`serialNumber` is case exact; an Entitlement has no key, so any two may be alike."""
    first = made(own, "/Devices", {"serialNumber": "SN-1"})
    is_error(own.post("/Devices", {"serialNumber": "SN-1"}), 409, "uniqueness")
    second = made(own, "/Devices", {"serialNumber": "sn-1"})
    change = {"op": "replace", "path": "serialNumber", "value": "SN-1"}
    is_error(own.patch(f"/Devices/{second['id']}", change), 409, "uniqueness")
    is_error(own.put(f"/Devices/{second['id']}", {"serialNumber": "SN-1"}), 409, "uniqueness")
    is_error(own.patch(f"/Devices/{second['id']}", {"op": "remove", "path": "serialNumber"}), 400, "mutability")
    assert own.delete(f"/Devices/{first['id']}").status == 204
    assert own.patch(f"/Devices/{second['id']}", change).status == 204

    alike = [made(own, "/Entitlements", {"displayName": "Editor"}) for _ in range(2)]
    assert alike[0]["id"] != alike[1]["id"]
    assert [e["id"] for e in resources(own.get('/Entitlements?filter=displayName eq "editor"'))] == [
        e["id"] for e in alike
    ]
    assert own.put(f"/Entitlements/{alike[0]['id']}", {"displayName": "Reader", "seats": 3}).status == 200


PATCHES: Final[list[tuple[dict[str, Any], dict[str, Any]]]] = [
    ({"op": "replace", "path": "price", "value": 5}, {"price": 5}),
    ({"op": "add", "path": f"{DEVICE}:displayName", "value": "Lobby"}, {"displayName": "Lobby"}),
    ({"op": "replace", "path": DEVICE, "value": {"assetTag": 18}}, {"assetTag": 18}),
    ({"op": "add", "value": {"firmware": {"version": "3"}}}, {"firmware": {"version": "3", "signed": True}}),
    ({"op": "replace", "path": f"{DEVICE}:firmware.signed", "value": False}, {"firmware": {"version": "2.10", "signed": False}}),
    ({"op": "remove", "path": "firmware.version"}, {"firmware": {"signed": True}}),
    ({"op": "remove", "path": "firmware"}, {"firmware": None}),
    ({"op": "add", "path": "tags", "value": ["desk", "new"]}, {"tags": ["Desk", "shared", "new"]}),
    ({"op": "remove", "path": 'tags[value eq "shared"]'}, {"tags": ["Desk"]}),
    ({"op": "replace", "path": "tags", "value": "only"}, {"tags": ["only"]}),
    ({"op": "remove", "path": f'{DEVICE}:interfaces[name eq "ETH0"]'}, {"interfaces": [{"name": "wlan0"}]}),
    (
        {"op": "replace", "path": 'interfaces[name eq "wlan0"].speed', "value": 54},
        {"interfaces": [FULL["interfaces"][0], {"name": "wlan0", "speed": 54}]},
    ),
    (
        {"op": "add", "path": 'interfaces[name eq "usb0"].speed', "value": 12},
        {"interfaces": [*FULL["interfaces"], {"name": "usb0", "speed": 12}]},
    ),
    (
        {"op": "add", "path": "interfaces", "value": {"name": "wlan0", "primary": True}},
        {"interfaces": [{**FULL["interfaces"][0], "primary": False}, {"name": "wlan0"}, {"name": "wlan0", "primary": True}]},
    ),
    ({"op": "add", "path": "interfaces", "value": [{"name": "wlan0"}]}, {}),
    ({"op": "remove", "path": "bought"}, {"bought": None}),
    ({"op": "replace", "path": "unlockCode", "value": "1"}, {"unlockCode": None}),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "expected"), PATCHES)
def test_patches(own: Client, operation: dict[str, Any], expected: dict[str, Any]) -> None:
    before = own.get(f"/Devices/{made(own, '/Devices', FULL)['id']}").json
    answer = own.patch(f"/Devices/{before['id']}", operation)
    assert answer.status == 204, answer.body
    after = own.get(f"/Devices/{before['id']}").json
    if not expected:
        assert after == before
    wanted = {n: v for n, v in {**before, **expected}.items() if v is not None and n != "meta"}
    assert {n: v for n, v in after.items() if n != "meta"} == wanted


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "replace", "path": "firmware.colour", "value": "red"}, "invalidPath"),
        ({"op": "replace", "path": 'displayName[value eq "1"]', "value": "1"}, "invalidPath"),
        ({"op": "replace", "path": 'firmware[version eq "1"].signed', "value": True}, "noTarget"),
        ({"op": "replace", "path": "maker", "value": "Fabrikam"}, "mutability"),
        ({"op": "remove", "path": 'interfaces[name eq "eth0"].name'}, "mutability"),
        ({"op": "replace", "path": "price", "value": "a lot"}, "invalidValue"),
        ({"op": "remove", "path": 'interfaces[fingerprint eq "x"]'}, "invalidFilter"),
    ],
)
def test_patches_that_can_not_be(own: Client, operation: dict[str, Any], scim_type: str) -> None:
    before = own.get(f"/Devices/{made(own, '/Devices', FULL)['id']}").json
    fine = {"op": "replace", "path": "displayName", "value": "Lobby"}
    is_error(own.patch(f"/Devices/{before['id']}", fine, operation), 400, scim_type)
    assert own.get(f"/Devices/{before['id']}").json == before


@pytest.mark.parametrize("path", ["colour", f"{STAFF}:desk"])
def test_an_attribute_that_the_type_does_not_have_is_skipped_beside_others_and_refused_alone(
    own: Client, path: str
) -> None:
    device = f"/Devices/{made(own, '/Devices', FULL)['id']}"
    unknown = {"op": "replace", "path": path, "value": "1"}
    is_error(own.patch(device, unknown), 400, "invalidPath")
    assert own.patch(device, {"op": "replace", "path": "displayName", "value": "Lobby"}, unknown).status == 204
    assert own.get(device).json["displayName"] == "Lobby"


# --- an extension ---

ANN: Final = {
    "badgeNumber": "B-1",
    "desk": "3.14",
    "level": 3,
    "hired": "2026-01-31T09:30:00Z",
    "dayRate": 400.5,
    "handbook": "https://example.com/handbook",
    "doorCode": "1234",
    "shifts": [{"day": "mon", "hours": 7.5}, {"day": "tue", "hours": 4, "remote": True}],
}


def test_an_extension_is_part_of_the_resource(own: Client) -> None:
    mentor = own.user("mentor")
    ann = own.user("ann", **{STAFF: {**ANN, "mentor": mentor["id"]}, ENTERPRISE: {"department": "Tours"}})
    assert ann["schemas"] == [USER, ENTERPRISE, STAFF]
    shown = {name: value for name, value in ANN.items() if name != "doorCode"}
    assert ann[STAFF] == {**shown, "mentor": {"value": mentor["id"], "$ref": mentor["meta"]["location"]}}
    path = f"/Users/{ann['id']}"
    assert ann[STAFF].keys() - own.get(path).json[STAFF].keys() == {"dayRate"}
    assert own.get(f"{path}?attributes={STAFF}:dayRate,{STAFF}:shifts.day").json == {
        "schemas": [USER, ENTERPRISE, STAFF],
        "id": ann["id"],
        STAFF: {"dayRate": 400.5, "shifts": [{"day": "mon"}, {"day": "tue"}]},
    }
    assert STAFF not in own.get(f"{path}?excludedAttributes={STAFF}").json

    operations = [
        {"op": "replace", "path": f"{STAFF}:level", "value": 4},
        {"op": "add", "path": STAFF, "value": {"desk": "2.71"}},
        {"op": "replace", "path": f'{STAFF}:shifts[day eq "tue"].hours', "value": 5},
        {"op": "remove", "path": f'{STAFF}:shifts[day eq "mon"]'},
        {"op": "remove", "path": "handbook"},
        {"op": "add", "value": {STAFF: {"badgeNumber": "B-2"}, f"{STAFF}:hired": None}},
        {"op": "remove", "path": f"{STAFF}:mentor"},
    ]
    assert own.patch(path, *operations).status == 204
    shifts = [{"day": "tue", "hours": 5, "remote": True}]
    after = {"badgeNumber": "B-2", "desk": "2.71", "level": 4, "shifts": shifts}
    changed = own.get(path).json
    assert changed[STAFF] == after
    assert changed[ENTERPRISE] == {"department": "Tours"}
    is_error(own.patch(path, {"op": "replace", "path": f"{STAFF}:level", "value": "high"}), 400, "invalidValue")

    assert own.patch(path, {"op": "remove", "path": STAFF}).status == 204
    assert own.get(path).json["schemas"] == [USER, ENTERPRISE]
    is_error(own.put(path, {"userName": "ann", STAFF: {"shifts": [{"hours": 1}]}}), 400, "invalidValue")
    put = own.put(path, {"userName": "ann", STAFF: {"desk": "1"}}).json
    assert (put["schemas"], put[STAFF], put.get(ENTERPRISE)) == ([USER, STAFF], {"desk": "1"}, None)


def test_an_extension_is_found_and_sorted_by(own: Client) -> None:
    people: dict[str, dict[str, Any]] = {
        "ann": ANN,
        "ben": {"level": 12, "desk": "Attic", "hired": "2025-12-31T23:59:59Z", "shifts": [{"day": "mon", "remote": True}]},
        "cid": {"level": -1, "dayRate": 12},
        "dan": {},
    }  # fmt: skip
    for name, staff in people.items():
        own.user(name, **{STAFF: staff})
    kept = {
        f"{STAFF}:level gt 2": "ann ben",
        "level le 3": "ann cid",
        f'{STAFF}:badgeNumber eq "b-1"': "ann",
        f"{STAFF} pr": "ann ben cid",
        f'{STAFF}:shifts[day eq "mon" and remote eq true]': "ben",
        f"{STAFF}:shifts.hours lt 5": "ann",
        f"not ({STAFF}:shifts pr)": "cid dan",
        f"{STAFF}:dayRate lt 100 and userName pr": "cid",
        f'{STAFF}:handbook ew "book"': "ann",
        f'{STAFF}:hired lt "2026-01-01T00:00:00Z"': "ben",
    }
    for text, names in kept.items():
        answer = own.get(f"/Users?filter={text}")
        assert [user["userName"] for user in resources(answer)] == names.split(), text
    for text in (f"{STAFF}:doorCode pr", f'{STAFF}:shifts eq "mon"', f'{STAFF}:serialNumber eq "x"'):
        is_error(own.get(f"/Users?filter={text}"), 400, "invalidFilter")

    orders = {
        f"{STAFF}:level": "cid ann ben dan",
        "LEVEL": "cid ann ben dan",
        f"{STAFF.upper()}:desk": "ann ben cid dan",
        "hired": "ben ann cid dan",
    }
    for path, names in orders.items():
        for direction, order in (("ascending", names.split()), ("descending", names.split()[::-1])):
            answer = own.get(f"/Users?sortBy={path}&sortOrder={direction}")
            assert [user["userName"] for user in resources(answer)] == order, (path, direction)
    refused = own.get(f"/Users?sortBy={STAFF}:badgeNumber")
    is_error(refused, 400, "invalidPath")
    assert f"{STAFF}:level" in refused.json["detail"]


def test_a_group_of_own_resources_and_a_search_over_all_types(own: Client) -> None:
    device = made(own, "/Devices", {"serialNumber": "SN-1", "displayName": "Thing"})
    made(own, "/Entitlements", {"displayName": "Thing"})
    user = own.user("ann", displayName="Thing", **{STAFF: {"level": 1}})
    group = own.group("Thing", user["id"], device["id"])
    shown = own.get(f"/Groups/{group['id']}").json["members"]
    assert {member["value"] for member in shown} == {user["id"], device["id"]}

    everything = own.post("/.search", {"schemas": [SEARCH], "filter": 'displayName eq "thing"'})
    resource_types = [resource["meta"]["resourceType"] for resource in resources(everything)]
    assert resource_types == ["Device", "Entitlement", "Group", "User"]
    some = own.post("/.search", {"schemas": [SEARCH], "filter": f"{STAFF}:level eq 1 or serialNumber pr"})
    assert [resource["meta"]["resourceType"] for resource in resources(some)] == ["Device", "User"]
    is_error(own.post("/.search", {"schemas": [SEARCH], "filter": "colour pr"}), 400, "invalidFilter")


# --- what the service says of itself ---


def test_discovery_shows_what_the_files_describe(own: Client) -> None:
    resource_types = {resource_type["id"]: resource_type for resource_type in resources(own.get("/ResourceTypes"))}
    assert {
        id: (resource_type["endpoint"], resource_type["schema"]) for id, resource_type in resource_types.items()
    } == {
        "User": ("/Users", USER),
        "Group": ("/Groups", GROUP),
        "Device": ("/Devices", DEVICE),
        "Entitlement": ("/Entitlements", ENTITLEMENT),
    }
    assert resource_types["User"]["schemaExtensions"] == [
        {"schema": ENTERPRISE, "required": False},
        {"schema": STAFF, "required": False},
    ]
    schemas = {schema["id"]: schema for schema in resources(own.get("/Schemas"))}
    assert list(schemas) == [USER, ENTERPRISE, STAFF, GROUP, DEVICE, ENTITLEMENT]
    for urn, schema in schemas.items():
        assert own.get(f"/Schemas/{urn}").json == schema
    assert own.get("/ResourceTypes/device").json == resource_types["Device"]
    assert "sortable" not in str([resource_types, schemas])
    [tag] = [attribute for attribute in schemas[DEVICE]["attributes"] if attribute["name"] == "assetTag"]
    assert (tag["type"], tag["uniqueness"]) == ("integer", "server")


def test_wrong_methods_and_paths_are_answered_as_elsewhere(own: Client) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        answer = own.request(method, "/Devices", {})
        is_error(answer, 405)
        assert {name.strip() for name in answer.headers["allow"].split(",")} >= {"GET", "POST"}
    is_error(own.request("POST", f"/Devices/{UNKNOWN_ID}", {}), 405)
    is_error(own.get("/Devices/.search"), 405)
    for path in (f"/Devices/{UNKNOWN_ID}", "/Devices/SN-1", "/Devices/..%2FUsers", "/Device", "/Devices/x/y"):
        is_error(own.get(path), 404)
    is_error(own.get("/Devices", token=None), 401)
    assert own.request("HEAD", "/Devices").status == 200


def test_the_log_names_the_route_and_the_type_and_nothing_of_a_client(loop: Loop) -> None:
    server = Server(environment=VARIABLES)
    client = PortClient(server.origin)
    try:
        device = made(client, "/Devices", {"serialNumber": "SN-secret"})
        client.get(f"/DEVICES/{device['id']}")
        client.get('/devices?filter=serialNumber eq "SN-secret"')
        client.get("/Gadgets/SN-secret")
    finally:
        client.close()
        _, log = server.stop()
    assert len(re.findall(r"\bDevice\b", log)) == 3
    assert "/Devices/{id}" in log
    assert "SN-secret" not in log
    assert "DEVICES" not in log


def test_simple_values_may_come_as_objects(own: PortClient) -> None:
    """As Entra sends custom attributes with several values, and `{}` when nothing has changed."""
    device = made(
        own, "/Devices", {"serialNumber": {"value": "SN-9"}, "tags": [{"value": "1"}], "assetTag": [{"value": 5}]}
    )
    at = f"/Devices/{device['id']}"
    assert (device["serialNumber"], device["tags"], device["assetTag"]) == ("SN-9", ["1"], 5)
    path = f"{DEVICE}:tags"
    for operation, tags in (
        ({"op": "Add", "path": path, "value": [{"value": "2"}, {"$ref": None, "value": "3"}]}, ["1", "2", "3"]),
        ({"op": "Add", "path": path, "value": {}}, ["1", "2", "3"]),
        ({"op": "Add", "path": path, "value": [{}]}, ["1", "2", "3"]),
        ({"op": "Remove", "path": path, "value": [{"value": "2"}]}, ["1", "3"]),
        ({"op": "Remove", "path": path, "value": {}}, ["1", "3"]),
        ({"op": "Replace", "path": path, "value": [{"value": "4"}, {"value": "4"}]}, ["4"]),
        ({"op": "Replace", "value": {"tags": {"value": "5"}}}, ["5"]),
        ({"op": "Replace", "path": "price", "value": {"value": 1.5}}, ["5"]),
    ):
        assert own.patch(at, operation).status == 204
        assert own.get(at).json["tags"] == tags
    put = own.put(at, {"serialNumber": [{"value": "SN-9"}], "tags": [{"value": "6"}], "maker": {"$ref": None}})
    assert (put.status, put.json["tags"], "maker" in put.json) == (200, ["6"], False)
