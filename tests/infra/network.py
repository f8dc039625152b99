"""Invariants of infra/: a private network leaves no other way; nothing knows which cloud it is in."""

import json
import re
from collections.abc import Iterator
from typing import Final

from tests.infra.bicep import declarations, parse, text_of, walk
from tests.infra.stack import COSMOS, ENDPOINT, MAIN, NETWORK, SITE, STORAGE, VARIANTS, WORKBOOK, ZONE, Stack

RULES: Final = "Microsoft.Network/networkSecurityGroups"


def a_private_network_leaves_no_other_way(stack: Stack) -> Iterator[str]:
    for variant, given in VARIANTS.items():
        deployed, private = stack.deploy(variant), bool(given.get("privateNetwork"))
        storage, cosmos = stack.one(STORAGE, variant).properties, stack.one(COSMOS, variant).properties
        addresses = [{"ipAddressOrRange": each} for each in given.get("operatorAddresses", [])] if private else []
        found = storage["publicNetworkAccess"], storage["networkAcls"]["defaultAction"], cosmos["publicNetworkAccess"]
        closed = ("Disabled", "Deny", "Enabled" if addresses else "Disabled")
        if found != (closed if private else ("Enabled", "Allow", "Enabled")):
            yield f"{variant}: the doors stand {found}"
        if cosmos.get("ipRules") != addresses or cosmos.get("networkAclBypass") != "None":
            yield f"{variant}: the database's rules: {cosmos.get('ipRules')}"
        if storage["networkAcls"].get("bypass") != "None":
            yield f"{variant}: storage lets other services by"
        if not private:
            strays = [r.type for r in deployed.resources if r.type.startswith("Microsoft.Network/")]
            if strays or stack.one(SITE, variant).properties.get("virtualNetworkSubnetId") is not None:
                yield f"{variant}: a network that nobody asked for: {strays}"
            continue
        yield from _network_faults(stack, variant)
        yield from _rule_faults(stack, variant)
    (app,) = (each for each in declarations(stack.files[MAIN]) if each.name == "app")
    if "dependsOn: [endpoints]" not in text_of(app.node):
        yield "the app may be there before the names that it finds its database by"


def _network_faults(stack: Stack, variant: str) -> Iterator[str]:
    deployed, network = stack.deploy(variant), stack.one(NETWORK, variant)
    subnets = {f"{network.id}/subnets/{each['name']}": each["properties"] for each in network.properties["subnets"]}
    mine = subnets.get(str(stack.one(SITE, variant).properties.get("virtualNetworkSubnetId")), {})
    if [each["properties"] for each in mine.get("delegations", [])] != [{"serviceName": "Microsoft.App/environments"}]:
        yield f"{variant}: the app sends from a subnet that isn't Flex Consumption's"
    storage, cosmos = stack.one(STORAGE, variant), stack.one(COSMOS, variant)
    hosts = {
        (storage.id, "blob"): storage.runtime["primaryEndpoints"]["blob"],
        (cosmos.id, "Sql"): cosmos.runtime["documentEndpoint"],
    }
    zones = {r.id: r.name for r in deployed.resources if r.type == ZONE}
    linked = {
        r.parent.id
        for r in deployed.resources
        if r.type == f"{ZONE}/virtualNetworkLinks"
        and r.parent
        and r.properties == {"registrationEnabled": False, "virtualNetwork": {"id": network.id}}
    }
    if linked != zones.keys():
        yield f"{variant}: the network doesn't see every zone"
    found = {}
    for group in (r for r in deployed.resources if r.type == f"{ENDPOINT}/privateDnsZoneGroups" and r.parent):
        endpoint = group.parent.properties if group.parent else {}
        (connection,) = (each["properties"] for each in endpoint["privateLinkServiceConnections"])
        (zone,) = (each["properties"]["privateDnsZoneId"] for each in group.properties["privateDnsZoneConfigs"])
        rules = subnets.get(endpoint["subnet"]["id"], {})
        if rules.get("privateEndpointNetworkPolicies") != "Enabled" or "networkSecurityGroup" not in rules:
            yield f"{variant}: no rules hold for an endpoint"
        found[connection["privateLinkServiceId"], *connection["groupIds"]] = zones.get(zone, "")
    # An account's name, then `privatelink.` and the rest of its host name: so the zones are told from the hosts.
    wanted = {
        key: re.sub(r"^https://[^.]+\.([^:/]+).*$", r"privatelink.\1", address, flags=re.ASCII)
        for key, address in hosts.items()
    }
    if found != wanted:
        yield f"{variant}: endpoints {found}"


def _rule_faults(stack: Stack, variant: str) -> Iterator[str]:
    rules = [each["properties"] for each in stack.one(RULES, variant).properties["securityRules"]]
    told = {
        rule["priority"]: tuple(
            rule[name] for name in ("direction", "access", "sourceAddressPrefix", "destinationPortRange")
        )
        for rule in rules
    }
    # Azure's own rules, which let the whole network in, begin at 65000.
    if told != {100: ("Inbound", "Allow", "VirtualNetwork", "443"), 4096: ("Inbound", "Deny", "*", "*")}:
        yield f"{variant}: the endpoints let in {told}"


def no_name_of_a_cloud_is_written_down(stack: Stack) -> Iterator[str]:
    """Evaluated for another cloud, nothing leads to the public one; nor do the files say its names."""
    public = re.compile(r"(windows\.net|azure\.com|azurewebsites\.net|microsoftonline\.com)", re.IGNORECASE)
    for variant in VARIANTS:
        deployed = stack.deploy(variant, "AzureChinaCloud")
        for r in deployed.resources:
            body = {name: value for name, value in r.body.items() if name not in {"parent", "scope", "dependsOn"}}
            if r.type != WORKBOOK and (found := public.search(json.dumps([body]))):
                yield f"{r.file}: {r.symbol} has {found[0]}"
        if found := public.search(json.dumps(deployed.outputs)):
            yield f"an output has {found[0]}"
    for path, text in {**stack.bicep, **stack.parameter_files}.items():
        for node in walk(parse(text)):
            if node.type == "string_content" and (found := public.search(text_of(node))):
                yield f"{path}:{node.start_point[0] + 1}: {found[0]}"
