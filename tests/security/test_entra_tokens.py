"""Tokens of Entra ID that must let their bearer in: both versions, every cloud, and for as long as they should."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import Any, Final, get_args

import pytest

from scim.app import Collaborators, build
from scim.security.clouds import CLOUDS, SYNC_FABRIC, CloudName, Version
from scim.settings import Settings
from tests.conftest import Client, HandlerClient, Loop
from tests.security.conftest import scim
from tests.security.issuer import CONTOSO, FABRIKAM, Issuer, rsa_key, signed

ABROAD: Final = "ab40ad00-7777-4777-8777-777777777777"
"""The Entra tenant of a customer in whichever cloud a test puts it."""
OUR_SYNC: Final = "0e5c1e47-8888-4888-8888-888888888888"
"""An application of the customer's own that provisions."""
VERSIONS: Final[tuple[Version, ...]] = ("1.0", "2.0")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_token_of_a_customer_is_accepted(authenticated: Client, issuer: Issuer, version: Version) -> None:
    created = authenticated.post("/Users", {"userName": "bjensen"}, token=issuer.token(version=version))
    assert created.status == 201, created.body
    assert _users(authenticated, issuer.token(version=version)) == ["bjensen"]
    assert _users(authenticated, issuer.token(FABRIKAM, version)) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cloud", get_args(CloudName.__value__))
def test_tokens_are_accepted_from_the_configured_cloud_only(
    authenticated: Client, issuer: Issuer, data: Path, cloud: CloudName, version: Version
) -> None:
    scim("customer", "create", "abroad", "--data", str(data))
    scim("customer", "allow", "abroad", "--entra-tenant", ABROAD, "--cloud", cloud, "--data", str(data))
    issuer.keys[ABROAD] = [rsa_key(4)]
    created = authenticated.post("/Users", {"userName": "bjensen"}, token=issuer.token(ABROAD, version, cloud))
    assert created.status == 201, created.body
    host = CLOUDS[cloud].authority.removeprefix("https://")
    assert issuer.requests == [f"/{host}/{ABROAD}/discovery/{'' if version == '1.0' else 'v2.0/'}keys"]
    assert _users(authenticated, issuer.token(version=version)) == []
    for other in CLOUDS.keys() - {cloud}:
        assert authenticated.get("/Users", token=issuer.token(ABROAD, version, other)).status == 401


@pytest.mark.parametrize("version", VERSIONS)
def test_the_audience_says_which_customer_of_an_entra_tenant_it_is(
    authenticated: Client, issuer: Issuer, data: Path, version: Version
) -> None:
    for name, audience in (("contoso", "api://staff"), ("fabrikam", "api://guests")):
        scim("customer", "allow", name, "--entra-tenant", CONTOSO, "--audience", audience, "--data", str(data))
    staff, guests = (issuer.token(version=version, aud=audience) for audience in ("api://staff", "api://guests"))
    for name, token in (("ann", staff), ("gus", guests)):
        assert authenticated.post("/Users", {"userName": name}, token=token).status == 201
    # The audience of applications outside the gallery goes on leading to the customer that it has led to.
    assert _users(authenticated, staff) == _users(authenticated, issuer.token(version=version)) == ["ann"]
    assert _users(authenticated, guests) == _users(authenticated, issuer.token(FABRIKAM, version)) == ["gus"]
    # What leads in from one tenant doesn't from another.
    assert authenticated.get("/Users", token=issuer.token(FABRIKAM, version, aud="api://guests")).status == 401


@pytest.mark.parametrize("version", VERSIONS)
def test_named_applications_replace_the_provisioning_service(
    authenticated: Client, issuer: Issuer, data: Path, version: Version
) -> None:
    other = OUR_SYNC.replace("8888", "9999")
    named = ("--application", OUR_SYNC, "--application", other.upper())
    scim("customer", "allow", "contoso", "--entra-tenant", CONTOSO, *named, "--data", str(data))
    claim = "appid" if version == "1.0" else "azp"
    issued: list[dict[str, Any]] = [{claim: application} for application in (OUR_SYNC, other, SYNC_FABRIC)]
    tokens = [issuer.token(version=version, **changes) for changes in issued]
    assert [authenticated.get("/Users", token=token).status for token in tokens] == [200, 200, 401]


def test_a_token_with_the_required_role_is_accepted(authenticated: Client, issuer: Issuer, data: Path) -> None:
    to_allow = (
        "customer",
        "allow",
        "contoso",
        "--entra-tenant",
        CONTOSO,
        "--role",
        "Directory.Provision",
        "--data",
        str(data),
    )
    scim(*to_allow)
    for roles in (["Directory.Provision"], ["Directory.Read", "Directory.Provision"]):
        token = issuer.token(roles=roles)
        assert authenticated.get("/Users", token=token).status == 200
    assert authenticated.get("/Users", token=issuer.token()).status == 403


