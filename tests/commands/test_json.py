"""`--format json`: the fields that docs/commands.md promises, on standard output and nothing else there."""

import json
from pathlib import Path
from typing import Any

import pytest

from scim.telemetry.record import hashed
from tests.commands.page import PAGE
from tests.conftest import Loop
from tests.cosmos_emulator import Emulator
from tests.security.issuer import CONTOSO, FABRIKAM
from tests.security.places import Place, on_file, run

CUSTOMER = {"name", "created", "logName", "access", "people", "nextExpiry", "tokens", "entraRules"}
TOKEN = {"id", "customer", "access", "created", "expires", "expired", "lastUsed", "note"}
RULE = {"customer", "entraTenant", "cloud", "audience", "applications", "role", "access", "people"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return on_file(tmp_path)


def told(place: Place, *arguments: str) -> Any:
    return json.loads(place.scim(*arguments, "--format", "json"))


def test_the_page_promises_these_fields() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [field for field in sorted(CUSTOMER | TOKEN | RULE) if f"`{field}`" not in text] == []


def test_a_customer_and_its_credentials(place: Place) -> None:
    made = told(place, "customer", "create", "contoso")
    assert made.keys() == CUSTOMER
    assert (made["access"], made["tokens"], made["entraRules"], made["nextExpiry"]) == ([], [], [], None)
    assert made["logName"] == hashed("contoso")
    token = told(place, "token", "create", "contoso", "--note", "für Okta", "--read-only", "--days", "40")
    assert token.keys() == TOKEN | {"tenantUrl", "secretToken"}
    assert (token["customer"], token["access"], token["note"], token["tenantUrl"]) == (
        "contoso",
        "read",
        "für Okta",
        None,
    )
    rule = told(place, "customer", "allow", "contoso", "--entra-tenant", CONTOSO)
    assert rule.keys() == RULE
    later = told(place, "token", "create", "contoso", "--days", "50")

    shown = told(place, "customer", "show", "contoso")
    assert told(place, "customer", "list") == [shown]
    assert shown["entraRules"] == [rule]
    assert [one["id"] for one in shown["tokens"]] == [token["id"], later["id"]]
    assert (shown["access"], shown["nextExpiry"], shown["people"]) == (["read", "write"], token["expires"], False)
    assert told(place, "token", "list") == told(place, "token", "list", "contoso") == shown["tokens"]
    assert all(one.keys() == TOKEN for one in shown["tokens"])

    assert told(place, "token", "revoke", later["id"], "--yes") == shown["tokens"][1]
    assert told(place, "customer", "deny", "contoso", "--entra-tenant", CONTOSO, "--yes") == [rule]
    assert told(place, "customer", "remove", "contoso", "--yes") == {
        **shown,
        "access": ["read"],
        "entraRules": [],
        "tokens": shown["tokens"][:1],
    }
    assert told(place, "customer", "list") == []


def test_the_tenant_url_is_the_fixed_base_url(place: Place) -> None:
    place.scim("customer", "create", "contoso")
    fixed = Place({**place.environment, "SCIM_BASE_URL": "https://scim.example.com/scim/v2/"})
    assert told(fixed, "token", "create", "contoso")["tenantUrl"] == "https://scim.example.com/scim/v2"
    first, second = fixed.scim("token", "create", "contoso").splitlines()
    assert first == "Tenant URL:   https://scim.example.com/scim/v2"
    assert second.startswith("Secret Token: scimaf_")


def test_the_table_of_customers_has_tokens_expiry_and_access(place: Place) -> None:
    for name in ("contoso", "fabrikam"):
        place.scim("customer", "create", name)
    token = told(place, "token", "create", "fabrikam", "--read-only", "--days", "40")
    place.scim("customer", "allow", "fabrikam", "--entra-tenant", FABRIKAM)
    created = token["created"][:10]
    header, contoso, fabrikam = place.scim("customer", "list").splitlines()
    assert header.split() == ["CUSTOMER", "CREATED", "ACCESS", "TOKENS", "NEXT", "EXPIRY", "ENTRA", "RULES", "PEOPLE"]
    assert contoso.split() == ["contoso", created, "none", "0", "-", "0", "no"]
    assert fabrikam.split() == ["fabrikam", created, "read,", "write", "1", token["expires"][:10], "1", "no"]


def test_summaries_of_data(place: Place, tmp_path: Path) -> None:
    place.scim("customer", "create", "contoso")
    output = str(tmp_path / "contoso.jsonl")
    exported = told(place, "customer", "export", "contoso", "--output", output)
    assert exported == {"customer": "contoso", "items": 0, "file": output}
    assert "--output" in place.refused("customer", "export", "contoso", "--format", "json")
    assert told(place, "customer", "erase", "contoso", "--yes") == {"customer": "contoso", "erased": 0}
    done: list[dict[str, Any]] = [
        {"customer": name, "resources": 0, "rewritten": 0, "outdated": []} for name in ("default", "contoso")
    ]
    assert told(place, "reindex", "--all") == done
    assert told(place, "reindex", "--customer", "contoso") == done[1:]


def test_cosmos_init(loop: Loop) -> None:
    emulator = Emulator()
    variables = {"COSMOS_ENDPOINT": loop.run(emulator.start()), "COSMOS_KEY": emulator.key}
    for created in (["database", "container"], []):
        assert json.loads(run("cosmos", "init", "--format", "json", **variables).stdout) == {
            "endpoint": variables["COSMOS_ENDPOINT"],
            "database": "scim",
            "container": "resources",
            "created": created,
        }
    loop.run(emulator.stop())


def test_an_error_leaves_standard_output_empty(place: Place) -> None:
    place.scim("customer", "create", "contoso")
    for command in (("customer", "show", "acme"), ("token", "create", "acme"), ("customer", "create", "contoso")):
        ended = place.run(*command, "--format", "json")
        assert ended.exit_code in {1, 3}
        assert ended.stdout == ""
        assert ended.stderr.startswith("Error: ")
