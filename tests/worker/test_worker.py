"""The real `function_app.py` under Azure's real worker library: what the host is told, and what it would send back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.worker.harness import IndexedFunction, Worker, WorkerResponse
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
async def worker() -> AsyncIterator[Worker]:
    """One worker for this file, with what `local.settings.json` would hold and nothing that says "Azure"."""
    async with await Worker.start(ROOT, {"SCIM_DEV_TOKEN": TOKEN}) as running:
        yield running


def http_triggers(worker: Worker) -> list[IndexedFunction]:
    return [function for function in worker.functions if function.trigger == "httpTrigger"]


def host_routes(worker: Worker) -> dict[str, str]:
    """The route of each HTTP function with the prefix that host.json puts before it."""
    extensions: dict[str, Any] = json.loads((ROOT / "host.json").read_text(encoding="utf-8")).get("extensions", {})
    prefix = extensions.get("http", {}).get("routePrefix", "api")
    return {function.name: f"{prefix}/{function.route}" for function in http_triggers(worker)}


async def request(
    worker: Worker, method: str, path: str, body: object = None, token: str | None = TOKEN
) -> WorkerResponse:
    """Send `path` where the host would send it: to the first function whose route matches."""
    found = first_match(host_routes(worker), path.partition("?")[0])
    assert found is not None, f"no function gets {path}"
    name, route_params = found
    headers = {"Host": ORIGIN.removeprefix("https://"), "Accept": SCIM_JSON}
    content = b"" if body is None else json.dumps(body).encode()
    if content:
        headers |= {"Content-Type": SCIM_JSON, "Content-Length": str(len(content))}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return await worker.invoke(name, method, ORIGIN + path, headers, content, route_params=route_params)


async def test_every_http_trigger_is_anonymous_and_takes_all_methods(worker: Worker) -> None:
    """Entra can't send a function key, and the host answers a method that isn't listed with an empty 404."""
    assert http_triggers(worker)
    assert [f for f in http_triggers(worker) if (f.auth_level, f.methods) != ("ANONYMOUS", ())] == []


async def test_function_names_are_ones_the_host_takes(worker: Worker) -> None:
    names = [function.name for function in worker.functions]
    assert len({name.lower() for name in names}) == len(names)
    # Hyphens are allowed, but cultures don't agree on how they sort.
    assert all(name[0].isalpha() and name.isascii() and name.replace("_", "a").isalnum() for name in names)


@by_order
async def test_no_function_takes_requests_of_another(worker: Worker, order: Callable[[str], str]) -> None:
    assert shadowed(host_routes(worker), order) == []


@by_order
async def test_only_the_last_function_takes_everything(worker: Worker, order: Callable[[str], str]) -> None:
    routes = host_routes(worker)
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
        ("/", "zz_other"),
    ],
)
async def test_a_path_leads_to_the_function_named_after_it(worker: Worker, path: str, name: str) -> None:
    """The platform's metrics are by function."""
    found = first_match(host_routes(worker), path)
    assert found is not None
    assert found[0] == name


async def test_the_case_of_a_path_does_not_change_which_function_gets_it(worker: Worker) -> None:
    routes = host_routes(worker)
    for path in telling_paths(routes.values()):
        lower, upper = first_match(routes, path.lower()), first_match(routes, path.upper())
        assert lower is not None
        assert upper is not None
        assert lower[0] == upper[0]


