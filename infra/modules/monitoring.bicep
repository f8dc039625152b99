// Log Analytics and Application Insights. Only identities with a role can write: the connection string alone grants no access.

@description('Name of the Log Analytics workspace.')
@minLength(4)
@maxLength(63)
param workspaceName string

@description('Name of the Application Insights component.')
@minLength(1)
@maxLength(260)
param insightsName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Retention of logs, in days.')
@minValue(30)
@maxValue(730)
param retentionDays int

@description('Daily cap of logs, in GB; -1: no cap.')
@minValue(-1)
@maxValue(4000)
param gigabytesPerDay int

@description('Object id of the app, which writes its telemetry.')
@minLength(36)
@maxLength(36)
param appPrincipalId string

// Monitoring Metrics Publisher: may send all types of telemetry and read none.
var publisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    workspaceCapping: {
      dailyQuotaGb: gigabytesPerDay
    }
    features: {
      disableLocalAuth: true
      // With read access to a resource, a person can read its logs. Otherwise a role on the workspace is needed.
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
    // Operators don't need the IP addresses of identity providers.
    DisableIpMasking: false
  }
}

resource publishes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, appPrincipalId, publisher)
  scope: insights
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', publisher)
  }
}

@description('Resource id of the workspace, for diagnostic settings.')
output workspaceId string = workspace.id

@description('Resource id of the component, for alerts and the workbook.')
output insightsId string = insights.id

@description('Connection string of Application Insights. It grants no access, because local authentication is off.')
output insightsConnection string = insights.properties.ConnectionString
