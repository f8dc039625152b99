// The database. This module creates database and container, because the app may only read and write items.

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

@description('Whether the replicas are spread over availability zones.')
param zoneRedundant bool

@description('Billing of the database.')
@allowed(['serverless', 'autoscale'])
param capacity string

@description('With `autoscale`: maximum request units per second.')
@minValue(1000)
@maxValue(1000000)
param autoscaleThroughput int

@description('Period of the continuous backup.')
@allowed(['Continuous7Days', 'Continuous30Days'])
param backup string

@description('Whether it can be reached only through private endpoints and from the addresses of operators.')
param privateNetwork bool

@description('With `privateNetwork`: IPv4 addresses or CIDR ranges of operators outside the network.')
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

// The service and its tests read the same file.
var definition = loadJsonContent('../../scim/storage/cosmos/container.json')
// Cosmos DB Built-in Data Contributor. Each account has a role definition with this id.
var dataContributor = '00000000-0000-0000-0000-000000000002'

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: capacity == 'serverless' ? [{ name: 'EnableServerless' }] : []
    // The instances of the app share no session. With a weaker level, an instance could read data that another one has replaced.
    consistencyPolicy: {
      defaultConsistencyLevel: 'Strong'
    }
    // Strong consistency allows only one write region.
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

// The scope is the account, because the service reads the account's consistency level when it starts. The account has no other
// container.
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

// The newest API version, still a preview since 2021. The older stable versions support fewer log categories.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: account
  properties: {
    workspaceId: workspaceId
    // Logs go to resource-specific tables such as CDBDataPlaneRequests.
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