async def test_service_provider_config_is_answered_as_scim(worker: Worker) -> None:
    answer = await request(worker, "GET", f"{BASE}/ServiceProviderConfig")
    assert answer.status == 200
    assert answer.headers["content-type"] == SCIM_JSON
    assert answer.json["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]


async def test_a_created_user_can_be_read_back_at_its_location(worker: Worker) -> None:
    user = {"schemas": [USER_SCHEMA], "userName": "ada@example.com", "name": {"familyName": "Łovelace"}}
    created = await request(worker, "POST", f"{BASE}/Users", user)
    assert created.status == 201
    assert created.headers["content-type"] == SCIM_JSON
    location, etag = created.headers["location"], created.headers["etag"]
    assert location == f"{ORIGIN}{BASE}/Users/{created.json['id']}" == created.json["meta"]["location"]
    assert etag.startswith('W/"')
    assert etag == created.json["meta"]["version"]

    read = await request(worker, "GET", location.removeprefix(ORIGIN))
    assert read.status == 200
    assert read.headers["content-type"] == SCIM_JSON
    assert read.headers["etag"] == etag
    assert read.json == created.json
    assert read.json["userName"] == "ada@example.com"
    assert read.json["name"] == {"familyName": "Łovelace"}


async def test_a_patch_is_204_with_the_next_etag(worker: Worker) -> None:
    user = {"schemas": [USER_SCHEMA], "userName": "grace@example.com"}
    created = await request(worker, "POST", f"{BASE}/Users", user)
    operations = [{"op": "Replace", "path": "active", "value": "False"}]
    patch = {"schemas": [PATCH_SCHEMA], "Operations": operations}
    patched = await request(worker, "PATCH", f"{BASE}/Users/{created.json['id']}", patch)
    assert (patched.status, patched.body) == (204, b"")
    assert patched.headers["etag"] != created.headers["etag"]


async def test_a_body_that_the_host_left_out_is_400_as_scim(worker: Worker) -> None:
    """Locally the host passes chunked bodies on as nothing at all."""
    answer = await request(worker, "POST", f"{BASE}/Users")
    assert (answer.status, answer.headers["content-type"]) == (400, SCIM_JSON)
    assert (answer.json["schemas"], answer.json["scimType"]) == ([ERROR_SCHEMA], "invalidSyntax")


async def test_the_query_reaches_the_service(worker: Worker) -> None:
    answer = await request(worker, "GET", f"{BASE}/Users?filter=userName%20eq%20%22nobody%40example.com%22")
    assert (answer.status, answer.json["totalResults"]) == (200, 0)


@pytest.mark.parametrize("token", [None, "wrong"], ids=["no token", "a wrong token"])
@pytest.mark.parametrize("path", [f"{BASE}/Users", f"{BASE}/{UNHEARD_OF}"], ids=["a known path", "an unknown path"])
async def test_without_the_right_token_the_answer_is_401_as_scim(worker: Worker, path: str, token: str | None) -> None:
    answer = await request(worker, "GET", path, token=token)
    assert answer.status == 401
    assert answer.headers["content-type"] == SCIM_JSON
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert (answer.json["schemas"], answer.json["status"]) == ([ERROR_SCHEMA], "401")


async def test_a_path_that_no_resource_has_is_404_as_scim(worker: Worker) -> None:
    answer = await request(worker, "GET", f"{BASE}/{UNHEARD_OF}")
    assert (answer.status, answer.headers["content-type"]) == (404, SCIM_JSON)
    assert (answer.json["schemas"], answer.json["status"]) == ([ERROR_SCHEMA], "404")


async def test_a_wrong_method_is_405_with_allow(worker: Worker) -> None:
    answer = await request(worker, "PUT", f"{BASE}/ServiceProviderConfig", {})
    assert (answer.status, answer.headers["content-type"]) == (405, SCIM_JSON)
    assert "GET" in answer.headers["allow"]
    assert answer.json["status"] == "405"


async def test_health_needs_no_token(worker: Worker) -> None:
    answer = await request(worker, "GET", "/healthz", token=None)
    assert answer.status == 200


@pytest.mark.parametrize(
    "environment", [{}, {"SCIM_DEV_TOKEN": TOKEN}], ids=["the embedded store", "a development token"]
)
async def test_on_azure_nothing_is_served_with(environment: dict[str, str]) -> None:
    """Each instance would have a store of its own, and a development token is a door without a lock."""
    azure = {"WEBSITE_SITE_NAME": "scim", "WEBSITE_INSTANCE_ID": "1"}
    async with await Worker.start(ROOT, azure | environment) as misconfigured:
        for name, path in (("users", f"{BASE}/Users"), ("healthz", "/healthz")):
            answer = await misconfigured.invoke(name, "GET", f"{ORIGIN}{path}", {"Authorization": f"Bearer {TOKEN}"})
            assert (answer.status, answer.json["status"]) == (503, "503")
            assert answer.headers["retry-after"]
