// The workbook with charts about provisioning: in the Azure portal, under the Application Insights component, Workbooks.

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Resource id of the Application Insights component, whose data it shows.')
param insightsId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  // The name of a workbook must be a GUID.
  name: guid(insightsId, 'provisioning')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'SCIM provisioning'
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: insightsId
    serializedData: loadTextContent('../workbook.json')
  }
}

@description('Resource id.')
output id string = workbook.id
