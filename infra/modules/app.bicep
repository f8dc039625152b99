// The function app on Flex Consumption, with the settings that scim/settings.py and the Functions platform read.

@description('Name of the plan.')
@minLength(1)
@maxLength(40)
param planName string

@description('Name of the app, and the start of its host name.')
@minLength(2)
@maxLength(60)
param siteName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Whether instances are spread over availability zones.')
param zoneRedundant bool

@description('Resource id of the managed identity.')
param identityId string

@description('Client id of the managed identity.')
@minLength(36)
@maxLength(36)
param identityClientId string

@description('Address of the blob service that the host uses.')
param storageBlobEndpoint string

@description('Address of the blob container for the deployment package.')
param packageContainerUrl string

@description('Connection string of Application Insights.')
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

@description('Resource id of the subnet for outgoing connections of the app. Empty: none.')
param subnetId string

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemory int

@description('Maximum number of instances.')
@minValue(40)
@maxValue(1000)
param maximumInstances int

@description('Number of concurrent requests of an instance.')
@minValue(1)
@maxValue(100)
param requestsAtOnce int

@description('Maximum size of a body that the host passes to the app, in bytes.')
@minValue(1024)
@maxValue(11534336)
param requestBodyLimit int

@description('Maximum size of a request body, in bytes.')
@minValue(1024)
@maxValue(10485760)
param maxBodyBytes int

@description('Maximum size of the body of a bulk request, in bytes.')
@minValue(1024)
@maxValue(10485760)
param maxBulkBytes int

@description('Number of instances that are always ready.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int

@description('Base URL in responses. Empty: the address that the client used.')
@maxLength(500)
param baseUrl string

@description('Rate limit: requests per second that each instance accepts from one customer.')
@minValue(1)
@maxValue(100000)
param requestsPerSecond int

@description('Limits that differ from the defaults, by the names of their settings.')
param limits object

@description('Folder in the deployment package with custom schemas and resource types. Empty: none.')
@maxLength(200)
param schemasFolder string

@description('Attribute of a user that determines the user of `/Me`.')
@minLength(1)
@maxLength(300)
param meAttribute string

@description('Handling of passwords that a client sends.')
@allowed(['drop', 'hash'])
param passwords string

@description('Whether the app also sends traces and metrics by OpenTelemetry.')
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
  // If two arguments of union() have the same name, the later one wins, so `limits` can't override another setting.
  properties: union(limits, telemetry, {
    // The host's storage, accessed with the managed identity. An account name instead of the address would imply the public cloud.
    AzureWebJobsStorage__blobServiceUri: storageBlobEndpoint
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identityClientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
    // The host refuses a larger body before it reads it into memory. Flex Consumption may ignore the two request limits below
    // (azure-functions-host#11790). Then only perInstanceConcurrency above spreads requests over instances.
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: string(requestBodyLimit)
    AzureFunctionsJobHost__extensions__http__maxConcurrentRequests: string(requestsAtOnce)
    // A waiting request needs little memory: three waiting requests for each running one fit into the computed memory.
    AzureFunctionsJobHost__extensions__http__maxOutstandingRequests: string(4 * requestsAtOnce)
    // DefaultAzureCredential uses only this managed identity.
    AZURE_CLIENT_ID: identityClientId
    AZURE_TOKEN_CREDENTIALS: 'ManagedIdentityCredential'
    SCIM_STORE: 'cosmos'
    COSMOS_ENDPOINT: cosmosEndpoint
    COSMOS_DATABASE: database
    COSMOS_CONTAINER: container
    // The service treats an empty value as missing.
    SCIM_BASE_URL: baseUrl
    SCIM_REQUESTS_PER_SECOND: string(requestsPerSecond)
    SCIM_MAX_BODY_BYTES: string(maxBodyBytes)
    SCIM_MAX_BULK_BYTES: string(maxBulkBytes)
    SCIM_SCHEMAS: schemasFolder
    SCIM_ME_ATTRIBUTE: meAttribute
    SCIM_PASSWORDS: passwords
  })
}

// Deployments authenticate with Entra ID. These two resources disable publishing with a password.
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

// The newest API version, still a preview since 2021. The older stable versions support fewer log categories.
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

@description('Verification id of a custom domain.')
output domainVerificationId string = site.properties.customDomainVerificationId

@description('Base URL of the service.')
output baseUrl string = 'https://${site.properties.defaultHostName}/scim/v2'
