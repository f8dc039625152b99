"""On Azure: a service without customers says so to everybody, and one whose database is down blames no token."""

import logging
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from scim.app import App, build
from scim.settings import from_environment
from scim.storage.errors import StoreUnavailable
from tests.conftest import Answer, HandlerClient, Loop
from tests.cosmos_emulator import Answer as CosmosAnswer, CutBefore, Emulator, Fault
from tests.cosmos_emulator.faults import Effect
from tests.http.checks import UNKNOWN_ID, is_error
from tests.security.issuer import CONTOSO, Issuer
from tests.security.places import Place, Time, Watched, on_cosmos, on_file

AZURE = {
    "WEBSITE_INSTANCE_ID": "1",
    "WEBSITE_SITE_NAME": "scim",
    "SCIM_STORE": "cosmos",
    "COSMOS_ENDPOINT": "https://contoso.documents.azure.com:443/",
}
_BODY = f"scimaf_{UNKNOWN_ID.replace('-', '')}_{'a' * 84}"
UNKNOWN_TOKEN = f"{_BODY}{crc32(_BODY.encode()):08x}"
"""Well formed, and nobody's."""
REQUESTS = [
    ("GET", "/Users"),
    ("POST", "/Users"),
    ("PATCH", f"/Groups/{UNKNOWN_ID}"),
    ("DELETE", f"/Users/{UNKNOWN_ID}"),
    ("POST", "/.search"),
    ("GET", "/ServiceProviderConfig"),
    ("GET", "/nowhere"),
]


