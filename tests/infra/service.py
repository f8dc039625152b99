"""Invariants of infra/: the database is the one that the code goes by, the app is set up as the code reads it."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final
from unittest.mock import ANY

from tree_sitter import Node

from scim.settings import Settings, SettingsError, from_environment, variable
from tests.infra.bicep import CLIENT, Deployment, declarations, literal, text_of
from tests.infra.stack import CONTAINER, COSMOS, INSIGHTS, MAIN, PLAN, SITE, STORAGE, VARIANTS, Stack

# Settings that the platform, its host or Azure's libraries read, and no code of ours. FUNCTIONS_WORKER_RUNTIME and others
# that older plans ask for are refused on Flex Consumption.
PLATFORM: Final = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AZURE_CLIENT_ID",
    "AZURE_TOKEN_CREDENTIALS",
    "AzureFunctionsJobHost__extensions__http__maxConcurrentRequests",
    "AzureFunctionsJobHost__extensions__http__maxOutstandingRequests",
    "AzureFunctionsJobHost__telemetryMode",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT",
}
OURS: Final = {setting.name for setting in fields(Settings)}
NOT_ON_AZURE: Final = {"store", "data", "dev_token", "dev_keys", "cosmos_key", "opentelemetry", "on_azure"}


def consistency_is_strong_and_one_region_writes(stack: Stack) -> Iterator[str]:
    for resource in stack.each(COSMOS):
        asked = resource.properties
        if asked.get("consistencyPolicy") != {"defaultConsistencyLevel": "Strong"}:
            yield f"consistency: {asked.get('consistencyPolicy')}"
        if len(asked.get("locations", [])) != 1 or asked.get("enableMultipleWriteLocations") is not False:
            yield "more than one region may write"


def backups_are_continuous(stack: Stack) -> Iterator[str]:
    tiers = {"defaults": "Continuous7Days", "everything": "Continuous30Days"}
    for variant, tier in tiers.items():
        policy = stack.one(COSMOS, variant).properties.get("backupPolicy")
        if policy != {"type": "Continuous", "continuousModeProperties": {"tier": tier}}:
            yield f"{variant}: {policy}"


def the_container_is_the_one_that_the_code_goes_by(stack: Stack) -> Iterator[str]:
    definition = json.loads(stack.files["scim/storage/cosmos/container.json"])
    for variant in VARIANTS:
        made = stack.one(CONTAINER, variant)
        if made.properties["resource"] != {"id": made.name, **definition}:
            yield f"{variant}: {made.properties['resource']}"
        settings = stack.settings(variant)
        names = made.parent.name if made.parent else "", made.name
        if names != (settings.get("COSMOS_DATABASE"), settings.get("COSMOS_CONTAINER")):
            yield f"{variant}: the app looks for another container than {names}"
        if made.parent is None or made.parent.properties.get("resource") != {"id": made.parent.name}:
            yield f"{variant}: the database has another id than name"
    if definition.get("defaultTtl") != -1 or definition["uniqueKeyPolicy"]["uniqueKeys"] != [{"paths": ["/key"]}]:
        yield "the definition has lost its time to live or its unique key"


def the_database_is_paid_as_asked_for(stack: Stack) -> Iterator[str]:
    wanted = {
        "defaults": ([{"name": "EnableServerless"}], {}),
        "everything": ([], {"autoscaleSettings": {"maxThroughput": 4000}}),
    }
    for variant, expected in wanted.items():
        account, container = stack.one(COSMOS, variant), stack.one(CONTAINER, variant)
        found = account.properties.get("capabilities"), container.properties.get("options")
        if found != expected:
            yield f"{variant}: {found}"


def app_settings_are_known_to_the_code_or_the_platform(stack: Stack) -> Iterator[str]:
    ours = {variable(name) for name in OURS - NOT_ON_AZURE} | {"SCIM_STORE"}
    for variant in (*VARIANTS, *stack.parameter_files):
        for name, value in stack.settings(variant).items():
            if name not in ours | PLATFORM:
                yield f"{variant}: nothing reads {name}, or not on Azure"
            if not isinstance(value, str):
                yield f"{variant}: {name} isn't text"


def app_settings_are_complete(stack: Stack) -> Iterator[str]:
    """Every setting that the platform reads is there, and the service starts with the rest as it is meant to."""
    own_parameters = {"max_body_bytes", "max_bulk_bytes"}
    limits = {variable(name) for name in OURS - own_parameters if name.startswith(("max_", "default_", "cursor_"))}
    (described,) = (each for each in declarations(stack.files[MAIN]) if each.name == "limits")
    named = set(re.findall(r"\bSCIM_[A-Z_]+", literal(described.decorators["description"][0])))
    if named != limits:
        yield f"the parameter `limits` describes {sorted(named ^ limits)} wrongly"
    for variant, given in VARIANTS.items():
        settings, traced = stack.settings(variant), bool(given.get("openTelemetry"))
        missing = PLATFORM - settings.keys() - (set() if traced else {"AzureFunctionsJobHost__telemetryMode"})
        if missing:
            yield f"{variant}: {sorted(missing)} are missing"
        try:
            found = from_environment({**settings, "WEBSITE_INSTANCE_ID": "1"})
        except SettingsError as error:
            yield f"{variant}: {error}"
            continue
        wanted = Settings(
            store="cosmos",
            cosmos_endpoint=stack.one(COSMOS, variant).runtime["documentEndpoint"],
            base_url=given.get("baseUrl"),
            requests_per_second=given.get("requestsPerSecond", 100),
            schemas=Path(given["schemasFolder"]) if "schemasFolder" in given else None,
            me_attribute=given.get("meAttribute", "externalId"),
            passwords=given.get("passwords", "drop"),
            max_body_bytes=given.get("maxBodyBytes", Settings().max_body_bytes),
            max_bulk_bytes=given.get("maxBulkBytes", Settings().max_bulk_bytes),
            max_members=int(given.get("limits", {}).get("SCIM_MAX_MEMBERS", Settings().max_members)),
            azure_monitor=traced,
            on_azure=True,
        )
        if found != wanted:
            yield f"{variant}: {found!r}"


def the_app_is_its_identity(stack: Stack) -> Iterator[str]:
    for variant in VARIANTS:
        settings, site = stack.settings(variant), stack.one(SITE, variant)
        wanted = {
            "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": f"ClientId={CLIENT};Authorization=AAD",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": stack.one(INSIGHTS, variant).runtime["ConnectionString"],
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "AzureWebJobsStorage__blobServiceUri": stack.one(STORAGE, variant).runtime["primaryEndpoints"]["blob"],
            "AzureWebJobsStorage__clientId": CLIENT,
            "AzureWebJobsStorage__credential": "managedidentity",
        }
        for name, value in wanted.items():
            if settings.get(name) != value:
                yield f"{variant}: {name} is {settings.get(name)}"
        identity = stack.one("Microsoft.ManagedIdentity/userAssignedIdentities", variant).id
        if site.body.get("identity") != {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}:
            yield f"{variant}: the app has another identity"
        storage = site.properties["functionAppConfig"]["deployment"]["storage"]
        package = stack.one(f"{STORAGE}/blobServices/containers", variant).name
        if storage != {
            "type": "blobContainer",
            "value": f"{wanted['AzureWebJobsStorage__blobServiceUri']}{package}",
            "authentication": {"type": "UserAssignedIdentity", "userAssignedIdentityResourceId": identity},
        }:
            yield f"{variant}: the package comes from {storage}"


def the_plan_is_flex_consumption(stack: Stack) -> Iterator[str]:
    version = stack.files[".python-version"].strip()
    for plan in stack.each(PLAN):
        if plan.body.get("sku") != {"name": "FC1", "tier": "FlexConsumption"} or not plan.properties.get("reserved"):
            yield f"the plan: {plan.body.get('sku')}"
    for site in stack.each(SITE):
        if site.body.get("kind") != "functionapp,linux" or f"/{PLAN}/" not in site.properties.get("serverFarmId", ""):
            yield "the site is no function app on the plan"
        if site.properties["functionAppConfig"].get("runtime") != {"name": "python", "version": version}:
            yield f"the runtime isn't Python {version}"
    wanted = {
        "defaults": {"instanceMemoryMB": 2048, "maximumInstanceCount": 40, "alwaysReady": [], "triggers": ANY},
        "everything": {
            "instanceMemoryMB": 4096,
            "maximumInstanceCount": 40,
            "alwaysReady": [{"name": "http", "instanceCount": 2}],
            "triggers": {"http": {"perInstanceConcurrency": 64}},
        },
    }
    for variant, expected in wanted.items():
        scale = stack.one(SITE, variant).properties["functionAppConfig"].get("scaleAndConcurrency")
        if scale != expected:
            yield f"{variant}: {scale}"


# Memory that host and worker together hold: without a body, and for each byte of a body (docs/adr/0028).
BASE_MEMORY: Final = 250_000_000
BYTES_PER_BODY_BYTE: Final = 19
JUST_ABOVE: Final = range(1, 128 * 1024)
HTTP: Final = "AzureFunctionsJobHost__extensions__http__"


def requests_at_once_fit_into_the_memory_of_an_instance(stack: Stack) -> Iterator[str]:
    """For each size of an instance, and for the smallest and largest limits of bodies as well as the defaults."""
    parameters = {each.name: each for each in declarations(stack.files[MAIN])}
    body, bulk = parameters["maxBodyBytes"].decorators, parameters["maxBulkBytes"].decorators
    least, most = (
        {"maxBodyBytes": _int(body[end]), "maxBulkBytes": _int(bulk[end])} for end in ("minValue", "maxValue")
    )
    cap = _int(parameters["perInstanceConcurrency"].decorators["maxValue"])
    for memory in (int(text_of(size)) for size in parameters["instanceMemory"].decorators["allowed"][0].named_children):
        for given in ({}, least, most, {"maxBodyBytes": most["maxBodyBytes"]}, {"maxBulkBytes": most["maxBulkBytes"]}):
            deployed = Deployment(stack.files, MAIN, {"instanceMemory": memory, **given})
            for fault in _memory_faults(deployed, memory * 1_000_000, cap):
                yield f"{memory} MB, {given}: {fault}"


def _int(argument: Sequence[Node]) -> int:
    return int(text_of(argument[0]))


def _memory_faults(deployed: Deployment, memory: int, cap: int) -> Iterator[str]:
    (site,) = (resource for resource in deployed.resources if resource.type == SITE)
    (config,) = (resource for resource in deployed.resources if resource.type == f"{SITE}/config")
    settings = Counter({name: int(value) for name, value in config.properties.items() if value.isdecimal()})
    limit, at_once = settings["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"], settings[f"{HTTP}maxConcurrentRequests"]
    scale = site.properties["functionAppConfig"]["scaleAndConcurrency"]
    if scale["triggers"] != {"http": {"perInstanceConcurrency": at_once}}:
        yield f"the plan sends {scale['triggers']}, the host works on {at_once}"
    if at_once < 1 or at_once * limit * BYTES_PER_BODY_BYTE + BASE_MEMORY > memory:
        yield f"{at_once} requests at once, with bodies of {limit} bytes, don't fit"
    if at_once < cap and (at_once + 1) * limit * BYTES_PER_BODY_BYTE + BASE_MEMORY <= memory:
        yield f"more than {at_once} requests at once would fit"
    accepted = max(settings["SCIM_MAX_BODY_BYTES"], settings["SCIM_MAX_BULK_BYTES"])
    if limit - accepted not in JUST_ABOVE:
        yield f"the host refuses bodies of more than {limit} bytes, the service more than {accepted}"
    if settings[f"{HTTP}maxOutstandingRequests"] != 4 * at_once:
        yield f"{settings[f'{HTTP}maxOutstandingRequests']} may run or wait"


def body_limits_are_the_same_everywhere(stack: Stack) -> Iterator[str]:
    """In the stack, in the sample of the settings for a local host, in host.json and in what the service accepts."""
    sample = json.loads(stack.files["local.settings.sample.json"])["Values"]
    name = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
    if sample.get(name) != stack.settings("defaults").get(name):
        yield f"the sample has {name} {sample.get(name)}"
    parameters = {each.name: each.decorators for each in declarations(stack.files[MAIN])}
    host = json.loads(stack.files["host.json"])["extensions"]["http"]
    if _int(parameters["perInstanceConcurrency"]["maxValue"]) > host["maxConcurrentRequests"]:
        yield "host.json refuses requests that the plan still sends to an instance"
    for parameter, name in (("maxBodyBytes", "SCIM_MAX_BODY_BYTES"), ("maxBulkBytes", "SCIM_MAX_BULK_BYTES")):
        for bound, beyond in (("minValue", -1), ("maxValue", 1)):
            value = _int(parameters[parameter][bound])
            if not _accepts(name, value) or _accepts(name, value + beyond):
                yield f"{parameter}: the service has another {bound} than {value}"


def _accepts(name: str, value: int) -> bool:
    try:
        from_environment({name: str(value)})
    except SettingsError:
        return False
    return True
