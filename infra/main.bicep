// The whole stack: one function app, one Cosmos DB account, logs, alerts and a workbook. All resources authenticate to each
// other with a managed identity. The stack contains no keys and therefore needs no Key Vault.
targetScope = 'resourceGroup'

@description('Region of all resources. Default: the region of the resource group.')
param location string = resourceGroup().location

@description('Prefix in the names of the resources: a to z, 0 to 9 and hyphens; the first character is a letter.')
@minLength(2)
@maxLength(16)
param name string = 'scim'

@description('Tags for every resource, such as an owner and a cost centre.')
param tags object = {}

@description('Object ids in Entra ID of the people, groups and pipelines that run the `scim` command on this database. They can read and write all its data.')
@maxLength(100)
param operators string[] = []

@description('With `privateNetwork`: IPv4 addresses or CIDR ranges from which operators can reach the database. Empty: only from inside the network.')
@maxLength(100)
param operatorAddresses string[] = []

@description('E-mail addresses that receive alerts. Empty: alerts appear only in the Azure portal.')
@maxLength(20)
param alertEmails string[] = []

@description('Whether storage and database can be reached only through private endpoints, not from the internet. Identity providers can still reach the app. Do not change this after the first deployment.')
param privateNetwork bool = false

@description('Address range of the private network in CIDR notation, /24 or larger. It must not overlap with your other networks.')
@minLength(9)
@maxLength(18)
param networkAddresses string = '10.70.0.0/24'

@description('Whether app, storage and database are spread over the availability zones of the region. This cannot be changed later for the database.')
param zoneRedundant bool = false

@description('Billing of the database: `serverless` bills the request units that are used; `autoscale` bills by the hour and offers more throughput. It can be changed later only from `serverless` to `autoscale`.')
@allowed(['serverless', 'autoscale'])
param capacity string = 'serverless'

@description('With `autoscale`: maximum request units per second, a multiple of 1000. A tenth of it is billed even without requests.')
@minValue(1000)
@maxValue(1000000)
param autoscaleThroughput int = 1000

@description('Period of the continuous backup: the database can be restored to any second of the last 7 days, or of the last 30 days at an extra charge.')
@allowed(['Continuous7Days', 'Continuous30Days'])
param backup string = 'Continuous7Days'

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemory int = 2048

