"""The real `function_app.py` and host.json, under Azure's real worker library and behind a stand-in for the host."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.worker.harness import IndexedFunction, WorkerResponse
from tests.worker.host import Host
from tests.worker.host_routes import ORDERS, UNHEARD_OF, first_match, match, shadowed, telling_paths

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
TOKEN = "worker-tests-token"
ORIGIN = "https://scim.example.net"
BASE = "/scim/v2"
SCIM_JSON = "application/scim+json"
ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"

by_order = pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host() -> AsyncIterator[Host]:
    """One host for this file, with what `local.settings.json` would hold and nothing that says "Azure"."""
    async with await Host.start(ROOT, {"SCIM_DEV_TOKEN": TOKEN}) as running:
        yield running


async def request(host: Host, method: str, path: str, body: object = None, token: str | None = TOKEN) -> WorkerResponse:
    """Send a request as the front end of Azure passes it on: TLS ended, the client's own host name kept."""
    headers = {"Host": ORIGIN.removeprefix("https://"), "X-Forwarded-Proto": "https", "Accept": SCIM_JSON}
    if body is not None:
        headers["Content-Type"] = SCIM_JSON
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    content = b"" if body is None else json.dumps(body).encode()
    async with httpx.AsyncClient(base_url=host.origin, timeout=60) as client:
        answer = await client.request(method, path, headers=headers, content=content)
    return WorkerResponse(answer.status_code, dict(answer.headers), answer.content)


def http_triggers(host: Host) -> list[IndexedFunction]:
    return [function for function in host.worker.functions if function.trigger == "httpTrigger"]


async def test_every_http_trigger_is_anonymous_and_takes_all_methods(host: Host) -> None:
    """Entra can't send a function key, and the host answers a method that isn't listed with an empty 404."""
    assert http_triggers(host)
    assert [f for f in http_triggers(host) if (f.auth_level, f.methods) != ("ANONYMOUS", ())] == []


async def test_function_names_are_ones_the_host_takes(host: Host) -> None:
    names = [function.name for function in host.worker.functions]
    assert len({name.lower() for name in names}) == len(names)
    # Hyphens are allowed, but cultures don't agree on how they sort.
    assert all(name[0].isalpha() and name.isascii() and name.replace("_", "a").isalnum() for name in names)


@by_order
async def test_no_function_takes_requests_of_another(host: Host, order: Callable[[str], str]) -> None:
    assert shadowed(host.routes, order) == []


@by_order
async def test_only_the_last_function_takes_everything(host: Host, order: Callable[[str], str]) -> None:
    routes = host.routes
    paths = telling_paths(routes.values())
    takes_everything = [name for name, route in routes.items() if all(match(route, p) is not None for p in paths)]
    assert takes_everything == [max(routes, key=order)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/healthz", "healthz"),
        (f"{BASE}/Users", "users"),
        (f"{BASE}/Users/{UNHEARD_OF}", "users"),
        (f"{BASE}/Users/.search", "users"),
        (f"{BASE}/Groups", "groups"),
        (f"{BASE}/Groups/{UNHEARD_OF}", "groups"),
        (f"{BASE}/ServiceProviderConfig", "service_provider_config"),
        (f"{BASE}/ResourceTypes/User", "resource_types"),
        (f"{BASE}/Schemas/{USER_SCHEMA}", "schemas"),
        (f"{BASE}/{UNHEARD_OF}", "zz_other"),
        (BASE, "zz_other"),
        (f"{BASE}/", "zz_other"),
        ("/", "zz_other"),
    ],
)
async def test_a_path_is_routed_to_its_function(host: Host, path: str, name: str) -> None:
    """The platform's metrics are by function."""
    found = first_match(host.routes, path)
    assert found is not None
    assert found[0] == name


async def test_the_case_of_a_path_does_not_change_which_function_gets_it(host: Host) -> None:
    routes = host.routes
    for path in telling_paths(routes.values()):
        lower, upper = first_match(routes, path.lower()), first_match(routes, path.upper())
        assert lower is not None
        assert upper is not None
        assert lower[0] == upper[0]


