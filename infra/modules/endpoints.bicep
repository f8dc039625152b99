// Private endpoints of storage and database, and private DNS zones that resolve their names in the network.

@description('Prefix in the names of the endpoints.')
@minLength(2)
@maxLength(64)
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Resource id of the network.')
param networkId string

@description('Resource id of the subnet for endpoints.')
param subnetId string

@description('Resource id of the storage account.')
param storageId string

@description('Resource id of the Cosmos DB account.')
param cosmosId string

@description('Address of the Cosmos DB account. Its domain depends on the cloud.')
param cosmosEndpoint string

// The host name in https://NAME.documents.DOMAIN:443/. environment() has the domain of storage, but not this one.
var cosmosHost = split(split(cosmosEndpoint, '/')[2], ':')[0]
var targets = [
  {
    key: 'blob'
    id: storageId
    group: 'blob'
    zone: 'privatelink.blob.${environment().suffixes.storage}'
  }
  {
    key: 'cosmos'
    id: cosmosId
    group: 'Sql'
    zone: 'privatelink.${join(skip(split(cosmosHost, '.'), 1), '.')}'
  }
]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for target in targets: {
  name: target.zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (target, i) in targets: {
  parent: zones[i]
  name: '${name}-${target.key}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [for target in targets: {
  name: '${name}-${target.key}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: target.key
        properties: {
          privateLinkServiceId: target.id
          groupIds: [target.group]
        }
      }
    ]
  }
}]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (target, i) in targets: {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: target.key
        properties: {
          privateDnsZoneId: zones[i].id
        }
      }
    ]
  }
}]