@description('Maximum number of instances. It limits the cost of a flood of requests.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('Maximum number of concurrent requests of an instance. The stack reduces it to the number that fits into the memory of an instance, see `requestsAtOnce`.')
@minValue(1)
@maxValue(100)
param perInstanceConcurrency int = 100

@description('Maximum size of a request body, in bytes (SCIM_MAX_BODY_BYTES). An instance needs about 19 bytes of memory for each byte of a body, so larger bodies mean fewer concurrent requests.')
@minValue(1024)
@maxValue(10485760)
param maxBodyBytes int = 1048576

@description('Maximum size of the body of a bulk request, in bytes (SCIM_MAX_BULK_BYTES). An instance needs about 19 bytes of memory for each byte of a body: with 2048 MB it runs 43 requests concurrently at 2 MiB, and 8 at 10 MiB.')
@minValue(1024)
@maxValue(10485760)
param maxBulkBytes int = 2097152

@description('Number of instances that are always ready. 0: the first request after a pause waits for a cold start. Use at least 2 with `zoneRedundant`.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('Base URL in responses behind a custom domain or a gateway, such as `https://scim.example.com/scim/v2` (SCIM_BASE_URL). Empty: the address that the client used.')
@maxLength(500)
param baseUrl string = ''

@description('Rate limit: requests per second that each instance accepts from one customer (SCIM_REQUESTS_PER_SECOND).')
@minValue(1)
@maxValue(100000)
param requestsPerSecond int = 100

@description('Limits that differ from the defaults, by the names of their settings: SCIM_MAX_RESOURCE_BYTES, SCIM_MAX_FILTER_CHARACTERS, SCIM_MAX_FILTER_DEPTH, SCIM_MAX_FILTER_COMPARISONS, SCIM_MAX_PATCH_OPERATIONS, SCIM_MAX_MEMBERS, SCIM_DEFAULT_PAGE, SCIM_MAX_PAGE, SCIM_MAX_LIST_BYTES, SCIM_MAX_BULK_OPERATIONS, SCIM_CURSOR_SECONDS.')
param limits object = {}

@description('Folder in the deployment package with custom schemas and resource types, such as `schemas` (SCIM_SCHEMAS). Empty: none.')
@maxLength(200)
param schemasFolder string = ''

@description('Attribute of a user that contains the object id of the user in Entra ID. It determines the user of `/Me` (SCIM_ME_ATTRIBUTE).')
@minLength(1)
@maxLength(300)
param meAttribute string = 'externalId'

@description('Handling of passwords that a client sends (SCIM_PASSWORDS): `drop` discards them, `hash` stores Argon2id hashes.')
@allowed(['drop', 'hash'])
param passwords string = 'drop'

@description('Whether the app also sends traces and metrics by OpenTelemetry. The log lines do not need it.')
param openTelemetry bool = false

@description('Retention of logs, in days. The first 31 days are free.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Daily cap of logs, in GB; -1: no cap. Logs above the cap are lost and cannot trigger alerts.')
@minValue(-1)
@maxValue(4000)
param logGigabytesPerDay int = -1

// 13 characters that depend only on the resource group and the name, so that a second deployment updates the resources of the
// first.
var suffix = uniqueString(resourceGroup().id, name)
var prefix = toLower(name)
// Names of storage accounts have no hyphens and at most 24 characters: 2 + 9 + 13.
var compact = take(replace(prefix, '-', ''), 9)
var names = {
  identity: 'id-${prefix}-${suffix}'
  storage: 'st${compact}${suffix}'
  cosmos: 'cosmos-${prefix}-${suffix}'
  workspace: 'log-${prefix}-${suffix}'
  insights: 'appi-${prefix}-${suffix}'
  plan: 'plan-${prefix}-${suffix}'
  site: 'func-${prefix}-${suffix}'
  network: 'vnet-${prefix}-${suffix}'
  alerts: 'alert-${prefix}-${suffix}'
}
// The host answers a body over its own limit with an empty 500. Its limit is therefore 64 KiB above the larger limit of the
// service: a body that is slightly too large gets the service's 413, which names the limit.
var requestBodyLimit = max(maxBodyBytes, maxBulkBytes) + 65536
// Host and worker together need about 19 bytes of memory for each byte of a body, and 250 MB without any request
// (docs/adr/0028-request-body-limits.md). Within the bounds of the parameters, even the smallest instance can run one request.
var requestsAtOnce = min(perInstanceConcurrency, (instanceMemory - 250) * 1000000 / (19 * requestBodyLimit))
var database = 'scim'
var container = 'resources'

module identity 'modules/identity.bicep' = {
  name: 'identity'
  params: {
    name: names.identity
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    workspaceName: names.workspace
    insightsName: names.insights
    location: location
    tags: tags
    retentionDays: logRetentionDays
    gigabytesPerDay: logGigabytesPerDay
    appPrincipalId: identity.outputs.principalId
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    name: names.storage
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    privateNetwork: privateNetwork
    appPrincipalId: identity.outputs.principalId
    workspaceId: monitoring.outputs.workspaceId
  }
}

module cosmos 'modules/cosmos.bicep' = {
  name: 'cosmos'
  params: {
    name: names.cosmos
    database: database
    container: container
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    capacity: capacity
    autoscaleThroughput: autoscaleThroughput
    backup: backup
    privateNetwork: privateNetwork
    operatorAddresses: operatorAddresses
    appPrincipalId: identity.outputs.principalId
    operators: filter(operators, id => !empty(id))
    workspaceId: monitoring.outputs.workspaceId
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'network'
  params: {
    name: names.network
    location: location
    tags: tags
    addresses: networkAddresses
  }
}

module endpoints 'modules/endpoints.bicep' = if (privateNetwork) {
  name: 'endpoints'
  params: {
    name: names.network
    location: location
    tags: tags
    networkId: network.?outputs.networkId ?? ''
    subnetId: network.?outputs.endpointSubnetId ?? ''
    storageId: storage.outputs.id
    cosmosId: cosmos.outputs.id
    cosmosEndpoint: cosmos.outputs.endpoint
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  params: {
    planName: names.plan
    siteName: names.site
    location: location
    tags: tags
    zoneRedundant: zoneRedundant
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageBlobEndpoint: storage.outputs.blobEndpoint
    packageContainerUrl: storage.outputs.packageContainerUrl
    insightsConnection: monitoring.outputs.insightsConnection
    workspaceId: monitoring.outputs.workspaceId
    cosmosEndpoint: cosmos.outputs.endpoint
    database: database
    container: container
    subnetId: network.?outputs.appSubnetId ?? ''
    instanceMemory: instanceMemory
    maximumInstances: maximumInstances
    requestsAtOnce: requestsAtOnce
    requestBodyLimit: requestBodyLimit
    maxBodyBytes: maxBodyBytes
    maxBulkBytes: maxBulkBytes
    alwaysReadyInstances: alwaysReadyInstances
    baseUrl: baseUrl
    requestsPerSecond: requestsPerSecond
    limits: limits
    schemasFolder: schemasFolder
    meAttribute: meAttribute
    passwords: passwords
    openTelemetry: openTelemetry
  }
  // Before the endpoints exist, the app can't reach its storage and its database.
  dependsOn: [endpoints]
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    name: names.alerts
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
    cosmosId: cosmos.outputs.id
    emails: filter(alertEmails, address => !empty(address))
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  params: {
    location: location
    tags: tags
    insightsId: monitoring.outputs.insightsId
  }
}

// In the form of azd's variables: `azd env get-value TENANT_URL`.

@description('Base URL to enter in the identity provider (in Entra ID: *Tenant URL*).')
output TENANT_URL string = empty(baseUrl) ? app.outputs.baseUrl : baseUrl

@description('Name of the function app, for `func azure functionapp publish` and `az functionapp`.')
output APP_NAME string = app.outputs.name

@description('Host name of the app, the target of a custom domain.')
output APP_HOST_NAME string = app.outputs.hostName

@description('Verification id of a custom domain: the value of its TXT record `asuid`.')
output DOMAIN_VERIFICATION_ID string = app.outputs.domainVerificationId

@description('COSMOS_ENDPOINT for operators.')
output COSMOS_ENDPOINT string = cosmos.outputs.endpoint

@description('COSMOS_DATABASE for operators.')
output COSMOS_DATABASE string = database

@description('COSMOS_CONTAINER for operators.')
output COSMOS_CONTAINER string = container

@description('Name of the Cosmos DB account, for `az cosmosdb`.')
output COSMOS_ACCOUNT string = names.cosmos

@description('Object id of the app identity, for role assignments by hand.')
output APP_PRINCIPAL_ID string = identity.outputs.principalId

@description('Command with which an operator creates the first customer, after `az login`.')
output FIRST_CUSTOMER string = 'SCIM_STORE=cosmos COSMOS_ENDPOINT=${cosmos.outputs.endpoint} .venv/bin/scim customer create NAME'

@description('Resource id of the workbook about provisioning.')
output WORKBOOK_ID string = workbook.outputs.id