@pytest.fixture(params=["file", "cosmos"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store. The settings name an account in Azure; the test puts this in its place."""
    return on_file(tmp_path) if request.param == "file" else on_cosmos(*request.getfixturevalue("cosmos"))


class Instance:
    """An instance on Azure, in the test's own time."""

    def __init__(self, loop: Loop, place: Place, time: Time) -> None:
        built: tuple[App, Watched] = loop.run(self._build(place, time))
        self.app, self.store = built
        self._client = HandlerClient(self.app.handler, loop)

    @staticmethod
    async def _build(place: Place, time: Time) -> tuple[App, Watched]:
        settings = from_environment(AZURE)
        assert settings.on_azure
        watched = Watched(place.open(time))
        return build(settings, time.collaborators, store=watched.store), watched

    def get(self, token: str | None, path: str = "/Users") -> Answer:
        return self._client.get(path, token=token)

    def request(self, method: str, path: str, token: str | None) -> Answer:
        return self._client.request(method, path, {"userName": "u"}, token=token)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def instance(loop: Loop, place: Place, time: Time) -> Iterator[Instance]:
    running = Instance(loop, place, time)
    yield running
    loop.run(running.app.close())


def wrong_tokens() -> list[str | None]:
    """No token, and all kinds of those that let nobody in."""
    entra = Issuer().token(CONTOSO)
    return [None, "", "wrong", "a.b.c", UNKNOWN_TOKEN, entra, Issuer().token(CONTOSO, "2.0"), "x" * 20_000]


def criticals(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.CRITICAL]
    caplog.clear()
    return found


# --- without customers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token", wrong_tokens(), ids=["none", "empty", "wrong", "jwt-like", "secret", "v1", "v2", "long"]
)
def test_without_a_customer_every_request_is_answered_503(instance: Instance, token: str | None) -> None:
    for method, path in REQUESTS:
        answer = instance.request(method, path, token)
        is_error(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        assert "www-authenticate" not in answer.headers
        assert "scim customer create" in answer.json["detail"]
    assert instance.get(token, "~/healthz").status == 200


def test_the_log_says_what_is_missing_once_in_ten_seconds(
    instance: Instance, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """Not once for every request: nobody can stop strangers from sending them."""
    for _ in range(3):
        for token in wrong_tokens():
            for _ in range(3):
                assert instance.get(token).status == 503
        [line] = criticals(caplog)
        assert "scim customer create" in line
        time.pass_by(seconds=9.9)
        assert instance.get(None).status == 503
        assert criticals(caplog) == []
        time.pass_by(seconds=0.1)
    assert instance.get(None, "~/healthz").status == 200
    assert criticals(caplog) == []


def test_a_new_customer_is_served_within_ten_seconds(
    instance: Instance, place: Place, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    for token in wrong_tokens():
        assert instance.get(token).status == 503
    place.scim("customer", "create", "contoso")
    secret = place.token("contoso")
    caplog.clear()
    time.pass_by(seconds=10)
    assert instance.get(secret).status == 200
    for token in wrong_tokens():
        answer = instance.get(token)
        is_error(answer, 401)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="scim"')
    is_error(instance.get(None, "/nowhere"), 401)
    assert instance.get(secret, "/nowhere").status == 404
    assert criticals(caplog) == []


def test_its_token_works_at_once_and_first_of_all(instance: Instance, place: Place) -> None:
    place.scim("customer", "create", "contoso")
    assert instance.get(place.token("contoso")).status == 200
    is_error(instance.get(None), 401)


def test_after_the_first_customer_a_wrong_token_costs_no_search(instance: Instance, place: Place, time: Time) -> None:
    """Strangers must not make the database look through its records."""
    place.scim("customer", "create", "contoso")
    is_error(instance.get(None), 401)
    assert instance.store.calls["search"] == 1
    for _ in range(20):
        time.pass_by(minutes=1)
        for token in (None, "wrong"):
            is_error(instance.get(token), 401)
    assert instance.store.calls["search"] == 1


def test_a_service_without_customers_outside_azure_answers_401(loop: Loop, place: Place, time: Time) -> None:
    """There a development token may be all that is wanted."""
    app, _ = loop.run(place.service(time))
    client = HandlerClient(app.handler, loop)
    for token in wrong_tokens():
        is_error(client.get("/Users", token=token), 401)
    loop.run(app.close())


# --- when the database is down ----------------------------------------------------------------------------------


def down(instance: Instance) -> None:
    """From now on the store answers nothing, until `before` is cleared."""

    async def fail() -> None:
        for name in ("read", "search"):
            instance.store.before[name] = fail
        raise StoreUnavailable("planted reason")

    for name in ("read", "search"):
        instance.store.before[name] = fail


def is_unavailable(answer: Answer) -> None:
    is_error(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert "www-authenticate" not in answer.headers
    assert b"planted" not in answer.body
    assert b"customer create" not in answer.body


def test_no_token_is_401_while_the_database_is_down(
    instance: Instance, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that is told 401 gives up or asks its operator for another token; 503 it sends again."""
    place.scim("customer", "create", "contoso")
    secret = place.token("contoso")
    down(instance)
    for token in (secret, *wrong_tokens()):
        is_unavailable(instance.get(token))
    assert instance.get(secret, "~/healthz").status == 200
    assert "planted reason" in caplog.text  # the operator learns why
    assert criticals(caplog) == []
    instance.store.before.clear()
    assert instance.get(secret).status == 200
    is_error(instance.get("wrong"), 401)


def test_an_instance_with_a_cached_token_answers_503_during_the_outage(
    instance: Instance, place: Place, time: Time
) -> None:
    place.scim("customer", "create", "contoso")
    secret = place.token("contoso")
    assert instance.get(secret).status == 200
    is_error(instance.get(None), 401)
    down(instance)
    time.pass_by(minutes=1)
    for _ in range(10):
        is_unavailable(instance.get(secret))
        is_error(instance.get(UNKNOWN_TOKEN), 401)  # its MAC is wrong, which needs no database
        time.pass_by(seconds=13)
    instance.store.before.clear()
    assert instance.get(secret).status == 200


@pytest.mark.parametrize("effect", [CutBefore(), CosmosAnswer(401)], ids=["cut", "401"])
def test_an_unreachable_cosmos_db_is_logged(
    loop: Loop, cosmos: tuple[Emulator, str], time: Time, effect: Effect
) -> None:
    """A refused identity is as little the client's fault as a broken connection."""
    place = on_cosmos(*cosmos)
    place.scim("customer", "create", "contoso")
    secret = place.token("contoso")
    running = Instance(loop, place, time)
    emulator, _ = cosmos
    fault = Fault(lambda call: call.item != "" or call.operation == "query", effect, times=None)
    emulator.faults.append(fault)
    for token in (secret, UNKNOWN_TOKEN, None):
        is_unavailable(running.get(token))
    emulator.faults.remove(fault)
    assert running.get(secret).status == 200
    loop.run(running.app.close())
