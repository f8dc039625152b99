// A stack for production: three availability zones, a private network, always-ready instances, 30 days of backups.
using 'main.bicep'

param tags = { environment: 'prod' }
param operators = split(readEnvironmentVariable('INFRA_OPERATORS', ''), ',')
param operatorAddresses = json(readEnvironmentVariable('INFRA_OPERATOR_ADDRESSES', '[]'))
param alertEmails = split(readEnvironmentVariable('INFRA_ALERT_EMAILS', ''), ',')
param baseUrl = readEnvironmentVariable('INFRA_BASE_URL', '')
param schemasFolder = readEnvironmentVariable('INFRA_SCHEMAS_FOLDER', '')
param privateNetwork = true
param zoneRedundant = true
// Faster than serverless for a first sync. At 4,000 RU/s it is also cheaper from about 160 million request units a month, by the
// formulas and assumed prices of docs/costs.md.
param capacity = 'autoscale'
param autoscaleThroughput = 4000
param backup = 'Continuous30Days'
param alwaysReadyInstances = 2
param maximumInstances = 100
param logRetentionDays = 90
