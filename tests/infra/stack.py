"""The stack of infra/: its files, the parameters that it is looked at with, and what they would deploy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.infra.bicep import Deployment, Json, Resource, assignments

ROOT: Final = Path(__file__).parents[2]
MAIN: Final = "infra/main.bicep"
OPERATORS: Final = ["44444444-4444-4444-8444-444444444444", "55555555-5555-4555-8555-555555555555"]
EMAIL: Final = "operations@example.com"

# Sets of parameters under which the whole stack is looked at.
VARIANTS: Final[Mapping[str, Mapping[str, Json]]] = {
    "defaults": {},
    "everything": {
        "name": "Contoso-SCIM-001",
        "tags": {"owner": "identity"},
        "operators": [*OPERATORS, ""],
        "alertEmails": [EMAIL, ""],
        "privateNetwork": True,
        "zoneRedundant": True,
        "capacity": "autoscale",
        "autoscaleThroughput": 4000,
        "backup": "Continuous30Days",
        "alwaysReadyInstances": 2,
        "instanceMemory": 4096,
        "perInstanceConcurrency": 64,
        "maxBodyBytes": 1500000,
        "maxBulkBytes": 1250000,
        "baseUrl": "https://scim.example.com/scim/v2",
        "requestsPerSecond": 50,
        "limits": {"SCIM_MAX_MEMBERS": "20000", "SCIM_MAX_BULK_BYTES": "10485760", "SCIM_STORE": "sqlite"},
        "schemasFolder": "schemas",
        "meAttribute": "userName",
        "passwords": "hash",
        "openTelemetry": True,
    },
    "operators from outside": {"privateNetwork": True, "operatorAddresses": ["192.0.2.0/24"]},
}
# What a person and a pipeline set, by the parameter files' own variables.
ENVIRONMENT: Final[Mapping[str, str]] = {
    "AZURE_ENV_NAME": "test",
    "AZURE_PRINCIPAL_ID": OPERATORS[0],
    "INFRA_OPERATORS": ",".join(OPERATORS[1:]),
    "INFRA_OPERATOR_ADDRESSES": '["192.0.2.7"]',
    "INFRA_ALERT_EMAILS": EMAIL,
    "INFRA_PRIVATE_NETWORK": "true",
    "INFRA_ZONE_REDUNDANT": "true",
    "INFRA_CAPACITY": "autoscale",
    "INFRA_ALWAYS_READY_INSTANCES": "1",
    "INFRA_BASE_URL": "https://scim.example.com/scim/v2",
    "INFRA_SCHEMAS_FOLDER": "schemas",
}

STORAGE: Final = "Microsoft.Storage/storageAccounts"
COSMOS: Final = "Microsoft.DocumentDB/databaseAccounts"
SITE: Final = "Microsoft.Web/sites"
PLAN: Final = "Microsoft.Web/serverfarms"
INSIGHTS: Final = "Microsoft.Insights/components"
WORKSPACE: Final = "Microsoft.OperationalInsights/workspaces"
NETWORK: Final = "Microsoft.Network/virtualNetworks"
ROLE: Final = "Microsoft.Authorization/roleAssignments"
COSMOS_ROLE: Final = f"{COSMOS}/sqlRoleAssignments"
CONTAINER: Final = f"{COSMOS}/sqlDatabases/containers"
DIAGNOSTICS: Final = "Microsoft.Insights/diagnosticSettings"
QUERY_ALERT: Final = "Microsoft.Insights/scheduledQueryRules"
METRIC_ALERT: Final = "Microsoft.Insights/metricAlerts"
ACTION_GROUP: Final = "Microsoft.Insights/actionGroups"
WORKBOOK: Final = "Microsoft.Insights/workbooks"
ENDPOINT: Final = "Microsoft.Network/privateEndpoints"
ZONE: Final = "Microsoft.Network/privateDnsZones"


@dataclass(frozen=True)
class Stack:
    """The files of a stack, and what they would deploy."""

    files: Mapping[str, str]
    """Path from the root of the repository -> text."""
    _made: dict[tuple[str, str, str], Deployment] = field(default_factory=dict)

    @property
    def bicep(self) -> Mapping[str, str]:
        """The .bicep files."""
        return {path: text for path, text in self.files.items() if path.endswith(".bicep")}

    @property
    def parameter_files(self) -> Mapping[str, str]:
        """The .bicepparam files."""
        return {path: text for path, text in self.files.items() if path.endswith(".bicepparam")}

    def deploy(self, variant: str, cloud: str = "AzureCloud", *, name: str = "") -> Deployment:
        """The deployment of a variant, or of a parameter file. Raises `BicepError`."""
        key = variant, cloud, name
        if key not in self._made:
            if variant in self.files:
                given: Mapping[str, Json] = assignments(self.files, variant, ENVIRONMENT)
            else:
                given = VARIANTS[variant]
            self._made[key] = Deployment(self.files, MAIN, {**given, **({"name": name} if name else {})}, cloud)
        return self._made[key]

    def each(self, *kinds: str) -> Iterator[Resource]:
        """The resources of some types, in every variant."""
        for variant in (*VARIANTS, *self.parameter_files):
            found = [resource for resource in self.deploy(variant).resources if resource.type in kinds]
            yield from found

    def one(self, kind: str, variant: str = "everything") -> Resource:
        """The only resource of a type."""
        (found,) = (resource for resource in self.deploy(variant).resources if resource.type == kind)
        return found

    def settings(self, variant: str) -> dict[str, str]:
        """The app settings."""
        return self.one(f"{SITE}/config", variant).properties


def at_hand() -> Stack:
    """The stack of this repository."""
    paths = [*ROOT.glob("infra/**/*"), *(ROOT / name for name in ("azure.yaml", "host.json", ".python-version"))]
    paths += [ROOT / "local.settings.sample.json", ROOT / "scim/storage/cosmos/container.json"]
    return Stack({path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths if path.is_file()})
