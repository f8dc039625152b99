// The whole stack: one function app, one Cosmos DB account, and what watches them. Every door between them is an identity;
// there is no key in it, hence no Key Vault.
targetScope = 'resourceGroup'

@description('Where everything stands; the resource group says it, unless another region is given.')
param location string = resourceGroup().location

@description('What the names of the resources begin with: a to z, 0 to 9 and hyphens, a letter first.')
@minLength(2)
@maxLength(16)
param name string = 'scim'

@description('Tags for every resource, such as an owner and a cost centre.')
param tags object = {}

@description('Object ids, in Entra ID, of the people, groups and pipelines who run the `scim` command on this database. They read and write all of it.')
@maxLength(100)
param operators string[] = []

@description('IPv4 addresses or CIDR ranges from which operators reach the database of a private network; none: from inside the network only.')
@maxLength(100)
param operatorAddresses string[] = []

@description('Who is told of alerts by e-mail; nobody: the alerts stand in the portal only.')
@maxLength(20)
param alertEmails string[] = []

@description('Whether the app reaches its storage and its database through private endpoints, and nobody reaches either from the internet. Identity providers still reach the app itself. Once deployed with it, keep it.')
param privateNetwork bool = false

@description('Addresses of the private network, in CIDR form, /24 or larger; any range that your other networks do not use.')
@minLength(9)
@maxLength(18)
param networkAddresses string = '10.70.0.0/24'

@description('Whether app, storage and database are spread over the zones of the region. The database cannot change it later.')
param zoneRedundant bool = false

@description('How the database is paid: `serverless` by what requests cost, `autoscale` by the hour with more throughput. Changing it later moves one way only: from serverless.')
@allowed(['serverless', 'autoscale'])
param capacity string = 'serverless'

@description('With `autoscale`: the most request units per second, in thousands; a tenth of it is paid even when nothing happens.')
@minValue(1000)
@maxValue(1000000)
param autoscaleThroughput int = 1000

@description('How far back the database can be restored: to any second of 7 days, or of 30, which is paid for.')
@allowed(['Continuous7Days', 'Continuous30Days'])
param backup string = 'Continuous7Days'

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemory int = 2048

@description('The most instances at once; it bounds what a flood can cost.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

@description('The most requests that an instance works on at once. The stack lowers it to what the memory of an instance holds, see `requestsAtOnce`.')
@minValue(1)
@maxValue(100)
param perInstanceConcurrency int = 100

@description('The largest body of a request, in bytes (SCIM_MAX_BODY_BYTES). An instance holds about 19 bytes of memory for each byte of a body: larger bodies mean fewer requests at once.')
@minValue(1024)
@maxValue(10485760)
param maxBodyBytes int = 1048576

@description('The largest body of a bulk request, in bytes (SCIM_MAX_BULK_BYTES). An instance holds about 19 bytes of memory for each byte of a body: at 10 MiB an instance of 2048 MB takes 8 requests at once, at 2 MiB 43.')
@minValue(1024)
@maxValue(10485760)
param maxBulkBytes int = 2097152

@description('Instances that are always warm; 0: the first request after a pause waits for a start. Use 2 or more with zones.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 0

@description('The address in answers behind a custom domain or a gateway, such as `https://scim.example.com/scim/v2`; empty: the one that the client used.')
@maxLength(500)
param baseUrl string = ''

@description('How many requests of one customer each instance answers in a second (SCIM_REQUESTS_PER_SECOND).')
@minValue(1)
@maxValue(100000)
param requestsPerSecond int = 100

@description('Limits other than the defaults, by the names of their variables: SCIM_MAX_RESOURCE_BYTES, SCIM_MAX_FILTER_CHARACTERS, SCIM_MAX_FILTER_DEPTH, SCIM_MAX_FILTER_COMPARISONS, SCIM_MAX_PATCH_OPERATIONS, SCIM_MAX_MEMBERS, SCIM_DEFAULT_PAGE, SCIM_MAX_PAGE, SCIM_MAX_LIST_BYTES, SCIM_MAX_BULK_OPERATIONS, SCIM_CURSOR_SECONDS.')
param limits object = {}

@description('A folder of the package, such as `schemas`, with files that describe own schemas and resource types; empty: there are none.')
@maxLength(200)
param schemasFolder string = ''

@description('The attribute of a user that holds the object id of that user in Entra ID: who `/Me` is.')
@minLength(1)
@maxLength(300)
param meAttribute string = 'externalId'

@description('What becomes of passwords that a client sends: forgotten, or kept as Argon2id hashes.')
@allowed(['drop', 'hash'])
param passwords string = 'drop'

@description('Whether traces and metrics are sent by OpenTelemetry as well. The lines in the log come without it.')
param openTelemetry bool = false

@description('Days that logs are kept; the first 31 cost nothing.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('GB of logs a day after which no more are taken until the next day; -1: no limit. What is over it can set off no alert.')
@minValue(-1)
@maxValue(4000)
param logGigabytesPerDay int = -1

// Thirteen characters that are the same for the same resource group, so that a second deployment finds the first.
var suffix = uniqueString(resourceGroup().id, name)
var prefix = toLower(name)
// Storage accounts know no hyphens: 2 + 9 + 13 characters of the 24 that they may have.
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
// The host answers a body over its own limit with an empty 500, so its limit lies 64 KiB above the largest that the service
// accepts: a body that is a little too large still gets the service's own 413, which names the limit.
var requestBodyLimit = max(maxBodyBytes, maxBulkBytes) + 65536
// Host and worker together hold about 19 bytes for each byte of a body (docs/adr/0028-request-body-limits.md); 250 MB are
// theirs without any. The bounds of the parameters leave room for one request on the smallest instance.
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
  // Without them the app would look for its storage and its database where nobody answers.
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

// Written as azd writes variables: `azd env get-value TENANT_URL`.

@description('The address that an identity provider is given (in Entra ID: *Tenant URL*).')
output TENANT_URL string = empty(baseUrl) ? app.outputs.baseUrl : baseUrl

@description('The function app: what `func azure functionapp publish` and `az functionapp` ask for.')
output APP_NAME string = app.outputs.name

@description('The host name of the app, which a custom domain points at.')
output APP_HOST_NAME string = app.outputs.hostName

@description('What a custom domain has to prove: the value of its TXT record `asuid`.')
output DOMAIN_VERIFICATION_ID string = app.outputs.domainVerificationId

@description('COSMOS_ENDPOINT for operators.')
output COSMOS_ENDPOINT string = cosmos.outputs.endpoint

@description('COSMOS_DATABASE for operators.')
output COSMOS_DATABASE string = database

@description('COSMOS_CONTAINER for operators.')
output COSMOS_CONTAINER string = container

@description('The database account: what `az cosmosdb` asks for.')
output COSMOS_ACCOUNT string = names.cosmos

@description('The app identity: its object id, for role assignments that are made by hand.')
output APP_PRINCIPAL_ID string = identity.outputs.principalId

@description('How an operator makes the first customer, after `az login`.')
output FIRST_CUSTOMER string = 'SCIM_STORE=cosmos COSMOS_ENDPOINT=${cosmos.outputs.endpoint} .venv/bin/scim customer create NAME'

@description('The workbook that shows what is provisioned.')
output WORKBOOK_ID string = workbook.outputs.id
