"""Whole requests on a type with every `returned` and every type of value, on both stores."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from scim.app import App, build
from scim.settings import from_environment
from tests.conftest import TOKEN, Answer, Client, CosmosAccount, HandlerClient, Loop
from tests.http.checks import is_error, resources
from tests.unit.tables import GADGETS, LOCK, read

PLAIN: Final = "S3cret"
UNSEEN: Final[dict[str, Any]] = {
    "secret": PLAIN,
    "vault": {"place": PLAIN, "door": PLAIN},
    LOCK: {"model": "x", "pin": PLAIN, "trace": "t"},
}
FULL: Final[dict[str, Any]] = {
    "serial": "G-1",
    "label": "L",
    "note": "N",
    "maker": {"name": "n", "mark": "M", "hint": "H", "code": PLAIN},
    "sites": [{"street": "s", "type": "work", "key": PLAIN}],
    **UNSEEN,
}


class Service(HandlerClient):
    """A client of a service that has gadgets."""

    def __init__(self, app: App, loop: Loop) -> None:
        super().__init__(app.handler, loop)
        self._store = app.store

    def stored(self, id: str) -> dict[str, Any]:
        assert self._store is not None
        found = self._loop.run(self._store.read("default", "Gadget", id))
        assert found is not None
        return found.resource

    def gadget(self, **attributes: Any) -> dict[str, Any]:
        answer = self.post("/Gizmo", {"serial": "G-1", **attributes})
        assert answer.status == 201, answer.body
        created: dict[str, Any] = answer.json
        return created


@pytest.fixture(params=["sqlite", "cosmos"])
def service(request: pytest.FixtureRequest, loop: Loop, tmp_path: Path) -> Iterator[Service]:
    account = CosmosAccount(loop) if request.param == "cosmos" else None
    # A short path: the segments of longer ones are looked for in the log as if they were somebody's values.
    resource_type = {**GADGETS, "endpoint": "/Gizmo"}
    (tmp_path / "gadgets.json").write_text(json.dumps([read("gadget"), read("lock"), resource_type]))
    environment = {"SCIM_DEV_TOKEN": TOKEN, "SCIM_SCHEMAS": str(tmp_path)}
    if account is not None:
        environment |= {"SCIM_STORE": "cosmos", **account.environment}
    app = build(from_environment(environment))
    yield Service(app, loop)
    loop.run(app.close())
    if account is not None:
        account.stop()


def shown(answer: Answer) -> dict[str, Any]:
    """The resource of an answer without what every resource has."""
    assert answer.status in {200, 201}, answer.body
    assert PLAIN not in answer.body.decode() + str(answer.headers)
    return {name: value for name, value in answer.json.items() if name not in {"schemas", "id", "meta"}}


DEFAULT: Final = {
    "serial": "G-1",
    "label": "L",
    "maker": {"name": "n", "mark": "M"},
    "sites": [{"street": "s", "type": "work"}],
    LOCK: {"model": "x"},
}
SENT: Final = {
    **DEFAULT,
    "note": "N",
    "maker": {"name": "n", "mark": "M", "hint": "H"},
    LOCK: {"model": "x", "trace": "t"},
}


def test_never_returned_attributes_are_in_no_response(service: Service) -> None:
    created = service.post("/Gizmo", FULL)
    assert shown(created) == SENT
    id = created.json["id"]
    path = f"/Gizmo/{id}"
    stored = service.stored(id)
    assert {name: stored[name] for name in FULL} == FULL  # the team reads it there
    assert shown(service.put(path, FULL)) == SENT
    assert shown(service.get(path)) == DEFAULT
    everything = ",".join([*FULL, "maker.code", "sites.key", "vault.place", f"{LOCK}:pin", "pin"])
    assert shown(service.get(f"{path}?attributes={everything}")) == {
        **SENT,
        "maker": DEFAULT["maker"],
        LOCK: {"model": "x"},
    }
    assert shown(service.get(f"{path}?attributes=note,maker.hint")) == {
        "label": "L",
        "note": "N",
        "maker": {"mark": "M", "hint": "H"},
    }
    assert shown(service.get(f"{path}?excludedAttributes=label,maker,sites")) == {
        "serial": "G-1",
        "label": "L",
        "maker": {"mark": "M"},
        LOCK: {"model": "x"},
    }
    operations = [
        {"op": "replace", "path": "secret", "value": f"{PLAIN}-2"},
        {"op": "replace", "path": "maker.code", "value": f"{PLAIN}-2"},
        {"op": "replace", "path": "note", "value": "N2"},
    ]
    assert service.patch(path, *operations).status == 204
    assert shown(service.patch(f"{path}?excludedAttributes=label", *operations)) == {**DEFAULT, "note": "N2"}
    assert shown(service.patch(f"{path}?attributes=secret,note", *operations)) == {
        "label": "L",
        "note": "N2",
        "maker": {"mark": "M"},
    }
    assert service.stored(id)["maker"]["code"] == f"{PLAIN}-2"
    for answer in (
        service.get("/Gizmo"),
        service.get(f"/Gizmo?attributes={everything}"),
        service.post("/Gizmo/.search", {"attributes": ["secret", "vault", "pin"], "filter": 'note eq "n2"'}),
        service.post("/.search", {"attributes": ["secret"], "filter": "serial pr"}),
    ):
        assert len(resources(answer)) == 1
        assert PLAIN not in answer.body.decode()


@pytest.mark.parametrize(
    "path",
    ["secret", "vault", "vault.place", "maker.code", "sites.key", f"{LOCK}:pin", "pin", "maker[code", "sites[key"],
)
def test_never_returned_attributes_can_not_be_searched_or_sorted(service: Service, path: str) -> None:
    service.gadget(**UNSEEN)
    for rest in (f'eq "{PLAIN}"', "pr", 'sw "S"', "ne null"):
        close = "]" if "[" in path else ""
        for answer in (
            service.get(f"/Gizmo?filter={path} {rest}{close}"),
            service.get(f"/Gizmo?filter=not ({path} {rest}{close})"),
            service.post("/Gizmo/.search", {"filter": f"serial pr or {path} {rest}{close}"}),
        ):
            is_error(answer, 400, "invalidFilter")
            assert PLAIN not in answer.body.decode()
    if "[" not in path:
        is_error(service.get(f"/Gizmo?sortBy={path}"), 400, "invalidPath")


def test_put_keeps_never_returned_attributes_and_null_clears_them(service: Service) -> None:
    created = service.gadget(**{name: value for name, value in FULL.items() if name != "serial"})
    path = f"/Gizmo/{created['id']}"
    read_back = {"serial": "G-1", **shown(service.get(path))}
    assert service.put(path, read_back).status == 200
    stored = service.stored(created["id"])
    assert (stored["secret"], stored["vault"], stored["maker"]["code"]) == (PLAIN, UNSEEN["vault"], PLAIN)
    assert stored[LOCK] == {"model": "x", "pin": PLAIN}
    assert "note" not in stored  # which the client could have asked for
    assert stored["sites"] == [{"street": "s", "type": "work"}]  # one of several: nobody knows which is which
    cleared = {**read_back, "secret": None, "vault": None, "maker": {"name": "n", "code": None}, LOCK: {"pin": ""}}
    assert service.put(path, cleared).status == 200
    stored = service.stored(created["id"])
    assert not {"secret", "vault", LOCK} & stored.keys()
    assert stored["maker"] == {"name": "n"}
    assert LOCK not in stored["schemas"]


def test_an_error_does_not_show_what_is_never_returned(service: Service) -> None:
    path = f"/Gizmo/{service.gadget(secret=PLAIN)['id']}"
    for value in (5, [PLAIN], {"value": [PLAIN]}, f"{PLAIN}\0"):
        for answer in (
            service.post("/Gizmo", {"serial": "G-2", "secret": value}),
            service.put(path, {"serial": "G-1", "secret": value}),
            service.patch(path, {"op": "replace", "path": "secret", "value": value}),
        ):
            is_error(answer, 400, "invalidValue")
            assert PLAIN not in answer.body.decode()


VALUES: Final[tuple[tuple[str, Any], ...]] = (
    ("count", 9007199254740991),
    ("count", -9007199254740991),
    ("weight", 1.5),
    ("weight", 1e300),
    ("weight", 5e-324),
    ("seen", "2026-01-31t09:30:00.12345+05:30"),
    ("seen", "2026-01-31T09:30:00"),
    ("print", "QQ"),
    ("prints", ["QUJD", "qUJD"]),
    ("home", "../Users/1?a=b#c"),
    ("home", "urn:example:A"),
    ("sites", [{"street": "a", "open": False, "floor": 0}, {"street": "b", "primary": True}]),
    ("readings", [{"value": 0.1}, {"value": 2, "type": "t"}]),
)


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_value_comes_back_as_it_was_sent(service: Service, name: str, value: Any) -> None:
    created = service.gadget(**{name: value})
    path = f"/Gizmo/{created['id']}"
    assert created[name] == service.get(path).json[name] == value
    before = service.get(path).headers["etag"]
    assert service.patch(path, {"op": "replace", "path": name, "value": value}).status == 204
    assert service.put(path, {"serial": "G-1", name: value}).json[name] == value
    assert service.get(path).headers["etag"] == before
    assert service.patch(path, {"op": "remove", "path": name}).status == 204
    assert name not in service.get(path).json


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("count", "9007199254740992"),
        ("count", "-9007199254740992"),
        ("count", "18446744073709551616"),
        ("count", "1.0"),
        ("count", "1e2"),
        ("weight", '"1"'),
        ("weight", "true"),
        ("seen", '"2016-12-31T23:59:60Z"'),
        ("seen", '"2026-01-31"'),
        ("print", '"-_-_"'),
        ("print", '"QQ=Q"'),
        ("prints", '["QUJD", "Q"]'),
        ("home", "5"),
        ("sites", '["a"]'),
        ("sites", '[{"open": "perhaps"}]'),
    ],
)
def test_a_value_that_does_not_fit_is_an_invalid_value(service: Service, name: str, text: str) -> None:
    path = f"/Gizmo/{service.gadget()['id']}"
    body = f'{{"serial": "G-2", "{name}": {text}}}'.encode()
    operation = f'{{"Operations": [{{"op": "add", "path": "{name}", "value": {text}}}]}}'.encode()
    is_error(service.post("/Gizmo", body), 400, "invalidValue")
    is_error(service.put(path, body), 400, "invalidValue")
    is_error(service.request("PATCH", path, operation), 400, "invalidValue")


@pytest.mark.parametrize("text", ['"\\ud800"', '"a\\udfffb"', '"\\udc00\\ud800"'])
def test_a_lone_surrogate_is_an_invalid_value(client: Client, text: str) -> None:
    is_error(client.post("/Users", f'{{"userName": {text}}}'.encode()), 400, "invalidSyntax")
    is_error(client.get(f"/Users?filter=userName eq {text}"), 400, "invalidFilter")


def test_a_certificate_is_changed_by_its_type_and_by_primary(client: Client) -> None:
    certificates = [{"value": "QUJD", "type": "signing"}, {"value": "REVG", "type": "encryption", "primary": True}]
    user = client.user("u", x509Certificates=certificates)
    path = f"/Users/{user['id']}"
    client.patch(
        path,
        {"op": "replace", "path": 'x509Certificates[type eq "signing"].value', "value": "R0hJ"},
        {"op": "remove", "path": "x509Certificates[primary eq true]"},
        {"op": "add", "path": "x509Certificates", "value": [{"value": "SktM", "display": "new", "primary": True}]},
    )
    expected = [{"value": "R0hJ", "type": "signing"}, {"value": "SktM", "display": "new", "primary": True}]
    assert client.get(path).json["x509Certificates"] == expected
    assert len(resources(client.get('/Users?filter=x509Certificates[display eq "NEW" and primary eq true]'))) == 1
    is_error(client.get('/Users?filter=x509Certificates.value gt "a"'), 400, "invalidFilter")
    is_error(client.put(path, {"userName": "u", "x509Certificates": [{"value": "-----BEGIN"}]}), 400, "invalidValue")
