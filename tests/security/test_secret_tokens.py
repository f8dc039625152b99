"""Secret tokens, on both stores: what they are made of, whom they let in and until when, and what is known of their use."""

import asyncio
import logging
import re
from base64 import b32decode
from collections.abc import Iterator
from datetime import timedelta
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from secrets import token_bytes
from zlib import crc32

import pytest

from scim.app import App, utc_now
from scim.edge.http import Request
from scim.ids import uuid7
from scim.security import secret_tokens
from scim.security.customers.repository import Customers
from scim.storage.errors import StoreUnavailable
from tests.conftest import TOKEN, Answer, HandlerClient, Loop, PortClient, Server
from tests.http.checks import SEARCH, UNKNOWN_ID, is_error
from tests.security.places import Place, Time, Watched, on_cosmos, on_file

FORM = re.compile(r"scimaf_([0-9a-f]{32})_([a-z2-7]{52})([0-9a-f]{32})([0-9a-f]{8})", re.ASCII)


@pytest.fixture(params=["file", "cosmos"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A store with two customers."""
    place = on_file(tmp_path) if request.param == "file" else on_cosmos(*request.getfixturevalue("cosmos"))
    place.scim("customer", "create", "contoso")
    place.scim("customer", "create", "fabrikam")
    return place


class Instance:
    """An instance of the service, in the test's own time."""

    def __init__(self, loop: Loop, place: Place, time: Time) -> None:
        built: tuple[App, Watched] = loop.run(place.service(time))
        self.app, self.store = built
        self._client = HandlerClient(self.app.handler, loop)

    def send(self, token: str, method: str = "GET", path: str = "/Users", body: object = None) -> Answer:
        return self._client.request(method, path, body, token=token)

    def status(self, token: str) -> int:
        return self.send(token).status


class Instances:
    """As many as a test wants, on one store and in one time."""

    def __init__(self, loop: Loop, place: Place) -> None:
        self.time = Time()
        self._loop, self._place = loop, place
        self._running: list[Instance] = []

    def start(self) -> Instance:
        self._running.append(Instance(self._loop, self._place, self.time))
        return self._running[-1]

    def token(self, *, days: int) -> str:
        """A token of contoso that is made now, in the test's time, and lasts exactly so long."""

        async def made() -> str:
            async with self._place.opened() as store:
                customers = Customers(store, utc_now)
                key = await customers.require_mac_key()
                text, record = secret_tokens.create(
                    uuid7(utc_now)(), "contoso", key=key, access="write", note="", now=self.time.now, days=days
                )
                await customers.add_token(record)
                return text

        return self._loop.run(made())

    def close(self) -> None:
        for one in self._running:
            self._loop.run(one.app.close())


@pytest.fixture
def instances(loop: Loop, place: Place) -> Iterator[Instances]:
    made = Instances(loop, place)
    yield made
    made.close()


def id_of(token: str) -> str:
    form = FORM.fullmatch(token)
    assert form is not None, len(token)
    digits = form[1]
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def with_checksum(body: str) -> str:
    return f"{body}{crc32(body.encode()):08x}"


def hides(text: str, *tokens: str) -> None:
    """Neither a token nor its secret part is in the text."""
    for token in tokens:
        assert token not in text
        assert token.split("_")[2][:16] not in text


# --- what a token is made of ------------------------------------------------------------------------------------


def test_a_token_is_a_prefix_an_id_256_bits_a_mac_and_a_checksum() -> None:
    new_id, bits, key = uuid7(utc_now), set[int](), token_bytes(32)
    for number in range(200):
        text, record = secret_tokens.create(
            new_id(), "contoso", key=key, access="write", note="", now=utc_now(), days=1
        )
        form = FORM.fullmatch(text)
        assert form is not None
        assert form[3] == blake2b(text[:92].encode(), key=key, digest_size=16).hexdigest()
        assert id_of(text) == record.id
        assert text == with_checksum(text[:-8])
        secret = b32decode(form[2].upper() + "====")
        assert len(secret) == 32
        bits.add(int.from_bytes(secret))
        assert len(bits) == number + 1
    every = (1 << 256) - 1
    seen_set, seen_clear = 0, 0
    for one in bits:
        seen_set, seen_clear = seen_set | one, seen_clear | (every & ~one)
    assert (seen_set, seen_clear) == (every, every), "a bit never changes"


def test_create_prints_the_two_values_that_an_identity_provider_asks_for(place: Place) -> None:
    ended = place.run("token", "create", "contoso", "--days", "10")
    assert ended.exit_code == 0, ended.output
    where, last = ended.stdout.splitlines()
    assert where.startswith("Tenant URL:   ")
    assert ("scim serve" if place.folder else "azd env get-value TENANT_URL") in where
    token = last.removeprefix("Secret Token: ")
    assert FORM.fullmatch(token)
    until = utc_now() + timedelta(days=10)
    assert id_of(token) in ended.stderr
    assert "contoso" in ended.stderr
    assert f"{until:%Y-%m-%d}" in ended.stderr
    hides(ended.stderr, token)


def test_only_a_digest_is_kept(place: Place, instances: Instances) -> None:
    """Nowhere in the file's bytes or in the database's items is a token or its secret, also after it was used."""
    tokens = [place.token("contoso"), place.token("fabrikam", "--read-only")]
    instance = instances.start()
    for token in tokens:
        assert instance.status(token) == 200
    kept = place.raw()
    for token in tokens:
        form = FORM.fullmatch(token)
        assert form is not None
        secret = form[2]
        assert id_of(token).encode() in kept
        for trace in (token, secret, secret.upper(), f"{secret}{form[3]}", secret[:16], secret[-16:]):
            assert trace.encode() not in kept
        assert b32decode(secret.upper() + "====") not in kept
        assert b32decode(secret.upper() + "====").hex().encode() not in kept


# --- scim token list, revoke ------------------------------------------------------------------------------------


def test_list_shows_all_but_the_secret(place: Place, instances: Instances) -> None:
    first = place.token("contoso", "--note", "Okta in production", "--days", "40")
    second = place.token("fabrikam", "--read-only")
    assert instances.start().status(first) == 200
    listed = place.scim("token", "list")
    hides(listed, first, second)
    head, one, other = listed.splitlines()
    assert head.split()[:4] == ["ID", "ACCESS", "CREATED", "EXPIRES"]
    today, now = instances.time.now, utc_now()
    assert one.split()[:3] == [id_of(first), "write", one.split()[2]]
    for word in ("contoso", "Okta in production", f"{today:%Y-%m-%d %H:%M}"):
        assert word in one
    created, expires = one.split()[2:4]
    assert created in {f"{today:%Y-%m-%d}", f"{now:%Y-%m-%d}"}
    assert expires in {f"{day + timedelta(days=40):%Y-%m-%d}" for day in (today, now)}
    assert other.split()[:2] == [id_of(second), "read"]
    assert other.split()[4:] == ["never", "fabrikam"]
    assert [line.split()[0] for line in place.scim("token", "list", "fabrikam").splitlines()] == ["ID", id_of(second)]
    place.scim("customer", "create", "acme")
    ended = place.run("token", "list", "acme")
    assert (ended.exit_code, ended.stdout) == (0, "")
    assert "scim token create acme" in ended.stderr


def test_a_note_is_one_line(place: Place) -> None:
    for note in ("two\nlines", "a bell\a", "\x1b[2J"):
        assert "one line" in place.refused("token", "create", "contoso", "--note", note)
    place.token("contoso", "--note", "für Okta")
    assert place.scim("token", "list").endswith("  für Okta\n")


@pytest.mark.parametrize("days", ["0", "-1", "1096", "1.5", "year"])
def test_a_token_lasts_between_a_day_and_three_years(place: Place, days: str) -> None:
    assert "--days" in place.refused("token", "create", "contoso", "--days", days)


def test_an_id_that_no_token_has_can_not_be_revoked(place: Place) -> None:
    """Who pastes the token itself doesn't see it again."""
    token = place.token("contoso")
    assert "scim token list" in place.refused("token", "revoke", UNKNOWN_ID)
    hides(place.refused("token", "revoke", token), token)
    assert id_of(token) in place.scim("token", "list")


def test_a_revoked_token_is_not_listed(place: Place) -> None:
    first, second = place.token("contoso"), place.token("contoso")
    assert "minute" in place.scim("token", "revoke", "--yes", id_of(first).upper())
    assert [line.split()[0] for line in place.scim("token", "list").splitlines()[1:]] == [id_of(second)]
    assert "no secret token" in place.refused("token", "revoke", id_of(first))


# --- whom a token lets in ---------------------------------------------------------------------------------------


def test_only_the_token_selects_the_customer(place: Place, instances: Instances) -> None:
    contoso, fabrikam = place.token("contoso"), place.token("fabrikam")
    instance = instances.start()
    created = instance.send(contoso, "POST", body={"userName": "bjensen"})
    assert created.status == 201
    assert instance.send(contoso).json["totalResults"] == 1
    assert instance.send(fabrikam).json["totalResults"] == 0
    assert instance.send(fabrikam, path=f"/Users/{created.json['id']}").status == 404


def test_read_access_can_not_change_resources(place: Place, instances: Instances) -> None:
    write, read = place.token("contoso"), place.token("contoso", "--read-only")
    instance = instances.start()
    user = instance.send(write, "POST", body={"userName": "bjensen"}).json["id"]
    for path in ("/Users", f"/Users/{user}", "/Groups", "/ServiceProviderConfig", "/ResourceTypes", "/Schemas"):
        assert instance.send(read, path=path).status == 200
    assert instance.send(read, "POST", "/.search", {"schemas": [SEARCH]}).json["totalResults"] == 1
    assert instance.send(read, "POST", "/Users/.search", {"schemas": [SEARCH]}).status == 200
    before = instance.send(write, path=f"/Users/{user}").body
    replace = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "remove"}]}
    for method, path, body in (
        ("POST", "/Users", {"userName": "leaver"}),
        ("POST", "/Groups", {"displayName": "Guides"}),
        ("PUT", f"/Users/{user}", {"userName": "other"}),
        ("PATCH", f"/Users/{user}", replace),
        ("PATCH", f"/Users/{UNKNOWN_ID}", replace),
        ("DELETE", f"/Users/{user}", None),
        ("POST", "/Bulk", {"Operations": [{"method": "DELETE", "path": f"/Users/{user}"}]}),
    ):
        answer = instance.send(read, method, path, body)
        is_error(answer, 403)
        assert answer.headers["www-authenticate"] == 'Bearer realm="scim", error="insufficient_scope"'
    assert instance.send(write, path=f"/Users/{user}").body == before
    assert instance.send(write).json["totalResults"] == 1


