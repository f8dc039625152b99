// The database. The app may read and write items and nothing else, so database and container are made here.

@description('Name of the account.')
@minLength(3)
@maxLength(44)
param name string

@description('Name of the database (COSMOS_DATABASE).')
@minLength(1)
@maxLength(255)
param database string

@description('Name of the container (COSMOS_CONTAINER).')
@minLength(1)
@maxLength(255)
param container string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Whether the replicas stand in different zones.')
param zoneRedundant bool

@description('How it is paid.')
@allowed(['serverless', 'autoscale'])
param capacity string

@description('With `autoscale`: the most request units per second.')
@minValue(1000)
@maxValue(1000000)
param autoscaleThroughput int

@description('How far back it can be restored.')
@allowed(['Continuous7Days', 'Continuous30Days'])
param backup string

@description('Whether only private endpoints and the addresses of operators lead to it.')
param privateNetwork bool

@description('IPv4 addresses or ranges of operators outside of a private network.')
@maxLength(100)
param operatorAddresses string[]

@description('Object id of the app.')
@minLength(36)
@maxLength(36)
param appPrincipalId string

@description('Object ids of operators.')
@maxLength(100)
param operators string[]

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

// The same file that the service and its tests go by.
var definition = loadJsonContent('../../scim/storage/container.json')
// Cosmos DB Built-in Data Contributor; each account has its own definition of that id.
var dataContributor = '00000000-0000-0000-0000-000000000002'

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: capacity == 'serverless' ? [{ name: 'EnableServerless' }] : []
    // Instances of the app share no session, so a weaker level would let one read what another has replaced.
    consistencyPolicy: {
      defaultConsistencyLevel: 'Strong'
    }
    // One region writes: Strong consistency has no other way.
    enableMultipleWriteLocations: false
    enableAutomaticFailover: false
    locations: [
      {
        locationName: location
        failoverPriority: 0
        isZoneRedundant: zoneRedundant
      }
    ]
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: privateNetwork && empty(operatorAddresses) ? 'Disabled' : 'Enabled'
    ipRules: [for address in (privateNetwork ? operatorAddresses : []): {
      ipAddressOrRange: address
    }]
    networkAclBypass: 'None'
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: backup
      }
    }
  }
}

resource sqlDatabase 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2026-03-15' = {
  parent: account
  name: database
  properties: {
    resource: {
      id: database
    }
  }
}

resource sqlContainer 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: sqlDatabase
  name: container
  properties: {
    resource: union({ id: container }, definition)
    options: capacity == 'autoscale' ? { autoscaleSettings: { maxThroughput: autoscaleThroughput } } : {}
  }
}

// On the account, which holds nothing but this container: the service reads the account's consistency when it starts.
resource appReadsAndWrites 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = {
  parent: account
  name: guid(account.id, appPrincipalId, dataContributor)
  properties: {
    principalId: appPrincipalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataContributor}'
    scope: account.id
  }
}

resource operatorsReadAndWrite 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = [for operator in operators: {
  parent: account
  name: guid(account.id, operator, dataContributor)
  properties: {
    principalId: operator
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataContributor}'
    scope: account.id
  }
}]

// A preview since 2021, and the newest that there is: the stable versions before it know fewer kinds of log.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: account
  properties: {
    workspaceId: workspaceId
    // Tables with columns of their own, such as CDBDataPlaneRequests.
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'DataPlaneRequests'
        enabled: true
      }
      {
        category: 'ControlPlaneRequests'
        enabled: true
      }
    ]
  }
}

@description('Resource id, for the private endpoint and the alert.')
output id string = account.id

@description('Address of the account (COSMOS_ENDPOINT).')
output endpoint string = account.properties.documentEndpoint
