"""Invariants of infra/: no way in but an identity, with the roles it needs; and what happens is logged."""

import re
from collections.abc import Iterator
from typing import Final

from tests.infra.bicep import GROUP, PRINCIPAL, declarations, parse, text_of, walk
from tests.infra.stack import (
    COSMOS,
    COSMOS_ROLE,
    DIAGNOSTICS,
    INSIGHTS,
    ROLE,
    SITE,
    STORAGE,
    VARIANTS,
    WORKSPACE,
    Stack,
)

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
BLOB_DATA_OWNER: Final = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
METRICS_PUBLISHER: Final = "3913510d-42f4-4e42-8a64-420c390055eb"
DATA_CONTRIBUTOR: Final = "00000000-0000-0000-0000-000000000002"


_KEYS: Final = re.compile(
    r"^(list[A-Z]\w*|getSecret|newGuid)$|[Kk]eys?$|[Ss]ecret|[Pp]assword|^(publishing|connectionStrings)"
)
# The last two say what becomes of the passwords that clients send: `drop` or `hash`.
_INNOCENT: Final = {"uniqueKeys", "key", "passwords", "SCIM_PASSWORDS"}
_KEY_TEXTS: Final = re.compile(r"AccountKey|SharedAccess|[?&]sig=|\bsv=\d|scimaf_|-----BEGIN|Bearer ")


def nothing_reads_or_holds_a_key(stack: Stack) -> Iterator[str]:
    for path, text in {**stack.bicep, **stack.parameter_files}.items():
        for node in walk(parse(text)):
            name = text_of(node)
            is_name = node.type in {"identifier", "property_identifier"} and name not in _INNOCENT
            if (is_name and _KEYS.search(name)) or (node.type == "string_content" and _KEY_TEXTS.search(name)):
                yield f"{path}:{node.start_point[0] + 1}: {name}"
    for path in ("infra/workbook.json", "infra/queries/lines.kql", "azure.yaml"):
        if found := _KEY_TEXTS.search(stack.files[path]):
            yield f"{path}: {found[0]}"
    for path, text in stack.bicep.items():
        if any(each.path.startswith("Microsoft.KeyVault/") for each in declarations(text)):
            yield f"{path}: there is nothing to keep in a vault"


def no_account_has_local_authentication(stack: Stack) -> Iterator[str]:
    for resource in stack.each(COSMOS):
        if resource.properties.get("disableLocalAuth") is not True:
            yield "Cosmos DB takes keys"
        if resource.properties.get("disableKeyBasedMetadataWriteAccess") is not True:
            yield "keys may change what Cosmos DB is made of"
    for resource in stack.each(INSIGHTS):
        if resource.properties.get("DisableLocalAuth") is not True:
            yield "Application Insights takes telemetry from anybody who has the connection string"
    for resource in stack.each(WORKSPACE):
        if resource.properties.get("features", {}).get("disableLocalAuth") is not True:
            yield "the Log Analytics workspace takes keys"


def storage_takes_identities_only(stack: Stack) -> Iterator[str]:
    wanted = {
        "allowSharedKeyAccess": False,
        "defaultToOAuthAuthentication": True,
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
    }
    for resource in stack.each(STORAGE):
        for name, value in wanted.items():
            if resource.properties.get(name) is not value:
                yield f"storage: {name} isn't {value}"
    for resource in stack.each(f"{STORAGE}/blobServices/containers"):
        if resource.properties.get("publicAccess") != "None":
            yield f"storage: the container {resource.name} is public"


def tls_is_1_2_at_least(stack: Stack) -> Iterator[str]:
    for resource in stack.each(STORAGE):
        if resource.properties.get("minimumTlsVersion") not in {"TLS1_2", "TLS1_3"}:
            yield "storage takes an old TLS"
    for resource in stack.each(COSMOS):
        if resource.properties.get("minimalTlsVersion") != "Tls12":
            yield "Cosmos DB takes an old TLS"
    for resource in stack.each(SITE):
        for name in ("minTlsVersion", "scmMinTlsVersion"):
            if resource.properties["siteConfig"].get(name) not in {"1.2", "1.3"}:
                yield f"the app takes an old TLS: {name}"


def https_only(stack: Stack) -> Iterator[str]:
    for resource in stack.each(STORAGE):
        if resource.properties.get("supportsHttpsTrafficOnly") is not True:
            yield "storage takes HTTP"
    for resource in stack.each(SITE):
        if resource.properties.get("httpsOnly") is not True:
            yield "the app takes HTTP"


def nobody_deploys_with_a_password(stack: Stack) -> Iterator[str]:
    for resource in stack.each(SITE):
        if resource.properties["siteConfig"].get("ftpsState") != "Disabled":
            yield "FTP is on"
    for variant in VARIANTS:
        policies = {
            resource.name: resource.properties.get("allow")
            for resource in stack.deploy(variant).resources
            if resource.type == f"{SITE}/basicPublishingCredentialsPolicies"
        }
        if policies != {"ftp": False, "scm": False}:
            yield f"basic publishing credentials: {policies}"


def everyone_has_the_roles_needed_and_no_other(stack: Stack) -> Iterator[str]:
    for variant, given in VARIANTS.items():
        deployed = stack.deploy(variant)
        roles = {
            (r.scope.type if r.scope else "", r.properties["principalId"], r.properties["roleDefinitionId"][-36:])
            for r in deployed.resources
            if r.type == ROLE
        }
        if roles != {(STORAGE, PRINCIPAL, BLOB_DATA_OWNER), (INSIGHTS, PRINCIPAL, METRICS_PUBLISHER)}:
            yield f"{variant}: roles of Azure: {sorted(roles)}"
        for r in deployed.resources:
            if r.type == ROLE and r.properties.get("principalType") != "ServicePrincipal":
                yield f"{r.file}: without principalType a new identity isn't found yet"
        account = stack.one(COSMOS, variant).id
        operators = [principal for principal in given.get("operators", []) if principal]
        definition = f"{account}/sqlRoleDefinitions/{DATA_CONTRIBUTOR}"
        data = sorted(
            (
                r.parent.id if r.parent else "",
                *(r.properties[name] for name in ("principalId", "roleDefinitionId", "scope")),
            )
            for r in deployed.resources
            if r.type == COSMOS_ROLE
        )
        if data != sorted((account, principal, definition, account) for principal in [PRINCIPAL, *operators]):
            yield f"{variant}: roles in Cosmos DB: {data}"


def every_resource_that_matters_is_logged(stack: Stack) -> Iterator[str]:
    wanted = {
        COSMOS: {"DataPlaneRequests", "ControlPlaneRequests"},
        f"{STORAGE}/blobServices": {"StorageRead", "StorageWrite", "StorageDelete"},
        SITE: {"FunctionAppLogs"},
    }
    for variant in VARIANTS:
        found = {
            r.scope.type: {log.get("category") for log in r.properties.get("logs", []) if log.get("enabled") is True}
            for r in stack.deploy(variant).resources
            if r.type == DIAGNOSTICS and r.scope and r.properties.get("workspaceId") == stack.one(WORKSPACE, variant).id
        }
        if found != wanted:
            yield f"{variant}: diagnostic settings: {found}"
    for r in stack.each(DIAGNOSTICS):
        if r.scope and r.scope.type == COSMOS and r.properties.get("logAnalyticsDestinationType") != "Dedicated":
            yield "the requests of Cosmos DB go to the table that everything shares"
    for r in stack.each(INSIGHTS):
        if not r.properties.get("WorkspaceResourceId", "").startswith(f"{GROUP}/providers/{WORKSPACE}/"):
            yield "Application Insights has no workspace"