def test_a_read_only_rule_reads_resources(authenticated: Client, issuer: Issuer, data: Path) -> None:
    to_read = ("--entra-tenant", CONTOSO, "--audience", "api://audit", "--read-only", "--data", str(data))
    scim("customer", "allow", "contoso", *to_read)
    reader = issuer.token(aud="api://audit")
    assert authenticated.post("/Users", {"userName": "bjensen"}, token=issuer.token()).status == 201
    assert _users(authenticated, reader) == ["bjensen"]
    assert authenticated.get("/ServiceProviderConfig", token=reader).status == 200
    assert authenticated.post("/Users", {"userName": "eve"}, token=reader).status == 403


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        pytest.param({}, {"ver": None}, id="no ver"),
        pytest.param({"typ": None}, {}, id="no typ"),
        pytest.param({"x5t": None}, {}, id="no x5t"),
        pytest.param({}, {"idtyp": "app"}, id="idtyp app"),
        pytest.param({}, {"exp": time() + 3600.5, "nbf": time() - 60.5}, id="times with fractions"),
        pytest.param({}, {"roles": []}, id="roles, but none"),
        pytest.param({}, {"iat": None, "oid": None, "sub": None, "uti": None, "rh": None, "aio": None}, id="no extras"),
        pytest.param({}, {"groups": ["0997a1d0-0d1d-4acb-b408-d5ca73121e90"] * 200}, id="10 KB of claims"),
        pytest.param({}, {"wids": ["0997a1d0-0d1d-4acb-b408-d5ca73121e90"], "xms_ftd": {"a": [1]}}, id="more claims"),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_optional_claims_of_entra_make_no_difference(
    authenticated: Client, issuer: Issuer, version: Version, header: Mapping[str, Any], claims: Mapping[str, Any]
) -> None:
    token = signed(issuer.claims(version=version, **claims), issuer.header(**header), rsa_key(0))
    assert authenticated.get("/Users", token=token).status == 200


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "  Bearer {}  "])
def test_the_scheme_may_have_any_case_and_blanks_around_the_token(
    authenticated: Client, issuer: Issuer, form: str
) -> None:
    headers = {"Authorization": form.format(issuer.token())}
    assert authenticated.get("/Users", headers=headers, token=None).status == 200


HEADERS: Final = [
    "X-Tenant",
    "X-Tenant-Id",
    "Tenant",
    "X-MS-CLIENT-PRINCIPAL-ID",
    "X-Original-URL",
    "X-Forwarded-Host",
    "Host",
]
NAMES: Final = ["fabrikam", FABRIKAM, "$system", "default"]


@pytest.mark.parametrize(
    ("header", "value"),
    # `$system` is no host name, so that it is 400 as a `Host`.
    [(header, name) for header in HEADERS for name in NAMES if (header, name) != ("Host", "$system")],
)
def test_only_the_token_selects_the_users(authenticated: Client, issuer: Issuer, header: str, value: str) -> None:
    assert authenticated.post("/Users", {"userName": "ann"}, token=issuer.token()).status == 201
    assert authenticated.post("/Users", {"userName": "gus"}, token=issuer.token(FABRIKAM)).status == 201
    asked = authenticated.get(f"/Users?tenant={value}&tid={value}", headers={header: value}, token=issuer.token())
    assert [user["userName"] for user in asked.json["Resources"]] == ["ann"]
    created = authenticated.post("/Users", {"userName": "bob"}, headers={header: value}, token=issuer.token())
    assert created.status == 201
    assert _users(authenticated, issuer.token(FABRIKAM)) == ["gus"]
    assert _users(authenticated, issuer.token()) == ["ann", "bob"]


# --- time ---


@dataclass
class Time:
    """A clock and a timer that only move when they are told to."""

    began: int = field(default_factory=lambda: int(time()))
    passed: float = 0.0

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.began, UTC) + timedelta(seconds=self.passed)

    def timer(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds


@pytest.fixture
def moved() -> Time:
    return Time()


@pytest.fixture
def service(loop: Loop, issuer: Issuer, data: Path, moved: Time) -> Iterator[Client]:
    """The service with the two customers, in a time of its own."""
    given = Collaborators(moved.clock, moved.sleep, moved.timer)
    app = build(Settings(data=data, dev_keys=issuer.origin), given)
    yield HandlerClient(app.handler, loop)
    loop.run(app.close())


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"exp": 1}, 200),
        ({"exp": 0}, 200),
        ({"exp": -299}, 200),
        ({"exp": -300}, 401),
        ({"exp": -301}, 401),
        ({"nbf": 0}, 200),
        ({"nbf": 299}, 200),
        ({"nbf": 300}, 200),
        ({"nbf": 301}, 401),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_clocks_may_differ_by_five_minutes_and_no_more(
    service: Client, issuer: Issuer, moved: Time, version: Version, claims: Mapping[str, int], status: int
) -> None:
    times: dict[str, Any] = {name: moved.began + seconds for name, seconds in claims.items()}
    assert service.get("/Users", token=issuer.token(version=version, **times)).status == status


