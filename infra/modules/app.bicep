// The function app on Flex Consumption. Its settings are those that scim/settings.py reads, and the platform's own.

@description('Name of the plan.')
@minLength(1)
@maxLength(40)
param planName string

@description('Name of the app; its host name begins with it.')
@minLength(2)
@maxLength(60)
param siteName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Whether instances stand in different zones.')
param zoneRedundant bool

@description('Resource id of the identity.')
param identityId string

@description('Client id of the identity.')
@minLength(36)
@maxLength(36)
param identityClientId string

@description('Address of the blob service of the host.')
param storageBlobEndpoint string

@description('Address of the blob container for the package.')
param packageContainerUrl string

@description('Where telemetry is sent.')
param insightsConnection string

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('Address of the Cosmos DB account.')
param cosmosEndpoint string

@description('Name of the database.')
@minLength(1)
@maxLength(255)
param database string

@description('Name of the container.')
@minLength(1)
@maxLength(255)
param container string

@description('Resource id of the subnet that the app sends from; empty: none.')
param subnetId string

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemory int

@description('The most instances at once.')
@minValue(40)
@maxValue(1000)
param maximumInstances int

@description('Requests that an instance works on at once.')
@minValue(1)
@maxValue(100)
param requestsAtOnce int

@description('The largest body that the host passes on, in bytes.')
@minValue(1024)
@maxValue(11534336)
param requestBodyLimit int

@description('The largest body of a request, in bytes.')
@minValue(1024)
@maxValue(10485760)
param maxBodyBytes int

@description('The largest body of a bulk request, in bytes.')
@minValue(1024)
@maxValue(10485760)
param maxBulkBytes int

@description('Instances that are always warm.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int

@description('The address in answers; empty: the one that the client used.')
@maxLength(500)
param baseUrl string

@description('Requests of one customer per instance and second.')
@minValue(1)
@maxValue(100000)
param requestsPerSecond int

@description('Limits other than the defaults, by the names of their variables.')
param limits object

@description('A folder of the package with own schemas and resource types; empty: none.')
@maxLength(200)
param schemasFolder string

@description('The attribute of a user that tells who `/Me` is.')
@minLength(1)
@maxLength(300)
param meAttribute string

@description('What becomes of passwords that a client sends.')
@allowed(['drop', 'hash'])
param passwords string

@description('Whether traces and metrics are sent by OpenTelemetry as well.')
param openTelemetry bool

var telemetry = openTelemetry ? {
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
  AzureFunctionsJobHost__telemetryMode: 'OpenTelemetry'
} : {}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: siteName
  location: location
  // azd finds the service of azure.yaml by this tag.
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemory
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReadyInstances == 0 ? [] : [{ name: 'http', instanceCount: alwaysReadyInstances }]
        triggers: {
          http: {
            perInstanceConcurrency: requestsAtOnce
          }
        }
      }
    }
  }
}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'appsettings'
  // What is given as a limit can't take the place of anything else: of two of one name, the later one counts.
  properties: union(limits, telemetry, {
    // The host's storage, by identity. The address and not the account's name, which would mean the public cloud.
    AzureWebJobsStorage__blobServiceUri: storageBlobEndpoint
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    // The host refuses a larger body unread, before it costs memory. Flex Consumption may heed neither of the two values for
    // requests (azure-functions-host#11790); then perInstanceConcurrency above is what spreads them over instances.
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: string(requestBodyLimit)
    AzureFunctionsJobHost__extensions__http__maxConcurrentRequests: string(requestsAtOnce)
    // One that waits costs little beside one that runs; three of them are within the memory that is counted for the one.
    AzureFunctionsJobHost__extensions__http__maxOutstandingRequests: string(4 * requestsAtOnce)
    // Which identity DefaultAzureCredential takes, and that it tries no other way in.
    AZURE_CLIENT_ID: identityClientId
    AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
    SCIM_STORE: 'cosmos'
    COSMOS_ENDPOINT: cosmosEndpoint
    COSMOS_DATABASE: database
    COSMOS_CONTAINER: container
    // Empty counts as missing.
    SCIM_BASE_URL: baseUrl
    SCIM_REQUESTS_PER_SECOND: string(requestsPerSecond)
    SCIM_MAX_BODY_BYTES: string(maxBodyBytes)
    SCIM_MAX_BULK_BYTES: string(maxBulkBytes)
    SCIM_SCHEMAS: schemasFolder
    SCIM_ME_ATTRIBUTE: meAttribute
    SCIM_PASSWORDS: passwords
  })
}

// Deployments come with a token of Entra ID; these are the two ways in with a password.
resource ftpPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

// A preview since 2021, and the newest that there is: the stable versions before it know fewer kinds of log.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: site
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
  }
}

@description('Name of the app.')
output name string = site.name

@description('Host name of the app.')
output hostName string = site.properties.defaultHostName

@description('What a custom domain has to prove.')
output domainVerificationId string = site.properties.customDomainVerificationId

@description('The base URL of the service.')
output baseUrl string = 'https://${site.properties.defaultHostName}/scim/v2'