async def test_service_provider_config_is_answered_as_scim(host: Host) -> None:
    answer = await request(host, "GET", f"{BASE}/ServiceProviderConfig")
    assert answer.status == 200
    assert answer.headers["content-type"] == SCIM_JSON
    assert answer.json["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]


async def test_a_created_user_can_be_read_back_at_its_location(host: Host) -> None:
    user = {"schemas": [USER_SCHEMA], "userName": "ada@example.com", "name": {"familyName": "Łovelace"}}
    created = await request(host, "POST", f"{BASE}/Users", user)
    assert created.status == 201
    assert created.headers["content-type"] == SCIM_JSON
    location, etag = created.headers["location"], created.headers["etag"]
    assert location == f"{ORIGIN}{BASE}/Users/{created.json['id']}" == created.json["meta"]["location"]
    assert etag.startswith('W/"')
    assert etag == created.json["meta"]["version"]

    read = await request(host, "GET", location.removeprefix(ORIGIN))
    assert read.status == 200
    assert read.headers["content-type"] == SCIM_JSON
    assert read.headers["etag"] == etag
    assert read.json == created.json
    assert read.json["userName"] == "ada@example.com"
    assert read.json["name"] == {"familyName": "Łovelace"}


async def test_a_patch_is_204_with_the_next_etag(host: Host) -> None:
    user = {"schemas": [USER_SCHEMA], "userName": "grace@example.com"}
    created = await request(host, "POST", f"{BASE}/Users", user)
    operations = [{"op": "Replace", "path": "active", "value": "False"}]
    patch = {"schemas": [PATCH_SCHEMA], "Operations": operations}
    patched = await request(host, "PATCH", f"{BASE}/Users/{created.json['id']}", patch)
    assert (patched.status, patched.body) == (204, b"")
    assert patched.headers["etag"] != created.headers["etag"]


async def test_a_body_that_the_host_left_out_is_400_as_scim(host: Host) -> None:
    """Locally the host passes chunked bodies on as nothing at all."""
    answer = await request(host, "POST", f"{BASE}/Users")
    assert (answer.status, answer.headers["content-type"]) == (400, SCIM_JSON)
    assert (answer.json["schemas"], answer.json["scimType"]) == ([ERROR_SCHEMA], "invalidSyntax")


async def test_the_query_reaches_the_service(host: Host) -> None:
    answer = await request(host, "GET", f"{BASE}/Users?filter=userName%20eq%20%22nobody%40example.com%22")
    assert (answer.status, answer.json["totalResults"]) == (200, 0)


@pytest.mark.parametrize("token", [None, "wrong"], ids=["no token", "a wrong token"])
@pytest.mark.parametrize("path", [f"{BASE}/Users", f"{BASE}/{UNHEARD_OF}"], ids=["a known path", "an unknown path"])
async def test_without_the_right_token_the_answer_is_401_as_scim(host: Host, path: str, token: str | None) -> None:
    answer = await request(host, "GET", path, token=token)
    assert answer.status == 401
    assert answer.headers["content-type"] == SCIM_JSON
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (answer.json["schemas"], answer.json["status"]) == ([ERROR_SCHEMA], "401")


async def test_a_path_that_no_resource_has_is_404_as_scim(host: Host) -> None:
    answer = await request(host, "GET", f"{BASE}/{UNHEARD_OF}")
    assert (answer.status, answer.headers["content-type"]) == (404, SCIM_JSON)
    assert (answer.json["schemas"], answer.json["status"]) == ([ERROR_SCHEMA], "404")


async def test_a_wrong_method_is_405_with_allow(host: Host) -> None:
    answer = await request(host, "PUT", f"{BASE}/ServiceProviderConfig", {})
    assert (answer.status, answer.headers["content-type"]) == (405, SCIM_JSON)
    assert "GET" in answer.headers["allow"]
    assert answer.json["status"] == "405"


async def test_health_needs_no_token(host: Host) -> None:
    answer = await request(host, "GET", "/healthz", token=None)
    assert answer.status == 200


@pytest.mark.parametrize(
    "environment", [{}, {"SCIM_DEV_TOKEN": TOKEN}], ids=["the embedded store", "a development token"]
)
async def test_on_azure_development_settings_stop_the_service(environment: dict[str, str]) -> None:
    """Each instance would have a store of its own, and a development token is a door without a lock."""
    azure = {"WEBSITE_SITE_NAME": "scim", "WEBSITE_INSTANCE_ID": "1"}
    async with await Host.start(ROOT, azure | environment) as misconfigured:
        for path in (f"{BASE}/Users", "/healthz"):
            answer = await request(misconfigured, "GET", path)
            assert (answer.status, answer.json["status"]) == (503, "503")
            assert answer.headers["retry-after"]