def test_a_cached_token_ends_at_its_expiry(service: Client, issuer: Issuer, moved: Time) -> None:
    token = issuer.token(exp=moved.began + 600)
    for seconds in (0, 300, 890, 899.5):
        moved.passed = seconds
        assert service.get("/Users", token=token).status == 200
    moved.passed = 900
    assert service.get("/Users", token=token).status == 401


def test_a_token_before_its_nbf_is_accepted_later(service: Client, issuer: Issuer, moved: Time) -> None:
    token = issuer.token(nbf=moved.began + 360)
    assert service.get("/Users", token=token).status == 401
    moved.passed = 60
    assert service.get("/Users", token=token).status == 200


_ALLOW: Final = ("customer", "allow", "contoso", "--entra-tenant", CONTOSO)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        pytest.param(("customer", "deny", "contoso", "--entra-tenant", CONTOSO, "--yes"), 401, id="deny"),
        pytest.param(("customer", "remove", "contoso", "--yes"), 401, id="remove"),
        pytest.param((*_ALLOW, "--application", OUR_SYNC), 401, id="allow another application"),
        pytest.param((*_ALLOW, "--role", "Directory.Provision"), 403, id="allow with a role"),
        pytest.param((*_ALLOW, "--read-only"), 403, id="allow to read"),
    ],
)
def test_a_change_takes_effect_within_a_minute_however_busy_the_token_is(
    service: Client, issuer: Issuer, data: Path, moved: Time, command: tuple[str, ...], status: int
) -> None:
    token, other = issuer.token(), issuer.token(FABRIKAM)
    assert service.post("/Users", {"userName": "bjensen"}, token=token).status == 201
    assert service.get("/Users", token=other).status == 200
    moved.passed = 15  # what is remembered isn't of one age
    assert service.get("/Users", token=token).status == 200
    scim(*command, "--data", str(data))
    statuses = []
    for _ in range(12):
        moved.passed += 5
        statuses.append(service.post("/Users", {"userName": "bjensen"}, token=token).status)
    # One that is let in meets the user that is there already.
    assert statuses[-1] == status
    assert set(statuses) <= {409, status}
    assert statuses == sorted(statuses, key=lambda one: one == status)  # once closed it stays closed
    assert service.get("/Users", token=other).status == 200


def test_a_token_first_used_after_its_rule_was_removed_is_refused(
    service: Client, issuer: Issuer, data: Path, moved: Time
) -> None:
    assert service.get("/Users", token=issuer.token()).status == 200
    scim("customer", "deny", "--yes", "contoso", "--entra-tenant", CONTOSO, "--data", str(data))
    # Each is let in by what is known of the tenant, as long as that lasts.
    tokens = [issuer.token(uti=str(second)) for second in range(60)]
    for token in tokens:
        moved.passed += 1
        service.get("/Users", token=token)
    assert {service.get("/Users", token=token).status for token in tokens} == {401}


def test_allowing_a_rule_again_replaces_it(service: Client, issuer: Issuer, data: Path, moved: Time) -> None:
    token = issuer.token(roles=["Directory.Provision"])
    for options, status in (
        (("--read-only",), 403),
        (("--role", "Directory.Provision"), 201),
        (("--role", "Another"), 403),
        (("--application", OUR_SYNC), 401),
        ((), 201),
    ):
        scim(*_ALLOW, *options, "--data", str(data))
        moved.passed += 60
        answer = service.post("/Users", {"userName": f"user-{moved.passed}"}, token=token)
        assert answer.status == status, (options, answer.body)


def test_removing_a_rule_keeps_the_others(service: Client, issuer: Issuer, data: Path, moved: Time) -> None:
    scim(*_ALLOW, "--audience", "api://staff", "--data", str(data))
    usual, staff = issuer.token(), issuer.token(aud="api://staff")
    assert [service.get("/Users", token=token).status for token in (usual, staff)] == [200, 200]
    scim("customer", "deny", "--yes", *_ALLOW[2:], "--audience", "api://staff", "--data", str(data))
    moved.passed = 60
    assert [service.get("/Users", token=token).status for token in (usual, staff)] == [200, 401]


def test_a_customer_created_again_has_its_users(service: Client, issuer: Issuer, data: Path, moved: Time) -> None:
    assert service.post("/Users", {"userName": "bjensen"}, token=issuer.token()).status == 201
    scim("customer", "remove", "contoso", "--yes", "--data", str(data))
    moved.passed = 60
    assert service.get("/Users", token=issuer.token()).status == 401
    scim("customer", "create", "contoso", "--data", str(data))
    moved.passed = 120
    assert service.get("/Users", token=issuer.token()).status == 401
    scim(*_ALLOW, "--data", str(data))
    moved.passed = 180
    assert _users(service, issuer.token()) == ["bjensen"]


def _users(client: Client, token: str) -> list[str]:
    answer = client.get("/Users", token=token)
    assert answer.status == 200, answer.body
    return [user["userName"] for user in answer.json["Resources"]]
