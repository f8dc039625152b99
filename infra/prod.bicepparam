// A stack that customers rely on: three zones, a private network, warm instances, a month of backups.
using 'main.bicep'

param tags = { environment: 'prod' }
param operators = split(readEnvironmentVariable('INFRA_OPERATORS', ''), ',')
param operatorAddresses = json(readEnvironmentVariable('INFRA_OPERATOR_ADDRESSES', '[]'))
param alertEmails = split(readEnvironmentVariable('INFRA_ALERT_EMAILS', ''), ',')
param baseUrl = readEnvironmentVariable('INFRA_BASE_URL', '')
param schemasFolder = readEnvironmentVariable('INFRA_SCHEMAS_FOLDER', '')
param privateNetwork = true
param zoneRedundant = true
// Pays from about 40 million request units a month (docs/costs.md), and takes a first sync faster than serverless.
param capacity = 'autoscale'
param autoscaleThroughput = 4000
param backup = 'Continuous30Days'
param alwaysReadyInstances = 2
param maximumInstances = 100
param logRetentionDays = 90
