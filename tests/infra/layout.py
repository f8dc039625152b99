"""Invariants of infra/: the files, their parameters, names, versions and tags; what azd and people pass to them."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.infra.bicep import BicepError, Json, declarations, literal, parse, text_of, walk
from tests.infra.stack import (
    ACTION_GROUP,
    CONTAINER,
    COSMOS,
    COSMOS_ROLE,
    DIAGNOSTICS,
    ENDPOINT,
    INSIGHTS,
    MAIN,
    METRIC_ALERT,
    NETWORK,
    OPERATORS,
    PLAN,
    QUERY_ALERT,
    ROLE,
    SITE,
    STORAGE,
    VARIANTS,
    WORKBOOK,
    WORKSPACE,
    ZONE,
    Stack,
)

# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
NAMES: Final[Mapping[str, str]] = {
    "Microsoft.ManagedIdentity/userAssignedIdentities": r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}",
    STORAGE: r"[a-z0-9]{3,24}",
    f"{STORAGE}/blobServices": r"default",
    f"{STORAGE}/blobServices/containers": r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]",
    COSMOS: r"[a-z0-9][a-z0-9-]{1,42}[a-z0-9]",
    f"{COSMOS}/sqlDatabases": r"[^/\\#?]{1,255}",
    CONTAINER: r"[^/\\#?]{1,255}",
    COSMOS_ROLE: r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    ROLE: r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    WORKBOOK: r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    WORKSPACE: r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
    INSIGHTS: r"[^%&\\?/]{0,259}[^%&\\?/. ]",
    PLAN: r"[A-Za-z0-9-]{1,40}",
    SITE: r"[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]",
    f"{SITE}/config": r"appsettings",
    f"{SITE}/basicPublishingCredentialsPolicies": r"ftp|scm",
    DIAGNOSTICS: r"[^*<>%&:\\?+/]{1,260}",
    ACTION_GROUP: r"[^/&%\\?]{0,259}[^/&%\\? .]",
    QUERY_ALERT: r"[^*<>%{}&:\\?/#@+]{0,259}[^*<>%{}&:\\?/#@+ .]",
    METRIC_ALERT: r"[^*#&+:<>?@%{}\\/]{0,259}[^*#&+:<>?@%{}\\/ .]",
    NETWORK: r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]",
    "Microsoft.Network/networkSecurityGroups": r"[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]",
    ENDPOINT: r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]",
    f"{ENDPOINT}/privateDnsZoneGroups": r"[A-Za-z0-9][A-Za-z0-9._-]{0,78}",
    ZONE: r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,33}",
    f"{ZONE}/virtualNetworkLinks": r"[A-Za-z0-9][A-Za-z0-9._-]{0,78}[A-Za-z0-9_]",
}
UNTAGGED: Final = {ROLE, COSMOS_ROLE, DIAGNOSTICS, f"{SITE}/config", f"{SITE}/basicPublishingCredentialsPolicies"}


def every_file_parses(stack: Stack) -> Iterator[str]:
    for path, text in {**stack.bicep, **stack.parameter_files}.items():
        for node in walk(parse(text)):
            if node.is_error or node.is_missing:
                yield f"{path}:{node.start_point[0] + 1}: this isn't Bicep"


def every_variant_deploys(stack: Stack) -> Iterator[str]:
    """Symbols, parameters of modules, types, bounds and functions are right, in the parameter files too."""
    for variant in (*VARIANTS, *stack.parameter_files):
        try:
            stack.deploy(variant)
        except BicepError as error:
            yield f"{variant}: {error}"


_GIVEN_BY_AZURE: Final = re.compile(r"(location|insightsConnection|\w*(Id|Endpoint|Url))")


def everything_is_described_and_bounded(stack: Stack) -> Iterator[str]:
    for path, text in stack.bicep.items():
        for each in declarations(text):
            if each.kind not in {"parameter", "output"}:
                continue
            if len(literal(each.decorators["description"][0]) if "description" in each.decorators else "") < 5:
                yield f"{path}: {each.name} has no description"
            if each.kind == "output" or "allowed" in each.decorators:
                continue
            match each.type:
                case "int" if not {"minValue", "maxValue"} <= each.decorators.keys():
                    yield f"{path}: {each.name} has no bounds"
                case "string[]" | "string" if "maxLength" not in each.decorators:
                    if not _GIVEN_BY_AZURE.fullmatch(each.name):
                        yield f"{path}: {each.name} may be of any length"


def everything_declared_is_used(stack: Stack) -> Iterator[str]:
    used_files = {MAIN}
    for path, text in stack.bicep.items():
        nodes = list(walk(parse(text)))
        # A name that stands before a colon in an object reads nothing; nor does the one in the declaration.
        keys = Counter(text_of(node.named_children[0]) for node in nodes if node.type == "object_property")
        names = Counter(text_of(node) for node in nodes if node.type == "identifier")
        for each in declarations(text):
            if each.kind in {"parameter", "variable"} and names[each.name] - keys[each.name] < 2:
                yield f"{path}: nothing reads {each.name}"
            if each.kind == "module":
                used_files.add(f"infra/{each.path}")
            if each.kind == "output" and path != MAIN:
                module = Path(path).stem
                if not re.search(rf"\b{module}\.\??outputs\.{each.name}\b", stack.files[MAIN]):
                    yield f"{path}: nothing reads the output {each.name}"
    for path in stack.bicep.keys() - used_files:
        yield f"{path}: nothing deploys it"


def main_passes_every_parameter_of_a_module(stack: Stack) -> Iterator[str]:
    """A module has no defaults, so that there is one place for each."""
    for path, text in stack.bicep.items():
        for each in declarations(text):
            if path != MAIN and each.kind == "parameter" and each.value is not None:
                yield f"{path}: {each.name} has a default of its own"
    main = stack.files[MAIN]
    for each in declarations(main):
        if each.kind == "module" and not re.search(
            rf"'{each.path}' = (if \(\w+\) )?{{\n  name: '{each.name}'", text_of(each.node)
        ):
            yield f"{MAIN}: the deployment of {each.path} isn't called {each.name}"
    if len(main.splitlines()) > 320:
        yield f"{MAIN} isn't short"


def versions_of_types_are_stable(stack: Stack) -> Iterator[str]:
    for path, text in stack.bicep.items():
        for each in declarations(text):
            # Of diagnostic settings there is no stable version that knows categories of today.
            preview = each.path == f"{DIAGNOSTICS}@2021-05-01-preview"
            if each.kind == "resource" and not preview and not re.search(r"@\d{4}-\d\d-\d\d$", each.path):
                yield f"{path}: {each.path}"
    versions: dict[str, str] = {}
    for r in stack.each(*NAMES):
        provider = r.type.partition("/")[0] if r.type.startswith(("Microsoft.Web", "Microsoft.DocumentDB")) else r.type
        if versions.setdefault(provider, r.version) != r.version:
            yield f"{r.type}: two versions"


def names_are_ones_that_azure_takes(stack: Stack) -> Iterator[str]:
    for variant, name in (("everything", "ab"), ("everything", "Contoso-SCIM-001"), ("defaults", "")):
        deployed = stack.deploy(variant, name=name).resources
        for r in deployed:
            if r.type not in NAMES:
                yield f"{r.type}: the rules for its names aren't known here"
            elif not re.fullmatch(NAMES[r.type], r.name):
                yield f"{r.type}: '{r.name}'"
        if len({r.id.lower() for r in deployed}) != len(deployed):
            yield f"{variant}: two resources of one name"
        # Theirs are names of hosts, which nobody else on earth may have.
        for r in deployed:
            if r.type in {STORAGE, COSMOS, SITE} and not re.search(r"[a-z2-7]{13}$", r.name):
                yield f"{r.type}: '{r.name}' may be taken"


def everything_has_the_tags(stack: Stack) -> Iterator[str]:
    for r in stack.deploy("everything").resources:
        is_part = r.parent is not None and r.type != f"{ZONE}/virtualNetworkLinks"
        if r.type in UNTAGGED or is_part:
            continue
        if r.body.get("tags", {}).get("owner") != "identity":
            yield f"{r.file}: {r.symbol}"


def azd_finds_its_way(stack: Stack) -> Iterator[str]:
    described = stack.files["azure.yaml"]
    for wanted in ("provider: bicep", "path: infra", "module: main", "  api:", "project: .", "language: python"):
        if wanted not in described:
            yield f"azure.yaml: no '{wanted}'"
    for wanted in ("host: function", "remoteBuild: true"):
        if wanted not in described:
            yield f"azure.yaml: no '{wanted}'"
    for site in stack.each(SITE):
        if site.body["tags"].get("azd-service-name") != "api":
            yield "azd doesn't know which app the service is"
    if not {"infra/main.bicepparam", "infra/dev.bicepparam", "infra/prod.bicepparam"} <= stack.files.keys():
        yield "a parameter file is missing"
    for path, text in stack.parameter_files.items():
        if "using 'main.bicep'" not in text:
            yield f"{path}: for which file?"
    if OPERATORS[0] not in stack.deploy("infra/main.bicepparam").parameters["operators"]:
        yield "whoever runs azd can't run the scim command afterwards"


def production_is_safe_and_development_cheap(stack: Stack) -> Iterator[str]:
    wanted: Mapping[str, Mapping[str, Json]] = {
        "infra/dev.bicepparam": {"capacity": "serverless", "alwaysReadyInstances": 0, "privateNetwork": False},
        "infra/prod.bicepparam": {
            "backup": "Continuous30Days",
            "privateNetwork": True,
            "zoneRedundant": True,
            "alwaysReadyInstances": 2,
        },
    }
    for path, values in wanted.items():
        deployed = stack.deploy(path)
        for name, value in values.items():
            if deployed.value_of(name) != value:
                yield f"{path}: {name}"
    for r in stack.deploy("infra/prod.bicepparam").resources:
        spread = {
            STORAGE: r.body.get("sku") == {"name": "Standard_ZRS"},
            PLAN: r.properties.get("zoneRedundant") is True,
            COSMOS: all(each.get("isZoneRedundant") is True for each in r.properties.get("locations", [])),
        }
        if not spread.get(r.type, True):
            yield f"{r.type} stands in one zone"