def wrong_tokens(token: str, other: str) -> dict[str, str]:
    """What is like a token, and isn't one."""
    body, secret = token[:-8], token.split("_")[2]
    flipped = body[:-1] + ("a" if body[-1] != "a" else "b")
    return {
        "one letter is another": flipped + token[-8:],
        "another secret of the same form": with_checksum(flipped),
        "another token's secret": with_checksum(f"{body.rpartition('_')[0]}_{other.split('_')[2][:84]}"),
        "cut off": token[:-1],
        "too long": token + "0",
        "the secret alone": secret,
        "the secret with a prefix": f"scimaf_{secret}",
        "upper case": token.upper(),
        "an id that nobody has": with_checksum(f"scimaf_{UNKNOWN_ID.replace('-', '')}_{secret[:84]}"),
        "the prefix alone": "scimaf_",
        "digits of another script": f"{token[:7]}\N{ARABIC-INDIC DIGIT ZERO}{token[8:]}",
    }


def test_a_text_similar_to_a_token_is_refused(place: Place, instances: Instances) -> None:
    token, other = place.token("contoso"), place.token("fabrikam")
    instance = instances.start()
    for name, wrong in wrong_tokens(token, other).items():
        answer = instance.send(wrong)
        assert answer.status == 401, name
        is_error(answer, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="scim", error="invalid_token"'
        hides(answer.body.decode(), token, other)
    assert instance.status(token) == 200


def test_a_mistyped_token_is_refused_without_a_database_read(place: Place, instances: Instances) -> None:
    token, other = place.token("contoso"), place.token("fabrikam")
    instance = instances.start()
    for name in ("one letter is another", "cut off", "too long", "the prefix alone"):
        assert b"Copy it again" in instance.send(wrong_tokens(token, other)[name]).body
    assert not instance.store.calls


def test_a_known_id_with_a_wrong_secret_gets_the_same_response_as_an_unknown_id(
    place: Place, instances: Instances
) -> None:
    """Who guesses learns nothing of which ids there are."""
    token, other = place.token("contoso"), place.token("fabrikam")
    instance, wrong = instances.start(), wrong_tokens(token, other)
    unknown = instance.send(wrong["an id that nobody has"])
    for name in ("another secret of the same form", "another token's secret"):
        assert instance.send(wrong[name]).body == unknown.body


# --- until when -------------------------------------------------------------------------------------------------


def test_a_token_is_accepted_until_it_expires(
    place: Place, instances: Instances, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if the instance has checked it a moment ago; and the log says which one is still in use."""
    token = instances.token(days=1)
    instance = instances.start()
    instances.time.pass_by(days=1, seconds=-10)
    assert instance.status(token) == 200
    instances.time.pass_by(seconds=5)
    assert instance.status(token) == 200
    caplog.clear()
    instances.time.pass_by(seconds=5)
    answer = instance.send(token)
    is_error(answer, 401)
    assert "invalid_token" in answer.headers["www-authenticate"]
    [warning] = [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert id_of(token) in warning.getMessage()
    assert "expired" in warning.getMessage()
    hides(caplog.text, token)
    assert "(expired)" not in place.scim("token", "list")  # by the real clock it has a day left


def test_list_marks_what_has_expired(place: Place, instances: Instances) -> None:
    live = instances.token(days=1)
    instances.time.pass_by(days=-2)
    expired = instances.token(days=1)
    marked = {line.split()[0]: "(expired)" in line for line in place.scim("token", "list").splitlines()[1:]}
    assert marked == {id_of(live): False, id_of(expired): True}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return found


def test_from_thirty_days_ahead_the_log_warns_once_a_day(
    place: Place, instances: Instances, caplog: pytest.LogCaptureFixture
) -> None:
    token, long = instances.token(days=40), instances.token(days=400)
    instance, time = instances.start(), instances.time

    def use_for_a_day() -> list[str]:
        for _ in range(24):
            time.pass_by(hours=1)
            assert instance.status(token) == instance.status(long) == 200
        return warnings(caplog)

    time.pass_by(days=8)
    assert use_for_a_day() == []
    time.pass_by(hours=24, minutes=-1)  # a minute more than thirty days are left
    assert instance.status(token) == 200
    assert warnings(caplog) == []
    time.pass_by(minutes=2)
    assert instance.status(token) == 200
    [first] = warnings(caplog)
    assert id_of(token) in first
    assert "29 days" in first
    assert "scim token create" in first
    hides(first, token)
    days = [use_for_a_day() for _ in range(3)]
    assert [len(day) for day in days] == [1, 1, 1]
    assert all(id_of(token) in warning for day in days for warning in day)
    assert len({first, *(day[0] for day in days)}) == 4, "each says how many days are left"


# --- when it was used -------------------------------------------------------------------------------------------


def test_a_use_is_recorded_once_an_hour(place: Place, instances: Instances) -> None:
    token = place.token("contoso")
    instance, time = instances.start(), instances.time
    writes = []
    for _ in range(4):
        for _ in range(20):
            assert instance.status(token) == 200
            time.pass_by(minutes=3)
        writes.append(instance.store.writes)
    assert writes == [1, 2, 3, 4]
    used = time.now - timedelta(hours=1)
    assert f"{used:%Y-%m-%d %H:%M}" in place.scim("token", "list")


def test_instances_do_not_write_a_recent_use_again(place: Place, instances: Instances) -> None:
    token = place.token("contoso")
    first, second = instances.start(), instances.start()
    assert first.status(token) == second.status(token) == 200
    assert (first.store.writes, second.store.writes) == (1, 0)


def test_concurrent_requests_record_one_use(place: Place, instances: Instances, loop: Loop) -> None:
    token = place.token("contoso")
    instance = instances.start()

    async def together() -> None:
        request = Request("GET", "/scim/v2/Users", {}, {"authorization": f"Bearer {token}"}, b"", "https://x.example")
        answers = await asyncio.gather(*(instance.app.handler.handle(request) for _ in range(50)))
        assert {answer.status for answer in answers} == {200}

    loop.run(together())
    assert instance.store.writes == 1


@pytest.mark.parametrize("call", ["read", "replace"])
def test_a_failed_write_of_the_last_use_does_not_fail_the_request(
    place: Place, instances: Instances, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    token = place.token("contoso")
    instance = instances.start()

    async def down() -> None:
        raise StoreUnavailable("planted reason")

    async def not_yet(left: int) -> None:
        # The reads of the key, the token and the customer come first.
        instance.store.before["read"] = down if left == 0 else lambda: not_yet(left - 1)

    instance.store.before[call] = down if call == "replace" else lambda: not_yet(2)
    assert instance.status(token) == 200
    [warning] = warnings(caplog)
    assert "StoreUnavailable" in warning
    assert "planted reason" not in warning
    hides(warning, token)
    assert "never" in place.scim("token", "list")
    instances.time.pass_by(hours=1)
    assert instance.status(token) == 200
    assert "never" not in place.scim("token", "list")


def test_recording_a_use_does_not_restore_a_revoked_token(place: Place, instances: Instances, loop: Loop) -> None:
    token = place.token("contoso")
    instance = instances.start()

    async def revoke() -> None:
        async with place.opened() as store:
            await Customers(store, utc_now).revoke(id_of(token))

    instance.store.before["replace"] = revoke
    assert instance.status(token) == 200  # it was checked before it was revoked
    assert instance.store.calls["replace"] == 1
    assert id_of(token) not in place.scim("token", "list")
    instances.time.pass_by(minutes=1)
    assert instance.status(token) == 401
    assert instances.start().status(token) == 401


def test_a_cold_token_costs_two_point_reads_and_the_key_and_a_warm_one_none(place: Place, instances: Instances) -> None:
    token = place.token("contoso")
    assert instances.start().status(token) == 200  # its use is noted now
    instance = instances.start()
    assert instance.send(token, path="/Schemas").status == 200
    assert instance.store.calls == {"read": 3}
    for _ in range(19):
        instances.time.pass_by(seconds=1)
        assert instance.send(token, path="/Schemas").status == 200
    assert instance.store.calls == {"read": 3}
    instances.time.pass_by(minutes=10)
    assert instance.send(token, path="/Schemas").status == 200
    assert instance.store.calls == {"read": 5}  # the key is read once for the process


# --- rotation and revocation ------------------------------------------------------------------------------------


def test_several_tokens_live_at_once_so_that_one_can_take_over_from_another(place: Place, instances: Instances) -> None:
    old = place.token("contoso")
    instance = instances.start()
    assert instance.status(old) == 200
    new = place.token("contoso")
    assert instance.status(old) == instance.status(new) == 200
    place.scim("token", "revoke", "--yes", id_of(old))
    for _ in range(70):
        instances.time.pass_by(seconds=1)
        assert instance.status(new) == 200
    assert instance.status(old) == 401


@pytest.mark.parametrize("gap", [1, 7, 19, 29, 60])
@pytest.mark.parametrize("command", ["token revoke", "customer remove"])
def test_within_a_minute_a_revoked_token_works_nowhere(
    place: Place, instances: Instances, command: str, gap: float
) -> None:
    """On every instance, whenever it has seen the token last and however often it is asked."""
    token = place.token("contoso")
    first, second = instances.start(), instances.start()
    assert first.status(token) == 200
    instances.time.pass_by(seconds=gap)
    assert first.status(token) == second.status(token) == 200
    if command == "token revoke":
        place.scim("token", "revoke", "--yes", id_of(token))
    else:
        place.scim("customer", "remove", "contoso", "--yes")
    passed = 0.0
    seen: list[int] = []
    while passed < 60:
        seen.append(first.status(token))
        second.status(token)
        instances.time.pass_by(seconds=min(gap, 60 - passed))
        passed += gap
    assert first.status(token) == second.status(token) == 401
    assert all(before >= after or after == 401 for before, after in pairwise(seen)), "what is refused stays refused"
    assert instances.start().status(token) == 401


def test_requests_with_its_id_do_not_prolong_a_revoked_token(place: Place, instances: Instances) -> None:
    """A request with a wrong secret makes the instance read the record, shortly before it is revoked."""
    token, other = place.token("contoso"), place.token("fabrikam")
    instance = instances.start()
    assert instance.status(wrong_tokens(token, other)["another secret of the same form"]) == 401
    place.scim("token", "revoke", "--yes", id_of(token))
    instances.time.pass_by(seconds=29.9)
    instance.status(token)
    instances.time.pass_by(seconds=30.1)
    assert instance.status(token) == 401


# --- scim serve -------------------------------------------------------------------------------------------------


def test_serve_takes_secret_tokens_beside_its_development_token(tmp_path: Path) -> None:
    place = on_file(tmp_path)
    place.scim("customer", "create", "contoso")
    server = Server("--data", place.environment["SCIM_DATA"])
    client = PortClient(server.origin)
    token, read = place.token("contoso"), place.token("contoso", "--read-only")  # while it runs
    assert client.request("POST", "/Users", {"userName": "bjensen"}, token=token).status == 201
    assert client.get("/Users", token=read).json["totalResults"] == 1
    is_error(client.request("POST", "/Users", {"userName": "leaver"}, token=read), 403)
    assert client.get("/Users", token=TOKEN).json["totalResults"] == 0  # that of another customer
    is_error(client.get("/Users", token=wrong_tokens(token, read)["another token's secret"]), 401)
    client.close()
    code, log = server.stop()
    assert code == 0
    hides(log, token, read)
    assert "never" not in place.scim("token", "list")
